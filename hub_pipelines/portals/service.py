"""Polling: one portal, one request after the other, each answer durable before the next is asked for.

For each page, in this order, so that a crash between two of them repeats a page and never skips one:

1. The page's bytes into the archive, with an envelope that is signed.
2. Records whose shape has changed into review (holding.py).
3. Records that are new or changed into the inbox, in one transaction with what is known of each record.
4. The state: the page's request gives way to those that follow from it.

The cursor moves when no request is left and nothing can have been missed. A page that is not read ends the poll, and
the next one begins with that page. Not here: when a poll is due for whom (defs, cli), what a portal looks like
(adapters), how long to wait (pacing), which records are strange (sorting).
"""

import io
import logging
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from itertools import groupby
from typing import IO, Any, Protocol

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.common.store import Database
from hub_pipelines.intake.inbox.model import NEARLY_FULL, FoundRecord
from hub_pipelines.intake.inbox.service import Inbox
from hub_pipelines.logs import pairs
from hub_pipelines.portals import store
from hub_pipelines.portals.configured import origin_of
from hub_pipelines.portals.holding import Holding
from hub_pipelines.portals.looking import Looked, Sight
from hub_pipelines.portals.model import (
    CHANNEL,
    Adapter,
    Answer,
    Garbled,
    Order,
    Pace,
    PageRead,
    PortalError,
    Rejected,
    Request,
    Unreachable,
    source_of,
)
from hub_pipelines.portals.pacing import Breaker, Health
from hub_pipelines.portals.sorting import SortedPage, sorted_page
from hub_pipelines.portals.state import NoSuchPortal, Overtaken, Page, Poll, PollEnd, PortalState, Tally
from hub_pipelines.portals.trail import Trail
from hub_pipelines.submission.model import Envelope

ACTOR = "hub/portals"
LEASE_S = 120.0
"""Longer than any request with its wait: within this time a poll always says that it lives."""
MOST_PASSES = 5
NO_ROOM = "The inbox is nearly full. What waits there is posted first; the poll then goes on by itself."
_SHOWN_CHARACTERS = 120
_log = logging.getLogger(__name__)


class Asker(Protocol):
    def ask(self, request: Request, key: Mapping[str, str], pace: Pace) -> Answer: ...


class PageArchive(Protocol):
    def put(self, source: IO[bytes]) -> Any: ...

    def put_page(self, envelope: Envelope) -> Any: ...


