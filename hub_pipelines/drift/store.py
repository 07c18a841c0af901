"""Tables of header shapes, of what changed, and of migrations. Each function runs in the caller's transaction.

Who writes a shape holds the head of its campus's audit chain (audit.store.append comes first): that orders the
submissions of one source, whichever database it is. Migrations and decisions about them are only ever added.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Index, Integer, String, Table, Text, and_, func, or_, select, update

from hub_pipelines.common.store import (
    JsonText,
    Transaction,
    UtcDateTime,
    database_now,
    insert_or_ignore,
    metadata,
    refuse_changes,
)
from hub_pipelines.drift.migrating import read_steps
from hub_pipelines.drift.model import (
    EVERY_SOURCE,
    Change,
    HeaderShape,
    Kind,
    KnownShape,
    Migration,
    ShapeChange,
    Source,
    Steps,
)

source_shape = Table(
    "source_shape",
    metadata,
    Column("campus", String, primary_key=True),
    Column("feed", String, primary_key=True),
    Column("source_key", String, primary_key=True),
    Column("fingerprint", String(16), primary_key=True),
    Column("record_type", String, nullable=False),
    Column("header", JsonText, nullable=False),
    Column("columns", JsonText, nullable=False),
    Column("others", JsonText, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("first_request_id", String, nullable=False),
    Column("accepted_at", UtcDateTime),
    Column("accepted_by", String),
    Column("last_posted_at", UtcDateTime),
    Column("migration", String),
    Index("source_shape_by_fingerprint", "fingerprint"),
)

shape_change = Table(
    "shape_change",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("campus", String, nullable=False),
    Column("feed", String, nullable=False),
    Column("source_key", String, nullable=False),
    Column("record_type", String, nullable=False),
    Column("fingerprint", String(16), nullable=False),
    Column("compared_with", String(16)),
    Column("kind", String, nullable=False),
    Column("change", JsonText, nullable=False),
    Column("noticed_at", UtcDateTime, nullable=False),
    Index("shape_change_by_fingerprint", "fingerprint"),
)

migration = Table(
    "migration",
    metadata,
    Column("migration_id", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("campus", String, nullable=False),
    Column("feed", String, nullable=False),
    Column("source_key", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("author", String, nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    Index("migration_by_source", "campus", "feed", "source_key"),
)
refuse_changes(migration)

migration_decision = Table(
    "migration_decision",
    metadata,
    Column("migration_id", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("decision", String, primary_key=True),
    Column("decided_by", String, nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
)
refuse_changes(migration_decision)


# ---- shapes


def _known(row: Any) -> KnownShape:
    shape = HeaderShape(row.record_type, row.fingerprint, tuple(row.header), dict(row.columns), tuple(row.others))
    return KnownShape(
        source=Source(row.campus, row.feed, row.source_key),
        shape=shape,
        first_seen_at=row.first_seen_at,
        first_request_id=row.first_request_id,
        accepted_at=row.accepted_at,
        accepted_by=row.accepted_by,
        last_posted_at=row.last_posted_at,
        migration=row.migration,
    )


def of_source(table: Table, source: Source) -> ColumnElement[bool]:
    """The rows of a table that belong to a source."""
    c = table.c
    return and_(c.campus == source.campus, c.feed == source.feed, c.source_key == source.key)


def accepted_shapes(tx: Transaction, source: Source) -> list[KnownShape]:
    """The shapes that a source may have, the one that posted (or was accepted) last first."""
    s = source_shape.c
    last = func.coalesce(s.last_posted_at, s.accepted_at)
    query = (
        select(source_shape)
        .where(of_source(source_shape, source), s.accepted_at.is_not(None))
        .order_by(last.desc(), s.fingerprint)
    )
    return [_known(row) for row in tx.execute(query)]


def shapes(
    tx: Transaction, *, campus: str | None = None, feed: str | None = None, fingerprint: str | None = None
) -> list[KnownShape]:
    """All shapes, held ones too, source by source, in the order in which they were first seen."""
    s = source_shape.c
    query = select(source_shape).order_by(s.campus, s.feed, s.source_key, s.first_seen_at, s.fingerprint)
    for column, wanted in ((s.campus, campus), (s.feed, feed), (s.fingerprint, fingerprint)):
        if wanted is not None:
            query = query.where(column == wanted)
    return [_known(row) for row in tx.execute(query)]


def acceptances(tx: Transaction) -> list[tuple[Source, str, str | None, datetime | None]]:
    """Of every shape its source and fingerprint, and who accepted it when."""
    s = source_shape.c
    query = select(s.campus, s.feed, s.source_key, s.fingerprint, s.accepted_by, s.accepted_at)
    rows = tx.execute(query.order_by(s.campus, s.feed, s.source_key, s.fingerprint))
    return [(Source(row.campus, row.feed, row.source_key), row.fingerprint, row[4], row[5]) for row in rows]


def shape(tx: Transaction, source: Source, fingerprint: str) -> KnownShape | None:
    row = tx.execute(
        select(source_shape).where(of_source(source_shape, source), source_shape.c.fingerprint == fingerprint)
    ).first()
    return _known(row) if row else None


def add_shape(tx: Transaction, source: Source, seen: HeaderShape, request_id: str) -> bool:
    """Keep a shape that nobody has accepted yet; False when it is known."""
    added = tx.execute(
        insert_or_ignore(tx, source_shape).returning(source_shape.c.fingerprint),
        {
            "campus": source.campus,
            "feed": source.feed,
            "source_key": source.key,
            "fingerprint": seen.fingerprint,
            "record_type": seen.record_type,
            "header": list(seen.header),
            "columns": list(seen.columns.items()),
            "others": list(seen.others),
            "first_seen_at": database_now(tx),
            "first_request_id": request_id,
        },
    )
    return added.first() is not None


def accept_shape(tx: Transaction, source: Source, fingerprint: str, *, by: str) -> bool:
    """From now on the source may have this shape; False when it might already."""
    changed = tx.execute(
        update(source_shape)
        .where(
            of_source(source_shape, source),
            source_shape.c.fingerprint == fingerprint,
            source_shape.c.accepted_at.is_(None),
        )
        .values(accepted_at=database_now(tx), accepted_by=by)
    ).rowcount
    return bool(changed == 1)


def mark_posted(tx: Transaction, source: Source, seen: HeaderShape, *, migration: str | None) -> None:
    """A submission of this shape has posted: later ones are compared with it."""
    tx.execute(
        update(source_shape)
        .where(of_source(source_shape, source), source_shape.c.fingerprint == seen.fingerprint)
        .values(
            last_posted_at=database_now(tx),
            migration=migration,
            columns=list(seen.columns.items()),
            others=list(seen.others),
        )
    )


# ---- changes


def add_change(tx: Transaction, request_id: str, revision: int, source: Source, told: dict[str, Any]) -> None:
    """Keep how a submission's header differs; `told` holds shape, kind, change and compared_with."""
    seen: HeaderShape = told["shape"]
    tx.execute(
        insert_or_ignore(tx, shape_change),
        {
            "request_id": request_id,
            "revision": revision,
            "campus": source.campus,
            "feed": source.feed,
            "source_key": source.key,
            "record_type": seen.record_type,
            "fingerprint": seen.fingerprint,
            "compared_with": told["compared_with"],
            "kind": told["kind"],
            "change": told["change"].document(),
            "noticed_at": database_now(tx),
        },
    )


