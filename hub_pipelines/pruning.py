"""Removing what the archive has too: staged files of settled submissions, which are made from it again, and what
messages say in the inbox.

Every removal is announced in the audit chain before it is done. What is chosen is looked at once more inside the
writing transaction in which it is removed and which keeps holds still: a hold that is placed meanwhile waits until that
small batch is done, and wins over all that would have come after it (decisions/0034).
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.common.store import Transaction, database_now
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.model import Batch
from hub_pipelines.retention import store as retention
from hub_pipelines.retention.model import Pruned
from hub_pipelines.submission.model import Integrity
from hub_pipelines.validate.staging import staged_path

T = TypeVar("T")
PER_BATCH = 25
BODIES = "bodies of messages"
_PAGE = 200


def announce(hub: Hub, actor: str, what: str, removals: list[dict[str, object]]) -> None:
    """Say in the audit chain what is about to go; a crash after it leaves an entry too many, never one too few."""
    with hub.db.write() as tx:
        _audit(tx, actor, "retention:pruning", what, {"items": removals})


def held_back(tx: Transaction, actor: str, what: str, kept: dict[str, str]) -> None:
    """Say that some of what was announced stays after all; in the transaction that removes the rest."""
    if kept:
        _audit(tx, actor, "retention:held_back", what, {"kept": kept})


def _audit(tx: Transaction, actor: str, event: str, what: str, detail: dict[str, object]) -> None:
    audit.append(tx, Event(RESERVED_CAMPUS, actor, event, what, None, detail))


def cutoff(hub: Hub, days: int) -> datetime:
    """So many days ago by the database's clock."""
    with hub.db.read() as tx:
        return database_now(tx) - timedelta(days=days)


# ---- staged files


def prune_staged(hub: Hub, *, actor: str, dry_run: bool, deadline: float) -> Pruned:
    """Verdicts of submissions that are settled for long; a run that needs one again makes it from the archive.

    Raises HoldsAstray.
    """
    hub.holds.check()
    found = Pruned("staged files")
    before = cutoff(hub, hub.settings.retention.staged_after_days)
    after = ""
    seen: set[str] = set()
    while True:
        with hub.db.read() as tx:
            page = retention.old_staged(tx, before, after=after, limit=_PAGE)
        if not page:
            return found
        after = page[-1][0]
        digests = [digest for digest in dict.fromkeys(digest for _, digest in page) if digest not in seen]
        seen.update(digests)
        there = [digest for digest in digests if _is_old(staged_path(hub.settings.staged, digest), before)]
        for batch in batches(there):
            if time.monotonic() > deadline:
                found.is_complete = False
                return found
            _prune_batch(hub, batch, before, found, actor, dry_run=dry_run)


def _prune_batch(hub: Hub, digests: list[str], before: datetime, found: Pruned, actor: str, *, dry_run: bool) -> None:
    with hub.db.read() as tx:
        kept = _kept(hub, tx, digests, before)
    going = [digest for digest in digests if digest not in kept]
    for digest, why in kept.items():
        found.kept.add(why, digest)
    if dry_run:
        found.removed += len(going)
        found.freed_bytes += sum(_size(staged_path(hub.settings.staged, digest)) for digest in going)
        return
    if not going:
        return
    announce(hub, actor, "staged files", [{"staged": digest} for digest in going])
    with hub.db.write() as tx:
        retention.keep_holds_still(tx)
        stays = _kept(hub, tx, going, before)
        for digest in going:
            if digest in stays:
                found.kept.add(stays[digest], digest)
            else:
                retention.keep_holds_still(tx)
                _remove(staged_path(hub.settings.staged, digest), found)
        held_back(tx, actor, "staged files", stays)


def _kept(hub: Hub, tx: Transaction, digests: list[str], before: datetime) -> dict[str, str]:
    """Those that stay, each with the reason."""
    kept = dict.fromkeys(retention.needed_staged(tx, digests, before), "another submission needs it")
    used_by = retention.submissions_of_staged(tx, digests)
    held = retention.covered(tx, [one for ids in used_by.values() for one in ids], hub.holds.feeds_of)
    for digest, request_ids in used_by.items():
        if hold := next((held[one] for one in request_ids if one in held), None):
            kept[digest] = f"legal hold {hold}"
    return kept


