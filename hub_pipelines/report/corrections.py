"""What somebody has changed before a file was sent in place of another: a reviewer, or its sender in the workbook."""

from collections.abc import Mapping

from hub_pipelines.common.store import Transaction
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.report.model import (
    CorrectedCell,
    Correction,
    Line,
)
from hub_pipelines.report.workbook.model import Returned
from hub_pipelines.review import store as reviews
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Submission
from hub_pipelines.validate.difference import Difference
from hub_pipelines.validate.model import excel_row

_STORED_OTHERWISE = "The values are the same; only the way a cell is stored, or what the hub knows, has changed."


def correction_of(tx: Transaction, request_id: str) -> Correction | None:
    """What a reviewer has changed before this file was sent in place of another."""
    item = reviews.corrected_by(tx, request_id)
    if item is None or item.difference is None or item.resolved_at is None:
        return None
    difference = Difference.from_document(item.difference)
    return Correction(
        item_id=item.item_id,
        original_request_id=item.request_id,
        original_name=submissions.get(tx, item.request_id).envelope.source_name,
        by=(item.resolved_by or "").removeprefix("person/"),
        at=item.resolved_at,
        summary=difference.sentence(),
        cells=tuple(CorrectedCell(one.row_after, one.column, one.old, one.new) for one in difference.cells),
        cells_total=difference.cells_changed,
    )


def own_correction(
    tx: Transaction, current: Submission, came: Returned | None, left: int | None, sent_as: Mapping[str, str]
) -> Correction | None:
    """What a sender has changed in the workbook that was given back."""
    if came is None or came.original is None or came.came_at is None:
        return None
    judged = ledger_outcomes.find_posting(tx, came.original, came.original_revision or 0) is not None
    original = submissions.get(tx, came.original).envelope
    difference = Difference.from_document(came.difference) if came.difference else None
    cells = difference.cells if difference else ()
    summary = difference.sentence() if difference else ""
    if difference and difference.is_none and judged and current.counts.posted:
        summary = _STORED_OTHERWISE
    if came.part:
        summary += " The rows that it does not hold stay as they are."
    return Correction(
        item_id=None,
        original_request_id=came.original,
        original_name=original.source_name,
        of_count=original.complete_count and not came.part,
        by=None,
        at=came.came_at,
        summary=summary.strip(),
        cells=tuple(
            CorrectedCell(excel_row(one.row_after), sent_as.get(one.column, one.column), one.old, one.new)
            for one in cells
        ),
        cells_total=difference.cells_changed if difference else 0,
        problems_before=came.problems_before if judged else None,
        problems_left=left,
    )


def mark_notes(came: Returned | None) -> tuple[Line, ...]:
    """A mark that could not be taken."""
    return (Line(0, None, None, came.note, None),) if came and came.note else ()