class Signer(Protocol):
    def sign(self, envelope: Envelope) -> Envelope: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one piece of work on a poll came to. `tally` is the whole poll's so far; `until` is when to go on."""

    portal: str
    end: PollEnd
    tally: Tally = field(default_factory=Tally)
    poll_id: str | None = None
    until: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Polling:
    """`adapters` by name. `key_of` reads a portal's key when it is needed. Raises NoSuchPortal for any other name,
    SettingsError when a key is not there, Transient when database or disk fail; the next poll goes on then."""

    db: Database
    inbox: Inbox
    archive: PageArchive
    signer: Signer
    holding: Holding
    adapters: Mapping[str, Adapter]
    first_days: Mapping[str, datetime]
    key_of: Callable[[str], Mapping[str, str]]
    client: Callable[[], AbstractContextManager[Asker]]
    now: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    lease_s: float = LEASE_S
    draw: Callable[[], float] = field(default=random.SystemRandom().random)

    # ---- what is due

    def state(self, name: str) -> PortalState | None:
        """None for a portal that was never polled."""
        self._adapter(name)
        with self.db.read() as tx:
            return store.find(tx, name)

    def due_at(self, name: str) -> datetime | None:
        """When to poll next; None: at once."""
        state = self.state(name)
        return None if state is None else self._due_at(state)

    def is_due(self, name: str) -> bool:
        """Whether its time has come, and nobody is at it."""
        state, now = self.state(name), self.now()
        if state is None:
            return True
        at = self._due_at(state)
        return not state.is_leased(now) and (at is None or at <= now)

    def _due_at(self, state: PortalState) -> datetime | None:
        if state.began_at is None:
            return None
        next_at = state.began_at if state.poll else state.began_at + self._adapter(state.name).every
        return max(next_at, state.health.not_before or next_at)

    # ---- polling

    def poll(self, name: str, *, for_s: float, actor: str = ACTOR, since: datetime | None = None) -> Outcome:
        """Go on with the poll under way, or begin one, for about so many seconds. Never raises PortalError: what the
        portal does wrong is in the outcome, the log and the state. `since` begins anew, with what was changed then.

        A portal that has refused the hub is asked at once for a person, for the hub itself when the breaker says so.
        """
        adapter = self._adapter(name)
        deadline = self.monotonic() + for_s
        with self._leased(name) as state:
            if state is None:
                return Outcome(name, PollEnd.BUSY)
            if state.health.breaker(self.now()) is Breaker.OPEN:
                if actor == ACTOR or not state.health.needs_a_person:
                    return self._told(state, PollEnd.FAILED, state.last_error)
                # whoever asks by hand may have mended what it was refused for: this is the probe
                state = replace(state, health=replace(state.health, not_before=None))
            try:
                if since is not None or not _goes_on(adapter, state.poll):
                    state = self._begin(adapter, state, actor, since)
                with self.client() as client:
                    return self._go_on(adapter, state, client, deadline)
            except Overtaken:
                return Outcome(name, PollEnd.BUSY)

    def _go_on(self, adapter: Adapter, state: PortalState, client: Asker, deadline: float) -> Outcome:
        trail = Trail()
        while (poll := state.poll) is not None:
            if not poll.pending:
                trail = Trail()
                state, end = self._end_pass(adapter, state)
                if end is not None:
                    return self._told(state, end, state.last_error if end is PollEnd.UNSETTLED else None)
                continue
            left_s = deadline - self.monotonic()
            if left_s <= 0:
                return self._told(state, PollEnd.UNFINISHED)
            if self.inbox.filling().share >= NEARLY_FULL:
                return self._told(state, PollEnd.UNFINISHED, NO_ROOM)
            wait_s = state.health.wait_s(self.now())
            if wait_s > adapter.pace.patience_s:
                return self._told(state, PollEnd.WAITING, state.last_error if state.health.failures else None)
            if wait_s >= left_s:
                return self._told(state, PollEnd.UNFINISHED, state.last_error if state.health.failures else None)
            if wait_s:
                self.sleep(wait_s)
            request = poll.pending[0]
            state = replace(state, poll=replace(poll, tally=poll.tally.plus(requests=1)))
            state, read = self._read(adapter, state, client, request, trail, left_s - wait_s)
            if read is not None:
                state = self._take(adapter, state, request, *read)
            elif state.health.openings:
                return self._told(state, PollEnd.FAILED, state.last_error)
        raise AssertionError("a poll ends with its last pass")

    def _begin(self, adapter: Adapter, state: PortalState, actor: str, asked: datetime | None) -> PortalState:
        now = self.now()
        since = asked or self._since(adapter, state)
        poll = Poll(
            poll_id=f"{adapter.name}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
            since=since,
            began_at=now,
            moves_cursor=asked is None or (state.cursor is not None and asked <= state.cursor),
            pending=adapter.begin(since, now),
            passes=1,
            mark=state.marks + 1,
        )
        begun = replace(state, poll=poll, began_at=now, marks=poll.mark)
        with self.db.write() as tx:
            store.keep(tx, begun, lease_s=self.lease_s)
            if state.poll is not None:
                store.end_poll(tx, state.poll, PollEnd.UNFINISHED, at=now)
            store.add_poll(tx, adapter.name, poll, by=actor)
        return begun

    def _since(self, adapter: Adapter, state: PortalState) -> datetime | None:
        return state.cursor - adapter.overlap if state.cursor else self.first_days.get(adapter.name)

    def _read(
        self, adapter: Adapter, state: PortalState, client: Asker, request: Request, trail: Trail, left_s: float
    ) -> tuple[PortalState, tuple[Answer, PageRead] | None]:
        """Ask once. What fails is counted and kept before anything else is done; running out of a time shorter than
        the portal's own is no failure of the portal."""
        asked_at = self.now()
        until = self.monotonic() + left_s
        state = replace(state, requests=state.requests + 1)
        try:
            answer, read = self._ask(adapter, client, request, trail, min(adapter.pace.timeout_s, left_s))
        except PortalError as error:
            if isinstance(error, Unreachable) and left_s < adapter.pace.timeout_s and self.monotonic() >= until:
                return state, None
            return self._failed(state, error, adapter.pace), None
        next_at = asked_at + timedelta(seconds=adapter.pace.interval_s)
        return replace(state, health=Health(not_before=next_at)), (answer, read)

    def _ask(
        self, adapter: Adapter, client: Asker, request: Request, trail: Trail, timeout_s: float
    ) -> tuple[Answer, PageRead]:
        if origin_of(request.url) != adapter.origin:
            raise Rejected(f"The portal sends the hub to {origin_of(request.url)}, and it asks {adapter.origin} only.")
        answer = client.ask(request, self.key_of(adapter.name), replace(adapter.pace, timeout_s=timeout_s))
        read = _read_as(adapter, request, answer)
        trail.follow(request, read)
        for remark in read.remarks:
            _log.info("portal %s says: %s", adapter.name, remark)
        return answer, read

    def _failed(self, state: PortalState, error: PortalError, pace: Pace) -> PortalState:
        now = self.now()
        health = state.health.after_failure(error, pace, now, self.draw)
        opened = health.openings > state.health.openings
        poll = state.poll
        failed = replace(
            state,
            poll=replace(poll, tally=poll.tally.plus(failed_requests=1)) if poll else None,
            health=health,
            failed_requests=state.failed_requests + 1,
            last_error=error.reason,
            last_error_at=now,
        )
        with self.db.write() as tx:
            store.keep(tx, failed, lease_s=self.lease_s)
            if opened and (health.openings == 1 or not error.may_pass):
                detail: dict[str, object] = {"reason": error.reason, "failures": health.failures}
                _audit(tx, "portal:unread", state.name, detail)
        told = pairs(portal=state.name, failures=health.failures, again_at=health.not_before, breaker_opened=opened)
        _log.warning("portal not read: %s %s", error.reason, told)
        return failed

    # ---- taking a page

    def _take(
        self, adapter: Adapter, state: PortalState, request: Request, answer: Answer, read: PageRead
    ) -> PortalState:
        poll = state.poll
        assert poll is not None
        number = poll.tally.pages + 1
        envelope = self._archived(adapter, poll, number, request, answer)
        headers = {"portal": adapter.name, "page": envelope.content_digest}
        earlier = self.inbox.seen_with(source_of(adapter.name), poll.mark, [one.natural_id for one in read.records])
        sorted_ = self._sorted(adapter, headers, answer, read, earlier, poll.began_at)
        held = self._hold(adapter, sorted_)
        seen = [one.found.record_id for one in sorted_.strange]
        taken = self.inbox.take_found(source_of(adapter.name), sorted_.good, mark=poll.mark, seen=seen)
        known = len(read.records) + len(read.unread) - len(taken) - held
        tally = poll.tally.plus(
            pages=1, records=len(read.records) + len(read.unread), taken=len(taken), known=known, held=held
        )
        poll = replace(
            poll,
            pending=(*read.then, *poll.pending[1:]),
            totals=_totals(poll, read),
            untold=poll.untold or (read.total is None and not read.is_detail),
            fresh=poll.fresh + self._fresh(poll, sorted_.good, set(taken)),
            uncounted=poll.uncounted + read.others + sorted_.repeated,
            tally=tally,
        )
        advanced = replace(state, poll=poll)
        page = Page(
            poll.poll_id, number, envelope.content_digest, envelope.document(), len(read.records), len(taken), held
        )
        with self.db.write() as tx:
            store.keep(tx, advanced, lease_s=self.lease_s)  # first: who was overtaken adds no page
            store.add_page(tx, page)
        return advanced

    def _archived(self, adapter: Adapter, poll: Poll, number: int, request: Request, answer: Answer) -> Envelope:
        stored = self.archive.put(io.BytesIO(answer.body))
        asked = canonical_text(request.document())
        envelope = self.signer.sign(
            Envelope(
                request_id=f"{RESERVED_CAMPUS}-{adapter.name}-{poll.poll_id}-{number}",
                campus=RESERVED_CAMPUS,
                feed=adapter.name,
                channel=CHANNEL,
                source_system=source_of(adapter.name),
                source_name=f"{poll.poll_id}/{number}",
                content_digest=stored.digest,
                size_bytes=stored.size_bytes,
                received_at=answer.read_at,
                headers={"request": asked, "content_type": answer.headers.get("content-type", "")},
            )
        )
        self.archive.put_page(envelope)
        return envelope

    def _sorted(
        self,
        adapter: Adapter,
        headers: dict[str, str],
        answer: Answer,
        page: PageRead,
        earlier: Mapping[str, str],
        began_at: datetime,
    ) -> SortedPage:
        with self.db.read() as tx:
            accepted = store.accepted(tx, adapter.name)
        return sorted_page(adapter, headers, answer, page, accepted=accepted, earlier=earlier, began_at=began_at)

    def _hold(self, adapter: Adapter, page: SortedPage) -> int:
        """Bring to review what was not before; how many records."""
        before = self.inbox.versions(source_of(adapter.name), [one.found.record_id for one in page.strange])
        with self.db.read() as tx:
            known = store.held_before(tx, adapter.name, {one.found.record_id: one.digest for one in page.strange})
        different = {(one.found.record_id, one.digest): one for one in page.strange}.values()
        news = [one for one in different if one.found.record_id not in known]
        news.sort(key=lambda one: str(one.group))
        for _, some in groupby(news, key=lambda one: str(one.group)):
            self.holding.hold(adapter.name, list(some), before, page.like)
        return len(news)

    def _fresh(self, poll: Poll, good: Sequence[FoundRecord], taken: set[str]) -> int:
        """Records that this pass was the first to see, though they were there when the poll began."""
        if poll.passes == 1:
            return 0
        old = [one for one in good if one.record_id in taken]
        return sum(one.changed_at is None or one.changed_at < poll.began_at for one in old)

    # ---- the end of a pass

    def _end_pass(self, adapter: Adapter, state: PortalState) -> tuple[PortalState, PollEnd | None]:
        poll = state.poll
        assert poll is not None
        doubt = self._doubt(adapter, poll)
        if doubt is None:
            return self._ended(state, PollEnd.COMPLETE)
        if poll.passes >= MOST_PASSES:
            return self._ended(replace(state, last_error=doubt, last_error_at=self.now()), PollEnd.UNSETTLED)
        again = replace(
            poll,
            pending=adapter.begin(poll.since, poll.began_at),
            passes=poll.passes + 1,
            mark=state.marks + 1,
            totals=None,
            untold=False,
            fresh=0,
            uncounted=0,
        )
        state = replace(state, poll=again, marks=again.mark)
        with self.db.write() as tx:
            store.keep(tx, state, lease_s=self.lease_s)
        return state, None

    def _doubt(self, adapter: Adapter, poll: Poll) -> str | None:
        """Why a record may have slipped past; None when none can have: by the portal's order, by its count, or by
        reading all again. Fewer than every page told of is never all, whatever the order."""
        totals = None if poll.untold else poll.totals
        if totals is not None:
            first = poll.mark - poll.passes + 1
            seen = self.inbox.count_seen(source_of(adapter.name), poll.mark, first=first) + poll.uncounted
            if seen < totals[0]:
                return (
                    f"The portal says that it has {totals[0]:,} records and listed {seen:,}: ask who runs it. A total "
                    f"that counts other records too does not belong in [portals.{adapter.name}]."
                )
        if adapter.order is Order.STABLE or (poll.passes > 1 and poll.fresh == 0):
            return None
        if totals is not None and totals[0] == totals[1]:
            seen = self.inbox.count_seen(source_of(adapter.name), poll.mark) + poll.uncounted
            if seen >= totals[1]:
                return None
        return "Its records changed faster than they could be read, or natural ids came again with other contents."

    def _ended(self, state: PortalState, end: PollEnd) -> tuple[PortalState, PollEnd]:
        poll = state.poll
        assert poll is not None
        now = self.now()
        complete = end is PollEnd.COMPLETE
        moved = poll.began_at if complete and poll.moves_cursor else state.cursor
        ended = replace(state, cursor=moved, poll=None, completed_at=now if complete else state.completed_at)
        with self.db.write() as tx:
            store.keep(tx, ended, lease_s=self.lease_s)
            store.end_poll(tx, poll, end, at=now)
            digests = [one.content_digest for one in store.pages_of(tx, poll.poll_id)]
            detail: dict[str, object] = {
                "poll_id": poll.poll_id,
                "outcome": end,
                "since": poll.since.isoformat() if poll.since else None,
                "passes": poll.passes,
                "pages": len(digests),
                "pages_digest": store.digest_of_pages(digests),
                **({} if complete else {"reason": state.last_error}),
                **{name: getattr(poll.tally, name) for name in ("requests", "records", "taken", "held")},
            }
            _audit(tx, "portal:polled", state.name, detail)
        _log.info("portal polled %s", pairs(portal=state.name, **{k: v for k, v in detail.items() if k != "since"}))
        return replace(ended, poll=replace(poll, pending=())), end

    # ---- looking only

    def look(self, name: str, *, for_s: float, since: datetime | None = None) -> Sight:
        """What a poll would take now. Asks the portal as a poll does, and takes and archives nothing."""
        adapter = self._adapter(name)
        deadline = self.monotonic() + for_s
        found = Looked()
        with self._leased(name) as state:
            if state is None:
                return found.told(complete=False, reason="Another process polls it now.")
            if state.health.breaker(self.now()) is Breaker.OPEN:
                return found.told(complete=False, reason=state.last_error)
            began_at = self.now()
            pending = adapter.begin(since or self._since(adapter, state), began_at)
            trail = Trail()
            with self.client() as client:
                while pending and (left_s := deadline - self.monotonic()) > 0 and not state.health.openings:
                    wait_s = state.health.wait_s(self.now())
                    if wait_s > adapter.pace.patience_s or wait_s >= left_s:
                        break
                    self.sleep(wait_s)
                    state, read = self._read(adapter, state, client, pending[0], trail, left_s - wait_s)
                    if read is not None:
                        pending = (*read[1].then, *pending[1:])
                        told = self._sorted(adapter, {}, *read, found.digests, began_at)
                        ids = [one.record_id for one in told.good]
                        found.add(told, self.inbox.versions(source_of(adapter.name), ids))
            with self.db.write() as tx:
                store.keep(tx, state, lease_s=self.lease_s)
        return found.told(complete=not pending, reason=state.last_error if state.health.failures else None)

    # ---- parts

    def _adapter(self, name: str) -> Adapter:
        if name not in self.adapters:
            known = ", ".join(self.adapters) or "none; `[portals.<name>]` in hub.toml adds one"
            raise NoSuchPortal(f"There is no portal {name!r}. Portals in hub.toml: {known}.")
        return self.adapters[name]

    @contextmanager
    def _leased(self, name: str) -> Iterator[PortalState | None]:
        """The right to poll, for as long as this lasts; None when another process has it."""
        with self.db.write() as tx:
            state = store.claim(tx, name, lease_s=self.lease_s)
        try:
            yield state
        finally:
            if state is not None:
                with self.db.write() as tx:
                    store.release(tx, state)

    def _told(self, state: PortalState, end: PollEnd, reason: str | None = None) -> Outcome:
        poll = state.poll
        until = state.health.not_before if end in (PollEnd.WAITING, PollEnd.FAILED) else None
        return Outcome(state.name, end, poll.tally if poll else Tally(), poll.poll_id if poll else None, until, reason)


