"""An award as the office and its sponsors' portals tell it now, and what the rules find in what was spent on it.

Belongs here: the award's page. What is found now is reckoned whenever it is asked for and held against the findings
that are kept, so that none that is shown is older than the award (decisions/0082). Not here: the rules (findings).
"""

from collections.abc import Mapping, Sequence
from itertools import islice

from hub_pipelines.common.store import Transaction
from hub_pipelines.findings import store as findings
from hub_pipelines.findings.awards import Spending, awards_of, judge, ledger_of
from hub_pipelines.findings.model import DOLLARS, Finding, Judged, currency_in, money
from hub_pipelines.findings.service import Findings
from hub_pipelines.findings.terms import OFFICE, SPENT, SPONSORS, Period, Terms, obligated_of, portals_of
from hub_pipelines.findings.unjudged import listed_by
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.items.model import Placed
from hub_pipelines.timeline.model import AwardStanding, Charge, Charged, OfAward, SaidBy
from hub_pipelines.validate.feeds.types import in_plain_letters
from hub_pipelines.validate.model import excel_row


def awards_named(kept: Findings, tx: Transaction, text: str, limit: int) -> list[AwardStanding]:
    """One for each campus that has an award with this number, the office's or the sponsor's."""
    wanted = in_plain_letters(text).strip().upper()
    if not wanted:
        return []
    named = {name.partition("@")[2] for one in (OFFICE, SPONSORS) for name in ledger_items.names_of(tx, one)}
    found = []
    for campus in sorted(named & set(kept.campuses)):
        for terms in awards_of(tx, campus, {wanted}):
            judged, spending = judge(tx, campus, [terms], kept.day_of(campus), kept.campuses)
            numbers = {wanted, *terms.ids}
            stored = findings.all_of_awards(tx, campus, numbers)
            told = _findings(stored, judged)
            found.append(_standing(kept, tx, wanted, campus, terms, spending[terms.number], told, limit))
    return found


def charged_to(kept: Findings, tx: Transaction, text: str, limit: int) -> list[Charged]:
    """One for each campus that has spent on an award with this number and does not list it. Reads expenditures."""
    wanted = in_plain_letters(text).strip().upper()
    spent = {name.partition("@")[2] for name in ledger_items.names_of(tx, SPENT)} if wanted else set()
    listing = [one for one in kept.campuses if listed_by(tx, one, {wanted})] if spent else []
    found = []
    for campus in sorted(spent & set(kept.campuses) - set(listing)):
        name = ledger_of(SPENT, campus)
        lines = ledger_items.items_saying(tx, name, "award_id", {wanted})
        first = tuple(map(_charge, islice(lines, limit)))
        if first:
            left = sum(1 for _ in lines)
            found.append(Charged(wanted, campus, name, len(first) + left, first, tuple(listing)))
    return found


def _charge(line: Placed) -> Charge:
    amount = money(str(line.values["amount"]), str(line.values.get("currency") or DOLLARS))
    return Charge(line.key, amount, str(line.values["posted_on"]), line.request_id, excel_row(line.row_no))


def records_of_award(tx: Transaction, text: str, limit: int) -> list[tuple[str, str]]:
    """(ledger, key) of what portals say of an award with this number."""
    found = ledger_items.items_with(tx, SPONSORS, "award_id", in_plain_letters(text).strip().upper(), limit=limit)
    return [(name, key) for name, key, _ in found]


def _standing(
    kept: Findings,
    tx: Transaction,
    award_id: str,
    campus: str,
    terms: Terms,
    spent: Spending,
    told: Sequence[OfAward],
    limit: int,
) -> AwardStanding:
    mark = findings.mark_of(tx, campus)
    return AwardStanding(
        award_id=award_id,
        campus=campus,
        office=tuple(one.values for one in terms.office),
        said=tuple(_said(portal, terms) for portal in portals_of(terms.told)),
        judged_by=terms.period_by,
        obligated_by=terms.obligated_by,
        spent_lines=spent.lines,
        spent=f"{spent.dollars:.2f}",
        without_day=spent.undated,
        others=spent.others,
        registrations=tuple(one.values for one in terms.registrations),
        findings=tuple(told[:limit]),
        left_out=max(0, len(told) - limit),
        versions=mark.versions,
        evaluated_at=mark.evaluated_at,
        is_current=kept.is_current(tx, mark),
    )


def _said(portal: str, terms: Terms) -> SaidBy:
    records = [one.values for one in terms.told if one.values["portal"] == portal]
    period, obligated = Period.of(records), obligated_of(records)
    return SaidBy(
        portal=portal,
        records=len(records),
        starts_on=period.starts_on.isoformat() if period.starts_on else None,
        ends_on=period.ends_on.isoformat() if period.ends_on else None,
        obligated=None if obligated is None else f"{obligated:.2f}",
    )


def _findings(stored: Sequence[Finding], judged: Mapping[tuple[str, str], Judged]) -> list[OfAward]:
    """Open ones first, as the rules find them now, then closed ones with what closed them."""
    opened = {one.name: one for one in stored if one.closed_at is None}
    now = [_now(opened.get(name), one) for name, one in sorted(judged.items(), key=lambda pair: pair[0])]
    gone = [_kept(one) for name, one in opened.items() if name not in judged]
    return [*now, *gone, *(_kept(one) for one in stored if one.closed_at is not None)]


def _now(stored: Finding | None, one: Judged) -> OfAward:
    return OfAward(
        finding_id=stored.finding_id if stored else None,
        rule_id=one.rule.rule_id,
        citation=one.rule.citation,
        subject=one.subject,
        amount=one.amount,
        currency=currency_in(one.facts),
        told=one.told,
        request_id=one.request_id,
        row=None if one.row_no is None else excel_row(one.row_no),
        is_found=True,
        opened_at=stored.opened_at if stored else None,
        opened_by=stored.opened_by.what if stored else None,
    )


def _kept(one: Finding) -> OfAward:
    return OfAward(
        finding_id=one.finding_id,
        rule_id=one.rule_id,
        citation=one.citation,
        subject=one.subject,
        amount=one.amount,
        currency=one.currency,
        told=one.told,
        request_id=one.request_id,
        row=one.row,
        is_found=False,
        opened_at=one.opened_at,
        opened_by=one.opened_by.what,
        closed_at=one.closed_at,
        closed_by=one.closed_by.what if one.closed_by else None,
    )
