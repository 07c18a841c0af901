"""Removing old runs from Dagster's storage, with their events and logs, and nothing that is still needed.

Belongs here: which runs go, which stay and why. Not here: when (retention.py), staged files (pruning.py). What the hub
needs of a run is in its own tables; what it does not have, the error of a run that died before it had a lease, is
written to the audit chain before the run goes.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from hub_pipelines.common.store import Transaction
from hub_pipelines.defs.retiring import retire
from hub_pipelines.defs.sensors import REQUEST_TAG
from hub_pipelines.hub import Hub
from hub_pipelines.pruning import announce, batches, cutoff, held_back
from hub_pipelines.retention import store as retention
from hub_pipelines.retention.model import Pruned
from hub_pipelines.submission.model import UNSETTLED, State
from hub_pipelines.submission.partitions import store as partitions

_PAGE = 100
_ERROR_SHOWN = 2_000
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_LEDGER = "_ledger"
RUNS = "runs"


@dataclass(frozen=True, slots=True)
class _Run:
    """A finished run that is old enough. `request_id` is None for one that is not about one submission."""

    run_id: str
    job: str
    status: str
    started_at: datetime
    ended_at: datetime
    request_id: str | None


def prune_partitions(instance: dg.DagsterInstance, hub: Hub, *, actor: str, dry_run: bool, deadline: float) -> Pruned:
    """Retire partitions of submissions that were settled, and launched or revived last, long ago.

    Raises HoldsAstray.
    """
    hub.holds.check()
    found = Pruned("partitions")
    before = cutoff(hub, hub.settings.retention.runs_after_days)
    while not dry_run and time.monotonic() < deadline:
        with hub.db.read() as tx:
            keys = partitions.live_since(tx, before, feed=None, limit=200)
        if not keys:
            return found
        found.removed += len(retire(instance, hub, keys, actor=actor))
    with hub.db.read() as tx:
        left = partitions.live_since(tx, before, feed=None, limit=100_000)
    if dry_run:
        found.removed = len(left)
    found.is_complete = dry_run or not left
    return found


def prune_runs(instance: dg.DagsterInstance, hub: Hub, *, actor: str, dry_run: bool, deadline: float) -> Pruned:
    """Remove finished runs that are old enough, the oldest first. `deadline` is a moment of time.monotonic().

    Raises HoldsAstray.
    """
    hub.holds.check()
    found = Pruned(RUNS)
    before = cutoff(hub, hub.settings.retention.runs_after_days)
    page = _page(instance, before, None)
    while page:
        following = _page(instance, before, page[-1].run_id)  # asked before the run that it starts from is gone
        for batch in batches(page):
            if time.monotonic() > deadline:
                found.is_complete = False
                return found
            _prune_batch(instance, hub, batch, found, actor, dry_run=dry_run)
        page = following
    return found


def _page(instance: dg.DagsterInstance, before: datetime, after: str | None) -> list[_Run]:
    records = instance.get_run_records(
        dg.RunsFilter(statuses=_FINISHED, updated_before=before), limit=_PAGE, ascending=True, cursor=after
    )
    return [_run(record) for record in records]


def _run(record: Any) -> _Run:
    run = record.dagster_run
    created = record.create_timestamp.replace(tzinfo=UTC)
    return _Run(
        run_id=run.run_id,
        job=run.job_name,
        status=run.status.value,
        started_at=datetime.fromtimestamp(record.start_time, UTC) if record.start_time else created,
        ended_at=datetime.fromtimestamp(record.end_time, UTC) if record.end_time else created,
        request_id=run.tags.get(REQUEST_TAG) or _request_partition(run),
    )


def _request_partition(run: dg.DagsterRun) -> str | None:
    """The submission of a run that was started on the Dagster page."""
    key = run.tags.get("dagster/partition")
    return key if key and "|" not in key else None


def _prune_batch(
    instance: dg.DagsterInstance, hub: Hub, runs: Sequence[_Run], found: Pruned, actor: str, *, dry_run: bool
) -> None:
    newest = {run.run_id: _newest_of(instance, run) for run in runs}
    with hub.db.read() as tx:
        kept = _kept(hub, tx, runs, newest)
        has_error = retention.recorded_errors(tx, [run.run_id for run in runs])
    for run_id, why in kept.items():
        found.kept.add(why, run_id)
    going = [run for run in runs if run.run_id not in kept]
    if dry_run:
        found.removed += len(going)
        found.freed_bytes += sum(_files(instance, run.run_id)[1] for run in going)
        return
    if not going:
        return
    announce(hub, actor, RUNS, [_record(instance, run, has_error) for run in going])
    with hub.db.write() as tx:
        retention.keep_holds_still(tx)
        stays = _kept(hub, tx, going, newest)
        for run in going:
            if run.run_id in stays:
                found.kept.add(stays[run.run_id], run.run_id)
            else:
                retention.keep_holds_still(tx)
                found.freed_bytes += _remove(instance, run.run_id)
                found.removed += 1
        held_back(tx, actor, RUNS, stays)


# ---- what stays


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the Dagster pages show of a run: partitions of which it is the newest materialisation, and its days."""

    partitions: tuple[tuple[str, str | None], ...]
    days: tuple[tuple[str, str, date], ...]
    """(feed, campus, day) of each ledger partition that it has published."""


