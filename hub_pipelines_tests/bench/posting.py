"""How fast staged rows are posted, beside what the database can do with a plain load of the same rows.

`python -m hub_pipelines_tests.bench.posting ROWS [postgresql://…] [--before ROWS]` makes a hub of its own on SQLite, or
on the PostgreSQL database of that address, which must be empty; stages so many accepted rows of an inventory; and posts
them, then the same file once more, then with 1 % of the rows changed. With `--before` the ledger holds so many entries
of other items from the start. `limit` is measured in the same minute in the same database: the rows as CSV by COPY into
a temporary table (on SQLite: one prepared statement) and an upsert by key. One JSON line for each step: rows a second,
of `limit` too, processor time of both (the server's too), and by how much
the process grew at its peak. Compare ratios: machines and their other work differ.
"""

import csv
import gc
import hashlib
import io
import json
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines.submission.leases import store as leases
from hub_pipelines.validate.model import AcceptedRow
from hub_pipelines.validate.staging import read_staged, stage, staged_path
from hub_pipelines_tests.support import inventory_csv, lease_and_validate, open_test_hub, send

COLUMNS = (
    "asset_tag", "item_name", "category", "cas_number", "quantity", "unit", "location", "responsible_email",
    "acquired_on", "unit_cost", "po_number", "hazard_codes",
)  # fmt: skip
NAMES = ('Beaker, "tall form", 250 mL', "Éthanol 96 %, dénaturé", "Acetone", "Centrifuge rotor")


def main() -> None:
    words = sys.argv[1:]
    before = int(words.pop(words.index("--before") + 1)) if "--before" in words else 0
    rows = int(words[0])
    url = next((word for word in words if word.startswith("postgresql")), None)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        hub = open_test_hub(home, url or f"sqlite:///{home / 'hub.db'}", lease_s=3_000)
        for first in range(0, before, 1_000_000):
            size = min(1_000_000, before - first)
            post(hub, f"before-{first}.csv", list(items(size, seed=first, prefix="B", first=first)))
        told = {"rows": rows, "database": "postgresql" if url else "sqlite", "before": before}
        listed = list(items(rows, seed=1))
        for name, what in (("first", listed), ("same again", listed), ("1 % changed", changed(listed))):
            limit_s, limit_cpu_s = limit(home, url, what)
            seconds, cpu_s, grew_mb, posting = post(hub, f"{name}.csv", what)
            figure = {
                "step": name,
                "posted": posting.posted,
                "s": round(seconds, 2),
                "cpu_s": round(cpu_s, 2),
                "grew_mb": grew_mb,
                "rows_per_s": round(rows / seconds),
                "limit_s": round(limit_s, 2),
                "limit_cpu_s": round(limit_cpu_s, 2),
                "of_limit": round(limit_s / seconds, 2),
                "of_limit_by_cpu": round(limit_cpu_s / cpu_s, 2),
            }
            print(json.dumps({**told, **figure}), flush=True)
        hub.db.dispose()


