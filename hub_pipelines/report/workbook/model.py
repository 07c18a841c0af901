"""What a returned workbook is made from and what is known of it. Pure.

Belongs here: the plan that is handed to the program which writes the workbook, and its answer. Not here: how the facts
are found (service), how cells are coloured (marking), which cell of a sheet a row and column are (places).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal


class WorkbookState(StrEnum):
    DUE = "due"
    MADE = "made"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Made:
    """What is on record of a submission's workbook; `file_name` lies beside the receipt."""

    request_id: str
    revision: int
    state: WorkbookState
    attempts: int
    file_name: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Mark:
    """One problem or warning. `row` is the table's row number (validate.model.Part), `position` the column's place in
    the table's header; without it the whole row is meant. `column` is the sender's heading, "" where there is none, and
    our word where the file has no such column."""

    row: int
    position: int | None
    column: str | None
    value: str | None
    reason: str
    suggestion: str | None
    severity: Literal["block", "warn", "wait"]
    row_told: int = 0
    """The row's number in the file as it was sent, where it stands in another row of the workbook."""


@dataclass(frozen=True, slots=True)
class QuestionLine:
    """An open question. `position` is the column that it is about, if it is about one."""

    id: str
    text: str
    evidence: tuple[str, ...]
    choices: tuple[str, ...]
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The sender's file, and how it is read."""

    path: str
    name: str
    feed: str
    rules: int
    """By which the tables were found whose rows are marked (validate/parsing/layout)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the writing program is told. `lists` are the closed sets of values by the column's position."""

    sent: Sent
    folder: str
    folder_of_part: str
    """For a workbook that holds only the rows to be fixed: as a complete count it would tell all others as missing."""
    token: str
    token_of_part: str
    """The token for a workbook that holds only the rows to be fixed."""
    headline: str
    told: tuple[tuple[str, str], ...]
    counts: tuple[tuple[str, str], ...]
    first_steps: tuple[str, ...]
    """What must be done before anything in the workbook."""
    last_steps: tuple[str, ...]
    """What goes on beside it."""
    waiting: str | None
    """Of all rows at once that wait for a procurement list."""
    about_all: tuple[str, ...]
    """What is worth a look in the file as a whole."""
    marks: tuple[Mark, ...]
    marks_total: int
    to_fix: Mapping[int, str]
    """For a workbook that holds only the rows to be fixed: by their numbers what is wrong with them, in their order."""
    rejected: int
    """How many rows were not taken."""
    questions: tuple[QuestionLine, ...]
    lists: Mapping[int, tuple[str, ...]]
    whole_file: bool
    """False: only the rows to be fixed."""
    most_cells: int
    """A workbook of more cells is not given back whole either."""

    def document(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "to_fix": list(self.to_fix.items()),
            "lists": {str(at): list(values) for at, values in self.lists.items()},
        }

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> "Plan":
        return Plan(
            **{
                **document,
                "sent": Sent(**document["sent"]),
                "to_fix": {int(row): text for row, text in document["to_fix"]},
                "told": tuple((label, value) for label, value in document["told"]),
                "counts": tuple((label, value) for label, value in document["counts"]),
                "first_steps": tuple(document["first_steps"]),
                "last_steps": tuple(document["last_steps"]),
                "about_all": tuple(document["about_all"]),
                "marks": tuple(Mark(**one) for one in document["marks"]),
                "questions": tuple(
                    QuestionLine(**{**one, "evidence": tuple(one["evidence"]), "choices": tuple(one["choices"])})
                    for one in document["questions"]
                ),
                "lists": {int(at): tuple(values) for at, values in document["lists"].items()},
            }
        )


@dataclass(frozen=True, slots=True)
class Written:
    """The writing program's answer: the kind of file it made, and whether it holds the whole of the sender's."""

    suffix: Literal[".xlsx", ".xlsm"]
    whole_file: bool
    notes: tuple[str, ...]


class ReturnState(StrEnum):
    """What the mark in a file that came says."""

    VALID = "valid"
    FORGED = "forged"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Returned:
    """A file that came with a hub's mark in it. `difference` is a validate.difference.Difference as document."""

    request_id: str
    revision: int
    state: ReturnState
    original: str | None
    original_revision: int | None
    part: bool
    """It held only the rows that were to be fixed."""
    note: str | None
    problems_before: int | None
    difference: dict[str, Any] | None
    came_at: datetime | None = None
    rows_taken: Sequence[int] | None = None
    """Of a part: the numbers, as Excel shows them in the file, of the rows in it that can be taken. None where the hub
    did not note it yet."""
