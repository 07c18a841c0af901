"""The child process: what happens when a file is hostile, and that the hub's own process is never harmed."""

import contextlib
import datetime
import os
import signal
import subprocess
import sys
import time
import zipfile
from array import array
from itertools import zip_longest
from pathlib import Path

import pytest

from hub_pipelines.common.errors import Transient
from hub_pipelines.validate.batches import ROWS_AT_ONCE, Texts, counts_of
from hub_pipelines.validate.model import Cell, Unreadable
from hub_pipelines.validate.parsing import wire
from hub_pipelines.validate.parsing.columns import as_columns
from hub_pipelines.validate.reading import open_table, process, starting
from hub_pipelines.validate.reading.process import Limits

from ..builders import INVENTORY
from .files import refusal, stored, workbook

pytestmark = pytest.mark.usefixtures("started_anew")

_NS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"

_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def children() -> set[int]:
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and b"validate.parsing" in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
    return found


def xlsx_of(tmp_path: Path, sheet: bytes, *, shared: bytes = b"") -> Path:
    """A workbook of one sheet with exactly these bytes."""
    path = tmp_path / "0a1b2c"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{_NS}" xmlns:r="{_RELATION}"><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets>'
            "</workbook>",
        )
        targets = {"worksheet": "worksheets/sheet1.xml"} | ({"sharedStrings": "sharedStrings.xml"} if shared else {})
        archive.writestr("_rels/.rels", relations({"officeDocument": "xl/workbook.xml"}))
        archive.writestr("xl/_rels/workbook.xml.rels", relations(targets))
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
        if shared:
            archive.writestr("xl/sharedStrings.xml", shared)
    return path


def relations(targets: dict[str, str]) -> str:
    inner = "".join(
        f'<Relationship Id="rId{number}" Type="{_RELATION}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets.items(), 1)
    )
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{inner}</Relationships>'
    )


def sheet_of(rows: bytes) -> bytes:
    return b'<?xml version="1.0"?><worksheet xmlns="%s"><sheetData>%s</sheetData></worksheet>' % (_NS.encode(), rows)


def test_no_child_outlives_its_table(tmp_path: Path) -> None:
    before = children()
    with open_table(stored(tmp_path, "a,b\n1,2\n"), "a.csv", known=INVENTORY.aliases.get) as table:
        assert list(table.rows) == [(2, ["1", "2"])]
        assert len(children() - before) == 1
    assert children() <= before


def test_each_iteration_begins_anew_even_within_another(tmp_path: Path) -> None:
    text = "a,b\n" + "".join(f"{number},x\n" for number in range(10_000))
    with open_table(stored(tmp_path, text), "a.csv", known=INVENTORY.aliases.get) as table:
        outer = iter(table.rows)
        first = [next(outer)[0] for _ in range(300)]
        assert next(iter(table.rows))[0] == 2
        inner = [row_no for row_no, _ in table.rows]
        rest = [row_no for row_no, _ in outer]
    assert inner == first + rest == list(range(2, 10_002))


def test_the_child_starts_without_what_the_hub_loads() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, hub_pipelines.validate.parsing.child as c; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert not {"pydantic", "dagster", "pandas", "openpyxl", "pyarrow", "sqlalchemy"} & set(told)


def test_the_child_gets_no_secret_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DATABASE_URL", "postgresql://secret")
    before = children()
    with open_table(stored(tmp_path, "a,b\n1,2\n"), "a.csv", known=INVENTORY.aliases.get):
        (child,) = children() - before
        assert b"secret" not in Path(f"/proc/{child}/environ").read_bytes()


def test_a_parser_that_crashes_is_a_damaged_file(tmp_path: Path) -> None:
    path = stored(tmp_path, "a,b\n" + "1,2\n" * 100_000)
    before = children()
    with open_table(path, "a.csv", known=INVENTORY.aliases.get) as table:
        rows = iter(table.rows)
        next(rows)
        (child,) = children() - before
        os.kill(child, signal.SIGSEGV)
        with pytest.raises(Unreadable) as caught:
            list(rows)
        assert "damaged" in caught.value.reason
        with pytest.raises(Unreadable):
            list(table.rows)


