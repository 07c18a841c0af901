"""What somebody has changed before a file was sent in place of another: a reviewer, or its sender in the workbook."""

from collections import Counter
from collections.abc import Mapping, Sequence

from hub_pipelines.common.store import Transaction
from hub_pipelines.intake.service import plain_name
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.report.model import (
    CorrectedCell,
    Correction,
    Line,
)
from hub_pipelines.report.workbook.model import Returned
from hub_pipelines.report.workbook.store import parts_of, return_of, returned_among
from hub_pipelines.review import store as reviews
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Envelope, State, Submission
from hub_pipelines.submission.versions import store as versions
from hub_pipelines.validate.difference import Difference
from hub_pipelines.validate.model import Part, excel_row, sheet_of

_STAYS = "What the ledger has of rows that you took out stays there: a file changes only what it lists."
_STORED_OTHERWISE = "The values are the same; only the way a cell is stored, or what the hub knows, has changed."


def correction_of(tx: Transaction, request_id: str, parts: Sequence[Part]) -> Correction | None:
    """What a reviewer has changed before this file, of these tables, was sent in place of another."""
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
        cells=_cells(difference, parts, {}),
        cells_total=difference.cells_changed,
    )


def is_part(tx: Transaction, one: Submission) -> bool:
    """Whether it holds only the rows to be fixed."""
    came = return_of(tx, one.request_id, one.revision)
    return came is not None and came.part


def file_of_part(tx: Transaction, one: Submission) -> Submission:
    """The file whose rows are numbered in a workbook that was given back for this one with only the rows to be fixed:
    such a workbook keeps its numbers when it goes to and fro."""
    seen = {one.request_id}
    while (came := return_of(tx, one.request_id, one.revision)) is not None and came.part and came.original:
        above = submissions.find(tx, came.original)
        if above is None or above.request_id in seen:
            break
        seen.add(above.request_id)
        one = above
    return one


def rows_left(tx: Transaction, file: Submission) -> int:
    """How many rows of a posted file were not taken with it, nor with a workbook of only its rows to fix since."""
    left = left_by_parts(tx, file)
    if left is not None:
        return left
    return file.counts.rejected if file.state is State.POSTED else 0


def left_by_parts(tx: Transaction, file: Submission) -> int | None:
    """The same where such workbooks have posted; None where none has. Of the rows that several sheets have under one
    number, as many count as taken as the fullest workbook brought in."""
    if file.state is not State.POSTED or not file.counts.rejected:
        return None
    came = [one for one in parts_of(tx, file.request_id) if _is_posted(tx, one)]
    if not came:
        return None
    if any(one.rows_taken is None for one in came):
        return 0  # of an earlier release, which took the file as done with
    taken = Counter[int]()
    for one in came:
        taken |= Counter(one.rows_taken)
    numbers = map(excel_row, ledger_problems.rejected_rows(tx, file.request_id, file.revision))
    return (Counter(numbers) - taken).total()


def told_of_part(tx: Transaction, current: Submission) -> list[str]:
    """Of a workbook with only rows to fix, and of what was sent in place of one: the submissions before it whose
    receipts count what is left of their file."""
    above = submissions.find(tx, current.revises) if current.revises else None
    part = next((one for one in (current, above) if one is not None and is_part(tx, one)), None)
    if part is None:
        return []
    file = file_of_part(tx, part)
    others = {one.request_id for one in parts_of(tx, file.request_id)}
    before = (submissions.get(tx, one) for one in others)
    at = current.envelope.received_at
    return [file.request_id, *sorted(one.request_id for one in before if one.envelope.received_at < at)]


def _is_posted(tx: Transaction, came: Returned) -> bool:
    return ledger_outcomes.find_posting(tx, came.request_id, came.revision) is not None


def gone_on(tx: Transaction, original: Submission) -> list[Submission]:
    """A file, and what was made of it: workbooks that came back, and what a reviewer has corrected. A newer copy of the
    same list is none of these: whoever mends the workbook of the older one has not seen it there."""
    family = versions.family(tx, original)
    of_another = returned_among(tx, family) | reviews.corrections_among(tx, family)
    made = {name: one for name, one in family.items() if name in of_another and name != original.request_id}
    return [original, *(one for one in made.values() if _leads_to(original, one, made))]


