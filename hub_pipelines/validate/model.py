"""The words that validation is written in: cells, problems, verdicts, the registry's interface, a feed.

Belongs here: plain types that the other modules share. Not here: reading files, rules on values, storage.
"""

import datetime
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Protocol

from pydantic import AfterValidator, BaseModel

from hub_pipelines.common.errors import Permanent

Plain = str | int | float | bool | datetime.datetime | datetime.date | datetime.time | datetime.timedelta | None
"""What a reader gives for a cell."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A cell whose value was found again behind damage, or taken out of a longer text, on evidence that `reason` tells.

    The row posts with `value` and a warning; `sent` is kept with it.
    """

    value: Plain
    sent: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """A cell that must not be taken, although its column's type might: `suggestion` asks its sender what is meant.

    `covers` is a column that this cell should have filled: that it is empty is no problem of its own.
    """

    sent: Plain
    rule: str
    reason: str
    suggestion: str | None = None
    covers: str | None = None


IF_UNKNOWN = "If it is not known, leave the cell empty"
"""Behind what to do about a cell that may be empty: the true value comes first."""

Cell = Plain | Restored | Unclear
"""A cell under way from the reader to the contract. Only conventions make the last two (validate/conventions)."""


_AS_SENT = " as sent"


def sent_name(column: str) -> str:
    """Under which name a row keeps what was sent in a cell of a column, where its value is another."""
    return f"{column}{_AS_SENT}"


def column_of(name: str) -> str:
    """The column in whose cell was sent what stands under this name; the name itself where it is no such."""
    return name.removesuffix(_AS_SENT)


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
    columns: tuple[int, ...] = ()
    """For each of its columns the place in the joined header; empty where they stand as the header says."""


def excel_row(row_no: int) -> int:
    """The number that Excel shows for a row."""
    return row_no % PART_ROWS


def sheet_of(row_no: int, parts: Sequence[Part]) -> str | None:
    """The sheet on which a row stands, in a file whose parts are on more than one; else None."""
    at = row_no // PART_ROWS
    if len({part.sheet for part in parts}) < 2 or at >= len(parts):
        return None
    return parts[at].sheet


def row_place(row_no: int, parts: Sequence[Part]) -> str:
    """A row's number as a person finds it: `14`, or `14 of sheet "Lab 2"`."""
    sheet = sheet_of(row_no, parts)
    return str(excel_row(row_no)) if sheet is None else f'{excel_row(row_no)} of sheet "{sheet}"'


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows of a file that are not read: another table, a total, a note, a hidden sheet.

    Row numbers are Excel's; both are 0 where it is not about certain rows. `why` goes on from "Rows 3 to 9 …", as in
    "is a total". `shown` is how the rows begin, or their headings. `items` are the rows of another table, else 0;
    `column` (from 0) is its first one where it stands beside others.
    """

    sheet: str | None
    first_row: int
    last_row: int
    why: str
    shown: str = ""
    items: int = 0
    column: int | None = None


@dataclass
class Table:
    """What the rows of a file are judged from. Each iteration over `rows` begins anew.

    `parts` are joined: their headings are alike, and each row's cells stand as the header says. `header` has a name
    for each column ("" where there is none). `facts` tell how the file was read, for people. `left_out` is all that
    the file holds beside the rows and the lines above the header. `returned` is what the hub had written into a
    workbook that came back, unverified, and `answers` are its questions' ids and what was answered.
    """

    header: list[str]
    header_row: int
    rows: Iterable[Row]
    facts: dict[str, str]
    parts: tuple[Part, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    returned: str | None = None
    answers: tuple[tuple[str, str], ...] = ()
    rules: int = 1
    """The number of the rules by which it was found in the file (parsing/layout)."""


class Unreadable(Permanent):
    """The file as a whole cannot be taken; `fix` says what the sender should do."""

    cause = "unreadable"

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason, fix)


@dataclass(frozen=True, slots=True)
class Choice:
    """One possible answer: `value` is what is kept, `label` what a person reads."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """What only the sender can tell about how a column's values are written, in the sender's words.

    `key` names it among the answers (`date_order:acquired_on`), the same for every file of a source. `heading` and
    `position` (from 0) are those of the column in this file. `evidence` shows values that don't tell.
    """

    kind: str
    column: str
    heading: str
    position: int
    text: str
    choices: tuple[Choice, ...]
    evidence: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.column}"


class Undecided(Permanent):
    """How some columns are written can't be told from their values. Nobody retries; answers let the file be taken."""

    cause = "question"

    def __init__(self, questions: Sequence[OpenQuestion]) -> None:
        super().__init__(
            " ".join(one.text for one in questions),
            "Answer in the sheet that comes with this receipt, or tell the hub's operator. "
            "The answer is remembered for the next files of this list.",
        )
        self.questions = tuple(questions)


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