def test_a_child_ended_from_outside_is_no_fault_of_the_file(tmp_path: Path) -> None:
    path = stored(tmp_path, "a,b\n" + "1,2\n" * 100_000)
    before = children()
    with open_table(path, "a.csv", known=INVENTORY.aliases.get) as table:
        rows = iter(table.rows)
        next(rows)
        os.kill(*(children() - before), signal.SIGKILL)
        with pytest.raises(Transient):
            list(rows)


def test_a_child_that_works_on_without_a_word_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "_CHILD", "hub_pipelines_tests.unit.validate.reading.endless")
    begun = time.monotonic()
    with (
        pytest.raises(Unreadable) as caught,
        open_table(stored(tmp_path, "a"), "a.csv", known=INVENTORY.aliases.get, limits=Limits(silent_s=1)),
    ):
        pass
    assert "without getting on" in caught.value.reason
    assert time.monotonic() - begun < 20


def test_a_child_that_gets_no_processor_is_waited_for(tmp_path: Path) -> None:
    path = stored(tmp_path, "a,b\n" + "1,2\n" * 100_000)
    before = children()
    with open_table(path, "a.csv", known=INVENTORY.aliases.get, limits=Limits(silent_s=1, starved_s=2)) as table:
        rows = iter(table.rows)
        next(rows)
        os.kill(*(children() - before), signal.SIGSTOP)
        begun = time.monotonic()
        with pytest.raises(Transient):
            list(rows)
        assert time.monotonic() - begun >= 2


def test_the_child_reads_on_while_the_hub_judges_what_it_has(tmp_path: Path) -> None:
    path = stored(tmp_path, "a,b\n" + "1,2\n" * 300_000)
    before = children()
    with open_table(path, "a.csv", known=INVENTORY.aliases.get, limits=Limits(silent_s=4, starved_s=2)) as table:
        batches = table.rows.batches()  # type: ignore[attr-defined]
        for _ in range(20):
            next(batches)
        (child,) = children() - before
        wait_until_idle(child)
        os.kill(child, signal.SIGSTOP)
        came: list[int] = []
        with pytest.raises(Transient):
            came.extend(len(batch.numbers) for batch in batches)
    assert sum(came) >= ROWS_AT_ONCE


def wait_until_idle(process_id: int) -> None:
    used = -1.0
    while used != (used := process._processor_time(process_id)):
        time.sleep(0.5)


def test_the_end_of_the_rows_is_told_however_many_batches_were_asked_for(tmp_path: Path) -> None:
    path = stored(tmp_path, "a,b\n" + "1,2\n" * 30_000)
    with open_table(path, "a.csv", known=INVENTORY.aliases.get) as table:
        assert [sum(1 for _ in table.rows) for _ in range(3)] == [30_000] * 3


@pytest.mark.parametrize("kind", ["csv", "xlsx", "large csv"])
def test_rows_are_counted_as_they_are_read_also_amid_others(tmp_path: Path, kind: str) -> None:
    lines = [f"N-{number},{'Flask' * (20 if kind == 'large csv' else 1)}" for number in range(80_000)]
    lines[70_000:70_000] = ["", "Total,", "Room 7,"]
    if kind == "xlsx":
        path = workbook(tmp_path, [["asset_tag", "item_name"], *(line.split(",") for line in lines[:25_000])])
    else:
        path = stored(tmp_path, "asset_tag,item_name\n" + "\n".join(lines))
    with open_table(path, f"a.{kind[-4:].strip()}", known=INVENTORY.aliases.get) as table:
        read = [row_no for row_no, _ in table.rows]
        outer = iter(table.rows)
        first = [next(outer)[0] for _ in range(300)]
        one, other, left_off = counts_of(table.rows), counts_of(table.rows), counts_of(table.rows)
        counts = [sum(pair) for pair in zip_longest(one, other, fillvalue=0)]
        rest = [row_no for row_no, _ in outer]
        assert next(left_off) == max(counts) // 2
        assert sum(counts_of(table.rows)) == sum(counts) // 2 == len(read)
    assert first + rest == read
    assert len(counts) > len(read) // 20_000, "whoever counts hears of it now and then"


