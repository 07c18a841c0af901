"""How long `hub audit verify` takes over a long audit chain.

`python -m hub_pipelines_tests.bench.audit [entries [postings]]` makes a hub on SQLite whose chains have that many
entries (1,000,000 if not told) as the hub would have written them, with so many submissions of ten rows (2,000) really
archived, signed and posted among them; signs checkpoints of all; and runs the command itself, its start included, in a
process of its own. Then the chain of one campus is exported and verified without the hub. One JSON line: seconds as
they passed and of processor time, which other work on the machine lengthens less, and the machine's load.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import GENESIS, Entry, Event
from hub_pipelines.hub import Hub
from hub_pipelines_tests.support import asset, make_registry, open_test_hub, process, send_assets

CAMPUSES = ("north", "south", "hub")
AT_ONCE = 10_000
POSTINGS = 2_000
ROWS = 10


def main() -> None:
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    postings = int(sys.argv[2]) if len(sys.argv) > 2 else min(POSTINGS, entries // 20)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}")
        post(hub, postings)
        fill(hub, entries)
        started = time.perf_counter()
        made = hub.checkpoints.make()
        signed_s = time.perf_counter() - started
        (key,) = (hub.settings.campus_keys / "north" / "public").glob("*.pem")
        hub.db.dispose()
        load = os.getloadavg()[0]
        walked, _ = command(home, "-c", WALK)
        verified, found = command(home, "-m", "hub_pipelines.cli", "audit", "verify", "--json")
        bundle = home / "north.jsonl"
        exported, _ = command(
            home, "-m", "hub_pipelines.cli", "audit", "export", "--campus", "north", "--to", str(bundle)
        )
        verify_bundle = ("audit", "verify-bundle", str(bundle), "--public-key", str(key), "--json")
        of_bundle, told = command(home, "-m", "hub_pipelines.cli", *verify_bundle)
        figure = {
            "figure": "audit_verify",
            "entries": json.loads(found)["entries"],
            "checkpoints": len(made.checkpoints),
            "postings": postings,
            "verify": verified,
            "of_which_chains_and_checkpoints": walked,
            "signed_s": round(signed_s, 1),
            "export": exported,
            "bundle_entries": json.loads(told)["entries"],
            "verify_bundle": of_bundle,
            "load_before_and_after": [round(load, 1), round(os.getloadavg()[0], 1)],
        }
    print(json.dumps(figure))


WALK = "from hub_pipelines.cli.output import this_hub; assert this_hub().checkpoints.verify().ok"


def command(home: Path, *words: str) -> tuple[dict[str, float], str]:
    """Seconds of a process from start to end and of its processor time, and what it printed."""
    environment = {**os.environ, "HUB_HOME": str(home)}
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=True)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"s": round(seconds, 1), "cpu_s": round(cpu_s, 1)}, answer.stdout


def post(hub: Hub, number: int) -> None:
    tags = [f"NC-{tag:04}" for tag in range(ROWS)]
    make_registry(hub, tags)
    for one in range(number):
        request_id = send_assets(hub, f"lab-{one}.csv", *(asset(tag, location=f"Room {one}") for tag in tags))
        process(hub, request_id)


def fill(hub: Hub, entries: int) -> None:
    """Lengthen the chains to so many entries in all."""
    with hub.db.read() as tx:
        heads = audit.heads_of(tx)
    missing = entries - sum(seq for seq, _ in heads.values())
    for number, campus in enumerate(CAMPUSES):
        count = missing // len(CAMPUSES) + (missing % len(CAMPUSES) if number == 0 else 0)
        seq, prev_hash = heads.get(campus, (0, GENESIS))
        batch: list[Entry] = []
        for entry in _chain(campus, seq, prev_hash, count):
            batch.append(entry)
            if len(batch) == AT_ONCE or entry.seq == seq + count:
                _write(hub, campus, batch, is_new=campus not in heads and batch[0].seq == 1)
                batch = []


def _write(hub: Hub, campus: str, batch: list[Entry], *, is_new: bool) -> None:
    head = audit.audit_head
    values = {"seq": batch[-1].seq, "hash": batch[-1].hash}
    with hub.db.write() as tx:
        tx.execute(audit.audit_entry.insert(), [audit._columns(one) for one in batch])
        if is_new:
            tx.execute(head.insert(), {"campus": campus, **values})
        else:
            tx.execute(head.update().where(head.c.campus == campus).values(**values))


def _chain(campus: str, seq: int, prev: str, count: int) -> Iterator[Entry]:
    """Entries as long as those of a posting, which are the longest and the most; named so that no posting is looked
    for behind them."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(seq, seq + count):
        request_id = f"{campus}-inventory-{number:030d}"
        detail: dict[str, object] = {
            "revision": 1,
            "ledger": f"inventory.asset@{campus}",
            "version": number,
            "posted": 40,
            "unchanged": 3,
            "rejected": 2,
            "rows_digest": f"{number:064x}",
            "contract_version": 1,
            "registry_version": number // 100,
        }
        event = Event(campus, f"run/{number:032x}", "submission:repeat", f"lab-{number}.csv", request_id, detail)
        entry = Entry.following(number, prev, at + timedelta(seconds=number), event)
        prev = entry.hash
        yield entry


if __name__ == "__main__":
    main()
