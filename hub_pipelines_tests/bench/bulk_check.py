"""Reading, validating and staging a large asset list: `python -m hub_pipelines_tests.bench.bulk_check [rows …]`.

The list and the registry are those of `bench.bulk`, which sets the whole import beside its peers. For each number of
rows (100,000 and a million unless told) the list is judged many at once, and up to 100,000 rows also one by one: then
both must stage the same file. The faults that are found must be those that were put in. `processor` is the time that
this process and its reader got, which other work on the machine changes less than `seconds`; `peak_mb` is the largest
resident memory of each of the two, `before_mb` what this process held before it began, with the registry. One JSON
line for each figure. Nothing here is a test.
"""

import datetime
import json
import os
import sys
import tempfile
import time
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from hub_pipelines.validate.bulk.judging import in_bulk
from hub_pipelines.validate.columns import located_columns, record_type_of
from hub_pipelines.validate.conventions.applying import apply
from hub_pipelines.validate.conventions.deciding import decide
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.reading import open_table
from hub_pipelines.validate.service import Circumstances, describe, validate
from hub_pipelines.validate.staging import StagedHandle, read_staged, stage
from hub_pipelines_tests.bench.bulk.data import CAMPUSES, Inventory, write_inventory, write_registry

if TYPE_CHECKING:
    import pyarrow

_ONE_BY_ONE = 100_000


class Register:
    """Procurement's file as the hub has its registry."""

    version = 1
    updated_at: datetime.datetime | None = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

    def __init__(self, path: Path) -> None:
        from pyarrow import csv

        table = csv.read_csv(path)
        self._listed = table.select(["asset_tag", "campus"]).rename_columns(["tag", "campus"])
        self._coded = self._listed.sort_by("tag").combine_chunks()
        self._coded = self._coded.set_column(1, "campus", self._coded["campus"].combine_chunks().dictionary_encode())

    def listed(self) -> "pyarrow.Table":
        return self._coded

    def campuses(self, tags: Collection[str]) -> dict[str, str]:
        import pyarrow
        from pyarrow import compute

        asked = pyarrow.array(tags, pyarrow.string())
        known = self._listed.filter(compute.is_in(self._listed["tag"], value_set=asked))
        return dict(zip(*(column.to_pylist() for column in known.columns), strict=True))

    def near(self, _tag: str) -> list[tuple[int, str]]:
        """Nothing is like it: looking for what is would measure the database."""
        return []


def staged(path: Path, folder: Path, register: Register, *, at_once: bool) -> tuple[StagedHandle, int]:
    """What was staged, and the reader's largest memory in MB."""
    feed = FEEDS["inventory"]
    with open_table(path, path.name, known=feed.aliases.get) as table:
        columns = located_columns(table.header, record_type_of(table.header, feed))
        read = apply(table, columns, decide(table, columns, answers={}, units={}, time_zone="UTC"))
        circumstances: Circumstances = {
            "campus": CAMPUSES[0],
            "campuses": CAMPUSES,
            "registry": register,
            "time_zone": "UTC",
        }
        many = in_bulk(read, feed, **circumstances) if at_once else None
        handle = stage(many or validate(read, feed, **circumstances), folder, describe(read, feed, register))
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return handle, max(map(_peak_mb, children))


def _peak_mb(process: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def require_the_faults(inventory: Inventory, handle: StagedHandle) -> None:
    found = {
        (row.row_no - 1, problem["column"])
        for row in read_staged(handle.path)[1]
        for problem in row.problems
        if problem["severity"] == "block"
    }
    assert found == inventory.defects, sorted(found ^ inventory.defects)[:5]


def measure(inventory: Inventory, registry: Path, folder: Path, *, at_once: bool) -> str:
    """The staged file's digest."""
    register = Register(registry)
    held = _peak_mb("self")
    begun, before = time.perf_counter(), sum(os.times()[:4])
    handle, reader_mb = staged(inventory.path, folder, register, at_once=at_once)
    seconds, processor = time.perf_counter() - begun, sum(os.times()[:4]) - before
    told = {
        "what": "many at once" if at_once else "one by one",
        "rows": inventory.rows,
        "seconds": round(seconds, 2),
        "processor": round(processor, 2),
        "rows_a_second": round(inventory.rows / seconds),
        "rows_a_processor_second": round(inventory.rows / processor),
        "before_mb": held,
        "peak_mb": [_peak_mb("self"), reader_mb],
    }
    print(json.dumps(told), flush=True)
    require_the_faults(inventory, handle)
    return handle.digest


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry = folder / "registry.csv"
        write_registry(registry)
        for rows in [int(one) for one in sys.argv[1:]] or [100_000, 1_000_000]:
            inventory = write_inventory(folder / f"inventory-{rows}.csv", rows)
            digests = set()
            for at_once in (True, False) if rows <= _ONE_BY_ONE else (True,):
                # in a process of its own, so that its memory is its own
                with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                    digests.add(pool.submit(measure, inventory, registry, folder, at_once=at_once).result())
            assert len(digests) == 1, "both must stage the same file"


if __name__ == "__main__":
    main()
