"""Rows of a returned workbook that say only what the ledger held when it was made. Pure.

Belongs here: which rows those are (decisions/0123). Not here: which postings its sender had seen (returning.py), what
is told of them (remarks.py).
What is changed here changes what a backfill finds of older postings.
"""

from dataclasses import dataclass
from typing import Any

from hub_pipelines.ledger.comparing.keeping import completed
from hub_pipelines.ledger.comparing.model import REPLACED, Entry


@dataclass(frozen=True, slots=True)
class Seen:
    """What whoever changed a workbook had before them: the ledger's version that the posting of that file left, and
    the later versions that other files made of it have set."""

    version: int
    own: tuple[int, ...] = ()

    def is_news(self, version: int | None) -> bool:
        """Whether others have set an item since, whose newest entry is of this version."""
        return version is not None and version > self.version and version not in self.own

    def document(self) -> list[int]:
        return [self.version, *self.own]

    @staticmethod
    def from_document(document: Any) -> "Seen | None":
        """Inverse of `document`; None where there is none."""
        return Seen(document[0], tuple(document[1:])) if document else None


def is_untouched(values: str, then: Entry | None, said: frozenset[str] | None) -> bool:
    """Whether a row says nothing but what its item's entry said `then`; `said` are the file's columns."""
    if then is None or then.operation == REPLACED:
        return False
    return completed(values, then.values, said)[0] == then.values
