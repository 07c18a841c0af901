"""Tags, codes and CAS numbers that a spreadsheet has changed.

Belongs here: what the undamaged identifiers of a column look like, and giving a damaged one that look again when only
one identifier could have become what the cell holds now. Not here: what an identifier must be like (feeds/types.py).
"""

import datetime
import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hub_pipelines.validate.conventions.dates import read_day
from hub_pipelines.validate.conventions.model import CasConvention, IdentifierConvention
from hub_pipelines.validate.feeds.chemicals import cas_check_digit, cas_with_hyphens
from hub_pipelines.validate.feeds.types import text_of
from hub_pipelines.validate.model import Cell, Restored, Unclear

_LEAST = 3
"""From so many undamaged identifiers on, their common look is evidence."""
_MOST_OF = 0.6
_MOST_KINDS = 64
_DIGIT = "0123456789"
_DIGITS = re.compile(r"\d{1,40}", re.A)
_WITH_E = re.compile(r"(\d{1,8})[Ee](\d{1,3})", re.A)
_DECIMAL = re.compile(r"\d+\.(\d+)", re.A)
_LETTERED = re.compile(r"[A-Za-z]{1,3}\d{2,}\.(\d{1,4})", re.A)
_DOTTED = re.compile(r"\d+[A-Za-z]+\.\d+", re.A)
_MOST_WITH_DECIMALS = 1_000
_SHOWN_DIGITS = 7
"""Excel shows long numbers as 1.719E+11: what was saved from there has at most so many digits, then zeros."""
_EXACT_BELOW = 10**15


