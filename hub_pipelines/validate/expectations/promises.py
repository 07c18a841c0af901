"""Which expectations follow from a record type's contract and surroundings.

Belongs here: for each what is judged and the words for what holds when it is kept. Not here: the values of columns that
another must equal (frames), having them judged (pieces, judging), what came of them (answers).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from statistics import median
from typing import Literal, cast

from hub_pipelines.validate.expectations.entries import ALL_ROWS, Entries, Surroundings, frame_column
from hub_pipelines.validate.expectations.usual import LEAST_HISTORY_DAYS, History, usual_entries
from hub_pipelines.validate.model import RecordType, Shape

Suite = Literal["contract", "volume", "references"]
Severity = Literal["block", "warn"]

_ONCE = ("set", "replaced")
"""Operations of which a posting has one for each item."""
NOT_NULL = "expect_column_values_to_not_be_null"
IN_SET = "expect_column_values_to_be_in_set"
BETWEEN = "expect_column_values_to_be_between"
MATCHES = "expect_column_values_to_match_regex"
LENGTH = "expect_column_value_lengths_to_be_between"
EQUAL = "expect_column_pair_values_to_be_equal"
UNIQUE = "expect_compound_columns_to_be_unique"
ROW_COUNT = "expect_table_row_count_to_be_between"

BUILT_KEY = "key by its columns"
"""A column that an entry's key must equal, and that no snapshot has."""


@dataclass(frozen=True)
class Promise:
    """One expectation before it is judged; `statement` is what holds when it is kept."""

    suite: Suite
    expectation: str
    column: str | None
    statement: str
    arguments: dict[str, object] = field(default_factory=dict)
    notes: str = ""
    """Great Expectations shows them with the expectation."""
    unjudged: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that it is about; of a number of entries any."""
        if self.expectation == EQUAL:
            return str(self.arguments["column_A"]), str(self.arguments["column_B"])
        if self.expectation == UNIQUE:
            return tuple(str(one) for one in cast(Sequence[object], self.arguments["column_list"]))
        return (self.column or "version",)

    @property
    def severity(self) -> Severity:
        return "block" if self.suite == "contract" else "warn"


def promises_of(record: RecordType, entries: Entries, around: Surroundings) -> Iterator[Promise]:
    operations = entries.columns(["operation"], ALL_ROWS)["operation"]
    yield from _journal_promises(record, around.campus, adjusts=bool((~operations.isin(_ONCE)).any()))
    for column, shape in record.shapes.items():
        yield from _column_promises(record, column, shape)
    yield _volume_promise(around.history)
    yield from _reference_promises(record)


def _journal_promises(record: RecordType, campus: str, *, adjusts: bool) -> Iterator[Promise]:
    yield _filled("key", "The key")
    named = " and ".join(f'"{spoken(column)}"' for column in record.key_columns)
    made_of = f"made of {named}" if len(record.key_columns) > 1 else named
    decimal = any(record.shapes[column].kind == "decimal" for column in record.key_columns)
    yield Promise(
        "contract",
        EQUAL,
        "key",
        f"The key is {'made of what tells one line from another' if record.lines else made_of}",
        _pair("key", _key_counterpart(record)),
        unjudged="not judged, because a number with decimals can be written in several ways" if decimal else None,
    )
    yield _unique(("version", "row_no"), "No two entries have the same place in the journal (version and row number)")
    once = _unique(("version", "key"), "No posting changes an item twice (version and key)")
    as_often = "not judged, because messages adjust an item as often as they come"
    yield replace(once, unjudged=as_often if adjusts else None)
    yield Promise("contract", IN_SET, "campus", f"The campus is {campus}", {"value_set": [campus]})


def _column_promises(record: RecordType, column: str, shape: Shape) -> Iterator[Promise]:
    name, called, description = frame_column(column), spoken(column), record.column_descriptions[column]
    if column in record.required:
        yield _filled(name, f'"{called}"', description)

    def promise(expectation: str, what: str, **arguments: object) -> Promise:
        return Promise("contract", expectation, name, f'"{called}" {what}', arguments, description)

    if shape.choices is not None:
        yield promise(IN_SET, f"is one of {', '.join(shape.choices)}", value_set=list(shape.choices))
    if shape.longest is not None:
        yield promise(LENGTH, f"has at most {shape.longest} characters", max_value=shape.longest)
    if shape.pattern is not None:
        yield promise(MATCHES, f"has the form of its contract ({description or shape.pattern})", regex=shape.pattern)
    if shape.minimum is not None or shape.maximum is not None:
        bounds = {
            "min_value": _bound(shape.minimum, shape, -math.inf),
            "max_value": _bound(shape.maximum, shape, math.inf),
        }
        yield promise(BETWEEN, _range_text(shape.minimum, shape.maximum), **bounds)


def _range_text(minimum: str | None, maximum: str | None) -> str:
    if minimum is None:
        return f"is at most {maximum}"
    return f"is at least {minimum}" if maximum is None else f"lies between {minimum} and {maximum}"


def _bound(text: str | None, shape: Shape, outwards: float) -> date | int | float | None:
    if text is None:
        return None
    if shape.kind == "date":
        return date.fromisoformat(text)
    return int(text) if shape.kind == "integer" else _float_beyond(Decimal(text), outwards)


def _float_beyond(bound: Decimal, outwards: float) -> float:
    """Great Expectations makes a bound a float; the nearest may exclude the bound itself, and the next one doesn't."""
    nearest = float(bound)
    excludes = bound < Decimal(nearest) if outwards < 0 else bound > Decimal(nearest)
    return math.nextafter(nearest, outwards) if excludes else nearest


