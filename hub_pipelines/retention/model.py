"""Which rule keeps what for how long, legal holds, and what a prune reports. Pure.

Belongs here: the retention schedule by record type, with the rule that sets it. Not here: finding dates in ledgers
(schedule.py), what a hold covers (store.py), removing (pruning.py, defs/retention.py).

The rules keep records *at least* so long. This hub deletes no archived file, envelope, journal entry or audit entry at
any age; the schedule tells from when on its owner might.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from hub_pipelines.common.errors import HubError


class BadHold(HubError):
    """A hold that can't be placed or lifted as it was asked for; the text says what to write."""


class HoldsAstray(HubError):
    """The records of holds are not what the audit chain tells. A person must look; nothing is removed until then."""


@dataclass(frozen=True, slots=True)
class Basis:
    """The day from which a rule counts: a column of the row itself, or of the item that a column of it refers to."""

    column: str
    of_record_type: str | None = None
    by_column: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Keep for `years` from the day that `basis` tells; without a basis nothing tells the day, and all is kept."""

    record_type: str
    rule: str
    citation: str
    years: int
    counts_from: str
    basis: Basis | None


_REPORT = "submission of the award's final financial report"
_PROPERTY = "final disposition of the item"
SCHEDULE: dict[str, Rule] = {
    one.record_type: one
    for one in (
        Rule("grants.award", "G44", "2 CFR 200.334", 3, _REPORT, Basis("final_report_on")),
        Rule(
            "grants.expenditure",
            "G44",
            "2 CFR 200.334",
            3,
            _REPORT,
            Basis("final_report_on", of_record_type="grants.award", by_column="award_id"),
        ),
        Rule(
            "grants.sponsor_award",
            "G44",
            "2 CFR 200.334",
            3,
            _REPORT,
            Basis("final_report_on", of_record_type="grants.award", by_column="award_id"),
        ),
        Rule("grants.registration", "G44", "2 CFR 200.334", 3, "final financial report of what rests on it", None),
        Rule("grants.opportunity", "G44", "2 CFR 200.334", 3, "final financial report of what came of it", None),
        Rule("procurement.asset", "G44", "2 CFR 200.334", 3, _PROPERTY, None),
        # chemicals are among these assets too, and for them W37 asks for 30 years; neither date is in the list
        Rule("inventory.asset", "G44, W37", "2 CFR 200.334; 29 CFR 1910.1020(d)", 30, _PROPERTY, None),
        Rule("inventory.stock", "W37", "29 CFR 1910.1020(d)", 30, "the day on which the last of it was used", None),
        Rule("inventory.calibration", "G44", "2 CFR 200.334", 3, "final disposition of the instrument", None),
        Rule("hazmat.container", "W37", "29 CFR 1910.1020(d)", 30, "disposal of the container", Basis("disposed_on")),
        Rule(
            "hazmat.event",
            "W23",
            "40 CFR 262.40",
            3,
            "disposal of the container",
            Basis("disposed_on", of_record_type="hazmat.container", by_column="container_id"),
        ),
    )
}


def years_after(day: date, years: int) -> date:
    """The first day on which a time of so many years is over."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return date(day.year + years, 3, 1)


HoldKind = Literal["award", "container", "scope"]
COLUMN_OF: dict[HoldKind, str] = {"award": "award_id", "container": "container_id"}
"""The column that names what a hold of this kind is about."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold. `subject` is the award or container; one on a scope has campus or feed or both, and days."""

    hold_id: str
    kind: HoldKind
    subject: str | None
    campus: str | None
    feed: str | None
    first_day: date | None
    last_day: date | None
    reason: str
    placed_at: datetime
    placed_by: str
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    lift_reason: str | None = None

    @property
    def covers(self) -> str:
        if self.kind != "scope":
            return f"{self.kind} {self.subject}"
        return f"{self.feed or 'all feeds'} of {self.campus or 'all campuses'}, {self.first_day} to {self.last_day}"


@dataclass(slots=True)
class Kept:
    """What was old enough and is kept: how much of it for which reason."""

    by_reason: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, what: str) -> None:
        self.by_reason[reason] = self.by_reason.get(reason, 0) + 1
        shown = self.examples.setdefault(reason, [])
        if len(shown) < 5:
            shown.append(what)


@dataclass(slots=True)
class Pruned:
    """One kind of thing (`runs`, `staged files`, …): what was removed, or would be, and what was kept back and why."""

    what: str
    removed: int = 0
    freed_bytes: int = 0
    kept: Kept = field(default_factory=Kept)
    is_complete: bool = True
    """False when the time was up before all was looked at; the next prune goes on."""
