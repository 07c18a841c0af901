from typing import Any

import pytest

from hub_pipelines.validate.model import AcceptedRow, RejectedRow

from .builders import Rows

AWARDS = Rows("grants.award")
EXPENDITURES = Rows("grants.expenditure")


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("award_id", " 1r15de032063-01a1", "1R15DE032063-01A1"),
        ("award_id", 1847537.0, "1847537"),
        ("obligated_amount", -5798.0, "-5798.00"),
        ("obligated_amount", "(5,798.00)", "-5798.00"),
        ("obligated_amount", "$1,234,567", "1234567.00"),
        ("obligated_amount", 156725919.62, "156725919.62"),
        ("aln", 47.041, "47.041"),
        ("aln", 93.31, "93.310"),
        ("aln", "CFDA 93.310", "93.310"),
        ("aln", "11.63a", "11.63A"),
        ("fain", "r01ca123456", "R01CA123456"),
        ("fain", 2145678.0, "2145678"),
        ("idc_rate", "53.5 %", "53.5"),
        ("idc_rate", "26", "26"),
        ("idc_rate", 0.535, "53.5"),
        ("idc_rate", 53.5, "53.5"),
        ("idc_rate", 0, "0"),
        ("ends_on", None, None),
        ("ends_on", "2024-07-01", "2024-07-01"),
    ],
)
def test_an_award_value_is_taken_in_its_canonical_form(column: str, cell: Any, expected: str | None) -> None:
    assert AWARDS.values(**{column: cell})[column] == expected


@pytest.mark.parametrize(
    ("column", "cell", "rule", "suggestion"),
    [
        ("award_id", None, "missing_value", "Write it"),
        ("award_id", "1E+15", "damaged_by_excel", "Text"),
        ("obligated_amount", None, "missing_value", "Write it"),
        ("obligated_amount", "500,000", "bad_amount", "500000 or 500.000"),
        ("obligated_amount", "half a million", "bad_amount", None),
        ("starts_on", "07/01/2024", "bad_date", "2024-07-01 or 2024-01-07"),
        ("ends_on", "2023-06-30", "dates_reversed", "mistyped"),
        ("aln", "93.31", "bad_aln", "93.310, if Excel has dropped the zeros"),
        ("aln", 93.0, "bad_aln", None),
        ("aln", "93.310; 93.866", "bad_aln", "93.310"),
        ("fain", "R01 CA 123456", "bad_fain", "R01CA123456"),
        ("fain", "R01\u2013CA\u2011123", "bad_fain", "R01-CA-123"),
        ("fain", "x" * 31, "bad_fain", None),
        ("idc_rate", "0.535", "bad_rate", "53.5% or 0.535%"),
        ("idc_rate", "-1", "bad_rate", None),
        ("idc_rate", 250.0, "bad_rate", None),
        ("pi_email", "Ada <ada@uni.edu>", "bad_email", "ada@uni.edu"),
    ],
)
def test_a_defect_of_an_award_is_named_by_its_rule(column: str, cell: Any, rule: str, suggestion: str | None) -> None:
    found = AWARDS.the_problem(**{column: cell})
    assert (found.rule, found.column) == (rule, column)
    assert suggestion is None or suggestion in (found.suggestion or "")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("123.45", "123.45"),
        ("(123.45)", "-123.45"),
        ("($1,234.56)", "-1234.56"),
        ("$(12)", "-12.00"),
        ("123.45-", "-123.45"),
        ("-$5", "-5.00"),
        ("1,234,567.8", "1234567.80"),
        (0.1 + 0.2, "0.30"),
        (-0.0, "0.00"),
    ],
)
def test_an_amount_is_signed_in_the_ways_that_accountants_write_it(cell: Any, expected: str) -> None:
    assert EXPENDITURES.values(amount=cell)["amount"] == expected


@pytest.mark.parametrize(
    ("cell", "suggestion"),
    [
        ("(-5.00)", None),
        ("-(5.00)", None),
        ("(5.00", None),
        ("5.00 CR", None),
        ("(1,234)", "1234 or 1.234"),
        ("1.234,56", "1234.56"),
        ("12,34,567.00", "1234567.00"),
        ("123.456", None),
        ("USD 123.45", "Write 123.45 here and USD in currency"),
        ("123.45 EUR", "Write 123.45 here and EUR in currency"),
        ("12345678901", None),
        ("-", None),
    ],
)
def test_an_amount_that_can_be_read_in_two_ways_is_refused(cell: str, suggestion: str | None) -> None:
    found = EXPENDITURES.the_problem(amount=cell)
    assert (found.rule, found.column, found.suggestion) == ("bad_amount", "amount", suggestion)


@pytest.mark.parametrize("cell", [None, " ", "US dollars", "$", "usd", Rows.LEFT_OUT])
def test_the_currency_is_us_dollars_unless_another_is_named(cell: Any) -> None:
    assert EXPENDITURES.values(currency=cell)["currency"] == "USD"


def test_who_wrote_a_currency_that_is_none_is_not_told_to_leave_the_cell_empty_which_means_dollars() -> None:
    found = EXPENDITURES.the_problem(currency="Pesos")
    assert (found.rule, found.suggestion) == ("unknown_currency", "Correct it. An empty cell means USD")
    no_day = EXPENDITURES.the_problem(incurred_on="soon")
    assert no_day.suggestion == "Correct it. If it is not known, leave the cell empty"


@pytest.mark.parametrize(
    ("changes", "rule", "column", "suggestion"),
    [
        ({"transaction_id": None}, "missing_value", "transaction_id", "Write it"),
        ({"currency": "XYZ"}, "unknown_currency", "currency", None),
        ({"vendor_uei": "ZQGGHJH74DWO"}, "bad_uei", "vendor_uei", "ZQGGHJH74DW0"),
        ({"vendor_uei": "114376135"}, "bad_uei", "vendor_uei", "SAM.gov"),
        ({"vendor_uei": "0QGGHJH74DW7"}, "bad_uei", "vendor_uei", None),
        ({"budget_ends_on": "2024-06-30"}, "dates_reversed", "budget_ends_on", "mistyped"),
        ({"invoice_number": "1.7E+11"}, "damaged_by_excel", "invoice_number", "Text"),
        ({"posted_on": "1/23/23"}, "bad_date", "posted_on", "2023-01-23"),
        ({"description": "x" * 4001}, "too_long", "description", None),
    ],
)
def test_a_defect_of_an_expenditure_is_named_by_its_rule(
    changes: dict[str, Any], rule: str, column: str, suggestion: str | None
) -> None:
    found = EXPENDITURES.the_problem(**changes)
    assert (found.rule, found.column) == (rule, column)
    assert suggestion is None or suggestion in (found.suggestion or "")


def test_two_lines_that_differ_only_in_their_number_are_two_lines() -> None:
    first, second, again = EXPENDITURES.verdicts({}, {"transaction_id": "T-2"}, {"transaction_id": "t-1"})
    assert isinstance(first, AcceptedRow)
    assert isinstance(second, AcceptedRow)
    assert isinstance(again, RejectedRow)
