"""Tables of journal and ledgers, and the posting transaction.

The journal is the truth and refuses UPDATE and DELETE; `ledger` is its fold, one row per item, that
points to the newest journal entry. Both change in one transaction with the submission's state, its
rejections, the idempotency record and the audit entry.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    Column,
    Date,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    func,
    literal_column,
    or_,
    select,
    update,
)

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.common.store import (
    Database,
    JsonText,
    Transaction,
    UtcDateTime,
    database_now,
    insert_or_ignore,
    metadata,
    refuse_changes,
    upsert,
)
from hub_pipelines.ledger.comparing.model import REPLACED, SET, Corrected, Earlier, Head, Replaced, entry_row
from hub_pipelines.ledger.comparing.remarks import Remarks
from hub_pipelines.ledger.comparing.replacing import closing, may_close
from hub_pipelines.ledger.counting import store as counts
from hub_pipelines.ledger.counting.model import Item, Tally
from hub_pipelines.ledger.model import (
    REGISTRY_LEDGER,
    Batch,
    LaterChange,
    LedgerRow,
    Origin,
    Posting,
    RegistryMoved,
    SetOver,
)
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.leases import store as leases
from hub_pipelines.submission.model import Lease
from hub_pipelines.validate.model import SUPERSEDED, Problem
from hub_pipelines.validate.staging import StagedRow

CHUNK_ROWS = 5_000
_KEYS_PER_QUERY = 5_000
_AFTER_ITS_OWN = 1_000
"""Remarks come after the problems of the row itself."""
_LINES_NAMED = 10
# the parts of a journal entry that its posting's digest covers, beside the day
_DIGESTED = (
    "ledger",
    "version",
    "row_no",
    "key",
    "operation",
    "values",
    "digest",
    "previous_version",
    "previous_row_no",
    "request_id",
    "revision",
    "campus",
    "contract_version",
)

journal = Table(
    "journal",
    metadata,
    Column("ledger", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("row_no", Integer, primary_key=True, autoincrement=False),
    Column("key", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("values", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("previous_version", Integer),
    Column("previous_row_no", Integer),
    Column("request_id", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("campus", String, nullable=False),
    Column("ledger_date", Date, nullable=False),
    Column("contract_version", Integer, nullable=False),
    Column("posted_at", UtcDateTime, nullable=False),
    Index("journal_by_key", "ledger", "key", "version"),
    Index("journal_by_request", "request_id", "revision"),
    Index("journal_by_day", "ledger", "campus", "ledger_date"),
)
refuse_changes(journal)

ledger = Table(
    "ledger",
    metadata,
    Column("ledger", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("row_no", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
)

ledger_version = Table(
    "ledger_version",
    metadata,
    Column("ledger", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("changed_at", UtcDateTime),
)

ledger_day = Table(
    "ledger_day",
    metadata,
    Column("ledger", String, primary_key=True),
    Column("campus", String, primary_key=True),
    Column("ledger_date", Date, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Index("ledger_day_by_campus", "campus", "ledger_date"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("outcome", JsonText, nullable=False),
)

rejection = Table(
    "rejection",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("row_no", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("severity", String, nullable=False),
    Column("column_name", String),
    Column("value", Text),
    Column("rule", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("suggestion", Text),
    Index("rejection_by_rule", "rule"),
)
_its_newest_entry = and_(
    journal.c.ledger == ledger.c.ledger,
    journal.c.version == ledger.c.version,
    journal.c.row_no == ledger.c.row_no,
)
_stands = journal.c.operation != REPLACED
"""An item whose newest entry is another one is in the ledger; else something else has its place."""
# the beginning only: a cell may be longer than a database lets an index entry be
_VALUE_START = 64
_value_start = func.lower(func.substr(rejection.c.value, literal_column("1"), literal_column(str(_VALUE_START))))
Index("rejection_by_value", _value_start)


# ---- posting


def post(tx: Transaction, lease: Lease, batch: Batch) -> Posting:
    """Apply a batch once: exactly-once lives here, in the caller's transaction.

    A repeat by the lease that has posted returns the stored outcome; any other finds the fence. Raises
    LeaseLost when the fencing token is outdated, RegistryMoved when the registry has changed since the
    rows were checked.
    """
    stored = own_posting(tx, lease)
    if stored is not None:
        return stored
    leases.hold(tx, lease)
    if batch.registry_version is not None and batch.registry_version != current_version(tx, REGISTRY_LEDGER)[0]:
        raise RegistryMoved("The registry has changed since the rows were checked.")
    version = _lock_ledger(tx, batch.ledger) + 1
    now = database_now(tx)
    posted = unchanged = rejected = superseded = 0
    rows_digest = hashlib.sha256()
    tally = Tally(batch.counting) if batch.counting is not None else None
    some_are_missing = batch.received_at is not None and counts.any_open(tx, batch.ledger, before=batch.received_at)
    origin = Origin(lease.request_id, lease.revision, version, now)
    corrected = batch.corrected
    closed = _close_replaced(tx, lease, batch, origin)
    for entry in closed:
        rows_digest.update(entry_digest(entry))
    missing = _missing_things(tx, batch) if some_are_missing else {}
    remarks = Remarks(batch.comparing) if batch.comparing is not None else None
    for chunk in _chunks(batch.rows, CHUNK_ROWS):
        accepted = [row for row in chunk if row.verdict == "accepted"]
        heads = _heads(tx, batch.ledger, [str(row.key) for row in accepted])
        entries = list(changes(batch, origin, accepted, heads))
        if remarks is not None:
            _remark(tx, lease, batch, remarks, accepted, heads)
        _append(tx, entries)
        _tell_counts(tx, batch, missing, entries)
        for entry in entries:
            rows_digest.update(entry_digest(entry))
        _record_problems(tx, lease, chunk)
        if batch.received_at is not None and some_are_missing:
            keys = [str(row.key) for row in accepted]
            counts.mark_found(tx, batch.ledger, keys, by=lease.request_id, received_at=batch.received_at, at=now)
        if tally is not None:
            tally.add(chunk)
        posted, unchanged = posted + len(entries), unchanged + len(accepted) - len(entries)
        void = sum(row.verdict == "superseded" for row in chunk)
        superseded, rejected = superseded + void, rejected + len(chunk) - len(accepted) - void
    if remarks is not None:
        _insert_problems(tx, lease, ((0, at, asdict(one)) for at, one in enumerate(remarks.of_lists())))
    if posted or closed:
        _raise_version(tx, batch, version, posted + len(closed), now)
    counted, not_found, listed = _counted(tx, lease, batch, tally, now)
    settled_at = leases.settle_posted(
        tx, lease, posted=posted, unchanged=unchanged, rejected=rejected, superseded=superseded
    )
    outcome = Posting(
        request_id=lease.request_id,
        revision=lease.revision,
        token=lease.token,
        ledger=batch.ledger,
        ledger_version=version if posted or closed else version - 1,
        posted=posted,
        unchanged=unchanged,
        rejected=rejected,
        rows_digest=rows_digest.hexdigest(),
        posted_at=settled_at,
        decision=batch.decision,
        counted=counted,
        not_found=not_found,
        listed_in_rejected_rows=listed,
        superseded=superseded,
        replaced=len(closed),
        corrects=(corrected.request_id, corrected.revision)
        if corrected and corrected.closes and corrected.is_known
        else None,
    )
    tx.execute(
        idempotency.insert(),
        {"request_id": lease.request_id, "revision": lease.revision, "outcome": outcome.document()},
    )
    audit.append(tx, _posted_event(lease, batch, outcome))
    return outcome


def _missing_things(tx: Transaction, batch: Batch) -> dict[str, set[str]]:
    if batch.thing_in is None or batch.received_at is None:
        return {}
    return counts.open_things(tx, batch.ledger, batch.thing_in, before=batch.received_at)


def _tell_counts(
    tx: Transaction, batch: Batch, missing: Mapping[str, set[str]], entries: Sequence[Mapping[str, Any]]
) -> None:
    """What earlier counts miss at one place may be what is new at another: their receipts are due again."""
    if batch.thing_in is None or not missing:
        return
    new = {batch.thing_in(entry["key"]) for entry in entries if entry["previous_version"] is None}
    told = set().union(*(missing[thing] for thing in new & missing.keys()))
    if told:
        submissions.renew_receipts(tx, sorted(told))


def _counted(
    tx: Transaction, lease: Lease, batch: Batch, tally: Tally | None, now: datetime
) -> tuple[tuple[str, ...] | None, int, int]:
    """What a complete count has covered and missed: compared with the ledger as this posting leaves it, under its
    lock, so that the same comparison can be made at any later time (items_as_of)."""
    if tally is None:
        return None, 0, 0
    missed = list(tally.missed(_items_now(tx, batch.ledger)))
    at = batch.received_at or now
    return tally.locations, *counts.record(tx, lease.request_id, lease.revision, batch.ledger, missed, counted_at=at)


def _raise_version(tx: Transaction, batch: Batch, version: int, posted: int, now: datetime) -> None:
    """The ledger's version, and the campus-day's: under the ledger's lock, so that nobody else adds the day."""
    tx.execute(
        update(ledger_version).where(ledger_version.c.ledger == batch.ledger).values(version=version, changed_at=now)
    )
    day = {"ledger": batch.ledger, "campus": batch.campus, "ledger_date": batch.ledger_date}
    known = tx.execute(
        update(ledger_day)
        .where(*(ledger_day.c[name] == value for name, value in day.items()))
        .values(version=version, entries=ledger_day.c.entries + posted, changed_at=now)
    ).rowcount
    if not known:
        tx.execute(ledger_day.insert(), {**day, "version": version, "entries": posted, "changed_at": now})


