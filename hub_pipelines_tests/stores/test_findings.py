"""Findings about awards: opened and closed once, by what caused it, and never older than the award."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import openpyxl
import pytest
from sqlalchemy import text

from hub_pipelines.audit import store as audit
from hub_pipelines.common.scope import Scope
from hub_pipelines.evidence import verify_all
from hub_pipelines.findings import store
from hub_pipelines.findings.awards import sponsors_numbers
from hub_pipelines.findings.model import RULES_VERSION, Overtaken
from hub_pipelines.findings.service import Findings
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.model import Delivery, Incoming
from hub_pipelines.timeline.model import AwardStanding, OfAward
from hub_pipelines.timeline.service import explain
from hub_pipelines_tests.commands import answer, printed
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import settle, take
from hub_pipelines_tests.stores.test_award_news import GRANTS, post, says, spent
from hub_pipelines_tests.support import process, send

AWARD = "R01GM100001"


def open_now(hub: Hub) -> list[tuple[str, str]]:
    with hub.db.read() as tx:
        return sorted(one.name for one in store.open_of_awards(tx, "north", None))


def told(hub: Hub) -> list[tuple[str, str, str | None]]:
    """Event, finding's rule and subject, and what caused it, of each audit entry about findings."""
    with hub.db.read() as tx:
        entries = [one.event for one in audit.chain(tx, "north") if one.event.event.startswith("finding:")]
    return [
        (one.event, f"{one.detail['rule']} {one.detail['subject']}", str(one.detail["because_of"])) for one in entries
    ]


def standing(hub: Hub, asked: str = AWARD) -> AwardStanding:
    (found,) = explain(hub, asked).awards
    return found


def of_rule(award: AwardStanding, rule: str) -> list[OfAward]:
    return [one for one in award.findings if one.rule_id == rule]


def test_an_extension_closes_what_it_makes_allowable_and_a_cut_opens_it_again(hub: Hub) -> None:
    says(hub, 1)
    spent(
        hub,
        f"T-1,{AWARD},120.00,2025-08-01,2025-07-15",
        f"T-2,{AWARD},80.00,2025-03-01,2025-02-15",
        f"T-3,{AWARD},10.00,2024-06-01,2024-05-20",
        f"T-4,{AWARD},10.00,2025-08-01,",
    )
    first = hub.findings.evaluate("north")
    assert {(one.rule_id, one.subject): one.told for one in first.opened} == {
        ("G01", "T-1"): "incurred on 2025-07-15, 15 days after the period, which ended on 2025-06-30",
        ("G02", "T-3"): "incurred on 2024-05-20, 42 days before the period, which began on 2024-07-01: needs expanded "
        "authority or approval",
    }
    assert all(one.request_id is not None and one.row_no in (2, 4) for one in first.opened)

    says(hub, 2, ends_on="2026-06-30")
    second = hub.findings.evaluate("north")

    (closed,) = second.closed
    assert (closed.rule_id, closed.subject, second.opened, second.stay) == ("G01", "T-1", (), 1)
    assert closed.closed_by is not None
    assert closed.closed_by.what.startswith("the no-cost extension told by NIH on ")

    says(hub, 3, ends_on="2025-06-30")
    third = hub.findings.evaluate("north")

    assert [(one.subject, one.number) for one in third.opened] == [("T-1", 2)]
    assert third.opened[0].opened_by.what.startswith("the shorter period told by NIH on ")
    states = [(one.subject, one.closed_at is None) for one in standing(hub).findings]
    assert states == [("T-1", True), ("T-3", True), ("T-1", False)]
    assert_invariants(hub)