def _volume_promise(history: History) -> Promise:
    days = history.entries_per_day
    usual = usual_entries(history)
    if usual is None:
        unjudged = f"not judged yet, with {counted(len(days), 'day')} of history and {LEAST_HISTORY_DAYS} needed"
        return Promise("volume", ROW_COUNT, None, "The number of entries is usual", unjudged=unjudged)
    least, most = usual
    return Promise(
        "volume",
        ROW_COUNT,
        None,
        f"A usual day has {least:,} to {most:,} entries "
        f"(the middle one of the last {len(days)} days with entries had {median(days):,.0f})",
        {"min_value": least, "max_value": most},
    )


def _reference_promises(record: RecordType) -> Iterator[Promise]:
    for column, target in targets_of(record).items():
        name = frame_column(column)
        yield Promise(
            "references",
            EQUAL,
            name,
            f'"{spoken(column)}" {target}',
            _pair(name, known_counterpart(name)),
            record.column_descriptions[column],
        )


def targets_of(record: RecordType) -> dict[str, str]:
    """What the values of each referencing column are, when known."""
    targets = {one.column: f"is an item of {one.record_type}" for one in record.references}
    return targets | ({record.tag_column: "is in procurement's registry"} if record.tag_column else {})


def _filled(name: str, subject: str, description: str = "") -> Promise:
    return Promise("contract", NOT_NULL, name, f"{subject} is never empty", notes=description)


def _unique(columns: tuple[str, ...], statement: str) -> Promise:
    return Promise("contract", UNIQUE, None, statement, {"column_list": list(columns)})


def _pair(column: str, counterpart: str) -> dict[str, object]:
    return {"column_A": column, "column_B": counterpart, "ignore_row_if": "both_values_are_missing"}


def _key_counterpart(record: RecordType) -> str:
    first, *others = record.key_columns
    one_text = not others and not record.lines and record.shapes[first].kind == "text"
    return frame_column(first) if one_text else BUILT_KEY


def known_counterpart(name: str) -> str:
    return f"{name} if known"


def spoken(column: str) -> str:
    return column.replace("_", " ")


def counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
