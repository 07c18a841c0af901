"""What it means when a portal says something else of an award or an opportunity than before, or a list of an
expenditure. Pure.

Belongs here: from two sets of values to what a person is told. Not here: which portal said so, what was spent
(timeline/awards.py), where it is shown. An award is extended without cost where its end moves and its amount does not
(2 CFR 200.308, G41); what is taken back from it is a deobligation (G38).
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from hub_pipelines.validate.model import Problem

Values = Mapping[str, object]


def award_news(before: Values, after: Values) -> list[Problem]:
    """Of one record of a portal (`grants.sponsor_award`)."""
    funds = _funds(before, after)
    return [*_period(before, after, with_funds=bool(funds)), *funds, *_status(before, after)]


def _period(before: Values, after: Values, *, with_funds: bool) -> list[Problem]:
    was, now = _day(before, "ends_on"), _day(after, "ends_on")
    if was is None or now is None or was == now:
        return []
    moved = f"The period of performance ends on {now} and not on {was}"
    if now < was:
        advice = f"Look at what was charged for days after {now}: it is outside the period now (2 CFR 200.403(h))"
        return [_news("award_shortened", "ends_on", now.isoformat(), f"{moved}: {(was - now).days} days less.", advice)]
    how = "with a change of funds" if with_funds else "a no-cost extension by its amount, which is as before"
    advice = f"What was charged for days from {was} to {now} may be allowable now; `hub why` of the award lists it"
    return [_news("award_extended", "ends_on", now.isoformat(), f"{moved}: {how}.", advice)]


def _funds(before: Values, after: Values) -> list[Problem]:
    was, now = _amount(before), _amount(after)
    if was is None or now is None or was == now:
        return []
    told = f"{now:,.2f} US dollars are obligated and not {was:,.2f}"
    if now > was:
        return [_news("award_funded", "obligated_amount", f"{now:.2f}", f"{told}: {now - was:,.2f} more.", None)]
    advice = "Compare what was spent with what is obligated now"
    reason = f"{told}: {was - now:,.2f} were taken back."
    return [_news("award_deobligated", "obligated_amount", f"{now:.2f}", reason, advice)]


def _status(before: Values, after: Values) -> list[Problem]:
    was, now = before.get("status"), after.get("status")
    if was is None or now is None or was == now:
        return []
    return [_news("award_status", "status", str(now), f"It is {now} and was {was}.", None)]


def expenditure_news(before: Values, after: Values) -> list[Problem]:
    """Of a line of an award's ledger that is charged to another award, or has another amount: its number may have been
    used again for another line, and what stood there is no longer listed. A cost is not shifted to another award to
    meet a deficiency there (2 CFR 200.405(c), G05)."""
    was, now = _charge(before), _charge(after)
    told = f"It was {was} and is {now} now"
    if before.get("award_id") != after.get("award_id"):
        moved = f"{told}: this transaction has moved to another award."
        return [_news("transaction_moved", "award_id", str(after.get("award_id")), moved, _MOVED)]
    if was == now:
        return []
    return [_news("transaction_changed", "amount", str(after.get("amount")), f"{told}.", _CHANGED)]


_ANOTHER = "If it is another transaction, give it a number of its own and list both; "
_MOVED = f"{_ANOTHER}if the cost was transferred, say why in the award's file (2 CFR 200.405(c))"
_CHANGED = f"{_ANOTHER}if it is a correction, nothing is to do"


def _charge(line: Values) -> str:
    return f"{Decimal(str(line['amount'])):,.2f} {line.get('currency') or 'USD'} on award {line.get('award_id')}"


_MILESTONES = {"posted_on": "was posted", "closes_on": "closes for applications", "archives_on": "is archived"}


def opportunity_news(before: Values, after: Values) -> list[Problem]:
    """Of an opportunity: each milestone that has moved."""
    found = []
    for column, what in _MILESTONES.items():
        was, now = before.get(column), after.get(column)
        if was != now:
            told = f"It {what} on {now or 'no set day'} and not on {was or 'no set day'}."
            found.append(_news("milestone_moved", column, None if now is None else str(now), told, None))
    return found


IN_FORCE, EXPIRES_SOON, EXPIRED, NOT_ACTIVE = "in force", "expires within 60 days", "expired", "not active"
"""What the `standing` of a registration may be."""
_ENDED = (EXPIRED, NOT_ACTIVE)
_RENEW = "Have it renewed at SAM.gov: awards need one that is in force (2 CFR 25.200), and a renewal takes days"


def registration_news(before: Values, after: Values) -> list[Problem]:
    """Of a registration at SAM.gov. Its standing is as of the day on which it was read."""
    return [*_renewal(before, after), *_standing(before, after), *_exclusion(before, after)]


def _renewal(before: Values, after: Values) -> list[Problem]:
    was, now = _day(before, "expires_on"), _day(after, "expires_on")
    if was is None or now is None or now <= was:
        return []
    told = f"The registration was renewed: it is in force until {now} and not {was}."
    return [_news("registration_renewed", "expires_on", now.isoformat(), told, None)]


def _standing(before: Values, after: Values) -> list[Problem]:
    was, now, until = before.get("standing"), after.get("standing"), after.get("expires_on")
    if was == now or now is None:
        return []
    if now == EXPIRES_SOON:
        told = f"The registration is in force until {until}, which is within 60 days."
        return [_news("registration_expires", "standing", EXPIRES_SOON, told, _RENEW)]
    if now in _ENDED:
        told = f"The registration is {now}; SAM.gov names {until or 'no day'} as its last."
        return [_news("registration_expired", "standing", str(now), told, _RENEW)]
    told = f"The registration is in force, until {until}."
    return [_news("registration_in_force", "standing", str(now), told, None)] if was in _ENDED else []


def _exclusion(before: Values, after: Values) -> list[Problem]:
    was, now = before.get("excluded"), after.get("excluded")
    if was == now or now is None:
        return []
    if now == "yes":
        told = "SAM.gov excludes the institution from federal awards."
        return [_news("registration_excluded", "excluded", "yes", told, "Ask the agency that excludes it at once")]
    return [_news("exclusion_lifted", "excluded", str(now), "SAM.gov excludes the institution no longer.", None)]


def _news(rule: str, column: str, value: str | None, reason: str, advice: str | None) -> Problem:
    return Problem(rule, column, value, reason, advice, "warn")


def _day(values: Values, column: str) -> date | None:
    told = values.get(column)
    return date.fromisoformat(told) if isinstance(told, str) else None


def _amount(values: Values) -> Decimal | None:
    told = values.get("obligated_amount")
    return Decimal(told) if isinstance(told, str) else None
