"""Tables of findings and of what awards were judged by last.

Every write names the token of its mark: who was overtaken writes nothing. A finding is opened and closed once; its
audit entry is in the same transaction (service.py).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Date,
    Index,
    Integer,
    String,
    Table,
    Text,
    func,
    select,
    update,
)

from hub_pipelines.common.store import JsonText, Transaction, UtcDateTime, insert_or_ignore, metadata, per_query
from hub_pipelines.findings.model import Cause, Finding, Mark, Overtaken

finding = Table(
    "finding",
    metadata,
    Column("finding_id", String, primary_key=True),
    Column("campus", String, nullable=False),
    Column("rule_id", String, nullable=False),
    Column("citation", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("award", String, nullable=False),
    Column("told", Text, nullable=False),
    Column("facts", JsonText, nullable=False),
    Column("amount", String),
    Column("request_id", String),
    Column("row_no", Integer),
    Column("rules_version", Integer, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("opened_by", JsonText, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("closed_by", JsonText),
    Index("finding_by_subject", "campus", "rule_id", "subject", "number", unique=True),
    Index("finding_by_award", "campus", "award"),
)

finding_mark = Table(
    "finding_mark",
    metadata,
    Column("campus", String, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("versions", JsonText, nullable=False),
    Column("day", Date),
    Column("rules_version", Integer, nullable=False),
    Column("evaluated_at", UtcDateTime),
)


# ---- marks


def mark_of(tx: Transaction, campus: str) -> Mark:
    """Of token 0 for a campus whose awards were never judged."""
    row = tx.execute(select(finding_mark).where(finding_mark.c.campus == campus)).mappings().first()
    return Mark(**row) if row else Mark(campus, 0, {}, None, 0, None)


def begin(tx: Transaction, campus: str) -> Mark:
    """The right to write of whoever began last."""
    tx.execute(insert_or_ignore(tx, finding_mark), {"campus": campus, "token": 0, "versions": {}, "rules_version": 0})
    m = finding_mark.c
    tx.execute(update(finding_mark).where(m.campus == campus).values(token=m.token + 1))
    return mark_of(tx, campus)


def keep(tx: Transaction, mark: Mark) -> None:
    """What awards were judged by, under its token. Raises Overtaken."""
    m = finding_mark.c
    told = {
        "versions": dict(mark.versions),
        "day": mark.day,
        "rules_version": mark.rules_version,
        "evaluated_at": mark.evaluated_at,
    }
    mine = (m.campus == mark.campus, m.token == mark.token)
    if tx.execute(update(finding_mark).where(*mine).values(told)).rowcount != 1:
        raise Overtaken(f"Another process judges the awards of {mark.campus} now.")


# ---- findings


def open_of_awards(tx: Transaction, campus: str, awards: Collection[str] | None) -> list[Finding]:
    """The open ones of these awards, of all for None."""
    f = finding.c
    query = select(finding).where(f.campus == campus, f.closed_at.is_(None))
    if awards is None:
        return [_finding(row) for row in tx.execute(query).mappings()]
    found = (tx.execute(query.where(f.award.in_(some))).mappings() for some in per_query(awards))
    return [_finding(row) for rows in found for row in rows]


def awards_judged_by_day(tx: Transaction, campus: str, rules: Collection[str]) -> set[str]:
    """Those with open findings of these rules."""
    f = finding.c
    query = select(f.award).where(f.campus == campus, f.closed_at.is_(None), f.rule_id.in_(rules))
    return set(tx.execute(query).scalars())


def all_of_awards(tx: Transaction, campus: str, awards: Collection[str]) -> list[Finding]:
    """Open and closed ones of these awards, in the order of their opening."""
    f = finding.c
    query = select(finding).where(f.campus == campus, f.award.in_(sorted(awards)))
    return [_finding(row) for row in tx.execute(query.order_by(f.opened_at, f.finding_id)).mappings()]


def listing(
    tx: Transaction,
    *,
    campus: str | None = None,
    awards: Collection[str] | None = None,
    everything: bool = False,
    limit: int,
) -> tuple[list[Finding], int]:
    """The first, by campus, award and opening, and how many there are; of these few awards only where they are told;
    closed ones too with `everything`."""
    f = finding.c
    which: list[ColumnElement[bool]] = [] if everything else [f.closed_at.is_(None)]
    which += [f.campus == campus] if campus is not None else []
    which += [f.award.in_(sorted(awards))] if awards is not None else []
    total = tx.execute(select(func.count()).select_from(finding).where(*which)).scalar_one()
    query = select(finding).where(*which).order_by(f.campus, f.award, f.opened_at, f.finding_id).limit(limit)
    return [_finding(row) for row in tx.execute(query).mappings()], total


def everything(tx: Transaction) -> Iterator[tuple[str, Finding | None]]:
    """By its id; None for one whose documents are none that the hub writes."""
    rows = tx.execute(select(finding).order_by(finding.c.finding_id), execution_options={"yield_per": 2_000})
    for row in rows.mappings():
        try:
            yield row["finding_id"], _finding({**row, "facts": dict(row["facts"])})
        except (AttributeError, KeyError, TypeError, ValueError):
            yield row["finding_id"], None


def closed_since(tx: Transaction, at: datetime, *, limit: int) -> list[Finding]:
    """The newest first."""
    query = select(finding).where(finding.c.closed_at >= at).order_by(finding.c.closed_at.desc(), finding.c.finding_id)
    return [_finding(row) for row in tx.execute(query.limit(limit)).mappings()]


def count_open(tx: Transaction, campus: str) -> int:
    query = select(func.count()).select_from(finding).where(finding.c.campus == campus, finding.c.closed_at.is_(None))
    return tx.execute(query).scalar_one()


def open_by_rule(tx: Transaction) -> dict[tuple[str, str], int]:
    """How many are open, by campus and rule; 0 where all were closed."""
    f = finding.c
    still = func.count().filter(f.closed_at.is_(None))
    query = select(f.campus, f.rule_id, still).group_by(f.campus, f.rule_id)
    return {(campus, rule): count for campus, rule, count in tx.execute(query)}


def numbers_of(tx: Transaction, campus: str, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """How often each of these was opened so far, by rule and subject; without those that never were."""
    f = finding.c
    wanted = set(names)
    of_campus = select(f.rule_id, f.subject, func.max(f.number)).where(
        f.campus == campus, f.rule_id.in_({rule for rule, _ in wanted})
    )
    found: dict[tuple[str, str], int] = {}
    for some in per_query({subject for _, subject in wanted}):
        query = of_campus.where(f.subject.in_(some)).group_by(f.rule_id, f.subject)
        for rule, subject, number in tx.execute(query):
            found[rule, subject] = number
    return {name: number for name, number in found.items() if name in wanted}


def add(tx: Transaction, one: Finding) -> None:
    tx.execute(finding.insert(), _row(one))


def change(tx: Transaction, one: Finding) -> None:
    """It says something else now of what it found, or is closed."""
    tx.execute(update(finding).where(finding.c.finding_id == one.finding_id).values(_row(one)))


def _row(one: Finding) -> dict[str, Any]:
    told = {column.name: getattr(one, column.name) for column in finding.c}
    told |= {"facts": dict(one.facts), "opened_by": one.opened_by.document()}
    return {**told, "closed_by": one.closed_by.document() if one.closed_by else None}


def _finding(row: Mapping[Any, Any]) -> Finding:
    closed_by = Cause.from_document(row["closed_by"]) if row["closed_by"] else None
    return Finding(**{**row, "opened_by": Cause.from_document(row["opened_by"]), "closed_by": closed_by})