MISSING_VALUE = "missing_value"
"""The rule that a column which must be filled is."""
OTHER_ROW = "line_of_another_row"
"""The rule that of a file's rows that are the same line none is taken for another one (rows_to_fix.py)."""
SUPERSEDED = "superseded"
"""The rule by which a set gave way to a newer one of the same item."""


@dataclass(frozen=True, slots=True)
class SupersededRow:
    """A right row of a message that a newer one has made void: it neither posts nor needs anybody's attention.

    `problems` says which one, by the rule SUPERSEDED.
    """

    row_no: int
    key: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class AdjustingRow:
    """A right message that adjusts the quantity of an item (ledger/adjusting). `key` is the item's.

    `values` say how: `kind`, `occurred_at`, `quantity` (None: all that is there), `unit`, `message` (its request_id),
    `item` (what the message says the item is), and where it goes to another place `to`, with `key` and `item`.
    """

    row_no: int
    key: str
    values: dict[str, object]
    problems: tuple[Problem, ...] = ()


Verdict = AcceptedRow | RejectedRow | SupersededRow | AdjustingRow


class Registry(Protocol):
    """The tags that procurement has issued, as validation needs to ask about them."""

    @property
    def version(self) -> int: ...

    @property
    def updated_at(self) -> datetime.datetime | None:
        """None as long as nothing has been registered."""

    def campuses(self, tags: Collection[str]) -> dict[str, str]:
        """The known ones among `tags`, each with its campus."""

    def near(self, tag: str) -> list[tuple[int, str]]:
        """Registered tags that are close enough to `tag` to suggest, each behind the number of slips between them, the
        closest first."""


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
class Written:
    """What kind of value a contract's column holds, for those who find out how a file writes it."""

    kind: Literal["date", "expiry", "moment", "quantity", "amount", "unit", "currency", "cas", "email", "identifier"]


@dataclass(frozen=True, slots=True)
class Certain:
    """Texts of which a type's value is known at a glance, so that a million are told at once (validate/bulk).

    It stands in the annotation beside the type's own function and says of some texts what that says of them too; a
    text that it does not cover is left to the function. `pattern` is RE2's and covers whole texts of at most `longest`
    characters. `wider` is asked about those that it does not cover: one that names kinds of letters, which takes
    RE2 milliseconds to make. `also` tells of covered texts (pyarrow.StringArray) which are good
    (pyarrow.BooleanArray), `then` makes their values of them; without it the texts are the values.
    """

    pattern: str
    longest: int | None = None
    also: Callable[[Any], Any] | None = None
    then: Callable[[Any], Any] | None = None
    wider: str | None = None


@dataclass(frozen=True, slots=True)
class Beside(AfterValidator):
    """A rule of one column that looks at `columns` of its row, which the contract names in front of it. It refuses a
    value or gives it back."""

    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """A column whose values are keys of another record type of the same campus."""

    column: str
    record_type: str


