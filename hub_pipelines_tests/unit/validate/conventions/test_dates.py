import datetime
from typing import Any

import pytest

from hub_pipelines.validate.columns import located_columns
from hub_pipelines.validate.conventions.applying import apply
from hub_pipelines.validate.conventions.dates import TWO_DIGIT_YEARS
from hub_pipelines.validate.conventions.model import Conventions, DateConvention
from hub_pipelines.validate.model import Restored, Unclear

from ..builders import RECORD_TYPES
from .columns import questions, read, table, values

ASSET, COLUMN = "inventory.asset", "acquired_on"
CONTAINER = "hazmat.container"


def days(*cells: Any, **told: Any) -> list[Any]:
    return read(ASSET, {COLUMN: cells}, **told)[1][COLUMN]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2/15/2024", "1/2/2024"], ["2024-02-15", "2024-01-02"]),
        (["15/2/2024", "1/2/2024"], ["2024-02-15", "2024-02-01"]),
        (["1/23/23", "1/2/23"], ["2023-01-23", "2023-01-02"]),
        (["24-01-30", "99-02-01"], ["2024-01-30", "1999-02-01"]),
        (["5/19/2006 0:00:00", "1/2/2006 0:00:00"], ["2006-05-19", "2006-01-02"]),
        (["24.10.2011", "1. 2. 2011"], ["2011-10-24", "2011-02-01"]),
        (["5/5/2024", "11/11/2023"], ["2024-05-05", "2023-11-11"]),
        (["20151016", 20151016, 20151016.0], ["2015-10-16"] * 3),
        (["2025-01-23 11:54:15", "2025/01/23", "2025.1.23"], ["2025-01-23"] * 3),
        (["2025-01-23T00:00:00+0000", "2025-01-23 00:00:00+00:00"], ["2025-01-23"] * 2),
        (["Oct 19, 2099 12:00:00 AM EDT"], ["2099-10-19"]),
        (["24 October 2011", "24-Oct-2011", "24OCT2011", "October 24th, 2011"], ["2011-10-24"] * 4),
        (["Monday, 24 October 2011", "2011 Oct 24", "24-Oct-11"], ["2011-10-24"] * 3),
        (["3. März 2020", "3 mars 2020", "3 de marzo de 2020", "3 marzo 2020"], ["2020-03-03"] * 4),
        (["12 août 2021", "12 agosto 2021", "12 de agosto de 2021", "12 августа 2021 г."], ["2021-08-12"] * 4),
        (["2024年3月5日", "5 maart 2024", "5 marca 2024"], ["2024-03-05"] * 3),
        (["31/12/69", "31/12/70"], ["2069-12-31", "1970-12-31"]),
    ],
)
def test_days_are_read_as_their_column_writes_them(cells: list[Any], expected: list[str]) -> None:
    assert days(*cells) == expected


@pytest.mark.parametrize(
    "cell",
    ["31/02/2024", "soon", "8-Jan", "Jan-24", "12 juillot 2020", "1/2/3", "2024", "13/13/2024", "3 jui 2020", True, ""],
)
def test_what_is_no_day_is_left_for_the_contract_to_refuse(cell: Any) -> None:
    assert days("2024-01-13", "13 May 2024", cell)[2] == cell
    in_order = days("13/1/2024", cell)[1]
    assert in_order == cell or (isinstance(in_order, Unclear) and in_order.rule == "bad_date")


def test_two_digit_years_are_told() -> None:
    found, _ = read(ASSET, {COLUMN: ["1/23/23"]})

    assert TWO_DIGIT_YEARS in found.dates[COLUMN].evidence
    assert found.told() == [
        "acquired_on: dates are read as month/day/year (1/23/23 in row 2 can be nothing else; "
        "two-digit years are taken as 1970 to 2069)"
    ]


# -- what the column does not tell


def test_a_column_without_a_day_above_12_is_asked_about_with_both_readings() -> None:
    (asked,) = questions(ASSET, {COLUMN: ["5/5/2024", "3/4/2025"]})

    assert asked.key == "date_order:acquired_on"
    assert asked.text == (
        'Column A, "acquired_on" (for example: 5/5/2024, 3/4/2025): is 3/4/2025 3 April 2025 or 4 March 2025? '
        "No value of the column tells."
    )
    assert [choice.value for choice in asked.choices] == ["DMY", "MDY"]
    assert asked.choices[1].label == "month/day/year: 3/4/2025 is 4 March 2025"
    assert asked.evidence == ("row 3: 3/4/2025",)


