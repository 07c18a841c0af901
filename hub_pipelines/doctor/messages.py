"""Checks of messages: the receiver is up and is this hub's, the inbox has room and is emptied, secrets are there."""

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hub_pipelines.common.files import is_open
from hub_pipelines.common.store import Database
from hub_pipelines.doctor.home import Found, database_from_backup, quote
from hub_pipelines.doctor.model import Severity
from hub_pipelines.hub import capacity_of
from hub_pipelines.intake.inbox import store as inbox
from hub_pipelines.intake.inbox.model import NEARLY_FULL, Batch, Filling, Waiting
from hub_pipelines.intake.sealing import store as sealing
from hub_pipelines.intake.signing import KeyRing
from hub_pipelines.intake.sources import store as sources
from hub_pipelines.intake.sources.model import Kind
from hub_pipelines.locks.files import holder_of
from hub_pipelines.portals import store as portals
from hub_pipelines.settings import Settings

_ANSWER_S = 5
_START = "hub up"


def receiver(settings: Settings) -> Found:
    """While `hub up` runs, what answers on the receiver's port is this hub's receiver, and it takes messages."""
    if holder_of(settings.dagster_home / "up.lock") is None:
        return
    port = settings.messages.port
    log = f"grep receiver {quote(settings.log_path)}"
    try:
        told = _health(port)
    except urllib.error.URLError:
        words = f"Nothing answers on port {port}, where messages are taken; senders are refused until it does."
        yield "error", f"{words} `hub up` starts the receiver again; hub.log has its last words.", log
        return
    except (OSError, ValueError):
        told = {}
    if told.get("key_id") != KeyRing(settings.keys).current_key_id():
        words = f"Port {port} is taken by another program, so no messages are taken."
        toml = quote(settings.home / "hub.toml")
        yield "error", f"{words} Set another in hub.toml, [messages] port, and restart `hub up`.", f"nano {toml}"
    elif not told.get("ok"):
        yield "error", f"The receiver on port {port} takes no messages: {told.get('reason')}.", log


def _health(port: int) -> dict[str, Any]:
    """Raises URLError when nothing answers, OSError or ValueError for an answer that is no receiver's."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=_ANSWER_S) as answer:
            told = json.load(answer)
    except urllib.error.HTTPError as error:
        told = json.load(error)
    return told if isinstance(told, dict) else {}


def waiting(settings: Settings, db: Database, *, overdue_s: float) -> Found:
    """The inbox is there, has room, and nothing in it waits for long."""
    path = None if db.is_postgres else settings.inbox_path
    if path is not None and not path.exists():
        yield from _missing(path, db)
        return
    opened = db if path is None else Database(f"sqlite:///{path}")
    try:
        with opened.read() as tx:
            if not inbox.is_current(tx):
                yield "warning", "The inbox is of another release; the next start brings it up to date.", "hub status"
                return
            filling = Filling(capacity_of(settings), inbox.load(tx))
            streams = inbox.waiting(tx)
            before = {one.stream: sealing.newest_batch(tx, one.stream) for one in streams}
    finally:
        if opened is not db:
            opened.dispose()
    yield from _room(settings, filling)
    for one in streams:
        last = before[one.stream]
        yield from _overdue(one, last, overdue_s)


def _missing(path: Path, db: Database) -> Found:
    with db.read() as tx:
        may_be_lost = sources.any_added(tx) or portals.any_polled(tx)
    if may_be_lost:
        told = f"The inbox {path} is missing, and with it what was acknowledged and is in no batch yet."
        yield "error", f"{told} Restore it from a backup. {inbox.NO_COPY_OF_INBOX}", database_from_backup(path)


def _room(settings: Settings, filling: Filling) -> Found:
    if not filling.troubles:
        return
    severity: Severity = "error" if filling.share >= NEARLY_FULL else "warning"
    told = f"{filling.sentence[0].upper()}{filling.sentence[1:]}."
    if holder_of(settings.dagster_home / "up.lock") is None:
        yield severity, f"{told} Only a running hub empties it.", _START
    else:
        more = "Look what is paused or tried again; where the disk has room, raise [messages] capacity_messages."
        yield severity, f"{told} {more}", "hub status"


def _overdue(one: Waiting, last: Batch | None, overdue_s: float) -> Found:
    if datetime.now(UTC) - one.oldest_at <= timedelta(seconds=overdue_s):
        return
    told = (
        f"{one.messages:,} messages of {one.stream.campus} ({one.stream.record_type}) wait, the oldest since "
        f"{one.oldest_at:%Y-%m-%d %H:%M} UTC."
    )
    if last is None:
        yield "warning", f"{told} Nothing has sealed them.", _START
    elif last.submission is None:
        yield "warning", f"{told} They follow a batch, or a part of one, that is not launched yet.", "hub status"
    else:
        yield "warning", f"{told} They follow when the batch before is settled.", f"hub why {last.submission}"


def secrets(settings: Settings, db: Database) -> Found:
    """Each shared secret that is valid now is there, and nobody else may read it."""
    now = datetime.now(UTC)
    with db.read() as tx:
        known = sources.everything(tx)
    for source in known:
        for key in source.valid_keys(now):
            if key.kind is Kind.HMAC:
                yield from _secret(source.name, settings.source_keys / source.name / key.key_id)


def _secret(name: str, path: Path) -> Found:
    if not path.exists():
        told = f"The secret of the source {name} is missing ({path}), so its messages are refused. Restore it, or"
        yield "error", f"{told} give the source a new one.", f"hub sources rotate {name}"
    elif is_open(path):
        yield "error", f"The secret {path} of the source {name} may be read by others.", f"chmod 600 {quote(path)}"