class Lines(Protocol):
    """Makes the keys of items that carry no number of their own: two rows of a file may be alike and two items."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What the key is made of."""

    def key_of(self, values: Mapping[str, object], number: int = 1) -> str:
        """`number` counts the rows of one file whose values of `columns` are the same, from 1. Keys never collide."""

    def number_in(self, key: str) -> int:
        """The number that a key was made with."""

    def first_of(self, key: str) -> str:
        """The key of the first of the lines that are like this one: the same with the number 1."""

    def thing_in(self, key: str) -> str:
        """What a key says beside place and number: the same for one thing at two places."""

    @property
    def told(self) -> str:
        """Which columns say what item a line is, in words."""

    @property
    def at_times(self) -> tuple[str, ...]:
        """Those of `columns` of which some keys say nothing, so that a list may do without them."""

    def tells(self, key: str, column: str) -> bool:
        """Whether a key says something of one of these."""


@dataclass(frozen=True)
class Kind:
    """One way to adjust a quantity by a message: `<record type>.<name>`."""

    name: str
    means: str
    """What has happened, in words."""
    adds: bool
    """Whether there is more of it afterwards, at the place that the message names."""
    data: "RecordType"
    """What the message's `data` holds."""
    to_column: str | None = None
    """Where the place is told to which it went."""


@dataclass(frozen=True)
class Adjusted:
    """That messages may adjust a quantity: its column and its unit's, and in which ways."""

    quantity: str
    unit: str
    kinds: tuple[Kind, ...]


@dataclass(frozen=True)
class Lacking:
    """A column without which something can't be reckoned, though a row without it is taken.

    `matters` says of which rows, by their values. `reason` follows on their number ("12 items have no …"): what can't
    be reckoned, with the rule's citation.
    """

    column: str
    called: str
    """What people call it."""
    matters: Callable[[Mapping[str, object]], bool]
    rule: str
    reason: str
    suggestion: str


@dataclass(frozen=True, slots=True)
class Limit:
    """So many days may have gone since a row's day. `told` says of whom, with the rule's citation."""

    days: int
    told: str


@dataclass(frozen=True)
class Clock:
    """Days that are counted from a row's own day to the one on which the list came; a row that is over is taken.

    `limit_of` says how many may have gone, by a row's values, of which it has the day; None where none are counted.
    `least` is the smallest limit. `reason` follows on the rows ("Rows 3 and 4 …") and goes before the limit's words.
    """

    column: str
    least: int
    limit_of: Callable[[Mapping[str, object]], Limit | None]
    rule: str
    reason: str
    suggestion: str


