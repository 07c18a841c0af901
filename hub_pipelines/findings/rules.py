"""The rules, from an award's terms and a line of expenditure to what they find. Pure.

Ids and tests are those of the compliance office's list: G01 (2 CFR 200.403(h)), G02 (200.458), G38 (what is obligated),
G43 (200.344); the list has none for the recipient's registration (2 CFR 25.200), which is S01 here, nor for its
exclusion from federal awards (2 CFR 180.415), which is S02. A cost counts by the day on which it was incurred, never by
its posting; a line that does not tell that day is not judged by its period.
A credit reduces what was charged and is no cost that was incurred: whenever it comes, it goes back to its award
(2 CFR 200.406, G11), so that neither the period nor closeout is held against it.
What is found keeps no row out of the ledger: its cost is questioned.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal

from hub_pipelines.findings.model import DOLLARS, Judged, Rule
from hub_pipelines.findings.terms import Period, Terms, day_of
from hub_pipelines.ledger.items.model import Placed

_PERIOD = frozenset({"starts_on", "ends_on"})
AFTER_PERIOD = Rule("G01", "2 CFR 200.403(h)", "incurred after the period", _PERIOD, "line")
BEFORE_PERIOD = Rule("G02", "2 CFR 200.458", "incurred before the period", _PERIOD, "line")
OVERSPENT = Rule(
    "G38",
    "2 CFR 200.211(b)(1)",
    "more spent than obligated",
    frozenset({"obligated_amount"}),
    "spending",
    by_day=True,  # it names other campuses that list the award, and none of theirs is a change of this one's
)
LATE_CHARGE = Rule("G43", "2 CFR 200.344", "charged after closeout", _PERIOD, "line")
UNREGISTERED = Rule(
    "S01",
    "2 CFR 25.200",
    "no registration in force",
    frozenset({"ends_on", "recipient_uei", "expires_on", "registration_status"}),
    "award",
    by_day=True,
)
EXCLUDED = Rule(
    "S02",
    "2 CFR 180.415",
    "recipient excluded",
    frozenset({"ends_on", "recipient_uei", "excluded"}),
    "award",
    by_day=True,
)
RULES = {one.rule_id: one for one in (AFTER_PERIOD, BEFORE_PERIOD, OVERSPENT, LATE_CHARGE, UNREGISTERED, EXCLUDED)}
PRE_AWARD_DAYS = 90
CLOSEOUT_DAYS = 120


def of_line(terms: Terms, line: Placed) -> Iterator[Judged]:
    """What is found in one line of an award."""
    if Decimal(str(line.values["amount"])) < 0:
        return
    incurred, posted = day_of(line.values.get("incurred_on")), day_of(line.values.get("posted_on"))
    if incurred is not None and (outside := _outside(terms.period, incurred)) is not None:
        yield _judged(*outside, terms, line)
    ends = terms.period.ends_on
    if ends is not None and posted is not None and Decimal(str(line.values["amount"])) != 0:
        due = ends + timedelta(days=CLOSEOUT_DAYS)
        if posted > due:
            told = f"charged on {posted}, {_days((posted - due).days)} after {due}, when {CLOSEOUT_DAYS} days had gone"
            yield _judged(LATE_CHARGE, f"{told} since the period ended on {ends}", terms, line)


def _outside(period: Period, incurred: date) -> tuple[Rule, str] | None:
    if period.ends_on is not None and incurred > period.ends_on:
        days = (incurred - period.ends_on).days
        return AFTER_PERIOD, f"incurred on {incurred}, {_days(days)} after the period, which ended on {period.ends_on}"
    if period.starts_on is not None and incurred < period.starts_on:
        days = (period.starts_on - incurred).days
        needs = "expanded authority or approval" if days <= PRE_AWARD_DAYS else "the agency's approval"
        began = f"the period, which began on {period.starts_on}"
        return BEFORE_PERIOD, f"incurred on {incurred}, {_days(days)} before {began}: needs {needs}"
    return None


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number:,} days"


def _judged(rule: Rule, told: str, terms: Terms, line: Placed) -> Judged:
    read = ("award_id", "incurred_on", "posted_on")
    facts = {name: str(line.values[name]) for name in read if line.values.get(name)}
    facts |= {"period_by": str(terms.period_by)}
    currency = str(line.values.get("currency") or DOLLARS)
    facts |= {} if currency == DOLLARS else {"currency": currency}
    amount = str(line.values.get("amount"))
    return Judged(rule, line.key, terms.number, told, facts, amount, line.request_id, line.row_no)


def of_award(
    terms: Terms, spent: Decimal, newest: Placed | None, day: date, listed_too_by: Sequence[str]
) -> Iterator[Judged]:
    """What is found in an award as a whole. `spent` is in US dollars; `newest` is the line that was posted last;
    `listed_too_by` are other campuses that list it, whose spending is not in `spent` (decisions/0132)."""
    yield from _overspent(terms, spent, newest, listed_too_by)
    if terms.period.ends_on is None or terms.period.ends_on >= day:
        yield from _unregistered(terms, day)
        yield from _excluded(terms)


def is_overspent(terms: Terms, spent: Decimal) -> bool:
    return terms.obligated is not None and spent > terms.obligated


def _overspent(terms: Terms, spent: Decimal, newest: Placed | None, listed_too_by: Sequence[str]) -> Iterator[Judged]:
    if terms.obligated is None or newest is None or not is_overspent(terms, spent):
        return
    over = spent - terms.obligated
    told = f"{spent:,.2f} US dollars are spent and {terms.obligated:,.2f} obligated: {over:,.2f} more"
    if listed_too_by:
        lists = "lists" if len(listed_too_by) == 1 else "list"
        told += f", without what {' and '.join(listed_too_by)} spent, which {lists} this award, too"
    facts = {"obligated_by": str(terms.obligated_by), "obligated": f"{terms.obligated:.2f}", "spent": f"{spent:.2f}"}
    place = (newest.request_id, newest.row_no)
    yield Judged(OVERSPENT, terms.number, terms.number, told, facts, f"{over:.2f}", *place)


def _unregistered(terms: Terms, day: date) -> Iterator[Judged]:
    """While an award goes on, one of its recipient's registrations must be in force. One that nobody has read is not
    judged."""
    if not terms.registrations or any(_is_in_force(one, day) for one in terms.registrations):
        return
    last = max(terms.registrations, key=lambda one: str(one.values.get("expires_on") or ""))
    uei, until = last.values["uei"], last.values.get("expires_on")
    told = f"the registration of {uei} at SAM.gov is not in force: its last day is {until or 'not told'}"
    facts = {"uei": str(uei), "expires_on": str(until), "status": str(last.values.get("registration_status"))}
    place = (last.request_id, last.row_no)
    yield Judged(UNREGISTERED, terms.number, terms.number, f"{told}, and {_goes_on(terms)}", facts, None, *place)


def _excluded(terms: Terms) -> Iterator[Judged]:
    """While an award goes on, none of its recipient's registrations may say that it is excluded. What is neither yes
    nor no is never read as none (decisions/0083)."""
    one = next((one for one in terms.registrations if str(one.values.get("excluded") or "no").casefold() != "no"), None)
    if one is None:
        return
    uei = str(one.values["uei"])
    told = f"SAM.gov excludes {uei} from federal awards, and {_goes_on(terms)}"
    facts = {"uei": uei, "excluded": str(one.values["excluded"])}
    place = (one.request_id, one.row_no)
    yield Judged(EXCLUDED, terms.number, terms.number, told, facts, None, *place)


def _goes_on(terms: Terms) -> str:
    ends_on = terms.period.ends_on
    return f"the award goes on until {ends_on}" if ends_on else "the award has no end"


def _is_in_force(one: Placed, day: date) -> bool:
    last, status = day_of(one.values.get("expires_on")), one.values.get("registration_status")
    return (last is None or last >= day) and (status is None or str(status).casefold() == "active")
