"""Tables of portals: where the hub stands with each, its polls, the pages that were read, shapes that were held.

Every write about a poll names the lease's token: who has lost the lease writes nothing. What a record said last is in
the inbox (intake/inbox/records/store.py), in the transaction of its message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    func,
    or_,
    select,
    update,
)

from hub_pipelines.common.canonical import sha256_hex
from hub_pipelines.common.store import JsonText, Transaction, UtcDateTime, database_now, insert_or_ignore, metadata
from hub_pipelines.portals.model import Request
from hub_pipelines.portals.pacing import Health
from hub_pipelines.portals.shapes import Deviation
from hub_pipelines.portals.state import HeldShape, Overtaken, Page, Poll, PollEnd, PortalState, Tally

portal = Table(
    "portal",
    metadata,
    Column("name", String, primary_key=True),
    Column("cursor", UtcDateTime),
    Column("poll", JsonText),
    Column("failures", Integer, nullable=False),
    Column("openings", Integer, nullable=False),
    Column("not_before", UtcDateTime),
    Column("token", BigInteger, nullable=False),
    Column("lease_until", UtcDateTime),
    Column("began_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("marks", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("failed_requests", BigInteger, nullable=False),
    Column("last_error", Text),
    Column("last_error_at", UtcDateTime),
)

portal_poll = Table(
    "portal_poll",
    metadata,
    Column("poll_id", String, primary_key=True),
    Column("portal", String, nullable=False),
    Column("since", UtcDateTime),
    Column("began_at", UtcDateTime, nullable=False),
    Column("began_by", String, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("outcome", String),
    Column("passes", Integer, nullable=False),
    Column("tally", JsonText, nullable=False),
    Index("portal_poll_by_portal", "portal", "began_at"),
)

portal_page = Table(
    "portal_page",
    metadata,
    Column("poll_id", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content_digest", String(64), nullable=False),
    Column("envelope", JsonText, nullable=False),
    Column("records", Integer, nullable=False),
    Column("taken", Integer, nullable=False),
    Column("held", Integer, nullable=False),
    Index("portal_page_by_digest", "content_digest"),
)

portal_shape = Table(
    "portal_shape",
    metadata,
    Column("portal", String, primary_key=True),
    Column("fingerprint", String(12), primary_key=True),
    Column("deviations", JsonText, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("first_request_id", String, nullable=False),
    Column("accepted_at", UtcDateTime),
    Column("accepted_by", String),
)

portal_held = Table(
    "portal_held",
    metadata,
    Column("portal", String, primary_key=True),
    Column("record_id", String, primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("fingerprint", String(12), nullable=False),
    Column("request_id", String, nullable=False),
    Index("portal_held_by_shape", "portal", "fingerprint"),
    Index("portal_held_by_request", "request_id"),
)
"""Records that were held: what each said, and the submission that it waits in."""
_IDS_PER_QUERY = 500


# ---- states


def find(tx: Transaction, name: str) -> PortalState | None:
    row = tx.execute(select(portal).where(portal.c.name == name)).first()
    return _state(row) if row else None


def claim(tx: Transaction, name: str, *, lease_s: float) -> PortalState | None:
    """Take the right to poll a portal; None while another process has it."""
    tx.execute(
        insert_or_ignore(tx, portal),
        {"name": name, "failures": 0, "openings": 0, "token": 0, "marks": 0, "requests": 0, "failed_requests": 0},
    )
    now = database_now(tx)
    free = or_(portal.c.lease_until.is_(None), portal.c.lease_until < now)
    until = now + timedelta(seconds=lease_s)
    taken = tx.execute(
        update(portal).where(portal.c.name == name, free).values(token=portal.c.token + 1, lease_until=until)
    )
    return find(tx, name) if taken.rowcount == 1 else None


def release(tx: Transaction, state: PortalState) -> None:
    """Let others poll it. Nothing happens when the lease was lost."""
    tx.execute(update(portal).where(*_mine(state)).values(lease_until=None))


def keep(tx: Transaction, state: PortalState, *, lease_s: float) -> None:
    """All of a state, under its token; the lease goes on. Raises Overtaken."""
    poll = state.poll
    values = {
        "cursor": state.cursor,
        "poll": _poll_document(poll) if poll else None,
        "failures": state.health.failures,
        "openings": state.health.openings,
        "not_before": state.health.not_before,
        "began_at": state.began_at,
        "completed_at": state.completed_at,
        "marks": state.marks,
        "requests": state.requests,
        "failed_requests": state.failed_requests,
        "last_error": state.last_error,
        "last_error_at": state.last_error_at,
        "lease_until": database_now(tx) + timedelta(seconds=lease_s),
    }
    if tx.execute(update(portal).where(*_mine(state)).values(values)).rowcount != 1:
        raise Overtaken(f"Another process polls {state.name} now.")


def _mine(state: PortalState) -> tuple[Any, ...]:
    return portal.c.name == state.name, portal.c.token == state.token


def _state(row: Any) -> PortalState:
    return PortalState(
        row.name,
        row.cursor,
        _poll(row.poll) if row.poll else None,
        Health(row.failures, row.openings, row.not_before),
        row.token,
        row.lease_until,
        row.began_at,
        row.completed_at,
        row.marks,
        row.requests,
        row.failed_requests,
        row.last_error,
        row.last_error_at,
    )


def _poll_document(poll: Poll) -> dict[str, Any]:
    return {
        "poll_id": poll.poll_id,
        "since": poll.since.isoformat() if poll.since else None,
        "began_at": poll.began_at.isoformat(),
        "moves_cursor": poll.moves_cursor,
        "pending": [one.document() for one in poll.pending],
        "passes": poll.passes,
        "mark": poll.mark,
        "totals": list(poll.totals) if poll.totals else None,
        "untold": poll.untold,
        "fresh": poll.fresh,
        "uncounted": poll.uncounted,
        "tally": asdict(poll.tally),
    }


def _poll(told: dict[str, Any]) -> Poll:
    return Poll(
        told["poll_id"],
        datetime.fromisoformat(told["since"]) if told["since"] else None,
        datetime.fromisoformat(told["began_at"]),
        told["moves_cursor"],
        tuple(Request.from_document(one) for one in told["pending"]),
        told["passes"],
        told["mark"],
        tuple(told["totals"]) if told["totals"] else None,
        told["untold"],
        told["fresh"],
        told.get("uncounted", 0),  # a poll that was begun before this was counted
        Tally(**told["tally"]),
    )


# ---- polls and pages


def any_polled(tx: Transaction) -> bool:
    """Whether a portal was ever asked."""
    return tx.execute(select(portal_poll.c.poll_id).limit(1)).first() is not None


def add_poll(tx: Transaction, name: str, poll: Poll, *, by: str) -> None:
    tx.execute(
        portal_poll.insert(),
        {
            "poll_id": poll.poll_id,
            "portal": name,
            "since": poll.since,
            "began_at": poll.began_at,
            "began_by": by,
            "passes": poll.passes,
            "tally": asdict(poll.tally),
        },
    )


def end_poll(tx: Transaction, poll: Poll, outcome: PollEnd, *, at: datetime) -> None:
    told = {"outcome": outcome, "ended_at": at, "passes": poll.passes, "tally": asdict(poll.tally)}
    tx.execute(update(portal_poll).where(portal_poll.c.poll_id == poll.poll_id).values(told))


def newest_polls(tx: Transaction, name: str, *, limit: int) -> list[dict[str, Any]]:
    """The newest first."""
    query = select(portal_poll).where(portal_poll.c.portal == name).order_by(portal_poll.c.began_at.desc())
    return [dict(row) for row in tx.execute(query.limit(limit)).mappings()]


def add_page(tx: Transaction, page: Page) -> None:
    tx.execute(portal_page.insert(), asdict(page))


def pages_of(tx: Transaction, poll_id: str) -> list[Page]:
    query = select(portal_page).where(portal_page.c.poll_id == poll_id).order_by(portal_page.c.number)
    return [Page(**row) for row in tx.execute(query).mappings()]


def digest_of_pages(digests: Sequence[str]) -> str:
    """What the audit entry of a poll says of its pages, in their order."""
    return sha256_hex("\n".join(digests).encode("ascii"))


def known_digests(tx: Transaction, digests: Sequence[str]) -> set[str]:
    """Those of these that are bytes of a page."""
    p = portal_page.c
    return set(tx.execute(select(p.content_digest).where(p.content_digest.in_(digests))).scalars())


# ---- shapes


def accepted(tx: Transaction, name: str) -> set[tuple[str, str]]:
    """Path and kind of each deviation that a person has accepted."""
    s = portal_shape.c
    query = select(s.deviations).where(s.portal == name, s.accepted_at.is_not(None))
    return {(one["path"], one["now"]) for told in tx.execute(query).scalars() for one in told}


def add_held(tx: Transaction, shape: HeldShape, request_id: str, records: Mapping[str, str]) -> None:
    """`records`: by record_id the digest of what each says."""
    tx.execute(
        insert_or_ignore(tx, portal_shape),
        {
            "portal": shape.portal,
            "fingerprint": shape.fingerprint,
            "deviations": [asdict(one) for one in shape.deviations],
            "first_seen_at": shape.first_seen_at,
            "first_request_id": request_id,
        },
    )
    told = {"portal": shape.portal, "fingerprint": shape.fingerprint, "request_id": request_id}
    rows = [{"record_id": one, "digest": digest, **told} for one, digest in records.items()]
    tx.execute(insert_or_ignore(tx, portal_held), rows)


def held_before(tx: Transaction, name: str, records: Mapping[str, str]) -> set[str]:
    """Those of these records (record_id and digest) that were held as they are."""
    h = portal_held.c
    found: set[str] = set()
    ids = list(records)
    for first in range(0, len(ids), _IDS_PER_QUERY):
        some = h.record_id.in_(ids[first : first + _IDS_PER_QUERY])
        query = select(h.record_id, h.digest).where(h.portal == name, some)
        found.update(row.record_id for row in tx.execute(query) if records[row.record_id] == row.digest)
    return found


def shapes(tx: Transaction, name: str) -> list[HeldShape]:
    query = select(portal_shape).where(portal_shape.c.portal == name).order_by(portal_shape.c.first_seen_at)
    return [_shape(row) for row in tx.execute(query)]


def shape_of(tx: Transaction, request_id: str) -> HeldShape | None:
    """By a submission that was held for it."""
    h, s = portal_held.c, portal_shape.c
    same = (h.portal == s.portal) & (h.fingerprint == s.fingerprint)
    row = tx.execute(select(portal_shape).join(portal_held, same).where(h.request_id == request_id).limit(1)).first()
    return _shape(row) if row else None


def accept(tx: Transaction, shape: HeldShape, *, by: str, at: datetime) -> list[str]:
    """The submissions that were held for it. Accepting once more changes nothing."""
    s, h = portal_shape.c, portal_held.c
    this = (s.portal == shape.portal, s.fingerprint == shape.fingerprint)
    tx.execute(update(portal_shape).where(*this, s.accepted_at.is_(None)).values(accepted_at=at, accepted_by=by))
    held = (h.portal == shape.portal, h.fingerprint == shape.fingerprint)
    return list(tx.execute(select(h.request_id).where(*held).distinct().order_by(h.request_id)).scalars())


def count_held(tx: Transaction, name: str) -> int:
    """Records that were held for a shape that nobody has accepted."""
    h, s = portal_held.c, portal_shape.c
    same = (h.portal == s.portal) & (h.fingerprint == s.fingerprint)
    query = select(func.count()).select_from(portal_held).join(portal_shape, same)
    query = query.where(h.portal == name, s.accepted_at.is_(None))
    return tx.execute(query).scalar_one()


def _shape(row: Any) -> HeldShape:
    return HeldShape(
        row.portal,
        row.fingerprint,
        tuple(Deviation(**one) for one in row.deviations),
        row.first_seen_at,
        row.first_request_id,
        row.accepted_at,
        row.accepted_by,
    )
