"""Lines of a large text file are cut many at once, and nothing of what is read tells it."""

import csv
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_pipelines.validate.parsing import cutting, text
from hub_pipelines.validate.parsing.blocks import Block
from hub_pipelines.validate.parsing.encodings import Encoding, encoding_of
from hub_pipelines.validate.parsing.opening import Opened, open_file
from hub_pipelines.validate.parsing.refusal import Refusal
from hub_pipelines.validate.parsing.source import Source
from hub_pipelines.validate.reading import open_table

from ..builders import INVENTORY
from .files import stored

HEADINGS = ("asset_tag", "item_name", "quantity", "unit", "location")


@contextmanager
def at_once(bytes_at_once: int = 64) -> Iterator[None]:
    """All files are large, and pieces of them small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_MANY_BYTES", 0)
        patch.setattr(text, "_FIRST_BYTES", 1)
        patch.setattr(text, "_BYTES_AT_ONCE", bytes_at_once)
        yield


def records(content: bytes, dialect: text.Dialect) -> tuple[list[tuple[int, list[object]]], bool] | str:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        encoding = Encoding("utf-8-sig", "byte order mark") if content[:1] == b"\xef" else Encoding("utf-8", "")
        grid = text.TextGrid(Source(file.fileno()), encoding, dialect, alive=lambda: None)
        try:
            return list(grid.rows()), grid.has_joined_lines
        except Refusal as refusal:
            return refusal.reason


PIECES = (
    "a", "b,", '"', '""', ",", "\r\n", "\n", "\n", "\r", " ", "é", "\ufeff", '"a,b"', "x,y\n", "x,y\n", " ,\n",
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(
    content=st.lists(st.sampled_from(PIECES)),
    many=st.integers(1, 40),
    skip_blanks=st.booleans(),
)  # fmt: skip
def test_records_are_those_that_are_cut_one_by_one(content: list[str], many: int, skip_blanks: bool) -> None:
    dialect = text.Dialect(",", skip_blanks=skip_blanks)
    sent = "".join(content).encode()
    with at_once(many):
        found = records(sent, dialect)
    assert found == records(sent, dialect)


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.lists(st.text(st.sampled_from('ab," \r\né;'), max_size=6), min_size=2, max_size=3), min_size=1),
    delimiter=st.sampled_from(",;\t"),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_cut_at_once_is_what_the_csv_module_cuts(rows: list[list[str]], delimiter: str, line_end: str) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, lineterminator=line_end).writerows(rows)
    lines = written.getvalue()
    cutter = cutting.Cutter(delimiter, longest_line=1_000, skip_blanks=False)
    block, again = (cutter.cut(1, lines.encode(), 1) for _ in range(2))
    cut = list(enumerate(csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter), start=1))
    read = [row for _, row in cut]
    plain = len({len(row) for row in read}) == 1 and not any({*"\r\n"} & {*cell} for row in read for cell in row)
    # a return behind a line's last cell is the line's end
    plain = plain and lines.count("\r") == lines.count("\r\n")
    is_blank = any(not any(cell.strip() for cell in row) for row in read)
    assert (block is not None) == (again is not None) == (plain and not is_blank)
    if block is not None and again is not None:
        assert list(block.rows()) == list(again.rows()) == cut


ITEM = st.tuples(
    st.sampled_from(["N-{}", "T-{}", "asset {}", "Total {}", "", " N-{}", "№{}", "q{}"]),
    st.sampled_from(["Beaker, tall", 'Flask "E"', "Éthanol", "", "Total: 4", "x y z w"]),
    st.sampled_from(["1", "2.50", "-3", ""]),
    st.sampled_from(["L", "kg", "", "ea"]),
    st.sampled_from(["B1", "Bldg 2, Room 3", ""]),
)
ODD = st.sampled_from(
    ["\n", ",,,,\n", "Total\n", "Total,,4,,\n", ",".join(HEADINGS) + "\n", "Room 4\n", "Sum,x,9,L,B1\n", "a,b\n",
     '"two\nlines",x,1,L,B1\n', "one,two,three,four,five,six\n", "Page 1 of 2\n", "Total items: 8\n", " ,x,1,L,B1\n",
     "Asset_Tag,item_name,quantity,unit,location\n"]
)  # fmt: skip


def line_of(item: tuple[str, ...], number: int) -> str:
    made = io.StringIO()
    csv.writer(made, lineterminator="\n").writerow([item[0].format(number), *item[1:]])
    return made.getvalue()


def opened(content: str) -> dict[str, Any] | str:
    with tempfile.TemporaryFile() as file:
        file.write(content.encode())
        file.flush()
        try:
            found = open_file(Source(file.fileno()), ".csv", _known, lambda: None)
            return {"rows": list(_rows_of(found)), "facts": found.facts, "header": found.joined.header,
                    "left out": found.joined.left_out, "columns": found.joined.columns()}  # fmt: skip
        except Refusal as refusal:
            return refusal.reason


def _known(texts: Any) -> list[str | None]:
    return [one.lower() if one.lower() in HEADINGS else None for one in texts]


def _rows_of(found: Opened) -> Iterator[tuple[int, list[object]]]:
    for one in found.joined.rows():
        if isinstance(one, Block):
            yield from one.rows()
        else:
            yield one


@settings(max_examples=150, deadline=None)
@given(
    parts=st.lists(
        st.one_of(st.lists(ITEM, min_size=1, max_size=60), st.lists(ITEM, min_size=41, max_size=60), ODD), max_size=6
    ),
    many=st.sampled_from([150, 500, 2_000]),
)
def test_tables_and_their_rows_are_those_that_are_found_one_by_one(parts: list[Any], many: int) -> None:
    lines = [",".join(HEADINGS) + "\n"]
    for part in parts:
        items = [part] if isinstance(part, str) else [line_of(item, len(lines) + at) for at, item in enumerate(part)]
        lines += items
    content = "".join(lines)
    with at_once(many):
        found = opened(content)
    assert found == opened(content)


def test_a_line_that_is_too_long_is_told_by_its_number_also_far_below() -> None:
    content = "a,b\n" * 5_000 + "x" * 1_000_001 + ",b\n" + "a,b\n" * 10
    told = opened(content)
    with at_once(2_000):
        assert opened(content) == told == "Line 5,001 of the file is longer than a million characters.".replace(",", "")


def test_a_mark_that_is_never_closed_is_told_by_its_row_also_far_below() -> None:
    content = "asset_tag,item_name\n" + "T-1,b\n" * 5_000 + 'T-2,"b\n' + "T-3,b\n" * 10
    told = opened(content)
    with at_once(2_000):
        assert opened(content) == told
    assert "5002" in str(told)


def test_of_a_large_file_most_rows_leave_the_child_as_they_were_cut(tmp_path: Path) -> None:
    lines = [line_of(("N-{}", 'Flask "E", 1 L', "2.5", "L", "B1"), number) for number in range(300_000)]
    path = stored(tmp_path, ",".join(HEADINGS) + "\n" + "".join(lines))
    assert path.stat().st_size > text._MANY_BYTES
    with open_table(path, "a.csv", known=INVENTORY.aliases.get) as table:
        batches = list(table.rows.batches())  # type: ignore[attr-defined]
    rows = [row for batch in batches for row in batch.rows()]
    assert rows == [(number + 2, [f"N-{number}", 'Flask "E", 1 L', "2.5", "L", "B1"]) for number in range(300_000)]
    assert max(len(batch.numbers) for batch in batches) > 10_000  # one by one there are at most 5,000


def test_the_encoding_of_letters_beyond_ascii_is_told_as_ever() -> None:
    assert encoding_of(io.BytesIO("a,é\u2028ü\n".encode()), lambda: None).evidence == "valid UTF-8"
    assert encoding_of(io.BytesIO("a,\u2028\n".encode()), lambda: None).evidence == "only plain letters"
