"""Which submissions get a run now, and what a tick of one campus does around that. No Dagster in here.

The sensor in defs/ reads, calls this, and hands the answer to Dagster; `hub drain` calls the same.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from hub_pipelines.hub import Hub
from hub_pipelines.intake.drop_folder import Scan
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Submission

RETIRED_PER_TICK = 200


@dataclass(frozen=True, slots=True)
class Tick:
    """What one look at a campus found and what is to be launched, in order."""

    scan: Scan
    launches: tuple[Submission, ...]

    @property
    def summary(self) -> str:
        taken = len(self.scan.arrivals)
        parts = [f"{taken} taken, {len(self.launches)} to launch"]
        if self.scan.left:
            parts.append(f"{self.scan.left} left for the next tick")
        if self.scan.unfinished:
            parts.append(f"{self.scan.unfinished} not complete yet")
        parts += [f"can't be taken now: {trouble}" for trouble in self.scan.troubles]
        return "; ".join(parts)


def tick(
    hub: Hub, campus: str, *, alive: Callable[[list[str]], set[str]], relaunch_after_s: float | None = None
) -> Tick:
    """Take what has arrived for a campus and choose what to launch.

    `alive` tells which of these request_ids have a run that is queued or working. Each launch is counted
    before it is asked for, so that its run_key is new; if asking fails, it is due again after
    `relaunch_after_s` (the settings' limit when None).
    """
    scan = hub.drop_folder.take(campus, budget_s=hub.settings.limits.tick_budget_s)
    hub.processing.give_up_exhausted()
    limits = hub.settings.limits
    with hub.db.read() as tx:
        due = submissions.due(
            tx,
            campus,
            limit=limits.launches_per_tick,
            relaunch_after=timedelta(seconds=limits.relaunch_after_s if relaunch_after_s is None else relaunch_after_s),
        )
    chosen = choose(due, alive)
    launches = []
    for one in chosen:
        with hub.db.write() as tx:
            launches.append(submissions.mark_launched(tx, one.request_id))
    return Tick(scan, tuple(launches))


def choose(due: Iterable[Submission], alive: Callable[[list[str]], set[str]]) -> list[Submission]:
    """Those of the due submissions that have no living run. Asked only for those launched before."""
    candidates = list(due)
    again = [one.request_id for one in candidates if one.launch > 0]
    living = alive(again) if again else set()
    return [one for one in candidates if one.request_id not in living]


def surplus_partitions(hub: Hub, feed: str) -> list[str]:
    """Settled submissions whose partitions go beyond the limit, oldest first."""
    with hub.db.read() as tx:
        return submissions.surplus_partitions(
            tx, feed, keep=hub.settings.limits.live_partitions, limit=RETIRED_PER_TICK
        )


def mark_retired(hub: Hub, request_ids: list[str]) -> None:
    with hub.db.write() as tx:
        submissions.mark_retired(tx, request_ids)
