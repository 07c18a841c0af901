"""An award as its sponsors' portals tell it now, beside the office's own list, and what was spent outside its period.

Belongs here: finding an award's records, judging what was spent by them. Computed whenever it is asked for, so that an
extension or a cut is seen in the findings at once. Not here: whether a cost is allowable otherwise.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from hub_pipelines.common.store import Transaction
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.timeline.model import AwardStanding, SaidBy, Spent

OFFICE, SPONSORS, SPENT = "grants.award", "grants.sponsor_award", "grants.expenditure"
_LAST = "USASPENDING"
"""It repeats what agencies told it, later: it counts where no agency speaks for itself."""
_PRE_AWARD_DAYS = 90
_MOST_RECORDS = 10_000


def awards_named(tx: Transaction, text: str, limit: int) -> list[AwardStanding]:
    """One for each campus whose portals tell of an award with this number, the office's or the sponsor's."""
    wanted = text.strip().upper()
    campuses = _campuses(tx)
    if not wanted or not campuses:
        return []
    office = [*_items(tx, OFFICE, "award_id", wanted), *_items(tx, OFFICE, "fain", wanted)]
    found = []
    for campus in campuses:
        own = list({one.key: one for one in office if one.campus == campus}.values())
        named = [str(one.values[column]) for one in own for column in ("award_id", "fain") if one.values.get(column)]
        ids = list(dict.fromkeys([wanted, *named]))
        told = [one for each in ids for one in _items(tx, SPONSORS, "award_id", each, campus)]
        if told:
            spent = [one for each in ids for one in _items(tx, SPENT, "award_id", each, campus)]
            found.append(_standing(tx, wanted, campus, own, told, spent, limit))
    return found


def records_of_award(tx: Transaction, text: str, limit: int) -> list[tuple[str, str]]:
    """(ledger, key) of what portals say of an award with this number."""
    return [(one.ledger, one.key) for one in _items(tx, SPONSORS, "award_id", text.strip().upper())][:limit]


@dataclass(frozen=True, slots=True)
class _Item:
    ledger: str
    key: str
    values: dict[str, Any]

    @property
    def campus(self) -> str:
        return self.ledger.partition("@")[2]


@dataclass(frozen=True, slots=True)
class _Period:
    """From the earliest beginning to the latest end that a portal's records tell; None where none of them tells."""

    starts_on: date | None
    ends_on: date | None

    @staticmethod
    def of(records: Iterable[dict[str, Any]]) -> "_Period":
        starts, ends = zip(*((_day(one.get("starts_on")), _day(one.get("ends_on"))) for one in records), strict=True)
        return _Period(min(filter(None, starts), default=None), max(filter(None, ends), default=None))

    def problem(self, day: date) -> str | None:
        if self.ends_on is not None and day > self.ends_on:
            return f"after the period, which ended on {self.ends_on} (G01, 2 CFR 200.403(h))"
        if self.starts_on is not None and day < self.starts_on:
            days = (self.starts_on - day).days
            if days <= _PRE_AWARD_DAYS:
                return f"{days} days before the period: needs expanded authority or approval (G02, 2 CFR 200.458)"
            return f"{days} days before the period, which began on {self.starts_on} (G02, 2 CFR 200.458)"
        return None


def _standing(
    tx: Transaction,
    award_id: str,
    campus: str,
    office: Sequence[_Item],
    told: Sequence[_Item],
    spent: Sequence[_Item],
    limit: int,
) -> AwardStanding:
    portals = sorted({str(one.values["portal"]) for one in told}, key=lambda name: (name == _LAST, name))
    said = tuple(_said(name, [one.values for one in told if one.values["portal"] == name]) for name in portals)
    by_portal = [one for one in told if one.values["portal"] == portals[0]]
    now = _Period.of(one.values for one in by_portal)
    before, changed_at = _before_last_change(tx, by_portal)
    findings, undated = _findings(spent, now, before, changed_at)
    return AwardStanding(
        award_id=award_id,
        campus=campus,
        office=tuple(one.values for one in office),
        said=said,
        judged_by=portals[0],
        spent_lines=len(spent),
        without_day=undated,
        findings=tuple(findings[:limit]),
        left_out=max(0, len(findings) - limit),
    )


def _said(portal: str, records: Sequence[dict[str, Any]]) -> SaidBy:
    period = _Period.of(records)
    amounts = [Decimal(one["obligated_amount"]) for one in records if one.get("obligated_amount") is not None]
    return SaidBy(
        portal=portal,
        records=len(records),
        starts_on=_told(period.starts_on),
        ends_on=_told(period.ends_on),
        obligated=f"{sum(amounts):.2f}" if amounts else None,
    )


def _findings(
    spent: Sequence[_Item], now: _Period, before: _Period | None, changed_at: datetime | None
) -> tuple[list[Spent], int]:
    """What is outside the period, and what was before it changed last and is no more; how many lines have no day."""
    found: list[Spent] = []
    undated = 0
    for one in sorted(spent, key=lambda item: item.key):
        day = _day(one.values.get("incurred_on"))
        if day is None:  # the day of posting tells nothing about when a cost was incurred
            undated += 1
            continue
        problem = now.problem(day)
        was = before.problem(day) if before is not None else None
        if problem is None and was is None:
            continue
        found.append(
            Spent(
                transaction_id=one.key,
                incurred_on=day.isoformat(),
                amount=str(one.values.get("amount")),
                problem=problem,
                was=was,
                changed_at=changed_at if (problem is None) != (was is None) and before is not None else None,
            )
        )
    return found, undated


def _before_last_change(tx: Transaction, records: Sequence[_Item]) -> tuple[_Period | None, datetime | None]:
    """The period as it was before a record's newest change of a day, and when that was posted."""
    newest: tuple[datetime, str, dict[str, Any]] | None = None
    for one in records:
        for row in ledgers.changes_of(tx, one.ledger, one.key, limit=_MOST_RECORDS)[0]:
            if row["before"] is None:
                continue
            was, now = json.loads(row["before"]), json.loads(row["values"])
            if any(was.get(name) != now.get(name) for name in ("starts_on", "ends_on")):
                if newest is None or row["posted_at"] > newest[0]:
                    newest = (row["posted_at"], one.key, was)
                break
    if newest is None:
        return None, None
    at, key, was = newest
    return _Period.of(was if one.key == key else one.values for one in records), at


def _campuses(tx: Transaction) -> list[str]:
    return [name.partition("@")[2] for name in ledgers.names_of(tx, SPONSORS)]


def _items(tx: Transaction, record_type: str, column: str, value: str, campus: str | None = None) -> list[_Item]:
    found = ledgers.items_with(tx, record_type, column, value, campus=campus, limit=_MOST_RECORDS)
    return [_Item(name, key, json.loads(values)) for name, key, values in found]


def _day(told: Any) -> date | None:
    return date.fromisoformat(told) if isinstance(told, str) else None


def _told(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
