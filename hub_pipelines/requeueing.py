"""Sending submissions through again, one or many: which ones, what each would do, and at what pace.

Belongs here: choosing, judging without effect, the pace, and when to stop. Not here: the decision itself and its audit
entry (review/service.py), running (defs/; `advance` is handed in), wording (cli/).

Each submission is decided about in a transaction of its own, under its own request_id and as its next revision.
What was killed half-way has sent a part, and what it did not send still waits in review; two at once share the work,
because an item is closed once (decisions/0025).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing import get_context
from typing import Any, Literal

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.errors import HubError
from hub_pipelines.hub import Hub, open_hub
from hub_pipelines.launching import is_stopped
from hub_pipelines.ledger.comparing.keeping import completed
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.model import ledger_name
from hub_pipelines.ledger.registry.store import LedgerRegistry, rejected_tags
from hub_pipelines.processing import failure_of
from hub_pipelines.resubmitting import sent_under_a_key
from hub_pipelines.review import store as reviews
from hub_pipelines.review.model import ItemState, Selection
from hub_pipelines.review.service import already_closed, why_not_replayed
from hub_pipelines.settings import Settings
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import UNSETTLED, Cause, IllegalMove, State, Submission
from hub_pipelines.submission.versions import store as versions
from hub_pipelines.validate.feeds.types import parse_asset_tag
from hub_pipelines.validate.model import AcceptedRow

TAG_RULE = "tag_not_in_registry"
How = Literal["replay", "apply_again", "try_now"]
Advance = Callable[[Sequence[str]], bool]
"""Work on the first of these submissions that can be worked on now; False when there was nothing to do."""

_ROWS_AT_ONCE = 5_000
_SECONDS_AHEAD = 10
_AT_LEAST_AHEAD = 10
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Target:
    """A submission that somebody wants to go through again. `refused` says why it can't; it is left alone then."""

    request_id: str
    campus: str
    feed: str
    source_name: str
    how: How
    item_id: str | None = None
    cause: str | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a target would do now. `reason` is what would send it to review again, or why it is left alone."""

    target: Target
    would: Literal["post", "fail", "be left alone"]
    received: int = 0
    posted: int = 0
    unchanged: int = 0
    rejected: int = 0
    reason: str | None = None


@dataclass(slots=True)
class Report:
    """What became of the targets. `left` were not sent, and wait as before."""

    sent: list[Target] = field(default_factory=list)
    refused: list[Target] = field(default_factory=list)
    left: list[Target] = field(default_factory=list)
    states: dict[str, State] = field(default_factory=dict)
    stopped_because: str | None = None

    @property
    def posted(self) -> int:
        return sum(self._settled(one) and self.states[one.request_id] is State.POSTED for one in self.sent)

    @property
    def failed(self) -> list[Target]:
        return [one for one in self.sent if self._settled(one) and self.states[one.request_id] is not State.POSTED]

    @property
    def under_way(self) -> list[Target]:
        return [one for one in self.sent if not self._settled(one)]

    @property
    def failure_share(self) -> float:
        settled = len(self.sent) - len(self.under_way)
        return len(self.failed) / settled if settled else 0.0

    def _settled(self, one: Target) -> bool:
        return self.states.get(one.request_id, State.RECEIVED) not in UNSETTLED


# ---- which


def of_items(hub: Hub, selection: Selection) -> list[Target]:
    """The open review items of a group, a cause, a campus, the oldest first.

    One is left alone when a newer file of its name has taken its place: going through again it would set back what
    that one has set. On purpose it can still be sent, by its own name.
    """
    with hub.db.read() as tx:
        found = reviews.targets(tx, selection)
        newer = versions.overtaken(tx, [one[1] for one in found])
    return [
        Target(
            request_id,
            campus,
            feed,
            name,
            "replay",
            item_id,
            cause,
            why_not_replayed(cause, feed) or _overtaken(newer.get(request_id), item_id),
        )
        for item_id, request_id, campus, feed, name, cause in found
    ]


def _overtaken(newer: str | None, item_id: str) -> str | None:
    if newer is None:
        return None
    return (
        f"A newer file of this name has come ({newer}), whose values it would set back. `hub review dismiss {item_id} "
        f"--reason replaced` closes it, `hub review replay {item_id}` sends it on purpose."
    )


def of_item(hub: Hub, item_id: str) -> Target:
    """One item. Raises IllegalMove when it is unknown or closed."""
    item, _ = hub.review.show(item_id)
    if item.state is not ItemState.OPEN:
        with hub.db.read() as tx:
            raise IllegalMove(already_closed(tx, item))
    refused = why_not_replayed(item.cause, item.feed)
    return Target(item.request_id, item.campus, item.feed, item.source_name, "replay", item_id, item.cause, refused)


def of_requests(hub: Hub, request_ids: Sequence[str]) -> list[Target]:
    """These submissions. Raises IllegalMove when one is unknown."""
    with hub.db.read() as tx:
        return [_of_request(tx, submissions.get(tx, one)) for one in dict.fromkeys(request_ids)]


def _of_request(tx: Any, current: Submission) -> Target:
    envelope = current.envelope
    target = Target(current.request_id, envelope.campus, envelope.feed, envelope.source_name, "try_now")
    if current.state is State.IN_REVIEW:
        items = [one for one in reviews.open_items_of(tx, current.request_id) if one.cause == current.cause]
        if not items:
            return replace(target, refused="It is in review, and its review item is missing.")
        item = items[0]
        refused = why_not_replayed(item.cause, item.feed)
        return replace(target, how="replay", item_id=item.item_id, cause=item.cause, refused=refused)
    return replace(target, refused=_why_not_now(current))


def _why_not_now(current: Submission) -> str | None:
    """None for what waits for its next attempt."""
    rows = current.counts
    match current.state:
        case State.POSTED:
            return (
                f"It is posted already ({rows.posted} rows posted, {rows.unchanged} unchanged, {rows.rejected} "
                f"rejected). `hub apply-again {current.request_id}` applies it once more on purpose."
            )
        case State.LEASED:
            until = f" after {current.lease_until:%H:%M:%S} UTC" if current.lease_until else ""
            return f"Run {current.lease_owner} works on it; if that run is dead, another takes over{until}."
        case State.DISMISSED:
            return f"It was dismissed, which is final. {sent_under_a_key(current.envelope)}"
        case _:
            return None


def of_rule(hub: Hub, rule: str, *, campus: str | None) -> list[Target]:
    """Posted submissions with rows that were rejected for tags unknown then and registered now, the oldest first.

    One is left alone when applying it again would set back what a later file has set.
    """
    if rule != TAG_RULE:
        raise IllegalMove(
            f"Only rows rejected by {TAG_RULE} can become good without a new file, when procurement registers their "
            f"tags. What {rule} rejected, the sender mends and drops again."
        )
    registry = LedgerRegistry(hub.db)
    with hub.db.read() as tx:
        candidates = rejected_tags(tx, TAG_RULE, campus=campus)
    known = registry.campuses({_tag(value) for values in candidates.values() for value in values})
    registered = [one for one, values in candidates.items() if any(_tag(value) in known for value in values)]
    return [_of_posted(hub, request_id) for request_id in registered]


def _tag(value: str) -> str:
    """As the registry spells it; what was rejected for being unknown was a sound tag."""
    return parse_asset_tag(value)


def _of_posted(hub: Hub, request_id: str) -> Target:
    with hub.db.read() as tx:
        current = submissions.get(tx, request_id)
        newer = versions.overtaken(tx, [request_id]).get(request_id)
        changed = hub.receipts.facts.changed_since(tx, current)
    envelope = current.envelope
    refused = None
    if newer is not None:
        refused = f"A newer file of this name has come ({newer})."
    elif changed:
        rows = "1 of its rows" if len(changed) == 1 else f"{len(changed)} of its rows"
        refused = f"Later files have changed {rows}, and applying it again would set them back."
    return Target(
        request_id, envelope.campus, envelope.feed, envelope.source_name, "apply_again", cause=TAG_RULE, refused=refused
    )


# ---- what each would do


def preview(hub: Hub, targets: Sequence[Target]) -> Iterator[Preview]:
    """Read and judge the archived bytes again, without effect, in the order of the targets.

    What came to review because its worker died is judged in a process of its own: it may die again.
    """
    with _Apart(hub.settings) as apart:
        for target in targets:
            if target.refused:
                yield Preview(target, "be left alone", reason=target.refused)
            elif target.cause == Cause.EXHAUSTED:
                yield apart.judge(target)
            else:
                yield judge(hub, target)


def judge(hub: Hub, target: Target) -> Preview:
    """What this submission would do now."""
    try:
        return _judged(hub, target)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
        failure = failure_of(error, None)
        reason = failure.reason if isinstance(error, HubError) else f"{failure.error_type}: {error}"
        return Preview(target, "fail", reason=reason)


def _judged(hub: Hub, target: Target) -> Preview:
    with hub.db.read() as tx:
        current = submissions.get(tx, target.request_id)
    envelope = current.envelope
    campus = hub.judge.campus_of(envelope)
    hub.keys.verify(envelope)
    hub.archive.verify(envelope.content_digest)
    registry = LedgerRegistry(hub.db, campus.time_zone)
    received = accepted = changed = 0
    with hub.judge.judged(envelope, registry) as judged:
        name = ledger_name(judged.record.name, campus.name, shared=judged.record.shared)
        while some := list(islice(judged.verdicts, _ROWS_AT_ONCE)):
            good = {one.key: canonical_text(one.values) for one in some if isinstance(one, AcceptedRow)}
            received, accepted = received + len(some), accepted + len(good)
            with hub.db.read() as tx:
                held = ledger_items.earlier(tx, name, list(good))
            changed += sum(
                key not in held or completed(values, held[key].values, judged.said)[0] != held[key].values
                for key, values in good.items()
            )
    return Preview(target, "post", received, changed, accepted - changed, received - accepted)


class _Apart:
    """Judges in a process of its own, started when the first one is asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "_Apart":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def judge(self, target: Target) -> Preview:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, get_context("spawn"), _open, (self._settings,))
        try:
            return self._pool.submit(_judge_here, target).result()
        except BrokenProcessPool:
            self._pool = None
            return Preview(target, "fail", reason="The program that read it died, as it did before.")


