"""What `hub why` answers with. Pure: no queries, no sentences about them, no layout (cli/why.py)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from hub_pipelines.submission.model import State

MOST_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, in a sentence; `by` is who or what did it."""

    at: datetime
    what: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """One submission. `facts` are what holds of it now, `left_out` counts older moments that are not listed."""

    request_id: str
    state: State
    time_zone: str
    facts: dict[str, str]
    moments: tuple[Moment, ...]
    left_out: int
    now: str


@dataclass(frozen=True, slots=True)
class Came:
    """One time that a file came, and what became of it."""

    at: datetime
    source_name: str
    campus: str
    feed: str
    request_id: str | None
    outcome: str
    what: str
    receipt: str | None


@dataclass(frozen=True, slots=True)
class FileMatch:
    """All that is known under a file's name or contents, the newest last."""

    heading: str
    came: tuple[Came, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One journal entry. `changed` holds, by column, the old and the new value; all columns of a first entry.

    `row` is the one that Excel shows, on `sheet` when the file has several.
    """

    at: datetime
    ledger_version: int
    row: int
    sheet: str | None
    source_name: str
    request_id: str
    revision: int
    operation: str
    first: bool
    changed: dict[str, tuple[object, object]]
    news: tuple[str, ...] = ()
    """What the change means, where its record type tells."""


@dataclass(frozen=True, slots=True)
class MissedBy:
    """A complete count that missed an item. `row` is the rejected row that lists it; `found_in` the later file."""

    counted_at: datetime
    source_name: str
    request_id: str
    location: str
    row: int | None
    found_at: datetime | None
    found_in: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """One item of one ledger: its values now and each change that led there, the oldest first."""

    ledger: str
    key: str
    current: dict[str, object]
    changes: tuple[Change, ...]
    left_out: int
    missed: tuple[MissedBy, ...] = ()


@dataclass(frozen=True, slots=True)
class SaidBy:
    """What all records of one portal say of an award together; `obligated` in US dollars."""

    portal: str
    records: int
    starts_on: str | None
    ends_on: str | None
    obligated: str | None


@dataclass(frozen=True, slots=True)
class OfAward:
    """A finding about an award (findings). `subject` is a line's transaction_id or the award's number; `row` the one
    that Excel shows of the submission `request_id`.

    `opened_at` is None for what the rules find now and no evaluation has opened yet. `is_found` tells whether they find
    it now: False for a closed one, and for one that the next evaluation closes.
    """

    finding_id: str | None
    rule_id: str
    citation: str
    subject: str
    amount: str | None
    currency: str
    told: str
    request_id: str | None
    row: int | None
    is_found: bool
    opened_at: datetime | None = None
    opened_by: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None


@dataclass(frozen=True, slots=True)
class AwardStanding:
    """An award as the office and portals tell it, and what was spent on it held against that.

    `office` are the values of the office's own list. `judged_by` is who tells the period that counts, `obligated_by`
    the amount. `without_day` are lines that do not tell when their cost was incurred, `others` those in another
    currency than US dollars. `registrations` are those of its recipients at SAM.gov. `versions` are those of the
    ledgers as of which findings were evaluated last, at `evaluated_at`; `is_current` when nothing has been posted
    since.
    """

    award_id: str
    campus: str
    office: tuple[Mapping[str, object], ...]
    said: tuple[SaidBy, ...]
    judged_by: str | None
    obligated_by: str | None
    spent_lines: int
    spent: str
    without_day: int
    others: int
    registrations: tuple[Mapping[str, object], ...]
    findings: tuple[OfAward, ...]
    left_out: int
    versions: Mapping[str, int]
    evaluated_at: datetime | None
    is_current: bool


@dataclass(frozen=True, slots=True)
class Charge:
    """A line that charges an award; `row` is the number that Excel shows."""

    line: str
    amount: str
    posted_on: str
    request_id: str
    row: int


@dataclass(frozen=True, slots=True)
class Charged:
    """What a campus has charged to an award that neither its office nor a portal lists there: no rule judges it.
    `lines` counts all of which `first` are some; `listed_by` are the campuses that list it."""

    award_id: str
    campus: str
    ledger: str
    lines: int
    first: tuple[Charge, ...]
    listed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A problem of a row in which the text that was asked for stands; `row` and `sheet` as in Change."""

    at: datetime
    source_name: str
    campus: str
    feed: str
    request_id: str
    revision: int
    row: int
    sheet: str | None
    column: str | None
    severity: str
    reason: str
    suggestion: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """All that an argument means. `notes` say what was looked for in vain, `near` what may have been meant."""

    asked: str
    notes: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    files: tuple[FileMatch, ...] = ()
    stories: tuple[Story, ...] = ()
    items: tuple[Item, ...] = ()
    rejected: tuple[RejectedRow, ...] = ()
    awards: tuple[AwardStanding, ...] = ()
    charged: tuple[Charged, ...] = ()
    near: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        known = self.candidates or self.files or self.stories or self.items or self.rejected
        return bool(known or self.awards or self.charged)
