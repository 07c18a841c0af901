"""A week and what its review tells, as plain data. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from hub_pipelines.common.errors import SettingsError

_NAME = re.compile(r"(\d{4})-W(\d{2})")


@dataclass(frozen=True, slots=True)
class Week:
    """An ISO week in UTC: from its Monday 00:00 to the next one's."""

    monday: date

    @staticmethod
    def of(moment: datetime) -> "Week":
        day = moment.astimezone(UTC).date()
        return Week(day - timedelta(days=day.weekday()))

    @staticmethod
    def named(name: str) -> "Week":
        """Raises SettingsError when `name` is no week such as 2026-W47."""
        found = _NAME.fullmatch(name)
        try:
            if found and found[1] >= "1970":
                return Week(date.fromisocalendar(int(found[1]), int(found[2]), 1))
        except ValueError:
            pass
        raise SettingsError(f"{name!r} is no week. Write it as year and ISO week, such as 2026-W47.")

    @property
    def name(self) -> str:
        year, number, _ = self.monday.isocalendar()
        return f"{year}-W{number:02}"

    @property
    def start(self) -> datetime:
        return datetime(self.monday.year, self.monday.month, self.monday.day, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        return self.start + timedelta(days=7)

    @property
    def before(self) -> "Week":
        return Week(self.monday - timedelta(days=7))


@dataclass(frozen=True, slots=True)
class Systemic:
    """Items that failed for the same reason: how many in this week, in the one before, and how many are open."""

    group: str
    count: int
    before: int
    open: int
    causes: tuple[str, ...]
    campuses: tuple[str, ...]
    feeds: tuple[str, ...]
    reason: str
    example_item: str
    example_file: str


@dataclass(frozen=True, slots=True)
class Line:
    """One item in the review, as it stood at the moment that the review tells of."""

    item_id: str
    request_id: str
    group: str
    campus: str
    feed: str
    source_name: str
    cause: str
    reason: str
    opened_at: datetime
    age_days: float
    resolved_at: datetime | None
    resolved_by: str | None
    what: str | None
    """replayed, dismissed or resubmitted."""
    reason_code: str | None
    note: str | None
    replaced_by: str | None
    difference: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """How often somebody decided the same thing for the same reason."""

    by: str
    what: str
    reason_code: str | None
    count: int


@dataclass(frozen=True, slots=True)
class WeeklyReview:
    """`until` is the week's end, or now while it has not ended. Lists are bounded; the counts beside them are not."""

    week: Week
    until: datetime
    written_at: datetime
    opened: int
    opened_before: int
    resolved: int
    open: int
    systemic: tuple[Systemic, ...]
    systemic_total: int
    open_by: dict[str, dict[str, int]]
    """`age`, `cause`, `campus`, `feed`: how many open items of each."""
    waiting: tuple[Line, ...]
    """The longest waiting first."""
    decisions: tuple[Decision, ...]
    resolutions: tuple[Line, ...]
    resubmitted: tuple[Line, ...]

    @property
    def is_over(self) -> bool:
        return self.until >= self.week.end

    @property
    def last_day(self) -> datetime:
        return self.week.end - timedelta(days=1)
