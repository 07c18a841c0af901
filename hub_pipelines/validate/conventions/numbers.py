"""Numbers with decimal mark and thousands as they are written around the world.

Belongs here: both readings of one text, what a column's texts tell, and the currency beside an amount.
Not here: units (amounts.py), what becomes of a column whose mark stays open (deciding.py).
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import get_args

from hub_pipelines.validate.conventions.dates import Place
from hub_pipelines.validate.conventions.model import LONGEST, Mark
from hub_pipelines.validate.feeds.money import CURRENCIES

MARKS: tuple[Mark, ...] = get_args(Mark)
NUMBER = r"[+-]?(?:\d(?:[\d.,'’ ]*\d)?[.,]?|[.,]\d+)"
"""What may be a number; `read_number` tells whether it is one."""


def _pattern(mark: str, other: str) -> re.Pattern[str]:
    # nobody writes a zero in front of thousands, so that 0.125 has decimals
    groups = rf"[1-9]\d{{0,2}}(?P<between>[ '’{re.escape(other)}])\d{{3}}(?:(?P=between)\d{{3}})*"
    mark = re.escape(mark)
    return re.compile(rf"([+-]?)({groups}|\d+)?(?:{mark}(\d*))?", re.A)


_PATTERNS: dict[Mark, re.Pattern[str]] = {".": _pattern(".", ","), ",": _pattern(",", ".")}
_BINARY = re.compile(r"\d{1,9}\.\d{10,17}", re.A)
_NOISY, _MOST_DECIMALS = 16, 6
_BETWEEN = str.maketrans(dict.fromkeys(" '’.,"))


@dataclass(frozen=True, slots=True)
class WrittenNumber:
    """The canonical text under each mark; None where that gives no number."""

    point: str | None
    comma: str | None

    def under(self, mark: Mark) -> str | None:
        return self.point if mark == "." else self.comma


@lru_cache(maxsize=20_000)
def read_number(text: str) -> WrittenNumber | None:
    """None when the text is no number under either mark."""
    text = " ".join(text.split())
    if text.isdigit() and text.isascii():
        plain = text.lstrip("0") or "0"
        return WrittenNumber(plain, plain)
    point, comma = _read(text, "."), _read(text, ",")
    return WrittenNumber(point, comma) if point is not None or comma is not None else None


def _read(text: str, mark: Mark) -> str | None:
    match = _PATTERNS[mark].fullmatch(text)
    if match is None:
        return None
    sign, whole, _, decimals = match.groups()
    if not whole and not decimals:
        return None
    whole = (whole or "").translate(_BETWEEN).lstrip("0") or "0"
    decimals = (decimals or "").rstrip("0")
    plain = f"{whole}.{decimals}" if decimals else whole
    return f"-{plain}" if sign == "-" and plain != "0" else plain


def without_noise(text: str) -> str:
    """A number of sixteen or more digits of which a program has written out the binary fraction, to fifteen; another
    text as it is. Whoever means all of them has more than six decimals left."""
    if len(text) < _NOISY or not _BINARY.fullmatch(text) or len(text.replace(".", "").lstrip("0")) < _NOISY:
        return text
    plain = f"{Decimal(f'{float(text):.15g}'):f}"
    return plain if len(plain.partition(".")[2]) <= _MOST_DECIMALS else text


@dataclass(slots=True)
class NumberTally:
    """What the texts of a column tell about its decimal mark. Number cells tell nothing: they have none."""

    fits: Counter[Mark] = field(default_factory=Counter)
    deciding: Counter[Mark] = field(default_factory=Counter)
    samples: dict[Mark, Place] = field(default_factory=dict)
    """A text that only this mark reads."""
    texts: int = 0
    open: dict[str, Place] = field(default_factory=dict)
    """By the sign that it holds, a text that both marks read, as different numbers."""
    not_round: Place | None = None
    """One of these that is no multiple of ten as thousands, as a weighed 1.234 is and 1,500 bottles are."""
    plain_thousands: Place | None = None
    """A thousand or more with nothing between its digits."""
    noisy: str = ""
    """A text with the digits of a binary fraction."""

    def add(self, text: str, count: int, row_no: int) -> None:
        if not self.noisy and without_noise(text) != text:
            self.noisy = text
        if _tells_point(text):
            self._decide(".", text, count, row_no)
            return
        written = read_number(text)
        if written is None:
            return
        if self.plain_thousands is None and len(text) > 3 and text.isdigit():
            self.plain_thousands = (text, row_no)
        if written.point is not None and written.comma is not None:
            self.texts += count
            self.fits["."] += count
            self.fits[","] += count
            if written.point != written.comma:
                self.open.setdefault("," if "," in text else ".", (text, row_no))
                if self.not_round is None and not text.rstrip().endswith("0"):
                    self.not_round = (text, row_no)
            return
        self._decide("," if written.point is None else ".", text, count, row_no)

    def _decide(self, mark: Mark, text: str, count: int, row_no: int) -> None:
        self.texts += count
        self.fits[mark] += count
        self.deciding[mark] += count
        self.samples.setdefault(mark, (text, row_no))


def _tells_point(text: str) -> bool:
    """At a glance, for the numbers that most files have: 12.5 can't be thousands."""
    whole, _, decimals = text.partition(".")
    return len(decimals) not in (0, 3) and text.isascii() and whole.isdigit() and decimals.isdigit()