def test_each_opening_and_closing_is_in_the_chain_with_the_posting_that_caused_it(hub: Hub) -> None:
    says(hub, 1)
    spent(hub, f"T-1,{AWARD},120.00,2025-08-01,2025-07-15")
    hub.findings.evaluate("north")
    says(hub, 2, ends_on="2026-06-30")
    hub.findings.evaluate("north", actor="person/ann")

    opened, closed = told(hub)

    assert opened[:2] == ("finding:opened", "G01 T-1")
    assert opened[2].startswith("the posting of line T-1 on ")  # type: ignore[union-attr]
    assert closed[:2] == ("finding:closed", "G01 T-1")
    (item,) = [one for one in explain(hub, AWARD).items if one.ledger == "grants.sponsor_award@north"]
    (story,) = explain(hub, item.changes[-1].request_id).stories
    assert any(
        "G01 on T-1 closed by the no-cost extension told by NIH" in one.what and one.by == "person/ann"
        for one in story.moments
    )


def test_judging_again_changes_nothing(hub: Hub) -> None:
    says(hub, 1)
    spent(hub, f"T-1,{AWARD},120.00,2025-08-01,2025-07-15")
    hub.findings.evaluate("north")
    before = told(hub)

    again = hub.findings.evaluate("north")

    assert (again.awards, again.opened, again.closed, again.stay) == (0, (), (), 1)
    assert told(hub) == before
    assert hub.findings.due(quiet=timedelta(0), at_latest=timedelta(0)) == {}


def test_only_awards_that_were_touched_are_judged(hub: Hub) -> None:
    says(hub, 1)
    says(hub, 2, record_id="1002", award_id="R01GM100002")
    spent(hub, f"T-1,{AWARD},120.00,2025-08-01,2025-07-15", "T-2,R01GM100002,120.00,2025-08-01,2025-07-15")
    assert hub.findings.evaluate("north").awards == 2

    says(hub, 3, record_id="1002", award_id="R01GM100002", ends_on="2026-06-30")
    after = hub.findings.evaluate("north")

    assert (after.awards, [one.subject for one in after.closed], after.stay) == (1, ["T-2"], 1)


def test_a_line_that_is_corrected_closes_its_finding_and_one_that_moves_takes_it_along(hub: Hub) -> None:
    says(hub, 1)
    says(hub, 2, record_id="1002", award_id="R01GM100002")
    spent(hub, f"T-1,{AWARD},120.00,2025-08-01,2025-07-15", f"T-2,{AWARD},5.00,2025-08-01,2025-07-15")
    hub.findings.evaluate("north")

    spent(hub, f"T-1,{AWARD},120.00,2025-08-01,2025-06-15", "T-2,R01GM100002,5.00,2025-08-01,2025-07-15")
    after = hub.findings.evaluate("north")

    (closed,) = after.closed
    assert closed.closed_by is not None
    assert closed.subject == "T-1"
    assert "the correction of line T-1 on " in closed.closed_by.what
    assert "(incurred_on 2025-07-15 → 2025-06-15)" in closed.closed_by.what
    with hub.db.read() as tx:
        assert [(one.subject, one.award) for one in store.open_of_awards(tx, "north", None)] == [("T-2", "R01GM100002")]


def test_a_charge_is_late_120_days_after_the_end_and_a_credit_never_is(hub: Hub) -> None:
    says(hub, 1)
    spent(
        hub,
        f"T-1,{AWARD},120.00,2025-10-28,2025-06-15",
        f"T-2,{AWARD},120.00,2025-10-29,2025-06-15",
        f"T-3,{AWARD},-120.00,2025-10-29,2025-06-15",
    )
    hub.findings.evaluate("north")

    assert open_now(hub) == [("G43", "T-2")]
    (late,) = of_rule(standing(hub), "G43")
    assert late.told.startswith("charged on 2025-10-29, 1 day after 2025-10-28")


def test_a_credit_is_no_cost_outside_the_period_whenever_it_comes(hub: Hub) -> None:
    says(hub, 1)
    spent(
        hub,
        f"T-1,{AWARD},-5.00,2025-08-01,2025-07-15",
        f"T-2,{AWARD},-5.00,2024-06-15,2024-06-01",
        f"T-3,{AWARD},5.00,2025-08-01,2025-07-15",
    )
    hub.findings.evaluate("north")
    assert open_now(hub) == [("G01", "T-3")]

    spent(hub, f"T-3,{AWARD},-5.00,2025-08-01,2025-07-15")
    (closed,) = hub.findings.evaluate("north").closed

    assert closed.closed_by is not None
    assert "(amount 5.00 → -5.00)" in closed.closed_by.what
    assert open_now(hub) == []