def made_of_one(tx: Transaction, current: Submission, revision: int) -> frozenset[str]:
    """The request_ids of the file for which a workbook was given back, and of all that was made of it, this one too."""
    came = return_of(tx, current.request_id, revision)
    original = submissions.find(tx, came.original) if came and came.original else None
    of_it = gone_on(tx, file_of_part(tx, original)) if original is not None else []
    return frozenset({current.request_id, *(one.request_id for one in of_it)})


def _leads_to(original: Submission, one: Submission, made: Mapping[str, Submission]) -> bool:
    """Whether it was made of this file, be it by others between them."""
    above, seen = one.revises, {one.request_id}
    while above is not None and above in made and above not in seen:
        seen.add(above)
        above = made[above].revises
    return above == original.request_id


def sent_before(tx: Transaction, original: Submission, current: Envelope) -> Submission:
    """Of what was made of a file before this one, whole, what posted last; else the file itself. People go on in a
    workbook whose mark names the first file, and remember what they sent last."""
    earlier = [
        one
        for one in gone_on(tx, original)
        if one.state is State.POSTED
        and one.envelope.received_at < current.received_at
        and one.request_id != current.request_id
    ]
    newest_first = sorted(earlier, key=lambda one: one.envelope.received_at, reverse=True)
    return next((one for one in newest_first if not is_part(tx, one)), original)


def own_correction(
    tx: Transaction,
    current: Submission,
    came: Returned | None,
    left: int | None,
    parts: Sequence[Part],
    sent_as: Mapping[str, str],
) -> Correction | None:
    """What a sender has changed in the workbook that was given back."""
    if came is None or came.original is None or came.came_at is None:
        return None
    original = submissions.get(tx, came.original)
    before = file_of_part(tx, original) if came.part else sent_before(tx, original, current.envelope)
    judged = before.state is State.POSTED or _has_posted(tx, came)
    difference = Difference.from_document(came.difference) if came.difference else None
    return Correction(
        item_id=None,
        original_request_id=came.original,
        original_name=plain_name(original.envelope.source_name),
        of_count=original.envelope.complete_count and not came.part,
        by=None,
        at=came.came_at,
        summary=_told(difference, before, original, is_same=bool(judged and current.counts.posted), part=came.part),
        cells=_cells(difference, parts, sent_as) if difference else (),
        cells_total=difference.cells_changed if difference else 0,
        problems_before=came.problems_before if judged else None,
        problems_left=left,
        rows_left=rows_left(tx, before) if came.part and current.state is State.POSTED else 0,
        rows_left_of=plain_name(before.envelope.source_name),
    )


def _cells(difference: Difference, parts: Sequence[Part], sent_as: Mapping[str, str]) -> tuple[CorrectedCell, ...]:
    return tuple(
        CorrectedCell(
            excel_row(one.row_after),
            sent_as.get(one.column, one.column),
            one.old,
            one.new,
            sheet_of(one.row_after, parts),
        )
        for one in difference.cells
    )


def _told(difference: Difference | None, before: Submission, original: Submission, *, is_same: bool, part: bool) -> str:
    """`is_same`: rows have posted, so where the tables are alike it is only by what can be seen."""
    told = []
    if before != original:
        told.append(f"What is told here is what changed since you sent {before.envelope.source_name}.")
    if difference is not None:
        told.append(_STORED_OTHERWISE if difference.is_none and is_same else difference.sentence())
        if difference.removed and before.state is State.POSTED:
            told.append(_STAYS)
    if part:
        told.append("The rows that it does not hold stay as they are.")
    return " ".join(told)


def _has_posted(tx: Transaction, came: Returned) -> bool:
    return ledger_outcomes.find_posting(tx, str(came.original), came.original_revision or 0) is not None


def mark_notes(came: Returned | None) -> tuple[Line, ...]:
    """A mark that could not be taken."""
    return (Line(0, None, None, came.note, None),) if came and came.note else ()
