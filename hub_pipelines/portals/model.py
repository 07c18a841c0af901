"""What a portal is asked, what it answers and what a record of it is; and what an adapter for a portal must do. Pure.

An adapter knows one portal's addresses, paging and fields. It asks nothing itself: it says which requests are to be
made and reads the answers to them. Everything else is the engine's (service.py): when, how often and how fast, what a
failure means, what was read before, where a poll goes on after a crash.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from hub_pipelines.common.errors import HubError
from hub_pipelines.common.scope import Scope
from hub_pipelines.common.strict_json import BadJson, parse

CHANNEL = "portal"
"""The channel of a record's envelope, and of a page's. What records are sealed into is a batch of messages."""


def source_of(portal: str) -> str:
    """No source of messages is named so: none has a `/` in its name."""
    return f"portal/{portal}"


# ---- why a portal was not read


class PortalError(HubError):
    """A page was not read. It is never taken for an empty one: the poll ends, and its cursor stays where it is.

    `retry_after_s` is what the portal asked for.
    """

    may_pass = False
    """Whether the same request may be answered later; the engine tries again only then."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class Unreachable(PortalError):
    """No answer: no name, no connection, no time left, or an answer that broke off. The engine tries again."""

    may_pass = True


class Throttled(PortalError):
    """429, or 503 with Retry-After: the portal asks for less. The engine waits at least as long as it was told."""

    may_pass = True


class Failing(PortalError):
    """A 5xx, or an answer that says that the portal has failed. The engine tries again."""

    may_pass = True


class NotAllowed(PortalError):
    """401, 403: the key is missing, wrong or has no right. The operator mends the settings; no poll until then is
    worth more than one request."""


class Rejected(PortalError):
    """Any other 4xx, or an answer that says that the request was wrong. Adapter or settings are to be mended."""


class Garbled(PortalError):
    """A 200 that is not what the adapter was written for: no JSON, no list of records where there was one. It may be a
    page that an intermediary made up, so the engine tries again, and then tells the operator."""

    may_pass = True


# ---- what is asked and answered


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `params` are in order and unescaped; `body` is sent as JSON, with POST. Credentials are never in
    here: the engine adds them, and what waits of a poll is kept in the database."""

    url: str
    method: str = "GET"
    params: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "method": self.method,
            "params": [list(one) for one in self.params],
            "body": None if self.body is None else dict(self.body),
            "headers": dict(self.headers),
        }

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> "Request":
        return Request(
            document["url"],
            document["method"],
            tuple((str(name), str(value)) for name, value in document["params"]),
            document["body"],
            document["headers"],
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """A 200 with its whole body. `headers` have lower-case names. `read_at` is when it came."""

    body: bytes
    headers: Mapping[str, str]
    read_at: datetime

    def document(self) -> Any:
        """The body as JSON; numbers are text, as they were written. Raises Garbled."""
        try:
            return parse(self.body)
        except BadJson as error:
            raise Garbled(f"The answer {error}.") from error


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a portal, as the hub takes it.

    `natural_id` is the portal's own, unique in the portal, up to 200 characters. `data` becomes the message's `data`:
    columns of the record type's contract by their exact names, each text, a boolean or None, written as the contract
    takes them; other members are kept with the item. A record is taken again when `data` is another than before, so
    what changes with every reading (a rank, days left) does not belong in it. `occurred_at` (aware) is when the portal
    says that it was changed last, None where it does not say. `raw` is the record as it came, for comparing shapes.
    """

    natural_id: str
    scope: Scope
    record_type: str
    data: Mapping[str, Any]
    raw: Mapping[str, Any]
    occurred_at: datetime | None = None
    needs: tuple["Field", ...] = ()
    """Fields that this record must have, or not have (kind `absent`), beside those of its adapter."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A record of which the adapter can make none (no natural id, a campus that is none): held for a person.

    `scope` and `record_type` say whose review it waits in.
    """

    raw: Any
    reason: str
    scope: Scope
    record_type: str


@dataclass(frozen=True, slots=True)
class PageRead:
    """What an answer held. `then` are the requests that follow from it, made next and in this order: the next page, the
    details of what it lists, the parts of a query that is too large. Empty: this branch is read to its end.

    `total` is how many records the portal says that the whole query has; None where it does not say. `others` are those
    on the page that are somebody else's and not taken, which the total counts too. `remarks` are the portal's own
    messages, for the log.
    """

    records: tuple[Record, ...]
    then: tuple[Request, ...] = ()
    unread: tuple[Unread, ...] = ()
    total: int | None = None
    remarks: tuple[str, ...] = ()
    others: int = 0
    is_detail: bool = False
    """It only has the particulars of a record that another page has listed, and tells no total."""


# ---- what an adapter says of its portal


class Order(StrEnum):
    """Whether a record can slip past while pages are read because others change."""

    STABLE = "stable"
    """No: by an unchanging id, newest first, or by a cursor that the portal keeps."""

    MOVING = "moving"
    """Yes: oldest change first, or nobody knows. The engine reads all again until nothing can be missing."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of `Record.raw` that the adapter reads. `path` has dots between members and `[]` behind a list:
    `organization.org_name`, `agency_ic_fundings[].total_cost`. `kinds` are the kinds that it may have beside null:
    `text` (numbers too), `bool`, `list`, `object`. A record without a field that is not `optional` is held, and so is
    one in which a field has another kind."""

    path: str
    kinds: tuple[str, ...] = ("text",)
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast and how patiently a portal is asked.

    `interval_s` lies between the beginnings of two requests. `attempts` is the most for one page in one poll; the wait
    before the next is uniform between 0 and the smaller of `cap_s` and `base_s` · 2^(n-1), and never shorter than what
    the portal asks for. A poll never waits longer than `patience_s` for one page: it ends and goes on later.
    """

    interval_s: float = 1.0
    attempts: int = 5
    base_s: float = 2.0
    cap_s: float = 60.0
    patience_s: float = 30.0
    timeout_s: float = 30.0
    most_bytes: int = 32 * 1024 * 1024


class Adapter(Protocol):
    """One configured portal. Made from its settings, without asking it anything.

    `begin` and `read` are pure: equal arguments give equal answers, because a page is read again after a crash.
    """

    @property
    def name(self) -> str:
        """As in the settings: `[portals.NAME]`."""
        ...

    @property
    def origin(self) -> str:
        """Scheme, host and port of all its addresses, as `https://api.nsf.gov`. Nothing else is asked, and its key is
        sent to nobody else."""
        ...

    @property
    def order(self) -> Order: ...

    @property
    def fields(self) -> tuple[Field, ...]:
        """What it reads of a record, for noticing that a record's shape has changed. Empty: nothing is compared."""
        ...

    @property
    def pace(self) -> Pace: ...

    @property
    def every(self) -> timedelta:
        """Between the beginnings of two polls."""
        ...

    @property
    def overlap(self) -> timedelta:
        """How far before its last complete poll's beginning a poll asks for changes again."""
        ...

    @property
    def scopes(self) -> tuple[tuple[Scope, str], ...]:
        """All campuses and feeds, each with its record type, that records of it can be for."""
        ...

    def begin(self, since: datetime | None, now: datetime) -> tuple[Request, ...]:
        """The first requests for all records that were changed since then (None: for all there are), in their order.

        Ask with an open end: a query that ends at a moment loses records that change while it is read.
        """
        ...

    def read(self, request: Request, answer: Answer) -> PageRead:
        """What the answer to a request holds. Raises PortalError when a 200 says that it has failed, Garbled when it is
        not what a page looks like."""
        ...
