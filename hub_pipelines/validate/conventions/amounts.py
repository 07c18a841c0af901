"""Quantities as labs write them: number and unit in one cell, several containers, fractions that became dates.

Belongs here: one row's quantity and unit, read by its columns' conventions. Not here: the decimal mark itself
(numbers.py), which units there are (units.py), what a contract takes.
"""

import datetime
import re
import unicodedata
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from hub_pipelines.validate.conventions.model import MARK_NAMES, Mark
from hub_pipelines.validate.conventions.numbers import NUMBER, read_number
from hub_pipelines.validate.conventions.units import conversion, dimension_of, form_of, several_meanings, unit_of
from hub_pipelines.validate.feeds.quantities import PLAIN_NUMBER, without_trailing_zeros
from hub_pipelines.validate.feeds.types import EXCEL_DATE, MONTHS, is_blank, text_of
from hub_pipelines.validate.model import MISSING_VALUE, Cell, Restored, Unclear

NOTHING = re.compile(r"[-–—]+|\?+|n\.?/?a\.?", re.I)
"""What people write into a cell that has nothing to say."""

_TIMES = "[*x×хX·]"
_UNIT = r"[^\W\d_](?:[^\W\d_]|[ .^/-])*?[23]?"
_QUANTITY = re.compile(
    rf"(?:(?P<times>\d{{1,4}}) ?{_TIMES} ?)?(?P<number>{NUMBER}) ?(?P<unit>{_UNIT})?\.?"
    rf"(?: ?{_TIMES} ?(?P<behind>\d{{1,4}}))?(?P<total>,? (?:in )?tot(?:al|\.)?)? ?(?P<note>\([^()]*\))?",
    re.I,
)
_CONTAINERS = re.compile(
    rf"(?P<times>\d{{1,4}}) ?(?P<containers>[^\W\d_]{{2,15}}) ?(?:{_TIMES}|of|@) ?(?P<each>\d.*)", re.I
)
_FRACTION = re.compile(
    rf"(?:(?P<whole>\d{{1,6}})[ +])?(?P<above>\d{{1,3}})/(?P<below>\d{{1,3}}) ?(?P<unit>{_UNIT})?\.?"
)
_DATE_AND_WORDS = re.compile(rf"(?P<date>{EXCEL_DATE.pattern})(?: (?P<words>.+))?")
_PART_OF = re.compile(r"of (?:an? |the )?", re.I)
_ABOUT = re.compile(r"(?:~|≈|<|>|≤|≥|ca\.?|c\.|approx\.?|approximately|about|around|circa) ?(.*)", re.I)


@dataclass(frozen=True, slots=True)
class WrittenQuantity:
    """`number` as written, `unit` as written ("" without one), `note` what stands behind it: words in brackets, or the
    container."""

    number: str
    unit: str = ""
    times: int = 1
    note: str = ""


@lru_cache(maxsize=20_000)
def read_quantity(text: str) -> WrittenQuantity | None:
    """None when the text is not a number with what may stand around it. Fractions: `read_fraction`."""
    text = folded(text)
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return _in_containers(text)
    if match["times"] and match["behind"]:
        return None
    unit, container = _without_container((match["unit"] or "").strip())
    times = int(match["times"] or match["behind"] or 1)
    return WrittenQuantity(match["number"].strip(), unit, times, match["note"] or container)


def _in_containers(text: str) -> WrittenQuantity | None:
    """`2 bottles of 500 mL`."""
    match = _CONTAINERS.fullmatch(text)
    each = read_quantity(match["each"]) if match and _counts(match["containers"]) else None
    if match is None or each is None or not each.unit or each.times > 1:
        return None
    return replace(each, times=int(match["times"]))


def _without_container(unit: str) -> tuple[str, str]:
    """`mL bottle` is a unit and what it is in."""
    front, _, last = unit.rpartition(" ")
    return (front, last) if front and unit_of(unit) is None and unit_of(front) and _counts(last) else (unit, "")


def _counts(word: str) -> bool:
    known = unit_of(word)
    return known is not None and dimension_of(known) == "count"


