"""Tables of decisions about files, of questions about them, and of what people have answered for a source.

Each function runs in the caller's transaction. Decisions and remembered versions are only ever added.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, Index, Integer, String, Table, Text, and_, func, select, update

from hub_pipelines.common.canonical import digest_of
from hub_pipelines.common.errors import HubError
from hub_pipelines.common.store import (
    JsonText,
    Transaction,
    UtcDateTime,
    database_now,
    holdable,
    insert_or_ignore,
    metadata,
    refuse_changes,
)
from hub_pipelines.drift.model import Source
from hub_pipelines.drift.store import of_source
from hub_pipelines.mapping.decision import Decision
from hub_pipelines.mapping.model import Question
from hub_pipelines.mapping.remembered import Kept, Remembered, key_of
from hub_pipelines.validate.model import Choice, OpenQuestion

decision = Table(
    "decision",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("document", JsonText, nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
)
refuse_changes(decision)

question = Table(
    "question",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("question_id", String, primary_key=True),
    Column("campus", String, nullable=False),
    Column("feed", String, nullable=False),
    Column("source_key", String, nullable=False),
    Column("key", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("column", String),
    Column("heading", Text),
    Column("position", Integer),
    Column("text", Text, nullable=False),
    Column("choices", JsonText, nullable=False),
    Column("evidence", JsonText, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("answer", String),
    Column("answered_by", String),
    Column("answered_at", UtcDateTime),
    Index("question_by_source", "campus", "feed", "source_key"),
)

source_mapping = Table(
    "source_mapping",
    metadata,
    Column("campus", String, primary_key=True),
    Column("feed", String, primary_key=True),
    Column("source_key", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", JsonText, nullable=False),
    Column("changed_by", String, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("request_id", String),
)
refuse_changes(source_mapping)


class DecisionLost(HubError):
    """The decision that a posting names is not there, or not what it was. Nobody retries; the posting stands."""


# ---- decisions


def add_decision(tx: Transaction, one: Decision) -> None:
    """Keep a decision under its digest; equal decisions are kept once."""
    row = {"digest": one.digest, "document": one.document(), "decided_at": database_now(tx)}
    tx.execute(insert_or_ignore(tx, decision), row)


def find_decision(tx: Transaction, digest: str | None) -> Decision | None:
    """None when the submission was read before decisions were kept. Raises DecisionLost."""
    if digest is None:
        return None
    document = tx.execute(select(decision.c.document).where(decision.c.digest == digest)).scalar()
    if document is None:
        raise DecisionLost(f"The decision {digest}, by which the file was read, is not there.")
    if digest_of(document) != digest:
        raise DecisionLost(f"The decision {digest}, by which the file was read, has been changed since.")
    return Decision.from_document(document)


def decisions(tx: Transaction) -> Iterator[tuple[str, bool]]:
    """The digest of each decision, and whether it is still the one that was made; streamed."""
    query = select(decision.c.digest, decision.c.document).order_by(decision.c.digest)
    for digest, document in tx.execute(query, execution_options={"yield_per": 500}):
        yield digest, _is_of(digest, document)


def _is_of(digest: str, document: Any) -> bool:
    try:
        return digest_of(document) == digest
    except (TypeError, ValueError, RecursionError):  # what no decision is written with
        return False


# ---- questions


def add_questions(
    tx: Transaction,
    request_id: str,
    revision: int,
    source: Source,
    questions: Sequence[Question | OpenQuestion],
) -> None:
    """Keep what is asked about one revision of a submission, as q1, q2, … in this order."""
    now = database_now(tx)
    rows = [
        {
            "request_id": request_id,
            "revision": revision,
            "question_id": f"q{number}",
            "campus": source.campus,
            "feed": source.feed,
            "source_key": source.key,
            "key": key_of(one),
            "kind": one.kind,
            "column": one.column,
            "heading": one.heading,
            "position": one.position,
            "text": holdable(one.text),
            "choices": [{"value": choice.value, "label": choice.label} for choice in one.choices],
            "evidence": list(one.evidence),
            "asked_at": now,
        }
        for number, one in enumerate(questions, start=1)
    ]
    tx.execute(insert_or_ignore(tx, question), rows)


def questions_about(tx: Transaction, request_id: str, revision: int, *, lock: bool = False) -> list[Kept]:
    """What was asked about one revision, in order. `lock` makes others who would answer wait until commit."""
    q = question.c
    query = select(question).where(q.request_id == request_id, q.revision == revision)
    query = query.order_by(func.length(q.question_id), q.question_id)
    return [_kept(row) for row in tx.execute(query.with_for_update() if lock else query)]


def record_answer(tx: Transaction, one: Kept, answer: str, *, by: str) -> bool:
    """False when it was answered before."""
    q = question.c
    this = and_(q.request_id == one.request_id, q.revision == one.revision, q.question_id == one.question_id)
    changed = tx.execute(
        update(question)
        .where(this, q.answer.is_(None))
        .values(answer=answer, answered_by=by, answered_at=database_now(tx))
    ).rowcount
    return bool(changed == 1)


def asked_of_source(tx: Transaction, source: Source) -> list[tuple[str, int]]:
    """Request_id and revision of each submission of a source about which something is not answered."""
    q = question.c
    query = (
        select(q.request_id, q.revision, func.min(q.asked_at))
        .where(of_source(question, source), q.answer.is_(None))
        .group_by(q.request_id, q.revision)
        .order_by(func.min(q.asked_at), q.request_id)
    )
    return [(row.request_id, row.revision) for row in tx.execute(query)]


def _kept(row: Any) -> Kept:
    return Kept(
        request_id=row.request_id,
        revision=row.revision,
        question_id=row.question_id,
        source=Source(row.campus, row.feed, row.source_key),
        key=row.key,
        kind=row.kind,
        column=row.column,
        heading=row.heading,
        position=row.position,
        text=row.text,
        choices=tuple(Choice(one["value"], one["label"]) for one in row.choices),
        evidence=tuple(row.evidence),
        asked_at=row.asked_at,
        answer=row.answer,
        answered_by=row.answered_by,
        answered_at=row.answered_at,
    )


# ---- what is remembered for a source


def remembered(tx: Transaction, source: Source) -> Remembered:
    """The newest version; version 0 when there is none."""
    query = (
        select(source_mapping)
        .where(of_source(source_mapping, source))
        .order_by(source_mapping.c.version.desc())
        .limit(1)
    )
    row = tx.execute(query).first()
    return _remembered(row) if row else Remembered(source)


def history(tx: Transaction, source: Source) -> list[Remembered]:
    """All versions, the newest first."""
    query = select(source_mapping).where(of_source(source_mapping, source)).order_by(source_mapping.c.version.desc())
    return [_remembered(row) for row in tx.execute(query)]


def all_remembered(tx: Transaction, *, campus: str | None = None, feed: str | None = None) -> list[Remembered]:
    """Of each source the newest version, source by source."""
    s = source_mapping.c
    newest = select(s.campus, s.feed, s.source_key, func.max(s.version).label("version")).group_by(
        s.campus, s.feed, s.source_key
    )
    for column, wanted in ((s.campus, campus), (s.feed, feed)):
        if wanted is not None:
            newest = newest.where(column == wanted)
    last = newest.subquery()
    same = and_(
        s.campus == last.c.campus,
        s.feed == last.c.feed,
        s.source_key == last.c.source_key,
        s.version == last.c.version,
    )
    query = select(source_mapping).join(last, same).order_by(s.campus, s.feed, s.source_key)
    return [_remembered(row) for row in tx.execute(query)]


def add_version(tx: Transaction, one: Remembered, *, by: str, request_id: str | None) -> bool:
    """Keep this as the version after `one.version`; False when another transaction has made that one meanwhile."""
    source = one.source
    added = tx.execute(
        insert_or_ignore(tx, source_mapping).returning(source_mapping.c.version),
        {
            "campus": source.campus,
            "feed": source.feed,
            "source_key": source.key,
            "version": one.version + 1,
            "document": one.document(),
            "changed_by": by,
            "changed_at": database_now(tx),
            "request_id": request_id,
        },
    )
    return added.first() is not None


def _remembered(row: Any) -> Remembered:
    confirmed, values = Remembered.parts_of(row.document)
    return Remembered(
        source=Source(row.campus, row.feed, row.source_key),
        version=row.version,
        confirmed=confirmed,
        values=values,
        changed_by=row.changed_by,
        changed_at=row.changed_at,
        request_id=row.request_id,
    )
