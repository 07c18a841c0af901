"""The run: every peer and the hub, alternating, each in a fresh process against an empty ledger; a table of medians.

    python -m hub_pipelines_tests.bench.bulk --rows 100000 --rows 1000000 --runs 3

PostgreSQL is one of the run's own with default settings, or the server that `--postgres` names (its rights must
allow to make databases). The hub's time is that of the whole `hub submit --wait`: archive, run, posting, receipt,
checks, returned workbook. Peers end when their rows are committed: how long the hub takes until then stands beside it.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from hub_pipelines_tests.bench.bulk import hub
from hub_pipelines_tests.bench.bulk.data import TAGS, Inventory, write_inventory, write_registry
from hub_pipelines_tests.bench.bulk.peers import PEERS
from hub_pipelines_tests.bench.bulk.server import Server

_SLOW = ("pandas + pydantic + SQLAlchemy", "dlt")
"""Run once: they take minutes at a million rows, and differ from the others by far more than between two runs."""


@dataclass(frozen=True)
class Run:
    peer: str
    database: str
    rows: int
    seconds: float
    posted_s: float
    """Until the rows are committed."""
    peak_mb: float
    check: str


def main(
    rows: Annotated[list[int], typer.Option(help="Rows of the file.")] = [100_000],  # noqa: B006  # typer's way
    runs: Annotated[int, typer.Option(help="Runs of each; the slow peers run once.")] = 3,
    databases: Annotated[str, typer.Option(help="sqlite, postgresql or both with a comma.")] = "sqlite,postgresql",
    peers: Annotated[str, typer.Option(help="Names with commas between; `hub` is one.")] = ",".join((*PEERS, "hub")),
    tags: Annotated[int, typer.Option(help="Tags in the registry.")] = TAGS,
    postgres: Annotated[str, typer.Option(help="Address of a server to use.")] = "",
) -> None:
    """Sets the hub beside its peers and prints a table."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        registry = folder / "registry.csv"
        write_registry(registry, tags)
        bench = _Bench(folder, registry, stack, postgres)
        found: list[Run] = []
        for count in rows:
            inventory = write_inventory(folder / f"inventory-{count}.csv", count, tags=tags)
            for database in databases.split(","):
                for number in range(runs):
                    for peer in peers.split(","):
                        if (peer in _SLOW and number) or (peer == "dlt" and database == "sqlite"):
                            continue
                        found.append(
                            bench.hub(inventory, database) if peer == "hub" else bench.peer(peer, inventory, database)
                        )
                        print(found[-1], file=sys.stderr, flush=True)
                if "hub" in peers.split(","):
                    print(bench.again(inventory, database, tags), file=sys.stderr, flush=True)
        print(_table(found))


class _Bench:
    def __init__(self, folder: Path, registry: Path, stack: ExitStack, postgres: str) -> None:
        self._folder = folder
        self._registry = registry
        self._server = Server(stack, postgres)
        self._prepared: dict[str, tuple[Path, str]] = {}

    def peer(self, name: str, inventory: Inventory, database: str) -> Run:
        with self._empty(database) as url:
            rejects = self._folder / "rejects.json"
            command = [sys.executable, "-m", "hub_pipelines_tests.bench.bulk.peers", name]
            arguments = [str(inventory.path), str(self._registry), url, str(rejects)]
            environment = {**os.environ, "BENCH_FOLDER": str(self._folder)}
            seconds, peak_mb, _ = _timed([*command, *arguments], environment)
            found = frozenset((int(row), str(column)) for row, column in json.loads(rejects.read_text()))
        check = "none made" if name == "limit" else _compared(found, inventory)
        return Run(name, database, inventory.rows, seconds, seconds, peak_mb, check)

    def hub(self, inventory: Inventory, database: str) -> Run:
        with self._copy(database) as (home, url):
            begun = time.time()
            seconds, peak_mb, answer = _timed(hub.command(inventory.path), hub.environment(home, url))
            posted_s = hub.posted_at(home, answer) - begun
            check = _checked(answer, inventory, url)
        return Run("hub", database, inventory.rows, seconds, posted_s, peak_mb, check)

    def again(self, inventory: Inventory, database: str, tags: int) -> dict[str, object]:
        """The same rows with one in a hundred changed, sent to a ledger that holds them."""
        changed = write_inventory(self._folder / "changed.csv", inventory.rows, tags=tags, changed_share=0.01)
        with self._copy(database) as (home, url):
            _timed(hub.command(inventory.path), hub.environment(home, url))
            seconds, _, answer = _timed(hub.command(changed.path), hub.environment(home, url))
        return {"again": database, "rows": inventory.rows, "seconds": round(seconds, 1), **hub.rows_of(answer)}

    @contextmanager
    def _empty(self, database: str) -> Iterator[str]:
        if database == "postgresql":
            with self._server.database() as url:
                yield url
            return
        path = self._folder / f"{uuid.uuid4().hex}.db"
        yield f"sqlite:///{path}"
        for each in self._folder.glob(f"{path.name}*"):
            each.unlink()

    @contextmanager
    def _copy(self, database: str) -> Iterator[tuple[Path, str]]:
        """A home of its own that knows the registry."""
        if database not in self._prepared:
            self._prepared[database] = self._prepare(database)
        home, name = self._prepared[database]
        mine = hub.copy_of(home, self._folder / "home")
        if database == "sqlite":
            yield mine, f"sqlite:///{mine / 'hub.db'}"
            return
        with self._server.database(template=name) as url:
            yield mine, url

    def _prepare(self, database: str) -> tuple[Path, str]:
        """The home, and the name of its database."""
        home = self._folder / f"prepared-{database}"
        name = self._server.make() if database == "postgresql" else "hub.db"
        url = self._server.url_of(name) if database == "postgresql" else f"sqlite:///{home / name}"
        hub.prepare(home, url, self._registry)
        return home, name


