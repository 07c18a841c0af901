"""Awards out of a campus's ledgers: which of them are touched by what, their terms, and what is found in them.

Belongs here: reading, in one transaction and each ledger once. Not here: what counts (terms.py), what is wrong
(rules.py), keeping it (service.py).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from hub_pipelines.common.store import Transaction
from hub_pipelines.findings import rules
from hub_pipelines.findings.model import DOLLARS, RULES_VERSION, Judged, Mark
from hub_pipelines.findings.terms import OFFICE, REGISTRATIONS, SPENT, SPONSORS, Terms, day_of, terms_of
from hub_pipelines.ledger.changes import store as ledger_changes
from hub_pipelines.ledger.changes.model import Changed
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.items.model import Placed
from hub_pipelines.ledger.model import ledger_name


def ledger_of(record_type: str, campus: str) -> str:
    return ledger_name(record_type, campus, shared=False)


@dataclass(slots=True)
class Touched:
    """By number of an award, as each record told it: what has changed since a mark. `everything`: all are to be judged,
    whatever has changed."""

    everything: bool
    records: dict[str, dict[tuple[str, str], None]] = field(default_factory=lambda: defaultdict(dict))
    """Ledger and key of what the office and sponsors say."""
    lines: dict[str, str] = field(default_factory=dict)
    """The key of the line that was changed last, of those in US dollars."""
    others: set[str] = field(default_factory=set)
    """Of which lines in another currency have changed."""
    registrations: dict[str, dict[tuple[str, str], None]] = field(default_factory=lambda: defaultdict(dict))
    """By UEI ledger and key; nothing of one that has expired since."""

    @property
    def ids(self) -> set[str]:
        return {*self.records, *self.lines, *self.others}

    def take(self, change: Changed) -> None:
        if change.ledger.startswith(f"{REGISTRATIONS}@"):
            self.registrations[str((change.after or change.before or {})["uei"])][change.ledger, change.key] = None
            return
        for one in (change.before or {}, change.after or {}):
            for number in numbers_in(one):
                if not change.ledger.startswith(f"{SPENT}@"):
                    self.records[number][change.ledger, change.key] = None
                elif is_in_sum(one):
                    self.lines[number] = change.key
                else:
                    self.others.add(number)


def is_in_sum(line: Mapping[str, object]) -> bool:
    """Whether an expenditure is in US dollars; no other currency is converted."""
    return line.get("currency", DOLLARS) == DOLLARS


def numbers_in(values: Mapping[str, object]) -> Iterator[str]:
    """All numbers of an award that a record names."""
    yield from (str(values[name]) for name in ("award_id", "fain") if values.get(name))


def touched_since(tx: Transaction, mark: Mark, campus: str, day: date) -> Touched:
    found = Touched(everything=not mark.versions or mark.rules_version != RULES_VERSION)
    few = (OFFICE, SPONSORS, REGISTRATIONS)
    for record_type in few if found.everything else (*few, SPENT):
        name = ledger_of(record_type, campus)
        for change in ledger_changes.changes_since(tx, name, mark.versions.get(name, 0)):
            found.take(change)
    if mark.day is not None and mark.day < day and not found.everything:
        for one in ledger_items.placed_items(tx, ledger_of(REGISTRATIONS, campus)):
            last = day_of(one.values.get("expires_on"))
            if last is not None and mark.day <= last < day:
                found.registrations.setdefault(str(one.values["uei"]), {})
    return found


def awards_of_recipients(tx: Transaction, campus: str, ueis: Collection[str]) -> set[str]:
    """Numbers of the awards that these have, as sponsors' portals tell."""
    told = ledger_items.items_saying(tx, ledger_of(SPONSORS, campus), "recipient_uei", ueis)
    return {str(one.values["award_id"]) for one in told}