def _read_as(adapter: Adapter, request: Request, answer: Answer) -> PageRead:
    """Raises PortalError. What an adapter did not expect in an answer is the answer's fault: it was checked against
    those that portals give, and a fault of its own is told by the traceback in the log."""
    try:
        read = adapter.read(request, answer)
        for one in read.then:
            origin_of(one.url)
    except (ValueError, ArithmeticError, TypeError, LookupError, AttributeError, RecursionError) as error:
        _log.warning("portal %s: an answer that its adapter can't read", adapter.name, exc_info=error)
        said = f"{type(error).__name__}: {str(error)[:_SHOWN_CHARACTERS]}"
        raise Garbled(f"The answer holds what can't be read ({said}).") from error
    return read


def _goes_on(adapter: Adapter, poll: Poll | None) -> bool:
    """Whether there is a poll under way that can go on: the portal has not moved to another address since."""
    return poll is not None and all(origin_of(one.url) == adapter.origin for one in poll.pending)


def _totals(poll: Poll, read: PageRead) -> tuple[int, int] | None:
    if read.total is None:
        return poll.totals
    least, most = poll.totals or (read.total, read.total)
    return min(least, read.total), max(most, read.total)


def _audit(tx: Any, event: str, name: str, detail: dict[str, object]) -> None:
    audit.append(tx, Event(RESERVED_CAMPUS, ACTOR, event, name, None, detail))


def start_of(day: Any) -> datetime:
    return datetime.combine(day, time_of_day.min, UTC)
