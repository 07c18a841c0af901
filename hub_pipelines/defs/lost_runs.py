"""Runs whose process is gone without a word: after a power cut, or when `hub up` and all its processes were killed.

Dagster would count them among those at work until `max_runtime_seconds`: two of them and nothing is launched any
more. `hub up` runs this module once at its start (`python -m hub_pipelines.defs.lost_runs`); the review queue's
sensor then tells the hub, which tries again. A run whose process still lives is left alone.
"""

import os
from pathlib import Path

import dagster as dg

_AT_WORK = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_CLOCK_S = 2.0


def settle_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report them to Dagster as failed; their ids."""
    lost = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_AT_WORK)):
        run_id = record.dagster_run.run_id
        pid = _pid_of(instance, run_id)
        if pid is None or _has_lived_since(pid, record.start_time or record.create_timestamp.timestamp()):
            continue
        now = instance.get_run_by_id(run_id)
        if now is not None and not now.is_finished:  # its last word may have come just before its end
            instance.report_run_failed(now, f"Its process {pid} is gone.")
            lost.append(run_id)
    return lost


def _pid_of(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process that works on a run, as the run itself told."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    events = [record.event_log_entry.dagster_event for record in records]
    pids = [one.engine_event_data.metadata.get("pid") for one in events if one is not None]
    told = [str(pid.value) for pid in pids if pid is not None]
    return int(told[-1]) if told and told[-1].isdigit() else None


def _has_lived_since(pid: int, moment: float) -> bool:
    """False for a process that ended and for a later one that got its number, after a reboot for example."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # another user's: not ours
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        booted = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    except (OSError, StopIteration):
        return True  # no /proc: the number has to do
    started = int(booted.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return fields[0] != "Z" and started < moment + _CLOCK_S


if __name__ == "__main__":
    with dg.DagsterInstance.get() as opened:
        for lost_run in settle_lost_runs(opened):
            print(f"WARNING: run {lost_run} had lost its process; its submission is taken up again")