def _posted_event(lease: Lease, batch: Batch, outcome: Posting) -> Event:
    return Event(
        campus=batch.campus,
        actor=f"run/{lease.owner}",
        event="submission:posted",
        subject=batch.ledger,
        request_id=lease.request_id,
        detail={
            **outcome.document(),
            "contract_version": batch.contract_version,
            "registry_version": batch.registry_version,
            "shape": batch.shape,
            "migration": batch.migration,
            "ledger_date": batch.ledger_date.isoformat(),
        },
    )


def own_posting(tx: Transaction, lease: Lease) -> Posting | None:
    """The outcome that this very lease has posted already, though it may never have heard of it."""
    stored = find_posting(tx, lease.request_id, lease.revision)
    return stored if stored is not None and stored.token == lease.token else None


def find_posting(tx: Transaction, request_id: str, revision: int) -> Posting | None:
    row = tx.execute(
        select(idempotency.c.outcome).where(idempotency.c.request_id == request_id, idempotency.c.revision == revision)
    ).first()
    if row is None:
        return None
    return replace(Posting.from_document(row.outcome), repeat=True)


def _lock_ledger(tx: Transaction, name: str) -> int:
    """Serialise postings to one ledger, so that its versions follow the order of commits."""
    lock = select(ledger_version.c.version).where(ledger_version.c.ledger == name).with_for_update()
    version = tx.execute(lock).scalar()
    if version is None:
        tx.execute(insert_or_ignore(tx, ledger_version), {"ledger": name, "version": 0, "changed_at": None})
        version = tx.execute(lock).scalar_one()
    return int(version)


