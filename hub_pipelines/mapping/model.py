"""What is decided about a file's columns, what is asked, and what people have answered. Pure.

Belongs here: what these things *are*. Not here: how a column is recognised (deciding, likeness, content), where
answers are kept (store).
"""

from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from hub_pipelines.common.errors import Permanent
from hub_pipelines.validate.model import Choice

How = Literal["name", "synonym", "likeness", "content", "earlier", "confirmed"]
"""What a column was recognised by: its heading as the contract has it, another known spelling of it, a heading that
is like one, its values, the source's earlier files alone, or a person's word."""

NONE_OF_THEM = "none"
"""The answer that the file has no such column."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """One column of the contract and the column of the file that it is read from.

    `position` counts from 0, `heading` is as sent ("" where there is none), `confidence` lies from 0 to 1, `evidence`
    is in plain words. `unit` is a unit or currency that the heading names, such as the mL of "Volume (mL)".
    """

    column: str
    position: int
    heading: str
    how: How
    confidence: float
    evidence: tuple[str, ...] = ()
    unit: str | None = None

    def document(self) -> dict[str, object]:
        return {
            "column": self.column,
            "position": self.position,
            "heading": self.heading,
            "how": self.how,
            "confidence": f"{self.confidence:.2f}",
            "evidence": list(self.evidence),
            "unit": self.unit,
        }

    @staticmethod
    def from_document(document: Map[str, Any]) -> "Assigned":
        return Assigned(
            column=str(document["column"]),
            position=int(document["position"]),
            heading=str(document["heading"]),
            how=document["how"],
            confidence=float(document["confidence"]),
            evidence=tuple(document["evidence"]),
            unit=document["unit"],
        )


@dataclass(frozen=True, slots=True)
class Mapping:
    """How a file's columns are read. `header` is the file's header as the contract is to see it.

    Columns of the file that no Assigned names are kept with each row. Required columns may be lacking: whoever reads
    `header` then refuses the file as it refuses any that lacks them.
    """

    record_type: str
    assigned: tuple[Assigned, ...]
    header: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """For the sender: headings that were not taken for what they say, and why."""

    @property
    def positions(self) -> dict[str, int]:
        return {one.column: one.position for one in self.assigned}

    def document(self) -> dict[str, object]:
        """JSON without floats (common.canonical)."""
        return {
            "record_type": self.record_type,
            "assigned": [one.document() for one in self.assigned],
            "header": list(self.header),
            "notes": list(self.notes),
        }

    @staticmethod
    def from_document(document: Map[str, Any]) -> "Mapping":
        return Mapping(
            record_type=str(document["record_type"]),
            assigned=tuple(Assigned.from_document(one) for one in document["assigned"]),
            header=tuple(document["header"]),
            notes=tuple(document["notes"]),
        )


QuestionKind = Literal["column", "record_type", "date_order", "decimal_mark", "unit"]


@dataclass(frozen=True, slots=True)
class Question:
    """What a person must say, in words that a lab manager understands.

    Of kind `column`: which of the file's columns is `column`? A choice's value is a column's key (`keys_of`) or
    NONE_OF_THEM; `heading` and `position` are those of the likeliest one, if there is one. Of kind `record_type`: what
    is this a list of? A choice's value is a record type's name.
    """

    kind: QuestionKind
    heading: str | None
    position: int | None
    column: str | None
    text: str
    choices: tuple[Choice, ...]
    evidence: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "heading": self.heading,
            "position": self.position,
            "column": self.column,
            "text": self.text,
            "choices": [{"value": one.value, "label": one.label} for one in self.choices],
            "evidence": list(self.evidence),
        }

    @staticmethod
    def from_document(document: Map[str, Any]) -> "Question":
        return Question(
            kind=document["kind"],
            heading=document["heading"],
            position=document["position"],
            column=document["column"],
            text=str(document["text"]),
            choices=tuple(Choice(one["value"], one["label"]) for one in document["choices"]),
            evidence=tuple(document["evidence"]),
        )


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What people have decided for one source.

    `headings`: by a column's key (`keys_of`) the contract's column that it is, or None when it is none of ours (its
    values are kept with the row). `absent`: columns of the contract that the source does not have.
    """

    headings: Map[str, str | None] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    record_type: str | None = None

    def answered(self, question: Question, answer: str) -> "Confirmed":
        """With the answer to a question of kind `column` or `record_type`. Raises ValueError when it is no choice."""
        if answer not in {one.value for one in question.choices}:
            raise ValueError(f"{answer!r} is not one of the answers to: {question.text}")
        if question.kind == "record_type":
            return replace(self, record_type=answer)
        if question.kind != "column" or question.column is None:
            raise ValueError(f"A question of kind {question.kind} is not about which column is which.")
        if answer == NONE_OF_THEM:
            return replace(self, absent=self.absent | {question.column})
        others = {key: column for key, column in self.headings.items() if column != question.column}
        return replace(self, headings={**others, answer: question.column}, absent=self.absent - {question.column})

    def document(self) -> dict[str, object]:
        return {
            "headings": dict(self.headings),
            "absent": sorted(self.absent),
            "record_type": self.record_type,
        }

    @staticmethod
    def from_document(document: Map[str, Any]) -> "Confirmed":
        return Confirmed(dict(document["headings"]), frozenset(document["absent"]), document["record_type"])


class Asked(Permanent):
    """A person must say what some columns are; nobody retries. The answers let the same bytes be taken.

    `mapping` is what is certain without them.
    """

    cause = "question"

    def __init__(self, questions: Sequence[Question], mapping: Mapping | None = None) -> None:
        count = len(questions)
        noun = "one question" if count == 1 else f"{count} questions"
        super().__init__(
            f"Before this file can be taken, {noun} about its columns must be answered: "
            + " ".join(one.text for one in questions),
            "Answer in the sheet that comes with this receipt, or tell the hub's operator. "
            "The answer is remembered for the next files of this list.",
        )
        self.questions = tuple(questions)
        self.mapping = mapping
