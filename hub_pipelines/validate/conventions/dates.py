"""Days as people and programs write them.

Belongs here: all readings of one text, and what the texts of a column tell about the order of day, month and year.
Not here: what becomes of a column whose order stays open (deciding.py), which days a contract takes.
"""

import datetime
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import get_args

from hub_pipelines.validate.conventions.model import Order
from hub_pipelines.validate.feeds.types import text_of

ORDERS: tuple[Order, ...] = get_args(Order)
PIVOT = 70
"""Two-digit years below are of this century, the others of the last one (as POSIX has it, one year later)."""
TWO_DIGIT_YEARS = f"two-digit years are taken as 19{PIVOT} to 20{PIVOT - 1}"

_MONTHS = """
    january januar janvier enero gennaio janeiro januari stycznia января январь
    february februar fevrier febrero febbraio fevereiro februari lutego февраля февраль
    march marz mars marzo marco maart marca марта март
    april avril abril aprile kwietnia апреля апрель
    may mai mayo maggio maio mei maja мая май
    june juni juin junio giugno junho czerwca июня июнь
    july juli juillet julio luglio julho lipca июля июль
    august aout agosto augustus sierpnia августа август
    september septembre septiembre settembre setembro wrzesnia сентября сентябрь
    october oktober octobre octubre ottobre outubro pazdziernika октября октябрь
    november novembre noviembre novembro listopada ноября ноябрь
    december dezember decembre diciembre dicembre dezembro grudnia декабря декабрь
"""
_SHORT = "sept juil juill abr ago avr fev mrz maerz dez dic ene gen mag giu lug set ott out okt mrt"
_SHORT_MONTHS = (9, 7, 7, 4, 8, 4, 2, 3, 3, 12, 12, 1, 1, 5, 6, 7, 9, 10, 10, 10, 3)


def _plain_letters(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in folded if not unicodedata.combining(char))


def _month_names() -> dict[str, int]:
    found: dict[str, int] = {}
    for month, names in enumerate(_MONTHS.strip().splitlines(), start=1):
        for name in map(_plain_letters, names.split()):
            found[name] = month
            # of a short form that two months share, such as the French jui, nobody knows which it is
            found[name[:3]] = month if found.get(name[:3], month) == month else 0
    return {**found, **dict(zip(_SHORT.split(), _SHORT_MONTHS, strict=True))}


_MONTH_OF = _month_names()

_CLOCK = (
    r"(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[ap]\.?m\.?)?)"
    r"(?: ?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2}|[a-z]{3,4}))?"
)
_BEHIND = rf"(?:(?:T|,? ){_CLOCK})?"
_WEEKDAY = r"(?:[^\W\d_]+\.?,? )?"
_FLAGS = re.I
_NUMERIC = re.compile(rf"(\d{{1,4}})( ?[./-] ?)(\d{{1,2}})\2(\d{{4}}|\d{{1,2}})\.?{_BEHIND}", _FLAGS)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_DAY_FIRST = re.compile(
    rf"{_WEEKDAY}(\d{{1,2}})(?:st|nd|rd|th|er|\.|º)?(?:[ /.-]*(?:de |of )?)([^\W\d_]+)\.?,?(?:[ /.,-]*(?:de |del )?)"
    rf"'?(\d{{4}}|\d{{2}})(?: ?(?:г|r)\.?)?{_BEHIND}",
    _FLAGS,
)
_MONTH_FIRST = re.compile(
    rf"{_WEEKDAY}([^\W\d_]+)\.?[ -]*(\d{{1,2}})(?:st|nd|rd|th)?(?:, ?|[ -]+)'?(\d{{4}}|\d{{2}}){_BEHIND}", _FLAGS
)
_YEAR_FIRST = re.compile(rf"(\d{{4}})[ /.-]*([^\W\d_]+)\.?[ /.-]*(\d{{1,2}}){_BEHIND}", _FLAGS)
_EAST_ASIAN = re.compile(rf"(\d{{4}}) ?[年년] ?(\d{{1,2}}) ?[月월] ?(\d{{1,2}}) ?[日일号]?{_BEHIND}", _FLAGS)
_MIDNIGHT = re.compile(r"(?:0?0:00(?::00(?:\.0+)?)?|12:00(?::00)? ?a\.?m\.?)", re.I)
_MONTH = re.compile(
    r"(?P<month>\d{1,2}) ?[/.-] ?(?P<year>\d{4})|(?P<front>\d{4}) ?[/.-] ?(?P<last>\d{1,2})"
    r"|(?P<name>[^\W\d_]{3,12})\.?,?[ /-]?(?P<behind>\d{4})|(?P<short>[^\W\d_]{3})-(?P<pivoted>\d{2})"
)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}", re.A)
_SERIAL = re.compile(r"\d{5}(?:\.\d+)?", re.A)
_US_ZONES = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}


