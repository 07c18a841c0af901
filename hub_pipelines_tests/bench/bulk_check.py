"""Reading, validating and staging a large asset list: `python -m hub_pipelines_tests.bench.bulk_check [rows …]`.

A list of 12 columns is made with a registry of 1.2 million tags of three campuses; about one in twenty of its rows has
a defect, of a kind that is written down when the row is made. For each number of rows (100,000 and a million unless
told) it is judged many at once, and up to 100,000 rows also one by one: then both must stage the same file. The
defects that are found must be those that were made. `processor` is the time that this process and its reader got,
which other work on the machine changes less than `seconds`; `peak_mb` is the largest resident memory of each of the
two, `before_mb` what this process held before it began, much of it for making the registry. One JSON line for each
figure. Nothing here is a test.
"""

import csv
import datetime
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub_pipelines.validate.bulk import in_bulk
from hub_pipelines.validate.columns import located_columns, record_type_of
from hub_pipelines.validate.conventions.applying import apply
from hub_pipelines.validate.conventions.deciding import decide
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.reading import open_table
from hub_pipelines.validate.service import Circumstances, describe, validate
from hub_pipelines.validate.staging import StagedHandle, read_staged, stage

if TYPE_CHECKING:
    import pyarrow

REGISTERED = 1_200_000
ONE_BY_ONE = 100_000
CAMPUSES = ("north", "south", "west")
HEADER = (
    "asset_tag", "item_name", "category", "cas_number", "quantity", "unit", "location", "responsible_email",
    "acquired_on", "unit_cost", "po_number", "hazard_codes",
)  # fmt: skip
_NAMES = (
    'Beaker, "low form", 100 mL',
    "Méthanol 99 %",
    "Kaliumchlorid",
    "µ-tips, 10 µL",
    "Toluene",
    "Rotor",
    "缓冲液 7,4",
)
_WRONG = {
    "quantity": ("-3.5", "-12"),
    "acquired_on": ("2023-02-30", "2021-13-05", "soon"),
    "unit": ("??", "zz", "12"),
    "asset_tag": ("", "N-9{:06d}"),
    "responsible_email": ("ada.uni.edu", "ada@", "@uni.edu", "ada@edu"),
    "unit_cost": ("twelve", "12.5.0", "ask Bob"),
    "cas_number": ("67-64-2", "7732-18-4"),
}
"""By column, what is written in place of a good value."""


def tag(number: int) -> str:
    return f"N-{number:07d}"


class Register:
    """As the hub's own once its list is kept (ledger.registry.listing)."""

    version = 1
    updated_at: datetime.datetime | None = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

    def campuses(self, tags: Collection[str]) -> dict[str, str]:
        return {one: CAMPUSES[int(one[2:]) % 3] for one in tags if one[:3] == "N-0" or one[:3] == "N-1"}

    def nearest(self, tag: str) -> str | None:
        return tag if tag in self.campuses([tag]) else None

    def listed(self) -> "pyarrow.Table":
        return self._listed

    @cached_property
    def _listed(self) -> "pyarrow.Table":
        import pyarrow

        numbers = range(1, REGISTERED + 1)
        return pyarrow.table({"tag": map_to(tag, numbers), "campus": map_to(lambda n: CAMPUSES[n % 3], numbers)})


def map_to(text: Any, numbers: range) -> "pyarrow.Array":
    import pyarrow

    return pyarrow.array((text(number) for number in numbers), pyarrow.string())


