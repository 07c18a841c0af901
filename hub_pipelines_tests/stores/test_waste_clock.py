"""Waste whose days on site can't be reckoned is told (40 CFR 262.16, 262.17), and taken all the same."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.validate.feeds.hazmat.contract import is_waste_by_the_clock
from hub_pipelines_tests.support import process, send

HEADER = "Container ID,Contents,Quantity,Unit,Location,Waste Codes,Accumulation Start Date"
DATED = "W-1,Spent acetone,5,L,CAA,F003,2026-10-01"
UNDATED = ("W-2,Spent toluene,5,L,CAA,F005,", "W-3,Waste oil and solvents,5,L,CAA,,")
NO_WASTE = "C-4,Acetone,5,L,Shelf,,"


def _post(
    hub: Hub, *lines: str, name: str = "waste.csv", rule: str = "no_accumulation_start"
) -> tuple[Posting, list[str]]:
    arrival = send(hub, name, "\n".join(lines).encode(), Scope("north", "hazmat"))
    assert arrival.request_id is not None
    posting = process(hub, arrival.request_id)
    assert isinstance(posting, Posting)
    with hub.db.read() as tx:
        found = ledger_problems.of_posting(tx, arrival.request_id, posting.revision, severity="warn", limit=20)
    return posting, [one["reason"] for one in found if one["rule"] == rule]


def test_waste_without_its_first_day_is_taken_and_told_before_and_after(hub: Hub, tmp_path: Path) -> None:
    lines = (HEADER, DATED, *UNDATED, NO_WASTE)
    (tmp_path / "waste.csv").write_text("\n".join(lines))
    found = hub.preview(tmp_path / "waste.csv", Scope("north", "hazmat"), actor="tester").found
    posting, told = _post(hub, *lines)

    assert (posting.posted, posting.worth_a_look) == (4, 1)
    (reason,) = told
    assert reason.startswith("Rows 3 and 4 have no accumulation start date: how long this waste has been on site can't")
    assert "90 days (40 CFR 262.17)" in reason
    assert "180 (40 CFR 262.16)" in reason
    assert found is not None
    assert reason in [one.reason for one in found.warnings]


def test_a_container_that_is_said_to_hold_something_else_is_worth_a_look(hub: Hub) -> None:
    _post(hub, HEADER, DATED)
    assert _post(hub, HEADER, DATED.replace("Spent acetone", "Acetone spent"), rule="contents_changed")[1] == []
    posting, told = _post(hub, HEADER, DATED.replace("Spent acetone", "Waste HCl"), rule="contents_changed")
    assert (posting.posted, posting.worth_a_look) == (1, 1)
    assert told == [
        "It held Acetone spent, and now holds Waste HCl: the list says something else of the same container."
    ]


def test_an_accumulation_that_begins_after_the_list_came_is_worth_a_look(hub: Hub) -> None:
    (reason,) = _post(hub, HEADER, DATED.replace("2026-10-01", "2031-10-01"), rule="day_ahead")[1]
    assert reason.startswith("Row 2 has a day in accumulation_started_on that is after")


@pytest.mark.parametrize(
    ("category", "days", "expected"),
    [
        ("LQG", 91, "more than 90 days"),
        ("LQG", 90, None),
        ("SQG", 181, "more than 180 days"),
        ("SQG", 180, None),
        ("", 181, "more than 180 days"),
        ("", 120, None),
        ("VSQG", 4000, None),
    ],
)
def test_waste_that_is_on_site_for_too_long_is_taken_and_worth_a_look(
    hub: Hub, category: str, days: int, expected: str | None
) -> None:
    began = hub.judge.campuses["north"].day_of(datetime.now(UTC)) - timedelta(days=days)
    line = f"W-1,Spent acetone,5,L,CAA,F003,{began},{category}"
    posting, told = _post(hub, f"{HEADER},Generator Category", line, rule="too_long_on_site")

    assert (posting.posted, posting.worth_a_look) == (1, int(expected is not None))
    assert [expected in one for one in told] == ([True] if expected else [])
    assert all(f"since {began}" in one and "(40 CFR 262.1" in one for one in told)


def test_containers_on_site_for_too_long_are_told_together_by_their_limit(hub: Hub) -> None:
    lines = (
        "W-1,Spent acetone,5,L,CAA,F003,2020-01-01,LQG",
        "W-2,Spent toluene,5,L,CAA,F005,2020-02-01,LQG",
        "W-3,Spent toluene,5,L,CAA,F005,2020-02-01,SQG",
        "C-4,Acetone,5,L,Shelf,,2020-02-01,LQG",
    )
    posting, told = _post(hub, f"{HEADER},Generator Category", *lines, rule="too_long_on_site")

    assert (posting.posted, posting.worth_a_look) == (4, 2)
    assert told[0].startswith("Rows 2 and 3 have been accumulating for more than 90 days when the file came (")
    assert "since 2020-01-01 and later: a large quantity generator may keep" in told[0]
    assert told[1].startswith("Row 4 has been accumulating for more than 180 days")


def test_a_container_that_is_disposed_of_on_a_day_ahead_is_worth_a_look(hub: Hub) -> None:
    posting, told = _post(hub, f"{HEADER},Disposed on", f"{DATED},2031-10-01", rule="day_ahead")
    assert (posting.posted, posting.worth_a_look) == (1, 1)
    assert told[0].startswith("Row 2 has a day in disposed_on that is after the day on which the file came")


def test_a_list_without_the_column_is_told_and_one_that_lacks_what_the_ledger_has_is_not(hub: Hub) -> None:
    short = HEADER.rpartition(",")[0]
    assert _post(hub, HEADER, DATED)[1] == []
    assert _post(hub, short, "W-1,Spent acetone,4,L,CAA,F003", name="short.csv")[1] == []
    assert len(_post(hub, short, "W-2,Spent toluene,4,L,CAA,F005", name="short.csv")[1]) == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"waste_codes": "D001"}, True),
        ({"contents": "Hazardous waste, halogenated"}, True),
        ({"contents": "Wasteland soil"}, False),
        ({"contents": "Non-hazardous waste: gels"}, False),
        ({"waste_codes": "D001", "generator_category": "VSQG"}, False),
        ({"waste_codes": "D001", "disposed_on": "2026-01-01"}, False),
        ({"contents": "Acetone"}, False),
    ],
)
def test_days_count_for_hazardous_waste_on_site_of_all_but_very_small_generators(
    values: dict[str, object], expected: bool
) -> None:
    assert is_waste_by_the_clock(values) is expected
