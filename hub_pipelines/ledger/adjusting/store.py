"""The table of movements, and what is known of an item's quantity before a batch.

Movements are kept from a ledger's first adjustment on, by the posting that applies them, under the ledger's lock: so a
message adjusts once, in however many batches it comes; one that is void is kept too, and counts if its item's base
moves back. What the ledger held of an item that was never adjusted is written down with its first adjustment, as its
opening. A hub without adjustments pays nothing for any of it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Index, Integer, String, Table, Text, and_, func, or_, select

from hub_pipelines.common.rows.store import insert_many, moment_as_written
from hub_pipelines.common.store import Transaction, UtcDateTime, among, metadata, per_query, refuse_changes
from hub_pipelines.ledger.adjusting.algebra import set_by
from hub_pipelines.ledger.adjusting.model import BEGINNING, DISPOSED, OPENING, Known, Movement, Standing
from hub_pipelines.ledger.comparing.model import REPLACED, SET, Head
from hub_pipelines.ledger.items.store import heads_of_lines
from hub_pipelines.ledger.ordering import store as ordering
from hub_pipelines.ledger.store import journal
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import MESSAGES
from hub_pipelines.validate.model import Adjusted
from hub_pipelines.validate.staging import StagedRow

movement = Table(
    "movement",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("ledger", String, nullable=False),
    Column("key", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("quantity", String),
    Column("unit", String),
    Column("message", String),
    Column("item", Text),
    Column("request_id", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("row_no", Integer, nullable=False),
    Index("movement_of_item", "ledger", "key", "occurred_at"),
    Index("movement_of_posting", "request_id", "revision"),
    Index("movement_of_message", "ledger", "message", "key", unique=True),
)
refuse_changes(movement)

_OF_MOVEMENT = ("row_no", "key", "kind", "quantity", "unit", "message", "item")
_m = movement.c
_sets = _m.kind.in_((SET, OPENING))
_empties = and_(_m.kind == DISPOSED, _m.quantity.is_(None))
_adds = and_(~_sets, ~_empties)


def is_adjusted(tx: Transaction, ledger: str) -> bool:
    """Whether a message has ever adjusted an item of this ledger."""
    return tx.execute(select(_m.seq).where(_m.ledger == ledger).limit(1)).first() is not None


def record(tx: Transaction, ledger: str, request_id: str, revision: int, movements: Iterable[Movement]) -> None:
    """In the posting that applies them."""
    names = ("ledger", "request_id", "revision", *_OF_MOVEMENT, "occurred_at")
    written, parts = moment_as_written(tx), attrgetter(*_OF_MOVEMENT)
    rows = ((ledger, request_id, revision, *parts(one), written(one.occurred_at)) for one in movements)
    insert_many(tx, movement, names, rows)


def sets_of_file(rows: Iterable[tuple[int, str, str]], at: datetime, adjusted: Adjusted) -> Iterator[Movement]:
    """What a file's accepted rows (number, key, values) set, as of their posting."""
    return (set_by(row_no, key, json.loads(values), at, adjusted) for row_no, key, values in rows)


# ---- what was known before a batch


def known_before(
    tx: Transaction,
    ledger: str,
    rows: Sequence[StagedRow],
    occurred_at: Mapping[int, datetime],
    version: int,
    adjusted: Adjusted,
) -> "Before":
    """Before the posting of a batch, which is at work under the ledger's lock and makes `version`."""
    before = Before(tx, ledger, rows, occurred_at, version)
    before.open_new(adjusted)
    return before


def known_then(
    tx: Transaction,
    ledger: str,
    rows: Sequence[StagedRow],
    occurred_at: Mapping[int, datetime],
    version: int,
    posting: tuple[str, int],
) -> "Before":
    """Before a batch that was posted as `version` by this request_id and revision; its openings are its own."""
    own = and_(_m.request_id == posting[0], _m.revision == posting[1])
    first = tx.execute(select(func.min(_m.seq)).where(_m.ledger == ledger, own)).scalar()
    # a batch without movements was posted before the ledger's first adjustment
    then = or_(_m.seq < (first or 0), and_(own, _m.kind == OPENING))
    return Before(tx, ledger, rows, occurred_at, version, (then,))


class _Asked:
    """What a batch's rows say of each item: the moments of those that set it, and the first that adjusts it."""

    def __init__(self, rows: Sequence[StagedRow], occurred_at: Mapping[int, datetime]) -> None:
        self.set: dict[str, datetime] = {}
        self.first: dict[str, tuple[datetime, str]] = {}
        self.emptied: set[str] = set()
        self.messages: list[str] = []
        for row in rows:
            if row.verdict == "accepted":
                moment = occurred_at[row.row_no]
                self.set[str(row.key)] = min(moment, self.set.get(str(row.key), moment))
            elif row.verdict == "adjusting":
                self._adjust(str(row.key), json.loads(str(row.values)))

    def _adjust(self, key: str, said: Mapping[str, Any]) -> None:
        self.messages.append(said["message"])
        if said["quantity"] is None:
            self.emptied.add(key)
        when = (datetime.fromisoformat(said["occurred_at"]), said["message"])
        for one in (key, said["to"]["key"]) if "to" in said else (key,):
            self.first[one] = min(when, self.first.get(one, when))