_here: list[Hub] = []


def _open(settings: Settings) -> None:
    _here.append(open_hub(settings))


def _judge_here(target: Target) -> Preview:
    return judge(_here[0], target)


# ---- sending


def send(
    hub: Hub,
    targets: Sequence[Target],
    *,
    actor: str,
    advance: Advance,
    rate: float,
    stop_on_failure_share: float,
    timeout_s: float,
    progress: Callable[[str], None] = lambda _text: None,
) -> Report:
    """Send the targets through again, at most `rate` a second, and watch what becomes of them until all are settled.

    It begins with one and lets as many be under way as have settled so far, and never more than ten seconds' worth:
    while the cause still stands, few are sent before the share of failures among the settled passes the limit.
    Nothing more is sent then, nor after `timeout_s` or Ctrl-C; what is under way goes on by itself. What a pause stops
    is left alone, and one that is paused meanwhile is not waited for.
    """
    report = Report(refused=[one for one in targets if one.refused])
    report.left = [one for one in targets if not one.refused]
    most = max(_AT_LEAST_AHEAD, round(rate * _SECONDS_AHEAD))
    began = time.monotonic()
    next_at = began
    try:
        while time.monotonic() - began < timeout_s:
            flying = _look(hub, report, progress)
            if flying and _all_stopped(hub, flying):
                report.stopped_because = report.stopped_because or "a pause stops what is under way"
                return report
            if report.stopped_because is None and report.failure_share > stop_on_failure_share:
                report.stopped_because = (
                    f"{len(report.failed)} of {len(report.sent) - len(flying)} settled ones failed again, "
                    f"more than the limit of {stop_on_failure_share:.0%}"
                )
            may_send = report.left and report.stopped_because is None
            if not may_send and not flying:
                return report
            room = len(flying) < min(most, 1 + len(report.sent) - len(flying))
            if may_send and room and time.monotonic() >= next_at:
                next_at = max(next_at + 1 / rate, time.monotonic() - 1 / rate)
                _send_one(hub, report, actor)
            elif not advance([one.request_id for one in flying]):
                time.sleep(min(_POLL_S, 1 / rate))
        report.stopped_because = report.stopped_because or f"{timeout_s:g} s have gone by"
    except KeyboardInterrupt:
        report.stopped_because = "it was interrupted"
    _look(hub, report, progress)
    return report


