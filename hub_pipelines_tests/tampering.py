"""What somebody with full rights on the hub's database and files would do to its audit chain."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, text, update

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.checkpoints import store as checkpoints
from hub_pipelines.audit.checkpoints.bundle import verify_bundle
from hub_pipelines.audit.checkpoints.exporting import export
from hub_pipelines.audit.checkpoints.keys import CampusKeys
from hub_pipelines.audit.checkpoints.model import Checkpoint, PublicKey
from hub_pipelines.audit.model import GENESIS, Entry, Event
from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub


def unlock(hub: Hub, tx: Transaction, *tables: str) -> None:
    """Take the guards of append-only tables away; once for each table and hub."""
    for table in tables or ("audit_entry", "audit_checkpoint"):
        for name in ["refuses_changes"] if hub.db.is_postgres else ["refuses_update", "refuses_delete"]:
            suffix = f" ON {table}" if hub.db.is_postgres else ""
            tx.execute(text(f"DROP TRIGGER IF EXISTS {table}_{name}{suffix}"))


def append(hub: Hub, campus: str, *subjects: str) -> None:
    with hub.db.write() as tx:
        for subject in subjects:
            audit.append(tx, Event(campus, "tester", "test:appended", subject, None, {"subject": subject}))


def last_seq(hub: Hub, campus: str) -> int:
    with hub.db.read() as tx:
        return audit.heads_of(tx)[campus][0]


def entries(hub: Hub, campus: str) -> list[Entry]:
    with hub.db.read() as tx:
        return list(audit.chain(tx, campus))


def rewrite(hub: Hub, campus: str, change: Callable[[list[tuple[Any, Event]]], None]) -> None:
    """Write a chain anew in itself: what `change` leaves of its entries, all hashes computed again, the head too."""
    told = [(entry.at, entry.event) for entry in entries(hub, campus)]
    change(told)
    seq, last = 0, GENESIS
    with hub.db.write() as tx:
        unlock(hub, tx)
        tx.execute(delete(audit.audit_entry).where(audit.audit_entry.c.campus == campus))
        for at, event in told:
            entry = Entry.following(seq, last, at, event)
            tx.execute(insert(audit.audit_entry), audit._columns(entry))
            seq, last = entry.seq, entry.hash
        head = audit.audit_head
        tx.execute(update(head).where(head.c.campus == campus).values(seq=seq, hash=last))


def edited(event: Event) -> Event:
    return Event(event.campus, "nobody", event.event, event.subject, event.request_id, event.detail)


def texts(hub: Hub, campus: str) -> dict[int, str]:
    with hub.db.read() as tx:
        return checkpoints.texts_of(tx, campus)


def replace_text(hub: Hub, campus: str, number: int, told: str) -> None:
    table = checkpoints.audit_checkpoint
    with hub.db.write() as tx:
        unlock(hub, tx)
        tx.execute(update(table).where(table.c.campus == campus, table.c.number == number).values(text=told))


def delete_checkpoints(hub: Hub, campus: str, *numbers: int) -> None:
    table = checkpoints.audit_checkpoint
    with hub.db.write() as tx:
        unlock(hub, tx)
        tx.execute(delete(table).where(table.c.campus == campus, table.c.number.in_(numbers)))


def files_of(hub: Hub, campus: str, number: int) -> list[Path]:
    return [files.path(campus, number) for files in hub.checkpoints.places.values()]


def overwrite(path: Path, told: str) -> None:
    path.chmod(0o644)
    path.write_text(told, encoding="utf-8")


def with_statement(told: str, **changes: object) -> str:
    """A checkpoint's text whose statement says something else, under the old signatures."""
    document = json.loads(told)
    document["statement"] |= changes
    return canonical_text(document)


def count_of_checkpoints(hub: Hub) -> int:
    with hub.db.read() as tx:
        return len(tx.execute(select(checkpoints.audit_checkpoint.c.number)).all())


def first_bad(hub: Hub) -> str:
    """What verifying names first; it must find something."""
    report = hub.checkpoints.verify()
    assert not report.ok
    return str(report.first_bad)


def checkpoint(hub: Hub, campus: str, number: int) -> Checkpoint:
    """A checkpoint as it stands in the database."""
    return Checkpoint.from_document(json.loads(texts(hub, campus)[number]))


def strangers(folder: Path) -> CampusKeys:
    """Keys that somebody made at home, in the hub's layout."""
    keys = CampusKeys(folder)
    keys.ensure(["north", "south", "hub"])
    return keys


def bundle_of(hub: Hub, tmp_path: Path, given: list[PublicKey]) -> Any:
    """What is said of north's exported chain to somebody who holds the given keys."""
    path = tmp_path / f"bundle-{len(list(tmp_path.glob('bundle-*')))}"
    export(hub.db, hub.checkpoints.keys, "north", path)
    return verify_bundle(path, {key.key_id: key for key in given})
