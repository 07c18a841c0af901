"""Jobs: one per feed that takes a submission through its run, one that walks the audit chain. All in one process."""

import dagster as dg

from hub_pipelines.validate.model import Feed

SIZE_TAG = "hub/size"
LARGE = {SIZE_TAG: "large"}
"""Of runs that may take long: one at a time, so that one place is for small files always (decisions/0114)."""

AUDIT_JOB = "audit_job"


PREVIEW_JOB = "preview_job"
PREVIEWS = "previews"


def job_name(feed: str) -> str:
    return f"{feed}_job"


def submission_job(feed: Feed) -> "dg.UnresolvedAssetJobDefinition":
    stages = [f"{feed.name}_{stage}" for stage in ("archived", "validated", "posted", "receipts")]
    return dg.define_asset_job(
        job_name(feed.name),
        selection=dg.AssetSelection.assets(*stages),
        description=f"One submission of {feed.name} from the archive to its receipt; the partition is its request_id.",
    )


def preview_job() -> "dg.UnresolvedAssetJobDefinition":
    return dg.define_asset_job(
        PREVIEW_JOB,
        selection=dg.AssetSelection.assets(PREVIEWS),
        description="What the files in the preview folders would do; one run for all that are due. Nothing is changed.",
    )


def audit_job() -> "dg.UnresolvedAssetJobDefinition":
    return dg.define_asset_job(
        AUDIT_JOB,
        selection=dg.AssetSelection.assets("audit_log"),
        description="Walk every campus's audit chain and the archive behind it.",
        tags=LARGE,
    )
