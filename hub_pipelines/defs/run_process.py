"""Which process works on a run of Dagster, and whether it still lives."""

import os
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

_CLOCK_S = 2.0


@dataclass(frozen=True, slots=True)
class RunProcess:
    """`told_at`: when it was said to live, in seconds since 1970."""

    pid: int
    told_at: float

    def lives(self) -> bool:
        """False for a process that ended and for a later one that got its number, after a reboot for example."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return False  # another user's: not ours
        try:
            told = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8", errors="replace")
            booted = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
        except (OSError, StopIteration):
            return True  # no /proc: the number has to do
        fields = told.rpartition(")")[2].split()
        started = int(booted.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return fields[0] != "Z" and started < self.told_at + _CLOCK_S


def process_of(instance: dg.DagsterInstance, run_id: str) -> RunProcess | None:
    """As its launcher told it, or the run itself; None as long as nobody has."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    for entry in reversed([record.event_log_entry for record in records]):
        event = entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event is not None else None
        if pid is not None and str(pid.value).isdigit():
            return RunProcess(int(str(pid.value)), entry.timestamp)
    return None
