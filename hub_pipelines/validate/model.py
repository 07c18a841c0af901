"""The words that validation is written in: cells, problems, verdicts, the registry's interface, a feed.

Belongs here: plain types that the other modules share. Not here: reading files, rules on values, storage.
"""

import datetime
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pydantic import BaseModel

from hub_pipelines.common.errors import Permanent

Cell = str | int | float | bool | datetime.datetime | datetime.date | datetime.time | datetime.timedelta | None


Row = tuple[int, list[Cell]]
"""A row's number (see Part) and its cells, the header's first column first."""

PART_ROWS = 10_000_000
"""Row numbers of one part of a file; no spreadsheet has so many."""


@dataclass(frozen=True, slots=True)
class Part:
    """One table of a file: a file may have several, on other sheets, below or beside each other.

    A row's number is `part * PART_ROWS` + its number in Excel, so that it is unique in the file, and in a file of one
    table the number that Excel shows. `header_row` is 0 where the table has no headings. `first_column` counts from 0.
    """

    sheet: str | None
    header_row: int
    first_column: int = 0


def excel_row(row_no: int) -> int:
    """The number that Excel shows for a row."""
    return row_no % PART_ROWS


@dataclass
class Table:
    """What the rows of a file are judged from. Each iteration over `rows` begins anew.

    `parts` are joined: their headings are alike, and each row's cells stand as the header says. `header` has a name
    for each column ("" where there is none). `facts` tell how the file was read, for people.
    """

    header: list[str]
    header_row: int
    rows: Iterable[Row]
    facts: dict[str, str]
    parts: tuple[Part, ...] = ()


class Unreadable(Permanent):
    """The file as a whole cannot be taken; `fix` says what the sender should do."""

    cause = "unreadable"

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason, fix)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong (or odd) about one row. `value` is the cell as text, cut to a readable length."""

    rule: str
    column: str | None
    value: str | None
    reason: str
    suggestion: str | None
    severity: Literal["block", "warn"] = "block"


@dataclass(frozen=True, slots=True)
class AcceptedRow:
    """A row that posts. `values` holds text or None per column, and "other" for columns outside the contract."""

    row_no: int
    key: str
    values: dict[str, object]
    findings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that does not post, with everything that is wrong about it.

    `sound` are those values of its key's and location's columns that are right: what a complete count lists with it.
    """

    row_no: int
    problems: tuple[Problem, ...]
    sound: Mapping[str, str] = field(default_factory=dict)


Verdict = AcceptedRow | RejectedRow


class Registry(Protocol):
    """The tags that procurement has issued, as validation needs to ask about them."""

    @property
    def version(self) -> int: ...

    @property
    def updated_at(self) -> datetime.datetime | None:
        """None as long as nothing has been registered."""

    def campuses(self, tags: Collection[str]) -> dict[str, str]:
        """The known ones among `tags`, each with its campus."""

    def nearest(self, tag: str) -> str | None:
        """The registered tag most like `tag`, if one is close enough to suggest."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a contract promises of a column's values, for those who meet them later: snapshots and expectations.

    Texts of a kind other than `text` parse as that kind. `minimum` and `maximum` are inclusive, `scale` is the
    number of decimals of a `decimal`, `longest` the number of characters of a text.
    """

    kind: Literal["text", "integer", "decimal", "date"] = "text"
    longest: int | None = None
    pattern: str | None = None
    choices: tuple[str, ...] | None = None
    minimum: str | None = None
    maximum: str | None = None
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Reference:
    """A column whose values are keys of another record type of the same campus."""

    column: str
    record_type: str


@dataclass(frozen=True)
class RecordType:
    """What one row is: its contract and how it is kept. All rows of a file are of one record type."""

    name: str
    """`<feed>.<what>`, such as inventory.asset."""
    title: str
    """What its sender calls such a file."""
    row_model: type[BaseModel]
    key_columns: tuple[str, ...]
    """Together they identify an item. Only the last may hold a `|`, which joins them to the item's key."""
    aliases: dict[str, str]
    """Normalised header text to column."""
    tag_column: str | None = None
    """The key column that procurement's registry is asked about."""
    shared: bool = False
    """True: one ledger for all campuses."""
    references: tuple[Reference, ...] = ()
    contract_version: int = 1
    location_column: str | None = None
    """Where an item is; only such files may be complete counts of locations."""
    is_gone: Callable[[Mapping[str, object]], bool] | None = None
    """Whether an item with these values is known not to be at its location any more, so that no count misses it."""

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.row_model.model_fields)

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that the file must have."""
        return tuple(name for name, one in self.row_model.model_fields.items() if one.is_required())

    @property
    def counted_columns(self) -> tuple[str, ...]:
        """What tells an item and its place; none where files can't be complete counts."""
        return tuple(dict.fromkeys((*self.key_columns, self.location_column))) if self.location_column else ()

    @property
    def column_descriptions(self) -> dict[str, str]:
        return {name: one.description or "" for name, one in self.row_model.model_fields.items()}

    @property
    def shapes(self) -> dict[str, Shape]:
        """Each column's shape, from the contract's own types."""
        return {name: _shape(one.metadata) for name, one in self.row_model.model_fields.items()}

    def tag_in(self, key: str) -> str:
        """The tag that an item's key holds; for record types with a tag column."""
        parts = key.split("|", len(self.key_columns) - 1)
        return parts[self.key_columns.index(str(self.tag_column))]

    def key_of(self, values: Mapping[str, object]) -> str:
        return "|".join(str(values[column]) for column in self.key_columns)


def _shape(metadata: Iterable[object]) -> Shape:
    return next((one for one in metadata if isinstance(one, Shape)), Shape())


@dataclass(frozen=True)
class Feed:
    """One kind of submission: the record types that it may bring, and how it is treated."""

    name: str
    title: str
    record_types: tuple[RecordType, ...]
    priority: int
    """Lower runs first."""

    @property
    def aliases(self) -> dict[str, str]:
        """Every heading that some record type knows."""
        return {alias: column for one in reversed(self.record_types) for alias, column in one.aliases.items()}

    @property
    def checks_tags(self) -> bool:
        return any(one.tag_column for one in self.record_types)

    @property
    def takes_counts(self) -> bool:
        return any(one.location_column for one in self.record_types)

    def record_type(self, name: str) -> RecordType:
        """Raises KeyError when the feed has none of this name."""
        return {one.name: one for one in self.record_types}[name]
