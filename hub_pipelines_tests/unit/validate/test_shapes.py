"""What a contract promises of its values (Shape) holds for every value that it takes."""

import datetime
import functools
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hub_pipelines.validate.feeds.types import campus_names
from hub_pipelines.validate.model import AcceptedRow, Shape

from .builders import GOOD_ROWS, RECORD_TYPES, Rows

CONTEXT = {**campus_names(["North"]), "time_zone": "America/New_York"}
COLUMNS = [(record.name, column) for record in RECORD_TYPES.values() for column in record.columns]


@functools.cache
def adapter(record_type: str, column: str) -> TypeAdapter[Any]:
    return TypeAdapter(RECORD_TYPES[record_type].row_model.model_fields[column].rebuild_annotation())


def broken(shape: Shape, value: object) -> list[str]:
    """The promises that the value does not keep."""
    assert isinstance(value, str)
    kinds = {"text": str, "integer": int, "decimal": Decimal, "date": datetime.date.fromisoformat}
    parsed: Any = kinds[shape.kind](value)  # raises for a text that is not of the kind
    told = {
        "longest": shape.longest is None or len(value) <= shape.longest,
        "pattern": shape.pattern is None or (bool(re.search(shape.pattern, value)) and "\n" not in value),
        "choices": shape.choices is None or value in shape.choices,
        "minimum": shape.minimum is None or parsed >= kinds[shape.kind](shape.minimum),
        "maximum": shape.maximum is None or parsed <= kinds[shape.kind](shape.maximum),
        "scale": shape.kind != "decimal" or len(value.partition(".")[2]) <= shape.scale,
    }
    return [name for name, kept in told.items() if not kept]


ODD_CELLS: tuple[Any, ...] = (
    0, 1, -1, 0.1 + 0.2, 1e-7, 1e10, 1e15, 1e300, -5798.0, 93.31, 47.041, 0.535, 3.0, 6.1, 1090.0, True, False,
    float("nan"), float("inf"), 99999999999.999999, 9999999999.99, 9999999999.994,
    datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 13, 5, 59, 999_999), datetime.datetime(1900, 1, 1),
    datetime.datetime(2100, 12, 31, 23, 59), datetime.datetime(9999, 12, 31, 23, 59, 59, 999_999),
    datetime.datetime(1, 1, 1), datetime.time(3, 4), datetime.timedelta(days=3),
    "-0", "+5", "1.", ".5", "007", "1e5", "(1,234.56)", "($5)", "12.30-", "$1,234,567", "1,234", "-", "--", "n/a",
    "None", "mixture", "|", "a|b", "｜", "\u200b", "\u00a0x\u00a0", "ﬁ", "ß", "A\nB", "a\x07b", "x" * 64, "x" * 65,
    "67641", "0064-17-5", "67-64-1 64-17-5", "CAS 67-64-1 and CAS# 7732-18-5", "H302 + H312 EUH066", "H360Fd",
    "d001 f003", "LABP", "CESQG", "un 1090", "NOID", "ID8000", "Class 3", "1.4s", "comb liq", "PG II", "2",
    "ny d00 0000000",
    "123456789elc", "us dollars", "eur", "54 %", "0.5", "200%", "fl. oz", "µL", "Μl", "мл", "m³", "PCS",
    "2024-02-29T23:30:00", "2024-06-30 23:59:59.7Z", "2025-11-02 03:30", "2100-12-31 23:59", "1900-01-01 00:00 +14:00",
    "2025-03-01, 2:30 p.m. -0500", "zqgghjh74dw7", "r01ca123456", "ALN: 93.310", "ada@UNI.edu",
)  # fmt: skip
CELLS: st.SearchStrategy[Any] = (
    st.sampled_from(ODD_CELLS)
    | st.sampled_from([cell for row in GOOD_ROWS.values() for cell in row.values()])
    | st.from_regex(r"[A-Za-z]{0,3}[0-9]{0,12}([-./|;, ][0-9A-Za-z]{1,4}){0,3}", fullmatch=True)
    | st.text(max_size=30)
    | st.decimals(allow_nan=False).map(str)
    | st.floats()
    | st.integers(-(10**12), 10**12)
    | st.datetimes()
    | st.dates().map(str)
    | st.datetimes(min_value=datetime.datetime(1890, 1, 1), max_value=datetime.datetime(2110, 1, 1)).map(str)
)


def assert_kept(record_type: str, column: str, cell: object) -> None:
    try:
        value = adapter(record_type, column).validate_python(cell, context=CONTEXT)
    except ValidationError:
        return
    if value is not None:
        assert broken(RECORD_TYPES[record_type].shapes[column], value) == [], (column, cell, value)


@pytest.mark.parametrize(("record_type", "column"), COLUMNS)
def test_what_is_taken_of_the_odd_cells_keeps_the_columns_shape(record_type: str, column: str) -> None:
    for cell in ODD_CELLS:
        assert_kept(record_type, column, cell)


@settings(deadline=None, max_examples=3_000)
@given(where=st.sampled_from(COLUMNS), cell=CELLS)
def test_every_value_that_is_taken_keeps_its_columns_shape(where: tuple[str, str], cell: object) -> None:
    assert_kept(*where, cell)


@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_a_good_row_is_taken_and_keeps_every_shape(record_type: str) -> None:
    record = RECORD_TYPES[record_type]
    assert set(GOOD_ROWS[record_type]) == set(record.columns)
    values = Rows(record_type).values()
    assert {column: broken(shape, values[column]) for column, shape in record.shapes.items()} == {
        column: [] for column in record.columns
    }


@pytest.mark.parametrize(("record_type", "column"), COLUMNS)
def test_what_is_taken_once_is_taken_again_as_it_is(record_type: str, column: str) -> None:
    value = Rows(record_type).values()[column]
    again = Rows(record_type).values(**{column: value})
    assert again[column] == value


@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_no_part_of_a_key_but_the_last_takes_the_bar_that_joins_them(record_type: str) -> None:
    record = RECORD_TYPES[record_type]
    for column in record.key_columns[:-1] if record.lines is None else ["item_code"]:
        assert Rows(record_type).the_problem(**{column: "A|B"}).column == column


@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_the_row_without_its_optional_columns_is_taken(record_type: str) -> None:
    record = RECORD_TYPES[record_type]
    optional = [column for column in record.columns if column not in record.required]
    (verdict,) = Rows(record_type).verdicts(dict.fromkeys(optional, Rows.LEFT_OUT))
    assert isinstance(verdict, AcceptedRow), verdict
    assert set(verdict.values) == set(record.columns) - record.added


@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_a_reference_names_a_column_and_a_record_type_with_a_key_of_the_same_form(record_type: str) -> None:
    record = RECORD_TYPES[record_type]
    for reference in record.references:
        target = RECORD_TYPES[reference.record_type]
        assert target.key_columns == (reference.column,)
        assert record.shapes[reference.column] == target.shapes[reference.column]
