"""What a receipt and the pages that list receipts say, as plain data.

Belongs here: the facts that a lab manager is told about one file or many. Not here: how they are found (the
stages that settle a submission) nor how they are worded and laid out (`render`).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Outcome = Literal[
    "received",
    "posted",
    "nothing_posted",
    "in_review",
    "question",
    "duplicate",
    "refused",
    "waiting",
    "dismissed",
    "conflict",
]


@dataclass(frozen=True)
class Line:
    """One problem or warning. `row` counts as Excel does, headings being row 1; 0 means the whole file.

    `part` numbers the file's tables from 0; `sheet` is the one on which the row stands, when there are several.
    `heading` is what the file calls the column, where that is known.
    """

    row: int
    column: str | None
    value: str | None
    reason: str
    suggestion: str | None
    part: int = 0
    sheet: str | None = None
    heading: str | None = None
    place: str | None = None
    """The column as Excel names it, where it is known."""
    table: str | None = None
    """The first column of the row's table, as Excel names it, when there is another one beside it."""
    tells_reading: bool = False
    """Nothing is odd: it tells how something was read."""
    came_under: str | None = None
    """Of a message, the webhook-id under which it came, and its line where several came together."""


@dataclass(frozen=True)
class Waiting:
    """Rows that could not be checked, for there was no procurement list when they came; they need no correction.

    `rows` are the first of `total`, by the sheet's name where there are several. `column` is what the sender calls the
    column of the tags, for a sentence.
    """

    total: int
    rows: tuple[tuple[str | None, tuple[int, ...]], ...]
    column: str


@dataclass(frozen=True)
class QuestionLine:
    """A question to the sender, which says which column it is about. `choices` are numbered from 1 in this order;
    `answer` is the label of the chosen one."""

    question_id: str
    text: str
    heading: str | None
    choices: tuple[str, ...]
    evidence: tuple[str, ...]
    answer: str | None
    answered_by: str | None


@dataclass(frozen=True)
class UnderstoodLine:
    """A column of the file: the sender's heading, its place as Excel names it, what it was read as, by what and why."""

    heading: str
    place: str
    column: str
    how: str
    confidence: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class ColumnsRead:
    """How a file's columns and values were read. `understood` is empty where each was taken by its own name; `values`
    has a sentence a column, `unread` the headings of columns that are kept as they are. Of long lists the first."""

    understood: tuple[UnderstoodLine, ...] = ()
    unread: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.understood or self.unread or self.values)


@dataclass(frozen=True)
class ItemName:
    """What an item is called (naming.py): in words, by its number, code or lot, and where it is."""

    name: str | None
    marks: tuple[str, ...] = ()
    place: str | None = None

    def __str__(self) -> str:
        other = [*self.marks, *([self.place] if self.place else [])]
        if self.name is None:
            return ", ".join(other)
        return f"{self.name} ({', '.join(other)})" if other else self.name


@dataclass(frozen=True)
class Counts:
    """Rows by what became of them."""

    received: int
    posted: int
    unchanged: int
    rejected: int
    held: int
    elsewhere: int = 0
    """Rows of other tables in the file, which were not read; they are not among those received."""
    new: int | None = None
    """Of those posted, items that the ledger never had; None where it was not counted."""
    worth_a_look: int = 0
    """Remarks for which a receipt does not say that all is done."""
    superseded: int = 0
    """Messages that gave way to a newer one about their item."""
    spared: int = 0
    """Of those unchanged, rows of a returned workbook that were left as others have set their items since."""
    thing: Literal["row", "message"] = "row"
    """What is counted."""

    @property
    def up_to_date(self) -> int:
        return self.unchanged - self.spared

    @property
    def changed(self) -> int | None:
        return None if self.new is None else self.posted - self.new


@dataclass(frozen=True)
class ChangedCell:
    """`heading` is what the file calls the column, where that is not the contract's own word."""

    column: str
    heading: str | None
    old: str | None
    new: str | None


@dataclass(frozen=True)
class ChangedItem:
    """An item with the columns in which it says something else than before."""

    row: int
    key: str
    item: ItemName
    cells: tuple[ChangedCell, ...]
    sheet: str | None = None
    """The row's sheet, where there are several."""


