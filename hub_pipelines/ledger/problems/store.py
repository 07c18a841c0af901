"""The table of problems of rows, and what is read from it.

Not here: finding them (validate, comparing), writing them (posting/store.py), telling them (report).
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, ColumnElement, Index, Integer, String, Table, Text, and_, func, literal_column, select

from hub_pipelines.common.store import Transaction, metadata
from hub_pipelines.submission import store as submissions

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
# the beginning only: a cell may be longer than a database lets an index entry be
_VALUE_START = 64
_value_start = func.lower(func.substr(rejection.c.value, literal_column("1"), literal_column(str(_VALUE_START))))
Index("rejection_by_value", _value_start)


def _is_of(request_id: str, revision: int) -> ColumnElement[bool]:
    return and_(rejection.c.request_id == request_id, rejection.c.revision == revision)


def of_posting(
    tx: Transaction,
    request_id: str,
    revision: int,
    *,
    severity: str,
    limit: int,
    of_rows: bool = False,
    besides: str = "",
) -> list[dict[str, Any]]:
    """The first of a severity, in the order of the rows; with `of_rows` without those of the whole file, with `besides`
    without those that this rule has found."""
    query = (
        select(rejection)
        .where(
            _is_of(request_id, revision),
            rejection.c.severity == severity,
            rejection.c.rule != besides,
            *((rejection.c.row_no > 0,) if of_rows else ()),
        )
        .order_by(rejection.c.row_no, rejection.c.position)
        .limit(limit)
    )
    return [dict(row) for row in tx.execute(query).mappings()]


def blocking_rows(tx: Transaction, request_id: str, revision: int, *, besides: str) -> Iterator[dict[str, Any]]:
    """All blocking problems of rows, in their order, without those that this rule has found."""
    r = rejection.c
    where = (_is_of(request_id, revision), r.severity == "block", r.rule != besides, r.row_no > 0)
    for row in tx.execute(select(rejection).where(*where).order_by(r.row_no, r.position)).mappings():
        yield dict(row)


def of_rule(tx: Transaction, request_id: str, revision: int, rule: str, *, limit: int) -> list[dict[str, Any]]:
    """The first that one rule has found, in the order of the rows."""
    query = (
        select(rejection)
        .where(_is_of(request_id, revision), rejection.c.rule == rule)
        .order_by(rejection.c.row_no, rejection.c.position)
        .limit(limit)
    )
    return [dict(row) for row in tx.execute(query).mappings()]


def of_row(tx: Transaction, request_id: str, revision: int, row_no: int) -> list[dict[str, Any]]:
    """All that is told of one row, what blocks it and what only shows."""
    r = rejection.c
    where = (_is_of(request_id, revision), r.row_no == row_no)
    return [dict(row) for row in tx.execute(select(rejection).where(*where).order_by(r.position)).mappings()]


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


def rows_of_rules(tx: Transaction, request_id: str, revision: int, *rules: str) -> set[int]:
    """Rows of a posting of which one of these rules has told something."""
    r = rejection.c
    where = (_is_of(request_id, revision), r.rule.in_(rules))
    return set(tx.execute(select(r.row_no).where(*where)).scalars())


def rejected_rows(tx: Transaction, request_id: str, revision: int) -> list[int]:
    """The rows with a blocking problem, each once."""
    r = rejection.c
    query = select(r.row_no).distinct().where(_is_of(request_id, revision), r.severity == "block")
    return list(tx.execute(query).scalars())


def count_blocking(tx: Transaction, request_id: str, revision: int, *, besides: str = "") -> int:
    """Blocking problems, of which a row may have several; with `besides` without those that this rule has found."""
    r = rejection.c
    query = select(func.count()).where(_is_of(request_id, revision), r.severity == "block", r.rule != besides)
    return tx.execute(query).scalar_one()


def count_of_rule(tx: Transaction, request_id: str, revision: int, rule: str) -> int:
    """Problems that one rule has found, blocking or not."""
    query = select(func.count()).where(_is_of(request_id, revision), rejection.c.rule == rule)
    return tx.execute(query).scalar_one()


def count_rejected_rows(tx: Transaction, request_id: str, revision: int, *, besides: str = "") -> int:
    """Rows with a blocking problem, counted anew; with `besides` those with one that another rule has found."""
    r = rejection.c
    query = select(func.count(r.row_no.distinct())).where(
        _is_of(request_id, revision), r.severity == "block", r.rule != besides
    )
    return tx.execute(query).scalar_one()
