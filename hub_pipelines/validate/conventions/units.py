"""Units that stand in one cell with their number.

Belongs here: which unit a word means, of what dimension it is, and converting one that no list has into one that does.
Not here: which units a column takes (feeds/quantities.py). Pint knows the rest of the world's units; building its
registry takes a good part of a second, so it is asked only about a unit that the lists don't have.
"""

import functools
import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from hub_pipelines.validate.feeds.quantities import MASSES, STOCK_FORMS, VOLUMES

if TYPE_CHECKING:
    from pint import UnitRegistry

Dimension = Literal["mass", "volume", "count"]

# words that mean more than one amount: which, nobody can tell from the cell
_SEVERAL = {
    "ton": "1000 kg, 2000 lb or 2240 lb",
    "tons": "1000 kg, 2000 lb or 2240 lb",
    "barrel": "31.5 or 42 gallons",
    "barrels": "31.5 or 42 gallons",
    "hundredweight": "100 lb or 112 lb",
    "cwt": "100 lb or 112 lb",
}
_PINT_NAMES = {"t": "metric_ton", "oz": "ounce", "lb": "pound", "uL": "microliter", "fl oz": "fluid_ounce"} | {
    "pt": "pint", "qt": "quart", "gal": "gallon", "m3": "meter**3", "ft3": "foot**3", "g": "gram"
}  # fmt: skip
_ONE_UNIT = re.compile(r"[^\W\d_]{1,20}(?: [^\W\d_]{1,20})?(?:\^?[23])?")
_POWER = re.compile(r"\^?([23])$")


def form_of(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).replace("_", " ").split()).rstrip(".").casefold()


@functools.lru_cache(maxsize=2_000)
def unit_of(text: str) -> str | None:
    """The hub's word for a unit in any usual spelling; None when no list has it."""
    return STOCK_FORMS.get(form_of(text))


def several_meanings(text: str) -> str | None:
    """The amounts between which a unit's word leaves open, as text."""
    return _SEVERAL.get(form_of(text))


def dimension_of(unit: str) -> Dimension:
    """Of one of the hub's own units."""
    if unit in MASSES:
        return "mass"
    return "volume" if unit in VOLUMES else "count"


@functools.lru_cache(maxsize=1)
def _registry() -> "UnitRegistry[Decimal]":
    import pint

    return pint.UnitRegistry(non_int_type=Decimal)


@functools.lru_cache(maxsize=1_000)
def worth(one: str, other: str) -> Decimal | None:
    """How many of `other` one of `one` is, both units of the hub's own; None where they count, or can't be compared."""
    dimension = dimension_of(one)
    if dimension == "count" or dimension != dimension_of(other):
        return None
    return _converted(_PINT_NAMES.get(one, one), _PINT_NAMES.get(other, other))


@functools.lru_cache(maxsize=2_000)
def conversion(text: str, allowed: tuple[str, ...]) -> tuple[Decimal, str] | None:
    """How many of one of `allowed` (the hub's units) a unit is, when Pint knows it and the factor is exact.

    None for what is neither mass nor volume, and for words with several meanings.
    """
    # Pint evaluates formulas, and a sender's text must not be one
    words = _ONE_UNIT.fullmatch(form_of(text))
    if several_meanings(text) or words is None or not _POWER.sub("", words[0]).replace(" ", "").isalpha():
        return None
    factors = ((_factor(text, unit), unit) for unit in MASSES + VOLUMES if unit in allowed)
    found = [(factor, unit) for factor, unit in factors if factor is not None]
    return min(found, key=lambda one: abs(one[0].log10()), default=None)


def _factor(text: str, unit: str) -> Decimal | None:
    """None when it has more decimals than a quantity may have.

    Of the units that only Pint knows, metric and cubic ones: a cup, a keg or a shot may as well be a vessel.
    """
    known = unit_of(text)
    written = _POWER.sub(r"**\1", unicodedata.normalize("NFKC", text).strip().rstrip("."))
    names = (_PINT_NAMES.get(known, known),) if known else (written, written.casefold())
    for name in names:
        exact = _converted(name, _PINT_NAMES.get(unit, unit))
        if exact is not None:
            factor = Decimal(f"{exact:.20g}")  # Pint multiplies to 28 digits
            safe = known or _POWER.search(written) or factor.normalize().as_tuple().digits == (1,)
            return factor if safe and factor == factor.quantize(Decimal("0.000001")) else None
    return None


def _converted(source: str, target: str) -> Decimal | None:
    import pint

    try:
        return Decimal(_registry().convert(Decimal(1), source, target))
    # it asserts, too, that it could take a text apart
    except (pint.PintError, ArithmeticError, ValueError, AssertionError):
        return None
