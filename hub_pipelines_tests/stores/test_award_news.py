"""What a portal's change of an award means: told in its posting, on the award's page, and in what was spent on it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.model import Delivery, Incoming
from hub_pipelines.ledger.changes import store as ledger_changes
from hub_pipelines.ledger.comparing.remarks import WORTH_A_LOOK
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.timeline.model import AwardStanding
from hub_pipelines.timeline.news import news_of
from hub_pipelines.timeline.service import explain
from hub_pipelines.validate.feeds.grants.news import award_news, opportunity_news
from hub_pipelines_tests.commands import answer, printed
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import settle, take
from hub_pipelines_tests.support import process, send

GRANTS = Scope("north", "grants")
FIRST: dict[str, Any] = {
    "portal": "NIH",
    "record_id": "1001",
    "award_id": "R01GM100001",
    "starts_on": "2024-07-01",
    "ends_on": "2025-06-30",
    "obligated_amount": "500000.00",
    "status": "active",
}


def says(hub: Hub, number: int, **changes: Any) -> None:
    """A portal's record, posted as messages are."""
    at = datetime.now(UTC) - timedelta(minutes=5) + timedelta(seconds=number)
    whole = {"type": "grants.sponsor_award.set", "timestamp": at.isoformat(), "data": {**FIRST, **changes}}
    body = json.dumps(whole).encode()
    incoming = (Incoming(body, "grants.sponsor_award"),)
    take(hub, Delivery("portal/nih", f"m-{number}", GRANTS, body, incoming, {}))
    settle(hub)


def post(hub: Hub, name: str, data: bytes) -> None:
    process(hub, str(send(hub, name, data, scope=GRANTS).request_id))


def spent(hub: Hub, *lines: str) -> None:
    text = "\n".join(["transaction_id,award_id,amount,posted_on,incurred_on", *lines]).encode()
    post(hub, "spent.csv", text)


def standing(hub: Hub, asked: str = "R01GM100001") -> AwardStanding:
    (found,) = explain(hub, asked).awards
    return found


def test_an_extension_is_told_as_an_event_of_the_sponsors_record(hub: Hub) -> None:
    says(hub, 1)
    says(hub, 2, ends_on="2026-06-30")

    (item,) = [one for one in explain(hub, "R01GM100001").items if one.ledger == "grants.sponsor_award@north"]

    assert item.changes[-1].news == (
        "The period of performance ends on 2026-06-30 and not on 2025-06-30: a no-cost extension by its amount, which "
        "is as before.",
    )
    assert_invariants(hub)


def test_a_change_is_told_in_its_posting_with_the_award_that_it_is_of(hub: Hub) -> None:
    says(hub, 1)
    says(hub, 2, obligated_amount="450000.00", ends_on="2025-03-31", status="ended")
    with hub.db.read() as tx:
        name = "grants.sponsor_award@north"
        row = ledger_changes.newest_changes(tx, name, "NIH|1001", limit=1)[0][0]
        (posting,) = ledger_outcomes.postings_of(tx, row["request_id"], limit=5)

    told = news_of(hub.db, posting)

    assert [(one["item"], one["event"]) for one in told] == [
        ("R01GM100001", "award_shortened"),
        ("R01GM100001", "award_deobligated"),
        ("R01GM100001", "award_status"),
    ]
    assert told[1]["what"] == ("450,000.00 US dollars are obligated and not 500,000.00: 50,000.00 were taken back.")
    assert {"award_shortened", "award_deobligated"} <= WORTH_A_LOOK
    says(hub, 2, obligated_amount="450000.00")
    assert news_of(hub.db, posting) == told


def test_an_award_is_found_by_the_offices_number_and_by_the_sponsors(hub: Hub) -> None:
    says(hub, 1)
    says(hub, 2, record_id="1002", starts_on="2025-07-01", ends_on="2026-06-30", obligated_amount="100.50")
    says(hub, 3, portal="USASPENDING", record_id="ASST_NON_R01GM100001_075", ends_on="2029-06-30")
    list_ = b"award_id,starts_on,obligated_amount,fain\nAWD-7,2024-07-01,400000,R01GM100001\n"
    post(hub, "awards.csv", list_)
    spent(hub, "T-1,AWD-7,120.00,2026-08-01,2026-07-15")

    for asked in ("AWD-7", "r01gm100001"):
        found = standing(hub, asked)
        assert [(one.portal, one.records, one.ends_on, one.obligated) for one in found.said] == [
            ("NIH", 2, "2026-06-30", "500100.50"),
            ("USASPENDING", 1, "2029-06-30", "500000.00"),
        ]
        assert [one["award_id"] for one in found.office] == ["AWD-7"]
        assert [(one.rule_id, one.subject) for one in found.findings] == [("G01", "T-1")]


def test_hub_why_prints_an_awards_page(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    says(hub, 1)
    spent(hub, "T-1,R01GM100001,120.00,2025-08-01,2025-07-15")
    hub.findings.evaluate("north")
    says(hub, 2, ends_on="2026-06-30")
    hub.findings.evaluate("north")
    monkeypatch.setenv("HUB_HOME", str(hub.settings.home))
    monkeypatch.setenv("HUB_DATABASE_URL", hub.settings.database_url)

    page = printed("why", "R01GM100001")

    assert "== Award R01GM100001 of north, as it is told now" in page
    assert "NIH: 2024-07-01 to 2026-06-30, $500,000.00 obligated, 1 record" in page
    assert "closed: G01 (2 CFR 200.403(h)) T-1, $120.00, row 2 of north-grants-" in page
    assert "by the no-cost extension told by NIH on " in page
    assert "as of grants.expenditure@north version 1, grants.sponsor_award@north version 2" in page
    assert "event: The period of performance ends on 2026-06-30" in page
    assert answer("why", "R01GM100001")["awards"][0]["campus"] == "north"


def test_what_says_the_same_is_no_news() -> None:
    assert award_news(FIRST, {**FIRST, "title": "Another"}) == []
    assert award_news({**FIRST, "ends_on": None}, FIRST) == []
    (more,) = award_news(FIRST, {**FIRST, "obligated_amount": "500001.00"})
    assert more.rule == "award_funded"


def test_a_milestone_that_moves_is_told_with_both_days() -> None:
    (found,) = opportunity_news({"closes_on": "2026-05-01"}, {"closes_on": None})
    assert found.reason == "It closes for applications on no set day and not on 2026-05-01."