@dataclass(frozen=True, slots=True)
class WrittenDay:
    """One text, read in each order (ORDERS); None where that gives no day. `fixed`: the text itself tells the order.

    `clock` and `zone` are as written, `mark` is what stands between the numbers; each is "" where there is none.
    """

    readings: tuple[datetime.date | None, datetime.date | None, datetime.date | None]
    fixed: bool
    clock: str = ""
    zone: str = ""
    short_year: bool = False
    mark: str = ""

    def day(self, order: Order | None) -> datetime.date | None:
        if order is None:
            return self.readings[0] if self.fixed else None
        return self.readings[ORDERS.index(order)]

    @property
    def is_midnight(self) -> bool:
        return not self.clock or _MIDNIGHT.fullmatch(self.clock) is not None


@lru_cache(maxsize=20_000)  # the same days come again and again
def read_day(text: str) -> WrittenDay | None:
    """None when the text is no day at all, in any order."""
    text = text_of(text)
    if not 6 <= len(text) <= 60:
        return None
    if match := _NUMERIC.fullmatch(text):
        return _numeric(match)
    if match := _COMPACT.fullmatch(text):
        return _fixed(match[1], int(match[2]), match[3])
    return _named(text)


def _numeric(match: re.Match[str]) -> WrittenDay | None:
    first, _, second, third = match.groups()[:4]
    clock, zone = match["clock"] or "", match["zone"] or ""
    if len(first) == 4:
        day = _day(first, int(second), third) if len(third) <= 2 else None
        return WrittenDay((day, day, day), True, clock, zone) if day else None
    if len(first) > 2 or len(third) not in (2, 4):
        return None
    # nobody who writes 24-01-30 leaves a zero out
    year_first = _day(first, int(second), third) if len(first) == len(second) == len(third) == 2 else None
    readings = (_day(third, int(second), first), _day(third, int(first), second), year_first)
    return WrittenDay(readings, False, clock, zone, len(third) == 2, match[2].strip())


def _named(text: str) -> WrittenDay | None:
    if match := _EAST_ASIAN.fullmatch(text):
        return _fixed(match[1], int(match[2]), match[3], match)
    for pattern, year, month, day in ((_DAY_FIRST, 3, 2, 1), (_MONTH_FIRST, 3, 1, 2), (_YEAR_FIRST, 1, 2, 3)):
        match = pattern.fullmatch(text)
        number = _MONTH_OF.get(_plain_letters(match[month])) if match else None
        if match and number:
            return _fixed(match[year], number, match[day], match)
    return None


def _fixed(year: str, month: int, day: str, match: re.Match[str] | None = None) -> WrittenDay | None:
    found = _day(year, month, day)
    if found is None:
        return None
    clock, zone = (match["clock"] or "", match["zone"] or "") if match else ("", "")
    return WrittenDay((found, found, found), True, clock, zone, len(year) == 2)


def _day(year: str, month: int, day: str) -> datetime.date | None:
    number = int(year)
    if len(year) == 2:
        number += 2000 if number < PIVOT else 1900
    try:
        found = datetime.date(number, month, int(day))
    except ValueError:
        return None
    return found if 1900 <= found.year <= 2100 else None