def test_short_years_may_be_read_in_three_ways() -> None:
    (asked,) = questions(ASSET, {COLUMN: ["01/02/03"]})

    assert [choice.value for choice in asked.choices] == ["DMY", "MDY", "YMD"]


@pytest.mark.parametrize(("answer", "expected"), [("DMY", "2025-04-03"), ("MDY", "2025-03-04")])
def test_an_answer_decides(answer: str, expected: str) -> None:
    assert days("3/4/2025", answers={"date_order:acquired_on": answer}) == [expected]


def test_another_column_of_the_file_that_is_decided_is_evidence() -> None:
    found, cells = read(CONTAINER, {"received_on": ["13/1/2024", "1/2/2024"], "opened_on": ["1/2/2024", "3/4/2024"]})

    assert cells["opened_on"] == ["2024-02-01", "2024-04-03"]
    assert found.dates["opened_on"].confidence == 0.9
    assert found.dates["opened_on"].evidence == ("so are those of the column received_on",)


@pytest.mark.parametrize(
    "others",
    [
        {"received_on": ["13/1/2024", "1/2/2024"], "disposed_on": ["1/13/2025", "1/14/2025"]},
        {"received_on": ["5/5/2024", "6/6/2024"]},
        {"received_on": ["2024-01-13", "13 January 2024"]},
    ],
    ids=["which contradict each other", "which are equal in any order", "which are written otherwise"],
)
def test_other_columns_are_no_evidence(others: dict[str, list[str]]) -> None:
    asked = questions(CONTAINER, {**others, "opened_on": ["1/2/2024", "3/4/2024"]})

    assert [one.key for one in asked] == ["date_order:opened_on"]


def test_a_few_dates_against_a_clear_majority_are_refused_row_by_row() -> None:
    found, cells = read(ASSET, {COLUMN: [*["13/1/2024"] * 9, "1/14/2024"]})

    assert cells[COLUMN][:9] == ["2024-01-13"] * 9
    refused = cells[COLUMN][9]
    assert isinstance(refused, Unclear)
    assert (refused.rule, refused.suggestion) == ("date_order_differs", "14/01/2024 if 14 January 2024 is meant")
    assert "written day/month/year" in refused.reason
    assert found.dates[COLUMN].confidence == 0.9


def test_one_date_that_contradicts_the_rest_is_refused_alone_also_in_a_short_column() -> None:
    found, cells = read(ASSET, {COLUMN: ["13/1/2024", "2/3/2024", "28/2/2024", "30/4/2024", "4/5/2024", "1/14/2024"]})

    assert cells[COLUMN][:5] == ["2024-01-13", "2024-03-02", "2024-02-28", "2024-04-30", "2024-05-04"]
    assert isinstance(cells[COLUMN][5], Unclear)
    assert found.dates[COLUMN].evidence == ("3 values can be nothing else, 1 can't be that and is refused",)
    for doubtful in (
        ["13/1/2024", "14/1/2024", "1/14/2024"],
        ["13/1/2024", "28/2/2024", "30/4/2024", "1/14/2024", "2/15/2024"],
        ["13/1/2024", "28/2/2024", "30/4/2024", *["2/3/2024"] * 4, "1/14/2024"],
    ):
        assert questions(ASSET, {COLUMN: doubtful}), doubtful


def test_two_dates_that_contradict_each_other_hold_up_none_of_many_that_need_no_order() -> None:
    found, cells = read(ASSET, {COLUMN: [*["2024-01-05"] * 10, "13/1/2024", "1/14/2024"]})

    assert cells[COLUMN] == [*["2024-01-05"] * 10, "13/1/2024", "1/14/2024"]
    assert "2 that contradict each other are refused" in found.dates[COLUMN].evidence[0]