def test_a_finding_that_other_rules_had_opened_is_closed_by_these(hub: Hub) -> None:
    says(hub, 1)
    spent(hub, f"T-1,{AWARD},120.00,2025-08-01,2025-07-15", f"T-2,{AWARD},-5.00,2025-08-01,2025-07-15")
    hub.findings.evaluate("north")
    with hub.db.write() as tx:
        (charge,) = store.open_of_awards(tx, "north", None)
        store.add(tx, replace(charge, finding_id="finding-of-a-credit", subject="T-2", rules_version=2))
        mark = store.mark_of(tx, "north")
        store.keep(tx, replace(mark, rules_version=2))

    (closed,) = hub.findings.evaluate("north").closed

    assert (closed.subject, closed.closed_by and closed.closed_by.what) == (
        "T-2",
        f"the rules as of version {RULES_VERSION}",
    )


def test_more_spent_than_obligated_is_one_finding_of_the_award_until_funds_come(hub: Hub) -> None:
    says(hub, 1, portal="NSF", obligated_amount="100.00")
    spent(hub, f"T-1,{AWARD},70.00,2025-03-01,2025-02-15", f"T-2,{AWARD},50.00,2025-03-01,2025-02-15")
    hub.findings.evaluate("north")
    (found,) = of_rule(standing(hub), "G38")
    assert (found.subject, found.amount) == (AWARD, "20.00")
    assert found.told == "120.00 US dollars are spent and 100.00 obligated: 20.00 more"

    spent(hub, f"T-3,{AWARD},1.00,2025-03-01,2025-02-15")
    hub.findings.evaluate("north")
    (again,) = of_rule(standing(hub), "G38")
    assert (again.finding_id, again.opened_at, again.amount) == (found.finding_id, found.opened_at, "21.00")

    says(hub, 2, portal="NSF", obligated_amount="500.00")
    hub.findings.evaluate("north")
    (closed,) = of_rule(standing(hub), "G38")
    assert closed.closed_by is not None
    assert closed.closed_by.startswith("the new funds told by NSF on ")


def listed_in_the_south(hub: Hub, award: str, fain: str) -> None:
    data = f"award_id,starts_on,ends_on,obligated_amount,fain\n{award},2024-07-01,2025-06-30,50,{fain}\n"
    process(hub, str(send(hub, "south.csv", data.encode(), scope=Scope("south", "grants")).request_id))


def test_an_overspending_says_that_another_campus_lists_the_award_too(hub: Hub) -> None:
    says(hub, 1, portal="NSF", obligated_amount="100.00")
    spent(hub, f"T-1,{AWARD},120.00,2025-03-01,2025-02-15")
    listed_in_the_south(hub, "S-7", AWARD)
    told = "120.00 US dollars are spent and 100.00 obligated: 20.00 more"

    (opened,) = on(hub.findings, "2026-11-29").evaluate("north").opened

    assert opened.told == f"{told}, without what south spent, which lists this award, too"
    listed_in_the_south(hub, "S-7", "R01GM100002")
    on(hub.findings, "2026-11-30").evaluate("north")
    with hub.db.read() as tx:
        assert [one.told for one in store.open_of_awards(tx, "north", None)] == [told]


def test_what_opened_an_overspending_is_a_line_of_the_sum_and_none_in_another_currency(hub: Hub) -> None:
    says(hub, 1, portal="NSF", obligated_amount="1000.00")
    lines = (
        f"T-12,{AWARD},1000.01,USD,2025-03-01,2025-02-15",
        f"T-13,{AWARD},5000.00,EUR,2025-03-01,2025-02-15",
    )
    text_ = "\n".join(["transaction_id,award_id,amount,currency,posted_on,incurred_on", *lines])
    post(hub, "spent.csv", text_.encode())

    (opened,) = hub.findings.evaluate("north").opened

    assert (opened.rule_id, opened.amount, opened.row) == ("G38", "0.01", 2)
    assert opened.opened_by.what.startswith("the posting of line T-12 on ")


