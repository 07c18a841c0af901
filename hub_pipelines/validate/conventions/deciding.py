"""What a table's columns tell about how they are written.

Belongs here: conclusions from their tallies, questions about what stays open. Not here: what is counted (tallying.py),
how one text is read (dates, numbers, amounts, identifiers), reading by the conclusions (applying.py).
"""

import datetime
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

from hub_pipelines.validate.columns import ColumnMap, places_of
from hub_pipelines.validate.conventions.dates import (
    ORDERS,
    TWO_DIGIT_YEARS,
    DateTally,
    Place,
    read_day,
    serial_moment,
)
from hub_pipelines.validate.conventions.model import (
    MARK_NAMES,
    ORDER_NAMES,
    Begins,
    Conventions,
    DateConvention,
    Mark,
    NumberConvention,
    Order,
)
from hub_pipelines.validate.conventions.numbers import (
    MARKS,
    NumberTally,
    currency_of,
    read_number,
    without_noise,
)
from hub_pipelines.validate.conventions.placeholders import Looking
from hub_pipelines.validate.conventions.tallying import Tallies
from hub_pipelines.validate.conventions.units import unit_of
from hub_pipelines.validate.feeds.types import is_blank, text_of
from hub_pipelines.validate.model import Choice, OpenQuestion, RecordType, Table, Undecided, row_place

_CLEAR_MAJORITY = 9
"""So many times as many values must tell one thing as tell the other."""
_ENOUGH = 3
"""So many values that tell one thing make a single one that tells the other a slip."""
_FEW = 5
"""With so many times as many dates that need no order, a question about the rest would hold up them all."""
_YEAR_DAYS = 366
_BEGINS: dict[str, Begins] = {"1900": 1900, "1904": 1904}
_EXAMPLES = 3
_ROWS_FOR_EXAMPLES = 100
_LONGEST_EXAMPLE = 40
_NEUTRAL = 0.5
"""The confidence of a choice that makes no difference to the column, and so tells nothing about others."""


def decide(
    table: Table,
    columns: ColumnMap,
    *,
    answers: Mapping[str, str],
    units: Mapping[str, str],
    time_zone: str | None = None,
    headings: Mapping[str, str] | None = None,
) -> Conventions:
    """How the table's columns are written; memory does not grow with the table.

    `answers` holds earlier answers by the question's key, `units` the unit that a heading tells for a column ("Quantity
    (mL)"), `time_zone` (IANA) is the campus's, where the day of a moment with a zone is taken,
    `headings` the sender's own heading of a column, where the table's is another. Raises Undecided with a question for
    each column whose values leave it open.
    """
    tallies = Tallies(columns)
    looking = Looking(table, columns)
    tallies.fill(looking)
    found = _Deciding(table, columns, tallies, answers, units, time_zone, headings or {}).conventions()
    return replace(found, placeholders=looking.placeholders())


