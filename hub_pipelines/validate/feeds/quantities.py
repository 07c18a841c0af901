"""Numbers, quantities and the units that they are in.

Belongs here: plain numbers, how Excel keeps and spoils them, units and their spellings. Not here: money (money.py),
converting a unit.
"""

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from pydantic import ValidationInfo

from hub_pipelines.validate.feeds.types import (
    EXCEL_DATE,
    MONTHS,
    optional,
    problem,
    refuse_date_cell,
    required,
    spellings,
    text_of,
    word_of,
)
from hub_pipelines.validate.model import Beside, Certain, Shape, Written

if TYPE_CHECKING:
    import pyarrow

PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.A)
_NUMBER_AND_UNIT = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*([^\W\d]+)\.?")

# -- units -----------------------------------------------------------------------------------------------------------

_UNIT_SPELLINGS = {
    "mL": "ml mls milliliter milliliters millilitre millilitres cc ccs cm3 cm^3 мл 毫升",
    "L": "l ltr ltrs liter liters litre litres dm3 dm^3 л 升 公升",
    "g": "g gm gms gr gram grams gramme grammes г гр 克",
    "kg": "kg kgs kilo kilos kilogram kilograms kilogramme kilogrammes кг 千克 公斤",
    "ea": "ea each",
    "box": "box boxes bx bxs",
}
UNITS = tuple(_UNIT_SPELLINGS)
_UNIT_FORMS = {form: unit for unit, forms in _UNIT_SPELLINGS.items() for form in forms.split()}
# counted things are probably "each", but a piece may as well be a part of one: the sender decides
_PERHAPS_EACH = frozenset({"pc", "pcs", "piece", "pieces", "unit", "units", "item", "items", "count", "ct", "tablets"})


_ANOTHER_UNIT = "ea for single pieces, box for boxes; or convert to mL, L, g or kg and correct the quantity too"
# what the units are worth in each other is W24 of the rules; oz is a mass, fl oz a volume
_AMOUNTS = {
    "mg": "mgs, milligram, milligrams, мг, 毫克",
    "g": ", ".join(_UNIT_SPELLINGS["g"].split()),
    "kg": ", ".join(_UNIT_SPELLINGS["kg"].split()),
    "t": "tonne, tonnes, metric ton, metric tons, 吨",
    "oz": "ozs, ounce, ounces",
    "lb": "lbs, pound, pounds",
    "uL": "μl, мкл, 微升, microliter, microliters, microlitre, microlitres",
    "mL": ", ".join(_UNIT_SPELLINGS["mL"].split()),
    "L": ", ".join(_UNIT_SPELLINGS["L"].split()),
    "fl oz": "floz, fl. oz, fluid ounce, fluid ounces",
    "pt": "pts, pint, pints",
    "qt": "qts, quart, quarts",
    "gal": "gals, gallon, gallons",
    "m3": "m^3, м3, 立方米, cubic meter, cubic meters, cubic metre, cubic metres",
    "ft3": "ft^3, cf, cu ft, cuft, cubic foot, cubic feet",
}
# a piece stays a piece: it may be a part of what another calls "each"
_COUNTS = {
    "ea": "each",
    "piece": "pieces, pc, pcs, шт, 个, 件",
    "unit": "units",
    "tablet": "tablets, таб, 片",
    "test": "tests",
    "box": "boxes, bx, bxs, 盒, 箱",
    "pack": "packs, pk, pkg, package, packages, packet, packets, 包",
    "case": "cases, cs",
    "carton": "cartons, ctn",
    "bag": "bags, 袋",
    "bottle": "bottles, btl, фл, 瓶",
    "can": "cans",
    "jar": "jars",
    "vial": "vials",
    "tube": "tubes",
    "ampule": "ampules, ampoule, ampoules",
    "cylinder": "cylinders, cyl",
    "drum": "drums",
    "pail": "pails, bucket, buckets",
    "roll": "rolls",
    "sheet": "sheets",
    "pair": "pairs, pr",
    "set": "sets",
    "kit": "kits",
    "dozen": "dozens, dz, doz",
}
_MORE_COUNTS = {
    "assembly": "assemblies, assy",
    "container": "containers",
    "flask": "flasks",
    "tank": "tanks",
    "syringe": "syringes",
    "aliquot": "aliquots",
    "plate": "plates",
    "slide": "slides",
    "tray": "trays",
    "spool": "spools",
}
MASSES = ("mg", "g", "kg", "t", "oz", "lb")
VOLUMES = tuple(unit for unit in _AMOUNTS if unit not in MASSES)
STOCK_FORMS = spellings({**_AMOUNTS, **_COUNTS, **_MORE_COUNTS})
"""Each spelling of a unit to the hub's word for it."""
AMOUNT_UNITS = tuple(_AMOUNTS)
"""Of mass and volume."""
STOCK_UNITS = (*_AMOUNTS, *_COUNTS)
"""Of mass and volume, and what a storeroom counts."""
LINE_UNITS = (*STOCK_UNITS, *_MORE_COUNTS)
"""Also what a lab counts."""


