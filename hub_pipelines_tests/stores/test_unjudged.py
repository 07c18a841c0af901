"""Lines of expenditure that no rule judges, or not in full, are counted and told; they are no findings."""

import pytest

from hub_pipelines.common.scope import Scope
from hub_pipelines.findings.unjudged import unjudged_lines
from hub_pipelines.hub import Hub
from hub_pipelines_tests.commands import answer, printed, run
from hub_pipelines_tests.stores.test_award_news import post
from hub_pipelines_tests.support import process, send

LISTED = b"award_id,starts_on,ends_on,obligated_amount\nB-1,2024-07-01,2025-06-30,1000\n"
HEADER = "transaction_id,award_id,amount,currency,posted_on,incurred_on"


@pytest.fixture
def asked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """One that the commands ask."""
    monkeypatch.setenv("HUB_HOME", str(hub.settings.home))
    monkeypatch.setenv("HUB_DATABASE_URL", hub.settings.database_url)
    return hub


def spent(hub: Hub, *lines: str) -> None:
    post(hub, "spent.csv", "\n".join([HEADER, *lines]).encode())


def listed_in_the_south(hub: Hub, award: str) -> None:
    data = f"award_id,starts_on,ends_on,obligated_amount\n{award},2024-07-01,2025-06-30,1000\n"
    process(hub, str(send(hub, "south.csv", data.encode(), scope=Scope("south", "grants")).request_id))


def test_the_list_and_the_page_tell_how_many_lines_were_not_judged_and_why(asked: Hub) -> None:
    post(asked, "awards.csv", LISTED)
    listed_in_the_south(asked, "B-9")
    spent(
        asked,
        "T-1,B-1,10.00,USD,2025-03-01,2025-02-15",
        "T-2,B-77,10.00,USD,2025-03-01,2025-02-15",
        "T-3,B-77,10.00,USD,2025-03-01,",
        "T-4,B-9,10.00,USD,2025-03-01,2025-02-15",
        "T-5,B-1,10.00,EUR,2025-03-01,2025-02-15",
        "T-6,B-1,10.00,EUR,2025-03-01,",
    )
    printed("findings", "evaluate")

    told = printed("findings", "list")

    assert "No finding is open. 5 lines could not be judged, or not in full:" in told
    assert (
        "  north: 2 charge awards that no list has (award B-77, line T-2), "
        "1 charges an award that only another campus lists (award B-9, listed by south, line T-4), "
        "2 are in another currency than US dollars and in no sum (award B-1, line T-5), "
        "1 does not tell the day on which its cost was incurred (award B-1, line T-6)."
    ) in told
    html = asked.findings_page.paths[0].read_text(encoding="utf-8")
    assert "No finding is open. 5 lines could not be judged, or not in full</h1>" in html
    assert "✓" not in html
    assert '<header class="neutral">' in html
    assert "<td>2 charge awards that no list has</td>" in html
    (document,) = answer("findings", "list")["not_judged"]
    assert (document["campus"], document["lines"]) == ("north", 5)
    assert {one["reason"]: one["lines"] for one in document["reasons"]} == {
        "award_unlisted": 2,
        "award_of_another_campus": 1,
        "other_currency": 2,
        "without_day": 1,
    }


def test_a_page_on_which_all_was_judged_says_that_no_finding_is_open_and_no_more(asked: Hub) -> None:
    post(asked, "awards.csv", LISTED)
    spent(asked, "T-1,B-1,10.00,USD,2025-03-01,2025-02-15")
    printed("findings", "evaluate")

    html = asked.findings_page.paths[0].read_text(encoding="utf-8")

    assert "No finding is open</h1>" in html
    assert "✓" in html
    assert "could not be judged" not in printed("findings", "list")
    assert answer("findings", "list")["not_judged"] == []


def test_lines_that_were_not_judged_stand_beside_open_findings(asked: Hub) -> None:
    post(asked, "awards.csv", LISTED)
    spent(asked, "T-1,B-1,10.00,USD,2025-08-01,2025-07-15", "T-2,B-77,10.00,USD,2025-03-01,2025-02-15")
    printed("findings", "evaluate")

    told = printed("findings", "list")

    assert "open  north  B-1  G01" in told
    assert "No finding is open" not in told
    assert "1 line could not be judged, or not in full:" in told
    html = asked.findings_page.paths[0].read_text(encoding="utf-8")
    assert "1 finding is open. 1 line could not be judged, or not in full</h1>" in html
    assert '<header class="attention">' in html


def test_an_award_whose_lines_carry_the_sponsors_number_is_listed(hub: Hub) -> None:
    post(hub, "awards.csv", LISTED.replace(b"amount\n", b"amount,fain\n").replace(b"1000\n", b"1000,R01GM100001\n"))
    spent(hub, "T-1,B-1,1.00,USD,2025-03-01,2025-02-15", "T-2,R01GM100001,1.00,USD,2025-03-01,2025-02-15")

    with hub.db.read() as tx:
        assert unjudged_lines(tx, hub.campuses) == []


