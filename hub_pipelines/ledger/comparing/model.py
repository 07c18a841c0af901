"""What is compared in a posting, and with what. Pure.

Belongs here: the facts. Not here: what follows from them (remarks.py, replacing.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from hub_pipelines.validate.model import Clock, Lacking, Lines, Part, Problem

SET = "set"
REPLACED = "replaced"
"""The journal's operations: an item says what its values say; or it is closed, since `replaced_by` has its place."""
SHORT_BY = "short_by"
"""The member of a row that tells by how much more was taken than was known to be there (decisions/0070)."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the ledger held of an item: its values as canonical JSON, and which submission had set it on which day."""

    values: str
    request_id: str
    source_name: str
    ledger_date: date


@dataclass(frozen=True, slots=True)
class Comparing:
    """How a file's rows are compared with what they replace.

    `family` are the submission itself and those that it corrects: what they have set is this file's own. `location` is
    None for record types whose items carry numbers of their own; of those any list may tell news.
    `said` are the columns that the file has, normalised (keeping.columns_said): what an item has in others stays. None:
    each row says all about its item.
    """

    source_name: str
    family: frozenset[str]
    quantity: str | None
    unit: str | None
    location: str | None
    parts: tuple[Part, ...] = ()
    said: frozenset[str] | None = None
    lines: Lines | None = None
    """Where the place is a part of what an item is: how its key is made."""
    is_gone: Callable[[Mapping[str, object]], bool] | None = None
    news: Callable[[Mapping[str, object], Mapping[str, object]], Sequence[Problem]] | None = None
    """What people are told of a change of an item's values, see RecordType."""
    lacking: Lacking | None = None
    """What is told of rows that leave out a column, see RecordType."""
    clock: Clock | None = None
    """Which rows are told to be over a number of days, see RecordType."""
    gone_by: tuple[str, ...] = ()
    """Columns of days that are not after `came_on`."""
    came_on: date | None = None
    """The day on which the file came, at its campus; None: no day is compared with it."""
    days_unsaid: frozenset[str] = frozenset()
    """Columns of days that the file does not have."""
    is_count: bool = False
    """Whoever counts all that is at a place is right about it, whosever list it is on."""
    is_preview: bool = False
    """It is told what would happen, not what has happened."""

    def is_placeless(self, values: Mapping[str, object]) -> bool:
        return self.location is not None and not values.get(self.location)


@dataclass(frozen=True, slots=True)
class Replaced:
    """The row of a corrected file that was posted as the line `old` before, and is `new` now."""

    row_no: int
    old: str
    new: str
    was: str
    now: str
    """Both lines in words."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a corrected file makes of the lines of the one that it corrects.

    `request_id`, `revision` and `version` (of the ledger) are of the posting that it is compared with. `family` are the
    submissions that were made of one file, that and this one included. `left` are lines that it lists no more in any
    way, in words.
    """

    request_id: str
    revision: int
    version: int
    source_name: str
    family: frozenset[str]
    replaced: tuple[Replaced, ...] = ()
    left: tuple[str, ...] = ()
    is_known: bool = True
    """False: the rows can't be compared, since they are not kept any more or too many."""
    closes: bool = True
    """False: it is only the same list as it was before, so that what is replaced is told and stays."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What whoever changed a workbook had before them: the ledger's version that the posting of that file left, and
    the later versions that other files made of it have set. If that file was such a workbook itself, what its sender
    had `before`: rows that were left alone then are in it as they were."""

    version: int
    own: tuple[int, ...] = ()
    before: "Seen | None" = None

    def is_news(self, version: int | None) -> bool:
        """Whether others have set an item since, whose newest entry is of this version."""
        return version is not None and version > self.version and version not in self.own

    def document(self) -> dict[str, object]:
        before = {"before": self.before.document()} if self.before is not None else {}
        return {"version": self.version, "own": list(self.own), **before}

    @staticmethod
    def from_document(document: Any) -> "Seen | None":
        """Inverse of `document`; None where there is none."""
        if document is None:
            return None
        return Seen(document["version"], tuple(document["own"]), Seen.from_document(document.get("before")))


class Entry(Protocol):
    """What a journal entry says of its item."""

    @property
    def values(self) -> str: ...

    @property
    def operation(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Head:
    """An item's newest journal entry, and the name of the file that made it."""

    key: str
    version: int
    row_no: int
    digest: str
    values: str
    operation: str
    request_id: str
    source_name: str


def entry_row(row_no: int) -> int:
    """The row of the file that made a journal entry: a line is closed under the number of the row that has replaced
    it, with a minus before it."""
    return abs(row_no)
