"""What is told of an expenditure whose number was used again, and of currencies and days that can't be."""

from typing import Any

from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.timeline.service import explain
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import process, send

SPENT = "transaction_id,award_id,amount,posted_on,incurred_on"
AWARDS = "award_id,starts_on,obligated_amount,final_report_on"


def _post(hub: Hub, name: str, *lines: str) -> tuple[Posting, list[dict[str, Any]]]:
    arrival = send(hub, name, "\n".join(lines).encode(), Scope("north", "grants"))
    assert arrival.request_id is not None
    posting = process(hub, arrival.request_id)
    assert isinstance(posting, Posting)
    of = (arrival.request_id, posting.revision)
    with hub.db.read() as tx:
        told = [
            dict(one)
            for severity in ("warn", "block")
            for one in ledger_problems.of_posting(tx, *of, severity=severity, limit=20)
        ]
    return posting, told


def test_a_transaction_that_moves_to_another_award_is_worth_a_look_with_both(hub: Hub) -> None:
    _post(hub, "march.csv", SPENT, "1001,B-2,400.00,2025-03-01,2025-02-15")

    posting, (told,) = _post(hub, "april.csv", SPENT, "1001,B-3,700.00,2025-04-01,2025-03-15")

    assert (posting.posted, posting.worth_a_look) == (1, 1)
    assert (told["rule"], told["column_name"]) == ("transaction_moved", "award_id")
    assert told["reason"] == (
        "It was 400.00 USD on award B-2 and is 700.00 USD on award B-3 now: this transaction has moved to another "
        "award."
    )
    (item,) = explain(hub, "1001").items
    assert item.changes[-1].news == (told["reason"],)
    assert_invariants(hub)


def test_another_amount_of_a_known_transaction_is_worth_a_look_and_another_vendor_is_not(hub: Hub) -> None:
    _post(hub, "march.csv", SPENT, "1001,B-2,1400.00,2025-03-01,2025-02-15")

    posting, (told,) = _post(hub, "april.csv", SPENT, "1001,B-2,400.00,2025-03-01,2025-02-15")
    assert (posting.worth_a_look, told["rule"]) == (1, "transaction_changed")
    assert told["reason"] == "It was 1,400.00 USD on award B-2 and is 400.00 USD on award B-2 now."

    posting, told_then = _post(hub, "may.csv", f"{SPENT},vendor", "1001,B-2,400.00,2025-03-01,2025-02-15,Sigma")
    assert (posting.posted, posting.worth_a_look, told_then) == (1, 0, [])


def test_a_currency_that_is_not_known_is_not_taken_for_dollars(hub: Hub) -> None:
    lines = ("1,B-2,4.00,unknown,2025-03-01", "2,B-2,4.00,Pesos,2025-03-01", "3,B-2,4.00,,2025-03-01")

    posting, told = _post(hub, "spent.csv", "transaction_id,award_id,amount,currency,posted_on", *lines)

    assert (posting.posted, posting.rejected) == (1, 2)
    assert [(one["rule"], one["suggestion"]) for one in told] == [
        ("unknown_currency", "Correct it. An empty cell means USD")
    ] * 2


def test_an_expenditure_of_a_day_ahead_is_taken_and_worth_a_look(hub: Hub) -> None:
    posting, told = _post(hub, "spent.csv", SPENT, "1001,B-2,400.00,2091-03-01,2025-02-15")
    assert (posting.posted, posting.worth_a_look) == (1, 1)
    assert [(one["rule"], one["column_name"]) for one in told] == [("day_ahead", "posted_on")]


def test_a_final_report_before_its_award_began_is_not_taken_and_one_ahead_is_worth_a_look(hub: Hub) -> None:
    posting, told = _post(
        hub, "awards.csv", AWARDS, "B-1,2024-07-01,100,2023-07-01", "B-2,2024-07-01,100,2091-01-01", "B-3,2024-07-01,1,"
    )

    assert (posting.posted, posting.rejected, posting.worth_a_look) == (2, 1, 1)
    assert sorted((one["rule"], one["column_name"]) for one in told) == [
        ("dates_reversed", "final_report_on"),
        ("day_ahead", "final_report_on"),
    ]


def test_an_award_that_the_first_contract_took_is_taken_by_it_still() -> None:
    first = FEEDS["grants"].record_type("grants.award").under(1)
    assert first is not None
    taken = first.row_model.model_validate(
        {"award_id": "B-1", "starts_on": "2024-07-01", "obligated_amount": "1", "final_report_on": "2023-07-01"}
    )
    assert taken.model_dump()["final_report_on"] == "2023-07-01"
