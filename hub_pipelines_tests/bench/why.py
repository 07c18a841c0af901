"""`hub why` and the lists of receipts with 100,000 settled submissions: `python -m hub_pipelines_tests.bench.why`; with
`lines`, only what is asked of single items of a ledger of 200,000.

The home is a new SQLite one, or on PostgreSQL the empty database that HUB_DATABASE_URL names. Each question is asked
in fresh processes: `seconds` is the whole command as a person waits for it, `inside` from `main` to the answer's end,
after the interpreter and the command line are loaded; `look_up` is asked in this process and loads nothing. One JSON
line for each figure. Nothing here is a test.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from hub_pipelines.audit.model import GENESIS, Entry, Event
from hub_pipelines.audit.store import audit_entry, audit_head
from hub_pipelines.common.clock import utc_now
from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.intake.service import source_key
from hub_pipelines.intake.store import arrival
from hub_pipelines.ledger.changes import store as changes
from hub_pipelines.ledger.outcomes.store import idempotency
from hub_pipelines.ledger.problems.store import rejection
from hub_pipelines.ledger.snapshots import store as snapshots
from hub_pipelines.ledger.store import journal_row, ledger, ledger_version, posting
from hub_pipelines.submission.store import attempt, submission
from hub_pipelines.timeline.service import explain
from hub_pipelines_tests.bench.figures import _home, _hub_with_registry

COUNT = 100_000
_CHUNK = 5_000
_TAGS = 20_000
_LINES = 200_000
_HOT_CHANGES = 500
_LEDGER = "inventory.asset@north"
_RUNS = 5


def main() -> None:
    with _home() as home:
        started = time.perf_counter()
        hub = _hub_with_registry(100)
        if sys.argv[1:] == ["lines"]:
            lines(hub)
            return
        example = fill(hub, COUNT)
        _say("filled", database=hub.db.url.get_backend_name(), submissions=COUNT, seconds=time.perf_counter() - started)
        on_disk = home / "somewhere" / "copy.csv"
        on_disk.parent.mkdir()
        on_disk.write_bytes(hub.archive.object_path(example["content_digest"]).read_bytes())
        asked = {
            "request_id": example["request_id"],
            "prefix": example["request_id"][: len("north-inventory-") + 10],
            "file on disk": str(on_disk),
            "file name": "file-77777.csv",
            "file name with 1,000 versions": "weekly.csv",
            "tag": "N-0000042",
            "tag with 500 changes": "HOT-1",
            "rejected value": "BAD-TAG-1",
            "nothing": "nothing-of-this-name.csv",
        }
        for kind, argument in asked.items():
            _say(f"hub why: {kind}", **_asked(hub, argument))
        _say(
            "loading the hub alone",
            seconds=_median(lambda: _run("from hub_pipelines.cli.output import this_hub; this_hub()")),
        )
        index = hub.receipts.index
        _say("list of receipts of a campus", seconds=_median(lambda: _timed(lambda: index.write("north"))))
        _say("list of receipts of all campuses", seconds=_median(lambda: _timed(index.write)))
        index.refresh()
        _say("refresh when nothing has changed", seconds=_median(lambda: _timed(index.refresh)))


def fill(hub: Hub, count: int) -> dict[str, Any]:
    """Settled submissions with arrivals, attempts, outcomes, audit and journal entries; returns one of them as a row.

    Each is a copy of a submission that was really posted, so that every query reads what it reads in life; the
    audit chain continues as if they had been.
    """
    with hub.db.write() as tx:
        one = dict(tx.execute(select(submission)).mappings().one())
        posted = dict(tx.execute(select(idempotency.c.outcome)).scalars().one())
        seq, last = 0, GENESIS
        begin = utc_now() - timedelta(days=700)
        example: dict[str, Any] = {}
        for first in range(0, count, _CHUNK):
            rows = [_submission(one, number, begin) for number in range(first, first + _CHUNK)]
            entries = []
            for row in rows:
                for event in _events(row, posted):
                    entry = Entry.following(seq, last, row["received_at"], event)
                    seq, last = entry.seq, entry.hash
                    entries.append(entry)
            _insert(tx, submission, rows)
            _insert(tx, arrival, [_arrival(row) for row in rows])
            _insert(tx, attempt, [_attempt(row) for row in rows])
            _insert(tx, idempotency, [_outcome(row, posted) for row in rows])
            _insert(tx, audit_entry, [_audit(entry) for entry in entries])
            example = rows[0]
        tx.execute(audit_head.insert(), {"campus": "south", "seq": seq, "hash": last})
        _fill_journal(tx, example["request_id"])
        _insert(tx, rejection, [_rejection(number, example["request_id"]) for number in range(50_000)])
    hub.receipts.write(example["request_id"])
    return example


def _submission(one: dict[str, Any], number: int, begin: datetime) -> dict[str, Any]:
    request_id = f"north-inventory-{uuid.uuid4().hex[:30]}"
    name = "weekly.csv" if number % 100 == 99 else f"file-{number}.csv"
    at = begin + timedelta(minutes=10 * number)
    digest = one["content_digest"] if number % _CHUNK == 0 and number >= COUNT - _CHUNK else uuid.uuid4().hex * 2
    envelope = {**one["envelope"], "request_id": request_id, "feed": "inventory", "source_name": name}
    envelope |= {"content_digest": digest, "received_at": at.isoformat()}
    return {
        **one,
        "request_id": request_id,
        "feed": "inventory",
        "source_name": name,
        "source_key": source_key(name),
        "source_version": number // 100 + 1,
        "content_digest": digest,
        "received_at": at,
        "received_day": at.date(),
        "envelope": envelope,
        "posted_at": at + timedelta(seconds=3),
        "settled_at": at + timedelta(seconds=3),
        "rows_rejected": number % 50 == 0,
        "rows_received": one["rows_posted"] + (number % 50 == 0),
        "launch": 1,
        "launched_at": at + timedelta(seconds=1),
        "receipt_due": False,
    }


def _events(row: dict[str, Any], posted: dict[str, Any]) -> list[Event]:
    common = {"campus": "south", "subject": row["source_name"], "request_id": row["request_id"]}
    return [
        Event(actor="hub/intake", event="submission:received", detail={"size_bytes": 4000}, **common),
        Event(actor="run/bench", event="submission:leased", detail={"token": 1}, **common),
        Event(actor="run/bench", event="submission:posted", detail=posted, **common),
        Event(actor="run/late", event="submission:repeat", detail={"state": "posted"}, **common),
    ]


def _audit(entry: Entry) -> dict[str, Any]:
    event = entry.event
    place = {"seq": entry.seq, "at": entry.at, "prev_hash": entry.prev_hash, "hash": entry.hash}
    names = ("campus", "actor", "event", "subject", "request_id", "detail")
    return {**place, **{name: getattr(event, name) for name in names}}


def _arrival(row: dict[str, Any]) -> dict[str, Any]:
    same = ("request_id", "campus", "feed", "source_name", "content_digest")
    known = {name: row[name] for name in same}
    more = {"arrival_id": uuid.uuid4().hex, "outcome": "received", "size_bytes": 4000, "receipt_due": False}
    return {**known, **more, "arrived_at": row["received_at"], "reason": None, "fix": None}


def _attempt(row: dict[str, Any]) -> dict[str, Any]:
    known = {"request_id": row["request_id"], "token": 1, "revision": 1, "owner": uuid.uuid4().hex}
    return {**known, "started_at": row["launched_at"], "ended_at": row["posted_at"], "outcome": "posted"}


def _outcome(row: dict[str, Any], posted: dict[str, Any]) -> dict[str, Any]:
    outcome = {**posted, "request_id": row["request_id"], "posted_at": row["posted_at"].isoformat()}
    return {"request_id": row["request_id"], "revision": 1, "outcome": outcome}


def _fill_journal(tx: Transaction, request_id: str) -> None:
    """20,000 items with three changes each, and one that 500 postings have changed."""
    entries = [_entry(_LEDGER, f"N-{tag:07d}", tag, version) for tag in range(_TAGS) for version in (1, 2, 3)]
    entries += [_entry(_LEDGER, "HOT-1", _TAGS, version) for version in range(1, _HOT_CHANGES + 1)]
    _insert(tx, posting, [_posting(_LEDGER, version, request_id) for version in range(1, _HOT_CHANGES + 1)])
    _insert_entries(tx, entries)
    tx.execute(ledger_version.insert(), {"ledger": _LEDGER, "version": _HOT_CHANGES, "changed_at": utc_now()})


def _insert_entries(tx: Transaction, entries: list[dict[str, Any]]) -> None:
    _insert(tx, journal_row, entries)
    newest = {entry["key"]: entry for entry in entries}
    heads = ("ledger", "key", "version", "row_no", "digest")
    _insert(tx, ledger, [{name: entry[name] for name in heads} for entry in newest.values()])


def _entry(name: str, key: str, row_no: int, version: int) -> dict[str, Any]:
    return {
        "ledger": name,
        "version": version,
        "row_no": row_no,
        "key": key,
        "operation": "set",
        "values": json.dumps({"asset_tag": key, "quantity": str(version), "location": "Chem 214", "unit": "L"}),
        "digest": uuid.uuid4().hex * 2,
        "previous_version": version - 1 or None,
        "previous_row_no": row_no if version > 1 else None,
    }


def _posting(name: str, version: int, request_id: str) -> dict[str, Any]:
    return {
        "ledger": name,
        "version": version,
        "request_id": request_id,
        "revision": version,
        "campus": "north",
        "ledger_date": datetime.now(UTC).date(),
        "contract_version": 1,
        "posted_at": utc_now(),
    }


# ---- one item of a large ledger


def lines(hub: Hub) -> None:
    """What is asked of single items of a ledger of 200,000 lines, each of which three postings have changed."""
    name, request_ids = "inventory.stock@south", [f"south-inventory-{version}" for version in (1, 2, 3)]
    with hub.db.write() as tx:
        _insert(tx, posting, [_posting(name, at, request_id) for at, request_id in enumerate(request_ids, start=1)])
        for first in range(0, _LINES, _CHUNK):
            numbers = range(first, first + _CHUNK)
            _insert_entries(tx, [_entry(name, f"L-{at}", at, version) for at in numbers for version in (1, 2, 3)])
    some = iter(range(0, _LINES, 997))
    many = [f"L-{at}" for at in range(0, _LINES, 200)]
    with hub.db.read() as tx:
        asked: dict[str, Callable[[], object]] = {
            "its newest changes": lambda: changes.newest_changes(tx, name, f"L-{next(some)}", limit=200),
            "its changes since a version": lambda: list(changes.changes_of_item(tx, name, f"L-{next(some)}", 1)),
            "what a submission has set it to": lambda: changes.values_set_by(
                tx, name, request_ids[1], [f"L-{next(some)}"]
            ),
            "its entry before a version": lambda: snapshots.heads_before(tx, name, [f"L-{next(some)}"], 3),
            "entries of 1,000 items before a version": lambda: snapshots.heads_before(tx, name, many, 3),
        }
        for what, ask in asked.items():
            _say(f"one of {_LINES:,} lines: {what}", seconds=_median(lambda ask=ask: _timed(ask)))  # type: ignore[misc]


def _rejection(number: int, request_id: str) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "revision": 1,
        "row_no": number,
        "position": 0,
        "severity": "block",
        "column_name": "asset_tag",
        "value": f"bad-tag-{number}",
        "rule": "tag_not_in_registry",
        "reason": "This tag is not in the procurement registry.",
        "suggestion": None,
    }


def _insert(tx: Transaction, table: Table, rows: list[dict[str, Any]]) -> None:
    tx.execute(table.insert(), rows)


def _asked(hub: Hub, argument: str) -> dict[str, object]:
    """Whole commands, the same with a clock around `main`, and the look-up alone; the answer's size in lines."""
    command = [sys.executable, "-m", "hub_pipelines.cli", "why", argument]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    code = f"import sys; sys.argv = ['hub', 'why', {argument!r}]; from hub_pipelines.cli import main; main()"
    return {
        "seconds": _median(lambda: _timed(lambda: subprocess.run(command, capture_output=True, check=False))),
        "inside": _median(lambda: _run(code)),
        "look_up": _median(lambda: _timed(lambda: explain(hub, argument))),
        "lines": len((answer.stdout or answer.stderr).splitlines()),
    }


def _run(code: str) -> float:
    """Seconds of the last statement of `code` in a fresh process, without what comes before it."""
    *before, last = code.split("; ")
    timed = (
        "import time, sys\n" + "\n".join(before) + f"\nstarted = time.perf_counter()\ntry:\n    {last}\n"
        "except SystemExit:\n    pass\nprint(time.perf_counter() - started, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True)
    return float(done.stderr.splitlines()[-1])


def _timed(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def _median(seconds: Callable[[], float]) -> float:
    return round(statistics.median(seconds() for _ in range(_RUNS)), 4)


def _say(figure: str, **found: object) -> None:
    print(json.dumps({"figure": figure, **found}), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path.cwd()))
    main()
