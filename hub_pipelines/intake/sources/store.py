"""Tables of sources and of their keys. Shared secrets are not in here: each is a file below keys/ (service.py)."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, String, Table, Text, or_, select, update

from hub_pipelines.common.scope import Scope
from hub_pipelines.common.store import JsonText, Transaction, UtcDateTime, insert_or_ignore, metadata
from hub_pipelines.intake.sources.model import Key, Kind, Source

message_source = Table(
    "message_source",
    metadata,
    Column("name", String, primary_key=True),
    Column("rights", JsonText, nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    Column("added_by", String, nullable=False),
    Column("revoked_at", UtcDateTime),
)

message_source_key = Table(
    "message_source_key",
    metadata,
    Column("source", String, primary_key=True),
    Column("key_id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("material", Text),
    Column("added_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime),
)


def add(tx: Transaction, name: str, rights: tuple[Scope, ...], *, by: str, at: datetime) -> bool:
    """False when the name was given before, to a source that was revoked too."""
    added = tx.execute(
        insert_or_ignore(tx, message_source).returning(message_source.c.name),
        {"name": name, "rights": _listed(rights), "added_at": at, "added_by": by},
    )
    return added.first() is not None


def any_added(tx: Transaction) -> bool:
    """Whether there ever was one."""
    return tx.execute(select(message_source.c.name).limit(1)).first() is not None


def add_key(tx: Transaction, name: str, key: Key) -> None:
    tx.execute(
        message_source_key.insert(),
        {
            "source": name,
            "key_id": key.key_id,
            "kind": key.kind,
            "material": key.material,
            "added_at": key.added_at,
            "ends_at": key.ends_at,
        },
    )


def end_keys(tx: Transaction, name: str, *, at: datetime) -> None:
    """No key of now is valid any longer than until then."""
    k = message_source_key.c
    later = or_(k.ends_at.is_(None), k.ends_at > at)
    tx.execute(update(message_source_key).where(k.source == name, later).values(ends_at=at))


def set_rights(tx: Transaction, name: str, rights: tuple[Scope, ...]) -> None:
    s = message_source.c
    tx.execute(update(message_source).where(s.name == name).values(rights=_listed(rights)))


def revoke(tx: Transaction, name: str, *, at: datetime) -> bool:
    """False when it is no source, or revoked already."""
    s = message_source.c
    where = (s.name == name, s.revoked_at.is_(None))
    return tx.execute(update(message_source).where(*where).values(revoked_at=at)).rowcount == 1


def find(tx: Transaction, name: str) -> Source | None:
    row = tx.execute(select(message_source).where(message_source.c.name == name)).first()
    return _source(tx, row) if row else None


def everything(tx: Transaction) -> list[Source]:
    return [_source(tx, row) for row in tx.execute(select(message_source).order_by(message_source.c.name)).all()]


def of_token(tx: Transaction, digest: str) -> Source | None:
    """The source that a reading token was issued to, whether or not it is still valid."""
    k = message_source_key.c
    name = tx.execute(select(k.source).where(k.kind == Kind.TOKEN, k.material == digest)).scalar()
    return find(tx, name) if name is not None else None


def _listed(rights: tuple[Scope, ...]) -> list[list[str]]:
    return [[one.campus, one.feed] for one in rights]


def _source(tx: Transaction, row: Any) -> Source:
    k = message_source_key.c
    query = select(message_source_key).where(k.source == row.name).order_by(k.added_at, k.kind, k.key_id)
    keys = tuple(Key(one.key_id, Kind(one.kind), one.material, one.added_at, one.ends_at) for one in tx.execute(query))
    rights = tuple(Scope(campus, feed) for campus, feed in row.rights)
    return Source(row.name, rights, keys, row.added_at, row.added_by, row.revoked_at)
