"""Reading a workbook, beside openpyxl: `python -m hub_pipelines_tests.bench.reading`.

A workbook of 100,000 rows and 10 columns is read in turn by `open_table` (all rows iterated, in a child process under
limits that is forked as those of runs are), by openpyxl in read-only mode and by calamine alone, each ROUNDS times, so
that what else the machine does meets all three alike; the best time of each counts. It is read in two forms: with each
text in its cell, as openpyxl writes it since 3.1, and with texts that are shared, as Excel does it, which all three
read faster. `processor` is the time that this process and its children got, which other work on the machine changes
less. `peak_mb` is this process's largest resident memory after it has read with `open_table` only. One JSON line for
each figure. Nothing here is a test.
"""

import datetime
import json
import os
import re
import resource
import tempfile
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.reading import open_table, starting

ROWS = 100_000
ROUNDS = 5
_HEADER = (
    "asset_tag", "item_name", "category", "quantity", "unit", "location", "responsible_email", "acquired_on",
    "unit_cost", "po_number",
)  # fmt: skip


def main() -> None:
    starting.fork_readers()
    with tempfile.TemporaryDirectory() as folder:
        inline, shared = Path(folder, "inline.xlsx"), Path(folder, "shared.xlsx")
        # in a process of its own, whose memory is not ours
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            pool.submit(write, inline, ROWS).result()
            pool.submit(share_texts, inline, shared).result()
        by_open_table(shared)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        for path in (inline, shared):
            measure(path)
        _say("memory", peak_mb=peak)


def measure(path: Path) -> None:
    readers = {"open_table": by_open_table, "openpyxl read-only": by_openpyxl, "calamine alone": by_calamine}
    times: dict[str, list[float]] = {name: [] for name in readers}
    processor: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(ROUNDS):
        for name, read in readers.items():
            took, used = _timed(read, path)
            times[name].append(took)
            processor[name].append(used)
    for name, each in times.items():
        _say(
            f"{path.stem}: {name}",
            seconds=round(min(each), 3),
            processor=round(min(processor[name]), 3),
            all=[round(one, 3) for one in each],
        )
    _say(f"{path.stem}: ratio", **_ratios("", times), **_ratios("_by_processor", processor))


def _ratios(what: str, measured: dict[str, list[float]]) -> dict[str, float]:
    best = {name: min(each) for name, each in measured.items()}
    return {
        f"open_table{what}": round(best["openpyxl read-only"] / best["open_table"], 2),
        f"calamine_alone{what}": round(best["openpyxl read-only"] / best["calamine alone"], 2),
    }


def write(path: Path, rows: int) -> None:
    import openpyxl

    # not in write-only mode, which repeats each text in its cell
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(_HEADER)
    begin = datetime.datetime(2020, 1, 1)
    for number in range(rows):
        day = begin + datetime.timedelta(days=number % 1_500)
        sheet.append(
            [f"TAG-{number}", f"Item {number % 977}", "chemical", number % 50, "mL", f"Room {number % 40}",
             f"person{number % 30}@example.edu", day, number * 0.25, f"PO-{number % 5_000}"]
        )  # fmt: skip
    book.save(path)


_INLINE = re.compile(r't="inlineStr"><is><t>([^<]*)</t></is>')
_SHARED = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"


def share_texts(path: Path, shared: Path) -> None:
    """The same workbook, each text once and apart from the cells, as Excel writes it."""
    places: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        return f't="s"><v>{places.setdefault(found[1], len(places))}</v>'

    with zipfile.ZipFile(path) as old, zipfile.ZipFile(shared, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            text = _INLINE.sub(place, old.read(name).decode())
            override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{_SHARED}"/>'
            relation = f'<Relationship Id="rIdTexts" Type="{_RELATION}" Target="sharedStrings.xml"/>'
            if name == "[Content_Types].xml":
                text = text.replace("</Types>", f"{override}</Types>")
            elif name == "xl/_rels/workbook.xml.rels":
                text = text.replace("</Relationships>", f"{relation}</Relationships>")
            new.writestr(name, text)
        items = "".join(f"<si><t>{text}</t></si>" for text in places)
        new.writestr("xl/sharedStrings.xml", f'<sst xmlns="{_MAIN}" uniqueCount="{len(places)}">{items}</sst>')


def by_open_table(path: Path) -> int:
    with open_table(path, path.name, known=FEEDS["inventory"].aliases.get) as table:
        return sum(1 for _ in table.rows)


def by_openpyxl(path: Path) -> int:
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    count = sum(1 for _ in book.worksheets[0].iter_rows(values_only=True))
    book.close()
    return count - 1


def by_calamine(path: Path) -> int:
    from python_calamine import load_workbook

    with load_workbook(path) as book:
        return sum(1 for _ in book.get_sheet_by_index(0).iter_rows()) - 1


def _timed(read: Callable[[Path], int], path: Path) -> tuple[float, float]:
    begun, before = time.perf_counter(), _processor_s()
    assert read(path) == ROWS
    return time.perf_counter() - begun, _processor_s() - before


def _processor_s() -> float:
    """Of this process and its children, those that are forked elsewhere included once they have ended."""
    fields = Path(f"/proc/{starting.fork_readers().pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    # user and system, of the nursery itself and of its children (proc(5), from field 14 on)
    return sum(os.times()[:4]) + sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _say(what: str, **figures: object) -> None:
    print(json.dumps({"what": what, **figures}), flush=True)


if __name__ == "__main__":
    main()
