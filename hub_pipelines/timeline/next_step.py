"""What happens to a submission next, and who has to do it.

Belongs here: one sentence or two for each state. The rules are those of the sensors; here they are only told.
"""

from datetime import timedelta

from hub_pipelines.common.scope import RESERVED_FEED
from hub_pipelines.common.store import Transaction, database_now
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.locking import store as locking
from hub_pipelines.pausing.model import Pause, pause_of
from hub_pipelines.pausing.store import standing
from hub_pipelines.report.corrections import left_by_parts
from hub_pipelines.report.words import still_not_taken
from hub_pipelines.review.model import ItemState, ReviewItem
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import MESSAGES, Cause, State, Submission
from hub_pipelines.submission.queue.store import first_before
from hub_pipelines.submission.retry import launch_wait
from hub_pipelines.timeline.words import as_sentence, utc_told

_CLOSED_FOR_GOOD = (ItemState.DISMISSED, ItemState.RESUBMITTED, ItemState.SPLIT)


def attempts_told(hub: Hub, current: Submission) -> str:
    return f"{current.attempts} of {hub.processing.policy.allowed(current.attempts, in_all=current.attempts_in_all)}"


def what_now(hub: Hub, tx: Transaction, current: Submission, items: list[ReviewItem]) -> str:
    conflicts = [item for item in items if item.state is ItemState.OPEN and item.cause == "conflict"]
    told = _next_step(hub, tx, current, items)
    for item in conflicts:
        told += f" Other contents came under its key: a person decides about {_command(item)}."
    return told


def _next_step(hub: Hub, tx: Transaction, current: Submission, items: list[ReviewItem]) -> str:
    match current.state:
        case State.POSTED:
            return _posted_now(tx, current)
        case State.RECEIVED:
            return _received_now(hub, tx, current)
        case State.LEASED:
            return _leased_now(hub, tx, current)
        case State.RETRYING:
            tries = f"attempt {attempts_told(hub, current)} failed"
            return (
                _pause(tx, current)
                or _behind(tx, current)
                or (
                    f"waiting, because {tries}: {as_sentence(current.reason)} The next try is due at "
                    f"{utc_told(current.retry_at)}; {_sensor(current)} launches it."
                )
            )
        case State.IN_REVIEW:
            return _in_review_now(current, items)
        case State.DISMISSED:
            closed = next((item for item in items if item.state in _CLOSED_FOR_GOOD), None)
            by = f" by {closed.resolved_by}" if closed else ""
            return f"dismissed{by}: {as_sentence(current.reason)} Nothing more happens; bytes and history stay."


def _posted_now(tx: Transaction, current: Submission) -> str:
    rejected = current.counts.rejected
    told = f"posted at {utc_told(current.posted_at)}."
    if rejected:
        if current.envelope.channel == MESSAGES:
            rows = "1 message was" if rejected == 1 else f"{rejected:,} messages were"
            return f"{told} {rows} not taken; the system that sent it corrects it and sends it anew."
        rows = "1 row was" if rejected == 1 else f"{rejected:,} rows were"
        told = f"{told} {rows} not taken"
        left = left_by_parts(tx, current)
        if left is not None:
            if not left:
                return f"{told} then, and all of them came in since, in the workbook that was given back for it."
            told += f" then, and {still_not_taken(left)}"
        return f"{told}; the sender mends what the receipt lists and drops the file again."
    return f"{told} Nothing more happens."


def _received_now(hub: Hub, tx: Transaction, current: Submission) -> str:
    if paused := _pause(tx, current):
        return paused
    if held_up := _goes_first(hub, tx, current):
        return held_up
    if earlier := first_before(tx, current.request_id):
        return f"waiting for the earlier file of its name, {earlier}, which posts first."
    if behind := _behind(tx, current):
        return behind
    if current.launched_at is None:
        which = "next" if current.launch else "first"
        return f"waiting for its {which} run; {_sensor(current)} launches it at its next tick."
    first = timedelta(seconds=hub.settings.limits.relaunch_after_s)
    again = current.launched_at + launch_wait(first, current.launches_in_vain)
    return (
        f"waiting for Dagster to begin the run that was asked for at {utc_told(current.launched_at)}. If no run of it "
        f"lives, {_sensor(current)} launches it again after {utc_told(again)}."
    )