@dataclass(frozen=True)
class ChangedRow:
    """A row of a duplicate file that a newer file has changed since the first copy came."""

    key: str
    item: ItemName
    by_source: str
    at: datetime


@dataclass(frozen=True)
class ColumnLine:
    """A column that is not as in the earlier files: its heading before and now, and the new one that it may be."""

    column: str | None
    before: str | None
    now: str | None
    perhaps: str | None


@dataclass(frozen=True)
class CorrectedCell:
    """`row` as Excel numbers it; `sheet` where there are several."""

    row: int
    column: str
    old: str
    new: str
    sheet: str | None = None


@dataclass(frozen=True)
class Correction:
    """This file was sent in place of another: by a reviewer, or by its sender as returned workbook (`by` is None).

    `cells` are the first of `cells_total`. The problems are those of the other file and of this one, where known.
    """

    item_id: str | None
    original_request_id: str
    original_name: str
    by: str | None
    at: datetime
    summary: str
    cells: tuple[CorrectedCell, ...]
    cells_total: int
    problems_before: int | None = None
    problems_left: int | None = None
    rows_left: int = 0
    """Of a workbook with only rows to fix: how many of its file are still not taken, whether they were in it or not."""
    rows_left_of: str = ""
    of_count: bool = False
    """The other file was a complete count, and this one holds all of it."""


@dataclass(frozen=True)
class Workbook:
    """The sender's file with the problems marked. `file_name` lies beside the receipt once it is made."""

    state: Literal["due", "made", "failed"]
    file_name: str | None
    note: str | None


@dataclass(frozen=True)
class MissedItem:
    """An item that the ledger has at a counted location and the count does not take in.

    `row` is the rejected row that lists it; None: the file does not list it. `found_at` and `found_in` tell of the
    later file that named it.
    """

    key: str
    item: ItemName
    location: str
    row: int | None
    found_at: datetime | None
    found_in: str | None
    moved: tuple[str, ...] = ()
    """Of what was not found: the same thing is new in the ledger at these places, with the file that says so."""
    used_up: bool = False
    """The later file said that nothing of it is left."""


@dataclass(frozen=True)
class Count:
    """What a complete count covers and misses. `missed` are the first of what it misses, still missing ones first."""

    locations: tuple[str, ...]
    not_found: int
    listed_in_rejected_rows: int
    still_missing: int
    missed: tuple[MissedItem, ...]
    by_place: bool = False
    """The place is part of what an item is: the same thing elsewhere is another item."""
    used_up: int = 0
    """Of what was not found, what later files have said to be gone."""
    uncounted: tuple[str, ...] = ()
    """Locations that the same list had before and this count does not name."""


@dataclass(frozen=True)
class GoesOn:
    """The receipt of another file on which this one's matter goes on. `page` is a relative link to it.

    `still_open` says what is not settled there, a clause each; `by_sender`: not sent by somebody at the hub.
    """

    source_name: str
    request_id: str
    page: str
    still_open: tuple[str, ...] = ()
    by_sender: bool = True
    complete_count: bool = False