@dataclass(slots=True)
class IdentifierTally:
    """Of the texts of a column; number cells have lost their look, so they are only counted."""

    widths: Counter[int] = field(default_factory=Counter)
    zeros: Counter[int] = field(default_factory=Counter)
    with_e: Counter[tuple[int, int]] = field(default_factory=Counter)
    decimals: Counter[int] = field(default_factory=Counter)
    lettered: Counter[int] = field(default_factory=Counter)
    """By the digits behind the point of codes such as A14906.14, which also count as others."""
    lettered_sample: str = ""
    others: int = 0
    numbers: int = 0
    sample: str = ""
    is_optional: bool = False
    dotted: int = 0
    dotted_sample: str = ""
    with_decimals: Counter[str] = field(default_factory=Counter)
    """Number cells as they show, one more kind than are remembered."""

    def add(self, cell: object, count: int) -> None:
        if isinstance(cell, bool) or cell is None or isinstance(cell, datetime.date):
            return
        if not isinstance(cell, str):
            self.numbers += count
            if _whole(text_of(cell)) is None and len(self.with_decimals) <= _MOST_WITH_DECIMALS:
                self.with_decimals[text_of(cell)] += count
            return
        text = text_of(cell)
        if text[:1] not in _DIGIT:
            self.others += count
            if match := _LETTERED.fullmatch(text):
                self._count(self.lettered, len(match[1]), count)
                self.lettered_sample = self.lettered_sample or text
        elif not text:
            return
        elif _DIGITS.fullmatch(text):
            self._count(self.widths, len(text), count)
            self._count(self.zeros, len(text), count if text[0] == "0" else 0)
            self.sample = self.sample or (text if text[0] == "0" else "")
        elif match := _WITH_E.fullmatch(text):
            self._count(self.with_e, (len(match[1]), len(match[2])), count)
            self.sample = self.sample or text
        elif match := _DECIMAL.fullmatch(text):
            self._count(self.decimals, len(match[1]), count)
        else:
            self.others += count
            if _DOTTED.fullmatch(text):
                self.dotted += count
                self.dotted_sample = self.dotted_sample or text

    @staticmethod
    def _count(counts: Counter[Any], kind: Any, count: int) -> None:
        if kind in counts or len(counts) < _MOST_KINDS:
            counts[kind] += count

    def convention(self) -> IdentifierConvention | None:
        """None when the column says nothing that could restore a cell or cast doubt on one."""
        width = self._width()
        skeleton = self._skeleton()
        decimals = self._decimals()
        zeros = not width and self.zeros.total() >= max(_LEAST, self.numbers)
        if width:
            told = f"its identifiers have {width} digits with zeros in front, such as {self.sample}"
        elif skeleton:
            told = f"its identifiers look like {self.sample}, which Excel takes for a number"
        elif decimals:
            told = "codes with a decimal point stand there as text too"
            if not self.decimals:
                told = f"codes such as {self.lettered_sample} all have {decimals} digits behind the point"
        elif zeros:
            told = f"most identifiers have zeros in front, such as {self.sample}, but not all have the same width"
        elif self._are_dotted():
            told = f"codes with a point are such as {self.dotted_sample}, so a number with decimals is one too"
            twice = tuple(sorted(text for text, count in self.with_decimals.items() if count > 1))
            return IdentifierConvention(evidence=(told,), as_shown=True, twice=twice)
        else:
            return None
        return IdentifierConvention(width, skeleton, decimals, zeros, (told,), only_made=bool(skeleton))

    def _are_dotted(self) -> bool:
        """Whether the codes have a point by nature, and the numbers among them may be told apart."""
        if not self.is_optional or not self.with_decimals or len(self.with_decimals) > _MOST_WITH_DECIMALS:
            return False
        return self.dotted >= max(_LEAST, self.with_decimals.total())

    def _width(self) -> int | None:
        """The one width of all identifiers, if zeros in front show that it is one; few may have lost theirs."""
        if self.others or self.with_e or self.decimals or not self.zeros.total():
            return None
        width = max(self.widths)
        count, shorter = self.widths[width], self.widths.total() - self.widths[width]
        kept = self.zeros[width]
        # Excel drops all zeros, so that a shorter one with some was never cut
        if kept < self.zeros.total() or count < _LEAST or kept < 2:
            return None
        return width if kept == count or shorter * 10 <= count else None

    def _skeleton(self) -> tuple[int, int] | None:
        """The one look of those with an E, where they are most of the texts: a few of many tell nothing of the rest."""
        count = self.with_e.total()
        texts = count + self.widths.total() + self.decimals.total() + self.others
        if len(self.with_e) != 1 or count < _LEAST or count < _MOST_OF * texts:
            return None
        return next(iter(self.with_e))

    def _decimals(self) -> int | None:
        """Of codes that are nothing but digits and a point; where numbers have lost their look, of those with letters
        in front, if no number has more: one that ended in a zero has less, and is given it back."""
        if len(self.decimals) == 1 and self.decimals.total() >= _LEAST:
            return next(iter(self.decimals))
        if self.decimals or len(self.lettered) != 1 or self.lettered.total() < _LEAST or not self.with_decimals:
            return None
        (behind,) = self.lettered
        return behind if all(len(text.partition(".")[2]) <= behind for text in self.with_decimals) else None