@pytest.mark.parametrize("rows", [-1, True, "many", None, 1.5], ids=str)
def test_a_count_that_is_none_is_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: object) -> None:
    with open_table(stored(tmp_path, "a,b\n1,2\n"), "a.csv", known=INVENTORY.aliases.get) as table:
        monkeypatch.setattr(process.Parser, "_receive", lambda _: {"rows": rows})
        with pytest.raises(Unreadable, match="rows that is none"):
            sum(counts_of(table.rows))


def test_an_answer_that_nobody_has_asked_for_is_a_damaged_file(tmp_path: Path) -> None:
    with open_table(stored(tmp_path, "a,b\n1,2\n"), "a.csv", known=INVENTORY.aliases.get) as table:
        parser: process.Parser = table.rows._parser  # type: ignore[attr-defined]
        with pytest.raises(Unreadable, match="damaged"):
            parser._keep({"rows": 1})


def test_nonsense_from_the_child_is_a_damaged_file() -> None:
    unpack = wire.Unpacker()
    for body in (b"", b"\xc1", b"\x01", b"\x81\x01\x02", b"\xc7\x01\x63x", b"\x81\xa1a\xc7\x01\x01x"):
        with pytest.raises(wire.BrokenFrame):
            unpack(body)
    with pytest.raises(wire.BrokenFrame):
        wire.length_of(b"\xff\xff\xff\xff")


@pytest.mark.parametrize(
    "column",
    [{"texts": b"a\0b"}, {"texts": "a"}, {"texts": b"a", "ends": b"\2\0\0\0"}, {"texts": b"\xff", "ends": b"\1\0\0\0"},
     {"texts": b"a", "ends": b"\xff\xff\xff\xff"}, {"texts": b"a", "ends": b"1"}, {"texts": b"a", "ends": bytes(8)},
     {"days": b"\xff" * 4}, {"days": b"1"}, {"days": bytes(8)}, {"other": b""}, 1],
    ids=str,
)  # fmt: skip
def test_columns_that_are_none_are_seen_before_anything_is_made_of_them(column: object) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, OverflowError)):
        process.batch_of({"numbers": [2], "columns": [column], "beyond": []})


def test_cells_that_end_before_they_begin_are_seen_too() -> None:
    ends = array("i", [4, 2]).tobytes()
    with pytest.raises(ValueError, match="offset"):
        process.batch_of({"numbers": [2, 3], "columns": [{"texts": b"none", "ends": ends}], "beyond": []})


def test_texts_that_are_no_text_are_a_damaged_file() -> None:
    (column,) = process.batch_of({"numbers": [2, 3], "columns": [{"texts": b"\xff\0a"}], "beyond": []}).columns
    assert isinstance(column, Texts)
    with pytest.raises(Unreadable):
        column.cells()
    with pytest.raises(Unreadable):
        column.arrow()


_DAY, _MOMENT = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1)


@pytest.mark.parametrize(
    "cells",
    [
        ["a", "", "ü"], ["", "", ""], ["a\0b", "", "c"], ["\0", "\0", ""],
        [_DAY, "", datetime.date.max], [_DAY, " ", _DAY], [_DAY, "soon", ""], [_DAY, _MOMENT, _DAY], [_MOMENT, "", 1.5],
    ],
    ids=repr,
)  # fmt: skip
def test_a_column_of_any_kinds_of_cells_is_the_same_outside_the_child(cells: list[Cell]) -> None:
    sent = wire.pack(as_columns([(at + 2, [cell]) for at, cell in enumerate(cells)], 1))
    batch = process.batch_of(wire.Unpacker()(sent[wire.HEAD :]))
    expected = [cell if cell != "" else None for cell in cells]
    assert [row for _, (row,) in batch.rows()] == expected
    (column,) = batch.columns
    if isinstance(column, Texts):
        assert column.arrow().to_pylist() == column.cells() == expected