def items(number: int, *, seed: int, prefix: str = "N", first: int = 0) -> Iterator[tuple[str, ...]]:
    """Rows in no order of their keys."""
    chance = random.Random(seed)
    for tag in chance.sample(range(first, first + number * 6 // 5), number):
        yield (
            f"{prefix}-{tag:08}", f"{chance.choice(NAMES)} #{chance.randrange(10**6)}", "chemical", "64-17-5",
            f"{chance.randrange(500_000) / 1000:.3f}", "mL",
            f"Bldg {chance.randrange(40)}, Room {chance.randrange(100, 600)}, Shelf A",
            f"pi{chance.randrange(4000)}.lab@chem.northfield.edu", "2019-04-02", "123.45", f"PO-{tag % 900_000:06}",
            "H225;H301",
        )  # fmt: skip


def changed(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [(*row[:4], "7.5", *row[5:]) if number % 100 == 0 else row for number, row in enumerate(rows)]


def post(hub: Hub, name: str, rows: Sequence[tuple[str, ...]]) -> tuple[float, float, int, Posting]:
    """Seconds of the posting alone, of processors (the server's too), megabytes that the process grew at the peak.

    The submission is a small file; its staged rows are these.
    """
    key = hashlib.sha256(name.encode()).hexdigest()[:8]
    data = inventory_csv([]).rstrip() + f"\n{key}{',' * 11}\n".encode()
    request_id = send(hub, name, data, Scope("north", "inventory")).request_id
    assert request_id is not None
    taken = lease_and_validate(hub, request_id)
    with hub.db.read() as tx:
        current = hub.processing._current(taken)
    assert current.staged is not None
    summary, _ = read_staged(staged_path(hub.settings.staged, current.staged))
    verdicts = (
        AcceptedRow(number, row[0], dict(zip(COLUMNS, row, strict=True)), ()) for number, row in enumerate(rows, 2)
    )
    handle = stage(verdicts, hub.processing.staged, {k: v for k, v in summary.items() if k not in _COUNTED})
    with hub.db.write() as tx:
        leases.record_staged(
            tx, taken, staged=handle.digest, rows_received=len(rows), registry_version=current.registry_version,
            decision=current.decision,
        )  # fmt: skip
    gc.freeze()  # the rows that are kept here for the next step are none of the posting's work
    servers = _backends(hub)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    before_mb = _status_mb("VmRSS")
    started, spent = time.perf_counter(), _cpu_s(*servers)
    posting = hub.processing.post(taken)
    seconds, cpu_s = time.perf_counter() - started, _cpu_s(*servers) - spent
    return seconds, cpu_s, _status_mb("VmHWM") - before_mb, posting


def _backends(hub: Hub) -> list[int]:
    """The server's processes behind the hub's connections."""
    if not hub.db.is_postgres:
        return []
    with hub.db.read() as tx:
        mine = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        return list(tx.exec_driver_sql(mine).scalars())


def _cpu_s(*servers: int) -> float:
    """Processor time of this process, and of the server's on the same machine."""
    ticks = 0
    for stat in (Path(f"/proc/{server}/stat") for server in servers):
        if not stat.exists():  # a connection that was not needed any more
            continue
        fields = stat.read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _status_mb(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) // 1024


_COUNTED = ("received", "accepted", "rejected", "rules")


def limit(home: Path, url: str | None, rows: Sequence[tuple[str, ...]]) -> tuple[float, float]:
    """Seconds, and of processors, of a plain load with an upsert into a table that the step before has filled."""
    names = ", ".join(COLUMNS)
    upsert = "ON CONFLICT (asset_tag) DO UPDATE SET " + ", ".join(f"{one} = excluded.{one}" for one in COLUMNS[1:])
    columns = ", ".join(f"{one} text" for one in COLUMNS)
    table = f"CREATE TABLE IF NOT EXISTS plain (asset_tag text PRIMARY KEY, {columns.partition(', ')[2]})"
    if url is None:
        return _limit_sqlite(
            home / "limit.db", table, f"INSERT INTO plain VALUES ({', '.join('?' * 12)}) {upsert}", rows
        )
    import psycopg

    text = io.StringIO()
    csv.writer(text).writerows(rows)
    data = text.getvalue().encode()
    with psycopg.connect(url) as connection:
        connection.execute(table)
        connection.commit()
        server = connection.info.backend_pid
        started, spent = time.perf_counter(), _cpu_s(server)
        connection.execute(f"CREATE TEMP TABLE t (row bigint GENERATED ALWAYS AS IDENTITY, {columns}) ON COMMIT DROP")
        with connection.cursor() as cursor, cursor.copy(f"COPY t ({names}) FROM STDIN (FORMAT csv)") as copy:
            for first in range(0, len(data), 1 << 20):
                copy.write(data[first : first + (1 << 20)])
        connection.execute("SET work_mem = '256MB'")
        newest = f"SELECT DISTINCT ON (asset_tag) {names} FROM t ORDER BY asset_tag, row DESC"
        connection.execute(f"INSERT INTO plain {newest} {upsert}")
        connection.commit()
        return time.perf_counter() - started, _cpu_s(server) - spent


def _limit_sqlite(path: Path, table: str, insert: str, rows: Sequence[Any]) -> tuple[float, float]:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = wal", "synchronous = full", "cache_size = -65536"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(table)
    started, spent = time.perf_counter(), time.process_time()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(insert, rows)
    connection.execute("COMMIT")
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - spent
    connection.close()
    return seconds, cpu_s


if __name__ == "__main__":
    main()
