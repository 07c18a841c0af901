"""What a compliance officer reads on a materialisation: counts, digests, schema, problems, links."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from hub_pipelines.validate.columns import places_of
from hub_pipelines.validate.model import Feed, RecordType

if TYPE_CHECKING:
    from hub_pipelines.ledger.model import Posting
    from hub_pipelines.mapping.decision import Decision
    from hub_pipelines.mapping.model import Assigned
    from hub_pipelines.publishing import Outcome
    from hub_pipelines.submission.model import Envelope, Submission
    from hub_pipelines.validate.model import Part

Metadata = Mapping[str, Any]
_PROBLEMS_SHOWN = 25
_LOCATIONS_SHOWN = 200
_COLUMNS_SHOWN = 100


def column_schema(record: RecordType) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                description=record.column_descriptions[name],
                constraints=dg.TableColumnConstraints(
                    nullable=name not in record.required, unique=(name,) == record.key_columns
                ),
            )
            for name in record.columns
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


def of_validated(
    feed: Feed, summary: Mapping[str, Any], problems: list[dict[str, Any]], decision: "Decision | None"
) -> Metadata:
    record = feed.record_type(summary["record_type"])
    metadata: dict[str, Any] = {
        "dagster/row_count": summary["received"],
        "dagster/column_schema": column_schema(record),
        "rows_accepted": summary["accepted"],
        "rows_rejected": summary["rejected"],
        "rejections_by_rule": dg.MetadataValue.json(dict(summary["rules"])),
        "contract": f"{summary['record_type']} version {summary['contract_version']}",
        "registry_version": summary["registry_version"],
        "read_as": dg.MetadataValue.json(dict(summary["reader"])),
        "headers": f"{summary['headers']} (shape {summary['shape']})",
        "migration": summary["migration"] or "none",
    }
    if decision is not None:
        metadata |= _of_decision(decision)
    if problems:
        metadata["first_problems"] = dg.MetadataValue.md(table([_shown(one) for one in problems[:_PROBLEMS_SHOWN]]))
    return metadata


def _of_decision(decision: "Decision") -> dict[str, Any]:
    """Which column of the file was read as which of the contract's, and how values were read."""
    told: dict[str, Any] = {
        "decision": decision.digest,
        "kept_unread": ", ".join(decision.unread[:_COLUMNS_SHOWN]) or "none",
    }
    if decision.mapping is not None and decision.mapping.assigned:
        told["columns"] = records([column_line(one, decision.parts) for one in decision.mapping.assigned])
    if decision.told:
        told["values_read_as"] = dg.MetadataValue.md("\n".join(f"- {cell(line)}" for line in decision.told))
    return told


def column_line(one: "Assigned", parts: Sequence["Part"]) -> Mapping[str, Any]:
    return {
        "column": one.column,
        "heading": one.heading or "(no heading)",
        "place": places_of(one.position, parts),
        "how": one.how,
        "confidence": f"{one.confidence:.2f}",
        "evidence": "; ".join(one.evidence),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of equal keys as a Markdown table."""
    head = [*rows[0]]
    lines = ["| " + " | ".join(cell(row[name]) for name in head) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines])


def _shown(problem: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: problem[name] for name in ("row", "column", "value", "reason", "suggestion")}


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
        **_of_count(posting),
    }


def of_news(news: Sequence[Mapping[str, Any]]) -> Metadata:
    """What was changed and what that means: extensions, funds that were taken back, milestones that moved."""
    if not news:
        return {}
    lines = [{name: one[name] for name in ("row", "item", "event", "what", "what_to_do")} for one in news]
    return {"what_changed": records(lines[:_PROBLEMS_SHOWN]), "changes_of_note": len(news)}


def _of_count(posting: "Posting") -> Metadata:
    if posting.counted is None:
        return {}
    return {
        "counted_locations": dg.MetadataValue.json(list(posting.counted[:_LOCATIONS_SHOWN])),
        "not_found": posting.not_found,
        "listed_in_rejected_rows": posting.listed_in_rejected_rows,
    }


def records(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows of equal keys as a table that the page draws and a program reads."""
    told = ({name: "" if value is None else value for name, value in row.items()} for row in rows)
    return dg.MetadataValue.table([dg.TableRecord(row) for row in told])


def of_ledger(outcomes: "Sequence[Outcome]") -> Metadata:
    """A feed's campus-day: one line for each record type that has entries."""
    told: dict[str, Any] = {"dagster/row_count": sum(one.entries for one in outcomes)}
    if outcomes:
        told["snapshots"] = records([_snapshot(one) for one in outcomes])
        told["files"] = dg.MetadataValue.json([str(one.path) for one in outcomes])
    return told


def _snapshot(one: "Outcome") -> Mapping[str, Any]:
    return {
        "record type": one.record_type,
        "entries": one.entries,
        "outcome": one.state,
        "from the archive": _reproduced(one),
        "sha256 of the content": one.content_digest,
    }


def _reproduced(one: "Outcome") -> str:
    if one.reproduction is None:
        return "not read again"
    return "the same" if one.reproduction.is_equal else "NOT reproducible"
