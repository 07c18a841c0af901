"""What is written in any one convention is read back as it was meant, or asked about: never as something else."""

import calendar
import datetime
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from hub_pipelines.validate.conventions.dates import ORDERS
from hub_pipelines.validate.conventions.model import Order
from hub_pipelines.validate.model import Cell, Table, Undecided
from hub_pipelines.validate.service import validate

from ..builders import GOOD_ROWS, RECORD_TYPES, AllTags, feed_of
from .columns import read, values

DAYS = st.dates(datetime.date(1970, 1, 1), datetime.date(2069, 12, 31))


@dataclass(frozen=True)
class Writer:
    """A convention: the order of day, month and year, and how they are set."""

    order: Order
    separator: str = "/"
    padded: bool = False
    short: bool = False
    behind: str = ""

    def write(self, day: datetime.date) -> str:
        number = "{:02}" if self.padded or (self.short and self.order == "YMD") else "{}"
        parts = {"D": number.format(day.day), "M": number.format(day.month)}
        parts["Y"] = f"{day.year % 100:02}" if self.short else str(day.year)
        return self.separator.join(parts[part] for part in self.order) + self.behind

    def tells(self, days: list[datetime.date]) -> bool:
        """With a year of four digits, any day above 12 tells it from the month."""
        return not self.short and (self.order == "YMD" or any(day.day > 12 for day in days))


WRITERS = st.builds(
    Writer,
    order=st.sampled_from(ORDERS),
    separator=st.sampled_from(["/", "-", ".", " / "]),
    padded=st.booleans(),
    short=st.booleans(),
    behind=st.sampled_from(["", " 0:00:00", " 12:00:00 AM", " 14:30"]),
)


@given(WRITERS, st.lists(DAYS, min_size=1, max_size=40))
@example(Writer("DMY"), [datetime.date(2024, 1, 2)])
@example(Writer("MDY"), [datetime.date(2024, 1, 2), datetime.date(2024, 1, 13)])
def test_days_come_back_as_they_were_meant_or_are_asked_about(writer: Writer, days: list[datetime.date]) -> None:
    cells = {"acquired_on": [writer.write(day) for day in days]}
    asked, found = read_with_answer("inventory.asset", cells, writer.order)

    assert found["acquired_on"] == [day.isoformat() for day in days]
    assert not (asked and writer.tells(days))


def read_with_answer(
    record_type: str, cells: dict[str, list[str]], answer: str, facts: dict[str, str] | None = None
) -> tuple[bool, dict[str, list[Cell]]]:
    """Whether the one question was asked, and the cells as they are read with its answer."""
    try:
        return False, read(record_type, cells, facts=facts)[1]
    except Undecided as undecided:
        (asked,) = undecided.questions
    return True, read(record_type, cells, facts=facts, answers={asked.key: answer})[1]


MONTHS = [
    lambda day: f"{day.day} {calendar.month_name[day.month]} {day.year}",
    lambda day: f"{calendar.month_abbr[day.month]} {day.day}, {day.year}",
    lambda day: f"{day.day:02}-{calendar.month_abbr[day.month]}-{day.year % 100:02}",
    lambda day: f"{day.year}年{day.month}月{day.day}日",
    lambda day: f"{day:%Y%m%d}",
    lambda day: f"{day:%Y-%m-%d}T00:00:00+0000",
]


@given(st.lists(st.tuples(DAYS, st.sampled_from(MONTHS)), min_size=1))
def test_days_that_tell_their_order_come_back_in_any_mixture(
    cells: list[tuple[datetime.date, Callable[..., str]]],
) -> None:
    _, found = read("inventory.asset", {"acquired_on": [write(day) for day, write in cells]})

    assert found["acquired_on"] == [day.isoformat() for day, _ in cells]


@given(
    st.lists(st.decimals(0, 9_999_999, places=3), min_size=1, max_size=30),
    st.sampled_from([".", ","]),
    st.sampled_from(["", " ", "\u00a0", "'", "other"]),
    st.booleans(),
)
def test_numbers_come_back_as_they_were_meant_or_are_asked_about(
    numbers: list[Decimal], mark: str, between: str, trimmed: bool
) -> None:
    between = {".": ",", ",": "."}[mark] if between == "other" else between

    def write(number: Decimal) -> str:
        text = f"{number:,.3f}".replace(",", "_").replace(".", mark).replace("_", between)
        return text.rstrip("0").rstrip(mark) if trimmed else text

    cells = {"quantity_on_hand": [write(number) for number in numbers], "unit": ["g"] * len(numbers)}
    # where the comma is the decimal mark, Excel writes CSV with semicolons
    facts = {"delimiter": "semicolon"} if mark == "," else {}
    answer = "point" if mark == "." else "comma"
    _, found = read_with_answer("inventory.stock", cells, answer, facts)

    assert [Decimal(str(cell)) for cell in found["quantity_on_hand"]] == numbers


@given(
    st.lists(st.tuples(st.integers(1, 99_999), st.sampled_from(["mL", "g", "kg", "L", "мл", "tablets", "fl oz"]))),
    st.sampled_from(["", " ", "\u00a0"]),
)
def test_quantities_come_back_with_their_units(cells: list[tuple[int, str]], blank: str) -> None:
    _, found = read("inventory.stock", {"quantity_on_hand": [f"{number}{blank}{unit}" for number, unit in cells]})

    assert values(found["quantity_on_hand"]) == [str(number) for number, _ in cells]
    known = {"мл": "mL", "tablets": "tablet"}
    assert found.get("unit", []) == [known.get(unit, unit) for _, unit in cells]


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.datetimes(), st.dates(), st.times(),
    st.timedeltas(), st.from_regex(r"[-+(~]?\d{1,6}[.,/ x*-]\d{0,4}[ /.-]?(\d{1,4}|mL|g|€|Jan|)[)%]?", fullmatch=True),
)  # fmt: skip


@given(st.sampled_from(sorted(RECORD_TYPES)), st.data())
def test_no_cell_breaks_the_reading(record_type: str, data: st.DataObject) -> None:
    columns = list(GOOD_ROWS[record_type])
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(columns), max_size=len(columns)), min_size=1, max_size=5))
    cells = {column: [row[at] for row in rows] for at, column in enumerate(columns)}

    with suppress(Undecided):
        _, found = read(record_type, cells, time_zone="America/New_York")
        assert judged(record_type, found) == len(rows)


def judged(record_type: str, cells: dict[str, list[Cell]]) -> int:
    rows = [(number, list(row)) for number, row in enumerate(zip(*cells.values(), strict=True), start=2)]
    feed = feed_of(record_type)
    found = validate(
        Table(list(cells), 1, rows, {}),
        feed,
        campus="North",
        campuses=["North"],
        registry=AllTags(),
        time_zone="America/New_York",
    )
    return len(list(found))
