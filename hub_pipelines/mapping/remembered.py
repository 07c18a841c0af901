"""What was asked about a submission, and what people have answered for its source. Pure.

Belongs here: questions as they are kept, and what an answer changes of what is remembered. Not here: which questions
arise (deciding, validate/conventions), tables (store), who may answer and what follows (answering).
"""

from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hub_pipelines.drift.model import Source
from hub_pipelines.mapping.model import Confirmed, Question
from hub_pipelines.validate.model import Choice, OpenQuestion

_OF_COLUMNS = ("column", "record_type")


class NoSuchAnswer(ValueError):
    """The answer is none of the question's choices; the text tells them."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A question about one revision of a submission. `question_id` is what a person answers by: q1, q2, …

    `key` names what is asked among the answers of a source. `heading` and `position` (from 0) are those of the column
    in the file, if it is about one.
    """

    request_id: str
    revision: int
    question_id: str
    source: Source
    key: str
    kind: str
    column: str | None
    heading: str | None
    position: int | None
    text: str
    choices: tuple[Choice, ...]
    evidence: tuple[str, ...]
    asked_at: datetime
    answer: str | None = None
    answered_by: str | None = None
    answered_at: datetime | None = None

    def chosen(self, text: str) -> str:
        """The choice that a person means by its number, its value or its label. Raises NoSuchAnswer."""
        wanted = " ".join(text.split()).casefold()
        for number, one in enumerate(self.choices, start=1):
            if wanted in (one.value.casefold(), " ".join(one.label.split()).casefold()):
                return one.value
            if wanted == str(number) and wanted not in {other.value.casefold() for other in self.choices}:
                return one.value
        known = "; ".join(f"{number} = {one.label}" for number, one in enumerate(self.choices, start=1))
        raise NoSuchAnswer(
            f"{text!r} is not one of the answers to {self.question_id} ({self.text}). There are: {known}."
        )

    def label_of(self, value: str | None) -> str | None:
        return next((one.label for one in self.choices if one.value == value), value)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What people have decided for a source, as its newest version. Version 0: nothing yet, or all forgotten.

    `confirmed` is about which column is which; `values` tells by a question's key how values are written.
    """

    source: Source
    version: int = 0
    confirmed: Confirmed = field(default_factory=Confirmed)
    values: Map[str, str] = field(default_factory=dict)
    changed_by: str | None = None
    changed_at: datetime | None = None
    request_id: str | None = None

    @property
    def is_empty(self) -> bool:
        return not (
            self.confirmed.headings or self.confirmed.absent or self.confirmed.record_type is not None or self.values
        )

    def with_answer(self, question: Kept, value: str) -> "Remembered":
        """With the answer to a question, which is one of its choices."""
        if question.kind not in _OF_COLUMNS:
            return replace(self, values={**self.values, question.key: value})
        asked = Question(
            kind="record_type" if question.kind == "record_type" else "column",
            heading=question.heading,
            position=question.position,
            column=question.column,
            text=question.text,
            choices=question.choices,
            evidence=(),
        )
        return replace(self, confirmed=self.confirmed.answered(asked, value))

    def with_heading(self, key: str, column: str | None) -> "Remembered":
        """A column of the file, by its key (proposing.keys_of), is this one of the contract, or none of them."""
        others = {one: known for one, known in self.confirmed.headings.items() if column is None or known != column}
        absent = self.confirmed.absent - {column} if column else self.confirmed.absent
        return replace(self, confirmed=replace(self.confirmed, headings={**others, key: column}, absent=absent))

    def without(self, name: str) -> "Remembered":
        """Without what is remembered of one heading, one absent column or one question's key."""
        confirmed = replace(
            self.confirmed,
            headings={key: column for key, column in self.confirmed.headings.items() if name not in (key, column)},
            absent=self.confirmed.absent - {name},
        )
        return replace(self, confirmed=confirmed, values={key: one for key, one in self.values.items() if key != name})

    def document(self) -> dict[str, Any]:
        """What is kept of it, in JSON."""
        return {"confirmed": self.confirmed.document(), "values": dict(self.values)}

    @staticmethod
    def parts_of(document: Map[str, Any]) -> tuple[Confirmed, dict[str, str]]:
        return Confirmed.from_document(document["confirmed"]), dict(document["values"])


def key_of(question: Question | OpenQuestion) -> str:
    """What names a question among the answers of a source, the same for each of its files."""
    if isinstance(question, OpenQuestion):
        return question.key
    return question.kind if question.column is None else f"{question.kind}:{question.column}"


def questions_of(error: BaseException | None) -> Sequence[Question | OpenQuestion]:
    """The questions that a failed attempt has left, perhaps beside another reason to hold the file."""
    for one in (error, error.__cause__ if error else None):
        found = getattr(one, "questions", None)
        if found:
            return tuple(found)
    return ()