def _timed(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float, dict[str, Any]]:
    """Seconds from start to end, the most memory that it and its children had together, and its JSON answer."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    watch = _Memory(process.pid)
    said, _ = process.communicate()
    seconds = time.perf_counter() - started
    peak_mb = watch.end()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {said[-2_000:]}")
    return seconds, peak_mb, json.loads(said) if said.lstrip().startswith("{") else {}


class _Memory:
    """Asks the kernel five times a second how much memory a process and its descendants share out among themselves."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak_kb = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def end(self) -> float:
        self._ended.set()
        self._thread.join()
        return self._peak_kb / 1024

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            self._peak_kb = max(self._peak_kb, sum(map(_proportional_kb, _family(self._pid))))


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has ended
        return
    for child in children:
        yield from _family(int(child))


def _proportional_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _compared(found: frozenset[tuple[int, str]], inventory: Inventory) -> str:
    if found == inventory.defects:
        return f"all {len(found)} defects, none more"
    missed, more = inventory.defects - found, found - inventory.defects
    return f"WRONG: {len(missed)} missed {sorted(missed)[:2]}, {len(more)} more {sorted(more)[:2]}"


def _checked(answer: dict[str, Any], inventory: Inventory, url: str) -> str:
    rows = hub.rows_of(answer)
    expected = {
        "received": inventory.rows,
        "posted": inventory.rows - inventory.rejected,
        "rejected": inventory.rejected,
    }
    if {name: rows[name] for name in expected} != expected:
        return f"WRONG: {rows}, expected {expected}"
    return _compared(frozenset(hub.defects(url)), inventory)


def _table(runs: list[Run]) -> str:
    lines = [
        "| rows | database | importer | runs | seconds | until posted | rows/s | of `limit` "
        "| until posted, of `limit` | most memory, MB | faults found |",
        "|--:|---|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for key in sorted({(one.rows, one.database) for one in runs}):
        here = [one for one in runs if (one.rows, one.database) == key]
        of_peers = {peer: [one for one in here if one.peer == peer] for peer in dict.fromkeys(one.peer for one in here)}
        medians = {peer: _medians(mine) for peer, mine in of_peers.items()}
        for peer, (seconds, posted_s) in sorted(medians.items(), key=lambda item: item[1]):
            mine = of_peers[peer]
            limit_s = medians["limit"][0] if "limit" in medians else None
            shares = " | ".join("" if limit_s is None else f"{limit_s / one:.2f}" for one in (seconds, posted_s))
            checks = ", ".join(sorted({one.check for one in mine}))
            peak = max(one.peak_mb for one in mine)
            figures = f"{len(mine)} | {seconds:.1f} | {posted_s:.1f} | {key[0] / seconds:,.0f} | {shares} | {peak:.0f}"
            lines.append(f"| {key[0]:,} | {key[1]} | {peer} | {figures} | {checks} |")
    return "\n".join(lines)


def _medians(runs: list[Run]) -> tuple[float, float]:
    return statistics.median(one.seconds for one in runs), statistics.median(one.posted_s for one in runs)


if __name__ == "__main__":
    typer.run(main)
