"""Which submissions get a run now, and what a tick of one campus does around that. No Dagster in here.

The sensor in defs/ reads, calls this, and hands the answer to Dagster; `hub drain` calls the same.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hub_pipelines.common.errors import Transient
from hub_pipelines.common.store import Transaction
from hub_pipelines.drift.service import source_of
from hub_pipelines.hub import Hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.drop_folder import Scan
from hub_pipelines.intake.model import Outcome, PreviewDue
from hub_pipelines.ledger.locking import store as locking
from hub_pipelines.logs import pairs, working_on
from hub_pipelines.pausing.model import pause_of
from hub_pipelines.pausing.store import standing
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import State, Submission
from hub_pipelines.submission.partitions import store as partitions
from hub_pipelines.submission.queue import store as queue
from hub_pipelines.submission.receipting import store as receipting
from hub_pipelines.submission.retry import LAUNCHES_IN_VAIN, launch_wait
from hub_pipelines.validate.model import Feed

_log = logging.getLogger(__name__)
RETIRED_PER_TICK = 200


@dataclass(frozen=True, slots=True)
class Tick:
    """What one look at a campus found and what is to be launched, in order."""

    scan: Scan
    launches: tuple[Submission, ...]
    paused: tuple[str, ...] = ()
    """One sentence for each paused feed of the campus: by whom, since when, why, how much waits."""
    previews: "PreviewLaunch | None" = None
    sealed: int = 0
    """Batches of messages."""
    inbox: tuple[str, ...] = ()
    """How full the inbox of messages is, where that is worth a word."""
    ahead: int = 0
    """Launches of the campus before this tick that have not come to an end."""
    behind: tuple[str, ...] = ()
    """One sentence for each ledger for which submissions of the campus wait."""

    @property
    def summary(self) -> str:
        taken = len(self.scan.arrivals)
        parts = [f"{taken} taken, {len(self.launches)} to launch"]
        if self.sealed:
            parts.append(f"{self.sealed} batches of messages sealed")
        if self.previews:
            parts.append(f"{self.previews.number} to preview")
        if self.scan.left:
            parts.append(f"{self.scan.left} left for the next tick")
        if self.scan.unfinished:
            parts.append(f"{self.scan.unfinished} not complete yet")
        parts += [f"can't be taken now: {trouble}" for trouble in self.scan.troubles]
        parts += self.inbox
        parts += self.behind
        parts += self.paused
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class PreviewLaunch:
    """One run for all previews of a campus that are due; `run_key` is new with each launch."""

    run_key: str
    number: int


def tick(
    hub: Hub,
    campus: str,
    *,
    alive: Callable[[list[str]], set[str]],
    previewing: Callable[[], bool] = lambda: False,
    relaunch_after_s: float | None = None,
    seal_at_once: bool = False,
) -> Tick:
    """Take what has arrived for a campus, seal messages that wait, and choose what to launch.

    `seal_at_once`: whatever waits is sealed, however few and young. `alive` tells which of these request_ids have a
    run that is queued or working, `previewing` whether a run makes the campus's previews. Each launch is counted
    before it is asked for, so that its run_key is new; if asking fails, it is due again after `relaunch_after_s` (the
    settings' limit when None). While there is no room on the disk nothing is sealed or launched either: an attempt
    that fails for want of room would count. A database that does not answer is a trouble of this tick; the next one
    tries again.
    """
    limits = hub.settings.limits
    scan = hub.drop_folder.take(campus, budget_s=limits.tick_budget_s)
    if hub.drop_folder.no_room(0):
        return Tick(scan, ())
    after = timedelta(seconds=limits.relaunch_after_s if relaunch_after_s is None else relaunch_after_s)
    launches: list[Submission] = []
    stopped: dict[str, str] = {}
    previews = None
    sealed = ahead = 0
    behind: list[str] = []
    inbox: tuple[str, ...] = ()
    try:
        sealed = len(hub.sealing.seal_due(campus, at_once=seal_at_once))
        inbox = tuple(hub.inbox.filling().troubles.values())[:1]
        previews = _previews(hub, campus, previewing, after)
        stopped = _paused(hub, campus, scan)
        hub.ending.give_up_exhausted()
        with hub.db.read() as tx:
            ahead = queue.launched(tx, campus)
            waiting = waiting_for_taken(tx, campus)
            due = due_of(tx, campus, hub.feeds, taken=waiting, limit=limits.launches_per_tick, relaunch_after=after)
        behind = [f"{number} waiting until another posting to {one} has ended" for one, number in waiting.items()]
        _launch(hub, choose(due, alive), launches)
    except Transient as error:
        _log.warning("%s: nothing more is launched by this tick: %s", campus, error)
        scan = replace(scan, troubles=(*scan.troubles, str(error)))
    return Tick(scan, tuple(launches), tuple(stopped.values()), previews, sealed, inbox, ahead, tuple(behind))


def _previews(hub: Hub, campus: str, previewing: Callable[[], bool], after: timedelta) -> PreviewLaunch | None:
    """A run for a campus's previews: there are new ones, or the run of some has ended without them.

    A pause does not stop them, for they have no effect. What no run ever begins has its receipt from here.
    """
    with hub.db.read() as tx:
        due = arrivals.previews_due(tx, campus, limit=hub.settings.limits.launches_per_tick)
    now = hub.intake.now()
    if not any(_is_to_launch(one, now, after) for one in due) or previewing():
        return None
    for one in [one for one in due if one.attempts == 0 and one.launches >= LAUNCHES_IN_VAIN]:
        due.remove(one)
        hub.previews.give_up(one)
    if not due:
        return None
    with hub.db.write() as tx:
        arrivals.count_preview_launch(tx, [one.arrival.arrival_id for one in due], at=now)
    first = max(due, key=lambda one: one.arrival.arrived_at)
    _log.info("launched previews %s", pairs(campus=campus, number=len(due)))
    return PreviewLaunch(f"preview:{campus}:{first.arrival.arrival_id}:{first.launches + 1}", len(due))


def _is_to_launch(one: PreviewDue, now: datetime, after: timedelta) -> bool:
    """New; or its run began and ended without it; or no run began, or its caller was not heard of, for a while."""
    if one.launched_at is None or 0 < one.launches <= one.attempts:
        return True
    return now - one.launched_at >= launch_wait(after, one.launches)


def _paused(hub: Hub, campus: str, scan: Scan) -> dict[str, str]:
    """The paused feeds of a campus, each with its sentence. Senders of what has just come for them get a receipt."""
    with hub.db.read() as tx:
        pauses = standing(tx)
        if not pauses:
            return {}
        waiting = submissions.unsettled_by_scope(tx)
    found = {feed: pause for feed in hub.feeds if (pause := pause_of(pauses, campus, feed)) is not None}
    came = [str(one.request_id) for one in scan.arrivals if one.outcome is Outcome.RECEIVED and one.scope.feed in found]
    if came:
        with hub.db.write() as tx:
            receipting.make_receipts_due(tx, request_ids=came)
    return {feed: f"{feed} waits ({waiting.get((campus, feed), 0)}): {one.sentence}" for feed, one in found.items()}


def paused_count(hub: Hub, waiting: Mapping[tuple[str, str], int]) -> int:
    """Of the unsettled submissions, by campus and feed, those that wait until somebody resumes a feed.

    Feeds that ask the registry wait for the registry's own, as in `queue.due`.
    """
    return sum(waiting[scope] for scope in stopped_scopes(hub, waiting))


def stopped_scopes(hub: Hub, waiting: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """The campuses and feeds among these that wait until somebody resumes a feed."""
    pauses = hub.pausing.standing()
    stopped = {scope for scope in waiting if pause_of(pauses, *scope)}
    first = {
        campus: min(hub.feeds[feed].priority for one, feed in stopped if one == campus and feed in hub.feeds)
        for campus, feed in stopped
        if feed in hub.feeds
    }
    for campus, name in waiting:
        feed = hub.feeds.get(name)
        if feed is not None and feed.checks_tags and first.get(campus, feed.priority) < feed.priority:
            stopped.add((campus, name))
    return stopped


def is_stopped(hub: Hub, current: Submission) -> bool:
    """It waits for its launch, and nothing launches it until somebody resumes a feed."""
    with hub.db.read() as tx:
        waiting = submissions.unsettled_by_scope(tx)
    return (current.envelope.campus, current.envelope.feed) in stopped_scopes(hub, waiting)


def waiting_for_taken(tx: Transaction, campus: str) -> dict[str, int]:
    """The ledgers that others post to for long, each with the number of a campus's submissions that wait for that."""
    waiting = queue.waiting_for_ledgers(tx, campus)
    return {ledger: waiting[ledger] for ledger in sorted(locking.taken(tx, waiting))}


def due_of(
    tx: Transaction,
    campus: str,
    feeds: Mapping[str, Feed],
    *,
    taken: Collection[str],
    limit: int,
    relaunch_after: timedelta,
    towards: str | None = None,
) -> list[Submission]:
    """What a run of this campus should take up now, best first: `queue.due` with what is paused at this moment, and
    with the ledgers that are `taken`, as `waiting_for_taken` tells them."""
    pauses = standing(tx)
    return queue.due(
        tx,
        campus,
        limit=limit,
        relaunch_after=relaunch_after,
        paused=[feed for feed in feeds if pause_of(pauses, campus, feed)],
        ask_registry=[name for name, feed in feeds.items() if feed.checks_tags],
        taken=taken,
        towards=towards,
    )


def next_towards(hub: Hub, current: Submission) -> Submission | None:
    """What to run so that a submission gets settled: itself, or what goes before it; None while nothing of that is due.

    Who waits for one submission must not overtake the registry that its tags are checked against, nor the earlier
    files of its source, whose values would then stay.
    """
    campus = current.envelope.campus
    with hub.db.read() as tx:
        found = due_of(
            tx,
            campus,
            hub.feeds,
            taken=waiting_for_taken(tx, campus),
            limit=1,
            relaunch_after=timedelta(0),
            towards=current.request_id,
        )
    return found[0] if found else None


def _launch(hub: Hub, chosen: Iterable[Submission], launches: list[Submission]) -> None:
    """Each is told in `launches` at once: what has been counted is launched, also when the next one fails."""
    kept_back = set()
    for one in chosen:
        source = source_of(one.envelope)
        if source in kept_back:
            continue
        with hub.db.write() as tx:
            launched = queue.mark_launched(tx, one.request_id)
        if launched is None:
            kept_back.add(source)
            continue
        launches.append(launched)
        with working_on(launched.request_id):
            _log.info("launched %s", pairs(launch=launched.launch, state=one.state, file=one.envelope.source_name))


def choose(due: Iterable[Submission], alive: Callable[[list[str]], set[str]]) -> list[Submission]:
    """Those of the due submissions that have no living run, nor come behind one that has. Asked only for those launched
    for this attempt.

    `launched_at` is cleared when an attempt ends, by failure, decision or `hub locks release`: a run that lives on
    beyond that has lost its right to write.
    """
    candidates = list(due)
    again = [one.request_id for one in candidates if one.launched_at is not None and not _lost_its_worker(one)]
    living = alive(again) if again else set()
    chosen, kept_back = [], set()
    for one in candidates:
        source = source_of(one.envelope)
        if one.request_id in living:
            kept_back.add(source)
        elif source not in kept_back:
            chosen.append(one)
    return chosen


def _lost_its_worker(one: Submission) -> bool:
    """Its lease ran out and nothing was launched since. Dagster would call a run that died with its machine alive."""
    ended = one.lease_until if one.state is State.LEASED else None
    return ended is not None and one.launched_at is not None and one.launched_at < ended


def surplus_partitions(hub: Hub, feed: str) -> list[str]:
    """Settled submissions whose partitions go beyond the limit, oldest first."""
    with hub.db.read() as tx:
        return partitions.surplus_partitions(tx, feed, keep=hub.settings.limits.live_partitions, limit=RETIRED_PER_TICK)