def change_of(tx: Transaction, request_id: str, revision: int) -> ShapeChange | None:
    c = shape_change.c
    row = tx.execute(select(shape_change).where(c.request_id == request_id, c.revision == revision)).first()
    return _change(row) if row else None


def change_of_shape(tx: Transaction, source: Source, fingerprint: str) -> ShapeChange | None:
    """How a shape differed when a source came with it first."""
    c = shape_change.c
    mine = of_source(shape_change, source)
    query = select(shape_change).where(mine, c.fingerprint == fingerprint).order_by(c.noticed_at).limit(1)
    row = tx.execute(query).first()
    return _change(row) if row else None


def source_of_change(tx: Transaction, request_id: str, fingerprint: str) -> Source | None:
    """Whose a shape is that a submission came with."""
    c = shape_change.c
    query = select(c.campus, c.feed, c.source_key).where(c.request_id == request_id, c.fingerprint == fingerprint)
    row = tx.execute(query.limit(1)).first()
    return Source(row.campus, row.feed, row.source_key) if row else None


def changes_to(tx: Transaction, campus: str, feed: str, fingerprint: str) -> list[ShapeChange]:
    """Submissions of a shape that were held for it, the oldest first; some may have been settled since."""
    c = shape_change.c
    held = c.kind.in_([str(Kind.DRIFTED), str(Kind.UNFIT)])
    query = select(shape_change).where(c.fingerprint == fingerprint, c.campus == campus, c.feed == feed, held)
    return [_change(row) for row in tx.execute(query.order_by(c.noticed_at, c.request_id))]


