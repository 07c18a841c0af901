"""Time and memory of the program that writes returned workbooks: `python -m hub_pipelines_tests.bench.workbook`.

Side by side in one run: the largest workbook that is given back whole, and one of which only the rows to fix are.
"""

import resource
import tempfile
import time
from pathlib import Path

import openpyxl

from hub_pipelines.report.workbook.model import Mark, Plan, Sent
from hub_pipelines.report.workbook.running import Waiting, write_workbook
from hub_pipelines.validate.parsing.layout.rules import RULES

COLUMNS = "asset_tag,item_name,category,quantity,unit,location,responsible_email,acquired_on,unit_cost,po_number"


def workbook(path: Path, rows: int) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Assets")
    sheet.append(COLUMNS.split(","))
    for number in range(rows):
        email = "a@north.example.edu"
        sheet.append([f"NC-{number}", "Ethanol", "chemical", 2, "L", "Lab 1", email, "2025-01-02", 9.5, "PO-1"])
    book.save(path)


_MARKED = 5_000
"""As many problems have a note at their cell."""


def plan_of(path: Path, problems: int) -> Plan:
    rows = range(2, 2 + problems)
    found = tuple(Mark(row, 3, "quantity", "lots", "No number.", None, "block") for row in rows[:_MARKED])
    return Plan(
        sent=Sent(str(path), "assets.xlsx", "inventory", RULES),
        folder="drop/north/inventory",
        folder_of_part="drop/north/inventory",
        token="token",
        token_of_part="token",
        headline="Some rows need your attention",
        told=(),
        counts=(),
        first_steps=(),
        last_steps=(),
        waiting=None,
        about_all=(),
        marks=found,
        marks_total=problems,
        to_fix=dict.fromkeys(rows, "quantity: No number. Suggestion: Write a number such as 2.5."),
        rejected=problems,
        questions=(),
        lists={2: ("chemical", "equipment")},
        whole_file=True,
        most_cells=400_000,
    )


def measured(plan: Plan) -> tuple[float, float, bool]:
    """Seconds, MiB at the peak of any child so far, and whether the whole came back."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        whole = write_workbook(plan, Path(folder, "made.xlsx"), Waiting()).whole_file
        took = time.monotonic() - began
    return took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, whole


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "assets.xlsx")
        for rows, problems in ((100, 10), (100_000, 5_000), (100_000, 15_000), (100_000, 25_000), (39_900, 5_000)):
            workbook(path, rows)
            took, peak, whole = measured(plan_of(path, problems))
            what = "whole" if whole else "rows to fix"
            print(
                f"{rows:>7,} rows, {problems:>6,} problems, {what:<11}: {took:5.1f} s, at most {peak:,.0f} MiB so far"
            )


if __name__ == "__main__":
    main()
