"""What a compliance officer reads on a materialisation: counts, digests, schema, problems, links."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from hub_pipelines.validate.model import Feed

if TYPE_CHECKING:
    from hub_pipelines.ledger.model import Posting
    from hub_pipelines.submission.model import Envelope, Submission

Metadata = Mapping[str, Any]
_PROBLEMS_SHOWN = 25


def column_schema(feed: Feed) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                description=feed.column_descriptions[name],
                constraints=dg.TableColumnConstraints(
                    nullable=name not in feed.required, unique=name == feed.key_column
                ),
            )
            for name in feed.columns
        ]
    )


def of_arrival(envelope: "Envelope") -> Metadata:
    return {
        "source_file": envelope.source_name,
        "campus": envelope.campus,
        "channel": envelope.channel,
        "received_at": dg.MetadataValue.timestamp(envelope.received_at),
        "sha256": envelope.content_digest,
        "size_bytes": envelope.size_bytes,
    }


def of_archived(current: "Submission", path: Path) -> Metadata:
    return {
        **of_arrival(current.envelope),
        "archived_copy": dg.MetadataValue.path(str(path)),
        "signature": f"valid, Ed25519 key {current.envelope.key_id}",
        "source_version": current.source_version,
        "revises": current.revises or "nothing: the first of this name",
        "attempt": current.attempts,
        "revision": current.revision,
    }


def of_validated(feed: Feed, summary: Mapping[str, Any], problems: list[dict[str, Any]]) -> Metadata:
    metadata: dict[str, Any] = {
        "dagster/row_count": summary["received"],
        "dagster/column_schema": column_schema(feed),
        "rows_accepted": summary["accepted"],
        "rows_rejected": summary["rejected"],
        "rejections_by_rule": dg.MetadataValue.json(dict(summary["rules"])),
        "contract": f"{summary['record_type']} version {summary['contract_version']}",
        "registry_version": summary["registry_version"],
        "read_as": dg.MetadataValue.json(dict(summary["reader"])),
    }
    if problems:
        metadata["first_problems"] = dg.MetadataValue.md(_table(problems[:_PROBLEMS_SHOWN]))
    return metadata


def _table(problems: list[dict[str, Any]]) -> str:
    head = "| row | column | value | reason | suggestion |\n|--:|---|---|---|---|"
    lines = [
        "| " + " | ".join(cell(problem[name]) for name in ("row", "column", "value", "reason", "suggestion")) + " |"
        for problem in problems
    ]
    return "\n".join([head, *lines])


def cell(value: object) -> str:
    """A value as a cell of a Markdown table, with nothing that the page would take for markup."""
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def of_posted(posting: "Posting") -> Metadata:
    return {
        "dagster/row_count": posting.posted,
        "ledger": posting.ledger,
        "ledger_version": posting.ledger_version,
        "rows_posted": posting.posted,
        "rows_unchanged": posting.unchanged,
        "rows_rejected": posting.rejected,
        "rows_received": posting.received,
        "rows_sha256": posting.rows_digest,
        "posted_at": dg.MetadataValue.timestamp(posting.posted_at),
        "repeat_of_an_earlier_run": posting.repeat,
    }
