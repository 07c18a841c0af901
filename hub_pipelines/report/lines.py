"""Lines of a receipt: what was found of a row, a column or a question, as its sender is told.

Not here: which of them a receipt has (service.py), how they are shown (render.py).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hub_pipelines.common.store import Transaction
from hub_pipelines.drift import store as shapes
from hub_pipelines.drift.comparing import note_of, side_by_side
from hub_pipelines.drift.model import Kind, Pair, ShapeChange
from hub_pipelines.ledger.comparing.replacing import in_words
from hub_pipelines.ledger.entries import store as ledger_entries
from hub_pipelines.ledger.model import SetOver
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.mapping.remembered import Kept
from hub_pipelines.report.calling import Called
from hub_pipelines.report.decided import COLUMNS_SHOWN
from hub_pipelines.report.model import (
    ColumnLine,
    ItemName,
    Line,
    QuestionLine,
    Waiting,
)
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Submission
from hub_pipelines.validate.columns import table_of
from hub_pipelines.validate.model import PART_ROWS, Part, excel_row, sheet_of

CHANGES_SHOWN = 100


def closed_lines(tx: Transaction, current: Submission, parts: Sequence[Part]) -> tuple[Line, ...]:
    """Lines that rows of this file have replaced, since it corrects another one. Where it has replaced none, they are
    not looked for among all that it has posted."""
    posting = ledger_outcomes.find_posting(tx, current.request_id, current.revision)
    if posting is None or not posting.replaced:
        return ()
    found = ledger_entries.closed_by(tx, current.request_id, current.revision, limit=CHANGES_SHOWN)
    return tuple(_line_of_closed(row_no, in_words(json.loads(values)), parts) for row_no, values in found)


def _line_of_closed(row_no: int, was: str, parts: Sequence[Part]) -> Line:
    reason = f"This row was posted before as {was}. That line is closed now: this row has its place in the ledger."
    return Line(excel_row(row_no), None, None, reason, None, row_no // PART_ROWS, sheet_of(row_no, parts))


def waiting_rows(problems: Sequence[dict[str, Any]], total: int, parts: Sequence[Part], by_sender: Called) -> Waiting:
    """Of tags that nobody could check when their file came; `problems` are the first of `total`."""
    by_sheet: dict[str | None, list[int]] = {}
    for one in problems:
        by_sheet.setdefault(sheet_of(one["row_no"], parts), []).append(excel_row(one["row_no"]))
    rows = tuple((sheet, tuple(sorted(set(numbers)))) for sheet, numbers in by_sheet.items())
    return Waiting(total, rows, by_sender.sentence(problems[0]["column_name"]))


def line_of(problem: dict[str, Any], parts: Sequence[Part], by_sender: Called, came_under: Mapping[int, str]) -> Line:
    """`came_under` has of messages, by row, the webhook-id of each."""
    row_no, column, suggestion = problem["row_no"], problem["column_name"], problem["suggestion"]
    return Line(
        row=excel_row(row_no),
        column=column,
        value=problem["value"],
        reason=by_sender.sentence(problem["reason"], column),
        suggestion=by_sender.sentence(suggestion) if suggestion else None,
        part=row_no // PART_ROWS,
        sheet=sheet_of(row_no, parts),
        heading=by_sender.headings.get(column),
        place=by_sender.place_of(column, row_no, parts),
        table=table_of(row_no, parts),
        came_under=came_under.get(row_no),
    )


def _who(actor: str | None) -> str | None:
    if actor is not None and actor.startswith("sender/"):
        return "you, in the returned workbook"
    return (actor or "").removeprefix("person/") or None


def question_line(one: Kept) -> QuestionLine:
    return QuestionLine(
        question_id=one.question_id,
        text=one.text,
        heading=one.heading or None,
        choices=tuple(choice.label for choice in one.choices),
        evidence=one.evidence,
        answer=one.label_of(one.answer),
        answered_by=_who(one.answered_by),
    )


def answer_command(questions: Sequence[Kept]) -> str | None:
    """What the operator types, with the number of a choice in place of each N."""
    still_open = [one for one in questions if one.answer is None]
    if not still_open:
        return None
    return f"hub mapping answer {still_open[0].request_id} " + " ".join(f"{one.question_id} N" for one in still_open)


def compared_columns(tx: Transaction, change: ShapeChange) -> list[Pair]:
    """The columns of a held file beside those of the file that posted last."""
    now = shapes.shape(tx, change.source, change.fingerprint)
    before = shapes.shape(tx, change.source, change.compared_with) if change.compared_with else None
    return side_by_side(before.shape if before else None, now.shape, change.change) if now else []


def column_line(pair: Pair) -> ColumnLine:
    return ColumnLine(pair.column, pair.before, pair.now, pair.perhaps)


def as_before(pair: Pair) -> bool:
    return pair.before is not None and pair.now is not None


def line_of_set_over(tx: Transaction, one: SetOver, item: ItemName, parts: Sequence[Part], since: str) -> Line:
    """`since` is the name of the file that the sender sent before."""
    by = source_name_of(tx, one.request_id)
    reason = f"{by} had set {item} since you sent {since}, and this row has replaced what it said."
    fix = f"If {by} is right, send it again or correct this row"
    if by == since:
        reason = f"A newer {by} had set {item}, and this row has replaced what it said."
        fix = "If the newer one is right, correct this row, or write the newer value into it"
    sheet = sheet_of(one.row_no, parts)
    return Line(excel_row(one.row_no), None, None, reason, fix, one.row_no // PART_ROWS, sheet)


def notes_of(found: ShapeChange) -> tuple[Line, ...]:
    """What a sender should know of columns that changed and held nothing up."""
    new = [
        Line(0, one.column or one.heading, one.heading, note_of(found.kind, one), None) for one in found.change.gained
    ]
    lacking = [
        Line(0, one.column, one.heading, "This column was in earlier files of this name and is not in this one.", None)
        for one in (found.change.lost if found.kind is Kind.NARROWED else ())
    ]
    gone = [
        Line(0, heading, None, "This column was in earlier files and is gone.", None) for heading in found.change.gone
    ]
    lines = new + lacking + gone
    more = len(lines) - COLUMNS_SHOWN
    rest = [Line(0, None, None, f"{more:,} more columns are not as before.", None)] if more > 0 else []
    return (*lines[:COLUMNS_SHOWN], *rest)


def source_name_of(tx: Transaction, request_id: str) -> str:
    return submissions.get(tx, request_id).envelope.source_name
