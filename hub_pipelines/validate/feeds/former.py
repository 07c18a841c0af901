"""Types of values as the first contracts had them: what they refused stays refused when a posting is made again.

Belongs here: what was loosened since, unchanged. Not here: what is in force (chemicals.py, quantities.py).
"""

import re
from typing import Annotated

from hub_pipelines.validate.feeds import chemicals, quantities
from hub_pipelines.validate.feeds.types import INVISIBLE, optional, problem, required, spellings, text_of, word_of
from hub_pipelines.validate.model import Shape, Written

# -- chemicals -------------------------------------------------------------------------------------------------------

_HAZARD_GAP = re.compile(r"[,;/\s]+")


def parse_cas_number_1(cell: object) -> str | None:
    """A CAS number without blanks or invisible characters in it."""
    found = chemicals.parse_cas_number(cell)
    if found is None:
        return None
    written = chemicals.without_cas_prefix(text_of(cell))
    if written != "".join(written.split()) or written != written.translate(INVISIBLE):
        raise problem("bad_cas", "This is not a CAS number such as 67-64-1.")
    return found


def parse_hazard_codes_1(cell: object) -> str | None:
    """Codes with nothing but commas, semicolons, slashes and blanks between them."""
    text = re.sub(r"\s*\+\s*", "+", text_of(cell))
    tokens = [token for token in _HAZARD_GAP.split(text) if token]
    codes = ["+".join(chemicals.parse_hazard_code(part) for part in token.split("+")) for token in tokens]
    return ";".join(dict.fromkeys(codes)) or None


CasNumber1 = Annotated[str | None, optional(parse_cas_number_1), *chemicals.CasNumber.__metadata__[1:]]
HazardCodes1 = Annotated[str | None, optional(parse_hazard_codes_1), *chemicals.HazardCodes.__metadata__[1:]]

# -- units -----------------------------------------------------------------------------------------------------------

_ML = "ml mls milliliter milliliters millilitre millilitres"
_L = "l ltr ltrs liter liters litre litres"
_G = "g gm gms gr gram grams gramme grammes"
_KG = "kg kgs kilo kilos kilogram kilograms kilogramme kilogrammes"
_UNIT_FORMS_1 = {
    form: unit
    for unit, forms in {"mL": _ML, "L": _L, "g": _G, "kg": _KG, "ea": "ea each", "box": "box boxes bx bxs"}.items()
    for form in forms.split()
}
_AMOUNTS_1 = {
    "mg": "mgs, milligram, milligrams",
    "g": f"{', '.join(_G.split())}, г",
    "kg": f"{', '.join(_KG.split())}, кг",
    "t": "tonne, tonnes, metric ton, metric tons",
    "oz": "ozs, ounce, ounces",
    "lb": "lbs, pound, pounds",
    "uL": "μl, microliter, microliters, microlitre, microlitres",
    "mL": f"{', '.join(_ML.split())}, мл",
    "L": f"{', '.join(_L.split())}, л",
    "fl oz": "floz, fl. oz, fluid ounce, fluid ounces",
    "pt": "pts, pint, pints",
    "qt": "qts, quart, quarts",
    "gal": "gals, gallon, gallons",
    "m3": "m^3, cubic meter, cubic meters, cubic metre, cubic metres",
    "ft3": "ft^3, cf, cu ft, cubic foot, cubic feet",
}
_COUNTS_1 = {
    "ea": "each",
    "piece": "pieces, pc, pcs",
    "unit": "units",
    "tablet": "tablets",
    "test": "tests",
    "box": "boxes, bx, bxs",
    "pack": "packs, pk, pkg, package, packages, packet, packets",
    "case": "cases, cs",
    "carton": "cartons, ctn",
    "bag": "bags",
    "bottle": "bottles, btl",
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


def parse_unit_1(cell: object) -> str:
    text = text_of(cell).casefold().rstrip(".")
    if text not in _UNIT_FORMS_1:
        raise problem("unknown_unit", f"The unit must be one of: {', '.join(quantities.UNITS)}.")
    return _UNIT_FORMS_1[text]


_parse_amount_unit_1 = word_of("unknown_unit", "unit", spellings(_AMOUNTS_1))
_parse_stock_unit_1 = word_of("unknown_unit", "unit", spellings({**_AMOUNTS_1, **_COUNTS_1}))
_AMOUNT_UNIT = Shape(choices=tuple(_AMOUNTS_1))
_STOCK_UNIT = Shape(choices=(*_AMOUNTS_1, *_COUNTS_1))
_IS_UNIT = Written("unit")

Unit1 = Annotated[str, required(parse_unit_1), Shape(choices=quantities.UNITS), _IS_UNIT]
AmountUnit1 = Annotated[str, required(_parse_amount_unit_1), _AMOUNT_UNIT, _IS_UNIT]
OptionalAmountUnit1 = Annotated[str | None, optional(_parse_amount_unit_1), _AMOUNT_UNIT, _IS_UNIT]
StockUnit1 = Annotated[str, required(_parse_stock_unit_1), _STOCK_UNIT, _IS_UNIT]