def _change(row: Any) -> ShapeChange:
    return ShapeChange(
        request_id=row.request_id,
        revision=row.revision,
        source=Source(row.campus, row.feed, row.source_key),
        record_type=row.record_type,
        fingerprint=row.fingerprint,
        compared_with=row.compared_with,
        kind=Kind(row.kind),
        change=Change.from_document(row.change),
        noticed_at=row.noticed_at,
    )


# ---- migrations


def _migrations(tx: Transaction, where: Iterable[Any]) -> list[Migration]:
    """Each version with its decisions, ids in order and the newest version of each first."""
    m, d = migration.c, migration_decision.c
    query = select(migration).where(*where).order_by(m.migration_id, m.version.desc())
    found = []
    for row in tx.execute(query).all():
        decided = {
            one.decision: one
            for one in tx.execute(
                select(migration_decision).where(d.migration_id == row.migration_id, d.version == row.version)
            )
        }
        approved, applied = decided.get("approved"), decided.get("applied")
        found.append(
            Migration(
                migration_id=row.migration_id,
                version=row.version,
                source_key=row.source_key,
                steps=read_steps(row.text),
                text=row.text,
                author=row.author,
                added_at=row.added_at,
                approved_by=approved.decided_by if approved else None,
                approved_at=approved.decided_at if approved else None,
                applied_by=applied.decided_by if applied else None,
                applied_at=applied.decided_at if applied else None,
            )
        )
    return found


def migrations(tx: Transaction, *, migration_id: str | None = None) -> list[Migration]:
    """All versions of all migrations, or of one."""
    return _migrations(tx, [] if migration_id is None else [migration.c.migration_id == migration_id])


def migration_version(tx: Transaction, migration_id: str, version: int) -> Migration | None:
    m = migration.c
    return next(iter(_migrations(tx, [m.migration_id == migration_id, m.version == version])), None)


def migrations_in_force(tx: Transaction, source: Source) -> list[Migration]:
    """Of each migration for this source the newest applied version; those for it alone come first."""
    m = migration.c
    mine = or_(m.source_key == source.key, m.source_key == EVERY_SOURCE)
    found: dict[str, Migration] = {}
    for one in _migrations(tx, [m.campus == source.campus, m.feed == source.feed, mine]):
        if one.applied_at is not None:
            found.setdefault(one.migration_id, one)
    return sorted(found.values(), key=lambda one: one.source_key == EVERY_SOURCE)


def add_migration(
    tx: Transaction, migration_id: str, steps: Steps, source_key: str, text: str, *, author: str
) -> tuple[Migration, bool]:
    """Keep a migration as its newest version; False with the one that is there when that has the same text."""
    while True:
        newest = next(iter(migrations(tx, migration_id=migration_id)), None)
        if newest is not None and newest.text == text:
            return newest, False
        version = newest.version + 1 if newest else 1
        added = tx.execute(
            insert_or_ignore(tx, migration).returning(migration.c.version),
            {
                "migration_id": migration_id,
                "version": version,
                "campus": steps.campus,
                "feed": steps.feed,
                "source_key": source_key,
                "text": text,
                "author": author,
                "added_at": database_now(tx),
            },
        )
        if added.first() is not None:
            kept = migration_version(tx, migration_id, version)
            if kept is not None:
                return kept, True


def decide(tx: Transaction, one: Migration, decision: str, *, by: str) -> bool:
    """Record a decision about a version; False when it was taken already."""
    added = tx.execute(
        insert_or_ignore(tx, migration_decision).returning(migration_decision.c.decision),
        {
            "migration_id": one.migration_id,
            "version": one.version,
            "decision": decision,
            "decided_by": by,
            "decided_at": database_now(tx),
        },
    )
    return added.first() is not None
