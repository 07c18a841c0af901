"""A table read by its conventions: the same rows, each cell as the contract takes it.

Belongs here: which cells are read how, and columns that the file's own cells fill. Not here: what the conventions are
(deciding.py), reading one text (dates, numbers, amounts, identifiers).
"""

import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from hub_pipelines.validate.batches import Batch, batches_of
from hub_pipelines.validate.columns import ColumnMap
from hub_pipelines.validate.conventions.amounts import NOTHING, Amounts, is_taken
from hub_pipelines.validate.conventions.dates import (
    WrittenDay,
    last_day_of_month,
    offset_of,
    read_day,
    serial_moment,
    serial_of,
    written_day,
)
from hub_pipelines.validate.conventions.deciding import column_of_kind, unit_is_needed
from hub_pipelines.validate.conventions.identifiers import restore_cas, restore_identifier, take_out_address
from hub_pipelines.validate.conventions.misfits import no_day, other_order
from hub_pipelines.validate.conventions.model import (
    LONGEST,
    MARK_NAMES,
    Conventions,
    DateConvention,
    Mark,
    NumberConvention,
)
from hub_pipelines.validate.conventions.numbers import currency_beside, read_amount, read_number, without_noise
from hub_pipelines.validate.conventions.placeholders import without
from hub_pipelines.validate.feeds.money import CURRENCIES
from hub_pipelines.validate.feeds.quantities import PLAIN_NUMBER, if_digits, with_digits
from hub_pipelines.validate.feeds.types import is_blank, text_of
from hub_pipelines.validate.model import IF_UNKNOWN, Cell, RecordType, Restored, Row, Table, Unclear

_ISO_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d", re.A)
_CACHED = 10_000
"""Different cells of a column that are remembered: most columns repeat theirs."""

_Convert = Callable[[Cell], Cell]
_Pair = Callable[[Cell, Cell], tuple[Cell, Cell]]


def apply(table: Table, columns: ColumnMap, conventions: Conventions) -> Table:
    """The table with its cells read by these conventions; columns that they add stand behind its own, first those that
    keep what was sent instead of a value.

    Nothing is read before the rows are iterated, and each iteration begins anew. A cell that can't be read so is left
    as it is, for the contract to refuse, or is Unclear.
    """
    valued = without(table, columns, conventions.placeholders)
    header = [*valued.header, *conventions.added]
    return replace(valued, header=header, rows=ReadRows(valued, columns, conventions))


@dataclass(frozen=True, slots=True)
class Together:
    """Columns that are read together, such as a quantity and its unit; most are read alone.

    `read` takes a row's cells of these columns and gives them as the contract takes them. Where it `keeps` what is
    certain, texts that a type covers (model.Certain) come back as they are, and blank cells too, provided that the
    texts of each column in `given` are ones that it names.
    """

    positions: tuple[int, ...]
    read: Callable[[list[Cell]], list[Cell]]
    keeps: bool
    given: Mapping[int, Callable[[str], bool]]


@runtime_checkable
class InColumns(Protocol):
    """Rows that may be had as columns, unread, with what reads them; `read` does so with one row's cells."""

    def __iter__(self) -> Iterator[Row]: ...

    def unread(self) -> Iterator[Batch] | None: ...

    def together(self) -> list[Together]:
        """All columns, each once."""

    def read(self, sent: list[Cell]) -> list[Cell]: ...


class ReadRows:
    """A table's rows as they are read; as columns they are had unread, with what reads them (`together`)."""

    def __init__(self, table: Table, columns: ColumnMap, conventions: Conventions) -> None:
        self._table = table
        self._record = columns.record
        self._conventions = conventions
        self._width = len(table.header)
        self._added = len(conventions.added)
        self._positions = {
            **columns.positions,
            **{column: self._width + at for at, column in enumerate(conventions.added)},
        }
        self._cells = list(_single_cells(columns.record, self._positions, conventions))
        self._pairs = list(_pairs(columns.record, self._positions, conventions))

    def __iter__(self) -> Iterator[Row]:
        for row_no, cells in self._table.rows:
            yield row_no, self.read(cells)

    def unread(self) -> Iterator[Batch] | None:
        return batches_of(self._table.rows)

    def together(self) -> list[Together]:
        """All columns, each once, those that are added behind the file's own."""
        columns = {at: column for column, at in self._positions.items()}
        singles = dict(self._cells)
        pairs: dict[int, list[tuple[int, int | None, _Pair]]] = {}
        for at, beside, convert in self._pairs:
            pairs.setdefault(at if beside is None else beside, []).append((at, beside, convert))
        paired = {at for found in pairs.values() for at, _, _ in found} | set(pairs)
        made = [_together(found, self._record, columns, self._conventions) for found in pairs.values()]
        for at in sorted(set(range(self._width + self._added)) - paired):
            made.append(_alone(at, singles.get(at), columns.get(at), self._conventions))
        return made

    def read(self, sent: list[Cell]) -> list[Cell]:
        # a row that is too long stays too long: its surplus moves behind the added columns
        missing = max(0, self._width - len(sent))
        cells = [*sent[: self._width], *[None] * (missing + self._added), *sent[self._width :]]
        for at, convert in self._cells:
            cells[at] = convert(cells[at])
        for at, beside, convert_pair in self._pairs:
            cells[at], other = convert_pair(cells[at], cells[beside] if beside is not None else None)
            if beside is not None:
                cells[beside] = other
        return cells