class _Deciding:
    def __init__(
        self,
        table: Table,
        columns: ColumnMap,
        tallies: Tallies,
        answers: Mapping[str, str],
        units: Mapping[str, str],
        time_zone: str | None,
        headings: Mapping[str, str],
    ) -> None:
        self._header = table.header
        self._headings = headings
        self._facts = table.facts
        self._parts = table.parts
        self._rows = table.rows
        self._columns = columns
        self._tallies = tallies
        self._answers = answers
        self._told_units = units
        self._time_zone = time_zone
        self._questions: list[OpenQuestion] = []

    def conventions(self) -> Conventions:
        dates = self._dates()
        numbers = self._numbers()
        units, added = self._units()
        if self._questions:
            raise Undecided(self._questions)
        codes = {column: one.convention() for column, one in self._tallies.identifiers.items()}
        cas = {column: one.convention() for column, one in self._tallies.cas.items()}
        return Conventions(
            dates=dates,
            numbers=numbers,
            identifiers={column: one for column, one in codes.items() if one is not None},
            cas={column: one for column, one in cas.items() if one is not None},
            units=units,
            own_units=tuple(name for name, one in self._tallies.quantities.items() if name in units and one.with_unit),
            added=added,
            time_zone=self._time_zone,
        )

    # -- questions

    def _row(self, row_no: int) -> str:
        return row_place(row_no, self._parts)

    def _shown(self, place: Place) -> str:
        return f"{place[0]} in row {self._row(place[1])}"

    def _answer(self, kind: str, column: str) -> str | None:
        return self._answers.get(f"{kind}:{column}")

    def _ask(self, kind: str, column: str, text: str, choices: tuple[tuple[str, str], ...], *evidence: str) -> None:
        position = self._columns.positions[column]
        place = places_of(position, self._parts)
        heading = " ".join(self._headings.get(column, self._header[position]).split())
        named = f', "{heading}"' if heading else ""
        self._questions.append(
            OpenQuestion(
                kind=kind,
                column=column,
                heading=heading or f"Column {place}",
                position=position,
                text=f"Column {place}{named}{self._examples(position)}: {text}",
                choices=tuple(Choice(value, label) for value, label in choices),
                evidence=evidence,
            )
        )

    def _examples(self, position: int) -> str:
        """Some of the column's different values, for a person to know it by."""
        first = (cells[position] for _, cells in islice(self._rows, _ROWS_FOR_EXAMPLES) if position < len(cells))
        different = dict.fromkeys(text_of(cell)[:_LONGEST_EXAMPLE] for cell in first if not is_blank(cell))
        shown = list(different)[:_EXAMPLES]
        return f" (for example: {', '.join(shown)})" if shown else ""

    # -- dates

    def _dates(self) -> dict[str, DateConvention]:
        orders = {column: self._order(column, tally) for column, tally in self._tallies.dates.items()}
        found = {}
        for column, tally in self._tallies.dates.items():
            order = orders[column] or self._order_by_others(column, tally, orders)
            found[column] = self._date(column, tally, order)
        return {column: one for column, one in found.items() if one is not None}

    def _order(self, column: str, tally: DateTally) -> DateConvention | None:
        """None when the column itself does not tell."""
        answer = self._answer("date_order", column)
        if answer in ORDERS:
            return DateConvention(answer, evidence=("so it was answered",))
        if not tally.texts:
            return DateConvention()
        open_orders = tally.open_between()
        if len(open_orders) == 1:
            (order,) = open_orders
            told = tally.sample_against("DMY" if order == "MDY" else "MDY")
            if told is None:
                return DateConvention(order, confidence=_NEUTRAL, evidence=("in any order they are the same days",))
            return DateConvention(order, evidence=(f"{self._shown(told)} can be nothing else",))
        if found := None if open_orders else self._majority(tally):
            return found
        if tally.texts * _FEW <= tally.fixed + tally.cells:
            why = "that could be read in several ways" if open_orders else "that contradict each other"
            reason = f"{tally.texts} {why} are refused; the others need no order"
            return DateConvention(evidence=(reason,))
        return None

    @staticmethod
    def _majority(tally: DateTally) -> DateConvention | None:
        """The order of nearly all values; the rest is refused row by row."""
        best = max(ORDERS, key=lambda order: (tally.deciding(order), tally.fitting(order)))
        misfits = tally.texts - tally.fitting(best)
        deciding = tally.deciding(best)
        if not _is_clear(deciding, misfits, tally.fitting(best)):
            return None
        confidence = deciding / (deciding + misfits)
        return DateConvention(best, confidence=confidence, evidence=(_told_against(deciding, misfits),))

    def _order_by_others(
        self, column: str, tally: DateTally, orders: Mapping[str, DateConvention | None]
    ) -> DateConvention | None:
        """What the file's other columns tell, where they tell the same and it fits this one, or all of it that can be
        read in one way only; else a question."""
        told = {one.order: other for other, one in orders.items() if one and one.order and one.confidence == 1.0}
        possible = tally.open_between()
        if len(told) == 1:
            ((order, other),) = told.items()
            as_other = f"so are those of the column {other}"
            if order in possible:
                return DateConvention(order, confidence=0.9, evidence=(as_other,))
            if [each for each in ORDERS if tally.deciding(each)] == [order]:
                refused = _told_against(tally.deciding(order), tally.texts - tally.fitting(order))
                return DateConvention(order, confidence=0.9, evidence=(as_other, refused))
        self._ask_order(column, tally, possible)
        return None

    def _ask_order(self, column: str, tally: DateTally, possible: list[Order]) -> None:
        if possible:
            text, row_no = next(tally.differing[pair] for pair in tally.differing if pair <= set(possible))
            readings = " or ".join(_read_as(text, order) for order in possible)
            self._ask(
                "date_order",
                column,
                f"is {text} {readings}? No value of the column tells.",
                tuple((order, f"{ORDER_NAMES[order]}: {text} is {_read_as(text, order)}") for order in possible),
                f"row {self._row(row_no)}: {text}",
            )
            return
        shown = [place for place in (tally.sample_against(order) for order in ("MDY", "DMY")) if place]
        self._ask(
            "date_order",
            column,
            f"the dates contradict each other ({' and '.join(self._shown(place) for place in shown)}). "
            "In which order are they written? Rows that do not fit your answer will not be taken.",
            tuple((order, ORDER_NAMES[order]) for order in tally.orders_of(shown)),
            *(f"row {self._row(row_no)}: {text}" for text, row_no in shown),
        )

    def _date(self, column: str, tally: DateTally, order: DateConvention | None) -> DateConvention | None:
        """The order with what else is to be known; None when the column needs nothing, or a question is open."""
        exchanged = self._exchanged(column, tally)
        serials, told = self._serials(column, tally)
        if order is None:
            return None
        evidence = [*order.evidence, *told]
        evidence += [TWO_DIGIT_YEARS] if tally.short_years else []
        evidence += ["Excel took their days for months, as was answered"] if exchanged else []
        doubtful = tally.doubtful(order.order) if order.order else {}
        evidence += [self._told_doubtful(place, seeming) for seeming, place in doubtful.values()]
        if order.order is None and not tally.fixed and serials is None:
            return None
        orders = {mark: seeming for mark, (seeming, _) in doubtful.items()}
        return DateConvention(order.order, serials, exchanged, order.confidence, tuple(evidence), orders)

    def _told_doubtful(self, place: Place, seeming: Order) -> str:
        like = f"those that are written like {self._shown(place)}"
        return f"{like} and may be {ORDER_NAMES[seeming]} too are refused"

    def _exchanged(self, column: str, tally: DateTally) -> bool:
        answer = self._answer("date_cells", column)
        if answer in ("exchanged", "right"):
            return answer == "exchanged"
        order = tally.looks_exchanged()
        if order is None or tally.cell_sample is None:
            return False
        day, row_no = tally.cell_sample
        other = day.replace(month=day.day, day=day.month)
        self._ask(
            "date_cells",
            column,
            f"Excel seems to have taken days for months. In row {self._row(row_no)} it has the day "
            f"{_spoken(day)}. Is that right, or was it {_spoken(other)}?",
            (("exchanged", f"It was {_spoken(other)}; all such cells of the column are wrong"),
             ("right", f"{_spoken(day)} is right")),
            f"the {tally.cells} date cells have no day above 12, the {tally.texts} dates that are text have no other",
        )  # fmt: skip
        return False

    def _serials(self, column: str, tally: DateTally) -> tuple[Begins | None, tuple[str, ...]]:
        """The year with which the column's day numbers begin, and why."""
        if tally.serial_range is None or tally.serial_sample is None:
            return None, ()
        answer = self._answer("date_system", column)
        if answer in _BEGINS:
            return _BEGINS[answer], ("as was answered, numbers are Excel's days",)
        if answer == "no":
            return None, ()
        near = [begins for begins in _BEGINS.values() if self._near(tally, begins)]
        if len(near) == 1:
            return near[0], (f"numbers such as {self._shown(tally.serial_sample)} are then days near the others",)
        told = self._facts.get("date_system", "")
        if told in _BEGINS and tally.first_day is not None:
            return _BEGINS[told], (f"the workbook counts days from {told}",)
        text, row_no = tally.serial_sample
        days = {begins: _spoken(serial_moment(tally.serial_range[0], begins).date()) for begins in _BEGINS.values()}
        low = f"{tally.serial_range[0]:g}"
        self._ask(
            "date_system",
            column,
            f"it holds numbers where days should be. Are they Excel's day numbers? Then {low} is {days[1900]} "
            f"(Excel on Windows) or {days[1904]} (an old Excel on the Mac).",
            (("1900", f"{low} is {days[1900]}"), ("1904", f"{low} is {days[1904]}"), ("no", "They are not dates")),
            f"row {self._row(row_no)}: {text}",
        )
        return None, ()

    @staticmethod
    def _near(tally: DateTally, begins: int) -> bool:
        """Whether the numbers, as days, lie where the column's other days do, or within a year of them."""
        if tally.first_day is None or tally.last_day is None or tally.serial_range is None:
            return False
        low, high = (serial_moment(serial, begins).date() for serial in tally.serial_range)
        return (tally.first_day - low).days <= _YEAR_DAYS and (high - tally.last_day).days <= _YEAR_DAYS

    # -- numbers

    def _numbers(self) -> dict[str, NumberConvention]:
        quantities = {column: one.numbers for column, one in self._tallies.quantities.items()}
        amounts = {column: one.numbers for column, one in self._tallies.amounts.items()}
        tallies = {**quantities, **amounts}
        own = {column: self._mark(column, one) for column, one in tallies.items() if one.texts}
        marks = {
            column: one or self._mark_by_others(column, tallies[column], own, money=column in amounts)
            for column, one in own.items()
            if one is None or one.confidence > _NEUTRAL
        }
        return {column: _with_noise(one, tallies[column].noisy) for column, one in marks.items()}

    def _mark(self, column: str, tally: NumberTally) -> NumberConvention | None:
        """None when the column itself does not tell."""
        answer = self._answer("decimal_mark", column)
        for mark in MARKS:
            if answer in (mark, MARK_NAMES[mark]):
                return NumberConvention(mark, evidence=("so it was answered",))
        fitting = [mark for mark in MARKS if tally.fits[mark] == tally.texts]
        if len(fitting) == 1:
            return NumberConvention(
                fitting[0], evidence=(f"{self._shown(tally.samples[fitting[0]])} can be nothing else",)
            )
        if len(fitting) == 2:
            return None if tally.open else NumberConvention(".", confidence=_NEUTRAL)
        best = max(MARKS, key=lambda mark: tally.fits[mark])
        misfits = tally.texts - tally.fits[best]
        deciding = tally.deciding[best]
        if not _is_clear(deciding, misfits, tally.fits[best]):
            return None
        return NumberConvention(best, deciding / (deciding + misfits), (_told_against(deciding, misfits),))

    def _mark_by_others(
        self, column: str, tally: NumberTally, own: Mapping[str, NumberConvention | None], *, money: bool
    ) -> NumberConvention:
        """What the file's other numbers tell, then what is known of such columns; else a question."""
        contradicts = bool(tally.deciding["."] and tally.deciding[","])
        decided = {one.mark: other for other, one in own.items() if one and one.confidence == 1.0}
        if not contradicts and len(decided) == 1:
            ((mark, other),) = decided.items()
            return NumberConvention(mark, 0.9, (f"so do the numbers of the column {other}",))
        if not contradicts and not decided and (found := self._usual_mark(tally, money)):
            return found
        self._ask_mark(column, tally, contradicts)
        return NumberConvention(".")

    def _usual_mark(self, tally: NumberTally, money: bool) -> NumberConvention | None:
        if set(tally.open) == {","} and money:
            reason = (
                f"amounts have two decimals at most, so the comma of {self._shown(tally.open[','])} parts thousands"
            )
            return NumberConvention(".", 0.95, (reason,))
        if set(tally.open) == {"."} and self._facts.get("delimiter") != "semicolon":
            return self._point_by_its_look(tally)
        return None

    def _point_by_its_look(self, tally: NumberTally) -> NumberConvention | None:
        """A lone 1.500 may be written by one who parts thousands with points; a lone 1.234, hardly."""
        for sign, why in (
            (tally.not_round, "is no round number, as thousands would be"),
            (tally.plain_thousands, "has nothing between its thousands"),
        ):
            if sign is not None:
                reason = f"no number of the file has a decimal comma, and {self._shown(sign)} {why}"
                return NumberConvention(".", 0.9, (reason,))
        return None

    def _ask_mark(self, column: str, tally: NumberTally, contradicts: bool) -> None:
        if contradicts:
            shown = " and ".join(map(self._shown, tally.samples.values()))
            self._ask(
                "decimal_mark",
                column,
                f"numbers are written with a point and with a comma ({shown}). "
                "Which one is the decimal mark? Rows that do not fit your answer will not be taken.",
                tuple((MARK_NAMES[mark], f"the {MARK_NAMES[mark]}") for mark in MARKS),
                *(f"row {self._row(row_no)}: {written}" for written, row_no in tally.samples.values()),
            )
            return
        (written, row_no), *_ = tally.open.values()
        readings = {mark: _read_number(written, mark) for mark in MARKS}
        self._ask(
            "decimal_mark",
            column,
            f"is {written} the number {readings['.']} or {readings[',']}? No value of the column tells.",
            tuple((MARK_NAMES[mark], f"{written} is {readings[mark]}") for mark in MARKS),
            f"row {self._row(row_no)}: {written}",
        )

    # -- units

    def _units(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """The unit of each quantity column's bare numbers and the currency of each amount column's, as far as headings
        tell them, and the columns that the file's own cells fill."""
        record = self._columns.record
        units = {
            column: unit_of(unit) or unit.strip()
            for column, unit in self._told_units.items()
            if column in self._tallies.quantities
        }
        for column, told in self._told_units.items():
            currency = currency_of(told) if column in self._tallies.amounts else None
            units |= {column: currency} if currency else {}
        added: list[str] = []
        unit_column = column_of_kind(record, "unit")
        owner = column_of_kind(record, "quantity")
        if unit_column and owner in self._tallies.quantities and unit_column not in self._columns.positions:
            if owner not in units and (unit := self._unit_of_bare(record, unit_column, owner)):
                units[owner] = unit
            if owner in units or self._tallies.quantities[owner].with_unit:
                added.append(unit_column)
        currency = column_of_kind(record, "currency")
        if currency and currency not in self._columns.positions:
            told_otherwise = any(units.get(column, "USD") != "USD" for column in self._tallies.amounts)
            in_cells = any(one.currencies for one in self._tallies.amounts.values())
            added += [currency] if in_cells or told_otherwise else []
        return units, tuple(added)

    def _unit_of_bare(self, record: RecordType, unit_column: str, owner: str) -> str | None:
        """Asked only when units are needed, most numbers have none, and no other column is missing."""
        tally = self._tallies.quantities[owner]
        answer = self._answer("unit", owner)
        if answer is not None:
            return unit_of(answer) or answer
        lacking = [name for name in record.required if name not in self._columns.positions and name != unit_column]
        needed = unit_is_needed(record, unit_column)
        if tally.bare_sample is None or not needed or lacking or tally.bare < tally.with_unit:
            return None
        text, row_no = tally.bare_sample
        allowed = record.shapes[unit_column].choices or ()
        self._ask(
            "unit",
            owner,
            f"in which unit are its numbers, such as {text} in row {self._row(row_no)}?",
            tuple((unit, unit) for unit in allowed),
            f"{tally.bare} of {tally.bare + tally.with_unit} quantities have no unit, and no column tells one",
        )
        return None


def column_of_kind(record: RecordType, kind: str) -> str | None:
    """The contract's first column of a kind: of quantities the one that its unit column belongs to."""
    return next((column for column, one in record.written.items() if one == kind), None)


def unit_is_needed(record: RecordType, unit_column: str) -> bool:
    """Whether a quantity without a unit is refused: the column is required, or checked beside the quantity."""
    told = record.row_model.model_fields[unit_column]
    return told.is_required() or bool(told.validate_default)


def _is_clear(deciding: int, misfits: int, fitting: int) -> bool:
    """Whether values that contradict the rest of a column are mistakes in their own rows: few against many, or a single
    one where most of the others can be nothing else. More would be two people's ways in one column."""
    slip = misfits == 1 and deciding >= _ENOUGH and 2 * deciding >= fitting
    return slip or deciding >= _CLEAR_MAJORITY * misfits


def _told_against(deciding: int, misfits: int) -> str:
    refused = "1 can't be that and is refused" if misfits == 1 else f"{misfits} can't be that and are refused"
    return f"{deciding} {'value' if deciding == 1 else 'values'} can be nothing else, {refused}"


def _with_noise(found: NumberConvention, noisy: str) -> NumberConvention:
    if not noisy or found.mark != ".":
        return found
    told = f"{noisy} is {without_noise(noisy)} as a program writes it"
    return replace(found, noisy=True, evidence=(*found.evidence, told))


def _read_as(text: str, order: Order) -> str:
    written = read_day(text)
    day = written.day(order) if written else None
    return _spoken(day) if day else "no day"


def _spoken(day: datetime.date) -> str:
    return f"{day.day} {day:%B %Y}"


def _read_number(text: str, mark: Mark) -> str:
    written = read_number(text)
    return (written.under(mark) if written else None) or "no number"