def changes(
    batch: Batch, origin: Origin, rows: Iterable[StagedRow], heads: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Journal entries for the accepted rows that differ from their item's head; equal rows cost no write.

    `heads` gives version, row_no and digest of each known key's newest entry before this posting.
    """
    for row in rows:
        if row.key is None or row.values is None:
            raise ValueError(f"row {row.row_no} was staged as accepted without key or values")
        digest = sha256_hex(row.values.encode("utf-8"))
        head = heads.get(row.key)
        if head is not None and head.digest == digest:
            continue
        yield {
            "ledger": batch.ledger,
            "version": origin.version,
            "row_no": row.row_no,
            "key": row.key,
            "operation": SET,
            "values": row.values,
            "digest": digest,
            "previous_version": head.version if head is not None else None,
            "previous_row_no": head.row_no if head is not None else None,
            "request_id": origin.request_id,
            "revision": origin.revision,
            "campus": batch.campus,
            "ledger_date": batch.ledger_date,
            "contract_version": batch.contract_version,
            "posted_at": origin.posted_at,
        }


# ---- lines that a corrected file has replaced


def closings(
    batch: Batch, origin: Origin, corrected: Corrected, heads: Mapping[str, Head]
) -> tuple[list[dict[str, Any]], list[Replaced]]:
    """Journal entries that close the lines which a corrected file has replaced, in the order of their numbers; and the
    lines that stay, since somebody else has a say in them.

    `heads` are the lines' newest entries before this posting.
    """
    closed, kept = [], []
    for one in corrected.replaced:
        head = heads.get(one.old)
        if head is None or head.operation == REPLACED:
            continue
        if not corrected.closes or not may_close(corrected, head):
            kept.append(one)
            continue
        closed.append(
            {
                "ledger": batch.ledger,
                "version": origin.version,
                "request_id": origin.request_id,
                "revision": origin.revision,
                "campus": batch.campus,
                "ledger_date": batch.ledger_date,
                "posted_at": origin.posted_at,
                **closing(one, head),
            }
        )
    return sorted(closed, key=lambda entry: entry["row_no"]), kept


def _close_replaced(tx: Transaction, lease: Lease, batch: Batch, origin: Origin) -> list[dict[str, Any]]:
    """Close lines before the rows are posted. Earlier counts that have missed them miss what replaced them no more."""
    corrected = batch.corrected
    if corrected is None:
        return []
    heads = newest_before(tx, batch.ledger, [one.old for one in corrected.replaced], origin.version)
    closed, kept = closings(batch, origin, corrected, heads)
    _append(tx, closed)
    _insert_problems(
        tx,
        lease,
        ((one.row_no, _AFTER_ITS_OWN - 1, asdict(_kept_line(corrected, one, heads[one.old]))) for one in kept),
    )
    if corrected.left or not corrected.is_known:
        told = _left_lines(corrected) if corrected.is_known else _not_compared(corrected)
        _insert_problems(tx, lease, [(0, _AFTER_ITS_OWN, asdict(told))])
    if closed and batch.received_at is not None:
        keys = [str(entry["key"]) for entry in closed]
        counts.mark_found(
            tx, batch.ledger, keys, by=lease.request_id, received_at=batch.received_at, at=origin.posted_at
        )
    return closed


def _kept_line(corrected: Corrected, one: Replaced, head: Head) -> Problem:
    if not corrected.closes:
        return Problem(
            "earlier_line_kept",
            None,
            None,
            f"In {corrected.source_name}, as it was sent before, this row was {one.was}, and now is {one.now}. The "
            "ledger has both.",
            f"If it is the same item, list {one.was} once more with the quantity 0, or send a complete count of its "
            "place",
            "warn",
        )
    return Problem(
        "earlier_line_kept",
        None,
        None,
        f"This row was posted before as {one.was}, and now is {one.now}. The old line is still in the ledger as well, "
        f"since {head.source_name} has set it too.",
        f"If {head.source_name} no longer has the item there, take it out of that list or write 0 for its quantity",
        "warn",
    )


def _not_compared(corrected: Corrected) -> Problem:
    return Problem(
        "earlier_lines_unknown",
        None,
        None,
        f"The rows of {corrected.source_name}, which this file corrects, can't be compared with its own: they are not "
        "kept any more, or too many. Lines whose name or place was corrected are in the ledger under both.",
        "List the old ones once more with the quantity 0, or send a complete count of their place",
        "warn",
    )


def _left_lines(corrected: Corrected) -> Problem:
    left = corrected.left
    more = f" and {len(left) - _LINES_NAMED:,} more" if len(left) > _LINES_NAMED else ""
    corrects = f"the file that this one corrects ({corrected.source_name})"
    file = corrects if corrected.closes else f"{corrected.source_name}, as it was sent before,"
    number, them = ("1 line", "it is") if len(left) == 1 else (f"{len(left):,} lines", "they are")
    return Problem(
        "earlier_lines_left",
        None,
        None,
        f"{number} of {file} {them.split()[1]} not listed any more: {', '.join(left[:_LINES_NAMED])}{more}. In the "
        f"ledger {them} still there.",
        "If the items are gone, list them once more with the quantity 0, or send a complete count of their place",
        "warn",
    )


# ---- remarks on rows that replace others


def _remark(
    tx: Transaction,
    lease: Lease,
    batch: Batch,
    remarks: Remarks,
    rows: Sequence[StagedRow],
    heads: Mapping[str, Any],
) -> None:
    """Compare the rows of known items with what the ledger holds of them, before they take its place."""
    known = [row for row in rows if row.key in heads and row.values is not None]
    looked_at = [row for row in known if remarks.is_wanted(row, heads[str(row.key)].digest)]
    before = earlier(tx, batch.ledger, [str(row.key) for row in looked_at])
    _insert_problems(
        tx,
        lease,
        (
            (row.row_no, _AFTER_ITS_OWN + at, asdict(found))
            for row in looked_at
            if (held := before.get(str(row.key))) is not None
            for at, found in enumerate(remarks.add(row.row_no, str(row.values), held))
        ),
    )


def earlier(tx: Transaction, name: str, keys: Sequence[str]) -> dict[str, Earlier]:
    """Of these items, those in the ledger: what it holds of them now, and who has set that."""
    s = submissions.submission
    found: dict[str, Earlier] = {}
    for some in _chunks(iter(keys), _KEYS_PER_QUERY):
        query = (
            select(ledger.c.key, journal.c["values"], journal.c.request_id, s.c.source_name, journal.c.ledger_date)
            .join(journal, _its_newest_entry)
            .join(s, s.c.request_id == journal.c.request_id)
            .where(ledger.c.ledger == name, ledger.c.key.in_(some), _stands)
        )
        found.update((row[0], Earlier(*row[1:])) for row in tx.execute(query))
    return found


def newest_before(tx: Transaction, name: str, keys: Sequence[str], version: int) -> dict[str, Head]:
    """Of these items, the newest journal entry before a version of the ledger, told by the journal alone."""
    s = submissions.submission
    found: dict[str, Head] = {}
    for some in _chunks(iter(keys), _KEYS_PER_QUERY):
        then = (
            select(journal.c.key, func.max(journal.c.version).label("version"))
            .where(journal.c.ledger == name, journal.c.key.in_(some), journal.c.version < version)
            .group_by(journal.c.key)
            .subquery()
        )
        columns = ("key", "version", "row_no", "digest", "values", "operation", "contract_version", "request_id")
        query = (
            select(*(journal.c[one] for one in columns), s.c.source_name)
            .join(then, and_(journal.c.key == then.c.key, journal.c.version == then.c.version))
            .join(s, s.c.request_id == journal.c.request_id)
            .where(journal.c.ledger == name)
        )
        found.update((row[0], Head(**row._mapping)) for row in tx.execute(query))
    return found


def _heads(tx: Transaction, name: str, keys: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for some in _chunks(iter(keys), _KEYS_PER_QUERY):
        query = select(ledger).where(ledger.c.ledger == name, ledger.c.key.in_(some))
        found.update((row.key, row) for row in tx.execute(query))
    return found


def count_changed(tx: Transaction, name: str, values: Mapping[str, str]) -> int:
    """Of these items, by key with their values as canonical JSON: how many differ from what the ledger holds."""
    heads = _heads(tx, name, list(values))
    return sum(key not in heads or heads[key].digest != sha256_hex(new.encode("utf-8")) for key, new in values.items())


def _append(tx: Transaction, entries: list[dict[str, Any]]) -> None:
    if not entries:
        return
    tx.execute(journal.insert(), entries)
    head = upsert(tx, ledger, keys=["ledger", "key"], update=["version", "row_no", "digest"])
    tx.execute(
        head, [{name: entry[name] for name in ("ledger", "key", "version", "row_no", "digest")} for entry in entries]
    )


def _record_problems(tx: Transaction, lease: Lease, rows: Iterable[StagedRow]) -> None:
    _insert_problems(
        tx, lease, ((row.row_no, position, one) for row in rows for position, one in enumerate(row.problems))
    )


def _insert_problems(tx: Transaction, lease: Lease, problems: Iterable[tuple[int, int, Mapping[str, Any]]]) -> None:
    """Each with its row's number (0: the whole file) and its position among that row's."""
    found = [
        {
            "request_id": lease.request_id,
            "revision": lease.revision,
            "row_no": row_no,
            "position": position,
            "severity": problem["severity"],
            "column_name": problem["column"],
            "value": problem["value"],
            "rule": problem["rule"],
            "reason": problem["reason"],
            "suggestion": problem["suggestion"],
        }
        for row_no, position, problem in problems
    ]
    if found:
        tx.execute(rejection.insert(), found)


def _chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(islice(items, size)):
        yield chunk


# ---- reading


def current_version(tx: Transaction, name: str) -> tuple[int, datetime | None]:
    """How many postings have changed a ledger, and when the last one did; (0, None) for an empty one."""
    row = tx.execute(select(ledger_version).where(ledger_version.c.ledger == name)).first()
    return (row.version, row.changed_at) if row else (0, None)


def current_rows(db: Database, name: str) -> Iterator[LedgerRow]:
    """The current state of a ledger in key order, streamed."""
    query = (
        select(ledger.c.key, journal.c["values"], journal.c.request_id, journal.c.posted_at)
        .join(journal, _its_newest_entry)
        .where(ledger.c.ledger == name, _stands)
        .order_by(ledger.c.key)
    )
    with db.read() as tx:
        for key, values, request_id, posted_at in tx.execute(query, execution_options={"yield_per": 2000}):
            yield LedgerRow(key, json.loads(values), request_id, posted_at)


def _items_now(tx: Transaction, name: str) -> Iterator[Item]:
    """All items of a ledger, in this transaction."""
    query = select(ledger.c.key, journal.c["values"]).join(journal, _its_newest_entry)
    query = query.where(ledger.c.ledger == name, _stands)
    yield from (tuple(row) for row in tx.execute(query, execution_options={"yield_per": 2000}))


def items_as_of(tx: Transaction, name: str, version: int) -> Iterator[Item]:
    """All items of a ledger as one of its versions left them, told by the journal alone."""
    newest = (
        select(journal.c.key, func.max(journal.c.version).label("version"))
        .where(journal.c.ledger == name, journal.c.version <= version)
        .group_by(journal.c.key)
        .subquery()
    )
    same = and_(journal.c.key == newest.c.key, journal.c.version == newest.c.version)
    query = select(journal.c.key, journal.c["values"]).join(newest, same).where(journal.c.ledger == name, _stands)
    yield from (tuple(row) for row in tx.execute(query, execution_options={"yield_per": 2000}))


def current_values(tx: Transaction, name: str, keys: Sequence[str]) -> dict[str, str]:
    """Of these items, those that are in the ledger, with their values as canonical JSON."""
    found: dict[str, str] = {}
    for some in _chunks(iter(keys), _KEYS_PER_QUERY):
        query = select(ledger.c.key, journal.c["values"]).join(journal, _its_newest_entry)
        rows = tx.execute(query.where(ledger.c.ledger == name, ledger.c.key.in_(some), _stands))
        found.update((row[0], row[1]) for row in rows)
    return found


def problems_of(
    tx: Transaction, request_id: str, revision: int, *, severity: str, limit: int, of_rows: bool = False
) -> list[dict[str, Any]]:
    """The first of a severity, in the order of the rows; with `of_rows` without those of the whole file."""
    query = (
        select(rejection)
        .where(
            rejection.c.request_id == request_id,
            rejection.c.revision == revision,
            rejection.c.severity == severity,
            *((rejection.c.row_no > 0,) if of_rows else ()),
        )
        .order_by(rejection.c.row_no, rejection.c.position)
        .limit(limit)
    )
    return [dict(row) for row in tx.execute(query).mappings()]


def problems_of_row(tx: Transaction, request_id: str, revision: int, row_no: int) -> list[dict[str, Any]]:
    """All that is told of one row, what blocks it and what only shows."""
    r = rejection.c
    where = (r.request_id == request_id, r.revision == revision, r.row_no == row_no)
    return [dict(row) for row in tx.execute(select(rejection).where(*where).order_by(r.position)).mappings()]


def has_entry(tx: Transaction, request_id: str, revision: int, row_no: int) -> bool:
    """Whether a row of a posting has changed its item."""
    j = journal.c
    where = (j.request_id == request_id, j.revision == revision, j.row_no == row_no)
    return tx.execute(select(j.row_no).where(*where).limit(1)).first() is not None


def superseded_rows(tx: Transaction, request_id: str, revision: int) -> set[int]:
    """Rows of a posting that a newer message of the same item had made void."""
    r = rejection.c
    where = (r.request_id == request_id, r.revision == revision, r.rule == SUPERSEDED)
    return set(tx.execute(select(r.row_no).where(*where)).scalars())


def problem_count(tx: Transaction, request_id: str, revision: int) -> int:
    query = select(func.count()).where(
        rejection.c.request_id == request_id, rejection.c.revision == revision, rejection.c.severity == "block"
    )
    return tx.execute(query).scalar_one()


def rejected_by_rule(tx: Transaction, request_id: str, revision: int, rule: str) -> int:
    query = select(func.count()).where(
        rejection.c.request_id == request_id, rejection.c.revision == revision, rejection.c.rule == rule
    )
    return tx.execute(query).scalar_one()


def count_entries(tx: Transaction, request_id: str, revision: int) -> int:
    """Journal entries that rows of a posting have made, counted anew; the lines that it closed are no rows of it."""
    query = select(func.count()).where(journal.c.request_id == request_id, journal.c.revision == revision, _stands)
    return tx.execute(query).scalar_one()


def keys_of(tx: Transaction, request_id: str, revision: int) -> list[str]:
    """Keys of a posting's rows that are in the journal."""
    query = select(journal.c.key).where(journal.c.request_id == request_id, journal.c.revision == revision, _stands)
    return list(tx.execute(query).scalars())


def entries_by_scope(tx: Transaction) -> dict[tuple[str, str, date], int]:
    """Journal entries that rows of each submission's current revision have made, per campus, feed and the day it was
    received."""
    s = submissions.submission.c
    query = (
        select(s.campus, s.feed, s.received_day, func.count())
        .join(journal, and_(journal.c.request_id == s.request_id, journal.c.revision == s.revision))
        .where(_stands)
        .group_by(s.campus, s.feed, s.received_day)
    )
    return {(campus, feed, day): count for campus, feed, day, count in tx.execute(query)}


def count_rejected_rows(tx: Transaction, request_id: str, revision: int) -> int:
    """Rows with a blocking problem, counted anew."""
    query = select(func.count(rejection.c.row_no.distinct())).where(
        rejection.c.request_id == request_id, rejection.c.revision == revision, rejection.c.severity == "block"
    )
    return tx.execute(query).scalar_one()


def postings_of(tx: Transaction, request_id: str, *, limit: int) -> list[Posting]:
    """The outcome of each posted revision, the newest first."""
    query = select(idempotency.c.outcome).where(idempotency.c.request_id == request_id)
    rows = tx.execute(query.order_by(idempotency.c.revision.desc()).limit(limit)).scalars()
    return [Posting.from_document(one) for one in rows]


def items_of_key(tx: Transaction, key: str, *, limit: int) -> list[tuple[str, str]]:
    """(ledger, key) of the items that have this key, or a key of several parts that begins with it."""
    found: list[tuple[str, str]] = []
    for name in tx.execute(select(ledger_version.c.ledger).order_by(ledger_version.c.ledger)).scalars().all():
        own = select(ledger.c.key).where(ledger.c.ledger == name)
        parts = own.where(ledger.c.key >= f"{key}|").order_by(ledger.c.key).limit(limit)
        keys = [*tx.execute(own.where(ledger.c.key == key)).scalars(), *tx.execute(parts).scalars()]
        found += [(name, one) for one in keys if one == key or one.startswith(f"{key}|")]
    return found[:limit]


def changes_of(tx: Transaction, name: str, key: str, *, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The newest journal entries of an item, newest first, each with the `before` it replaced; how many in all."""
    where = and_(journal.c.ledger == name, journal.c.key == key)
    previous = journal.alias("previous")
    replaced = and_(
        previous.c.ledger == journal.c.ledger,
        previous.c.version == journal.c.previous_version,
        previous.c.row_no == journal.c.previous_row_no,
    )
    query = (
        select(journal, previous.c["values"].label("before"))
        .outerjoin(previous, replaced)
        .where(where)
        .order_by(journal.c.version.desc())
        .limit(limit)
    )
    total = tx.execute(select(func.count()).select_from(journal).where(where)).scalar_one()
    return [dict(row) for row in tx.execute(query).mappings()], total


def rejected_with(tx: Transaction, value: str, *, limit: int) -> list[dict[str, Any]]:
    """Problems of rows in which exactly this was written, upper and lower case alike, the newest file first."""
    s = submissions.submission.c
    query = (
        select(rejection, s.source_name, s.campus, s.feed, s.received_at)
        .join(submissions.submission, s.request_id == rejection.c.request_id)
        .where(_value_start == func.lower(value[:_VALUE_START]))
        .order_by(s.received_at.desc(), rejection.c.row_no, rejection.c.position)
        .limit(limit)
    )
    found = [dict(row) for row in tx.execute(query).mappings()]
    return [one for one in found if one["value"].casefold() == value.casefold()]


def entry_digest(entry: Mapping[Any, Any]) -> bytes:
    """Covers all of a journal entry but its time of posting, which the audit entry tells."""
    parts = [entry[name] for name in _DIGESTED] + [entry["ledger_date"].isoformat()]
    return hashlib.sha256(canonical_text(parts).encode("utf-8")).digest()


def digest_of_entries(tx: Transaction, request_id: str, revision: int) -> str:
    """The digest over a posting's journal rows, computed from the rows as they are now."""
    query = (
        select(journal)
        .where(journal.c.request_id == request_id, journal.c.revision == revision)
        .order_by(journal.c.row_no)
    )
    digest = hashlib.sha256()
    for entry in tx.execute(query, execution_options={"yield_per": 2000}).mappings():
        digest.update(entry_digest(entry))
    return digest.hexdigest()


def digests_by_row(tx: Transaction, request_id: str, revision: int) -> dict[int, tuple[str, bytes]]:
    """Each journal entry of a posting by its row: the digests of its values and of all of it, as it is now."""
    query = select(journal).where(journal.c.request_id == request_id, journal.c.revision == revision)
    rows = tx.execute(query, execution_options={"yield_per": 2000}).mappings()
    return {row["row_no"]: (sha256_hex(row["values"].encode("utf-8")), entry_digest(row)) for row in rows}


def journal_size(tx: Transaction) -> int:
    return tx.execute(select(func.count()).select_from(journal)).scalar_one()


def first_misfold(tx: Transaction) -> str | None:
    """The first item whose ledger row is not its newest journal entry, as `ledger key`; None when all are."""
    newest = (
        select(journal.c.ledger, journal.c.key, func.max(journal.c.version).label("version"))
        .group_by(journal.c.ledger, journal.c.key)
        .subquery()
    )
    same_item = and_(ledger.c.ledger == newest.c.ledger, ledger.c.key == newest.c.key)
    same_entry = and_(
        journal.c.ledger == ledger.c.ledger,
        journal.c.version == ledger.c.version,
        journal.c.row_no == ledger.c.row_no,
        journal.c.key == ledger.c.key,
        journal.c.digest == ledger.c.digest,
    )
    behind = (
        select(newest.c.ledger, newest.c.key)
        .outerjoin(ledger, same_item)
        .where(or_(ledger.c.version.is_(None), ledger.c.version != newest.c.version))
    )
    baseless = select(ledger.c.ledger, ledger.c.key).outerjoin(journal, same_entry).where(journal.c.key.is_(None))
    row = tx.execute(behind.limit(1)).first() or tx.execute(baseless.limit(1)).first()
    return f"{row.ledger} {row.key}" if row else None


def new_since(tx: Transaction, name: str, version: int) -> Iterator[tuple[str, str, str]]:
    """Items that came into a ledger with one of its versions or later and are there now: key, values, request_id."""
    first = journal.alias("first")
    query = (
        select(journal.c.key, journal.c["values"], first.c.request_id)
        .join(ledger, _its_newest_entry)
        .join(first, and_(first.c.ledger == journal.c.ledger, first.c.key == journal.c.key))
        .where(first.c.ledger == name, first.c.version >= version, first.c.previous_version.is_(None), _stands)
        .order_by(first.c.version, first.c.row_no)
    )
    yield from (tuple(row) for row in tx.execute(query, execution_options={"yield_per": 2000}))


def closed_by(tx: Transaction, request_id: str, revision: int, *, limit: int) -> list[tuple[int, str]]:
    """The lines that a posting has closed: the row that has the place of each, and what it said last."""
    query = (
        select(journal.c.row_no, journal.c["values"])
        .where(journal.c.request_id == request_id, journal.c.revision == revision, ~_stands)
        .order_by(journal.c.row_no.desc())
        .limit(limit)
    )
    return [(entry_row(row_no), values) for row_no, values in tx.execute(query)]


def later_changes(tx: Transaction, name: str, keys: Sequence[str], *, after_version: int) -> list[LaterChange]:
    """Of these items, those whose newest entry is younger than a ledger version."""
    found: list[LaterChange] = []
    for some in _chunks(iter(keys), _KEYS_PER_QUERY):
        query = (
            select(ledger.c.key, journal.c.request_id, journal.c.posted_at)
            .join(journal, _its_newest_entry)
            .where(ledger.c.ledger == name, ledger.c.key.in_(some), ledger.c.version > after_version)
            .order_by(ledger.c.key)
        )
        found += [LaterChange(*row) for row in tx.execute(query)]
    return found


def set_over(
    tx: Transaction, request_id: str, revision: int, *, others_than: str, since: datetime, limit: int
) -> list[SetOver]:
    """Entries of a posting in whose place stood one that another submission than these two has made after `since`."""
    before = journal.alias("before")
    query = (
        select(journal.c.row_no, journal.c.key, before.c.request_id, before.c.posted_at)
        .join(
            before,
            and_(
                before.c.ledger == journal.c.ledger,
                before.c.version == journal.c.previous_version,
                before.c.row_no == journal.c.previous_row_no,
            ),
        )
        .where(journal.c.request_id == request_id, journal.c.revision == revision)
        .where(before.c.request_id.not_in([request_id, others_than]), before.c.posted_at > since)
        .where(_stands)
        .order_by(journal.c.row_no)
        .limit(limit)
    )
    return [SetOver(*row) for row in tx.execute(query)]
