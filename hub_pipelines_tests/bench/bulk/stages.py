"""Where the time of one large file goes, stage by stage: `python -m hub_pipelines_tests.bench.bulk.stages`.

    python -m hub_pipelines_tests.bench.bulk.stages --rows 300000 --databases postgresql

Each line is one step of a run as Dagster's assets and checks call it, in this process: seconds by the clock, processor
time of this process, of the programs that it started and of the database's server, and the most memory that this
process had until then. With `--again` the same file follows with one row in a hundred changed. `--profile STEP` prints
where the step spends its own time.
"""

import cProfile
import os
import pstats
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from hub_pipelines import evidence
from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import KNOWN_FEEDS, Hub, open_hub
from hub_pipelines.publishing import due, publish
from hub_pipelines.report.workbook.store import find as find_workbook
from hub_pipelines.settings import load
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Lease
from hub_pipelines_tests.bench.bulk import hub as command_line
from hub_pipelines_tests.bench.bulk.data import TAGS, write_inventory, write_registry
from hub_pipelines_tests.bench.bulk.server import Server

T = TypeVar("T")
_TICKS = os.sysconf("SC_CLK_TCK")


def main(
    rows: Annotated[int, typer.Option(help="Rows of the file.")] = 100_000,
    databases: Annotated[str, typer.Option(help="sqlite, postgresql or both with a comma.")] = "postgresql",
    tags: Annotated[int, typer.Option(help="Tags in the registry.")] = TAGS,
    again: Annotated[bool, typer.Option(help="Then the same with one row in a hundred changed.")] = False,
    notes: Annotated[int, typer.Option(help="Letters of a further column.")] = 0,
    fold: Annotated[bool, typer.Option(help="Then the day's ledger asset.")] = False,
    profile: Annotated[str, typer.Option(help="A step to profile.")] = "",
) -> None:
    """Prints a table for each database."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_registry(folder / "registry.csv", tags)
        server = Server(stack, "")
        for database in databases.split(","):
            home = folder / database
            url = server.url_of(server.make()) if database == "postgresql" else f"sqlite:///{home / 'hub.db'}"
            command_line.prepare(home, url, folder / "registry.csv")
            hub = open_hub(load(KNOWN_FEEDS, environment={"HUB_HOME": str(home), "HUB_DATABASE_URL": url}))
            steps = _Steps(hub, profile)
            for share in (0.0, 0.01) if again else (0.0,):
                path = folder / f"inventory-{share}.csv"
                write_inventory(path, rows, tags=tags, changed_share=share, notes=notes)
                what = f"{rows:,} rows{', 1 % changed' if share else ''}, {path.stat().st_size >> 20} MB"
                print(f"\n{database}, {what}; load {os.getloadavg()[0]:.1f}")
                steps.one_file(path)
                path.unlink()
            if fold:
                steps.fold()
            hub.db.dispose()


@dataclass(frozen=True)
class _Steps:
    hub: Hub
    profiled: str

    def one_file(self, path: Path) -> None:
        hub = self.hub
        began = time.perf_counter()
        arrival = self._step("submit", lambda: hub.submit(path, Scope("north", "inventory"), actor="bench"))
        request_id = str(arrival.request_id)
        lease = hub.processing.begin(request_id, "bench")
        assert isinstance(lease, Lease)
        self._step("archived", lambda: hub.processing.check_archive(lease))
        handle = self._step("validated", lambda: hub.processing.validate(lease))
        self._step("first problems", lambda: hub.processing.first_problems(handle))
        self._step("recounted", lambda: self._recount(request_id))
        self._step("posted", lambda: hub.processing.post(lease))
        self._step("check: headers", lambda: evidence.headers_of(hub, request_id))
        self._step("check: rows", lambda: evidence.account_for(hub, request_id))
        self._step("check: tags", lambda: evidence.tags_of(hub, request_id))
        self._step("receipt", lambda: hub.receipts._write_page(request_id))
        with hub.db.read() as tx:
            made = find_workbook(tx, request_id, submissions.get(tx, request_id).revision)
        if made is not None:
            self._step("workbook", lambda: hub.receipts._add_workbook(made))
        print(f"{'all':16} {time.perf_counter() - began:6.2f} s")

    def _recount(self, request_id: str) -> None:
        """In a run it goes on beside the posting."""
        self.hub.recounts.begin(request_id)
        with self.hub.db.read() as tx:
            self.hub.recounts.of(submissions.get(tx, request_id), last=False)

    def fold(self) -> None:
        (day,) = {one.ledger_date for one in due(self.hub, at_rest=False)}
        self._step(
            "ledger asset", lambda: publish(self.hub, "inventory", "north", day, actor="bench", from_archive=False)
        )

    def _step(self, name: str, work: Callable[[], T]) -> T:
        own, children, server = time.process_time(), _children_s(), _server_s(self.hub)
        began = time.perf_counter()
        with cProfile.Profile() if name == self.profiled else ExitStack() as profile:
            done = work()
        seconds = time.perf_counter() - began
        spent = (time.process_time() - own, _children_s() - children, _server_s(self.hub) - server)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        told = "  ".join(
            f"{what} {value:5.2f}" for what, value in zip(("hub", "children", "server"), spent, strict=True)
        )
        print(f"{name:16} {seconds:6.2f} s   processor s: {told}   peak {peak} MB", flush=True)
        if isinstance(profile, cProfile.Profile):
            pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(35)
        return done


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _server_s(hub: Hub) -> float:
    """Of the server's processes behind this hub's connections."""
    if not hub.db.is_postgres:
        return 0.0
    with hub.db.read() as tx:
        mine = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        servers = list(tx.exec_driver_sql(mine).scalars())
    ticks = 0
    for stat in (Path(f"/proc/{server}/stat") for server in servers):
        fields = stat.read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


if __name__ == "__main__":
    typer.run(main)
