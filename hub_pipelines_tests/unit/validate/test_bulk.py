"""One contract, two executions: what is judged many at once is what is judged row by row, to the byte.

How much is tried can be raised by hand: `HUB_EXAMPLES=5000 pytest …/test_bulk.py`.
"""

import datetime
import itertools
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.validate import batches, service
from hub_pipelines.validate.batches import Batch
from hub_pipelines.validate.bulk import staged as bulk_staged
from hub_pipelines.validate.bulk import tags as bulk_tags
from hub_pipelines.validate.bulk.columns import covered_by
from hub_pipelines.validate.bulk.judging import in_bulk
from hub_pipelines.validate.columns import located_columns
from hub_pipelines.validate.conventions import counting, placeholders
from hub_pipelines.validate.conventions.applying import apply
from hub_pipelines.validate.conventions.deciding import decide
from hub_pipelines.validate.conventions.model import Conventions
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Cell, Feed, RecordType, Row, Table, Undecided, Unreadable
from hub_pipelines.validate.parsing import wire
from hub_pipelines.validate.parsing.columns import as_columns
from hub_pipelines.validate.parsing.notes import UNCALCULATED
from hub_pipelines.validate.reading.process import batch_of
from hub_pipelines.validate.service import Circumstances, validate
from hub_pipelines.validate.staging import problems_json, problems_of, row_of
from hub_pipelines_tests.unit.validate.builders import GOOD_ROWS

EXAMPLES = int(os.environ.get("HUB_EXAMPLES", "25"))
RECORDS = [(feed, record) for feed in FEEDS.values() for record in feed.record_types]
FORMER = [(feed, old) for feed, record in RECORDS for old in record.former]

NASTY: list[Cell] = [
    "\0", "a\0b", "TAG-1\0",
    None, " ", "\u00a0", "\ufeff", "a\nb", 'with "quotes"', "back\\slash", "\x1b", "tab\tbed", "1e5", "1E+05",
    "2.20E+02", "NaN", "inf", "١٢", "\uff19", "99999999999999999999", "-5", "-0", "0", "007", "1,5", "1.234",
    "1,234.50", "(12.50)", "$ 3", "12.500", "0.000", "3 kg", "2 x 5 mL", "1/8", "8-Jan", "~5", "#N/A", "#REF!", "# 4",
    UNCALCULATED, "n/a", "-", "—", "none", " N/A\t", "Unknown", "?", "tbd", "2024-01-31", "2024-02-30",
    "31/01/2024", "01/02/2024", "2/1/24", "31 Jan 2024", "20240131", "03/2026",
    "2024-01-31T00:00:00Z", "2024-05-05 14:30", "2024-05-05T23:30:00-05:00", "45000", "67-64-1", "67-64-2", "67641",
    "0067-64-1", "CAS 67-64-1", "h225", "H225 H319", "H999x", "Ada <ada@uni.edu>", "ADA@UNI.EDU", "a b@c.d",
    "mailto:x@y.org", "TAG-1", "tag-1", "TAG-2", "TAG 3", "T\u200bAG-1", "000", "a|b", "é  è", "Ünï", "µ 试剂",
    "TAG\u20111", "tag\u20131", "TAG\uff0d2", "TAG\u22122", "44.010000000000005", "-44.010000000000005",
    "x" * 70, "y" * 301, "z" * 5000, "mL", "ML", "smidgen", "box", "pcs", "USD", "EUR", "north", "SOUTH", "nowhere",
    "LQG", "VSQG", "Total", "true", True, False, 0, 1, 1.0, -1, 2.5, 1e20, 45000, 45000.5, 12345678901, 171900000000.0,
    0.1 + 0.2, float("nan"), 67641, datetime.datetime(2024, 1, 31), datetime.datetime(2024, 1, 31, 14, 30),
    datetime.date(1875, 9, 2), datetime.date(2024, 2, 1), datetime.time(1, 8), datetime.timedelta(hours=30),
]  # fmt: skip
REGISTERED = {"TAG-1": "north", "TAG-2": "south", "A-1": "north", "A-2": "North", 'B"3': "south"}


