"""How often Dagster looks for runs that wait (decisions/0107). Not here: in which order and how many at a time
(dagster.yaml, launching.py), how a run gets its process (run_launcher.py)."""

from typing import Any

from dagster._core.run_coordinator import QueuedRunCoordinator

_LOOKS_EVERY_S = 0.5


class PromptRunQueue(QueuedRunCoordinator[Any]):
    """Looks twice a second. Dagster's own setting takes whole seconds, and people wait for what is in the queue."""

    @property
    def dequeue_interval_seconds(self) -> float:  # type: ignore[override]  # the daemon waits for any number of seconds
        return _LOOKS_EVERY_S