def folded(text: str) -> str:
    """m³ is m3, µ is one letter, and all blanks are one."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def read_fraction(text: str) -> tuple[Decimal, str] | None:
    """`1 1/2 gal` as 1.5 and its unit as written; None when it is no fraction with an exact decimal."""
    match = _FRACTION.fullmatch(unicodedata.normalize("NFKC", folded(text)).replace("\u2044", "/"))
    if match is None or int(match["below"]) == 0:
        return None
    exact = _exactly(int(match["above"]), int(match["below"]))
    return None if exact is None else (exact + int(match["whole"] or 0), (match["unit"] or "").strip())


def _exactly(above: int, below: int) -> Decimal | None:
    value = (Decimal(above) / below).quantize(Decimal("0.000001"))
    return value if value * below == above else None


@dataclass(frozen=True, slots=True)
class _Read:
    """A quantity cell by itself. `unit` as written in it, None where it has none."""

    cell: Cell
    unit: str | None = None


@dataclass(frozen=True)
class Amounts:
    """Reads one quantity column and the unit beside it.

    `unit` is that of bare numbers where neither cell nor unit column tells one, `allowed` are the contract's units.
    `fills` is the contract's unit column where the file has none, so that the quantities themselves tell it; `needed`
    when each must. `own`: a quantity with another unit than that of bare numbers is one in its own, if both are of one
    dimension; earlier decisions took it for a contradiction.
    """

    mark: Mark
    unit: str | None
    allowed: tuple[str, ...]
    optional: bool
    fills: str | None = None
    needed: bool = False
    own: bool = False

    def read(self, cell: Cell, beside: Cell) -> tuple[Cell, Cell]:
        """The quantity and its unit as the contract takes them. A cell that says nothing is left alone."""
        if cell is None or (type(cell) is str and not cell.strip()):
            return cell, beside
        if self.unit is None and type(beside) is str and is_taken(beside, self.allowed) and self._is_plain(cell):
            return cell, beside
        raw = text_of(beside) if isinstance(beside, str) and beside.strip() else None
        told = _part(raw) if raw is not None else self.unit if is_blank(beside) else None
        read = self._alone(cell, raw)
        if isinstance(read.cell, Unclear):
            return replace(read.cell, covers=self.fills), self._canonical(beside, told)
        if read.cell is None:
            return None, beside
        own = None if read.unit is None else _part(read.unit)
        if own is not None and told is not None and not _same(own, told):
            if raw is not None or not self.own or _dimension(own) != _dimension(told):
                return replace(_contradiction(cell, own, told), covers=self.fills), beside
            read, told = _in_its_own(read, cell, own, told), None
        if own is None and raw is not None and self.unit is not None and _differ(self.unit, _part(raw)):
            return _contradicts_heading(cell, self.unit, raw), beside
        unit = own if told is None else told
        if unit is not None:
            return self._in_unit(read.cell, cell, unit, beside)
        return (self._without_unit(cell) if self.fills and self.needed else read.cell), beside

    @staticmethod
    def _canonical(beside: Cell, told: str | None) -> Cell:
        known = unit_of(told) if told else None
        return beside if known is None or is_blank(beside) else known

    def _without_unit(self, cell: Cell) -> Cell:
        if isinstance(cell, str) and not read_quantity(cell):
            return cell
        reason = "The other quantities of this column have their unit behind them, and this one has none."
        return Unclear(_plain(cell), "missing_unit", reason, "Write the unit behind the number", self.fills)

    def _unknown(self, sent: Cell, unit: str) -> Unclear:
        reason = f'The unit "{unit}" is none of: {", ".join(self.allowed)}.'
        question = "Convert to one of these, and correct the quantity too"
        return Unclear(_plain(sent), "unknown_unit", reason, question, self.fills)

    def read_beside(self, cell: Cell, unit: Cell) -> tuple[Cell, Cell]:
        """A further quantity of the row, which must be in the unit of the first one."""
        if cell is None or (self.unit is None and self._is_plain(cell)) or (type(cell) is str and not cell.strip()):
            return cell, unit
        plain = unit.value if isinstance(unit, Restored) else unit
        read = self._alone(cell, None)
        own = read.unit or self.unit
        if own is not None and not (isinstance(plain, str) and _same(own, plain)):
            return _contradiction(cell, own, text_of(plain) if isinstance(plain, str) else None), unit
        return read.cell, unit

    def _is_plain(self, cell: Cell) -> bool:
        if type(cell) is str:
            return self.mark == "." and PLAIN_NUMBER.fullmatch(cell) is not None
        return type(cell) is float or type(cell) is int

    def _in_unit(self, value: Cell, sent: Cell, unit: str, beside: Cell) -> tuple[Cell, Cell]:
        """`unit` as written. What no list has, and Pint knows, is converted into a unit that the contract takes."""
        known = unit_of(unit)
        if known in self.allowed:
            return value, beside if isinstance(beside, str) and unit_of(beside) == known else known
        if several := several_meanings(unit):
            reason = f'"{unit}" may mean {several}.'
            question = "Write the quantity in kg, lb, L or gal"
            return Unclear(_plain(sent), "unknown_unit", reason, question, self.fills), beside
        factor = conversion(unit, self.allowed)
        plain = value.value if isinstance(value, Restored) else value
        number = None if factor is None or isinstance(plain, bool) else read_number(text_of(plain))
        if factor is None or number is None or number.point is None:
            return (self._unknown(sent, unit) if self.fills else value), unit if is_blank(beside) else beside
        worth = without_trailing_zeros(Decimal(number.point) * factor[0])
        reason = f"1 {unit} is {without_trailing_zeros(factor[0])} {factor[1]}, so it was taken as {worth} {factor[1]}."
        told = text_of(sent) if is_blank(beside) else f"{text_of(sent)} {text_of(beside)}"
        return Restored(worth, told, "unit_converted", reason), factor[1]

    # -- the cell by itself

    def _alone(self, cell: Cell, beside: str | None) -> _Read:
        if isinstance(cell, datetime.date):
            return _from_date(cell, cell.month, cell.day, "", beside)
        if not isinstance(cell, str):
            return _Read(cell)
        text = folded(cell)
        if self.mark == "." and PLAIN_NUMBER.fullmatch(text):
            return _Read(cell)
        if NOTHING.fullmatch(text):
            return _Read(None if self.optional else _says_nothing(cell))
        written = read_quantity(text)
        if written is not None:
            return self._written(cell, written)
        if fraction := read_fraction(text):
            value, unit = fraction
            plain = without_trailing_zeros(value)
            reason = f"{text} was taken as {plain}{f' {unit}' if unit else ''}."
            return _Read(Restored(plain, cell, "fraction_written_out", reason), unit or None)
        if damaged := _DATE_AND_WORDS.fullmatch(text):
            return _damaged(cell, damaged, beside)
        return _Read(_refused(cell, text))

    def _written(self, cell: str, written: WrittenQuantity) -> _Read:
        number = read_number(written.number)
        plain = number.under(self.mark) if number else None
        if plain is None:
            return _Read(_other_mark(cell, self.mark) if number else cell)
        unit = written.unit or None
        if unit is not None and (unit.casefold() == "e" or "%" in unit):
            return _Read(cell)
        in_unit = f" {unit}" if unit else ""
        if written.times > 1:
            worth = without_trailing_zeros(Decimal(plain) * written.times)
            reason = f"{written.times} × {plain}{in_unit} reads as {worth}{in_unit} in all."
            return _Read(Restored(worth, cell, "multiplied_out", reason), unit)
        if written.note:
            reason = (
                f"It reads as {plain}{in_unit} in all; {written.note} is kept beside it. "
                "If each container holds that much, write how much it is in all."
            )
            return _Read(Restored(plain, cell, "note_set_aside", reason), unit)
        return _Read(plain, unit)


# -- fractions that Excel took for dates


def _damaged(cell: str, damaged: re.Match[str], beside: str | None) -> _Read:
    date = EXCEL_DATE.fullmatch(damaged["date"])
    if date is None or not date[1]:
        return _Read(cell)
    return _from_date(cell, MONTHS.index(date[2]) + 1, int(date[1]), damaged["words"] or "", beside)


def _from_date(cell: Cell, month: int, day: int, words: str, beside: str | None) -> _Read:
    """Excel takes 1/8 for the 8th of January. That it was a fraction is certain when "of a gallon" follows."""
    exact = _exactly(month, day) if month < day else None
    plain = None if exact is None else without_trailing_zeros(exact)
    if plain is not None and _PART_OF.match(words or beside or ""):
        sent = cell.isoformat() if isinstance(cell, datetime.date) else text_of(cell)
        reason = f'Excel has made a date of {month}/{day}: "{words or beside}" behind it shows that a part was meant.'
        return _Read(Restored(plain, sent, "fraction_made_a_date", reason), words or None)
    meant = f"Was it {month}/{day}{f' ({plain})' if plain else ''}, or {month} to {day}, or a date?"
    reason = "Excel has turned this quantity into a date."
    question = f"{meant} Format the column as Text and type it again"
    return _Read(Unclear(_plain(cell), "damaged_by_excel", reason, question))


@lru_cache(maxsize=2_000)
def is_taken(beside: str, allowed: tuple[str, ...]) -> bool:
    """Whether the contract reads the unit's cell by itself."""
    return unit_of(beside) in allowed