def parse_unit(cell: object) -> str:
    text = unicodedata.normalize("NFKC", text_of(cell)).casefold().rstrip(".")
    if text not in _UNIT_FORMS:
        allowed = ", ".join(UNITS)
        suggestion = "ea" if text in _PERHAPS_EACH else _ANOTHER_UNIT
        raise problem("unknown_unit", f"The unit must be one of: {allowed}.", suggestion)
    return _UNIT_FORMS[text]


_parse_amount_unit = word_of(
    "unknown_unit", "unit", spellings(_AMOUNTS), "Convert to one of these, and correct the quantity too"
)
_ONE_THAT_FITS = "Choose the one that fits; ea for single pieces"
_PIECES = {
    "es": "und un ud uds unid unids unidad unidades pza pzas pieza piezas",
    "de": "st stk stck stück stücke einheit einheiten",
    "pt": "unidade unidades peça peças pç pçs",
    "fr": "unité unités pièce pièces pce pces",
    "it": "pezzo pezzi pz unità",
    "nl": "stuk stuks",
    "pl, cs": "szt sztuka sztuki ks kus kusy",
    "tr": "adet",
}
"""Words for a piece that no contract takes yet; by their letters they are near to other units' words."""
_PERHAPS = {word: "ea, if it counts single pieces" for words in _PIECES.values() for word in words.split()}
_parse_stock_unit = word_of("unknown_unit", "unit", spellings({**_AMOUNTS, **_COUNTS}), _ONE_THAT_FITS, _PERHAPS)
_parse_line_unit = word_of("unknown_unit", "unit", STOCK_FORMS, _ONE_THAT_FITS, _PERHAPS)


def together_with(quantity: str) -> Beside:
    """A unit that is there exactly when the column `quantity` is filled. Its field needs `validate_default`."""

    def check(unit: str | None, info: ValidationInfo) -> str | None:
        if not info.data or quantity not in info.data:
            return unit
        if unit is None and info.data[quantity] is not None:
            raise problem("missing_unit", f"The row has a {quantity} and no unit.", "Write the unit, such as mL or kg")
        if unit is not None and info.data[quantity] is None:
            raise problem("missing_quantity", f"The row has a unit and no {quantity}.", "Write how much, or clear it")
        return unit

    return Beside(check, (quantity,))


# -- numbers ---------------------------------------------------------------------------------------------------------


def decimals_of(number: Decimal) -> int:
    return max(0, -int(number.as_tuple().exponent))


def cell_number(cell: object, decimals: int) -> Decimal | None:
    """The number of a numeric cell. Excel calculates to 15 digits: what lies beyond them is noise, not data."""
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return None
    exact = Decimal(repr(cell))
    if not exact.is_finite() or decimals_of(exact.normalize()) <= decimals:
        return exact
    return Decimal(f"{cell:.15g}")


