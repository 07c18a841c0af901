"""The complete decision about how one file is read: its columns, how their values are written, where its rows stand.

Belongs here: the document that is kept by its digest and under which a posting can be done again. Not here: how it
comes about (deciding, validate/conventions), where it is kept (store). Pure.
"""

from collections.abc import Mapping as Map
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hub_pipelines.common.canonical import digest_of
from hub_pipelines.mapping.model import Assigned, Mapping
from hub_pipelines.validate.conventions.model import Conventions, OtherRules
from hub_pipelines.validate.model import Part
from hub_pipelines.validate.parsing.layout.rules import FIRST_RULES

_FORMAT = 1
_KNOWN = ("name", "synonym", "confirmed")
"""By what a column is recognised when somebody has said so: the contract, its spellings, a person."""
HOW: Map[str, str] = {
    "name": "its own name",
    "synonym": "a known name for it",
    "likeness": "a heading that is like its name",
    "content": "its values",
    "earlier": "this list's earlier files",
    "confirmed": "your answer",
}
"""In words: by what a column was recognised."""


@dataclass(frozen=True)
class Decision:
    """How one file was read. `header` is as it was sent.

    `mapping` is None where people's migration names the columns. `judged` is then None too; else it is the header that
    was compared with those of the source's earlier files. `conventions` is the document of validate/conventions.
    `parts` tell the sheets and places of the file's tables, `rules` by which rules these were found (parsing/layout).
    """

    header: tuple[str, ...]
    mapping: Mapping | None
    conventions: Map[str, Any]
    judged: tuple[str, ...] | None = None
    parts: tuple[Part, ...] = ()
    rules: int = FIRST_RULES

    def document(self) -> dict[str, Any]:
        """JSON without floats (common.canonical)."""
        document: dict[str, Any] = {
            "format": _FORMAT,
            "header": list(self.header),
            "mapping": self.mapping.document() if self.mapping else None,
            "conventions": dict(self.conventions),
            "judged": None if self.judged is None else list(self.judged),
            "parts": list(map(_part_document, self.parts)),
        }
        # what is younger than some decisions stands only where it says something: theirs keep their digests
        return document if self.rules == FIRST_RULES else {**document, "rules": self.rules}

    @staticmethod
    def from_document(document: Map[str, Any]) -> "Decision":
        mapping = document["mapping"]
        return Decision(
            header=tuple(document["header"]),
            mapping=None if mapping is None else Mapping.from_document(mapping),
            conventions=document["conventions"],
            judged=None if document["judged"] is None else tuple(document["judged"]),
            parts=tuple(
                Part(one["sheet"], one["header_row"], one["first_column"], tuple(one.get("columns", ())))
                for one in document["parts"]
            ),
            rules=document.get("rules", FIRST_RULES),
        )

    @cached_property
    def digest(self) -> str:
        return digest_of(self.document())

    @property
    def recognised(self) -> tuple[Assigned, ...]:
        """The columns that were not taken by their own name."""
        return tuple(one for one in self._assigned if one.how != "name")

    @property
    def read(self) -> tuple[Assigned, ...]:
        """All columns that are the contract's, in the file's order."""
        return tuple(sorted(self._assigned, key=lambda one: one.position))

    @property
    def guessed(self) -> tuple[Assigned, ...]:
        """The columns that nobody has named so, neither the contract nor a person: taken by likeness or content."""
        return tuple(one for one in self._assigned if one.how not in _KNOWN)

    @property
    def unread(self) -> tuple[str, ...]:
        """Headings of columns whose values are kept with each row as they are."""
        if self.mapping is None:
            return ()
        read = set(self.mapping.positions.values())
        return tuple(text.strip() for at, text in enumerate(self.header) if at not in read and text.strip())

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not taken for what its heading says and what may be a column that was not found, with what to do."""
        return self.mapping.notes if self.mapping else ()

    @property
    def told(self) -> tuple[str, ...]:
        """How values are written, a sentence a column."""
        try:
            return tuple(Conventions.from_document(self.conventions).told()) if self.conventions else ()
        except OtherRules:
            return ("How its values are written was decided by another release.",)

    @property
    def _assigned(self) -> tuple[Assigned, ...]:
        return self.mapping.assigned if self.mapping else ()


def rules_of(decision: Decision | None) -> int:
    """By which rules the tables of a file were found that has posted; before there were decisions, by the first."""
    return FIRST_RULES if decision is None else decision.rules


def _part_document(part: Part) -> dict[str, Any]:
    document = {"sheet": part.sheet, "header_row": part.header_row, "first_column": part.first_column}
    return {**document, "columns": list(part.columns)} if part.columns else document