class Before:
    """By item what was known, the messages of the batch that had adjusted before, and openings that are new.

    Of an item's adjustments only those are read that its rows may need: all after its base where a row sets or empties
    it, the first one where nothing has set it. What has become of the rest is what the ledger says.
    """

    def __init__(
        self,
        tx: Transaction,
        ledger: str,
        rows: Sequence[StagedRow],
        occurred_at: Mapping[int, datetime],
        version: int,
        then: tuple[ColumnElement[bool], ...] = (),
    ) -> None:
        self._tx, self._ledger, self._then = tx, ledger, then
        self._asked = asked = _Asked(rows, occurred_at)
        self.openings: list[Movement] = []
        keys = sorted(asked.set.keys() | asked.first.keys())
        self._heads = heads_of_lines(tx, ledger, keys, version)
        self.known = {key: Known(standing=_standing(self._heads.get(key))) for key in keys}
        self.done = set(self._done(asked.messages))
        for one in self._newest(keys, _sets, _m.seq.desc()):
            self.known[one.key].base = one
        for one in self._newest(keys, _empties, _m.occurred_at.desc()):
            self.known[one.key].emptied = one
        self._read_deltas(keys)

    def _read_deltas(self, keys: Sequence[str]) -> None:
        unset = [key for key in keys if self.known[key].base is None]
        for one in self._newest(unset, _adds, _m.occurred_at, _m.message):
            self.known[one.key].deltas.append(one)
        since = {key: moment for key in keys if (moment := self._needed_since(key)) is not None}
        for key in since:
            self.known[key].deltas.clear()
        for one in self._since(since):
            self.known[one.key].deltas.append(one)

    def _needed_since(self, key: str) -> datetime | None:
        """From which moment on all adjustments of an item are needed; None when none but its first one are."""
        known, asked = self.known[key], self._asked
        base = known.base.occurred_at if known.base is not None else BEGINNING
        needs = [asked.set[key]] if key in asked.set else []
        needs += [base] if key in asked.emptied else []
        if known.base is None and key in asked.first:
            first = min(((one.occurred_at, str(one.message)) for one in known.deltas), default=None)
            precedes = first is not None and asked.first[key] < first
            needs += [BEGINNING] if needs or precedes or known.emptied is not None else []
        return min(needs, default=None)

    def open_new(self, adjusted: Adjusted) -> None:
        """Take what the ledger holds of items that were never adjusted as set when it came there."""
        new = [key for key in sorted(self._asked.first) if self._is_new(self.known[key])]
        moments = self._moments(new)
        for key in new:
            values = json.loads(self._heads[key].values)
            opening = set_by(0, key, values, moments[key], adjusted, kind=OPENING)
            self.known[key].base = opening
            self.openings.append(opening)

    def _is_new(self, known: Known) -> bool:
        moved = known.base is not None or known.emptied is not None or known.deltas
        return not moved and known.standing is not None and known.standing.operation != REPLACED

    def _moments(self, keys: Sequence[str]) -> dict[str, datetime]:
        """When the ledger's values were set: by a file when it posted, by a message when that occurred."""
        s = submissions.submission.c
        newest = ordering.newest(self._tx, self._ledger, keys)
        found: dict[str, datetime] = {}
        heads = {(self._heads[key].version, self._heads[key].row_no): key for key in keys}
        versions = sorted({version for version, _ in heads})
        for some in per_query(versions):
            query = (
                select(journal.c.version, journal.c.row_no, journal.c.posted_at, s.channel)
                .join(submissions.submission, s.request_id == journal.c.request_id)
                .where(journal.c.ledger == self._ledger, journal.c.version.in_(some))
            )
            for version, row_no, posted_at, channel in self._tx.execute(query):
                key = heads.get((version, row_no))
                if key is not None:
                    told = newest.get(key)
                    found[key] = told if channel == MESSAGES and told else max(posted_at, told or posted_at)
        return found

    def _done(self, messages: Sequence[str]) -> Iterator[str]:
        for some in per_query(messages):
            query = select(_m.message).where(_m.ledger == self._ledger, among(self._tx, _m.message, some), *self._then)
            yield from self._tx.execute(query).scalars()

    def _newest(self, keys: Sequence[str], which: ColumnElement[bool], *by: Any) -> Iterator[Movement]:
        """Of each item the one movement of this sort that is first in this order."""
        place = func.row_number().over(partition_by=_m.key, order_by=(*by, _m.seq.desc())).label("place")
        for some in per_query(keys):
            where = (_m.ledger == self._ledger, among(self._tx, _m.key, some), which, *self._then)
            ranked = select(movement, place).where(*where).subquery()
            for row in self._tx.execute(select(ranked).where(ranked.c.place == 1)):
                yield _movement(row)

    def _since(self, since: Mapping[str, datetime]) -> Iterator[Movement]:
        """The adjustments of these items from a moment on, and perhaps some earlier ones."""
        for some in per_query(sorted(since, key=lambda key: since[key])):
            first = min(since[key] for key in some)
            bound = () if first == BEGINNING else (_m.occurred_at >= first,)
            where = (_m.ledger == self._ledger, among(self._tx, _m.key, some), _adds, *bound, *self._then)
            for row in self._tx.execute(select(movement).where(*where)):
                yield _movement(row)


def _standing(head: Head | None) -> Standing | None:
    if head is None:
        return None
    return Standing(head.version, head.row_no, head.digest, head.operation, json.loads(head.values))


def _movement(row: Any) -> Movement:
    return Movement(row.row_no, row.key, row.kind, row.occurred_at, row.quantity, row.unit, row.message, row.item)
