"""Which process works on a run of Dagster, and whether it still lives."""

import os
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster._core.events import EngineEventData

_BORN = "born"


@dataclass(frozen=True, slots=True)
class RunProcess:
    """`born`: the boot, and the tick of it, in which the process began; None where nobody told. No clock can be set so
    that it becomes another."""

    pid: int
    born: str | None

    def lives(self) -> bool:
        """False for a process that ended and for a later one that got its number, after a reboot for example."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return False  # another user's: not ours
        seen = _seen(self.pid)
        if seen is None:
            return True  # no /proc: the number has to do
        state, born = seen
        return state != "Z" and self.born in (None, born)


def _seen(pid: int) -> tuple[str, str] | None:
    """The state of a process and when it was born (proc(5): fields 3 and 22); None where that can't be asked."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    fields = told.rpartition(")")[2].split()
    return fields[0], f"{boot} {fields[19]}"


def telling(pid: int) -> EngineEventData:
    """What the launcher of a run's process tells of it, just after its start."""
    told = EngineEventData.in_process(pid)
    seen = _seen(pid)
    born = {_BORN: dg.MetadataValue.text(seen[1])} if seen is not None else {}
    return EngineEventData(metadata={**told.metadata, **born})


def process_of(instance: dg.DagsterInstance, run_id: str) -> RunProcess | None:
    """As its launcher told it, or the run itself; None as long as nobody has."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    events = [record.event_log_entry.dagster_event for record in reversed(records)]
    told = [event.engine_event_data.metadata for event in events if event is not None]
    pids = [str(one["pid"].value) for one in told if "pid" in one and str(one["pid"].value).isdigit()]
    if not pids:
        return None
    born = (str(one[_BORN].value) for one in told if _BORN in one and str(one["pid"].value) == pids[0])
    return RunProcess(int(pids[0]), next(born, None))
