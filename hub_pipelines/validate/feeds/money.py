"""Amounts of money, and what identifies grants and those who are paid.

Belongs here: the shape of one cell of such a column, with the paragraph of the rules (G…) that it comes from. Not here:
whether a cost is allowable, whether a budget holds.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator

from hub_pipelines.validate.feeds.quantities import (
    PLAIN_NUMBER,
    cell_number,
    comma_readings,
    decimals_of,
    digits_meant,
    without_noise,
    without_trailing_zeros,
)
from hub_pipelines.validate.feeds.types import (
    CERTAIN_CODE,
    identifier,
    identifier_text,
    in_plain_letters,
    is_blank,
    optional,
    problem,
    refuse_date_cell,
    refuse_error_cell,
    required,
    text_of,
)
from hub_pipelines.validate.model import Certain, Shape, Written

if TYPE_CHECKING:
    import pyarrow

# -- amounts ---------------------------------------------------------------------------------------------------------

_DIGITS = r"\d+(?:\.\d*)?|\.\d+|\d{1,3}(?:,\d{3})+\.\d+|\d{1,3}(?:,\d{3}){2,}"
_MONEY = re.compile(rf"([+-]?)\$?\s*([+-]?)({_DIGITS})", re.A)
# accountants write what is taken away in brackets, and some systems with the minus behind
_TAKEN_AWAY = re.compile(rf"\$?\s*\(\s*\$?\s*({_DIGITS})\s*\)|\$?\s*({_DIGITS})-", re.A)


def money(rule: str, noun: str, *, signed: bool) -> Callable[[object], str]:
    """An amount with at most 2 decimals. `signed` takes negative ones, also written as (123.45) or 123.45-."""

    def parse(cell: object) -> str:
        refuse_date_cell(cell)
        number = cell_number(cell, decimals=2)
        number = _money_text(text_of(cell), rule, noun) if number is None else _to_cents(number)
        if not number.is_finite() or decimals_of(_trimmed(number)) > 2:
            raise problem(rule, f"The {noun} may have at most 2 decimals.", without_noise(number, 2))
        if number < 0 and not signed:
            raise problem(rule, f"The {noun} cannot be below zero.")
        if abs(number) >= 10**10:
            raise problem(rule, f"The {noun} has more than 12 digits.")
        return f"{number + 0:.2f}"

    return parse


def _in_cents(amounts: "pyarrow.StringArray") -> "pyarrow.StringArray":
    """With two decimals, of many amounts without a sign or zeros in front."""
    from pyarrow import compute

    decimals = compute.if_else(compute.match_substring(amounts, "."), "", ".00")
    decimals = compute.if_else(compute.match_substring_regex(amounts, r"\.\d$"), "0", decimals)
    return compute.binary_join_element_wise(amounts, decimals, "")


def _trimmed(number: Decimal) -> Decimal:
    return Decimal(without_trailing_zeros(number))


def _to_cents(number: Decimal) -> Decimal:
    if not number.is_finite() or abs(number) >= 10**15:
        return number
    cents = number.quantize(Decimal("0.01"))
    return cents if abs(cents - number) <= Decimal("1e-9") else number


def _money_text(text: str, rule: str, noun: str) -> Decimal:
    match = _MONEY.fullmatch(text)
    if match and not (match[1] and match[2]):
        return Decimal(match[1] + match[2] + match[3].replace(",", ""))
    if taken_away := _TAKEN_AWAY.fullmatch(text):
        return -Decimal((taken_away[1] or taken_away[2]).replace(",", ""))
    bare = re.sub(r"[$()]", "", text).strip()
    if "," in bare and PLAIN_NUMBER.fullmatch(bare.replace(",", "")):
        raise problem(rule, "The comma can mean thousands or decimals.", comma_readings(bare))
    with_currency = re.fullmatch(rf"([A-Z]{{3}})\s*({_DIGITS})|({_DIGITS})\s*([A-Z]{{3}})", text, re.A)
    if with_currency:
        amount, code = with_currency[2] or with_currency[3], with_currency[1] or with_currency[4]
        raise problem(rule, "The cell holds an amount and a currency.", f"Write {amount} here and {code} in currency")
    raise problem(
        rule, f"The {noun} is not a plain amount such as 1234.50.", digits_meant(text.removeprefix("$").strip())
    )


# ISO 4217, without funds codes, metals and test codes
_CURRENCY_CODES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD "
    "HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD "
    "MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN "
    "PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY "
    "TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG"
)
CURRENCIES = tuple(_CURRENCY_CODES.split())
_DOLLARS = frozenset({"$", "US$", "U.S. DOLLAR", "U.S. DOLLARS", "US DOLLAR", "US DOLLARS", "DOLLAR", "DOLLARS"})


def parse_currency(cell: object) -> str:
    """The currency's code in ISO 4217; US dollars where nothing is said (amounts carry theirs: rules a.6)."""
    if is_blank(cell):
        return "USD"
    refuse_error_cell(cell)
    refuse_date_cell(cell)
    text = text_of(cell).upper()
    if text in _DOLLARS:
        return "USD"
    if text not in CURRENCIES:
        raise problem("unknown_currency", "This is not the three-letter code of a currency, such as USD or EUR.")
    return text