def without_noise(number: Decimal, decimals: int) -> str | None:
    """What was meant by a text in which a program has written out the digits of a binary fraction; else None. It is
    suggested and not taken: a message's numbers stay as they were written."""
    short = Decimal(f"{number:.15g}")
    is_noise = number.is_finite() and 0 < abs(short - number) <= Decimal("1e-9")
    return without_trailing_zeros(short) if is_noise and decimals_of(short.normalize()) <= decimals else None


def parse_quantity(cell: object) -> str:
    number = _number_of(cell)
    if number < 0:
        raise problem(
            "negative_quantity", "A quantity cannot be below zero.", "Write what is on hand; 0 if nothing is left"
        )
    return _plain(number)


def _number_of(cell: object) -> Decimal:
    refuse_date_cell(cell)
    number = cell_number(cell, decimals=6)
    if number is None:
        number = _quantity_text(text_of(cell))
    if not number.is_finite():
        raise problem("bad_quantity", "The quantity is not a number.")
    return number


def _plain(number: Decimal) -> str:
    if number >= 10**11:
        raise problem("bad_quantity", "The quantity has more than 11 digits before the decimal point.")
    # equal amounts must be equal text, whichever way they were typed
    plain = without_trailing_zeros(number)
    if "." in plain and len(plain.partition(".")[2]) > 6:
        meant = without_noise(number, 6) or "Round it, or use a smaller unit"
        raise problem("bad_quantity", "The quantity has more than 6 decimals.", meant)
    return plain


EVERYTHING = "all"
"""In place of a quantity: all that is there."""


def parse_amount(cell: object) -> str:
    """So much came or went: more than nothing."""
    number = _number_of(cell)
    if number < 0:
        reason = "How much came or went cannot be below zero; whether it came or went, the message's type tells."
        raise problem("negative_quantity", reason, "Write how much, above 0, in a message of the right type")
    if number == 0:
        raise problem("no_quantity", "Nothing came and nothing went.", "Write how much, above 0")
    return _plain(number)


def parse_amount_or_all(cell: object) -> str:
    return EVERYTHING if isinstance(cell, str) and cell.strip().casefold() == EVERYTHING else parse_amount(cell)


def without_trailing_zeros(number: Decimal) -> str:
    plain = f"{number:f}".lstrip("+")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in ("", "-0") else plain


def _without_trailing_zeros_in(numbers: "pyarrow.StringArray") -> "pyarrow.StringArray":
    """As `without_trailing_zeros`, of many numbers without a sign or zeros in front."""
    from pyarrow import compute

    cut = compute.utf8_rtrim(compute.utf8_rtrim(numbers, "0"), ".")
    return compute.if_else(compute.match_substring(numbers, "."), cut, numbers)


def _quantity_text(text: str) -> Decimal:
    if PLAIN_NUMBER.fullmatch(text):
        return Decimal(text)
    with_unit = _NUMBER_AND_UNIT.fullmatch(text)
    if with_unit and text.casefold() not in {"nan", "inf"} and not re.fullmatch(r"\d+(\.\d+)?e", text, re.I):
        number, unit = with_unit.groups()
        unit = _UNIT_FORMS.get(unit.casefold(), unit)
        raise problem(
            "bad_quantity", "The cell holds a number and a unit.", f"Write {number} in quantity and {unit} in unit"
        )
    if "," in text and PLAIN_NUMBER.fullmatch(text.replace(",", "")):
        raise problem("bad_quantity", "The comma can mean thousands or decimals.", comma_readings(text))
    if made_a_date := EXCEL_DATE.fullmatch(text):
        raise problem("damaged_by_excel", "Excel has turned this number into a date.", _perhaps_fraction(made_a_date))
    raise problem(
        "bad_quantity",
        "The quantity is not a plain number such as 12 or 2.5.",
        digits_meant(text) or ("Write the number here and its unit in the column unit" if " " in text else None),
    )


