"""Large files that have waited long in Dagster's queue (decisions/0112).

Not here: which run goes before which at first (sensors.py), how many are at work at a time (dagster.yaml).
"""

from datetime import datetime, timedelta

import dagster as dg

from hub_pipelines.defs.sensors import GOES_FIRST, PRIORITY_TAG, SIZE_TAG

PATIENCE = timedelta(minutes=5)


def let_through(instance: dg.DagsterInstance, now: datetime) -> int:
    """Give the next place to large files whose runs small ones have kept waiting for so long; how many are new among
    them. Dagster reads a run's priority each time that it chooses."""
    waits = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.QUEUED], tags={SIZE_TAG: "large"}, created_before=now - PATIENCE
    )
    found = [run for run in instance.get_runs(waits) if run.tags.get(PRIORITY_TAG) != str(GOES_FIRST)]
    for run in found:
        instance.add_run_tags(run.run_id, {PRIORITY_TAG: str(GOES_FIRST)})
    return len(found)
