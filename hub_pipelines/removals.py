"""Recounts of what retention has removed, from the audit chain: the statements behind its checks."""

from typing import Any

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Entry
from hub_pipelines.common.store import Transaction, per_query
from hub_pipelines.hub import Hub
from hub_pipelines.retention import store as retention
from hub_pipelines.retention.model import Hold
from hub_pipelines.submission import store as submissions


def removed_though_held(hub: Hub) -> list[dict[str, Any]]:
    """What was removed after a hold that still stands, as the chain tells, was placed, and is covered by it."""
    with hub.db.read() as tx:
        holds = {one.hold_id: one for one in hub.holds.told(tx).values() if one.lifted_at is None}
        if not holds:
            return []
        since = min(one.placed_at for one in holds.values())
        removals = [one for one in _removals(tx) if one[0].at >= since]
        subjects = {request_id for _, item in removals for request_id in _submissions(tx, item)}
        held = _covered(hub, tx, sorted(subjects), list(holds.values()))
        found = []
        for entry, item in removals:
            for request_id in _submissions(tx, item):
                hold = holds.get(held.get(request_id, ""))
                if hold is not None and hold.placed_at <= entry.at and not _moved_since(tx, request_id, entry):
                    what = _name(item)
                    found.append({"hold": hold.hold_id, "removed": what, "request_id": request_id})
        return found


def removed_without_record(hub: Hub) -> list[dict[str, Any]]:
    """Removed runs of submissions of which neither an attempt nor the chain tells how they ended."""
    with hub.db.read() as tx:
        found = []
        for entry, item in _removals(tx):
            if not item.get("run") or not item.get("request_id") or "error" in item:
                continue
            attempts = submissions.attempts_of(tx, str(item["request_id"]))
            own = [one for one in attempts if one["owner"] == item["run"]]
            # a run that ended well without a lease had found the submission busy or settled, which is audited
            if not own and item["status"] == "SUCCESS":
                own = [
                    {"ended_at": told.at}
                    for told in audit.entries_of(tx, str(item["request_id"]))
                    if told.event.actor == f"run/{item['run']}"
                ]
            if not own or any(one["ended_at"] is None for one in own):
                found.append({"run": item["run"], "request_id": item["request_id"], "announced": str(entry.seq)})
        return found


def _removals(tx: Transaction) -> list[tuple[Entry, dict[str, Any]]]:
    """Each thing that was announced and not held back after all, with its entry."""
    back: set[str] = set()
    for entry in audit.entries_named(tx, "retention:held_back"):
        kept = entry.event.detail["kept"]
        back.update(kept if isinstance(kept, dict) else ())
    found = []
    for entry in audit.entries_named(tx, "retention:pruning"):
        items = entry.event.detail["items"]
        for item in items if isinstance(items, list) else ():
            if _name(item) not in back:
                found.append((entry, item))
    return found


def _name(item: dict[str, Any]) -> str:
    """By which a thing that was held back is told."""
    return str(item.get("run") or item.get("staged") or item.get("bodies"))


def _submissions(tx: Transaction, item: dict[str, Any]) -> list[str]:
    if item.get("request_id"):
        return [str(item["request_id"])]
    if item.get("staged"):
        return retention.submissions_of_staged(tx, [str(item["staged"])]).get(str(item["staged"]), [])
    return []


def _covered(hub: Hub, tx: Transaction, request_ids: list[str], holds: list[Hold]) -> dict[str, str]:
    found: dict[str, str] = {}
    for some in per_query(request_ids):
        found |= retention.covered(tx, some, hub.holds.feeds_of, holds)
    return found


def _moved_since(tx: Transaction, request_id: str, entry: Entry) -> bool:
    """Applied again or replayed after the removal, which may be why the hold covers it now."""
    current = submissions.get(tx, request_id)
    return current.settled_at is None or current.settled_at > entry.at
