"""How long the walk over a long audit chain takes: `python -m hub_pipelines_tests.bench.audit [entries]`.

Writes chains of that many entries (1,000,000 if not told) as the hub would have, on SQLite, and walks them in a
process of its own. One JSON line.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import GENESIS, Entry, Event
from hub_pipelines.common.store import Database

CAMPUSES = ("north", "south", "west")
AT_ONCE = 10_000


def main() -> None:
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'hub.db'}"
        started = time.perf_counter()
        fill(url, entries)
        written_s = time.perf_counter() - started
        seconds, found = walk(url)
    print(json.dumps({"figure": "audit_walk", "entries": found, "seconds": seconds, "written_s": round(written_s, 1)}))


def fill(url: str, entries: int) -> None:
    db = Database(url)
    db.create_schema()
    each = entries // len(CAMPUSES)
    for number, campus in enumerate(CAMPUSES):
        count = each + (entries - each * len(CAMPUSES) if number == 0 else 0)
        prev_hash, batch = GENESIS, []
        for entry in _chain(campus, count):
            batch.append(audit._columns(entry))
            prev_hash = entry.hash
            if len(batch) == AT_ONCE or entry.seq == count:
                with db.write() as tx:
                    tx.execute(audit.audit_entry.insert(), batch)
                batch = []
        with db.write() as tx:
            tx.execute(audit.audit_head.insert(), {"campus": campus, "seq": count, "hash": prev_hash})
    db.dispose()


def _chain(campus: str, count: int) -> Iterator[Entry]:
    """Entries like those of a posting, which are the longest and the most."""
    at, prev = datetime(2026, 1, 1, tzinfo=UTC), GENESIS
    for seq in range(count):
        request_id = f"{campus}-inventory-{seq:030d}"
        detail: dict[str, object] = {
            "revision": 1,
            "ledger": f"inventory.asset@{campus}",
            "version": seq,
            "posted": 40,
            "unchanged": 3,
            "rejected": 2,
            "rows_digest": f"{seq:064x}",
            "contract_version": 1,
            "registry_version": seq // 100,
        }
        event = Event(campus, f"run/{seq:032x}", "submission:posted", f"lab-{seq}.csv", request_id, detail)
        entry = Entry.following(seq, prev, at + timedelta(seconds=seq), event)
        prev = entry.hash
        yield entry


def walk(url: str) -> tuple[float, int]:
    """Seconds of a walk in a fresh process, imports not counted, and the entries that it saw."""
    code = (
        "import json, time; from hub_pipelines.audit import store; from hub_pipelines.common.store import Database; "
        f"db = Database({url!r}); t = time.perf_counter(); report = store.walk(db); "
        "assert report.ok, report.first_bad; print(json.dumps([time.perf_counter() - t, report.entries]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, entries = json.loads(answer.stdout)
    return round(seconds, 1), int(entries)


if __name__ == "__main__":
    main()
