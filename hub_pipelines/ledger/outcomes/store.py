"""The table of postings' outcomes, one for each (request_id, revision): what a repeat is answered with.

Not here: posting, which writes it in its transaction (posting/store.py); the journal's own row of a posting
(ledger/store.py).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, Integer, String, Table, select

from hub_pipelines.common.store import JsonText, Transaction, metadata, per_query
from hub_pipelines.ledger.model import Posting

idempotency = Table(
    "idempotency",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("outcome", JsonText, nullable=False),
)


def stored_outcome(tx: Transaction, request_id: str, revision: int) -> dict[str, Any] | None:
    """Posting.document as it is kept: of a former release without what that did not tell."""
    i = idempotency.c
    found = tx.execute(select(i.outcome).where(i.request_id == request_id, i.revision == revision)).first()
    return None if found is None else found.outcome


def find_posting(tx: Transaction, request_id: str, revision: int) -> Posting | None:
    outcome = stored_outcome(tx, request_id, revision)
    return None if outcome is None else replace(Posting.from_document(outcome), repeat=True)


def find_postings(tx: Transaction, revisions: Mapping[str, int]) -> dict[str, Posting]:
    """The outcomes of these submissions' revisions that have posted, by request_id."""
    found: dict[str, Posting] = {}
    for some in per_query(revisions):
        i = idempotency.c
        for row in tx.execute(select(idempotency).where(i.request_id.in_(some))):
            if row.revision == revisions[row.request_id]:
                found[row.request_id] = replace(Posting.from_document(row.outcome), repeat=True)
    return found


def postings_of(tx: Transaction, request_id: str, *, limit: int) -> list[Posting]:
    """The outcome of each posted revision, the newest first."""
    query = select(idempotency.c.outcome).where(idempotency.c.request_id == request_id)
    rows = tx.execute(query.order_by(idempotency.c.revision.desc()).limit(limit)).scalars()
    return [Posting.from_document(one) for one in rows]
