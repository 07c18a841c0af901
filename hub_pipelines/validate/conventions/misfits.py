"""What is said of a cell that can't be read as the other dates of its column are.

Belongs here: reasons and suggestions in the column's own order. Not here: reading (dates), deciding the
order (deciding).
"""

import calendar
import datetime
import re

from hub_pipelines.validate.conventions.dates import WrittenDay
from hub_pipelines.validate.conventions.model import ORDER_NAMES, Order
from hub_pipelines.validate.feeds.types import text_of
from hub_pipelines.validate.model import Unclear

_PARTS = re.compile(r"(\d{1,4})( ?[./-] ?)(\d{1,2})\2(\d{1,4})(?!\d)")
_SHOWN = 40
_PARTLY = re.compile(r"(?:[^\W\d_]{3,12}\.?[ /-]?|\d{1,2}[-/.])?(?:19|20)\d\d")
_PLACES: dict[Order, tuple[int, int, int]] = {"DMY": (0, 1, 2), "MDY": (1, 0, 2), "YMD": (2, 1, 0)}
"""Where a text in this order has day, month and year."""


def other_order(text: str, order: Order, written: WrittenDay, seeming: Order | None) -> Unclear:
    """A day in another order only, or another day in the order that its mark seems to have (`seeming`): then what to
    write has no mark that is in doubt."""
    readings = [day for day in written.readings if day]
    if order != "YMD":
        # who writes the year last does not begin with it, if the day can be another one
        readings = [day for day in written.readings[:2] if day] or readings
    days = dict.fromkeys(readings)
    forms = {day: _written(day, order, text) if seeming is None else day.isoformat() for day in days}
    meant = [f"{form} if {_spoken(day)} is meant" for day, form in forms.items()]
    told = f"The dates of this column are written {ORDER_NAMES[order]}"
    reason = f"{told}, and {text.strip()} is no day in that order{_why(text, order)}."
    if seeming is not None and written.day(order) is not None:
        reason = f"{told}, but some that are written like {text.strip()} can only be {ORDER_NAMES[seeming]}."
    return Unclear(text_of(text), "date_order_differs", reason, " or ".join(meant))


def no_day(text: str, order: Order) -> Unclear | None:
    """No day in any order; None for a month or a year alone, of which the contract says what is missing."""
    if _PARTLY.fullmatch(text.strip()):
        return None
    told = f"The dates of this column are written {ORDER_NAMES[order]}"
    if match := _PARTS.match(text.strip()):
        written = ORDER_NAMES[order].replace("/", match[2].strip())
        reason = f"{told}, and {text.strip()} is no day of the calendar{_why(text, order)}."
        return Unclear(text_of(text), "bad_date", reason, f"Write the right day as {written}")
    example = _written(datetime.date(2026, 12, 31), order, "/")
    reason = f'{told}, and "{text.strip()[:_SHOWN]}" is no date.'
    fix = f"Write a day as the others are written, for example {example} for 31 December 2026"
    return Unclear(text_of(text), "bad_date", reason, fix)


def _parts(text: str, order: Order) -> tuple[int, int, int] | None:
    """Day, month and year as they stand; None where the text has no such three numbers."""
    match = _PARTS.match(text.strip())
    if match is None:
        return None
    numbers = [int(match[1]), int(match[3]), int(match[4])]
    day, month, year = (numbers[place] for place in _PLACES[order])
    return day, month, year


def _why(text: str, order: Order) -> str:
    parts = _parts(text, order)
    if parts is None:
        return ""
    day, month, _ = parts
    if not 1 <= month <= 12:
        return f": there is no month {month}"
    return f": {calendar.month_name[month]} has no day {day}" if not 1 <= day <= 28 else ""


def _written(day: datetime.date, order: Order, like: str) -> str:
    """A day in this order, with what parts the numbers of another text."""
    match = _PARTS.match(like.strip())
    mark = match[2].strip() if match else "/"
    named = {"D": f"{day:%d}", "M": f"{day:%m}", "Y": f"{day.year:04}"}
    return mark.join(named[letter] for letter in order)


def _spoken(day: datetime.date) -> str:
    return f"{day.day} {calendar.month_name[day.month]} {day.year}"
