"""Which process works on a run of Dagster, and whether it still lives."""

import os
import time
from pathlib import Path

import dagster as dg

PID_TAG = "hub/pid"
_CLOCK_S = 2.0


def pid_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> int | None:
    """As the launcher noted it, or as a run without a launcher told it itself."""
    noted = run.tags.get(PID_TAG)
    if noted is not None:
        return int(noted)
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    events = [record.event_log_entry.dagster_event for record in records]
    pids = [one.engine_event_data.metadata.get("pid") for one in events if one is not None]
    told = [str(pid.value) for pid in pids if pid is not None]
    return int(told[-1]) if told and told[-1].isdigit() else None


def lives(pid: int, record: dg.RunRecord) -> bool:
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
    return fields[0] != "Z" and started < (record.start_time or time.time()) + _CLOCK_S
