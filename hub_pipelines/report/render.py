"""A receipt as a page and as a machine-readable file; what all pages share.

Not here: what is said (words.py, steps.py), nor writing files to disk (service.py).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from zoneinfo import ZoneInfo

from hub_pipelines.report.model import Correction, Count, Line, Receipt
from hub_pipelines.report.steps import steps_of
from hub_pipelines.report.words import (
    GLYPHS,
    is_update_of_count,
    newer_came,
    receipt_headline,
    receipt_tone,
    still_not_taken,
    to_look_at,
    waiting_told,
)

if TYPE_CHECKING:
    from jinja2 import Template

_ROWS_NAMED, _EXAMPLES = 12, 3
_REQUEUE = "hub requeue --rule tag_not_in_registry"


def to_html(receipt: Receipt) -> str:
    """The receipt as one self-contained page."""
    tone = receipt_tone(receipt)
    return template("receipt.html").render(
        r=receipt,
        tone=tone,
        glyph=GLYPHS[tone],
        headline=receipt_headline(receipt),
        lead=_lead(receipt),
        counts=counts_strip(receipt),
        problems=by_row(receipt.problems),
        waiting=waiting_told(receipt),
        warnings=by_row(to_look_at(receipt.warnings)),
        read_so=read_otherwise(receipt.warnings),
        steps=steps_of(receipt),
        workbook=_workbook_told(receipt),
        workbook_title=_workbook_title(receipt),
        problems_left=_correction_told(receipt.correction),
        newer=newer_came(receipt.newer) if receipt.newer else None,
        about=_about(receipt),
        proof=_proof(receipt),
        shown_time=lambda at: shown_time(at, receipt.time_zone),
    )


def to_json(receipt: Receipt) -> str:
    """The receipt for programs: the same facts and headline, always in the same order, times in UTC."""
    content = {"headline": receipt_headline(receipt), **asdict(receipt)}
    return json.dumps(content, indent=2, ensure_ascii=False, default=utc_text) + "\n"


def _lead(receipt: Receipt) -> str | None:
    if is_update_of_count(receipt):
        return "Its rows were taken as an update. Nothing was counted by this file."
    match receipt.outcome:
        case "duplicate":
            return "No row was changed by this copy."
        case "in_review" | "question" if receipt.counts.posted == 0:
            return "Nothing has been taken from it so far."
        case "posted" | "waiting":
            return receipt.headline_reason
    return None


def counts_strip(receipt: Receipt) -> list[tuple[str, str]]:
    counts = receipt.counts
    if counts.received == 0 and receipt.outcome not in ("posted", "nothing_posted"):
        return []  # the rows were never counted, and "0 rows" would read as "your file is empty"
    rows = "Messages in this batch" if receipt.of_messages else "Rows in your file"
    always = [(rows, counts.received), ("Taken", counts.posted)]
    if counts.new is not None and counts.posted:
        always += [("New", counts.new), ("Changed", counts.posted - counts.new)]
    others = [
        ("Already up to date", counts.up_to_date),
        ("Left as others have set them", counts.spared),
        ("Gave way to a newer one", counts.superseded),
        ("Not taken", counts.rejected),
        ("Held for a person", counts.held),
        ("In another table, not read", counts.elsewhere),
    ]
    if receipt.count is not None:
        others += [("Not found", receipt.count.not_found), ("Found since", _found_since(receipt.count))]
        others.append(("Used up since" if receipt.count.by_place else "Gone since", receipt.count.used_up))
    return [(label, f"{number:,}") for label, number in always + [pair for pair in others if pair[1]]]


def _found_since(count: Count) -> int:
    return count.not_found - count.still_missing - count.used_up


def _workbook_title(receipt: Receipt) -> str:
    if receipt.outcome == "question":
        return "Your file, with a sheet for your answers"
    if receipt.only_registry:
        return "Your file, with what waits for the procurement list marked"
    if receipt.counts.rejected or receipt.outcome not in ("posted", "nothing_posted"):
        return "Your file with the problems marked"
    return "Your file, with what is worth a look marked"


def _workbook_told(receipt: Receipt) -> dict[str, str] | None:
    """The workbook's link, or why there is none (yet)."""
    workbook = receipt.workbook
    if workbook is None:
        return None
    if workbook.state == "made" and workbook.file_name:
        usual = "Open it in Excel, fix the red cells, save it and drop it into the same folder."
        is_to_fix = receipt.counts.rejected and not receipt.only_registry and not receipt.is_superseded
        note = workbook.note or (usual if is_to_fix else "")
        return {"href": quote(workbook.file_name), "name": workbook.file_name, "text": note}
    marked = "what waits" if receipt.only_registry else "the problems"
    if workbook.state == "failed":
        return {
            "href": "",
            "name": "",
            "text": f"There is no copy of your file with {marked} marked: {workbook.note}. This page tells them.",
        }
    return {
        "href": "",
        "name": "",
        "text": f"A copy of your file with {marked} marked is being made. Reload this page in a minute.",
    }