def _alone(at: int, convert: _Convert | None, column: str | None, conventions: Conventions) -> Together:
    def read(cells: list[Cell]) -> list[Cell]:
        return cells if convert is None else [convert(cells[0])]

    return Together((at,), read, keeps=column not in conventions.identifiers, given={})


def _together(
    pairs: list[tuple[int, int | None, _Pair]], record: RecordType, columns: dict[int, str], conventions: Conventions
) -> Together:
    positions = tuple(dict.fromkeys(at for pair in pairs for at in pair[:2] if at is not None))
    place = {at: number for number, at in enumerate(positions)}

    def read(sent: list[Cell]) -> list[Cell]:
        cells = list(sent)
        for at, beside, convert in pairs:
            cells[place[at]], other = convert(cells[place[at]], None if beside is None else cells[place[beside]])
            if beside is not None:
                cells[place[beside]] = other
        return cells

    names = {columns[at] for at, _, _ in pairs}
    marks = {conventions.numbers[name].mark for name in names if name in conventions.numbers}
    unit = next((at for at in positions if record.written.get(columns[at]) == "unit"), None)
    allowed = record.shapes[columns[unit]].choices or () if unit is not None else ()
    given = {} if unit is None else {unit: lambda text: is_taken(text, allowed)}
    keeps = (
        marks <= {"."}
        and not names & conventions.units.keys()
        and not set(map(columns.get, positions)) & set(conventions.added)
    )
    return Together(positions, read, keeps, given)


def _single_cells(
    record: RecordType, positions: dict[str, int], conventions: Conventions
) -> Iterator[tuple[int, _Convert]]:
    for column, kind in record.written.items():
        convert = _convert(record, column, kind, conventions) if column in positions else None
        if convert is not None:
            yield positions[column], _remembering(convert)


def _remembering(convert: _Convert) -> _Convert:
    # typed: 1, 1.0 and TRUE are three cells
    remembered = lru_cache(_CACHED, typed=True)(convert)
    return lambda cell: cell if type(cell) is str and len(cell) > LONGEST else remembered(cell)


def _remembering_pairs(convert: _Pair) -> _Pair:
    remembered = lru_cache(_CACHED, typed=True)(convert)

    def read(cell: Cell, beside: Cell) -> tuple[Cell, Cell]:
        if any(type(one) is str and len(one) > LONGEST for one in (cell, beside)):
            return cell, beside
        return remembered(cell, beside)

    return read


def _convert(record: RecordType, column: str, kind: str, conventions: Conventions) -> _Convert | None:
    if kind in ("date", "expiry", "moment"):
        optional = not record.row_model.model_fields[column].is_required()
        return _Days(conventions.dates.get(column, DateConvention()), conventions.time_zone, kind, optional).read
    if kind == "identifier":
        code = conventions.identifiers.get(column)
        return lambda cell: restore_identifier(cell, code)
    if kind == "cas":
        cas = conventions.cas.get(column)
        return lambda cell: restore_cas(cell, cas)
    return take_out_address if kind == "email" else None


def _pairs(
    record: RecordType, positions: dict[str, int], conventions: Conventions
) -> Iterator[tuple[int, int | None, _Pair]]:
    unit_column, currency_column = column_of_kind(record, "unit"), column_of_kind(record, "currency")
    owner = column_of_kind(record, "quantity")
    for column, kind in record.written.items():
        if column not in positions:
            continue
        optional = not record.row_model.model_fields[column].is_required()
        number = conventions.numbers.get(column)
        mark: Mark = number.mark if number else "."
        if kind == "quantity" and unit_column:
            allowed = record.shapes[unit_column].choices or ()
            fills = unit_column if unit_column in conventions.added else None
            needed = unit_is_needed(record, unit_column)
            unit, own = conventions.units.get(column), column in conventions.own_units
            amounts = Amounts(mark, unit, allowed, optional, fills, needed, own)
            read = _quiet(amounts.read if column == owner else amounts.read_beside, number)
            yield positions[column], positions.get(unit_column), _remembering_pairs(read)
        elif kind == "amount":
            money = _Money(mark, currency_column is not None, optional, conventions.units.get(column))
            yield (
                positions[column],
                positions.get(currency_column or ""),
                _remembering_pairs(_quiet(money.read, number)),
            )


