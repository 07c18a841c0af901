"""A workbook that holds only the rows to be fixed of a list: which rows of that list they are.

Belongs here: which line of a stock list such a row is, when that can't be told, and when an item has a row that counts
already, since the other rows are not in front of us (decisions/0124); whether the rows are still beside their numbers.
Not here: what the rows say of their numbers (mapping/opening.py), closing a line that one of them has replaced
(ledger/comparing/replacing.py).
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from hub_pipelines.common.store import Database
from hub_pipelines.intake.service import plain_name
from hub_pipelines.judging import Judge, Judged
from hub_pipelines.ledger.comparing.replacing import in_words, line_of, rows_by_number
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.model import ledger_name
from hub_pipelines.mapping.opening import open_list
from hub_pipelines.report.corrections import file_of_part
from hub_pipelines.submission.model import Envelope, Submission
from hub_pipelines.validate.model import (
    OTHER_ROW,
    AcceptedRow,
    Problem,
    RecordType,
    RejectedRow,
    Table,
    Unreadable,
    Verdict,
    excel_row,
)
from hub_pipelines.validate.returned import ROW_HEADING, rows_astray
from hub_pipelines.validate.staging import StagedFile, StagedRow, staged_path

_FEW_ASTRAY = 5
"""So few rows may have been written anew."""


@dataclass(frozen=True, slots=True)
class RowsToFix:
    """`staged` is the folder of staged files."""

    db: Database
    judge: Judge
    staged: Path

    def require_own_numbers(self, envelope: Envelope, original: Submission) -> None:
        """Raises Unreadable where most rows of such a workbook are no longer beside the numbers that they have in
        `original`: they were sorted without them, and each would be taken for another row."""
        with self.db.read() as tx:
            whole = file_of_part(tx, original).envelope
        with self._opened(envelope) as table, self._opened(whole) as rows:
            astray, told = rows_astray(table, rows)
        if astray >= _FEW_ASTRAY and 2 * astray > told:
            raise Unreadable(
                f"In {astray:,} of its {told:,} rows the number in the column “{ROW_HEADING}” is that of another row "
                f"of {plain_name(whole.source_name)}: the rows were sorted, or moved, without that column.",
                "Take the workbook from the receipt once more, and sort all of its columns together or none.",
            )

    def _opened(self, envelope: Envelope) -> AbstractContextManager[Table]:
        """As it was sent, the numbers included."""
        path = self.judge.archive.object_path(envelope.content_digest)
        return open_list(path, envelope.source_name, self.judge.feed_of(envelope))

    def own_rows(self, envelope: Envelope, original: Submission, judged: Judged) -> Iterator[Verdict]:
        """The verdicts on rows of a list, `original`. Of a stock list each under the key that its line has there;
        refused are those of which it can't be told which line they are. Of any other list refused are those whose item
        another row has been taken for. As they stand where the rows of that list are not kept."""
        with self.db.read() as tx:
            whole = file_of_part(tx, original)
        path = staged_path(self.staged, str(whole.staged))
        if whole.staged is None or not path.exists():
            return judged.verdicts
        numbers = self.judge.numbers_in(envelope, judged.decision)
        verdicts = list(judged.verdicts)
        file_name = plain_name(whole.envelope.source_name)
        if judged.record.lines is None:
            return _without_taken(judged.record, verdicts, numbers, StagedFile(path), file_name)
        lines = _Lines(judged.record, verdicts, numbers, StagedFile(path))
        name = ledger_name(judged.record.name, envelope.campus, shared=judged.record.shared)
        with self.db.read() as tx:
            standing = ledger_items.current_values(tx, name, lines.keys())
        return lines.told(file_name, standing)


def _without_taken(
    record: RecordType, verdicts: Sequence[Verdict], numbers: Mapping[int, int], whole: StagedFile, name: str
) -> Iterator[Verdict]:
    """Of two rows for one item the one that counted in the whole list counts still: nobody has corrected it here."""
    keys = {one.key for one in verdicts if isinstance(one, AcceptedRow)}
    counting = whole.rows_of_lines(keys, record)
    called = " and ".join(column.replace("_", " ") for column in record.key_columns)
    for one in verdicts:
        rows = [excel_row(row_no) for row_no in counting.get(one.key, ())] if isinstance(one, AcceptedRow) else []
        if not isinstance(one, AcceptedRow) or not rows or numbers.get(one.row_no) in rows:
            yield one
            continue
        reason = f"Row {rows[0]} of {name} already has this {called}, and only that row counts."
        fix = (
            f"Delete this row; if it is the right one, correct row {rows[0]} in {name} itself and send all of that file"
        )
        found = Problem(OTHER_ROW, record.key_columns[0], one.key, reason, fix)
        yield RejectedRow(one.row_no, (*one.findings, found))


class _Lines:
    """The rows of the workbook beside those of the list that they may be taken for."""

    def __init__(
        self, record: RecordType, verdicts: Sequence[Verdict], numbers: Mapping[int, int], whole: StagedFile
    ) -> None:
        self._record, self._verdicts, self._numbers = record, verdicts, numbers
        accepted = [one for one in verdicts if isinstance(one, AcceptedRow)]
        self._was = rows_by_number(whole.rows_numbered(set(numbers.values())))
        self._now = {one.row_no: record.key_of(one.values) for one in accepted}
        old = [line_of(row, record) for row in self._was.values()]
        self._listed = whole.rows_of_lines({*self._now.values(), *old}, record)
        self._alike = Counter(line for row_no, line in self._now.items() if self._is_moved(row_no))

    def keys(self) -> list[str]:
        """Of the lines that rows were, and of those that they are now."""
        return sorted({*self._now.values(), *(str(was.key) for was in self._was.values())})

    def told(self, name: str, standing: Collection[str]) -> Iterator[Verdict]:
        """`standing` are those of the lines that the ledger has."""
        for one in self._verdicts:
            if not isinstance(one, AcceptedRow):
                yield one
                continue
            why = self._why_not(one, name, standing)
            if why is not None:
                yield RejectedRow(one.row_no, (*one.findings, self._problem(one, why, name)))
            elif (was := self._row(one.row_no)) is not None and not self._is_moved(one.row_no):
                yield replace(one, key=str(was.key))
            else:
                yield one

    def _row(self, row_no: int) -> StagedRow | None:
        """The row of the list that was taken under the number that this one tells."""
        return self._was.get(self._numbers.get(row_no, 0))

    def _is_moved(self, row_no: int) -> bool:
        """Whether it is no line that it was: none was taken of it, or another one."""
        was = self._row(row_no)
        return was is None or line_of(was, self._record) != self._now[row_no]

    def _why_not(self, row: AcceptedRow, name: str, standing: Collection[str]) -> str | None:
        was, line = self._row(row.row_no), self._now[row.row_no]
        if was is not None and not self._is_moved(row.row_no):
            return self._why_gone(was) if str(was.key) not in standing else None
        others = self._listed.get(line, ())
        if others:
            return f"Row {excel_row(others[0])} of {name} is the same line ({in_words(row.values)})."
        if self._alike[line] > 1:
            return f"Several rows of this workbook are the same line ({in_words(row.values)})."
        if was is None:
            return None
        if len(self._listed[line_of(was, self._record)]) > 1:
            return f"It was {_was(was)}, and other rows of {name} are the same line."
        if str(was.key) in standing and line in standing:
            return f"It was {_was(was)}, and the ledger has {in_words(row.values)} as well."
        # where it has the new line alone, an earlier workbook has moved it there
        return None if str(was.key) in standing or line in standing else self._why_gone(was)

    def _why_gone(self, was: StagedRow) -> str:
        return f"It was {_was(was)}, and the ledger does not have that line any more."

    def _problem(self, row: AcceptedRow, why: str, name: str) -> Problem:
        number = self._numbers.get(row.row_no)
        which = f"row {number}" if number is not None else "it"
        reason = f"{why} With the rows to fix alone the hub can't tell which of them is which."
        return Problem(OTHER_ROW, None, None, reason, f"Correct {which} in {name} itself, and send all of that file")


def _was(row: StagedRow) -> str:
    return in_words(json.loads(str(row.values)))