def test_nihs_records_are_an_awards_amount_only_with_its_first_year(hub: Hub) -> None:
    says(hub, 1, obligated_amount="100.00", budget_starts_on="2024-12-01")
    spent(hub, f"T-1,{AWARD},120.00,2025-03-01,2025-02-15")
    hub.findings.evaluate("north")
    assert open_now(hub) == []

    says(hub, 2, record_id="1000", obligated_amount="10.00", budget_starts_on="2024-07-01")
    hub.findings.evaluate("north")
    assert open_now(hub) == [("G38", AWARD)]


def test_where_no_portal_tells_the_offices_own_list_counts(hub: Hub) -> None:
    post(hub, "awards.csv", b"award_id,starts_on,ends_on,obligated_amount\nAWD-7,2024-07-01,2025-06-30,100\n")
    spent(hub, "T-1,AWD-7,120.00,2025-08-01,2025-07-15")
    hub.findings.evaluate("north")
    assert open_now(hub) == [("G01", "T-1"), ("G38", "AWD-7")]

    changed = b"award_id,starts_on,ends_on,obligated_amount\nAWD-7,2024-07-01,2025-12-31,200\n"
    post(hub, "awards.csv", changed)
    closed = hub.findings.evaluate("north").closed

    why = {one.rule_id: one.closed_by.what for one in closed if one.closed_by}
    assert why["G01"].endswith("(ends_on 2025-06-30 → 2025-12-31)")
    assert why["G38"].endswith("(obligated_amount 100.00 → 200.00)")


def test_an_award_that_gets_its_sponsors_number_is_judged_by_what_that_says(hub: Hub) -> None:
    says(hub, 1)
    post(hub, "awards.csv", b"award_id,starts_on,ends_on,obligated_amount\nAWD-7,2024-07-01,2026-06-30,1000\n")
    spent(hub, "T-1,AWD-7,120.00,2025-08-01,2025-07-15")
    hub.findings.evaluate("north")
    assert open_now(hub) == []

    linked = f"award_id,starts_on,ends_on,obligated_amount,fain\nAWD-7,2024-07-01,2026-06-30,1000,{AWARD}\n"
    post(hub, "awards.csv", linked.encode())
    (opened,) = hub.findings.evaluate("north").opened

    assert (opened.rule_id, opened.subject, opened.award) == ("G01", "T-1", AWARD)
    assert f"(fain empty → {AWARD})" in opened.opened_by.what


def test_a_sponsors_number_that_is_another_rows_number_in_the_offices_list_means_one_award(hub: Hub) -> None:
    listed = "award_id,starts_on,ends_on,obligated_amount,fain\n"
    post(hub, "awards.csv", f"{listed}AWD-1,2024-07-01,2026-06-30,1000,AWD-2\n".encode())
    post(hub, "more.csv", f"{listed}AWD-2,2024-07-01,2026-06-30,1000,{AWARD}\n".encode())
    says(hub, 1)
    hub.findings.evaluate("north")

    spent(hub, "T-1,AWD-1,120.00,2025-08-01,2025-07-15", "T-2,AWD-2,80.00,2025-08-01,2025-07-15")
    opened = hub.findings.evaluate("north").opened

    assert sorted((one.rule_id, one.subject, one.award) for one in opened) == [
        ("G01", "T-1", AWARD),
        ("G01", "T-2", AWARD),
    ]
    assert sponsors_numbers({"A": "B", "B": "C", "C": "A", "D": "A", "E": None}) == {
        **dict.fromkeys("ABCD", "A"),
        "E": "E",
    }