@pytest.mark.parametrize(
    ("others", "cell", "reason", "suggestion"),
    [
        ("13/1/2024", "04/13/2026",
         "written day/month/year, and 04/13/2026 is no day in that order: there is no month 13",
         "13/04/2026 if 13 April 2026"),
        ("13.1.2024", "04.13.2026", "there is no month 13", "13.04.2026 if 13 April 2026"),
        ("1/13/2024", "13/04/2026", "written month/day/year", "04/13/2026 if 13 April 2026 is meant"),
        ("13/1/2024", "31/02/2026",
         "31/02/2026 is no day of the calendar: February has no day 31", "Write the right day as day/month/year. If"),
        ("1/13/2024", "02/30/2026", "February has no day 30", "Write the right day as month/day/year. If"),
        ("13.01.2024", "KW 12",
         "The dates of this column are written day/month/year, and \"KW 12\" is no date.", "for example 31/12/2026"),
        ("1/13/2024", "next week", "written month/day/year", "for example 12/31/2026 for 31 December 2026. If"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_date_that_is_none_is_said_in_the_columns_own_order(
    others: str, cell: str, reason: str, suggestion: str
) -> None:
    _, cells = read(ASSET, {COLUMN: [*[others] * 20, cell]})
    refused = cells[COLUMN][20]
    assert isinstance(refused, Unclear)
    assert reason in refused.reason
    assert suggestion in str(refused.suggestion)
    assert "YYYY" not in f"{refused.reason} {refused.suggestion}"


def test_of_a_month_alone_the_contract_says_that_a_day_is_needed() -> None:
    _, cells = read(ASSET, {COLUMN: [*["13/1/2024"] * 20, "05/2026", "2019"]})
    assert cells[COLUMN][20:] == ["05/2026", "2019"]


def test_one_unclear_date_among_many_clear_ones_is_left_for_the_contract_to_refuse_and_holds_up_no_other() -> None:
    found, cells = read(ASSET, {COLUMN: [*["2024-01-05"] * 5, "1/9/2024"]})

    assert cells[COLUMN] == [*["2024-01-05"] * 5, "1/9/2024"]
    assert found.dates[COLUMN].order is None
    assert questions(ASSET, {COLUMN: [*["2024-01-05"] * 4, "1/9/2024"]})


def test_dates_that_contradict_without_a_clear_majority_are_asked_about() -> None:
    (asked,) = questions(ASSET, {COLUMN: ["13/1/2024", "1/14/2024"]})

    assert "13/1/2024 in row 2 and 1/14/2024 in row 3" in asked.text
    assert [choice.value for choice in asked.choices] == ["DMY", "MDY"]
    read_as_answered = days("13/1/2024", "1/14/2024", answers={asked.key: "DMY"})
    assert read_as_answered[0] == "2024-01-13"
    assert isinstance(read_as_answered[1], Unclear)


def test_a_date_that_contradicts_is_refused_alone_where_the_other_columns_tell_the_order_too() -> None:
    cells = {
        "received_on": ["9/2/26", "8/17/26", "13/10/26"],
        "opened_on": ["9/14/26", "5/20/26", "1/15/26"],
    }
    found, read_as = read(CONTAINER, cells)

    assert read_as["received_on"][:2] == ["2026-09-02", "2026-08-17"]
    refused = read_as["received_on"][2]
    assert isinstance(refused, Unclear)
    assert refused.suggestion == "10/13/2026 if 13 October 2026 is meant", "nobody there writes the year first"
    assert found.dates["received_on"].evidence[:2] == (
        "so are those of the column opened_on",
        "1 value can be nothing else, 1 can't be that and is refused",
    )


def test_of_dates_that_contradict_each_other_every_order_is_offered_that_one_of_them_fits() -> None:
    (asked,) = questions(ASSET, {COLUMN: ["8/17/26", "13/10/26", "9/2/26"]})

    assert "13/10/26 in row 3" in asked.text
    assert [choice.value for choice in asked.choices] == ["DMY", "MDY", "YMD"]


# -- Excel's day numbers


@pytest.mark.parametrize(
    ("serial", "day", "begins"),
    [(45000, "2023-03-15", 1900), ("45001.5", "2023-03-16", 1900), (43539, "2023-03-16", 1904)],
)
def test_day_numbers_among_days_are_read_by_the_system_that_puts_them_near(serial: Any, day: str, begins: int) -> None:
    found, cells = read(ASSET, {COLUMN: ["2023-01-05", serial]})

    restored = cells[COLUMN][1]
    assert isinstance(restored, Restored)
    assert (restored.value, restored.rule) == (day, "excel_day_number")
    assert found.dates[COLUMN].serials == begins


def test_day_numbers_that_fit_both_systems_are_read_as_the_workbook_counts_or_asked_about() -> None:
    cells = ["2015-01-05", "2030-01-01", 45000]

    assert days(*cells, facts={"date_system": "1904"})[2].value == "2027-03-16"
    (asked,) = questions(ASSET, {COLUMN: cells})
    assert asked.key == "date_system:acquired_on"
    assert "45000 is 15 March 2023 (Excel on Windows) or 16 March 2027" in asked.text


def test_a_column_of_nothing_but_numbers_is_asked_about() -> None:
    (asked,) = questions(ASSET, {COLUMN: [45000, 45002]})

    assert [choice.value for choice in asked.choices] == ["1900", "1904", "no"]
    assert days(45000, answers={asked.key: "1900"})[0].value == "2023-03-15"
    assert days(45000, answers={asked.key: "no"}) == [45000]


# -- days that Excel took for months


def test_a_column_in_which_excel_exchanged_days_and_months_is_asked_about() -> None:
    exchanged = [datetime.datetime(2024, month, 1) for month in (5, 6, 7)]
    cells = [*exchanged, "13/01/2024", "14/01/2024", "25/02/2024"]

    (asked,) = questions(ASSET, {COLUMN: cells})
    assert asked.key == "date_cells:acquired_on"
    assert "In row 2 it has the day 1 May 2024. Is that right, or was it 5 January 2024?" in asked.text

    restored = days(*cells, answers={asked.key: "exchanged"})
    assert values(restored) == ["2024-01-05", "2024-01-06", "2024-01-07", "2024-01-13", "2024-01-14", "2024-02-25"]
    assert isinstance(restored[0], Restored)
    assert days(*cells, answers={asked.key: "right"})[:3] == exchanged


@pytest.mark.parametrize("more", ["2/1/2024", datetime.datetime(2024, 5, 13)])
def test_a_column_with_any_kind_of_day_in_both_kinds_of_cells_is_not_asked_about(more: Any) -> None:
    cells = [datetime.datetime(2024, month, 1) for month in (5, 6, 7)]

    assert days(*cells, "13/01/2024", "14/01/2024", "25/02/2024", more)[:3] == cells


# -- moments


@pytest.mark.parametrize(
    ("cell", "zone", "expected"),
    [
        ("2021-09-24T01:54:01.499+0000", "America/New_York", "2021-09-23"),
        ("2021-09-24T16:54:01.499+0000", "America/New_York", "2021-09-24"),
        ("Oct 19, 2020 11:30 PM PDT", "America/New_York", "2020-10-20"),
        ("2021-09-24T16:54:01.499+0000", None, "2021-09-24T16:54:01.499+0000"),
        ("2021-09-24 16:54 XYZ", "America/New_York", "2021-09-24 16:54 XYZ"),
    ],
)
def test_the_day_of_a_moment_is_the_campuss_own(cell: str, zone: str | None, expected: str) -> None:
    assert values(days(cell, time_zone=zone)) == [expected]


def test_a_moments_day_is_put_right_and_its_time_of_day_stays() -> None:
    _, cells = read("hazmat.event", {"at": ["3/15/2025 14:30", "1/2/2025 2:30 PM", "2025-03-15T14:30:00Z"]})

    assert cells["at"] == ["2025-03-15 14:30", "2025-01-02 2:30 PM", "2025-03-15T14:30:00Z"]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("03/2026", "2026-03-31"),
        ("2/2028", "2028-02-29"),
        ("2026-03", "2026-03-31"),
        ("Mar 2026", "2026-03-31"),
        ("March, 2026", "2026-03-31"),
        ("Dec-26", "2026-12-31"),
        ("März 2026", "2026-03-31"),
    ],
)
def test_what_expires_in_a_month_may_be_used_until_its_last_day(cell: str, expected: str) -> None:
    (restored,) = read(CONTAINER, {"expires_on": [cell]})[1]["expires_on"]

    assert isinstance(restored, Restored)
    assert (restored.value, restored.rule, restored.sent) == (expected, "last_day_of_month", cell)
    assert read(CONTAINER, {"received_on": [cell]})[1]["received_on"] == [cell]


@pytest.mark.parametrize("cell", ["13/2026", "03/26", "2026", "2026-00", "Foo 2026", "8-Jan", "3/26/"])
def test_what_tells_no_month_of_a_year_is_left_for_the_contract(cell: str) -> None:
    assert read(CONTAINER, {"expires_on": [cell]})[1]["expires_on"] == [cell]


@pytest.mark.parametrize("cell", ["-", "?", "n/a", "N/A", "—"])
def test_a_dash_in_an_optional_column_is_nothing(cell: str) -> None:
    assert read(CONTAINER, {"opened_on": [cell]})[1]["opened_on"] == [None]
    (unclear,) = read("grants.award", {"starts_on": [cell]})[1]["starts_on"]
    assert isinstance(unclear, Unclear)
    assert unclear.sent == cell


# -- marks that tell another order than the column's


SLASHED = ["1/23/2014", "2/28/2014", "3/15/2014", "4/5/2014"] * 9
DOTTED = ["25.3.2014", "28.12.2015", "31.1.2016"]


def test_dates_with_points_are_not_read_in_the_order_of_those_with_slashes_where_they_seem_to_have_another() -> None:
    found, cells = read(ASSET, {COLUMN: [*SLASHED, *DOTTED, "2.3.2014", "4. 5. 2015", "6.6.2015"]})
    *slashed, first, _, _, open_one, with_blanks, same = cells[COLUMN]

    assert (slashed[3], same) == ("2014-04-05", "2015-06-06")
    assert isinstance(first, Unclear)
    assert isinstance(open_one, Unclear)
    assert isinstance(with_blanks, Unclear)
    # with a point 3/25 would be in doubt too
    assert first.suggestion == "2014-03-25 if 25 March 2014 is meant"
    assert open_one.reason == (
        "The dates of this column are written month/day/year, "
        "but some that are written like 2.3.2014 can only be day/month/year."
    )
    assert open_one.suggestion == "2014-03-02 if 2 March 2014 is meant or 2014-02-03 if 3 February 2014 is meant"
    assert found.dates[COLUMN].doubtful == {".": "DMY"}
    told = "those that are written like 25.3.2014 in row 38 and may be day/month/year too are refused"
    assert told in found.dates[COLUMN].evidence


def test_slashes_are_doubted_like_points_and_after_an_answer_too() -> None:
    dotted = ["23.1.2014", "28.2.2014", "15.3.2014", "5.4.2014"]
    (asked,) = questions(ASSET, {COLUMN: [*dotted, "3/25/2014", "12/28/2015", "2/3/2014"]})
    *_, slashed = days(*dotted, "3/25/2014", "12/28/2015", "2/3/2014", answers={asked.key: "DMY"})

    assert isinstance(slashed, Unclear)
    assert slashed.suggestion == "2014-03-02 if 2 March 2014 is meant or 2014-02-03 if 3 February 2014 is meant"


@pytest.mark.parametrize("dotted", [["2.3.2014"], [*DOTTED, "3.25.2014", "2.3.2014"], ["3.25.2014", "2.3.2014"]])
def test_a_mark_is_not_doubted_of_which_none_or_some_dates_tell_the_columns_own_order(dotted: list[str]) -> None:
    found, cells = read(ASSET, {COLUMN: [*SLASHED, *dotted]})

    assert cells[COLUMN][-1] == "2014-02-03"
    assert "doubtful" not in found.document()["dates"][COLUMN]


def test_a_decision_that_doubts_no_mark_reads_dates_as_it_did_when_none_could() -> None:
    sent = table({COLUMN: ["1/23/2014", "25.3.2014", "2.3.2014"]})
    columns = located_columns(sent.header, RECORD_TYPES[ASSET])
    rows = [row for _, row in apply(sent, columns, Conventions(dates={COLUMN: DateConvention("MDY")})).rows]

    assert rows[2] == ["2014-02-03"]
    assert isinstance(rows[1][0], Unclear)
    assert rows[1][0].suggestion == "03.25.2014 if 25 March 2014 is meant"
