"""Where the hub stands with a portal: cursor, poll under way, health, counts. Pure.

Belongs here: what is kept between two requests, so that a poll goes on after a crash where it was. Not here: tables
(store.py), moving from one state to the next (service.py).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from hub_pipelines.common.errors import HubError
from hub_pipelines.portals.model import Request
from hub_pipelines.portals.pacing import Health
from hub_pipelines.portals.shapes import Deviation


class NoSuchPortal(HubError):
    """The settings name no such portal. The text lists those that they name."""


class Overtaken(HubError):
    """Another process polls the portal now: this one's lease has ended. It writes nothing more; nobody retries."""


class PollEnd(StrEnum):
    """How a poll, or the work on one, ended."""

    COMPLETE = "complete"  # all pages were read: the cursor has moved
    UNFINISHED = "unfinished"  # its time was up, or the inbox nearly full; the next one goes on with the next page
    WAITING = "waiting"  # the portal is not to be asked yet; the next one goes on then
    FAILED = "failed"  # it can't be read: the breaker is open
    UNSETTLED = "unsettled"  # something may be missing after the last pass: what was seen was taken, the cursor stays
    BUSY = "busy"  # another process polls it


@dataclass(frozen=True, slots=True)
class Tally:
    """What a poll has come to. `taken` records were new or changed, `known` as before; `held` wait for a person."""

    requests: int = 0
    failed_requests: int = 0
    pages: int = 0
    records: int = 0
    taken: int = 0
    known: int = 0
    held: int = 0

    def plus(self, **more: int) -> "Tally":
        return replace(self, **{name: getattr(self, name) + number for name, number in more.items()})


@dataclass(frozen=True, slots=True)
class Poll:
    """A poll under way. `pending` are the requests that are left, the next one first; each page read replaces its
    request by those that follow from it.

    A *pass* is one reading of all pages. `mark` is the pass's number over all polls; `totals` are the least and the
    most that the portal said the query has, in this pass; `fresh` counts records that the pass was the first to see,
    `uncounted` those that it listed and the inbox does not count: somebody else's, and one that a page lists again.
    `moves_cursor` is False for a poll that was asked to begin later than the cursor.
    """

    poll_id: str
    since: datetime | None
    began_at: datetime
    moves_cursor: bool
    pending: tuple[Request, ...]
    passes: int
    mark: int
    totals: tuple[int, int] | None = None
    untold: bool = False
    """Some page of the pass told no total."""
    fresh: int = 0
    uncounted: int = 0
    tally: Tally = Tally()


@dataclass(frozen=True, slots=True)
class PortalState:
    """`cursor`: all that was changed before then has been taken. `token` fences what the holder of an earlier lease
    writes."""

    name: str
    cursor: datetime | None
    poll: Poll | None
    health: Health
    token: int
    lease_until: datetime | None
    began_at: datetime | None
    """Of the newest poll."""
    completed_at: datetime | None
    marks: int
    requests: int
    failed_requests: int
    last_error: str | None
    last_error_at: datetime | None

    def is_leased(self, now: datetime) -> bool:
        """Some process is at it."""
        return self.lease_until is not None and self.lease_until > now


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was read and archived. `envelope` is signed, its digest that of the page's bytes."""

    poll_id: str
    number: int
    content_digest: str
    envelope: dict[str, object]
    records: int
    taken: int
    held: int


@dataclass(frozen=True, slots=True)
class HeldShape:
    """Records of one portal that differ in the same way from what its adapter reads."""

    portal: str
    fingerprint: str
    deviations: tuple[Deviation, ...]
    first_seen_at: datetime
    first_request_id: str
    accepted_at: datetime | None
    accepted_by: str | None