def test_a_line_in_another_currency_and_on_another_sheet_is_told_as_it_is_there(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(hub, 1)
    book = openpyxl.Workbook()
    for number, sheet in enumerate((book.active, book.create_sheet("More")), start=1):
        sheet.append(["transaction_id", "award_id", "amount", "currency", "posted_on", "incurred_on"])
        sheet.append([f"T-{number}", AWARD, "1200.50", "EUR", "2025-08-01", "2025-07-15"])
    bytes_ = io.BytesIO()
    book.save(bytes_)
    post(hub, "spent.xlsx", bytes_.getvalue())
    monkeypatch.setenv("HUB_HOME", str(hub.settings.home))
    monkeypatch.setenv("HUB_DATABASE_URL", hub.settings.database_url)

    printed("findings", "evaluate")

    assert open_now(hub) == [("G01", "T-1"), ("G01", "T-2")]
    for told in (printed("findings", "list"), printed("why", AWARD)):
        assert "T-2, 1,200.50 EUR" in told
        assert told.count("row 2 of north-grants-") == 2
    html, table = (one.read_text(encoding="utf-8") for one in hub.findings_page.paths)
    assert html.count('<td class="number">1,200.50 EUR</td>') == 2
    assert html.count("<small>row 2</small>") == 2
    rows = list(csv.DictReader(table.splitlines()))
    assert [(one["amount"], one["currency"], one["row"]) for one in rows] == [("1200.50", "EUR", "2")] * 2
    kept = answer("findings", "list")["findings"]
    assert [(one["row"], one["currency"]) for one in kept] == [(2, "EUR")] * 2


def test_what_is_shown_is_of_now_though_nothing_was_evaluated_since(hub: Hub) -> None:
    says(hub, 1)
    spent(hub, f"T-1,{AWARD},120.00,2025-08-01,2025-07-15")
    (found,) = standing(hub).findings
    assert (found.opened_at, found.is_found, standing(hub).evaluated_at) == (None, True, None)
    hub.findings.evaluate("north")
    assert standing(hub).is_current
    assert standing(hub).versions == {"grants.sponsor_award@north": 1, "grants.expenditure@north": 1}

    says(hub, 2, ends_on="2026-06-30")

    after = standing(hub)
    assert [(one.is_found, one.closed_at) for one in after.findings] == [(False, None)]
    assert not after.is_current


def test_who_was_overtaken_writes_nothing(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    says(hub, 1)
    spent(hub, f"T-1,{AWARD},120.00,2025-08-01,2025-07-15")
    look = Findings._look

    def slowly(self: Findings, tx: Any, mark: Any) -> Any:
        seen = look(self, tx, mark)
        monkeypatch.setattr(Findings, "_look", look)
        says(hub, 2, ends_on="2026-06-30")
        assert hub.findings.evaluate("north").opened == ()
        return seen

    monkeypatch.setattr(Findings, "_look", slowly)
    with pytest.raises(Overtaken):
        hub.findings.evaluate("north")

    assert open_now(hub) == []
    assert told(hub) == []


def test_a_day_that_begins_and_a_posting_make_a_campus_due(hub: Hub) -> None:
    def due(kept: Findings, *, quiet_s: float = 0.0) -> list[str]:
        return list(kept.due(quiet=timedelta(seconds=quiet_s), at_latest=timedelta(hours=1)))

    began = datetime.now(UTC)
    today = replace(hub.findings, now=lambda: began)
    assert due(today) == []
    says(hub, 1)
    assert due(today) == ["north"]
    today.evaluate("north")
    assert due(today) == []
    assert due(replace(hub.findings, now=lambda: began + timedelta(days=1))) == ["north"]
    says(hub, 2, ends_on="2026-06-30")
    assert due(today) == ["north"]
    assert due(today, quiet_s=60) == []


def test_the_command_lists_evaluates_and_writes_the_page(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    says(hub, 1)
    spent(hub, f"T-1,{AWARD},120.00,2025-08-01,2025-07-15", f"=T-2,{AWARD},5.00,2025-08-01,2025-07-15")
    monkeypatch.setenv("HUB_HOME", str(hub.settings.home))
    monkeypatch.setenv("HUB_DATABASE_URL", hub.settings.database_url)

    assert "north was evaluated never" in printed("findings", "list")
    assert "north: 1 awards judged, 2 findings opened, 0 closed, 2 open" in printed(
        "findings", "evaluate", "--by", "ann"
    )

    page = printed("findings", "list", "--campus", "north")
    assert "open  north  R01GM100001  G01 (2 CFR 200.403(h))" in page
    assert "    T-1, $120.00: incurred on 2025-07-15, 15 days after the period, which ended on 2025-06-30" in page
    html, table = (one.read_text(encoding="utf-8") for one in hub.findings_page.paths)
    assert "2 findings are open" in html
    assert ",'=T-2," in table
    assert answer("findings", "list", "--award", "r01gm100001", "--limit", "1")["left_out"] == 1


@pytest.fixture
def vouched(hub: Hub) -> Hub:
    """T-1 is closed; T-2 and the award's overspending are open, which has said another amount before."""
    says(hub, 1, portal="NSF", obligated_amount="100.00")
    spent(hub, f"T-1,{AWARD},120.00,2025-08-01,2025-07-15", f"T-2,{AWARD},5.00,2024-08-01,2024-06-15")
    hub.findings.evaluate("north")
    says(hub, 2, portal="NSF", ends_on="2026-06-30", obligated_amount="110.00")
    hub.findings.evaluate("north")
    assert open_now(hub) == [("G02", "T-2"), ("G38", AWARD)]
    assert verify_all(hub).ok
    return hub


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ("UPDATE finding SET closed_at = NULL, closed_by = NULL WHERE subject = 'T-1'", "its closing"),
        ("UPDATE finding SET closed_at = opened_at WHERE subject = 'T-1'", "its closing"),
        ("UPDATE finding SET amount = '1.00' WHERE subject = 'T-1'", "what it says"),
        ("UPDATE finding SET subject = 'T-9' WHERE subject = 'T-2'", "its opening"),
        ("UPDATE finding SET citation = '2 CFR 1' WHERE subject = 'T-2'", "its opening"),
        ("UPDATE finding SET opened_at = '2025-01-01T00:00:00.000000Z' WHERE subject = 'T-2'", "its opening"),
        ("UPDATE finding SET amount = '0.01' WHERE rule_id = 'G38'", "what it says"),
        ("UPDATE finding SET told = 'nothing to speak of' WHERE rule_id = 'G38'", "what it says"),
        ("UPDATE finding SET facts = '{}' WHERE rule_id = 'G02'", "what it says"),
        ("UPDATE finding SET row_no = 9 WHERE rule_id = 'G02'", "what it says"),
    ],
)
def test_a_finding_that_was_rewritten_is_named_by_the_audit_with_what_to_do(
    vouched: Hub, changed: str, told: str
) -> None:
    with vouched.db.write() as tx:
        tx.execute(text(changed))

    found = str(verify_all(vouched).first_bad)

    assert found.startswith("finding-")
    assert f", north): the record of this finding is not what the audit log tells of {told}" in found
    assert found.endswith("Find out who changed it, and have the record restored from a backup.")


@pytest.mark.parametrize("column", ["facts", "opened_by"])
def test_a_finding_whose_documents_are_none_is_told_and_no_trouble_to_the_verifier(vouched: Hub, column: str) -> None:
    with vouched.db.write() as tx:
        tx.execute(text(f"UPDATE finding SET {column} = '5' WHERE subject = 'T-2'"))

    assert "is not what the audit log tells of it: it can't be read." in str(verify_all(vouched).first_bad)


def test_a_finding_that_was_made_to_vanish_is_named_by_the_audit(vouched: Hub) -> None:
    with vouched.db.write() as tx:
        tx.execute(text("DELETE FROM finding WHERE subject = 'T-2'"))

    assert "the audit log tells of this finding, and its record is missing" in str(verify_all(vouched).first_bad)


def test_what_is_written_later_does_not_vouch_for_a_rewritten_record(vouched: Hub) -> None:
    """It is closed after somebody has changed its amount."""
    with vouched.db.write() as tx:
        tx.execute(text("UPDATE finding SET amount = '0.01' WHERE subject = 'T-2'"))
    says(vouched, 3, portal="NSF", starts_on="2024-06-01", ends_on="2026-06-30", obligated_amount="110.00")
    vouched.findings.evaluate("north")
    assert open_now(vouched) == [("G38", AWARD)]

    assert "(G02 on T-2, north): the record of this finding is not what" in str(verify_all(vouched).first_bad)


def test_findings_that_say_something_else_are_one_entry_of_the_chain(hub: Hub) -> None:
    says(hub, 1)
    spent(hub, *(f"T-{number},{AWARD},120.00,2025-08-01,2025-07-15" for number in range(3)))
    hub.findings.evaluate("north")
    says(hub, 2, ends_on="2025-07-01")
    hub.findings.evaluate("north")

    with hub.db.read() as tx:
        (entry,) = audit.entries_named(tx, "findings:restated")
    assert entry.event.subject == "3 findings"
    assert verify_all(hub).ok


def test_findings_of_an_earlier_release_verify_and_are_vouched_for_from_their_next_judging_on(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(hub, 1)
    spent(hub, f"T-1,{AWARD},120.00,2025-08-01,2025-07-15", f"T-2,{AWARD},5.00,2024-08-01,2024-06-15")
    with monkeypatch.context() as earlier:
        earlier.setattr("hub_pipelines.findings.model.RULES_VERSION", RULES_VERSION - 1)
        earlier.setattr("hub_pipelines.findings.service.RULES_VERSION", RULES_VERSION - 1)
        earlier.setattr("hub_pipelines.findings.service._vouched", lambda *_: {})
        earlier.setattr("hub_pipelines.findings.service._restate", lambda *_: None)
        hub.findings.evaluate("north")
        says(hub, 2, ends_on="2026-06-30")
        hub.findings.evaluate("north")
    assert open_now(hub) == [("G02", "T-2")]
    assert verify_all(hub).ok

    hub.findings.evaluate("north")

    assert verify_all(hub).ok
    with hub.db.write() as tx:
        tx.execute(text("UPDATE finding SET amount = '0.01' WHERE subject = 'T-2'"))
    assert "(G02 on T-2, north)" in str(verify_all(hub).first_bad)


# ---- registrations

UEI = "NRTHSTATE111"


def registered(hub: Hub, number: int, **changes: str | None) -> None:
    """What SAM.gov says of the recipient, posted as messages are."""
    told = {"record_id": UEI, "uei": UEI, "registration_status": "Active", "expires_on": "2026-12-01", **changes}
    at = datetime.now(UTC) - timedelta(minutes=5) + timedelta(seconds=number)
    body = json.dumps({"type": "grants.registration.set", "timestamp": at.isoformat(), "data": told}).encode()
    incoming = (Incoming(body, "grants.registration"),)
    take(hub, Delivery("portal/sam", f"r-{number}", GRANTS, body, incoming, {}))
    settle(hub)


def on(kept: Findings, day: str) -> Findings:
    return replace(kept, now=lambda: datetime.fromisoformat(f"{day}T15:00:00+00:00"))


def test_a_registration_that_runs_out_opens_a_finding_on_the_day_after_and_its_renewal_closes_it(hub: Hub) -> None:
    says(hub, 1, recipient_uei=UEI, ends_on="2029-06-30")
    says(hub, 2, record_id="1002", award_id="R01GM100002", recipient_uei=UEI, ends_on="2026-06-30")
    registered(hub, 1)
    assert on(hub.findings, "2026-12-01").evaluate("north").opened == ()

    later = on(hub.findings, "2026-12-02")
    assert list(later.due(quiet=timedelta(0), at_latest=timedelta(days=9))) == ["north"]
    (opened,) = later.evaluate("north").opened

    assert (opened.rule_id, opened.citation, opened.award) == ("S01", "2 CFR 25.200", AWARD)
    assert opened.told == (
        f"the registration of {UEI} at SAM.gov is not in force: its last day is 2026-12-01, and the award goes on "
        "until 2029-06-30"
    )
    assert opened.opened_by.what == "the day 2026-12-02"
    assert on(hub.findings, "2026-12-03").evaluate("north").opened == ()

    registered(hub, 2, expires_on="2027-12-01")
    (closed,) = on(hub.findings, "2026-12-03").evaluate("north").closed
    assert closed.closed_by is not None
    assert closed.closed_by.what.startswith("the renewal told by SAM.gov on ")
    (item,) = explain(hub, UEI).items
    assert item.changes[-1].news == (
        "The registration was renewed: it is in force until 2027-12-01 and not 2026-12-01.",
    )


def test_an_excluded_recipient_is_a_finding_of_its_award_until_the_exclusion_ends_though_it_is_registered(
    hub: Hub,
) -> None:
    says(hub, 1, recipient_uei=UEI, ends_on="2029-06-30")
    says(hub, 2, record_id="1002", award_id="R01GM100002", recipient_uei=UEI, ends_on="2026-06-30")
    registered(hub, 1, excluded="no")
    today = on(hub.findings, "2026-11-29")
    assert today.evaluate("north").opened == ()

    registered(hub, 2, excluded="yes")
    (opened,) = today.evaluate("north").opened

    assert (opened.rule_id, opened.citation, opened.award) == ("S02", "2 CFR 180.415", AWARD)
    assert opened.told == f"SAM.gov excludes {UEI} from federal awards, and the award goes on until 2029-06-30"
    assert opened.opened_by.what.startswith("the exclusion told by SAM.gov on ")
    registered(hub, 3, excluded="no")
    (closed,) = today.evaluate("north").closed
    assert closed.closed_by is not None
    assert closed.closed_by.what.startswith("the end of the exclusion told by SAM.gov on ")
    assert verify_all(hub).ok


def test_an_exclusion_is_no_finding_any_more_when_the_award_has_ended(hub: Hub) -> None:
    says(hub, 1, recipient_uei=UEI, ends_on="2026-12-31")
    registered(hub, 1, excluded="yes", expires_on="2027-12-01")
    registered(hub, 2, record_id=f"{UEI}/0001", excluded="no", expires_on="2027-12-01")
    assert [one.rule_id for one in on(hub.findings, "2026-12-31").evaluate("north").opened] == ["S02"]

    (closed,) = on(hub.findings, "2027-01-01").evaluate("north").closed

    assert closed.closed_by is not None
    assert closed.closed_by.what == "the day 2027-01-01"


def test_an_award_that_ends_needs_no_registration_any_more(hub: Hub) -> None:
    says(hub, 1, recipient_uei=UEI, ends_on="2026-12-31")
    registered(hub, 1, registration_status="Expired")
    (opened,) = on(hub.findings, "2026-11-29").evaluate("north").opened
    assert "the posting" not in opened.opened_by.what
    assert opened.request_id is not None

    (closed,) = on(hub.findings, "2027-01-01").evaluate("north").closed

    assert closed.closed_by is not None
    assert closed.closed_by.what == "the day 2027-01-01"


def test_an_expired_registration_is_on_the_awards_page(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    says(hub, 1, recipient_uei=UEI, ends_on="2035-06-30")
    registered(hub, 1, expires_on="2020-12-01")
    hub.findings.evaluate("north")
    monkeypatch.setenv("HUB_HOME", str(hub.settings.home))
    monkeypatch.setenv("HUB_DATABASE_URL", hub.settings.database_url)

    page = printed("why", AWARD)

    assert f"registration of {UEI} at SAM.gov: until 2020-12-01, Active when it was read last" in page
    assert f"open: S01 (2 CFR 25.200) {AWARD}, row 1 of north-grants-" in page


def test_one_of_several_registrations_in_force_is_enough(hub: Hub) -> None:
    says(hub, 1, recipient_uei=UEI, ends_on="2035-06-30")
    registered(hub, 1, expires_on="2020-12-01")
    registered(hub, 2, record_id=f"{UEI}/0001", expires_on="2035-12-01")

    assert hub.findings.evaluate("north").opened == ()
