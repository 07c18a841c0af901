"""Previews in Dagster: what the files in the preview folders would do.

Belongs here: the asset and its metadata. Not here: making a preview (previewing.py), when a run is launched (sensors).
"""

from typing import TYPE_CHECKING, Any

import dagster as dg

from hub_pipelines.defs import metadata
from hub_pipelines.defs.assets import OWNERS
from hub_pipelines.defs.jobs import PREVIEWS
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.defs.sensors import PREVIEW_TAG
from hub_pipelines.settings import Settings

if TYPE_CHECKING:
    from hub_pipelines.previewing import Made

_LINES_SHOWN = 200


def previews_asset(settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        name=PREVIEWS,
        group_name="evidence",
        owners=OWNERS,
        kinds={"html", "json"},
        description=(
            "What files dropped into a preview folder would do: judged as always, compared with the ledger, nothing "
            "changed. Started from this page, it makes what is due at every campus."
        ),
    )
    def previews(context: dg.AssetExecutionContext, hub: HubResource) -> dg.MaterializeResult[Any]:
        asked = context.run.tags.get(PREVIEW_TAG)
        made = [
            one for campus in ([asked] if asked else settings.campuses) for one in hub.open().previews.make_due(campus)
        ]
        failed = [one.arrival.source_name for one in made if one.preview.would == "unknown"]
        if failed:
            raise dg.Failure(
                description=f"What these files would do could not be found out: {', '.join(failed)}. Their receipts "
                "say so; the log has the reason.",
                metadata=_metadata(made),
                allow_retries=False,
            )
        return dg.MaterializeResult(metadata=_metadata(made))

    return previews


def _metadata(made: "list[Made]") -> dict[str, Any]:
    told: dict[str, Any] = {"dagster/row_count": len(made)}
    if made:
        told["previews"] = metadata.records([_line(one) for one in made[:_LINES_SHOWN]])
        told["newest_receipt"] = dg.MetadataValue.path(str(made[-1].page))
    return told


def _line(one: "Made") -> dict[str, Any]:
    preview, found = one.preview, one.preview.found
    names = ("received", "new", "changed", "unchanged", "rejected")
    return {
        "campus": preview.campus,
        "feed": preview.feed,
        "file": preview.source_name,
        "would": preview.would,
        "reason": preview.reason,
        **{name: getattr(found, name) if found else None for name in names},
        "seconds": round((preview.previewed_at - preview.arrived_at).total_seconds(), 1),
        "receipt": str(one.page),
    }
