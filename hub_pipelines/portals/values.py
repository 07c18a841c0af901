"""How portals write values, and how the contracts take them. Pure.

What can't be made out is None here, and its field is kept as it came: a portal's slip in one place must not keep an
award out. A day or an amount that is no such thing raises BadValue, since the award would be wrong without it.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

TITLE = 4_000
"""The most characters of a long text, as contracts have it."""
TEXT = 500
_US_DAY = re.compile(r"(\d{2})/(\d{2})/(\d{4})", re.A)
_ISO_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.A)
_LONG_DAY = re.compile(r"([A-Z][a-z]{2}) (\d{1,2}), (\d{4})(?: (\d{1,2}):(\d{2}):(\d{2}) ([AP]M) ([A-Z]{3}))?", re.A)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ALN = re.compile(r"\d{2}\.[0-9A-Z]{3}", re.A)
_UEI = re.compile(r"[A-HJ-NP-Z1-9][A-HJ-NP-Z0-9]{11}")


class BadValue(ValueError):
    """A field does not hold what it should; the text says which and what it holds."""

    def __init__(self, field: str, value: Any, expected: str) -> None:
        super().__init__(f"{field} is {str(value)[:80]!r}, which is no {expected}.")


def text_of(value: Any, longest: int = TEXT) -> str | None:
    """One line without what can't be seen, cut with an ellipsis; None for null and blank."""
    if not isinstance(value, str):
        return None
    seen = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in value)
    text = " ".join(seen.split())
    return (text if len(text) <= longest else f"{text[: longest - 1]}…") or None


def day_of(field: str, value: Any) -> str | None:
    """`2024-02-29` from 2024-02-29, what stands before a time of day, 02/29/2024, or `Feb 29, 2024 12:00:00 AM EST`.

    A time of day behind the day is never reckoned with: NIH writes Eastern midnight as 04:00 UTC, and once had the
    month for the minutes (rules c).
    """
    text = text_of(value)
    if text is None:
        return None
    if found := _ISO_DAY.match(text):
        numbers = found.groups()
    elif found := _US_DAY.fullmatch(text):
        numbers = (found[3], found[1], found[2])
    elif (found := _LONG_DAY.fullmatch(text)) and found[1] in _MONTHS:
        numbers = (found[3], str(_MONTHS.index(found[1]) + 1), found[2])
    else:
        raise BadValue(field, value, "day")
    try:
        return date(*map(int, numbers)).isoformat()
    except ValueError:
        raise BadValue(field, value, "day") from None


def moment_of_day(field: str, value: Any) -> datetime | None:
    """The beginning of a day, where a portal tells no time or none that can be relied on."""
    day = day_of(field, value)
    return None if day is None else datetime.fromisoformat(day).replace(tzinfo=UTC)


def amount_of(field: str, value: Any) -> str | None:
    """In cents. Portals that calculate with floats write 123.45000000000002."""
    text = text_of(value)
    if text is None:
        return None
    try:
        cents = Decimal(text.replace(",", "").removeprefix("$")).quantize(Decimal("0.01"), ROUND_HALF_UP)
    except InvalidOperation:
        raise BadValue(field, value, "amount") from None
    return f"{cents + 0:.2f}"


def listing_number_of(value: Any) -> str | None:
    """The first Assistance Listing Number of a text that has one or more; of NIH's last three digits the whole."""
    text = (text_of(value) or "").upper()
    if re.fullmatch(r"\d{3}", text, re.A):
        return f"93.{text}"
    first = re.split(r"[,;|\s]+", text)[0]
    return first if _ALN.fullmatch(first) else None


def uei_of(value: Any) -> str | None:
    text = (text_of(value) or "").upper()
    return text if _UEI.fullmatch(text) else None


def as_it_came(raw: Mapping[str, Any], field: str, read: Callable[[Any], str | None]) -> dict[str, Any]:
    """A field under its own name, where `read` makes nothing or less of it than is there."""
    value = text_of(raw.get(field))
    return {field: value} if value is not None and (read(value) or "") != value.upper() else {}
