"""Runs that have waited long in Dagster's queue (decisions/0112).

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
    large files, of previews, of ledgers; how many are new among them. Dagster reads a run's priority each time that it
    chooses."""
    found = 0
    for run in list(_behind_small_ones(instance)):
        # the moment of the event: of when a run was made PostgreSQL keeps what a clock on its wall would show
        since = instance.get_run_stats(run.run_id).enqueued_time
        if since is not None and now - since >= PATIENCE_S:
            with suppress(DagsterRunNotFoundError):  # somebody has removed it meanwhile
                instance.add_run_tags(run.run_id, {PRIORITY_TAG: str(GOES_FIRST)})
                found += 1
    return found


def _behind_small_ones(instance: dg.DagsterInstance) -> Iterator[dg.DagsterRun]:
    """The oldest first; of several of one source the first alone, which the others must not overtake."""
    lists: set[str] = set()
    for run in reversed(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))):
        of_list = run.tags.get(LIST_TAG)
        if of_list not in lists and int(run.tags.get(PRIORITY_TAG, "0")) < SMALL // 2:
            yield run
        if of_list is not None:
            lists.add(of_list)