def _pause(tx: Transaction, current: Submission) -> str | None:
    found = pause_of(standing(tx), current.envelope.campus, current.envelope.feed)
    if found is None:
        return None
    told = f"paused by {found.paused_by} since {utc_told(found.paused_at)} ({found.scope}): {as_sentence(found.reason)}"
    return f"{told} Nothing is launched until `{_resume(found)}`."


def _behind(tx: Transaction, current: Submission) -> str | None:
    """Its last run gave its place to another posting, and none was launched since."""
    ledger = current.waits_for
    if ledger is None or current.launched_at is not None:
        return None
    if locking.taken(tx, {ledger}):
        return f"waiting until another posting to {ledger} has ended; {_sensor(current)} launches it then."
    gave_way = f"waiting, because its run gave its place to another posting to {ledger}, which has ended"
    return f"{gave_way}; {_sensor(current)} launches it at its next tick."


def _resume(found: Pause) -> str:
    campus = f" --campus {found.campus}" if found.campus else ""
    feed = f" --feed {found.feed}" if found.feed else ""
    return f"hub resume{campus}{feed}"


def _goes_first(hub: Hub, tx: Transaction, current: Submission) -> str | None:
    """What holds this one up; the same rule as `queue.due`: only who asks the registry waits for it."""
    feed = hub.feeds.get(current.envelope.feed)
    if feed is None or not feed.checks_tags:
        return None
    campus = current.envelope.campus
    before = submissions.feeds_before(tx, current)
    pauses = {feed: pause_of(standing(tx), campus, feed) for feed in before}
    if going := [feed for feed in before if pauses[feed] is None]:
        told = f"waiting, because files of {campus} that go first ({', '.join(going)}) are not settled yet."
        return f"{told} {_sensor(current)} launches it then."
    stopped = next(iter(pauses.values()), None)
    if stopped is None:
        return None
    return (
        f"waiting, because its tags are checked against files of {campus} that go first ({', '.join(before)}) and are "
        f"paused by {stopped.paused_by} since {utc_told(stopped.paused_at)}: {as_sentence(stopped.reason)} "
        f"`{_resume(stopped)}` lets them go on."
    )


def _leased_now(hub: Hub, tx: Transaction, current: Submission) -> str:
    until = current.lease_until
    if until is not None and until >= database_now(tx):
        return f"run {current.lease_owner} works on it; its lease lasts until {utc_told(until)} unless it is extended."
    told = f"its lease ended at {utc_told(until)} without a word from run {current.lease_owner}"
    if hub.processing.policy.is_last(current.attempts, in_all=current.attempts_in_all):
        return f"{told}, which was the last attempt; the next tick of a campus brings it to review."
    return f"{told}; {_sensor(current)} launches a run that takes it over."


def _in_review_now(current: Submission, items: list[ReviewItem]) -> str:
    item = next((one for one in items if one.state is ItemState.OPEN and one.cause == current.cause), None)
    told = f"waiting for a person, because of [{current.cause}] {as_sentence(current.reason)}"
    if item is None:
        return f"{told} `hub review list` shows what waits."
    replay = "" if item.feed == RESERVED_FEED else f"; `hub review replay {item.item_id}` sends it through again"
    if item.cause == Cause.QUESTION:
        replay = f"; `hub mapping show {current.request_id}` lists the questions, `hub mapping answer` answers them"
    if item.cause == Cause.DRIFT:
        replay = f"; `hub shapes show {item.item_id}` puts its columns and the earlier ones side by side"
    return f"{told} A person decides about {_command(item)}{replay}."


def _command(item: ReviewItem) -> str:
    return f"{item.item_id} (`hub review show {item.item_id}`)"


def _sensor(current: Submission) -> str:
    return f"{current.envelope.campus}_drop_folder_sensor (or `hub drain`)"