def _newest_of(instance: dg.DagsterInstance, run: _Run) -> _Shown:
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    events = [record.event_log_entry.dagster_event for record in records]
    keys = {(event.asset_key.to_user_string(), event.partition) for event in events if event and event.asset_key}
    newest = [key for key in keys if _newest_run(instance, *key) == run.run_id]
    days = [_day(asset, partition) for asset, partition in keys if asset.endswith(_LEDGER) and partition]
    return _Shown(tuple(newest), tuple(days))


def _day(asset: str, partition: str) -> tuple[str, str, date]:
    campus, _, day = partition.partition("|")
    return asset.removesuffix(_LEDGER), campus, date.fromisoformat(day)


def _newest_run(instance: dg.DagsterInstance, asset: str, partition: str | None) -> str | None:
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition] if partition is not None else None)
    records = instance.fetch_materializations(wanted, limit=1).records
    return records[0].run_id if records else None


def _kept(hub: Hub, tx: Transaction, runs: Sequence[_Run], shown: dict[str, _Shown]) -> dict[str, str]:
    """Those that stay, each with the reason."""
    request_ids = [run.request_id for run in runs if run.request_id]
    facts = retention.facts_of(tx, request_ids)
    open_requests, open_runs = retention.in_open_items(tx, request_ids, [run.run_id for run in runs])
    held = retention.covered(tx, request_ids, hub.holds.feeds_of)
    holds = retention.holds(tx)
    kept: dict[str, str] = {}
    for run in runs:
        why: str | None
        of_run = shown[run.run_id]
        if run.request_id:
            fact = facts.get(run.request_id)
            if fact is None:
                why = "the hub does not know its submission"
            elif fact.state in UNSETTLED:
                why = "its submission is not settled"
            elif run.request_id in open_requests or fact.state == State.IN_REVIEW:
                why = "a review item is open"
            elif run.request_id in held:
                why = f"legal hold {held[run.request_id]}"
            else:
                why = "newest of a live partition" if fact.partition_live and of_run.partitions else None
        elif run.run_id in open_runs:
            why = "a review item is open"
        elif holds and (hold := next((found for day in of_run.days if (found := _hold_on(hub, tx, day))), None)):
            why = f"legal hold {hold}"
        elif of_run.partitions:
            why = "newest of a live partition"
        else:
            # a run that has published nothing does not tell whose rows it has seen
            why = f"legal hold {holds[0].hold_id}" if holds and not of_run.days else None
        if why is not None:
            kept[run.run_id] = why
    return kept


def _hold_on(hub: Hub, tx: Transaction, day: tuple[str, str, date]) -> str | None:
    feed, campus, when = day
    return retention.hold_on_day(tx, feed, campus, when, hub.holds.feeds_of)


# ---- what goes


def _record(instance: dg.DagsterInstance, run: _Run, has_error: set[str]) -> dict[str, object]:
    """What the audit chain keeps of a run; of a failed one whose error no attempt holds, the error too."""
    told: dict[str, object] = {
        "run": run.run_id,
        "job": run.job,
        "status": run.status,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat(),
        "request_id": run.request_id,
    }
    if run.status != dg.DagsterRunStatus.SUCCESS.value and run.run_id not in has_error:
        told["error"] = _error(instance, run.run_id)
    return told


def _error(instance: dg.DagsterInstance, run_id: str) -> str:
    steps = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    ends = instance.get_records_for_run(
        run_id, of_type={dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED}
    ).records
    events = [record.event_log_entry.dagster_event for record in (*steps, *ends)]
    texts = [
        event.step_failure_data.error_display_string if event.is_step_failure else event.message
        for event in events
        if event is not None
    ]
    return "\n".join(text for text in texts if text)[:_ERROR_SHOWN] or "Dagster has kept no error of it."


def _remove(instance: dg.DagsterInstance, run_id: str) -> int:
    """Its events, its captured output, on SQLite its own event file, and the run itself; freed bytes of files.

    The run goes last, unlike in `instance.delete_run`: after a crash amid this the next prune finds it again.
    """
    files, size = _files(instance, run_id)
    instance.event_log_storage.delete_events(run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    for path in files:
        path.unlink(missing_ok=True)
    instance.run_storage.delete_run(run_id)
    return size


def _files(instance: dg.DagsterInstance, run_id: str) -> tuple[list[Path], int]:
    """On SQLite each run has an event file of its own, which Dagster empties and leaves; and what its output takes."""
    storage: Any = instance.event_log_storage
    own: list[Path] = []
    if hasattr(storage, "path_for_shard"):
        shard = Path(storage.path_for_shard(run_id))
        own = [shard, shard.with_name(f"{shard.name}-wal"), shard.with_name(f"{shard.name}-shm")]
    logs: Any = instance.compute_log_manager
    folder = Path(logs._base_dir) / run_id if hasattr(logs, "_base_dir") else None
    output = [path for path in folder.rglob("*") if path.is_file()] if folder is not None else []
    return own, sum(path.stat().st_size for path in (*own, *output) if path.exists())