def test_an_award_that_two_campuses_list_is_not_judged_in_full_whatever_each_of_them_calls_it(asked: Hub) -> None:
    """50 dollars are obligated; each campus has spent 30."""
    listed = "award_id,starts_on,ends_on,obligated_amount,fain\n{},2024-07-01,2025-06-30,50,R01GM100001\n"
    spending = HEADER + "\n{0}-1,{0},30.00,USD,2025-03-01,2025-02-15\n"
    for campus, number in (("north", "N-1"), ("south", "S-1")):
        for name, data in (("awards.csv", listed), ("spent.csv", spending)):
            sent = send(asked, name, data.format(number).encode(), scope=Scope(campus, "grants"))
            process(asked, str(sent.request_id))
    printed("findings", "evaluate")

    told = printed("findings", "list")

    reason = "1 charges an award that another campus lists, too, whose spending is not in the sum"
    assert "No finding is open. 2 lines could not be judged, or not in full:" in told
    assert f"  north: {reason} (award N-1, listed by south, line N-1-1)." in told
    assert f"  south: {reason} (award S-1, listed by north, line S-1-1)." in told
    assert "✓" not in asked.findings_page.paths[0].read_text(encoding="utf-8")


def test_offices_that_number_their_awards_alike_do_not_share_them(hub: Hub) -> None:
    post(hub, "awards.csv", LISTED.replace(b"amount\n", b"amount,fain\n").replace(b"1000\n", b"1000,R01GM100001\n"))
    spent(hub, "T-1,B-1,1.00,USD,2025-03-01,2025-02-15")
    listed_in_the_south(hub, "B-1")

    with hub.db.read() as tx:
        assert unjudged_lines(tx, hub.campuses) == []


def test_a_credit_needs_no_day_to_be_judged(hub: Hub) -> None:
    post(hub, "awards.csv", LISTED)
    spent(hub, "T-1,B-1,-1.00,USD,2025-03-01,", "T-2,B-1,-1.00,EUR,2025-03-01,")

    with hub.db.read() as tx:
        (found,) = unjudged_lines(tx, hub.campuses)

    assert [(one.why.name, one.lines) for one in found.reasons] == [("other_currency", 1)]


def test_of_many_lines_only_the_first_ones_are_looked_at_and_that_is_told(hub: Hub) -> None:
    post(hub, "awards.csv", LISTED)
    spent(hub, *(f"T-{n},B-7{n},10.00,USD,2025-03-01,2025-02-15" for n in range(5)))

    with hub.db.read() as tx:
        (some,) = unjudged_lines(tx, hub.campuses, at_most=4)
        (whole,) = unjudged_lines(tx, hub.campuses, at_most=5)

    assert (some.lines, some.only_first) == (4, 4)
    assert some.told.endswith("line T-2; …) (of the first 4 lines; more were not looked at).")
    assert (whole.lines, whole.only_first) == (5, None)


def test_a_list_of_one_award_tells_whether_anybody_lists_or_charges_it(asked: Hub) -> None:
    listed = LISTED.replace(b"amount\n", b"amount,fain\n").replace(b"1000\n", b"1000,R01GM100001\n")
    post(asked, "awards.csv", listed)
    spent(asked, "T-1,B-1,10.00,USD,2025-08-01,2025-07-15", "T-2,B-77,10.00,USD,2025-03-01,2025-02-15")
    printed("findings", "evaluate")

    assert "1 line could not be judged, or not in full:" in printed("findings", "list", "--award", "b-77")
    assert "could not be judged" not in printed("findings", "list", "--award", "B-1")
    assert "open  north  R01GM100001  G01" in printed("findings", "list", "--award", "B-1")
    told = run("findings", "list", "--award", "nope")
    assert told.code == 1
    assert "Nothing is known of the award NOPE" in told.err


def test_hub_why_of_an_award_that_nobody_lists_names_the_lines_that_charge_it(asked: Hub) -> None:
    post(asked, "awards.csv", LISTED)
    spent(asked, "T-2,B-77,10.00,USD,2025-03-01,2025-02-15", "T-3,B-77,5.00,EUR,2025-03-02,")

    told = printed("why", "b-77")

    assert "== Award B-77, charged by north" in told
    assert "no list and no portal tells it" in told
    assert "grants.expenditure@north: 2 lines charge it" in told
    assert "T-2, $10.00, posted on 2025-03-01: row 2 of north-grants-" in told
    assert "T-3, 5.00 EUR, posted on 2025-03-02: row 3 of north-grants-" in told
    assert "1 more; --limit shows them" in printed("why", "B-77", "--limit", "1")
    listed_in_the_south(asked, "B-77")
    told = printed("why", "B-77")
    assert "== Award B-77 of south" in told
    assert "north does not list this award (only south lists it)" in told
    assert "Nothing is known of 'B-78'" in run("why", "B-78").err
