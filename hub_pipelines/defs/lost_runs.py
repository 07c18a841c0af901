"""Runs that Dagster counts and that will never end: their process is gone, or they were never handed to anybody.

Dagster counts a run among those at work until `max_runtime_seconds`: two lost ones and nothing is launched any
more. One whose hand-over raised inside the daemon stays "not started" for ever, though the tick says success. Both
are reported to Dagster here, so that their slots are free and their submissions are launched again. The reconciler
asks at every look; `hub up` also runs this module at its start (`python -m hub_pipelines.defs.lost_runs`), before
the first sensor ticks. A run whose process still lives is left alone, unless its lease was taken from it: it hangs,
keeps a place and all that wait for its list, and could write nothing any more if it went on.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from hub_pipelines.defs.run_process import process_of
from hub_pipelines.defs.sensors import REQUEST_TAG, runs_alive

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub
    from hub_pipelines.recovery.model import LostRun

_STATUS = dg.DagsterRunStatus
_NEVER_ENDING = [_STATUS.STARTING, _STATUS.STARTED, _STATUS.CANCELING, _STATUS.NOT_STARTED]
_NOT_HANDED_OVER_S = 120.0
_SILENT_S = 180.0


@dataclass(frozen=True)
class DagsterRuns:
    """The reconciler's view of Dagster. `holds_lease` tells whether a run still has the right to work, `was_taken_from`
    whether others have ended it, each of a submission and a run."""

    instance: dg.DagsterInstance
    holds_lease: Callable[[str, str], bool]
    was_taken_from: Callable[[str, str], bool]
    not_handed_over_s: float = _NOT_HANDED_OVER_S

    def lost(self) -> "list[LostRun]":
        found = []
        for record in self.instance.get_run_records(dg.RunsFilter(statuses=_NEVER_ENDING)):
            if why := self._why_lost(record):
                found.append(_lost(record.dagster_run, why))
        return found

    def _why_lost(self, record: dg.RunRecord) -> str | None:
        run = record.dagster_run
        age_s = time.time() - record.create_timestamp.timestamp()
        if run.status is _STATUS.NOT_STARTED:
            late = age_s > self.not_handed_over_s
            return "it was made and never handed over, so nobody will start it" if late else None
        request_id = run.tags.get(REQUEST_TAG)
        if request_id is not None and self.was_taken_from(request_id, run.run_id):
            return "it was not heard of any more, and its lease was taken from it"
        process = process_of(self.instance, run.run_id)
        if process is not None:
            return None if process.lives() else f"its process {process.pid} is gone"
        if run.status is _STATUS.STARTING:
            return None  # its process is being made just now, or Dagster's own limit ends the wait
        silent = request_id is not None and age_s > _SILENT_S and not self.holds_lease(request_id, run.run_id)
        return "it never told its process, and its lease is another's or over" if silent else None

    def report_failed(self, lost: "LostRun") -> bool:
        """False when it has ended meanwhile: its last word may have come just before its end."""
        run = self.instance.get_run_by_id(lost.run_id)
        if run is None or run.is_finished:
            return False
        if run.status is _STATUS.CANCELING:
            self.instance.report_run_canceled(run, f"Cancelled; {lost.why}.")
        else:
            self.instance.report_run_failed(run, f"Reported by the hub: {lost.why}.")
        return True

    def alive(self, request_ids: list[str]) -> set[str]:
        return runs_alive(self.instance)(request_ids)


def dagster_runs(hub: "Hub", instance: dg.DagsterInstance) -> DagsterRuns:
    from hub_pipelines.submission import store as submissions
    from hub_pipelines.submission.leases import store as leases
    from hub_pipelines.submission.model import State

    def holds_lease(request_id: str, run_id: str) -> bool:
        with hub.db.read() as tx:
            current = submissions.find(tx, request_id)
        return current is not None and current.state is State.LEASED and current.lease_owner == run_id

    def was_taken_from(request_id: str, run_id: str) -> bool:
        with hub.db.read() as tx:
            return leases.was_taken_from(tx, request_id, run_id)

    return DagsterRuns(instance, holds_lease, was_taken_from, not_handed_over_s=hub.settings.limits.relaunch_after_s)


def _lost(run: dg.DagsterRun, why: str) -> "LostRun":
    from hub_pipelines.recovery.model import LostRun

    request_id = run.tags.get(REQUEST_TAG) or run.tags.get("dagster/partition")
    return LostRun(run.run_id, request_id, run.job_name, why)


if __name__ == "__main__":
    from hub_pipelines.hub import open_hub

    with dg.DagsterInstance.get() as opened:
        runs = dagster_runs(open_hub(), opened)
        for one in runs.lost():
            if runs.report_failed(one):
                print(f"WARNING: run {one.run_id} had lost its process; its submission is taken up again ({one.why})")