def _perhaps_fraction(date: re.Match[str]) -> str:
    """Excel reads 1/8 as the 8th of January and shows 8-Jan."""
    above, below = (MONTHS.index(date[2]) + 1, int(date[1])) if date[1] else (1, 1)
    if above >= below:
        return "Format the column as Text and type the number again"
    decimal = without_trailing_zeros((Decimal(above) / below).quantize(Decimal("0.001")))
    return f"If {above}/{below} was typed, write {decimal}; otherwise type the number again"


def whole_number(rule: str, noun: str, largest: int) -> Callable[[object], str]:
    """A count from 0."""

    def parse(cell: object) -> str:
        refuse_date_cell(cell)
        number = cell_number(cell, decimals=0)
        if number is None:
            text = text_of(cell)
            number = Decimal(text) if PLAIN_NUMBER.fullmatch(text) else Decimal("NaN")
        if not number.is_finite() or not 0 <= number <= largest or number != number.to_integral_value():
            raise problem(rule, f"The {noun} must be a whole number from 0 to {largest}.")
        return str(int(number))

    return parse


_LIKE_DIGITS = str.maketrans("OoIl", "0011")


def with_digits(text: str) -> str | None:
    """The text with digits in place of the letters that look like them; None where there are none among digits."""
    meant = text.translate(_LIKE_DIGITS)
    return meant if meant != text and any(char.isdigit() for char in text) else None


def if_digits(meant: str, text: str) -> str:
    """What to do with a text in which letters stand for digits."""
    letters = sorted({char for char, other in zip(text, meant, strict=True) if char != other})
    told = f"letter {letters[0]} stands" if len(letters) == 1 else f"letters {' and '.join(letters)} stand"
    return f"{meant}, if the {told} for a digit"


def digits_meant(text: str) -> str | None:
    """What to do with a number in which letters stand for the digits that they look like; None when it is none so."""
    meant = with_digits(text)
    return if_digits(meant, text) if meant is not None and PLAIN_NUMBER.fullmatch(meant) else None


def comma_readings(text: str) -> str:
    if "." in text and text.rindex(",") > text.rindex("."):  # 1.234,56 as it is written in Europe
        return text.replace(".", "").replace(",", ".")
    thousands = text.replace(",", "")
    if text.count(",") == 1 and "." not in text:
        return f"{thousands} or {text.replace(',', '.')}"
    return thousands


_QUANTITY = Shape("decimal", scale=6, minimum="0", maximum="99999999999.999999")
_CERTAIN_QUANTITY = Certain(r"(?:0|[1-9]\d{0,10})(?:\.\d{1,6})?", then=_without_trailing_zeros_in)
_IS_UNIT = Written("unit")

Quantity = Annotated[str, required(parse_quantity), _QUANTITY, Written("quantity"), _CERTAIN_QUANTITY]
OptionalQuantity = Annotated[str | None, optional(parse_quantity), _QUANTITY, Written("quantity"), _CERTAIN_QUANTITY]
Amount = Annotated[str, required(parse_amount), _QUANTITY, Written("quantity")]
AmountOrAll = Annotated[str, required(parse_amount_or_all), Written("quantity")]
Unit = Annotated[str, required(parse_unit), Shape(choices=UNITS), _IS_UNIT]
OptionalUnit = Annotated[str | None, optional(parse_unit), Shape(choices=UNITS), _IS_UNIT]
AmountUnit = Annotated[str, required(_parse_amount_unit), Shape(choices=AMOUNT_UNITS), _IS_UNIT]
OptionalAmountUnit = Annotated[str | None, optional(_parse_amount_unit), Shape(choices=AMOUNT_UNITS), _IS_UNIT]
StockUnit = Annotated[str, required(_parse_stock_unit), Shape(choices=STOCK_UNITS), _IS_UNIT]
OptionalLineUnit = Annotated[str | None, optional(_parse_line_unit), Shape(choices=LINE_UNITS), _IS_UNIT]