def _quiet(read: _Pair, number: NumberConvention | None) -> _Pair:
    if number is None or not number.noisy:
        return read
    return lambda cell, beside: read(without_noise(cell) if isinstance(cell, str) else cell, beside)


# -- days ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Days:
    convention: DateConvention
    time_zone: str | None
    kind: str
    optional: bool

    def read(self, cell: Cell) -> Cell:
        if cell is None or isinstance(cell, bool | Restored | Unclear):
            return cell
        if isinstance(cell, datetime.date):
            return self._exchanged(cell) if self.convention.exchanged and cell.day <= 12 else cell
        written = read_day(cell) if isinstance(cell, str) else written_day(cell)
        if written is not None:
            return self._written(cell, written)
        if self.convention.serials and (serial := serial_of(cell)) is not None:
            return self._serial(cell, serial, self.convention.serials)
        if self.kind == "expiry" and isinstance(cell, str) and (day := last_day_of_month(cell)) is not None:
            reason = "Only the month is told: it was read as its last day, until which such a thing may be used."
            return Restored(day.isoformat(), cell, "last_day_of_month", reason)
        if self.optional and isinstance(cell, str) and NOTHING.fullmatch(cell.strip()):
            return None
        return self._no_day(cell)

    def _written(self, cell: Cell, written: WrittenDay) -> Cell:
        day = written.readings[0] if written.fixed else written.day(self.convention.order)
        seeming = written.day(self.convention.doubtful.get(written.mark))
        if day is None or (seeming is not None and seeming != day):
            return self._misfit(cell, written)
        if self.kind == "moment":
            # what the contract reads by itself is left as it was sent, for its problems to show
            if isinstance(cell, str) and _ISO_MOMENT.match(cell):
                return cell
            return " ".join(filter(None, (day.isoformat(), written.clock, written.zone)))
        if written.is_midnight or not written.zone:
            return day.isoformat()
        return self._day_at_campus(cell, day, written)

    def _misfit(self, cell: Cell, written: WrittenDay) -> Cell:
        if self.convention.order is None or not any(written.readings):
            return self._no_day(cell)
        return other_order(text_of(cell), self.convention.order, written, self.convention.doubtful.get(written.mark))

    def _no_day(self, cell: Cell) -> Cell:
        """Where the column has no order of its own, the contract tells what it takes."""
        if self.convention.order is None or self.kind == "moment" or not isinstance(cell, str) or is_blank(cell):
            return cell
        found = no_day(cell, self.convention.order)
        if found is None or not self.optional:
            return found or cell
        return replace(found, suggestion=f"{found.suggestion}. {IF_UNKNOWN}")

    def _day_at_campus(self, cell: Cell, day: datetime.date, written: WrittenDay) -> Cell:
        """A moment's day is another one elsewhere; without the campus's zone the contract refuses it."""
        offset = offset_of(written.zone)
        clock = _clock(written.clock)
        if self.time_zone is None or offset is None or clock is None:
            return cell
        moment = datetime.datetime.combine(day, clock, offset)
        here = moment.astimezone(ZoneInfo(self.time_zone)).date()
        if here == day:
            return day.isoformat()
        reason = f"At that moment it was {here.isoformat()} in the campus's time zone ({self.time_zone})."
        return Restored(here.isoformat(), text_of(cell), "day_at_campus", reason)

    def _serial(self, cell: Cell, serial: float, begins: int) -> Cell:
        moment = serial_moment(serial, begins)
        value = moment.isoformat(sep=" ") if self.kind == "moment" else moment.date().isoformat()
        reason = f"It is Excel's number of this day, counted from {begins}."
        return Restored(value, text_of(cell), "excel_day_number", reason)

    def _exchanged(self, cell: datetime.date) -> Cell:
        value = cell.replace(month=cell.day, day=cell.month)
        reason = "Excel took day and month of this column's cells for each other, as was answered."
        day = str(value) if self.kind == "moment" else value.isoformat()[:10]
        return Restored(day, cell.isoformat(), "day_and_month_exchanged", reason)


