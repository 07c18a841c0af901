"""The README's figures, measured: `python -m hub_pipelines_tests.bench.figures [name …]`.

Each figure is printed as one JSON line with how it was taken. Nothing here is a test: machines differ.
"""

import csv
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import KNOWN_FEEDS, Hub, open_hub
from hub_pipelines.settings import load

COLUMNS = [
    "asset_tag",
    "item_name",
    "category",
    "cas_number",
    "quantity",
    "unit",
    "location",
    "responsible_email",
    "acquired_on",
    "unit_cost",
    "po_number",
    "hazard_codes",
]


def main() -> None:
    known = {
        "import": import_ratio,
        "drop_to_posted": drop_to_posted,
        "ten_of_one_name": ten_of_one_name,
        "drain": warm_drain,
        "hundred_thousand_rows": hundred_thousand_rows,
        "ten_thousand_files": ten_thousand_files,
        "ledger_day": ledger_day,
    }
    for name in sys.argv[1:] or known:
        print(json.dumps({"figure": name, **known[name]()}), flush=True)


def import_ratio() -> dict[str, object]:
    """Seconds to import dagster and to load the definitions, in fresh processes, alternating."""
    dagster, ours = [], []
    with _home():
        for _ in range(7):
            dagster.append(_seconds("import dagster"))
            ours.append(_seconds("import hub_pipelines.definitions as d; d.defs()"))
    pairs = [mine / theirs for mine, theirs in zip(ours, dagster, strict=True)]
    return {
        "dagster_s": statistics.median(dagster),
        "definitions_s": statistics.median(ours),
        "ratio_median": statistics.median(pairs),
    }


def _seconds(code: str) -> float:
    timed = f"import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True).stdout)


def drop_to_posted() -> dict[str, object]:
    """Ten files of 100 rows, one after the other at odd moments, into a running deployment."""
    with _home() as home:
        hub = _hub_with_registry(2_000)
        with _running():
            steps = [_one_drop(hub, home, number) for number in range(10)]
    total = [sum(step) for step in steps]
    return {
        "files": len(steps),
        "median_s": statistics.median(total),
        "max_s": max(total),
        "median_until_taken_s": statistics.median(step[0] for step in steps),
        "median_until_leased_s": statistics.median(step[1] for step in steps),
        "median_until_posted_s": statistics.median(step[2] for step in steps),
    }


@contextmanager
def _running() -> Iterator[None]:
    """`hub up` on this home, settled."""
    port = 3400 + os.getpid() % 500
    up = [sys.executable, "-m", "hub_pipelines.cli", "up", "--port", str(port)]
    process = subprocess.Popen(up, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        next(line for line in process.stderr if "The hub is up" in line)
        time.sleep(15)
        yield
    finally:
        process.terminate()
        process.wait()


def ten_of_one_name() -> dict[str, object]:
    """Ten versions of one list of 100 rows, sent at once to a running deployment: they post one after the other."""
    from hub_pipelines.submission import store as submissions

    with _home() as home:
        hub = _hub_with_registry(2_000)
        draft = home / "stock.csv"
        with _running():
            began = datetime.now(UTC)
            for number in range(10):
                write_inventory(draft, 100, salt=number)
                hub.submit(draft, Scope("north", "inventory"), actor="bench")
            sent = datetime.now(UTC)
            while True:
                time.sleep(0.2)
                with hub.db.read() as tx:
                    found = [one for one in submissions.everything(tx) if one.envelope.source_name == draft.name]
                    posted = sorted((one.posted_at, one.source_version) for one in found if one.posted_at)
                    if len(posted) == 10:
                        runs = sum(one.launch for one in found)
                        break
    return {
        "files": len(posted),
        "sent_after_s": (sent - began).total_seconds(),
        "first_posted_after_s": (posted[0][0] - began).total_seconds(),
        "last_posted_after_s": (posted[-1][0] - began).total_seconds(),
        "in_order": [version for _, version in posted] == sorted(version for _, version in posted),
        "launches": runs,
    }


def _one_drop(hub: Hub, home: Path, number: int) -> tuple[float, float, float]:
    from hub_pipelines.submission import store as submissions

    time.sleep(0.7 * (number % 7))
    name = f"bench-{number}.csv"
    draft = home / name
    write_inventory(draft, 100, salt=number)
    dropped = datetime.now(UTC)
    draft.rename(hub.settings.drop / "north" / "inventory" / name)
    while True:
        time.sleep(0.05)
        with hub.db.read() as tx:
            for one in submissions.everything(tx):
                if one.envelope.source_name == name and one.posted_at:
                    (attempt,) = submissions.attempts_of(tx, one.request_id)
                    moments = [dropped, one.envelope.received_at, attempt["started_at"], one.posted_at]
                    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(moments)]
                    return gaps[0], gaps[1], gaps[2]


def warm_drain() -> dict[str, object]:
    """Twenty files of 100 rows through one drain in this process, after a first one has warmed it."""
    from hub_pipelines.defs.instance import Runner

    with _home():
        hub = _hub_with_registry(2_000)
        runner = Runner(hub)
        write_inventory(hub.settings.drop / "north" / "inventory" / "first.csv", 100, salt=99)
        assert runner.drain(timeout_s=300, progress=print_to_stderr)
        for number in range(20):
            write_inventory(hub.settings.drop / "north" / "inventory" / f"file-{number}.csv", 100, salt=number)
        started = time.perf_counter()
        assert runner.drain(timeout_s=300, progress=print_to_stderr)
        return {"files": 20, "seconds_per_file": (time.perf_counter() - started) / 20}


