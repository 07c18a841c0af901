"""What the contracts' own spellings settle, mapping leaves as it was."""

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hub_pipelines.samples
from hub_pipelines.mapping.deciding import decide
from hub_pipelines.mapping.model import Confirmed
from hub_pipelines.validate.columns import map_columns
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Cell, Feed, RecordType, Unreadable

SAMPLES = sorted(Path(next(iter(hub_pipelines.samples.__path__))).rglob("*.csv"))
RECORDS = [(feed, record) for feed in FEEDS.values() for record in feed.record_types]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_each_sample_is_read_as_the_contract_reads_it(path: Path) -> None:
    feed = FEEDS[path.parent.name]
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.reader(lines) if any(row)]
    at = next(number for number, row in enumerate(rows) if sum(map(bool, row)) > 2)
    sample: list[list[Cell]] = [list(row) for row in rows[at + 1 :]]
    mapping = decide(rows[at], sample, feed, Confirmed())
    assert list(mapping.header) == rows[at]
    assert mapping.positions == map_columns(rows[at], feed).positions


@st.composite
def headers(draw: st.DrawFn) -> tuple[Feed, RecordType, list[str]]:
    """A record type's required columns and some of the others, each in one of its known spellings, in any order."""
    feed, record = draw(st.sampled_from(RECORDS))
    optional = [column for column in record.columns if column not in record.required]
    columns = (
        [*record.required, *draw(st.lists(st.sampled_from(optional), unique=True))] if optional else record.required
    )
    known = {column: [form for form, of in record.aliases.items() if of == column] for column in columns}
    spelled = [draw(st.sampled_from(known[column])) for column in columns]
    written = [draw(st.sampled_from([str.upper, str.title, str]))(text) for text in spelled]
    return feed, record, draw(st.permutations(written))


@settings(max_examples=200, deadline=None)
@given(case=headers())
def test_a_header_that_the_contract_reads_is_read_alike(case: tuple[Feed, RecordType, list[str]]) -> None:
    feed, _, header = case
    try:
        read = map_columns(header, feed)
    except Unreadable:
        return
    mapping = decide(header, [], feed, Confirmed())
    assert mapping.record_type == read.record.name
    assert mapping.positions == read.positions
    assert list(mapping.header) == header