@dataclass(frozen=True)
class Receipt:
    """Everything one receipt says. All times carry a time zone; `time_zone` is the one they are shown in."""

    title_source: str
    campus: str
    feed: str
    outcome: Outcome
    headline_reason: str | None
    next_step: str | None
    request_id: str | None
    received_at: datetime
    settled_at: datetime | None
    time_zone: str
    content_digest: str | None
    counts: Counts
    problems: tuple[Line, ...]
    problems_total: int
    warnings: tuple[Line, ...]
    revises: str | None
    list_version: int
    first_seen_at: datetime | None
    first_request_id: str | None
    changed_since: tuple[ChangedRow, ...]
    changed_since_total: int
    apply_again_command: str | None
    registry_version: int | None
    registry_date: datetime | None
    archived_copy: str | None
    needs_registry: bool
    contact: str = ""
    """Whom to ask, as the settings say."""
    columns: tuple[ColumnLine, ...] = ()
    columns_as_before: int = 0
    correction: Correction | None = None
    workbook: Workbook | None = None
    questions: tuple[QuestionLine, ...] = ()
    answer_command: str | None = None
    answer_trouble: str | None = None
    """Why an answer that came with the file could not be taken."""
    columns_read: ColumnsRead = field(default_factory=ColumnsRead)
    complete_count: bool = False
    of_messages: bool = False
    """A batch of them, which nobody has dropped."""
    count: Count | None = None
    """Of a complete count that has posted."""
    first_copy: GoesOn | None = None
    """Of a duplicate: what it is a copy of."""
    only_registry: bool = False
    """Nothing is wrong with the rows that were not taken but that there was no procurement list yet."""
    registry_has_come: bool = False
    """There is one by now."""
    waiting: Waiting | None = None
    """Rows that lacked the list, none of whose tags is among the problems."""
    newer: GoesOn | None = None
    """What was sent in place of this file."""
    cause: str | None = None
    """Why it is in review."""
    changed: tuple[ChangedItem, ...] = ()
    """Of the rows that changed an item, the first, with old and new values; `counts` has their number."""
    rows_left: int | None = None
    """Of a file of which rows to fix came back by themselves: how many are still not taken."""
    at_work: str | None = None
    """How far a run is with it, where it takes more than seconds."""

    @property
    def is_superseded(self) -> bool:
        """Whatever is still to do stands on the receipt of what was sent in its place."""
        return self.newer is not None and (self.newer.complete_count or not self.still_missing)

    @property
    def still_missing(self) -> int:
        return self.count.still_missing if self.count is not None else 0

    @property
    def places_counted(self) -> int | None:
        return len(self.count.locations) if self.count is not None else None

    @property
    def places_left(self) -> int:
        return len(self.count.uncounted) if self.count is not None else 0


@dataclass(frozen=True)
class IndexLine:
    """One file in a list of receipts. `page` is a relative link; None while the receipt is not written."""

    source_name: str
    campus: str
    feed: str
    outcome: Outcome
    headline_reason: str | None
    counts: Counts
    at: datetime
    time_zone: str
    page: str | None
    needs_attention: bool
    still_missing: int = 0
    """Items that a complete count did not find and that no later file names."""
    places_counted: int | None = None
    """Of a complete count that has posted, how many locations it names."""
    places_left: int = 0
    """How many more the same list had before."""
    cause: str | None = None
    """Why it is in review."""
    fix: str | None = None
    """What intake told the sender of something that it did not take."""
    complete_count: bool = False
    replaced: bool = False
    """A newer file has come in its place, or one that is no shorter under its name."""
    shorter_came: bool = False
    """A newer file of its name was taken that has fewer rows: what is open here may still wait."""
    only_registry: bool = False
    """As of a receipt."""
    rows_left: int | None = None
    """As of a receipt."""
    is_part: bool = False
    """It holds only rows to fix of another file."""
    no_list: int = 0
    """Rows that can't be taken before there is a procurement list."""
    to_correct: int = 0
    """Rows that were not taken for another reason, whether they wait as well or not."""
    list_has_come: bool = False
    """There is one by now."""
    still_open: tuple[str, ...] = ()
    """Of a copy: what is not settled about the first one, a clause each."""


@dataclass(frozen=True)
class FeedIndex:
    """The newest files of a campus and feed, the newest first; `older` ones are not among them, or even more.
    `of_messages` is a relative link to the folder with receipts of messages, where there are any."""

    campus: str
    feed: str
    lines: tuple[IndexLine, ...]
    older: int
    many_older: bool
    of_messages: str | None = None


@dataclass(frozen=True)
class PreviewLine:
    """One preview in a list. `page` is a relative link; None while it is due."""

    source_name: str
    campus: str
    feed: str
    at: datetime
    time_zone: str
    page: str | None
    told: dict[str, Any] | None
    """What it found (report/previews/model.py, summary); None while it is due."""


@dataclass(frozen=True)
class Index:
    """A page that lists receipts: of one campus, or of all when `campus` is None; of each feed the first few lines."""

    campus: str | None
    written_at: datetime
    time_zone: str
    attention: tuple[IndexLine, ...]
    feeds: tuple[FeedIndex, ...]
    shown_per_feed: int
    previews: tuple[PreviewLine, ...] = ()