def parse_percent(cell: object) -> str:
    """A rate in percent. Excel keeps 53.5 % as 0.535, so a number cell below 1 is a part of one."""
    refuse_date_cell(cell)
    number = cell_number(cell, decimals=6)
    if number is None:
        number = _percent_text(text_of(cell))
    elif number.is_finite() and 0 < number < 1:
        number *= 100
    if not number.is_finite() or not 0 <= number <= 200:
        raise problem("bad_rate", "A rate must lie between 0 and 200 percent.")
    plain = without_trailing_zeros(number)
    if len(plain.partition(".")[2]) > 4:
        raise problem("bad_rate", "A rate may have at most 4 decimals.")
    return plain


def _percent_text(text: str) -> Decimal:
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+) ?(%|percent|pct)?", text, re.A | re.I)
    if match is None:
        raise problem("bad_rate", "This is not a rate such as 53.5%.")
    number = Decimal(match[1])
    if match[2] is None and 0 < number <= 1:
        times_100 = without_trailing_zeros(number * 100)
        raise problem("bad_rate", "It is not told whether this is percent.", f"{times_100}% or {match[1]}%")
    return number


# -- identifiers -----------------------------------------------------------------------------------------------------

_FAIN = re.compile(r"[A-Z0-9][A-Z0-9./_-]{0,29}")
_ALN = re.compile(r"\d{2}\.[0-9A-Z]{3}", re.A)
_UEI = re.compile(r"[A-HJ-NP-Z1-9][A-HJ-NP-Z0-9]{11}")


def parse_fain(cell: object) -> str:
    """The Federal Award Identification Number (2 CFR 200.211(b)(1)), at most 30 characters."""
    text = identifier_text(cell).upper()
    if not _FAIN.fullmatch(text):
        joined = re.sub(r"\s+", "", in_plain_letters(text))
        raise problem(
            "bad_fain",
            "A FAIN has at most 30 letters, digits and hyphens and no blanks, such as R01CA123456.",
            joined if _FAIN.fullmatch(joined) else None,
        )
    return text


def parse_aln(cell: object) -> str:
    """The Assistance Listing Number (once CFDA number; 2 CFR 200.1): two digits, a point and three digits.

    Treasury's list has 197 with a letter among the three (11.63A, 93.AA1), so they are taken too.
    """
    refuse_date_cell(cell)
    if isinstance(cell, float) and 1 < cell < 100 and not cell.is_integer():
        # a number cell drops zeros at the end, and there are always three digits there
        exact = f"{cell:06.3f}"
        text = exact if Decimal(exact) == Decimal(repr(cell)) else text_of(cell)
    else:
        text = re.sub(r"^(?:CFDA|ALN)\s*(?:#|no\.?|number)?\s*:?\s*", "", text_of(cell), flags=re.I).upper()
    if not _ALN.fullmatch(text):
        short = re.fullmatch(r"\d{2}\.\d{1,2}", text, re.A)
        raise problem(
            "bad_aln",
            "An Assistance Listing Number has two digits, a point and three digits, such as 93.310.",
            f"{text:0<6}, if Excel has dropped the zeros at the end" if short else _first_aln(text),
        )
    return text