# -- money -----------------------------------------------------------------------------------------------------------

_SIGNS = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₽": "RUB", "₹": "INR", "฿": "THB", "₩": "KRW"}
_SIGN = r"US\$|[A-Z]{1,2}\$|[$€£¥₽₹฿₩]|[A-Za-z]{3}"
_MONEY = re.compile(
    rf"(?P<open>\()? ?(?P<minus>[+-])? ?(?:(?P<before>{_SIGN}) ?)?(?P<number>{NUMBER})"
    rf"(?P<behind>-)? ?(?P<after>{_SIGN})? ?(?P<close>\))?"
)


@dataclass(frozen=True, slots=True)
class WrittenAmount:
    """`currency` is a code of ISO 4217, the sign as written when it names none, None when there is none."""

    number: str
    negative: bool
    currency: str | None


@lru_cache(maxsize=20_000)
def read_amount(text: str) -> WrittenAmount | None:
    """None when the text is no amount of money. Raises nothing."""
    text = " ".join(text.split())
    if text.endswith((",-", ",–", ".-", ".–")):  # 12,- is how some write 12,00
        text = text[:-2]
    match = _MONEY.fullmatch(text)
    if match is None or bool(match["open"]) != bool(match["close"]):
        return None
    signs = [sign for sign in (match["before"], match["after"]) if sign]
    minus = [match["open"], match["minus"] == "-" or None, match["behind"], match["number"][0] == "-" or None]
    codes = {currency_of(sign) for sign in signs}
    if len(codes) > 1 or None in codes or sum(one is not None for one in minus) > 1:
        return None
    return WrittenAmount(match["number"].lstrip("+-"), any(minus), codes.pop() if codes else None)


_NAMES = {
    **dict.fromkeys(("euro", "euros"), "EUR"),
    **dict.fromkeys(("pound", "pounds", "sterling"), "GBP"),
    **dict.fromkeys(("yuan", "rmb"), "CNY"),
    **dict.fromkeys(("zł", "zl"), "PLN"),
    **dict.fromkeys(("руб", "р"), "RUB"),
    "yen": "JPY",
    "kč": "CZK",
}
_SEVERAL_HAVE = frozenset(("kr", "fr", "sfr", "rs"))
"""Short names that several currencies have: told as written."""
_NAMED = r"US\$|[A-Z]{1,2}\$|[€£¥₽₹฿₩₺₴₦₫₪]|[^\W\d_]{1,8}"
_BESIDE = re.compile(rf"(?<!\w)(?P<before>{_NAMED})\.? ?[-–−]?\d|\d[-–−.,]{{0,2}} ?(?P<after>{_NAMED})(?!\w)")


@lru_cache(maxsize=2_000)
def currency_beside(text: str) -> str | None:
    """The one currency that stands beside a number, of a text that need not be an amount that can be read."""
    folded = " ".join(unicodedata.normalize("NFKC", text[:LONGEST]).split())
    signs = (match["before"] or match["after"] for match in _BESIDE.finditer(folded))
    found = {named for sign in signs if (named := _named(sign))}
    return found.pop() if len(found) == 1 else None


def _named(sign: str) -> str | None:
    name = sign.casefold()
    if name in _SEVERAL_HAVE or sign in "₺₴₦₫₪":
        return sign
    return _NAMES.get(name) or currency_of(sign)


def currency_of(sign: str) -> str | None:
    """The code in ISO 4217 of a currency's sign or code; a dollar sign that names its country as it is."""
    if sign in _SIGNS:
        return _SIGNS[sign]
    if sign.endswith("$"):
        return sign
    return sign.upper() if sign.upper() in CURRENCIES else None