def _correction_told(correction: Correction | None) -> str | None:
    """How many of the earlier file's problems are left."""
    if correction is None or correction.problems_before is None or correction.problems_left is None:
        return None
    before, left = correction.problems_before, correction.problems_left
    if before == 0 and left == 0:
        return None
    was = "1 problem" if before == 1 else f"{before:,} problems"
    if correction.rows_left:
        not_taken = still_not_taken(correction.rows_left, correction.rows_left_of)
        return f"The earlier file had {was}; this workbook has {left:,}, and {not_taken}, in it or not."
    if left == 0:
        return f"The earlier file had {was}; none is left."
    return f"The earlier file had {was}; this one has {left:,}."


def _about(receipt: Receipt) -> list[tuple[str, str]]:
    rows = [
        ("Received", _maybe_time(receipt.received_at, receipt.time_zone)),
        ("Settled", _maybe_time(receipt.settled_at, receipt.time_zone)),
        ("Version of this list", f"{receipt.list_version:,}" if receipt.list_version else None),
        ("Procurement list used", _registry(receipt)),
    ]
    return [(label, value) for label, value in rows if value]


def _proof(receipt: Receipt) -> list[tuple[str, str]]:
    """What a sender need not read, to be read letter by letter: numbers by which others find it, and commands."""
    rows = [
        ("Submission number", receipt.request_id),
        ("Replaces submission", receipt.revises),
        ("Copy of submission", receipt.first_request_id),
        ("Fingerprint (SHA-256)", receipt.content_digest),
        ("Archived copy", receipt.archived_copy),
        ("Take the answers", receipt.answer_command),
        ("Take it again when the list is there", _REQUEUE if receipt.only_registry else None),
        ("Correct how a column was read", "hub mapping set" if receipt.columns_read.understood else None),
    ]
    return [(label, value) for label, value in rows if value]


def _registry(receipt: Receipt) -> str | None:
    parts = []
    if receipt.registry_version == 0:
        return "none: there was no list yet"
    if receipt.registry_version is not None:
        parts.append(f"version {receipt.registry_version}")
    if receipt.registry_date is not None:
        parts.append(f"of {shown_time(receipt.registry_date, receipt.time_zone)}")
    return " ".join(parts) or None


def by_row(lines: Iterable[Line]) -> list[tuple[str, list[Line]]]:
    """Lines under the row that they belong to, as a page numbers it."""
    place = attrgetter("part", "row")
    grouped = [list(group) for _, group in groupby(sorted(lines, key=place), key=place)]
    return [(_row_label(group[0]), group) for group in grouped]


@dataclass(frozen=True)
class ReadOtherwise:
    """Cells of one column that were read in the same way, as a line of a page."""

    rows: str
    column: str
    place: str | None
    wrote: str | None
    reason: str


def read_otherwise(warnings: Iterable[Line]) -> list[ReadOtherwise]:
    """What is told of cells that nothing is to be done about, once for all rows of which the same is told."""
    alike: dict[tuple[str, str | None, str], list[Line]] = {}
    for line in warnings:
        if line.tells_reading or (not line.suggestion and line.row > 0):
            column = line.heading or (line.column or "").replace("_", " ")
            alike.setdefault((column, line.place, line.reason), []).append(line)
    return [
        ReadOtherwise(_rows_of(lines), column, place, _examples(lines), reason)
        for (column, place, reason), lines in alike.items()
    ]


def _rows_of(lines: Sequence[Line]) -> str:
    labels = list(dict.fromkeys(map(_row_label, lines)))
    return "; ".join(labels[:_ROWS_NAMED]) + (
        f" and {len(labels) - _ROWS_NAMED:,} more" if labels[_ROWS_NAMED:] else ""
    )


def _examples(lines: Sequence[Line]) -> str | None:
    wrote = list(dict.fromkeys(line.value for line in lines if line.value))
    return ", ".join(wrote[:_EXAMPLES]) + (" …" if wrote[_EXAMPLES:] else "") or None


def _row_label(line: Line) -> str:
    if line.row <= 0:
        return "Whole file"
    told = [str(line.row)]
    told += [line.came_under] if line.came_under is not None else []
    told += [f"sheet {line.sheet}"] if line.sheet is not None else []
    told += [f"table from column {line.table}"] if line.table is not None else []
    return ", ".join(told)


def shown_time(at: datetime, zone: str) -> str:
    """A time as a receipt shows it, in a time zone (IANA)."""
    local = _aware(at).astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%B %Y, %H:%M:%S %Z}"


def short_time(at: datetime, zone: str) -> str:
    local = _aware(at).astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M %Z}"


def _maybe_time(at: datetime | None, zone: str) -> str | None:
    return None if at is None else shown_time(at, zone)


def utc_text(value: object) -> str:
    """A time in JSON. Raises TypeError for anything else."""
    if not isinstance(value, datetime):
        raise TypeError(f"a receipt cannot hold a {type(value).__name__}")
    return _aware(value).astimezone(UTC).isoformat()


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"a receipt's times need a time zone, and {at} has none")
    return at


@cache
def template(name: str) -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FileSystemLoader(Path(__file__).parent),
    )
    return environment.get_template(name)