@dataclass(frozen=True)
class Register:
    version: int = 1
    updated_at: datetime.datetime | None = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

    def campuses(self, tags: Collection[str]) -> dict[str, str]:
        return {tag: REGISTERED[tag] for tag in tags if tag in REGISTERED}

    def near(self, tag: str) -> list[tuple[int, str]]:
        return [(1, known) for known in sorted(REGISTERED) if known[0] == tag[0]]


class WholeRegister(Register):
    def listed(self) -> pyarrow.Table:
        tags, campuses = zip(*sorted(REGISTERED.items()), strict=True)
        return pyarrow.table({"tag": tags, "campus": pyarrow.array(campuses).dictionary_encode()})


@dataclass(frozen=True)
class FromChild:
    """Rows as the child sends them."""

    rows: Sequence[Row]
    width: int
    frame: int

    def __iter__(self) -> Iterator[Row]:
        for batch in self.batches():
            yield from batch.rows()

    def batches(self) -> Iterator[Batch]:
        unpack = wire.Unpacker()
        for start in range(0, len(self.rows), self.frame):
            some = [(no, _as_in_child(cells)) for no, cells in self.rows[start : start + self.frame]]
            yield batch_of(unpack(wire.pack(as_columns(some, self.width))[wire.HEAD :]))


def _as_in_child(cells: Sequence[Cell]) -> list[object]:
    return ["" if cell is None else cell for cell in cells]


class OneByOne:
    def __init__(self, rows: FromChild) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)


def some_cells(good: Cell) -> st.SearchStrategy[Cell]:
    usual = st.just(good)
    return st.one_of(
        usual, usual, usual, st.sampled_from(NASTY), st.text(max_size=8), st.sampled_from(["A-1", "A-2", 'B"3'])
    )


@st.composite
def tables(draw: st.DrawFn, record: RecordType) -> Table:
    optional = [name for name in record.columns if name not in record.required]
    header = [*record.required, *draw(st.lists(st.sampled_from(optional), unique=True) if optional else st.just([]))]
    header = draw(st.permutations([*header, *draw(st.sampled_from([[], ["Ω other"], ['say "x"', "Another"]]))]))
    good = GOOD_ROWS[record.name]
    columns = [some_cells(good.get(name, "something")) for name in header]
    # a column most often holds one kind of cells
    fixed = [draw(st.none() | st.sampled_from(NASTY)) if draw(st.integers(0, 9)) == 0 else None for _ in header]
    rows: list[Row] = []
    part = draw(st.sampled_from([0, 0, 199 * 10_000_000]))
    for number in range(draw(st.integers(1, 12))):
        cells = [one if one is not None else draw(each) for one, each in zip(fixed, columns, strict=True)]
        cells += draw(st.sampled_from([[], [], [], [None], [" ", "more"]]))
        rows.append((part + number + 2, cells[: draw(st.sampled_from([len(cells), len(cells), len(cells), 1]))]))
    return Table(list(header), 1, FromChild(rows, len(header), draw(st.integers(1, 5))), {})


@pytest.fixture(autouse=True)
def many_at_once_from_few_rows_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_FEW_ROWS", 0)
    monkeypatch.setattr(placeholders, "_FEW_ROWS", 4)
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(bulk_tags, "FEW_TAGS", 0)


def decided(table: Table, record: RecordType) -> Conventions | list[str]:
    columns = located_columns(table.header, record)
    try:
        return decide(table, columns, answers={}, units={}, time_zone="America/New_York")
    except Undecided as undecided:
        return [f"{one.text} {one.evidence}" for one in undecided.questions]


def by_rows(table: Table, feed: Feed, circumstances: Circumstances) -> list[tuple[Any, ...]]:
    return [
        (row.row_no, row.verdict, row.key, row.values, problems_json(problems_of(verdict)))
        for verdict in validate(table, feed, **circumstances)
        for row in [row_of(verdict)]
    ]