@lru_cache(maxsize=2_000)
def last_day_of_month(text: str) -> datetime.date | None:
    """Of a text that tells a month and a year: 03/2026, 2026-03, Mar 2026, Mar-26 (as Excel shows a month)."""
    match = _MONTH.fullmatch(text_of(text))
    if match is None:
        return None
    name = match["name"] or match["short"]
    month = _MONTH_OF.get(_plain_letters(name), 0) if name else int(match["month"] or match["last"])
    first = _day(match["year"] or match["front"] or match["behind"] or match["pivoted"], month, "1")
    if first is None:
        return None
    return (first.replace(day=28) + datetime.timedelta(days=4)).replace(day=1) - datetime.timedelta(days=1)


def offset_of(zone: str) -> datetime.tzinfo | None:
    """The zone behind a time of day; None when its letters don't tell one."""
    if zone.upper() in {"Z", "UTC", "GMT"}:
        return datetime.UTC
    if zone.upper() in _US_ZONES:
        return datetime.timezone(datetime.timedelta(hours=_US_ZONES[zone.upper()]))
    if zone[:1] not in ("+", "-"):
        return None
    ahead = datetime.timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return datetime.timezone(-ahead if zone[0] == "-" else ahead) if ahead < datetime.timedelta(hours=15) else None


def written_day(cell: object) -> WrittenDay | None:
    """Also of a number cell that holds a day as 20151016."""
    if isinstance(cell, str):
        return read_day(cell)
    is_number = isinstance(cell, int | float) and not isinstance(cell, bool)
    return read_day(text_of(cell)) if is_number and 19_000_101 <= float(str(cell)) <= 21_001_231 else None


# -- Excel's day numbers ---------------------------------------------------------------------------------------------


