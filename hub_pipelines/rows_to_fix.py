"""A workbook that holds only the rows to be fixed: which rows of the file those are, and which lines are theirs.

Belongs here: what such rows may not be taken for, since the others are not in front of us (decisions/0124). Not here:
what they say of their numbers (mapping/opening.py), which lines they have replaced (ledger/comparing/replacing.py).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hub_pipelines.common.store import Database
from hub_pipelines.intake.service import plain_name
from hub_pipelines.judging import Judge, Judged
from hub_pipelines.ledger.comparing.replacing import in_words
from hub_pipelines.mapping.decision import rules_of
from hub_pipelines.mapping.opening import numbers_in
from hub_pipelines.report.corrections import file_of_part
from hub_pipelines.submission.model import Envelope, Submission
from hub_pipelines.validate.model import OTHER_ROW, AcceptedRow, Problem, RejectedRow, Verdict, excel_row
from hub_pipelines.validate.staging import StagedFile, staged_path


@dataclass(frozen=True, slots=True)
class RowsToFix:
    """`staged` is the folder of staged files."""

    db: Database
    judge: Judge
    staged: Path

    def own_lines(self, envelope: Envelope, original: Submission, judged: Judged) -> Iterator[Verdict]:
        """The verdicts on rows of a stock list, `original`; refused are those that would be taken for another row of
        it, which is the same line. Where the rows of that file, or their numbers, are not known, none is."""
        with self.db.read() as tx:
            whole = file_of_part(tx, original)
        path = staged_path(self.staged, str(whole.staged))
        if whole.staged is None or not path.exists() or (numbers := self._numbers_in(envelope, judged)) is None:
            return judged.verdicts
        return _own_lines(list(judged.verdicts), numbers, plain_name(whole.envelope.source_name), StagedFile(path))

    def _numbers_in(self, envelope: Envelope, judged: Judged) -> Mapping[int, int] | None:
        path = self.judge.archive.object_path(envelope.content_digest)
        feed = self.judge.feed_of(envelope)
        return numbers_in(path, envelope.source_name, feed, rules_of(judged.decision))


def _own_lines(
    verdicts: Iterable[Verdict], numbers: Mapping[int, int], name: str, whole: StagedFile
) -> Iterator[Verdict]:
    keys = {one.key for one in verdicts if isinstance(one, AcceptedRow)}
    rows = whole.rows_of(keys)
    for one in verdicts:
        if isinstance(one, AcceptedRow) and one.key in rows:
            own, other = numbers.get(one.row_no), excel_row(rows[one.key])
            if own != other:
                yield RejectedRow(one.row_no, (*one.findings, _other_row(one, own, other, name)))
                continue
        yield one


def _other_row(row: AcceptedRow, own: int | None, other: int, name: str) -> Problem:
    reason = (
        f"Row {other} of {name} is the same line ({in_words(row.values)}). By itself this row would be taken for that "
        "one and replace what it says."
    )
    where = f"Correct row {own} in" if own is not None else "Add this row to"
    return Problem(OTHER_ROW, None, None, reason, f"{where} {name} itself, and send that file again: all of it")
