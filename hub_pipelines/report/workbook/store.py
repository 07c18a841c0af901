"""The tables `returned_workbook` (what was given back) and `workbook_return` (what came back). Caller's transactions.

Belongs here: which submissions get a workbook, which have theirs, and what the mark in a file that came said. Not here:
making a workbook (service), what follows from a mark (returning.py).
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, or_, select, update

from hub_pipelines.common.store import (
    JsonText,
    Transaction,
    UtcDateTime,
    database_now,
    insert_or_ignore,
    metadata,
    per_query,
)
from hub_pipelines.report.workbook.model import Made, Returned, ReturnState, WorkbookState

returned_workbook = Table(
    "returned_workbook",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("campus", String, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("file_name", Text),
    Column("note", Text),
    Column("changed_at", UtcDateTime, nullable=False),
)
Index(
    "returned_workbook_due",
    returned_workbook.c.campus,
    returned_workbook.c.changed_at,
    postgresql_where=returned_workbook.c.state == str(WorkbookState.DUE),
    sqlite_where=returned_workbook.c.state == str(WorkbookState.DUE),
)

workbook_return = Table(
    "workbook_return",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("state", String, nullable=False),
    Column("original", String),
    Column("original_revision", Integer),
    Column("part", Boolean, nullable=False),
    Column("note", Text),
    Column("problems_before", Integer),
    Column("difference", JsonText),
    Column("came_at", UtcDateTime, nullable=False),
    Column("rows_taken", JsonText),
    Index("workbook_return_original", "original"),
)


# ---- given back


def find(tx: Transaction, request_id: str, revision: int) -> Made | None:
    row = tx.execute(select(returned_workbook).where(*_key(returned_workbook, request_id, revision))).first()
    return _made(row) if row else None


def _made(row: Any) -> Made:
    return Made(row.request_id, row.revision, WorkbookState(row.state), row.attempts, row.file_name, row.note)


def make_due(tx: Transaction, request_id: str, revision: int, campus: str) -> None:
    """Once for a revision; nothing happens when it is due or made already."""
    tx.execute(
        insert_or_ignore(tx, returned_workbook),
        {
            "request_id": request_id,
            "revision": revision,
            "campus": campus,
            "state": WorkbookState.DUE,
            "attempts": 0,
            "changed_at": database_now(tx),
        },
    )


def make_due_again(tx: Transaction, request_id: str, revision: int) -> None:
    """What was made and is not there any more."""
    made = returned_workbook.c.state == str(WorkbookState.MADE)
    tx.execute(
        update(returned_workbook)
        .where(*_key(returned_workbook, request_id, revision), made)
        .values(state=WorkbookState.DUE, attempts=0, changed_at=database_now(tx))
    )


def due(tx: Transaction, campus: str | None, *, again_after: timedelta, limit: int) -> list[Made]:
    """Workbooks that are to be made, first those that have waited longest; see `count_attempt`."""
    w = returned_workbook.c
    query = select(returned_workbook).where(*_open(tx, again_after)).order_by(w.changed_at).limit(limit)
    return [_made(row) for row in tx.execute(query if campus is None else query.where(w.campus == campus))]


def _open(tx: Transaction, again_after: timedelta) -> tuple[Any, Any]:
    w = returned_workbook.c
    return w.state == str(WorkbookState.DUE), or_(w.attempts == 0, w.changed_at < database_now(tx) - again_after)


def count_attempt(tx: Transaction, made: Made, *, again_after: timedelta) -> bool:
    """Before each attempt, so that one which kills its process counts. False when another process may be at it:
    it began less than `again_after` ago."""
    w = returned_workbook.c
    changed = tx.execute(
        update(returned_workbook)
        .where(*_key(returned_workbook, made.request_id, made.revision))
        .where(*_open(tx, again_after), w.attempts == made.attempts)
        .values(attempts=made.attempts + 1, changed_at=database_now(tx))
    ).rowcount
    return bool(changed == 1)


def settle(tx: Transaction, made: Made, state: WorkbookState, *, file_name: str | None, note: str | None) -> None:
    tx.execute(
        update(returned_workbook)
        .where(*_key(returned_workbook, made.request_id, made.revision))
        .values(state=state, file_name=file_name, note=note, changed_at=database_now(tx))
    )


# ---- came back


def add_return(tx: Transaction, returned: Returned) -> None:
    """Once for a revision; the caller holds the submission and has looked."""
    tx.execute(
        workbook_return.insert(),
        {
            "request_id": returned.request_id,
            "revision": returned.revision,
            "state": returned.state,
            "original": returned.original,
            "original_revision": returned.original_revision,
            "part": returned.part,
            "note": returned.note,
            "problems_before": returned.problems_before,
            "came_at": database_now(tx),
        },
    )


def returned_among(tx: Transaction, request_ids: Iterable[str]) -> set[str]:
    """Those of these submissions that are workbooks which came back for another one."""
    w = workbook_return.c
    found: set[str] = set()
    for some in per_query(request_ids):
        known = select(w.request_id).where(w.request_id.in_(some), w.original.is_not(None))
        found |= set(tx.execute(known).scalars())
    return found


def return_of(tx: Transaction, request_id: str, revision: int) -> Returned | None:
    row = tx.execute(select(workbook_return).where(*_key(workbook_return, request_id, revision))).first()
    return _returned(row) if row else None


def _returned(row: Any) -> Returned:
    return Returned(
        request_id=row.request_id,
        revision=row.revision,
        state=ReturnState(row.state),
        original=row.original,
        original_revision=row.original_revision,
        part=row.part,
        note=row.note,
        problems_before=row.problems_before,
        difference=row.difference,
        rows_taken=row.rows_taken,
        came_at=row.came_at,
    )


def parts_of(tx: Transaction, file: str) -> list[Returned]:
    """The workbooks with only rows to fix that came back for a file, or for another such workbook of it."""
    w, found, ahead = workbook_return.c, dict[tuple[str, int], Returned](), {file}
    while ahead:
        rows = tx.execute(select(workbook_return).where(w.original.in_(ahead), w.part)).all()
        new = {(row.request_id, row.revision): _returned(row) for row in rows}
        ahead = {request_id for request_id, _ in new.keys() - found.keys()}
        found |= new
    return list(found.values())


def files_of_parts(tx: Transaction, request_ids: Iterable[str]) -> set[str]:
    """Those of these submissions for which workbooks with only rows to fix came back."""
    w = workbook_return.c
    found: set[str] = set()
    for some in per_query(request_ids):
        found |= set(tx.execute(select(w.original).where(w.original.in_(some), w.part)).scalars())
    return found


def came_before(tx: Transaction, request_id: str, revision: int) -> bool:
    """Whether an earlier revision of a submission has been linked already."""
    w = workbook_return.c
    query = select(w.revision).where(w.request_id == request_id, w.revision < revision, w.original.is_not(None))
    return tx.execute(query.limit(1)).first() is not None


def set_difference(
    tx: Transaction, request_id: str, revision: int, difference: dict[str, Any], rows_taken: list[int] | None
) -> None:
    tx.execute(
        update(workbook_return)
        .where(*_key(workbook_return, request_id, revision))
        .values(difference=difference, rows_taken=rows_taken)
    )


def _key(table: Table, request_id: str, revision: int) -> tuple[Any, Any]:
    return table.c.request_id == request_id, table.c.revision == revision