def serial_of(cell: object) -> float | None:
    """Of a cell that may be one of Excel's day numbers: 1927 to 2119."""
    if isinstance(cell, str):
        number = float(cell) if _SERIAL.fullmatch(cell.strip()) else 0.0
    else:
        number = float(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else 0.0
    return number if 10_000 <= number < 80_000 else None


def serial_moment(serial: float, begins: int) -> datetime.datetime:
    """`begins` is 1900 or 1904. Excel takes 1900 for a leap year, hence the day before."""
    first = datetime.datetime(1899, 12, 30) if begins == 1900 else datetime.datetime(1904, 1, 1)
    return first + datetime.timedelta(seconds=round(serial * 86_400))


# -- what a column's days tell ---------------------------------------------------------------------------------------

Place = tuple[str, int]
"""A text and the row that it first stood in."""


@dataclass(slots=True)
class DateTally:
    """Counts and a few samples, so that memory does not grow with the column."""

    fits: Counter[int] = field(default_factory=Counter)
    """By the orders that a text fits, as bits in the order of ORDERS."""
    samples: dict[int, Place] = field(default_factory=dict)
    marked: dict[tuple[str, int], Place] = field(default_factory=dict)
    """Samples by the mark between their numbers too."""
    differing: dict[frozenset[Order], Place] = field(default_factory=dict)
    """For two orders a text that both read, as different days."""
    fixed: int = 0
    short_years: bool = False
    serials: int = 0
    serial_sample: Place | None = None
    serial_range: tuple[float, float] | None = None
    cells: int = 0
    """Date cells."""
    cells_above_12: int = 0
    cell_sample: tuple[datetime.date, int] | None = None
    first_day: datetime.date | None = None
    last_day: datetime.date | None = None

    def add(self, cell: object, count: int, row_no: int) -> None:
        if isinstance(cell, datetime.date):
            self._add_date_cell(cell, count, row_no)
        elif isinstance(cell, str) and _ISO.fullmatch(cell) and (day := _day(cell[:4], int(cell[5:7]), cell[8:])):
            self.fixed += count  # at a glance, for what most files have
            self._reach((day,))
        elif (written := written_day(cell)) is not None:
            self._add_text(text_of(cell), written, count, row_no)
        elif (serial := serial_of(cell)) is not None:
            self.serials += count
            self.serial_sample = self.serial_sample or (text_of(cell), row_no)
            low, high = self.serial_range or (serial, serial)
            self.serial_range = (min(low, serial), max(high, serial))

    def _add_date_cell(self, cell: datetime.date, count: int, row_no: int) -> None:
        day = cell.date() if isinstance(cell, datetime.datetime) else cell
        self.cells += count
        self.cells_above_12 += count if day.day > 12 else 0
        self.cell_sample = self.cell_sample or (day, row_no)
        self._reach((day,))

    def _add_text(self, text: str, written: WrittenDay, count: int, row_no: int) -> None:
        self.short_years |= written.short_year
        self._reach(day for day in written.readings if day)
        if written.fixed:
            self.fixed += count
            return
        mask = sum(1 << at for at, day in enumerate(written.readings) if day)
        self.fits[mask] += count
        self.samples.setdefault(mask, (text.strip(), row_no))
        self.marked.setdefault((written.mark, mask), (text.strip(), row_no))
        for one in range(3):
            for other in range(one + 1, 3):
                first, second = written.readings[one], written.readings[other]
                if first and second and first != second:
                    self.differing.setdefault(frozenset((ORDERS[one], ORDERS[other])), (text.strip(), row_no))

    def _reach(self, days: Iterable[datetime.date]) -> None:
        for day in days:
            self.first_day = min(self.first_day or day, day)
            self.last_day = max(self.last_day or day, day)

    # -- conclusions

    @property
    def texts(self) -> int:
        """Texts whose order the column has to tell, without those that are no day in any order."""
        return sum(count for mask, count in self.fits.items() if mask)

    def fitting(self, order: Order) -> int:
        bit = 1 << ORDERS.index(order)
        return sum(count for mask, count in self.fits.items() if mask & bit)

    def deciding(self, order: Order) -> int:
        """How many fit this order alone."""
        return self.fits[1 << ORDERS.index(order)]

    def sample_against(self, order: Order) -> Place | None:
        """A text that this order does not fit."""
        bit = 1 << ORDERS.index(order)
        return next((place for mask, place in self.samples.items() if mask and not mask & bit), None)

    def orders_of(self, places: Collection[Place]) -> list[Order]:
        """The orders that fit one of these texts."""
        masks = [mask for mask, place in self.samples.items() if place in places]
        return [order for at, order in enumerate(ORDERS) if any(mask & (1 << at) for mask in masks)]

    def open_between(self) -> list[Order]:
        """The orders that fit every text and differ for some; one when the column decides, none when it contradicts."""
        fitting = [order for order in ORDERS if self.fitting(order) == self.texts]
        left: list[Order] = []
        for order in fitting:
            if all(frozenset((order, other)) in self.differing for other in left):
                left.append(order)
        return left

    def doubtful(self, order: Order) -> dict[str, tuple[Order, Place]]:
        """By the mark between their numbers the order that texts with it seem to have instead of the column's, and one
        that tells so: some do not fit the column's, and none fits it alone."""
        found: dict[str, tuple[Order, Place]] = {}
        own = 1 << ORDERS.index(order)
        for mark in sorted({mark for mark, _ in self.marked}):
            masks = [mask for of, mask in self.marked if of == mark and mask]
            against = [mask for mask in masks if not mask & own]
            fits = {other: sum(bool(mask & 1 << at) for mask in against) for at, other in enumerate(ORDERS)}
            seeming = max(ORDERS, key=lambda other: fits[other])
            other = 1 << ORDERS.index(seeming)
            if against and all(mask & other for mask in masks if mask & own):
                place = next(self.marked[mark, mask] for mask in against if mask & other)
                found[mark] = (seeming, place)
        return found

    def looks_exchanged(self) -> Order | None:
        """The order of the texts when Excel seems to have exchanged day and month of the cells that it took for dates.

        It makes a date cell of every day up to 12 and leaves the others as text, so neither kind has what the other
        has. By chance that is rare from three of each on.
        """
        if self.cells < 3 or self.texts < 3 or self.cells_above_12 or self.fixed:
            return None
        decided: tuple[Order, ...] = ("DMY", "MDY")
        return next((order for order in decided if self.deciding(order) == self.texts), None)
