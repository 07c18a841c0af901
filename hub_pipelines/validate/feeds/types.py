"""The value types that contracts are built from: from a cell to canonical text, or a problem in plain words.

Belongs here: rules on one cell. Not here: which columns a feed has, rules that span rows.
Every type's result is text (or None for a blank optional cell), so that a row is JSON as it stands.
"""

import datetime
import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from hub_pipelines.validate.model import Shape

_ERROR_CELL = re.compile(r"#(?:N/A|NA|REF!|DIV/0!|VALUE!|NAME\?|NUM!|NULL!|SPILL!|CALC!|GETTING_DATA|#+)", re.I)
_SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?E\+\d{2,}", re.I)
_PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.A)
_NUMBER_AND_UNIT = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*([^\W\d]+)\.?")
# Excel shows numbers of 12 and more digits as 1.719E+11, and saving such a file as CSV loses the digits
_EXCEL_SHOWS_AS_SCIENTIFIC = 10**11
# barcode readers and web pages leave these in tags: non-breaking and zero-width blanks, byte order marks
_HIDDEN = dict.fromkeys(map(ord, "\u00a0\u202f\u200b\u2060\ufeff"))
_DATE_TYPES = (datetime.date, datetime.time, datetime.timedelta)


def problem(rule: str, reason: str, suggestion: str | None = None) -> PydanticCustomError:
    # the reason goes in as a value: braces in a sender's text must not be read as a template
    return PydanticCustomError(rule, "{reason}", {"reason": reason, "suggestion": suggestion})


def required(parse: Callable[[object], str]) -> BeforeValidator:
    def validate(cell: object) -> str:
        if _is_blank(cell):
            raise problem("missing_value", "The cell is empty, and this column must be filled.")
        _refuse_error_cell(cell)
        return parse(cell)

    return BeforeValidator(validate)


def optional(parse: Callable[[object], str | None]) -> BeforeValidator:
    def validate(cell: object) -> str | None:
        if _is_blank(cell):
            return None
        _refuse_error_cell(cell)
        return parse(cell)

    return BeforeValidator(validate)


def _is_blank(cell: object) -> bool:
    # str.strip also takes off the non-breaking blanks that come with pasted text
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _refuse_error_cell(cell: object) -> None:
    if isinstance(cell, str) and cell.lstrip()[:1] == "#" and _ERROR_CELL.fullmatch(cell.strip()):
        raise problem(
            "error_cell",
            f"The cell holds Excel's error {cell.strip()} instead of a value.",
            "Repair the formula, or type the value over it",
        )


# -- text ------------------------------------------------------------------------------------------------------------


def text_of(cell: object) -> str:
    """The cell as one line of text, whole numbers without Excel's `.0`."""
    if isinstance(cell, str):
        return " ".join(cell.split()) if not cell.isascii() or any(c in cell for c in "\n\r\t") else cell.strip()
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _refuse_date_cell(cell: object) -> None:
    if isinstance(cell, _DATE_TYPES):
        raise problem(
            "damaged_by_excel",
            "Excel has turned this text into a date or time, and what was typed is lost.",
            "Format the column as Text and type the value again",
        )


def text_up_to(longest: int) -> Callable[[object], str]:
    def parse(cell: object) -> str:
        _refuse_date_cell(cell)
        return _checked_length(text_of(cell), longest)

    return parse


def _checked_length(text: str, longest: int) -> str:
    if len(text) > longest:
        raise problem("too_long", f"The text has {len(text)} characters; at most {longest} are allowed.")
    if not text.isprintable() and any(unicodedata.category(char) == "Cc" for char in text):
        raise problem("bad_text", "The text holds invisible control characters.", "Type the value again by hand")
    return text


def identifier_text(cell: object) -> str:
    """Text of a number-like identifier, unless Excel has damaged it."""
    _refuse_date_cell(cell)
    if _is_damaged_number(cell):
        raise problem(
            "damaged_by_excel",
            "Excel has turned this identifier into a calculated number, so its digits cannot be trusted.",
            "Format the column as Text and type the identifier again",
        )
    return text_of(cell)


def _is_damaged_number(cell: object) -> bool:
    if isinstance(cell, bool):
        return False
    if isinstance(cell, int | float):
        return not (float(cell).is_integer() and 0 <= cell < _EXCEL_SHOWS_AS_SCIENTIFIC)
    return isinstance(cell, str) and _SCIENTIFIC.fullmatch(cell.strip()) is not None