def rows(count: int) -> Iterator[tuple[list[str], set[str]]]:
    """Each row with the columns that have a defect."""
    chance = random.Random(count)
    numbers = chance.sample(range(1, REGISTERED + 1), count)
    good = tag(numbers[0])
    for at, number in enumerate(numbers):
        day = datetime.date(2005, 1, 1) + datetime.timedelta(days=chance.randrange(7_500))
        row = dict(
            zip(
                HEADER,
                (
                    tag(number), f"{chance.choice(_NAMES)} no {chance.randrange(10**6)}",
                    chance.choice(("chemical", "glassware", "equipment")),
                    chance.choice(("", "", "67-64-1", "7732-18-5", "64-17-5")),
                    f"{chance.randrange(500_000) / 1_000:.{chance.randrange(4)}f}", chance.choice(("mL", "g", "ea")),
                    f"Bldg {chance.randrange(40)}, Room {chance.randrange(500)}, Shelf {chance.choice('ABCDEF')}",
                    f"pi{chance.randrange(4_000)}@chem.uni.edu", day.isoformat(),
                    f"{chance.randrange(20_000)}.{chance.randrange(100):02d}",
                    f"PO-{number * 7_919 % 900_000:06d}", chance.choice(("", "H225", "H301;H315", "H410")),
                ),
                strict=True,
            )
        )  # fmt: skip
        wrong = set()
        if at and chance.random() < 0.05:
            column = chance.choice(list(_WRONG))
            row[column] = chance.choice(_WRONG[column]).format(at)
            wrong = {column}
        elif at and chance.random() < 0.005:
            row["asset_tag"], wrong = good, {"asset_tag"}
        good = good if wrong else row["asset_tag"]
        yield list(row.values()), wrong


def write(path: Path, count: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file, path.with_suffix(".wrong").open("w") as wrong:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for number, (row, columns) in enumerate(rows(count), start=2):
            writer.writerow(row)
            wrong.writelines(f"{number} {column}\n" for column in columns)


def staged(path: Path, folder: Path, register: Register, *, at_once: bool) -> tuple[StagedHandle, int]:
    feed = FEEDS["inventory"]
    with open_table(path, path.name, known=feed.aliases.get) as table:
        columns = located_columns(table.header, record_type_of(table.header, feed))
        read = apply(table, columns, decide(table, columns, answers={}, units={}, time_zone="UTC"))
        circumstances: Circumstances = {
            "campus": "north", "campuses": CAMPUSES, "registry": register, "time_zone": "UTC",
        }  # fmt: skip
        many = in_bulk(read, feed, **circumstances) if at_once else None
        handle = stage(many or validate(read, feed, **circumstances), folder, describe(read, feed, register))
        return handle, _peak_mb(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[-1])


def _peak_mb(pid: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def require_the_defects(path: Path, handle: StagedHandle) -> None:
    made = {tuple(line.split()) for line in path.with_suffix(".wrong").read_text().splitlines()}
    found = {
        (str(row.row_no), str(problem["column"]))
        for row in read_staged(handle.path)[1]
        for problem in row.problems
        if problem["severity"] == "block"
    }
    assert found == made, (len(found - made), len(made - found), sorted(found ^ made)[:5])


def measure(path: Path, folder: Path, count: int, *, at_once: bool) -> str:
    register = Register()
    register.listed()
    held = _peak_mb("self")
    begun, before = time.perf_counter(), sum(os.times()[:4])
    handle, reader_mb = staged(path, folder, register, at_once=at_once)
    seconds, processor = time.perf_counter() - begun, sum(os.times()[:4]) - before
    peaks = [_peak_mb("self"), reader_mb]
    require_the_defects(path, handle)
    told = {"what": "many at once" if at_once else "one by one", "rows": count, "seconds": round(seconds, 2),
            "processor": round(processor, 2), "rows_a_second": round(count / seconds),
            "rows_a_processor_second": round(count / processor), "before_mb": held, "peak_mb": peaks}  # fmt: skip
    print(json.dumps(told), flush=True)
    return handle.digest


def main() -> None:
    counts = [int(one) for one in sys.argv[1:]] or [100_000, 1_000_000]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in counts:
            path = folder / f"assets-{count}.csv"
            # each in a process of its own, so that its memory is its own
            with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
                pool.submit(write, path, count).result()
                digests = {
                    pool.submit(measure, path, folder, count, at_once=at_once).result()
                    for at_once in ((True, False) if count <= ONE_BY_ONE else (True,))
                }
            assert len(digests) == 1, "both must stage the same file"


if __name__ == "__main__":
    main()