def _first_aln(text: str) -> str | None:
    inside = re.findall(r"(?<!\d)\d{2}\.\d{3}(?!\d)", text, re.A)
    return str(inside[0]) if inside else None


def parse_uei(cell: object) -> str:
    """The Unique Entity ID that SAM.gov gives (2 CFR 25.100): 12 characters without the letters O and I."""
    text = re.sub(r"[\s-]+", "", identifier_text(cell)).upper()
    if re.fullmatch(r"\d{9}", text, re.A):
        raise problem(
            "bad_uei", "This looks like a DUNS number, which the UEI replaced in 2022.", "Look it up on SAM.gov"
        )
    if not _UEI.fullmatch(text):
        swapped = text.replace("O", "0").replace("I", "1")
        raise problem(
            "bad_uei",
            "A UEI has 12 letters and digits, without the letters O and I.",
            swapped if _UEI.fullmatch(swapped) else None,
        )
    return text


_AMOUNT = Shape("decimal", scale=2, minimum="-9999999999.99", maximum="9999999999.99")

_UNIT_COST = Shape("decimal", scale=2, minimum="0", maximum="9999999999.99")
_CERTAIN_AMOUNT = Certain(r"(?:0|[1-9]\d{0,9})(?:\.\d{1,2})?", then=_in_cents)
_IS_AMOUNT = Written("amount")

UnitCost = Annotated[
    str, required(money("bad_cost", "unit cost", signed=False)), _UNIT_COST, _IS_AMOUNT, _CERTAIN_AMOUNT
]
OptionalUnitCost = Annotated[
    str | None, optional(money("bad_cost", "unit cost", signed=False)), _UNIT_COST, _IS_AMOUNT, _CERTAIN_AMOUNT
]
Amount = Annotated[str, required(money("bad_amount", "amount", signed=True)), _AMOUNT, _IS_AMOUNT, _CERTAIN_AMOUNT]
OptionalAmount = Annotated[
    str | None, optional(money("bad_amount", "amount", signed=True)), _AMOUNT, _IS_AMOUNT, _CERTAIN_AMOUNT
]
Currency = Annotated[str, BeforeValidator(parse_currency), Shape(choices=CURRENCIES), Written("currency")]
Percent = Annotated[str | None, optional(parse_percent), Shape("decimal", scale=4, minimum="0", maximum="200")]
AwardId = Annotated[str, required(identifier("award id", 64)), Shape(longest=64), Written("identifier"), CERTAIN_CODE]
PortalName = Annotated[
    str, required(identifier("portal", 40, leads_key=True)), Shape(longest=40, pattern=r"^[^|]+$"), CERTAIN_CODE
]
PortalRecordId = Annotated[str, required(identifier("record id", 200)), Shape(longest=200), Written("identifier")]
TransactionId = Annotated[
    str, required(identifier("transaction id", 64)), Shape(longest=64), Written("identifier"), CERTAIN_CODE
]
Fain = Annotated[str | None, optional(parse_fain), Shape(longest=30, pattern=rf"^{_FAIN.pattern}$")]
Aln = Annotated[str | None, optional(parse_aln), Shape(pattern=rf"^{_ALN.pattern}$")]
EntityUei = Annotated[str, required(parse_uei), Shape(pattern=rf"^{_UEI.pattern}$")]
Uei = Annotated[str | None, optional(parse_uei), Shape(pattern=rf"^{_UEI.pattern}$")]