def _part(unit: str) -> str:
    return _PART_OF.sub("", unit, count=1) if unit[:3].casefold() == "of " else unit


def _same(one: str, other: str) -> bool:
    first, second = unit_of(one) or form_of(one), unit_of(other) or form_of(other)
    return first == second


def _differ(one: str, other: str) -> bool:
    """A piece and a bottle do not: what is counted may be told in two ways."""
    dimensions = [_dimension(one), _dimension(other)]
    return not _same(one, other) and dimensions != ["count", "count"]


def _dimension(unit: str) -> str | None:
    known = unit_of(unit)
    return None if known is None else dimension_of(known)


def _in_its_own(read: _Read, cell: Cell, own: str, told: str) -> _Read:
    """`told` is that of numbers without a unit, and this one has its own."""
    if isinstance(read.cell, Restored):
        return read
    reason = f'Numbers of this column without a unit are in {told}, and this one says "{own}", so it was taken as that.'
    return replace(read, cell=Restored(_plain(read.cell), text_of(cell), "unit_of_its_own", reason))


def _contradicts_heading(cell: Cell, heading: str, told: str) -> Unclear:
    reason = f'The column\'s heading says "{heading}", and the unit of this row is told as "{told}".'
    return Unclear(_plain(cell), "units_contradict", reason, "Correct the one that is wrong")