def _send_one(hub: Hub, report: Report, actor: str) -> None:
    target = report.left[0]
    try:
        _refuse_paused(hub, target)
        _decide(hub, target, actor)
    except IllegalMove as refusal:  # somebody else was first
        report.refused.append(replace(target, refused=str(refusal)))
    else:
        report.sent.append(target)
        report.states[target.request_id] = State.RECEIVED
    del report.left[0]


def _refuse_paused(hub: Hub, target: Target) -> None:
    if pause := hub.pausing.covering(target.campus, target.feed):
        raise IllegalMove(f"Nothing is launched: {pause.sentence}. It waits as before; send it after `hub resume`.")


def _all_stopped(hub: Hub, flying: Sequence[Target]) -> bool:
    """Whether all of these wait until somebody resumes a feed."""
    if not hub.pausing.standing():
        return False
    with hub.db.read() as tx:
        waiting = [submissions.get(tx, one.request_id) for one in flying]
    return all(one.state is not State.LEASED and is_stopped(hub, one) for one in waiting)


def _decide(hub: Hub, target: Target, actor: str) -> None:
    if target.how == "replay":
        hub.review.replay(str(target.item_id), actor=actor)
    elif target.how == "apply_again":
        hub.review.apply_again(target.request_id, actor=actor)
    else:
        hub.review.try_now(target.request_id, actor=actor)


def _look(hub: Hub, report: Report, progress: Callable[[str], None]) -> list[Target]:
    """Learn what has become of those under way; the ones that still are."""
    flying = report.under_way
    if not flying:
        return flying
    with hub.db.read() as tx:
        report.states |= submissions.states_of(tx, [one.request_id for one in flying])
    for one in flying:
        state = report.states[one.request_id]
        if state not in UNSETTLED:
            progress(f"{one.campus}/{one.feed}/{one.source_name}: {state}")
    return report.under_way
