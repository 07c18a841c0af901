"""Whether what a file costs grows with what the journal holds: `python -m hub_pipelines_tests.bench.bulk.growth`.

    python -m hub_pipelines_tests.bench.bulk.growth --before 10000000 --rows 100000

Posts so many new rows, and some small files, one by one from their arrival to their receipt; then fills the ledger with
other items, a million in each posting, and does the same again. Prints processor time of the hub and the database's
server for each, and how many times as much it is.
"""

import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines_tests.bench.bulk.server import Server
from hub_pipelines_tests.bench.posting import _backends, _cpu_s, items, post
from hub_pipelines_tests.support import asset, inventory_csv, make_registry, open_test_hub, process, send

_SMALL = 20
_TAGS = [f"NC-{number:04}" for number in range(1, 1 + 2 * 7 * _SMALL)]


def main(
    before: Annotated[int, typer.Option(help="Entries that the journal is to hold.")] = 1_000_000,
    rows: Annotated[int, typer.Option(help="New rows of the large file.")] = 100_000,
    databases: Annotated[str, typer.Option(help="sqlite, postgresql or both with a comma.")] = "sqlite",
) -> None:
    """Prints two lines and their ratios for each database."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = Server(stack, "")
        for database in databases.split(","):
            home = folder / database
            url = server.url_of(server.make()) if database == "postgresql" else f"sqlite:///{home / 'hub.db'}"
            hub = open_test_hub(home, url, lease_s=3_000)
            make_registry(hub, _TAGS)
            empty = _measured(hub, rows, 0)
            for first in range(0, before, 1_000_000):
                size = min(1_000_000, before - first)
                post(hub, f"before-{first}.csv", list(items(size, seed=first, prefix="B", first=first)))
            filled = _measured(hub, rows, 1)
            for name, (large_s, small_s) in (("none", empty), (f"{before:,}", filled)):
                print(f"{database}, {name} before: {large_s / rows * 1e6:.1f} µs a row, {small_s:.3f} s a small file")
            print(f"{filled[0] / empty[0]:.2f} × a row, {filled[1] / empty[1]:.2f} × a small file", flush=True)
            hub.db.dispose()


def _measured(hub: Hub, rows: int, at: int) -> tuple[float, float]:
    """Processor seconds of posting the large file, and of a small one from arrival to receipt (median of 7)."""
    small = []
    for number in range(7):
        first = (at * 7 + number) * _SMALL
        small.append(_small_file(hub, f"small-{at}-{number}.csv", _TAGS[first : first + _SMALL]))
    _, large_s, _, _ = post(hub, f"large-{at}.csv", list(items(rows, seed=at, prefix=f"L{at}")))
    return large_s, statistics.median(small)


def _small_file(hub: Hub, name: str, tags: list[str]) -> float:
    servers = _backends(hub)
    began = _cpu_s(*servers)
    sent = send(hub, name, inventory_csv(map(asset, tags)), Scope("north", "inventory"))
    posting = process(hub, str(sent.request_id))
    assert isinstance(posting, Posting)
    assert posting.posted == len(tags)
    hub.receipts.write(str(sent.request_id))
    return _cpu_s(*servers) - began


if __name__ == "__main__":
    typer.run(main)