def restore_identifier(cell: Cell, convention: IdentifierConvention | None) -> Cell:
    """The cell itself where nothing is to be said about it."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return cell
    text = text_of(cell)
    if convention is not None and convention.skeleton and (value := _whole(cell)) is not None:
        return _with_e(cell, text, value, convention.skeleton, only_made=convention.only_made)
    if _DIGITS.fullmatch(text) and convention is not None and (convention.width or convention.zeros):
        return _with_zeros(cell, text, convention)
    if isinstance(cell, str):
        return cell
    return _from_number(cell, text, convention)


def _whole(cell: str | int | float) -> int | None:
    """Of a number cell, or of a text that Excel made of one (2.20E+02)."""
    try:
        number = Decimal(str(cell))
    except ArithmeticError:
        return None
    is_number = not isinstance(cell, str) or re.fullmatch(r"\d(?:\.\d+)?E\+\d\d|\d+", cell.strip(), re.A)
    if not is_number or not number.is_finite() or number != number.to_integral_value() or abs(number) >= _EXACT_BELOW:
        return None
    return int(number)


def _with_e(
    cell: str | int | float, text: str, value: int, skeleton: tuple[int, int], *, only_made: bool = False
) -> Cell:
    front, behind = skeleton
    if only_made and isinstance(cell, str) and text[:1] == "0":
        return cell
    found = [
        f"{value // 10**power:0{front}}E{power:0{behind}}"
        for power in range(min(10**behind, 16))
        if value % 10**power == 0 and 10 ** (front - 1) <= value // 10**power < 10**front
    ]
    if len(found) == 1:
        reason = f"Excel took {found[0]} for a number and shows {text}; the other identifiers look like that."
        return Restored(found[0], text, "number_made_of_identifier", reason)
    if only_made and isinstance(cell, str) and not found:
        return cell
    meant = f"Was it {' or '.join(found)}? " if found else ""
    return Unclear(
        cell,
        "damaged_by_excel",
        f"The other identifiers of this column look like {'9' * front}E{'9' * behind}, which Excel takes for a number.",
        f"{meant}Format the column as Text and type it again",
    )


def _with_zeros(cell: str | int | float, text: str, convention: IdentifierConvention) -> Cell:
    width = convention.width
    if width is None:
        if isinstance(cell, str):
            return cell
        reason = "Other identifiers of this column have zeros in front, and Excel drops them from a number."
        question = f"Was it {text} or 0{text}? Format the column as Text and type it again"
        return Unclear(cell, "damaged_by_excel", reason, question)
    if len(text) >= width:
        return text if not isinstance(cell, str) else cell
    reason = f"The other identifiers have {width} digits with zeros in front, and Excel drops them from a number."
    return Restored(text.zfill(width), text, "zeros_restored", reason)


def _from_number(cell: int | float, text: str, convention: IdentifierConvention | None) -> Cell:
    whole = _whole(cell)
    if whole is not None:
        digits = str(whole).rstrip("0")
        if whole < 10**11 or len(digits) <= _SHOWN_DIGITS:
            return cell
        return str(whole)  # Excel shows it as 1.719E+11, and the cell holds all of its digits
    decimals = len(repr(cell).partition(".")[2])
    if convention is not None and convention.decimals is not None and "e" not in repr(cell):
        if decimals <= convention.decimals:
            reason = f"The other codes have {convention.decimals} digits behind a point, and so had this one."
            return Restored(f"{cell:.{convention.decimals}f}", text, "number_as_identifier", reason)
        return cell
    if convention is not None and convention.as_shown and _DECIMAL.fullmatch(text):
        if text not in convention.twice:
            return Restored(text, text, "number_as_identifier", "The other codes of this column have a point too.")
        return Unclear(
            cell,
            "damaged_by_excel",
            f"The code {text} stands in several rows, and of {text}0 Excel makes the same number.",
            f"Is it {text} or {text}0? Format the column as Text and type it again",
        )
    return Unclear(
        cell,
        "damaged_by_excel",
        "The cell holds a number with decimals. It may be the code itself, or what Excel made of another one.",
        f"Is it {text} on the label? Then format the column as Text and type it again",
    )


# -- CAS numbers -----------------------------------------------------------------------------------------------------

_HYPHENATED = re.compile(r"\d{2,7}-\d{2}-\d", re.A)
_BARE = re.compile(r"0*(\d{5,10})", re.A)
_DAY = re.compile(r"(\d{4})-(\d{2})-0(\d)(?:[T ]00:00(?::00)?)?", re.A)


@dataclass(slots=True)
class CasTally:
    """Digits without hyphens are CAS numbers where their check digits fit: of other numbers one in ten would."""

    bare: int = 0
    fitting: int = 0
    sample: str = ""
    far: tuple[str, str] | None = None
    """A day of a far year whose check digit fits, and the CAS number that it was."""

    def add(self, cell: object, count: int) -> None:
        if self.far is None and isinstance(cell, str) and (meant := _of_far_year(cell)):
            self.far = text_of(cell), meant
        digits = _bare(cell)
        if digits:
            self.bare += count
            self.fitting += count if cas_check_digit(digits) else 0
            self.sample = self.sample or digits

    def convention(self) -> CasConvention | None:
        far = (f"{self.far[0]} is {self.far[1]}, of which a program has made a day",) if self.far else ()
        if not self.bare:
            return CasConvention(False, far, far_years=True) if far else None
        trusted = self.fitting >= 0.9 * self.bare
        numbers = "number" if self.bare == 1 else "numbers"
        told = f"the check digit fits {self.fitting} of {self.bare} {numbers} without hyphens, such as {self.sample}"
        so = f"{told}, so such are {'' if trusted else 'not '}taken as CAS numbers"
        return CasConvention(trusted, (so, *far), far_years=bool(far))


def _of_far_year(text: str) -> str | None:
    """The CAS number of which a program has made a day, such as 0112-02-07, in a year that no list has; else None."""
    match = _DAY.fullmatch(text_of(text))
    if match is None or 1900 <= int(match[1]) <= 2100 or int(match[1]) < 50:
        return None
    digits = f"{int(match[1])}{match[2]}{match[3]}"
    return cas_with_hyphens(digits) if cas_check_digit(digits) else None


def _bare(cell: object) -> str | None:
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    match = _BARE.fullmatch(text_of(cell))
    return match[1] if match else None


def restore_cas(cell: Cell, convention: CasConvention | None) -> Cell:
    if isinstance(cell, datetime.date):
        return _cas_from_date(cell.isoformat()[:10], [cell])
    digits = _bare(cell)
    if digits is not None:
        return _cas_from_digits(cell, digits, convention)
    if convention is not None and convention.far_years and isinstance(cell, str) and (meant := _of_far_year(cell)):
        reason = f"A program has made a day of it; the check digit shows that it was {meant}."
        return Restored(meant, text_of(cell), "cas_made_a_date", reason)
    if isinstance(cell, str) and not _HYPHENATED.fullmatch(cell.strip()) and (written := read_day(cell)) is not None:
        return _cas_from_date(text_of(cell), [day for day in dict.fromkeys(written.readings) if day])
    return cell


def _cas_from_digits(cell: Cell, digits: str, convention: CasConvention | None) -> Cell:
    if convention is not None and not convention.bare:
        return Unclear(
            text_of(cell),
            "bad_cas",
            "The numbers of this column that have no hyphens are no CAS numbers: their check digits don't fit.",
            "If they are catalogue numbers, give them a column of their own",
        )
    if not cas_check_digit(digits):
        return cell
    whole = cas_with_hyphens(digits)
    return Restored(whole, text_of(cell), "hyphens_restored", f"The check digit shows that it is {whole}.")


def _cas_from_date(sent: str, days: list[datetime.date]) -> Cell:
    """Excel takes 75-09-2 for the 2nd of September 1975. One in ten numbers has the right check digit by chance."""
    found: dict[str, None] = {}
    for day in days:
        if day.day <= 9:
            years = [str(day.year)] + ([f"{day.year % 100:02}"] if 1930 <= day.year <= 2029 else [])
            digits = [f"{year}{day.month:02}{day.day}" for year in years if int(year) >= 50]
            found.update({cas_with_hyphens(one): None for one in digits if len(one) >= 5 and cas_check_digit(one)})
    if len(found) == 1:
        whole = next(iter(found))
        reason = f"Excel has made a date of it; the check digit shows that it was {whole}."
        return Restored(whole, sent, "cas_made_a_date", reason)
    meant = f"Was it {' or '.join(found)}? " if found else ""
    return Unclear(
        sent,
        "damaged_by_excel",
        "Excel has turned this CAS number into a date.",
        f"{meant}Format the column as Text and type it again",
    )


# -- e-mail addresses ------------------------------------------------------------------------------------------------

_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_WRAPPED = re.compile(
    rf"(?:mailto:\s*)?({_ADDRESS.pattern})(?:\?.*)?|[^@<>]*<\s*(?:mailto:)?({_ADDRESS.pattern})\s*>", re.I
)


def take_out_address(cell: Cell) -> Cell:
    """`Ada Reyes <ada@uni.edu>` and mailto links."""
    if not isinstance(cell, str) or ("<" not in cell and ":" not in cell):
        return cell
    match = _WRAPPED.fullmatch(text_of(cell))
    if match is None:
        return cell
    address = match[1] or match[2]
    return Restored(address, cell, "address_taken_out", f"Of the cell, the address {address} was taken.")