# ---- bodies of messages


def prune_bodies(hub: Hub, *, actor: str, dry_run: bool, deadline: float) -> Pruned:
    """What messages of batches that are settled for long say; ids and digests stay, and the archive has the rest.

    Raises HoldsAstray.
    """
    hub.holds.check()
    found = Pruned(BODIES)
    before = cutoff(hub, hub.settings.retention.bodies_after_days)
    after = ""
    while page := hub.bodies.there(before, after=after, limit=PER_BATCH):
        after = page[-1].batch_id
        if time.monotonic() > deadline:
            found.is_complete = False
            break
        _prune_some_bodies(hub, page, before, found, actor, dry_run=dry_run)
    return found


def _prune_some_bodies(
    hub: Hub, page: Sequence[Batch], before: datetime, found: Pruned, actor: str, *, dry_run: bool
) -> None:
    settled = _settled(hub, page, before)
    going = [one for one in page if one.submission in settled]
    with hub.db.read() as tx:
        kept = _kept_bodies(hub, tx, going, before)
    for batch_id, why in kept.items():
        found.kept.add(why, batch_id)
    # last, since all of each is read for it
    archived = _archived(hub, [one for one in going if one.batch_id not in kept], found)
    going = [one for one in going if one.batch_id in archived]
    if going and not dry_run:
        announce(hub, actor, BODIES, [{"bodies": one.batch_id, "request_id": one.submission} for one in going])
    for one in going:
        freed = hub.bodies.size(one)
        if dry_run or _remove_bodies(hub, one, archived[one.batch_id], before, found, actor):
            found.removed += 1
            found.freed_bytes += freed


def _archived(hub: Hub, some: Sequence[Batch], found: Pruned) -> dict[str, str]:
    """Of each batch that the archive has, under which digest."""
    archived: dict[str, str] = {}
    for one in some:
        try:
            archived[one.batch_id] = hub.bodies.archived_as(one)
        except Integrity as error:
            found.kept.add(str(error), one.batch_id)
    return archived


def _remove_bodies(hub: Hub, one: Batch, digest: str, before: datetime, found: Pruned, actor: str) -> bool:
    """Each batch in a transaction of its own: a posting waits for it, and it may be large."""
    with hub.db.write() as tx:
        retention.keep_holds_still(tx)
        stays = _kept_bodies(hub, tx, [one], before)
        held_back(tx, actor, BODIES, stays)
        if not stays:
            hub.bodies.remove(one, digest, before_some=partial(retention.keep_holds_still, tx))
    for batch_id, why in stays.items():
        found.kept.add(why, batch_id)
    return not stays


def _settled(hub: Hub, page: Sequence[Batch], before: datetime) -> set[str]:
    with hub.db.read() as tx:
        return retention.settled_before(tx, [str(one.submission) for one in page], before)


def _kept_bodies(hub: Hub, tx: Transaction, some: Sequence[Batch], before: datetime) -> dict[str, str]:
    """Those that stay, each with the reason."""
    ids = [str(one.submission) for one in some]
    settled = retention.settled_before(tx, ids, before)
    held = retention.covered(tx, ids, hub.holds.feeds_of)
    kept = {one.batch_id: f"legal hold {held[str(one.submission)]}" for one in some if one.submission in held}
    return kept | {one.batch_id: "its submission is not settled" for one in some if one.submission not in settled}


# ---- files


def batches(items: Sequence[T]) -> list[list[T]]:
    """Small enough that each is removed in one short transaction."""
    return [list(items[start : start + PER_BATCH]) for start in range(0, len(items), PER_BATCH)]


def _is_old(path: Path, before: datetime) -> bool:
    """There, and not staged again since: equal verdicts of another file would have given it a new time."""
    return 0 < _changed_at(path) < before.timestamp()


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _remove(path: Path, found: Pruned) -> None:
    size = _size(path)
    path.unlink(missing_ok=True)
    found.removed += 1
    found.freed_bytes += size