@dataclass(frozen=True)
class RecordType:
    """What one row is: its contract and how it is kept. All rows of a file are of one record type."""

    name: str
    """`<feed>.<what>`, such as inventory.asset."""
    title: str
    """What its sender calls such a file."""
    row_model: type[BaseModel]
    key_columns: tuple[str, ...]
    """Together they identify an item. Only the last may hold a `|`, which joins them to the item's key; where `lines`
    makes the key, they are what it is made of, and none need be filled."""
    aliases: dict[str, str]
    """Normalised header text to column."""
    tag_column: str | None = None
    """The first of the key's columns, where procurement's registry is asked about it."""
    untagged: str | None = None
    """What the sender does with a thing that has no tag."""
    shared: bool = False
    """True: one ledger for all campuses."""
    references: tuple[Reference, ...] = ()
    contract_version: int = 1
    telling: tuple[str, ...] = ()
    """Of these at least one must have a heading that says more than Name or ID; empty where the required ones tell."""
    lines: Lines | None = None
    """How rows are told apart of which none has a number of its own; None where two rows of one key are a mistake."""
    former: tuple["RecordType", ...] = ()
    """Earlier versions of the contract, the first one first, for the postings that were made under them."""
    location_column: str | None = None
    """Where an item is; only such files may be complete counts of locations."""
    is_gone: Callable[[Mapping[str, object]], bool] | None = None
    """Whether an item with these values is known not to be at its location any more, so that no count misses it."""
    news: "Callable[[Mapping[str, object], Mapping[str, object]], Sequence[Problem]] | None" = None
    """What people are told when an item's values were the first and are the second; None: nothing."""
    lacking: Lacking | None = None
    """What its rows may leave out, and people are told that they do; None: nothing."""
    clock: Clock | None = None
    """Of which rows people are told that more days have gone than may; None: none are counted."""
    gone_by: tuple[str, ...] = ()
    """Columns of days that have been when the list is sent: of a later one people are told."""
    by_messages_only: bool = False
    """No file is taken for a list of it: it comes by messages and from portals."""
    adjusted: Adjusted | None = None
    """What of it messages may adjust; None where they only set."""

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.row_model.model_fields)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The columns that the file must have."""
        return tuple(name for name, one in self.row_model.model_fields.items() if one.is_required())

    @cached_property
    def counted_columns(self) -> tuple[str, ...]:
        """What tells an item and its place; none where files can't be complete counts."""
        return tuple(dict.fromkeys((*self.key_columns, self.location_column))) if self.location_column else ()

    @property
    def column_descriptions(self) -> dict[str, str]:
        return {name: one.description or "" for name, one in self.row_model.model_fields.items()}

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """Each column's shape, from the contract's own types."""
        return {name: _shape(one.metadata) for name, one in self.row_model.model_fields.items()}

    @cached_property
    def certain(self) -> Mapping[str, Certain]:
        """What is certain of each column whose type tells it."""
        return {
            name: kind
            for name, field in self.row_model.model_fields.items()
            for kind in field.metadata
            if isinstance(kind, Certain)
        }

    @cached_property
    def written(self) -> Mapping[str, str]:
        """The kind (see Written) of each column that has one, in the contract's order."""
        kinds = ((name, _written(field.metadata)) for name, field in self.row_model.model_fields.items())
        return {name: kind for name, kind in kinds if kind is not None}

    @cached_property
    def added(self) -> frozenset[str]:
        """Columns that the contract's first version did not have."""
        return frozenset(self.columns).difference(self.former[0].columns) if self.former else frozenset()

    def under(self, version: int) -> "RecordType | None":
        """This record type as that version of its contract has it; None when this release does not keep it."""
        return next((one for one in (self, *self.former) if one.contract_version == version), None)

    def key_of(self, values: Mapping[str, object], number: int = 1) -> str:
        """An item's key. `number` tells rows apart that are the same line, where the record type has such."""
        if self.lines is not None:
            return self.lines.key_of(values, number)
        return "|".join(str(values[column]) for column in self.key_columns)


def _shape(metadata: Iterable[object]) -> Shape:
    return next((one for one in metadata if isinstance(one, Shape)), Shape())


def _written(metadata: Iterable[object]) -> str | None:
    return next((one.kind for one in metadata if isinstance(one, Written)), None)


@dataclass(frozen=True)
class Foreign:
    """A list that senders take for one of a feed's and that is none: known by `at_least` of its headings, normalised,
    where no clear heading names the column `unless`. What is `younger` than decisions about files is looked for only
    when one is made: what posted before is read as it was.
    """

    headings: frozenset[str]
    at_least: int
    unless: str
    reason: str
    fix: str
    younger: bool = False


@dataclass(frozen=True)
class Feed:
    """One kind of submission: the record types that it may bring, and how it is treated."""

    name: str
    title: str
    record_types: tuple[RecordType, ...]
    priority: int
    """Lower runs first."""
    urgent: bool = False
    """Its runs go before those of other feeds that wait for a place."""
    foreign: tuple[Foreign, ...] = ()

    @property
    def lists(self) -> tuple[RecordType, ...]:
        """What a file may be a list of. Of a feed that was narrowed to one record type (`only`) that one."""
        return tuple(one for one in self.record_types if not one.by_messages_only) or self.record_types

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Every heading that some list knows."""
        return {alias: column for one in reversed(self.lists) for alias, column in one.aliases.items()}

    @property
    def checks_tags(self) -> bool:
        return any(one.tag_column for one in self.record_types)

    @property
    def takes_counts(self) -> bool:
        return any(one.location_column for one in self.record_types)

    def only(self, name: str) -> "Feed":
        """The feed as if it had no other record type than this. Raises KeyError when it has none of this name."""
        return replace(self, record_types=(self.record_type(name),))

    def record_type(self, name: str) -> RecordType:
        """Raises KeyError when the feed has none of this name."""
        return {one.name: one for one in self.record_types}[name]