def awards_of(tx: Transaction, campus: str, ids: Collection[str] | None) -> list[Terms]:
    """The awards that these numbers mean, all for None; only such that the office or a portal tells of."""
    listed = list(ledger_items.placed_items(tx, ledger_of(OFFICE, campus)))
    number_of = sponsors_numbers({str(one.values["award_id"]): one.values.get("fain") for one in listed})
    wanted = None if ids is None else {number_of.get(one, one) for one in ids}
    office: dict[str, list[Placed]] = defaultdict(list)
    for one in listed:
        number = number_of[str(one.values["award_id"])]
        if wanted is None or number in wanted:
            office[number].append(one)
    told: dict[str, list[Placed]] = defaultdict(list)
    for one in _told(tx, campus, wanted, office):
        number = str(one.values["award_id"])
        told[number_of.get(number, number)].append(one)
    registrations: dict[str, list[Placed]] = defaultdict(list)
    for one in ledger_items.placed_items(tx, ledger_of(REGISTRATIONS, campus)):
        registrations[str(one.values["uei"])].append(one)
    numbers = dict.fromkeys((*office, *told))
    return [terms_of(number, office[number], told[number], registrations) for number in numbers]


def numbers_of(tx: Transaction, campus: str, number: str) -> set[str]:
    """All numbers of the awards that this one means at a campus; none where nobody tells of such an award."""
    return {one for terms in awards_of(tx, campus, {number}) for one in terms.ids}


def sponsors_numbers(listed: Mapping[str, object]) -> dict[str, str]:
    """Of each number in the office's list that of its award, from the FAIN that each tells (None: no other). A FAIN may
    itself be a number of the list, with a FAIN of its own: all of them are one award. Where they go in a circle the
    first of its numbers stands for all."""
    return {number: _followed(listed, number) for number in listed}


def _followed(listed: Mapping[str, object], number: str) -> str:
    way: dict[str, None] = {}
    while number not in way:
        way[number] = None
        number = str(listed.get(number) or number)
    return min(list(way)[list(way).index(number) :])


def _told(
    tx: Transaction, campus: str, wanted: set[str] | None, office: Mapping[str, Iterable[Placed]]
) -> Iterator[Placed]:
    name = ledger_of(SPONSORS, campus)
    if wanted is None:
        return ledger_items.placed_items(tx, name)
    own = (str(one.values["award_id"]) for some in office.values() for one in some)
    return ledger_items.items_saying(tx, name, "award_id", {*wanted, *own})


@dataclass(slots=True)
class Spending:
    """What was spent on one award. `undated` lines do not tell when their cost was incurred, `others` are in another
    currency and in no sum. `newest` is the line of the sum that was set last."""

    lines: int = 0
    undated: int = 0
    others: int = 0
    dollars: Decimal = Decimal(0)
    newest: Placed | None = None

    def take(self, line: Placed) -> None:
        self.lines += 1
        self.undated += line.values.get("incurred_on") is None
        if not is_in_sum(line.values):
            self.others += 1
            return
        self.dollars += Decimal(str(line.values["amount"]))
        if self.newest is None or (self.newest.version, self.newest.row_no) < (line.version, line.row_no):
            self.newest = line


def listed_too(tx: Transaction, numbers: Collection[str], others: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """By its number, of each of these awards that other campuses list as well, which of them do."""
    found: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for campus in others if numbers else ():
        for terms in awards_of(tx, campus, set(numbers)):
            if terms.number in numbers:
                found[terms.number] += (campus,)
    return found


def judge(
    tx: Transaction, campus: str, awards: Iterable[Terms], day: date, campuses: Iterable[str]
) -> tuple[dict[tuple[str, str], Judged], dict[str, Spending]]:
    """What the rules find in a campus's awards, by rule and subject, and what was spent on each, by its number.
    `campuses` are all that there are."""
    known = {terms.number: terms for terms in awards}
    by_id = {one: terms for terms in known.values() for one in terms.ids}
    spending = {number: Spending() for number in known}
    found: list[Judged] = []
    for line in ledger_items.items_saying(tx, ledger_of(SPENT, campus), "award_id", by_id):
        terms = by_id[str(line.values["award_id"])]
        spending[terms.number].take(line)
        found += rules.of_line(terms, line)
    over = {number for number, spent in spending.items() if rules.is_overspent(known[number], spent.dollars)}
    shared = listed_too(tx, over, [one for one in campuses if one != campus])
    for number, spent in spending.items():
        found += rules.of_award(known[number], spent.dollars, spent.newest, day, shared.get(number, ()))
    return {one.name: one for one in found}, spending