def _clock(text: str) -> datetime.time | None:
    half = text[-4:].replace(".", "").strip().casefold()
    hour, minute = text.partition(":")[0], text.partition(":")[2][:2]
    try:
        if half.endswith(("am", "pm")):
            return datetime.time(int(hour) % 12 + (12 if half.endswith("pm") else 0), int(minute))
        return datetime.time(int(hour), int(minute))
    except ValueError:
        return None


# -- money -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Money:
    """Reads an amount and the currency beside it. `any_currency`: the contract has a column for the currency; where it
    has none, the amounts are in US dollars and no other is taken. `told`: the currency in the column's heading."""

    mark: Mark
    any_currency: bool
    optional: bool
    told: str | None = None

    def read(self, cell: Cell, beside: Cell) -> tuple[Cell, Cell]:
        if is_blank(cell):
            return cell, beside
        if not isinstance(cell, str) or (self.mark == "." and PLAIN_NUMBER.fullmatch(cell)):
            return self._as_told(cell, cell, beside)
        if NOTHING.fullmatch(cell.strip()):
            return (None if self.optional else cell), beside
        written = read_amount(cell)
        number = read_number(written.number) if written else None
        if written is None or number is None:
            return self._with_letters(cell, beside), beside
        plain = number.under(self.mark)
        if plain is None:
            return self._other_mark(cell, written.currency, beside), beside
        amount = f"-{plain}" if written.negative else plain
        if written.currency is None:
            return self._as_told(cell, amount, beside)
        return self._with_currency(cell, amount, written.currency, beside)

    def _with_letters(self, cell: str, beside: Cell) -> Cell:
        """An amount in which letters stand for digits; what else is to be corrected in it is told at once."""
        meant = with_digits(cell)
        if meant is None or read_amount(meant) is None:
            currency = currency_beside(cell)
            return cell if currency in (None, "USD") else self._foreign(cell, currency, beside)
        read, _ = self.read(meant, beside)
        suggestion = if_digits(meant, cell)
        if isinstance(read, Unclear):
            return replace(read, sent=cell, reason=f"The amount is {suggestion}. {read.reason}")
        return Unclear(cell, "letters_for_digits", "There are letters among the digits.", suggestion)

    def _as_told(self, cell: Cell, amount: Cell, beside: Cell) -> tuple[Cell, Cell]:
        """Of an amount without a currency the row's own is asked first, then the heading."""
        plain = isinstance(cell, str | int | float) and not isinstance(cell, bool)
        if self.told is None or not plain or (self.any_currency and not is_blank(beside)):
            return amount, beside
        return self._with_currency(text_of(cell), amount, self.told, beside)

    def _with_currency(self, cell: str, amount: Cell, currency: str, beside: Cell) -> tuple[Cell, Cell]:
        if self.any_currency:
            if is_blank(beside):
                return amount, currency
            if text_of(beside).upper() in (currency, "$" if currency == "USD" else currency):
                return amount, beside
            reason = f'The cell is in {currency}, and its currency is told as "{text_of(beside)}".'
            return Unclear(cell, "currencies_contradict", reason, "Correct the one that is wrong"), beside
        return amount if currency == "USD" else self._in_dollars(cell, currency), beside

    def _in_dollars(self, cell: str, currency: str) -> Unclear:
        reason = f"The amount is in {currency}, and this column is in US dollars. The hub converts no currencies."
        fix = f"Write the amount in US dollars with its currency, such as {self._example('USD')}"
        fix += f". {IF_UNKNOWN}" if self.optional else ""
        return Unclear(cell, "other_currency", reason, fix)

    def _other_mark(self, cell: str, currency: str | None, beside: Cell) -> Unclear:
        """Who is told of the mark alone would make dollars of euros."""
        if not self.any_currency and (currency or self.told or "USD") != "USD":
            return self._in_dollars(cell, currency or self.told or "")
        others = f"The other numbers of this column have a decimal {MARK_NAMES[self.mark]}"
        fix = "Write it like the others"
        if currency not in (None, "USD") and is_blank(beside):
            fix += f" and keep its currency's code, such as {self._example(currency)}"
        return Unclear(cell, "decimal_mark_differs", f"{others}, and this one can't be read so.", fix)

    def _foreign(self, cell: str, currency: str, beside: Cell) -> Cell:
        """Of a text that can't be read and names another currency than dollars."""
        if not self.any_currency:
            return self._in_dollars(cell, currency)
        if not is_blank(beside):
            return cell
        reason = f"It is no plain amount, and it is in {currency}."
        return Unclear(cell, "bad_amount", reason, f"Write number and code, such as {self._example(currency)}")

    def _example(self, currency: str | None) -> str:
        return f"{currency if currency in CURRENCIES else 'EUR'} 12{self.mark}50"