def many(table: Table, feed: Feed, circumstances: Circumstances) -> list[tuple[Any, ...]]:
    staged = in_bulk(table, feed, **circumstances)
    assert staged is not None
    return [tuple(row.values()) for some in staged for row in some.table.to_pylist()]


@pytest.mark.parametrize(("feed", "record"), [*RECORDS, *FORMER], ids=lambda one: f"{one.name}")
def test_rows_judged_many_at_once_get_the_verdicts_that_each_gets_alone(
    feed: Feed, record: RecordType, monkeypatch: pytest.MonkeyPatch
) -> None:
    @settings(max_examples=EXAMPLES, deadline=None)
    @given(
        table=tables(record),
        whole=st.booleans(),
        zone=st.sampled_from([None, "America/New_York"]),
        compared=st.sampled_from([2, 100]),
    )
    def check(table: Table, whole: bool, zone: str | None, compared: int) -> None:
        monkeypatch.setattr(service, "_MOST_ROWS_COMPARED", compared)
        only = Feed(feed.name, feed.title, (record,), feed.priority)
        rows = table.rows
        assert isinstance(rows, FromChild)
        single = Table(table.header, 1, OneByOne(rows), {})
        conventions = decided(single, record)
        assert decided(table, record) == conventions
        used = conventions if isinstance(conventions, Conventions) else Conventions()
        columns = located_columns(table.header, record)
        circumstances: Circumstances = {
            "campus": "north",
            "campuses": ("north", "south"),
            "registry": WholeRegister() if whole else Register(),
            "time_zone": zone,
        }
        try:
            expected = by_rows(apply(single, columns, used), only, circumstances)
        except Unreadable:
            return
        assert many(apply(table, columns, used), only, circumstances) == expected

    check()


def test_every_rule_that_looks_at_other_columns_tells_which() -> None:
    from pydantic import AfterValidator

    from hub_pipelines.validate.model import Beside

    for _, record in [*RECORDS, *FORMER]:
        assert not record.row_model.__pydantic_decorators__.model_validators
        for field in record.row_model.model_fields.values():
            for rule in field.metadata:
                assert isinstance(rule, Beside) or not isinstance(rule, AfterValidator)


@pytest.mark.parametrize("name", [f"{record.name}.{name}" for _, record in RECORDS for name in record.certain])
def test_what_is_certain_of_a_type_is_what_its_function_says(name: str) -> None:
    from pydantic import TypeAdapter

    record_name, _, column = name.rpartition(".")
    record = next(record for _, record in RECORDS if record.name == record_name)
    field = record.row_model.model_fields[column]
    parse = TypeAdapter(field.rebuild_annotation()).validate_python
    certain = record.certain[column]
    texts = [one for one in NASTY if isinstance(one, str)]
    fronts, middles = ("", "-", "0", "A", "TAG-", "#", "é"), ("1", "10", "1.50", "12.05", "0.0", "5-12-3", "a@b.c")
    ends = ("", "0", " ", "  x", "E+05", ".", "|", "\u2028", "\x85")
    texts += ["".join(parts) for parts in itertools.product(fronts, middles, ends)]
    array = pyarrow.array(texts, pyarrow.string())
    covered = covered_by(certain, array)
    values = (certain.then(array) if certain.then else array).to_pylist()
    told = [
        (text, value) for text, value, is_covered in zip(texts, values, covered.to_pylist(), strict=True) if is_covered
    ]
    assert told, "nothing of the pool is certain, so nothing is tested"
    for text, value in told:
        assert parse(text) == value, text


def test_what_a_staged_row_says_is_escaped_as_json_has_it() -> None:
    texts = ['"', "\\", "\n\x00\x1f\x7f", "é", 'a\\"b', "plain", None]
    found = bulk_staged.escaped(pyarrow.array(texts, pyarrow.string())).to_pylist()
    assert found == [None if text is None else canonical_text(text)[1:-1] for text in texts]
    assert bulk_staged.escaped(pyarrow.array(texts).slice(5, 1)).to_pylist() == ["plain"]
    assert bulk_staged.escaped(pyarrow.array(['a\\"b'])).to_pylist() == ['a\\\\\\"b']
