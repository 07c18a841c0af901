"""Days and moments.

Belongs here: how days and times of day are written, and one beside another of its row. Not here: deadlines.
"""

import datetime
import re
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from hub_pipelines.validate.feeds.types import (
    MONTHS,
    is_blank,
    missing,
    optional,
    problem,
    refuse_error_cell,
    required,
    text_of,
)
from hub_pipelines.validate.model import Beside, Shape, Written

# -- days ------------------------------------------------------------------------------------------------------------

# a time of day behind the day is left off, as it is from a date cell; not with a zone, which may mean another day
_ISO_DATE = re.compile(
    r"(\d{4})([-/])(\d{2})\2(\d{2})"
    r"(?:[ T](?:00:00(?::00(?:\.0+)?)?(?:Z|\+00:?00)|[0-2]\d:[0-5]\d(?::[0-5]\d(?:\.\d+)?)?))?",
    re.A,
)
_LOCAL_DATE = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(?:\s+0?0:00(?::00)?)?", re.A)
_COMPACT_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})", re.A)
_DAY_OF_MOMENT = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?=[T ]\d)", re.A)
_NAMED_DATE = re.compile(r"(?:(\d{1,2})[ -]([a-z]{3,9})|([a-z]{3,9})\.? (\d{1,2}))[.,]?[ -](\d{4})\b.*", re.A | re.I)

# a year, or a month of one
_PARTLY = re.compile(r"(?P<month>[a-z]{3,9}\.?[ -]?|\d{1,2}[-/.])?(?:19|20)\d\d", re.A | re.I)


def parse_date(cell: object) -> str:
    if isinstance(cell, datetime.datetime):
        return _checked_year(cell.date())
    if isinstance(cell, datetime.date):
        return _checked_year(cell)
    text = text_of(cell)
    match = _ISO_DATE.fullmatch(text)
    if match is None:
        raise _date_problem(text)
    year, _, month, day = match.groups()
    found = _real_date(year, month, day)
    if found is None:
        raise problem("bad_date", "There is no such day in the calendar.")
    return _checked_year(found)


def _checked_year(day: datetime.date) -> str:
    if not 1900 <= day.year <= 2100:
        raise problem("bad_date", f"The year {day.year} is outside 1900 to 2100.")
    return day.isoformat()


def _real_date(year: str, month: str, day: str) -> datetime.date | None:
    try:
        return datetime.date(int(year), int(month), int(day))
    except ValueError:
        return None


def _date_problem(text: str) -> PydanticCustomError:
    local = _LOCAL_DATE.fullmatch(text)
    if local:
        first, second, year = local.groups()
        full_year = year if len(year) == 4 else f"20{year}"
        readings = (_real_date(full_year, first, second), _real_date(full_year, second, first))
        if not any(readings):
            return problem("bad_date", "There is no such day in the calendar.")
        shown = dict.fromkeys(reading.isoformat() for reading in readings if reading)
        reason = "Dates are taken as year-month-day only, so that no day is mistaken for a month."
        return problem("bad_date", reason, f"{' or '.join(shown)} (format the column as Text, so that Excel keeps it)")
    parts = _COMPACT_DATE.fullmatch(text) or _DAY_OF_MOMENT.match(text)
    found = _real_date(*parts.groups()) if parts else _named_date(text)
    if found is None and (partly := _PARTLY.fullmatch(text)):
        told = "month" if partly["month"] else "year"
        return problem("bad_date", f"The cell tells only the {told}, and a day is needed.", "Write the day too")
    return problem("bad_date", "This is not a date written as YYYY-MM-DD.", found.isoformat() if found else None)


def _named_date(text: str) -> datetime.date | None:
    match = _NAMED_DATE.fullmatch(text)
    name = (match[2] or match[3])[:3].title() if match else ""
    if match is None or name not in MONTHS:
        return None
    return _real_date(match[5], str(MONTHS.index(name) + 1), match[1] or match[4])


def not_before(earlier: str) -> Beside:
    """A day that may not lie before the day in the column `earlier`, which the contract names in front of it."""

    def check(day: str | None, info: ValidationInfo) -> str | None:
        start = (info.data or {}).get(earlier)
        if day is not None and start is not None and day < start:
            raise problem(
                "dates_reversed",
                f"This day lies before {earlier}, which is {start}.",
                "Correct the one that is wrong; perhaps day and month, or the year, were mistyped",
            )
        return day

    return Beside(check, (earlier,))


# -- moments ---------------------------------------------------------------------------------------------------------

_TIMESTAMP = re.compile(
    r"(\d{4})([-/])(\d{2})\2(\d{2})(?:T|,? )(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?(?: ?([ap])\.?m\.?)? ?"
    r"(Z|UTC|GMT|[+-]\d{2}:?\d{2}|[a-z]{2,5})?",
    re.A | re.I,
)
_US_ZONES = {
    "EST": "-05:00", "EDT": "-04:00", "CST": "-06:00", "CDT": "-05:00",
    "MST": "-07:00", "MDT": "-06:00", "PST": "-08:00", "PDT": "-07:00",
}  # fmt: skip
_NO_TIME_OF_DAY = "The time of day is missing, and the order of events is told by it."


