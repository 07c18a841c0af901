"""Request partitions that Dagster forgets and gets back. The hub keeps the submissions whatever Dagster has.

Dagster hides a partition's events while its key is gone and shows them again when it is back, unless their run has
been removed meanwhile.
"""

from collections.abc import Sequence
from itertools import groupby

import dagster as dg

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.store import Transaction
from hub_pipelines.defs.partitions import requests_of
from hub_pipelines.hub import Hub
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.partitions import store as partitions

PER_BATCH = 200
Key = tuple[str, str]
"""Feed and request_id."""


def retire(instance: dg.DagsterInstance, hub: Hub, keys: Sequence[Key], *, actor: str) -> list[str]:
    """Have Dagster forget these partitions; the request_ids of those that were settled, and so were forgotten."""
    retired: list[str] = []
    for feed, batch in _batches(keys):
        with hub.db.write() as tx:
            marked = partitions.retire(tx, batch)
            _audit(tx, feed, marked, actor, "partition:retired")
        name = str(requests_of(feed).name)
        for key in marked:
            instance.delete_dynamic_partition(name, key)
        with hub.db.read() as tx:
            again = partitions.live_among(tx, marked)  # reopened and launched between the two
        if again:
            instance.add_dynamic_partitions(name, again)
        retired += [key for key in marked if key not in again]
    return retired


def revive(instance: dg.DagsterInstance, hub: Hub, keys: Sequence[Key], *, actor: str) -> list[str]:
    """Give Dagster these partitions again, marked in the hub first: repeating it mends what a crash left between."""
    revived: list[str] = []
    for feed, batch in _batches(keys):
        with hub.db.write() as tx:
            partitions.revive(tx, batch)
            _audit(tx, feed, batch, actor, "partition:revived")
        instance.add_dynamic_partitions(str(requests_of(feed).name), batch)
        revived += batch
    return revived


def _batches(keys: Sequence[Key]) -> list[tuple[str, list[str]]]:
    found = []
    for feed, group in groupby(sorted(keys, key=lambda key: key[0]), key=lambda key: key[0]):
        ids = [request_id for _, request_id in group]
        found += [(feed, ids[start : start + PER_BATCH]) for start in range(0, len(ids), PER_BATCH)]
    return found


def _audit(tx: Transaction, feed: str, request_ids: Sequence[str], actor: str, event: str) -> None:
    by_campus: dict[str, list[str]] = {}
    for request_id in request_ids:
        by_campus.setdefault(submissions.get(tx, request_id).envelope.campus, []).append(request_id)
    for campus, ids in sorted(by_campus.items()):
        audit.append(tx, Event(campus, actor, event, f"{feed}_requests", None, {"request_ids": ids}))
