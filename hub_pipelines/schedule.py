"""The retention schedule as it stands: for each record type and campus, from when its rule would let something go.

Every date is read from the ledgers. A submission counts as free only when every one of its entries is, when its entries
tell all of it, and when no hold covers it. Nothing is removed by this: the hub deletes no archived file at any age.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from hub_pipelines.common.store import Transaction, per_query
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import ledger_name
from hub_pipelines.retention import store as retention
from hub_pipelines.retention.model import SCHEDULE, Rule, years_after
from hub_pipelines.validate.model import RecordType


@dataclass(slots=True)
class Standing:
    """One record type of one campus. `free_from` is the earliest day on which a submission of it is free."""

    record_type: str
    campus: str
    rule: str
    citation: str
    keep_years: int
    counts_from: str
    submissions: int = 0
    free_now: int = 0
    free_from: date | None = None
    kept: dict[str, int] = field(default_factory=dict)
    """How many submissions are kept for which reason."""


@dataclass(slots=True)
class _One:
    """A submission while its entries are read: the latest day on which one of them is free."""

    free_from: date | None = None
    without_date: bool = False
    is_whole: bool = True


def standing(hub: Hub, campus: str | None = None, feed: str | None = None) -> list[Standing]:
    """What the schedule says of what is in the ledgers today."""
    found = []
    with hub.db.read() as tx:
        for record in (record for one in hub.feeds.values() for record in one.record_types):
            if feed is not None and record.name.partition(".")[0] != feed:
                continue
            rule = SCHEDULE[record.name]
            for one in hub.campuses if campus is None else [campus]:
                found.append(_of_campus(hub, tx, record, rule, one))
    return found


def _of_campus(hub: Hub, tx: Transaction, record: RecordType, rule: Rule, campus: str) -> Standing:
    told = Standing(record.name, campus, rule.rule, rule.citation, rule.years, rule.counts_from)
    each = _submissions(hub, tx, record, rule, campus)
    held = _held(hub, tx, list(each))
    today = hub.campuses[campus].day_of(hub.intake.now())
    for request_id, one in each.items():
        told.submissions += 1
        why = _why_kept(one, held.get(request_id), rule, today)
        if why is not None:
            told.kept[why] = told.kept.get(why, 0) + 1
        else:
            told.free_now += 1
        if one.free_from is not None and not one.without_date and one.is_whole and request_id not in held:
            told.free_from = min(told.free_from or one.free_from, one.free_from)
    return told


def _why_kept(one: _One, hold: str | None, rule: Rule, today: date) -> str | None:
    if hold is not None:
        return f"legal hold {hold}"
    if one.without_date or one.free_from is None:
        return f"no date recorded of the {rule.counts_from}"
    if not one.is_whole:
        return "some of its rows left no ledger entry, so that their dates can't be told"
    return "not yet due" if one.free_from > today else None


def _held(hub: Hub, tx: Transaction, request_ids: list[str]) -> dict[str, str]:
    held: dict[str, str] = {}
    for some in per_query(request_ids):
        held |= retention.covered(tx, some, hub.holds.feeds_of)
    return held


def _submissions(hub: Hub, tx: Transaction, record: RecordType, rule: Rule, campus: str) -> dict[str, _One]:
    name = ledger_name(record.name, campus, shared=record.shared)
    dates = _dates(hub, tx, record, rule, campus)
    found: dict[str, _One] = {}
    for entry in retention.entries_with_submission(tx, name):
        if entry.campus != campus:
            continue
        one = found.setdefault(entry.request_id, _One())
        one.is_whole = one.is_whole and bool(entry.whole)
        by = rule.basis.by_column if rule.basis else None
        item = entry.key if by is None else str(json.loads(entry.values).get(by))
        day = dates.get(item)
        if day is None:
            one.without_date = True
        else:
            free = years_after(day, rule.years)
            one.free_from = max(one.free_from or free, free)
    return found


def _dates(hub: Hub, tx: Transaction, record: RecordType, rule: Rule, campus: str) -> dict[str, date]:
    """The day from which the rule counts, by key of the item that tells it, as its ledger has it now."""
    basis = rule.basis
    if basis is None:
        return {}
    source = _record_type(hub, basis.of_record_type) if basis.of_record_type else record
    if source is None:
        return {}
    rows = retention.current_values(tx, ledger_name(source.name, campus, shared=source.shared))
    return dict(_days(rows, basis.column))


def _days(rows: Iterable[tuple[str, str]], column: str) -> Iterable[tuple[str, date]]:
    for key, values in rows:
        if text := json.loads(values).get(column):
            yield key, date.fromisoformat(text)


def _record_type(hub: Hub, name: str) -> RecordType | None:
    known = {one.name: one for feed in hub.feeds.values() for one in feed.record_types}
    return known.get(name)