def print_to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


def hundred_thousand_rows() -> dict[str, object]:
    """`hub submit --wait` of 100,000 inventory rows with a registry of as many tags; peak memory of that process."""
    with _home() as home:
        _hub_with_registry(100_000)
        path = home / "large.csv"
        write_inventory(path, 100_000, salt=1)
        command = [sys.executable, "-m", "hub_pipelines.cli", "submit", str(path), "--campus", "north"]
        started = time.perf_counter()
        answer = subprocess.run(
            [*command, "--feed", "inventory", "--wait", "--json"], capture_output=True, text=True, check=True
        )
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        return {"rows": json.loads(answer.stdout)["rows"], "seconds": seconds, "peak_mib_of_largest_child": peak}


def ledger_day() -> dict[str, object]:
    """The ledger asset of a campus-day with 100,000 entries, suites included, in processes of their own.

    First as the sensor's run does it, then as a backfill, which also reads the day's file from the archive again.
    """
    with _home() as home:
        hub = _hub_with_registry(100_000)
        path = home / "large.csv"
        write_inventory(path, 100_000, salt=1)
        _post(hub, path, "inventory")
        today = hub.campuses["north"].day_of(hub.intake.now()).isoformat()
        code = (
            "from hub_pipelines.hub import open_hub; from hub_pipelines.defs.instance import Runner; "
            "assert Runner(open_hub()).fold(lambda _: None)"
        )
        fold = _timed([sys.executable, "-c", code])
        again = ["backfill", "--campus", "north", "--feed", "inventory", "--from", today, "--to", today]
        backfill = _timed([sys.executable, "-m", "hub_pipelines.cli", *again])
    return {"entries": 100_000, "fold": fold, "backfill": backfill}


def _timed(command: list[str]) -> dict[str, float]:
    """Wall seconds and peak memory of a process, from its start to its end."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return {"seconds": time.perf_counter() - started, "peak_mib": usage.ru_maxrss / 1024}


def ten_thousand_files() -> dict[str, object]:
    """Ticks of one campus with 10,000 files waiting and 100,000 settled submissions on record."""
    from hub_pipelines.launching import tick

    with _home():
        hub = _hub_with_registry(100)
        _settled_on_record(hub, 100_000)
        folder = hub.settings.drop / "north" / "inventory"
        for number in range(10_000):
            write_inventory(folder / f"file-{number}.csv", 1, salt=number)
        ticks = []
        while hub.drop_folder.waiting("north"):
            started = time.perf_counter()
            found = tick(hub, "north", alive=lambda _ids: set())
            ticks.append((round(time.perf_counter() - started, 1), len(found.scan.arrivals), len(found.launches)))
        return {"settled_on_record": 100_000, "ticks_seconds_taken_launched": ticks}


def _settled_on_record(hub: Hub, count: int) -> None:
    """Copies of a posted submission under other ids: rows as any other for every query of a tick."""
    from sqlalchemy import select

    from hub_pipelines.submission.store import submission

    with hub.db.write() as tx:
        one = dict(tx.execute(select(submission)).mappings().first() or {})
        for _ in range(count // 10_000):
            ids = [f"north-inventory-{uuid.uuid4().hex}" for _ in range(10_000)]
            tx.execute(
                submission.insert(), [{**one, "request_id": i, "source_key": i, "receipt_due": False} for i in ids]
            )


def _hub_with_registry(tags: int) -> Hub:
    hub = open_hub(load(KNOWN_FEEDS))
    path = hub.settings.home / "registry.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["asset_tag", "po_number", "campus"])
        writer.writerows([f"N-{number:07d}", "PO-100001", "north"] for number in range(1, tags + 1))
    _post(hub, path, "procurement")
    return hub


def _post(hub: Hub, path: Path, feed: str) -> None:
    from hub_pipelines.common.scope import Scope
    from hub_pipelines.submission.model import Lease

    arrival = hub.submit(path, Scope("north", feed), actor="bench")
    lease = hub.processing.begin(str(arrival.request_id), "bench")
    assert isinstance(lease, Lease)
    with hub.processing.attempt(lease):
        hub.processing.post(lease)


def write_inventory(path: Path, rows: int, *, salt: int) -> None:
    """Good rows with the tags N-0000001 … and contents that depend on `salt`."""
    draft = path.with_name(f".{path.name}.part")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(1, rows + 1):
            item = f"Item {number} of {salt}"
            mail = "pi7.lab@chem.northfield.edu"
            cells = ["chemical", "64-17-5", "2.5", "L", "Bldg 3, Room 214", mail, "2024-02-15", "12.50", "PO-100001"]
            writer.writerow([f"N-{number:07d}", item, *cells, "H225;H319"])
    draft.rename(path)


@contextmanager
def _home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HUB_HOME"] = folder
        yield Path(folder)


if __name__ == "__main__":
    main()
