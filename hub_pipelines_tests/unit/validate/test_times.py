import datetime
from typing import Any

import pytest

from hub_pipelines.validate.model import IF_UNKNOWN

from .builders import Rows

EVENTS = Rows("hazmat.event", time_zone="America/New_York")
HOMELESS = Rows("hazmat.event", time_zone=None)
STOCK = Rows("inventory.stock")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2025-03-01 14:30", "2025-03-01T19:30:00Z"),
        ("2025-07-01 14:30", "2025-07-01T18:30:00Z"),
        ("2025/03/01 2:30 PM", "2025-03-01T19:30:00Z"),
        ("2025-03-01 12:05 a.m.", "2025-03-01T05:05:00Z"),
        ("2025-03-01T14:30:07.6", "2025-03-01T19:30:08Z"),
        ("2025-03-01T14:30:00Z", "2025-03-01T14:30:00Z"),
        ("2025-03-01 14:30 UTC", "2025-03-01T14:30:00Z"),
        ("2021-09-24T16:54:01.499+0000", "2021-09-24T16:54:01Z"),
        ("2025-03-01 14:30 -08:00", "2025-03-01T22:30:00Z"),
        ("2025-03-01 23:30 -05:00", "2025-03-02T04:30:00Z"),
        (datetime.datetime(2025, 3, 1, 14, 30), "2025-03-01T19:30:00Z"),
        (datetime.datetime(2025, 3, 1, 14, 29, 59, 999_999), "2025-03-01T19:30:00Z"),
        ("2025-03-01 00:00", "2025-03-01T05:00:00Z"),
    ],
)
def test_a_moment_is_kept_as_utc_and_is_the_campuss_own_time_when_no_zone_is_written(cell: Any, expected: str) -> None:
    assert EVENTS.values(at=cell)["at"] == expected


@pytest.mark.parametrize(
    ("cell", "reason", "suggestion"),
    [
        (datetime.date(2025, 3, 1), "time of day is missing", "2025-03-01 14:30"),
        ("2025-03-01", "time of day is missing", "2025-03-01 14:30"),
        ("3/15/2025 14:30", "year-month-day only", "2025-03-15 14:30"),
        ("3/4/2025 2:30 PM", "year-month-day only", "2025-03-04 2:30 PM or 2025-04-03 2:30 PM"),
        ("11/02/2026 2:30 PM EST", "year-month-day", "2026-11-02 14:30 -05:00 or 2026-02-11 14:30 -05:00"),
        ("3/15/2025 2:30 PM XYZ", "year-month-day only", None),
        ("3/15/2025 in the afternoon", "year-month-day only", None),
        ("2025-03-01 14:30 EST", '"EST" do not name one time zone', "2025-03-01 14:30 -05:00"),
        ("2025-03-01 14:30 XYZ", '"XYZ" do not name one time zone', "such as -05:00"),
        ("2025-11-02 01:30", "came twice", "2025-11-02 01:30 -0400 or 2025-11-02 01:30 -0500"),
        ("2025-03-09 02:30", "no such time: clocks were put forward", None),
        ("2025-02-30 14:30", "no such day", None),
        ("2025-03-01 25:00", "no such time of day", None),
        ("2025-03-01 14:30 PM", "no such time of day", None),
        ("2025-03-01 14:30 +15:00", "No place on earth", None),
        ("1850-03-01 14:30", "outside 1900 to 2100", None),
        ("this morning", "not a day and a time", "2025-03-01 14:30"),
        ("#REF!", "Excel's error", "formula"),
        (None, "must be filled", "Write it into the cell"),
    ],
)
def test_a_moment_that_is_not_clear_is_refused(cell: Any, reason: str, suggestion: str | None) -> None:
    found = EVENTS.the_problem(at=cell)
    assert found.column == "at"
    assert reason in found.reason
    assert (suggestion in (found.suggestion or "")) if suggestion else found.suggestion is None


@pytest.mark.parametrize("cell", ["2025-03-01 14:30", datetime.datetime(2025, 3, 1, 14, 30)])
def test_where_the_campuss_zone_is_not_known_a_time_must_carry_one(cell: Any) -> None:
    found = HOMELESS.the_problem(at=cell)
    assert found.reason == "The time has no time zone."
    assert "2025-03-01 14:30 -05:00" in (found.suggestion or "")
    assert HOMELESS.values(at="2025-03-01 14:30 -05:00")["at"] == "2025-03-01T19:30:00Z"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2025-01-23 11:54:15", "2025-01-23"),
        ("2025-01-23T11:54:15.123", "2025-01-23"),
        (datetime.datetime(2025, 1, 23, 11, 54), "2025-01-23"),
    ],
)
def test_the_time_of_day_behind_a_day_is_left_off_as_it_is_in_a_date_cell(cell: Any, expected: str) -> None:
    assert STOCK.values(counted_on=cell)["counted_on"] == expected


@pytest.mark.parametrize(
    ("cell", "suggestion"),
    [
        ("2025-01-23T23:54:15Z", "2025-01-23"),
        ("24 October 2011", "2011-10-24"),
        ("24-Oct-2011", "2011-10-24"),
        ("Oct 19, 2099 12:00:00 AM EDT", "2099-10-19"),
        ("24-Okt-2011", None),
        ("2025-01-23 31:00", "2025-01-23"),
    ],
)
def test_a_day_written_in_another_way_is_suggested_as_the_hub_takes_it(cell: str, suggestion: str | None) -> None:
    found = STOCK.the_problem(counted_on=cell)
    assert (found.rule, found.suggestion) == ("bad_date", f"{suggestion or 'Correct it'}. {IF_UNKNOWN}")
