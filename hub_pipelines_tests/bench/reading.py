"""Reading a workbook, beside openpyxl: `python -m hub_pipelines_tests.bench.reading`.

A workbook of 100,000 rows and 10 columns, its texts shared as Excel does it, is read in turn by `open_table` (all rows
iterated, in a child process under limits), by openpyxl in read-only mode and by calamine alone, each ROUNDS times, so
that what else the machine does meets all three alike; the best time of each counts. `processor` is the time that this
process and its children got, which other work on the machine changes less. `peak_mb` is this process's
largest resident memory after it has read with `open_table` only. One JSON line for each figure. Nothing here is a test.
"""

import datetime
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.reading import open_table

ROWS = 100_000
ROUNDS = 5
_HEADER = (
    "asset_tag", "item_name", "category", "quantity", "unit", "location", "responsible_email", "acquired_on",
    "unit_cost", "po_number",
)  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.xlsx")
        # in a process of its own, whose memory is not ours
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            pool.submit(write, path, ROWS).result()
        readers = {"open_table": by_open_table, "openpyxl read-only": by_openpyxl, "calamine alone": by_calamine}
        times: dict[str, list[float]] = {name: [] for name in readers}
        processor: dict[str, list[float]] = {name: [] for name in readers}
        peaks = {}
        for _ in range(ROUNDS):
            for name, read in readers.items():
                took, used = _timed(read, path)
                times[name].append(took)
                processor[name].append(used)
                if name == "open_table" and name not in peaks:
                    peaks[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        for name, each in times.items():
            _say(
                name,
                seconds=round(min(each), 3),
                processor=round(min(processor[name]), 3),
                all=[round(one, 3) for one in each],
            )
        best = {name: min(each) for name, each in times.items()}
        _say(
            "ratio",
            open_table=round(best["openpyxl read-only"] / best["open_table"], 2),
            calamine_alone=round(best["openpyxl read-only"] / best["calamine alone"], 2),
            open_table_by_processor=round(min(processor["openpyxl read-only"]) / min(processor["open_table"]), 2),
            peak_mb=peaks["open_table"],
        )


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
    begun, before = time.perf_counter(), sum(os.times()[:4])
    assert read(path) == ROWS
    return time.perf_counter() - begun, sum(os.times()[:4]) - before


def _say(what: str, **figures: object) -> None:
    print(json.dumps({"what": what, **figures}), flush=True)


if __name__ == "__main__":
    main()