def parse_asset_tag(cell: object) -> str:
    text = cell.translate(_HIDDEN) if isinstance(cell, str) else cell
    tag = unicodedata.normalize("NFKC", identifier_text(text)).strip().upper()
    if not tag:
        raise problem("missing_value", "The cell holds only invisible characters, and this column must be filled.")
    if len(tag) > 64:
        raise problem("bad_asset_tag", f"The asset tag has {len(tag)} characters; at most 64 are allowed.")
    if not tag.isprintable() or " " in tag:
        joined = "".join(char for char in tag if char.isprintable() and char != " ")
        raise problem("bad_asset_tag", "An asset tag may not hold blanks or invisible characters.", joined or None)
    return tag


def parse_po_number(cell: object) -> str:
    return _checked_length(identifier_text(cell), 40)


_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")


def parse_email(cell: object) -> str:
    text = text_of(cell)
    if not _EMAIL.fullmatch(text):
        inside = _EMAIL.findall(text)
        raise problem(
            "bad_email",
            "This is not one e-mail address such as name@university.edu.",
            inside[0] if len(inside) == 1 else None,
        )
    local, _, domain = text.partition("@")
    return f"{local}@{domain.lower()}"


# -- words from a list -----------------------------------------------------------------------------------------------

CATEGORIES = ("chemical", "consumable", "equipment", "glassware", "reagent", "instrument")
_CATEGORY_FORMS = {form: name for name in CATEGORIES for form in (name, f"{name}s")}


