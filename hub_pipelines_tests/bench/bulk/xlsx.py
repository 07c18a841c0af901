"""A workbook beside the same rows as CSV: `python -m hub_pipelines_tests.bench.bulk.xlsx --rows 100000`.

Each goes from its arrival to its posting in this process, SQLite. Prints clock and processor time (of the programs that
open the file too) of both, of calamine reading the workbook's cells alone, and the workbook's time as a multiple of
calamine's and the CSV file's together.
"""

import csv
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines_tests.bench.bulk import hub as command_line
from hub_pipelines_tests.bench.bulk.data import write_inventory, write_registry
from hub_pipelines_tests.support import open_test_hub, process

_NUMBERS = ("quantity", "unit_cost")


def main(rows: Annotated[int, typer.Option(help="Rows of the table.")] = 100_000) -> None:
    """Prints a line for each and the ratio."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        tags = rows * 6 // 5
        write_registry(folder / "registry.csv", tags)
        sent = write_inventory(folder / "list.csv", rows, tags=tags)
        write_workbook(sent.path, folder / "list.xlsx")
        size_mb = (folder / "list.xlsx").stat().st_size >> 20
        print(f"{rows:,} rows, {size_mb} MB as a workbook; load {os.getloadavg()[0]:.1f}")
        home, url = folder / "home", f"sqlite:///{folder / 'home' / 'hub.db'}"
        command_line.prepare(home, url, folder / "registry.csv")
        posted = {}
        for kind in ("csv", "xlsx"):
            mine = command_line.copy_of(home, folder / kind)
            hub = open_test_hub(mine, f"sqlite:///{mine / 'hub.db'}", lease_s=3_000)
            posted[kind] = _timed(kind, lambda kind=kind, hub=hub: _posted(hub, folder / f"list.{kind}", sent.rejected))  # type: ignore[misc]
            hub.db.dispose()
        read = _timed("calamine", lambda: _read(folder / "list.xlsx"))
        for number, what in enumerate(("clock", "processor")):
            ratio = posted["xlsx"][number] / (read[number] + posted["csv"][number])
            print(f"by the {what}: {ratio:.2f} × calamine's and the CSV file's together")


def write_workbook(source: Path, path: Path) -> None:
    """As a spreadsheet program has it: numbers are numbers, the rest is text."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Inventory")
    with source.open(newline="", encoding="utf-8") as file:
        sent = csv.DictReader(file)
        sheet.append(list(sent.fieldnames or ()))
        for row in sent:
            sheet.append([_cell(name, value) for name, value in row.items()])
    book.save(path)


def _cell(name: str, value: str) -> str | float | None:
    try:
        return float(value) if name in _NUMBERS else value or None
    except ValueError:
        return value


def _posted(hub: Hub, path: Path, rejected: int) -> None:
    arrival = hub.submit(path, Scope("north", "inventory"), actor="bench")
    posting = process(hub, str(arrival.request_id))
    assert isinstance(posting, Posting)
    print(f"  {path.suffix}: {posting.posted:,} posted, {posting.rejected:,} rejected of {rejected:,} spoilt")


def _read(path: Path) -> None:
    from python_calamine import CalamineWorkbook

    CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()


def _timed(name: str, work: Callable[[], None]) -> tuple[float, float]:
    began, spent = time.perf_counter(), _processor_s()
    work()
    told = time.perf_counter() - began, _processor_s() - spent
    print(f"{name:9} {told[0]:6.2f} s, processor {told[1]:6.2f} s", flush=True)
    return told


def _processor_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    typer.run(main)