def _contradiction(cell: Cell, own: str, told: str | None) -> Unclear:
    first, second = unit_of(own), unit_of(told or "")
    reason = f'The cell is in "{own}", and its unit is told as "{told}".'
    if told is None:
        reason = f'The cell is in "{own}", and the row\'s own quantity has no unit.'
    if first and second and dimension_of(first) != dimension_of(second):
        reason += f" One is a {dimension_of(first)}, the other a {dimension_of(second)}."
    return Unclear(_plain(cell), "units_contradict", reason, "Correct the one that is wrong")


_WRITE = "Write it into the cell"


def _says_nothing(cell: Cell) -> Unclear:
    return Unclear(_plain(cell), MISSING_VALUE, "The cell says nothing, and this column must be filled.", _WRITE)


def _other_mark(cell: str, mark: Mark) -> Unclear:
    return Unclear(
        cell,
        "decimal_mark_differs",
        f"The other numbers of this column have a decimal {MARK_NAMES[mark]}, and this one can't be read so.",
        "Write it like the others",
    )


def _refused(cell: str, text: str) -> Cell:
    """A reason in the sender's words where the contract knows only that it is no number."""
    if "%" in text:
        reason = "A percentage tells a concentration, not how much there is."
        return Unclear(cell, "bad_quantity", reason, "Write how much there is, and the concentration in the name")
    if about := _ABOUT.fullmatch(text):
        told = read_quantity(about[1])
        near = f"Write {text_of(about[1])} if that is near enough" if told else "Write a number"
        return Unclear(cell, "bad_quantity", "The cell tells the amount only roughly.", near)
    if unit_of(text) or several_meanings(text):
        return Unclear(cell, "bad_quantity", "The cell holds a unit and no number.", "Write how much, such as 2.5")
    if form_of(text) in {"half", "quarter", "full", "empty", "some", "lots", "a few", "few", "partial", "part"}:
        reason = f'"{text}" does not say how much there is.'
        fix = "Write the amount that is there, as a number and a unit"
        fix = "If nothing is left, write 0" if form_of(text) == "empty" else fix
        return Unclear(cell, "bad_quantity", reason, fix)
    return cell


def _plain(cell: Cell) -> str | datetime.date | int | float | None:
    return cell if isinstance(cell, str | int | float | datetime.date) else None