def nearest_of(text: str, allowed: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(text, list(allowed), n=1, cutoff=0.6)
    return close[0] if close else None


def parse_category(cell: object) -> str:
    text = text_of(cell).casefold()
    if text not in _CATEGORY_FORMS:
        allowed = ", ".join(CATEGORIES)
        suggestion = nearest_of(text, CATEGORIES) or "Choose the one that fits best"
        raise problem("unknown_category", f"The category must be one of: {allowed}.", suggestion)
    return _CATEGORY_FORMS[text]


_UNIT_SPELLINGS = {
    "mL": "ml mls milliliter milliliters millilitre millilitres",
    "L": "l ltr ltrs liter liters litre litres",
    "g": "g gm gms gr gram grams gramme grammes",
    "kg": "kg kgs kilo kilos kilogram kilograms kilogramme kilogrammes",
    "ea": "ea each",
    "box": "box boxes bx bxs",
}
UNITS = tuple(_UNIT_SPELLINGS)
_UNIT_FORMS = {form: unit for unit, forms in _UNIT_SPELLINGS.items() for form in forms.split()}
# counted things are probably "each", but a piece may as well be a part of one: the sender decides
_PERHAPS_EACH = frozenset({"pc", "pcs", "piece", "pieces", "unit", "units", "item", "items", "count", "ct", "tablets"})


def parse_unit(cell: object) -> str:
    text = text_of(cell).casefold().rstrip(".")
    if text not in _UNIT_FORMS:
        allowed = ", ".join(UNITS)
        suggestion = "ea" if text in _PERHAPS_EACH else _ANOTHER_UNIT
        raise problem("unknown_unit", f"The unit must be one of: {allowed}.", suggestion)
    return _UNIT_FORMS[text]


def campus_names(campuses: Iterable[str]) -> dict[str, dict[str, str]]:
    """The validation context that `parse_campus` looks campuses up in."""
    return {"campuses": {name.casefold(): name for name in campuses}}


def parse_campus(cell: object, info: ValidationInfo) -> str:
    if _is_blank(cell):
        raise problem("missing_value", "The cell is empty, and this column must be filled.")
    _refuse_error_cell(cell)
    campuses: Mapping[str, str] = (info.context or {}).get("campuses", {})
    text = text_of(cell)
    name = campuses.get(text.casefold())
    if name is None:
        near = nearest_of(text.casefold(), campuses)
        known = ", ".join(sorted(campuses.values()))
        raise problem("unknown_campus", f"No such campus is set up here; known are: {known}.", near and campuses[near])
    return name


# -- numbers ---------------------------------------------------------------------------------------------------------


def _decimals(number: Decimal) -> int:
    return max(0, -int(number.as_tuple().exponent))


def _cell_number(cell: object, decimals: int) -> Decimal | None:
    """The number of a numeric cell. Excel calculates to 15 digits: what lies beyond them is noise, not data."""
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return None
    exact = Decimal(repr(cell))
    if not exact.is_finite() or _decimals(exact.normalize()) <= decimals:
        return exact
    return Decimal(f"{cell:.15g}")


def parse_quantity(cell: object) -> str:
    number = _cell_number(cell, decimals=6)
    if number is None:
        number = _quantity_text(text_of(cell))
    if not number.is_finite():
        raise problem("bad_quantity", "The quantity is not a number.")
    if number < 0:
        raise problem(
            "negative_quantity", "A quantity cannot be below zero.", "Write what is on hand; 0 if nothing is left"
        )
    if number >= 10**11:
        raise problem("bad_quantity", "The quantity has more than 11 digits before the decimal point.")
    # equal amounts must be equal text, whichever way they were typed
    plain = _without_trailing_zeros(number)
    if "." in plain and len(plain.partition(".")[2]) > 6:
        raise problem("bad_quantity", "The quantity has more than 6 decimals.", "Round it, or use a smaller unit")
    return plain


def _without_trailing_zeros(number: Decimal) -> str:
    plain = f"{number:f}".lstrip("+")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in ("", "-0") else plain


def _quantity_text(text: str) -> Decimal:
    if _PLAIN_NUMBER.fullmatch(text):
        return Decimal(text)
    with_unit = _NUMBER_AND_UNIT.fullmatch(text)
    if with_unit and text.casefold() not in {"nan", "inf"} and not re.fullmatch(r"\d+(\.\d+)?e", text, re.I):
        number, unit = with_unit.groups()
        unit = _UNIT_FORMS.get(unit.casefold(), unit)
        raise problem(
            "bad_quantity", "The cell holds a number and a unit.", f"Write {number} in quantity and {unit} in unit"
        )
    if "," in text and _PLAIN_NUMBER.fullmatch(text.replace(",", "")):
        raise problem("bad_quantity", "The comma can mean thousands or decimals.", _comma_readings(text))
    raise problem("bad_quantity", "The quantity is not a plain number such as 12 or 2.5.")


def _comma_readings(text: str) -> str:
    thousands = text.replace(",", "")
    if text.count(",") == 1 and "." not in text:
        return f"{thousands} or {text.replace(',', '.')}"
    return thousands


_MONEY = re.compile(r"([+-]?)\$?\s*([+-]?)(\d+(?:\.\d*)?|\.\d+|\d{1,3}(?:,\d{3})+\.\d+)", re.A)


def money(rule: str, noun: str, *, signed: bool) -> Callable[[object], str]:
    def parse(cell: object) -> str:
        number = _cell_number(cell, decimals=2)
        number = _money_text(text_of(cell), rule, noun) if number is None else _to_cents(number)
        if not number.is_finite() or _decimals(_trimmed(number)) > 2:
            raise problem(rule, f"The {noun} may have at most 2 decimals.")
        if number < 0 and not signed:
            raise problem(rule, f"The {noun} cannot be below zero.")
        if abs(number) >= 10**10:
            raise problem(rule, f"The {noun} has more than 12 digits.")
        return f"{number + 0:.2f}"

    return parse


def _trimmed(number: Decimal) -> Decimal:
    return Decimal(_without_trailing_zeros(number))


def _to_cents(number: Decimal) -> Decimal:
    if not number.is_finite() or abs(number) >= 10**15:
        return number
    cents = number.quantize(Decimal("0.01"))
    return cents if abs(cents - number) <= Decimal("1e-9") else number


def _money_text(text: str, rule: str, noun: str) -> Decimal:
    match = _MONEY.fullmatch(text)
    if match and not (match[1] and match[2]):
        return Decimal(match[1] + match[2] + match[3].replace(",", ""))
    bare = text.replace("$", "").strip()
    if "," in bare and _PLAIN_NUMBER.fullmatch(bare.replace(",", "")):
        raise problem(rule, "The comma can mean thousands or decimals.", _comma_readings(bare))
    raise problem(rule, f"The {noun} is not a plain amount such as 1234.50.")


# -- dates -----------------------------------------------------------------------------------------------------------

_ISO_DATE = re.compile(r"(\d{4})([-/])(\d{2})\2(\d{2})(?:[ T]00:00(?::00(?:\.0+)?)?(?:Z|\+00:?00)?)?", re.A)
_LOCAL_DATE = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(?:\s+0?0:00(?::00)?)?", re.A)
_COMPACT_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})", re.A)


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


_ANOTHER_UNIT = "ea for single pieces, box for boxes; or convert to mL, L, g or kg and correct the quantity too"


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
    compact = _COMPACT_DATE.fullmatch(text)
    found = _real_date(*compact.groups()) if compact else None
    return problem("bad_date", "This is not a date written as YYYY-MM-DD.", found.isoformat() if found else None)


# -- chemicals -------------------------------------------------------------------------------------------------------