def test_a_workbook_that_unpacks_to_more_than_it_claims_is_refused(tmp_path: Path) -> None:
    path = xlsx_of(tmp_path, sheet_of(b'<row r="1"><c r="A1"><v>1</v></c></row>' + b" " * 400_000_000))
    content = bytearray(path.read_bytes())
    # both places where the archive says how large the sheet is
    real = (400_000_000 + len(sheet_of(b'<row r="1"><c r="A1"><v>1</v></c></row>'))).to_bytes(4, "little")
    assert content.count(real) >= 1
    path.write_bytes(bytes(content).replace(real, (1000).to_bytes(4, "little")))
    begun = time.monotonic()
    assert "large" in refusal_or_rows(path) or "damaged" in refusal_or_rows(path)
    assert time.monotonic() - begun < 60


def refusal_or_rows(path: Path) -> str:
    try:
        with open_table(path, "a.xlsx", known=INVENTORY.aliases.get) as table:
            return f"{sum(1 for _ in table.rows)} rows"
    except Unreadable as error:
        return error.reason


def test_an_entity_bomb_is_not_unpacked(tmp_path: Path) -> None:
    entities = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
    bomb = b'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY l0 "lol">%s]>' % entities
    rows = b'<row r="1"><c r="A1" t="inlineStr"><is><t>&l9;</t></is></c><c r="B1"><v>1</v></c></row>'
    path = xlsx_of(tmp_path, bomb + sheet_of(rows).partition(b"?>")[2])
    assert refusal_or_rows(path) in {"0 rows", "1 rows"} or "damaged" in refusal_or_rows(path)


def test_a_giant_cell_is_refused(tmp_path: Path) -> None:
    cell = b'<row r="1"><c r="A1" t="inlineStr"><is><t>%s</t></is></c></row>' % (b"x" * 450_000_000)
    reason = refusal(xlsx_of(tmp_path, sheet_of(cell)), "a.xlsx")
    assert "large" in reason or "more than 64 MB" in reason or "unpacks to" in reason


def test_one_long_text_in_every_cell_of_a_wide_row_is_refused(tmp_path: Path) -> None:
    # one shared text of 32,767 characters, shown in 16,384 columns: half a gigabyte from a small file
    letters = [_letters(number) for number in range(16_384)]
    cells = b"".join(b'<c r="%s1" t="s"><v>0</v></c>' % each for each in letters)
    shared = b'<sst xmlns="%s"><si><t>%s</t></si></sst>' % (_NS.encode(), b"x" * 32_767)
    path = xlsx_of(tmp_path, sheet_of(b'<row r="1">%s</row>' % cells), shared=shared)
    assert "large" in refusal(path, "a.xlsx")


def _letters(number: int) -> bytes:
    text = b""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = bytes([65 + rest]) + text
    return text


def test_16384_columns_are_read_and_more_are_refused(tmp_path: Path) -> None:
    wide = stored(tmp_path, ",".join(f"h{n}x" for n in range(16_384)) + "\n" + ",".join("1" * 16_384) + "\n")
    with open_table(wide, "a.csv", known=INVENTORY.aliases.get) as table:
        assert len(table.header) == 16_384
        assert len(list(table.rows)) == 1
    wider = stored(tmp_path, ",".join(f"h{n}x" for n in range(16_385)) + "\n" + ",".join("1" * 16_385) + "\n")
    assert "16,385 columns" in refusal(wider, "a.csv")


def test_the_hubs_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("w") as file:
        file.write("a,b,c\n")
        for number in range(600_000):
            file.write(f"{number},some text of a usual length for a cell,more text that makes the file large\n")
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom hub_pipelines.validate.reading import open_table\n"
        "small = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "with open_table(Path(sys.argv[1]), 'a.csv', known=lambda text: None) as table:\n"
        "    before = small()\n    count = sum(1 for _ in table.rows)\n    print(count, small() - before)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    rows, grown = map(int, run.stdout.split())
    assert rows == 600_000
    assert grown < 40, f"{grown} MB for a file of {path.stat().st_size // 1024**2} MB"


def test_a_table_read_by_many_threads_at_once_is_not_mixed_up(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    paths = []
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        paths.append(workbook(folder, [["asset_tag", "item_name"], [f"T{number}", "x"]]))

    def first_tag(path: Path) -> object:
        with open_table(path, "a.xlsx", known=INVENTORY.aliases.get) as table:
            return next(iter(table.rows))[1][0]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(first_tag, paths)) == ["T0", "T1", "T2", "T3"]