def parse_timestamp(cell: object, info: ValidationInfo) -> str:
    """A moment (W41), as UTC to the second. Without a zone it is the campus's own time, if the context tells that."""
    if is_blank(cell):
        raise missing()
    refuse_error_cell(cell)
    local, offset = _cell_time(cell) if isinstance(cell, datetime.date) else _written_time(text_of(cell))
    _checked_year(local.date())
    zone = (info.context or {}).get("time_zone")
    moment = local.replace(tzinfo=offset) if offset else _at_campus(local, ZoneInfo(zone) if zone else None)
    try:
        moment = moment.astimezone(datetime.UTC)
    except OverflowError:
        raise problem("bad_time", "This is not a time that can be reckoned with.") from None
    _checked_year(moment.date())
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _cell_time(cell: datetime.date) -> tuple[datetime.datetime, datetime.tzinfo | None]:
    if not isinstance(cell, datetime.datetime):
        raise problem("bad_time", _NO_TIME_OF_DAY, f"{cell:%Y-%m-%d} 14:30, with the time that it was")
    return _to_second(cell.replace(tzinfo=None), cell.microsecond / 1e6), cell.tzinfo


def _to_second(moment: datetime.datetime, fraction: float) -> datetime.datetime:
    # Excel keeps times as fractions of a day, so that 14:30 may come as 14:29:59.999999
    whole = moment.replace(microsecond=0)
    return whole + datetime.timedelta(seconds=1) if fraction >= 0.5 and whole.year < 9999 else whole


def _written_time(text: str) -> tuple[datetime.datetime, datetime.tzinfo | None]:
    match = _TIMESTAMP.fullmatch(" ".join(text.split()))
    if match is None:
        raise _time_problem(text)
    year, _, month, day, hour, minute, second, fraction, half, zone = match.groups()
    try:
        day_and_time = (int(year), int(month), int(day), _hour(int(hour), half), int(minute), int(second or 0))
        local = datetime.datetime(*day_and_time)
    except ValueError:
        raise problem("bad_time", "There is no such day in the calendar, or no such time of day.") from None
    return _to_second(local, float(fraction or 0)), _offset(local, zone) if zone else None


def _hour(hour: int, half: str | None) -> int:
    """On the 24-hour clock. Raises ValueError when the 12-hour clock has no such hour."""
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError
    return hour % 12 + (12 if half in "pP" else 0)


def _offset(local: datetime.datetime, zone: str) -> datetime.tzinfo:
    if zone.upper() in {"Z", "UTC", "GMT"}:
        return datetime.UTC
    if zone[0] not in "+-":
        known = _US_ZONES.get(zone.upper())
        raise problem(
            "bad_time",
            f'The letters "{zone}" do not name one time zone everywhere and all year.',
            f"{local:%Y-%m-%d %H:%M} {known}" if known else "Write the difference to UTC instead, such as -05:00",
        )
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 14 or minutes > 59:
        raise problem("bad_time", f"No place on earth is {zone} from UTC.")
    return datetime.timezone((-1 if zone[0] == "-" else 1) * datetime.timedelta(hours=hours, minutes=minutes))


def _time_problem(text: str) -> PydanticCustomError:
    if _ISO_DATE.fullmatch(text):
        return problem("bad_time", _NO_TIME_OF_DAY, f"{text} 14:30, with the time that it was")
    day, _, rest = text.partition(" ")
    if rest and _LOCAL_DATE.fullmatch(day):
        found = _date_problem(day).context or {}
        days = str(found.get("suggestion") or "").partition(" (")[0]
        readings = filter(None, (_as_taken(f"{each} {rest}") for each in days.split(" or "))) if days else ()
        return problem("bad_time", str(found["reason"]), " or ".join(readings) or None)
    return problem("bad_time", "This is not a day and a time of day.", "Write them as 2025-03-01 14:30")


def _as_taken(text: str) -> str | None:
    """A moment as it would be taken: so, or as is suggested instead."""
    try:
        _written_time(text)
    except PydanticCustomError as refused:
        instead = str((refused.context or {}).get("suggestion"))
        return instead if _TIMESTAMP.fullmatch(instead) else None
    return text


def _at_campus(local: datetime.datetime, zone: ZoneInfo | None) -> datetime.datetime:
    if zone is None:
        raise problem(
            "bad_time",
            "The time has no time zone.",
            f"Write the difference to UTC behind it, such as {local:%Y-%m-%d %H:%M} -05:00 for Eastern winter time",
        )
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    if first.astimezone(datetime.UTC).astimezone(zone).replace(tzinfo=None) != local:
        raise problem("bad_time", "There was no such time: clocks were put forward over it in that night.")
    both = " or ".join(f"{one:%Y-%m-%d %H:%M %z}" for one in (first, second))
    raise problem("bad_time", "This time came twice: clocks were put back in that night.", both)


_DAY = Shape("date", minimum="1900-01-01", maximum="2100-12-31")

DateText = Annotated[str, required(parse_date), _DAY, Written("date")]
OptionalExpiry = Annotated[str | None, optional(parse_date), _DAY, Written("expiry")]
"""The last day of use, which labels often tell as a month."""
OptionalDate = Annotated[str | None, optional(parse_date), _DAY, Written("date")]
Timestamp = Annotated[
    str,
    BeforeValidator(parse_timestamp),
    Written("moment"),
    Shape(longest=20, pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"),
]