_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−﹣-", "-"))
_CAS_PREFIX = re.compile(r"cas(?:\s*-?\s*rn)?\s*(?:#|no\.?|number|nr\.?)?\s*[:#]?\s*", re.I)
_CAS = re.compile(r"(\d{2,7})-(\d{2})-(\d)", re.A)
_CAS_INSIDE = re.compile(r"(?<![\d-])\d{2,10}-\d{2}-\d(?![\d-])", re.A)
_NO_CAS = frozenset({"n/a", "na", "none", "mixture", "-", "--", "not applicable"})


def parse_cas_number(cell: object) -> str | None:
    _refuse_date_cell(cell)
    text = text_of(cell).translate(_DASHES).strip()
    text = _CAS_PREFIX.sub("", text, count=1) if text[:3].casefold() == "cas" else text
    if not text or text.casefold() in _NO_CAS:
        return None
    if len(_CAS_INSIDE.findall(text)) > 1:
        raise problem(
            "bad_cas", "The cell holds several CAS numbers.", "Keep the main one here, or give each its own row"
        )
    match = _CAS.fullmatch(_with_hyphens(text))
    if match is None:
        raise problem("bad_cas", "This is not a CAS number such as 67-64-1.")
    return _checked_cas(*match.groups())


def _with_hyphens(text: str) -> str:
    digits = text.replace("-", "")
    shaped = text.isdigit() or re.fullmatch(r"\d+-\d{2}-\d", text, re.A)
    bare = digits.lstrip("0")
    return f"{bare[:-3]}-{bare[-3:-1]}-{bare[-1]}" if shaped and len(bare) >= 5 else text


def _checked_cas(first: str, second: str, check: str) -> str:
    total = sum(place * int(digit) for place, digit in enumerate(reversed(first + second), start=1))
    right = str(total % 10)
    if check != right:
        raise problem(
            "cas_check_digit",
            f"The last digit of this CAS number does not fit the others: {check} should be {right}.",
            f"{first}-{second}-{right} if only the last digit is wrong; compare with the label",
        )
    return f"{first}-{second}-{check}"


_HAZARD_CODE = re.compile(r"EUH\d{3}[A-Z]?|H[2-4]\d{2}[A-Za-z]{0,3}", re.A)


def parse_hazard_codes(cell: object) -> str | None:
    tokens = re.split(r"[,;/\s]+", re.sub(r"\s*\+\s*", "+", text_of(cell)))
    codes = ["+".join(_hazard_code(part) for part in token.split("+")) for token in tokens if token]
    return ";".join(dict.fromkeys(codes)) or None


def _hazard_code(text: str) -> str:
    # upper case only in front: the letters behind (H360Fd) carry meaning in their case
    code = text.upper() if text[:3].upper() == "EUH" else text[:1].upper() + text[1:]
    if not _HAZARD_CODE.fullmatch(code):
        raise problem("bad_hazard_code", f'"{text[:40]}" is not a hazard code such as H225 or EUH066.')
    return code


_DAY = Shape("date", minimum="1900-01-01", maximum="2100-12-31")
_AMOUNT = Shape("decimal", scale=2, minimum="-9999999999.99", maximum="9999999999.99")

AssetTag = Annotated[str, required(parse_asset_tag), Shape(longest=64, pattern=r"^\S+$")]
PoNumber = Annotated[str, required(parse_po_number), Shape(longest=40)]
ItemName = Annotated[str, required(text_up_to(500)), Shape(longest=500)]
Location = Annotated[str, required(text_up_to(200)), Shape(longest=200)]
Category = Annotated[str, required(parse_category), Shape(choices=CATEGORIES)]
Quantity = Annotated[
    str, required(parse_quantity), Shape("decimal", scale=6, minimum="0", maximum="99999999999.999999")
]
Unit = Annotated[str, required(parse_unit), Shape(choices=UNITS)]
Email = Annotated[str, required(parse_email), Shape(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
DateText = Annotated[str, required(parse_date), _DAY]
UnitCost = Annotated[
    str,
    required(money("bad_cost", "unit cost", signed=False)),
    Shape("decimal", scale=2, minimum="0", maximum="9999999999.99"),
]
CampusName = Annotated[str, BeforeValidator(parse_campus)]
CasNumber = Annotated[str | None, optional(parse_cas_number), Shape(pattern=r"^\d{2,7}-\d{2}-\d$")]
HazardCodes = Annotated[str | None, optional(parse_hazard_codes), Shape(pattern=r"^(EUH|H[2-4])\d{2}")]
OptionalText = Annotated[str | None, optional(text_up_to(500)), Shape(longest=500)]
OptionalAmount = Annotated[str | None, optional(money("bad_amount", "amount", signed=True)), _AMOUNT]
OptionalDate = Annotated[str | None, optional(parse_date), _DAY]
