"""Runs that have waited long in Dagster's queue (decisions/0112, decisions/0114).

Not here: which run goes before which at first (sensors.py), how many are at work at a time (dagster.yaml).
"""

from collections.abc import Iterator
from contextlib import suppress

import dagster as dg
from dagster._core.errors import DagsterRunNotFoundError

from hub_pipelines.defs.sensors import GOES_FIRST, LIST_TAG, PRIORITY_TAG, SMALL

PATIENCE_S = 300.0


def let_through(instance: dg.DagsterInstance, now: float) -> int:
    """Give the next places to runs that small files have kept waiting for so long, as of `now` (seconds since 1970): of
    large files, of previews, of ledgers; and those after the urgent ones to small files; how many are new among them.
    Dagster reads a run's priority each time that it chooses."""
    found = 0
    for run, priority in list(_kept_waiting(instance)):
        # the moment of the event: of when a run was made PostgreSQL keeps what a clock on its wall would show
        since = instance.get_run_stats(run.run_id).enqueued_time
        if since is not None and now - since < PATIENCE_S:
            break  # all others have come after it
        if since is not None:
            with suppress(DagsterRunNotFoundError):  # somebody has removed it meanwhile
                instance.add_run_tags(run.run_id, {PRIORITY_TAG: str(priority)})
                found += 1
    return found


def _kept_waiting(instance: dg.DagsterInstance) -> Iterator[tuple[dg.DagsterRun, int]]:
    """Runs, each with the priority that it may have; the oldest first. Of several of one source the first alone, which
    the others must not overtake."""
    lists: set[str] = set()
    for run in reversed(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))):
        of_list = run.tags.get(LIST_TAG)
        has = int(run.tags.get(PRIORITY_TAG, "0"))
        may_have = GOES_FIRST if has < SMALL // 2 else SMALL
        if of_list not in lists and has < may_have:
            yield run, may_have
        if of_list is not None:
            lists.add(of_list)
