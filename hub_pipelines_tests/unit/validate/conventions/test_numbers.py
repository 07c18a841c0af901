from typing import Any

import pytest

from hub_pipelines.validate.conventions.model import Conventions
from hub_pipelines.validate.model import Unclear

from .columns import questions, read

STOCK, COLUMN = "inventory.stock", "quantity_on_hand"
ASSET, COST = "inventory.asset", "unit_cost"


def numbers(*cells: Any, **told: Any) -> list[Any]:
    return read(STOCK, {COLUMN: cells, "unit": ["g"] * len(cells)}, **told)[1][COLUMN]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,5", "1.234"], ["1.5", "1234"]),
        (["1.5", "1,234"], ["1.5", "1234"]),
        (["2.000,5", "3"], ["2000.5", "3"]),
        (["1 234,5", "2\u00a0000", "3\u202f000,25"], ["1234.5", "2000", "3000.25"]),
        (["1'234.5", "2’000"], ["1234.5", "2000"]),
        (["1,234,567", "12"], ["1234567", "12"]),
        (["1.234.567", "0,5"], ["1234567", "0.5"]),
        (["12", "007", 3, 2.5], ["12", "007", 3, 2.5]),
        (["12.500", "0.1"], ["12.500", "0.1"]),
        ([",5", "1,"], ["0.5", "1"]),
    ],
)
def test_numbers_are_read_with_the_mark_that_their_column_shows(cells: list[Any], expected: list[Any]) -> None:
    assert numbers(*cells) == expected


def test_a_comma_that_may_be_either_is_asked_about_with_both_readings() -> None:
    cells = {COLUMN: ["1,234", "5"], "unit": ["g", "g"]}
    (asked,) = questions(STOCK, cells)

    assert asked.key == "decimal_mark:quantity_on_hand"
    assert asked.text.endswith(": is 1,234 the number 1234 or 1.234? No value of the column tells.")
    assert read(STOCK, cells, answers={asked.key: "comma"})[1][COLUMN][0] == "1.234"
    assert read(STOCK, cells, answers={asked.key: "point"})[1][COLUMN][0] == "1234"


@pytest.mark.parametrize(
    ("cost", "expected"), [(["12,00", "3,50"], "1.234"), (["12.00", "3.50"], "1234"), (["1.234,56", "2"], "1.234")]
)
def test_the_other_numbers_of_the_file_are_evidence(cost: list[str], expected: str) -> None:
    found, cells = read(ASSET, {"quantity": ["1,234", "5"], "unit": ["g", "g"], COST: cost})

    assert cells["quantity"][0] == expected
    assert found.numbers["quantity"].confidence == 0.9


def test_a_point_that_may_be_either_is_a_decimal_point_unless_the_file_comes_from_a_land_of_commas() -> None:
    assert numbers("1.234", "12.500") == ["1.234", "12.500"]
    assert numbers("1.500", "2000") == ["1.500", "2000"]
    assert numbers("1.500", "0.25") == ["1.500", "0.25"]
    (asked,) = questions(STOCK, {COLUMN: ["1.500", "12.000", "3"], "unit": ["g", "g", "g"]})
    assert "is 1.500 the number 1.5 or 1500?" in asked.text
    (asked,) = questions(STOCK, {COLUMN: ["1.234"], "unit": ["g"]}, facts={"delimiter": "semicolon"})
    assert "is 1.234 the number 1.234 or 1234?" in asked.text
    assert read(ASSET, {"quantity": ["1.234"], COST: ["12,00"]})[1]["quantity"] == ["1234"]


def test_numbers_that_contradict_are_refused_when_few_and_asked_about_otherwise() -> None:
    few = numbers(*["1,5"] * 9, "2.5")
    assert few[0] == "1.5"
    assert isinstance(few[9], Unclear)
    assert "decimal comma" in few[9].reason
    *most, slip = numbers("1,5", "2,5", "3,5", "2.5")
    assert (most, type(slip)) == (["1.5", "2.5", "3.5"], Unclear)
    (asked,) = questions(STOCK, {COLUMN: ["1,5", "2.5"], "unit": ["g", "g"]})
    assert "1,5 in row 2 and 2.5 in row 3" in asked.text or "2.5 in row 3 and 1,5 in row 2" in asked.text


def test_a_number_that_a_program_wrote_out_in_binary_is_the_one_it_was() -> None:
    found, cells = read(STOCK, {COLUMN: ["44.010000000000005", "0.30000000000000004", "15.16", "378.78787878787875"]})

    assert cells[COLUMN] == ["44.01", "0.3", "15.16", "378.78787878787875"]
    assert found.numbers[COLUMN].evidence[-1] == "44.010000000000005 is 44.01 as a program writes it"
    assert Conventions.from_document(found.document()) == found
    assert "noisy" not in read(STOCK, {COLUMN: ["1.5", "2.25"]})[0].document()["numbers"][COLUMN]


# -- money


def costs(*cells: Any, **told: Any) -> list[Any]:
    return read(ASSET, {COST: cells}, **told)[1][COST]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["$1,234.50", "USD 5", "5 usd", "US$ 7.25", "(3.00)", "4.00-", "-$2.10"],
         ["1234.5", "5", "5", "7.25", "-3", "-4", "-2.1"]),
        (["12,00", "$1.234,50", "12,-"], ["12", "1234.5", "12"]),
        (["$1,234", "$12"], ["1234", "12"]),
        (["3.50", "19.99", 4.25], ["3.50", "19.99", 4.25]),
        (["12.00", "twelve", "1.2.3"], ["12.00", "twelve", "1.2.3"]),
    ],
)  # fmt: skip
def test_an_amount_in_dollars_is_read_however_it_is_written(cells: list[Any], expected: list[Any]) -> None:
    assert costs(*cells) == expected


@pytest.mark.parametrize(
    ("cell", "code"),
    [("EUR 12,00", "EUR"), ("1.234,56 €", "EUR"), ("£5", "GBP"), ("CHF 7,50", "CHF"), ("C$ 5,00", "C$")],
)
def test_another_currency_is_refused_and_never_converted(cell: str, code: str) -> None:
    _, refused = costs("3,50", cell)

    assert isinstance(refused, Unclear)
    assert refused.rule == "other_currency"
    assert refused.reason.startswith(f"The amount is in {code}, and this column is in US dollars.")
    assert str(refused.suggestion).startswith("Write the amount in US dollars with its currency, such as USD 12,50")


def test_letters_among_the_digits_of_an_amount_are_told_with_all_else_that_is_wrong_with_it() -> None:
    _, dollars, euros = costs("3,50", "3.3OO,00", "3.3OO,l0 €")

    assert isinstance(dollars, Unclear)
    assert (dollars.rule, dollars.sent) == ("letters_for_digits", "3.3OO,00")
    assert dollars.suggestion == "3.300,00, if the letter O stands for a digit"
    assert isinstance(euros, Unclear)
    assert (euros.rule, euros.sent) == ("other_currency", "3.3OO,l0 €")
    told = "The amount is 3.300,10 €, if the letters O and l stand for a digit. The amount is in EUR, and this column"
    assert euros.reason.startswith(told)


def test_a_contract_with_a_currency_takes_the_one_beside_the_amount() -> None:
    found, cells = read("grants.expenditure", {"amount": ["12.00 EUR", "$5.00", "7.00"]})

    assert found.added == ("currency",)
    assert cells == {"amount": ["12", "5", "7.00"], "currency": ["EUR", "USD", None]}


def test_an_amount_whose_currency_is_told_otherwise_is_refused() -> None:
    _, cells = read("grants.expenditure", {"amount": ["12.00 EUR", "$5.00", "7 eur"], "currency": ["USD", "$", None]})

    assert isinstance(cells["amount"][0], Unclear)
    assert cells["amount"][0].rule == "currencies_contradict"
    assert cells["amount"][1:] == ["5", "7"]
    assert cells["currency"] == ["USD", "$", "EUR"]


def test_a_heading_in_another_currency_refuses_what_is_in_dollars() -> None:
    _, found = read(ASSET, {COST: ["12.50", 30, "$5"]}, units={COST: "EUR"})
    first, second, third = found[COST]
    assert [type(one) for one in (first, second)] == [Unclear, Unclear]
    assert (first.rule, third) == ("other_currency", "5")


def test_a_heading_in_dollars_changes_nothing() -> None:
    assert read(ASSET, {COST: ["12.50", 30]}, units={COST: "$"})[1][COST] == ["12.50", 30]


def test_the_currency_of_a_heading_is_the_rows_unless_they_tell_their_own() -> None:
    record_type = "grants.expenditure"
    conventions, found = read(record_type, {"amount": ["12.50", 30, "$5"]}, units={"amount": "EUR"})
    assert conventions.added == ("currency",)
    assert found["currency"] == ["EUR", "EUR", "USD"]
    _, own = read(record_type, {"amount": ["12.50", "3"], "currency": ["CHF", ""]}, units={"amount": "EUR"})
    assert own["currency"] == ["CHF", "EUR"]


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("1.461,74 EUR", "EUR"), ("146,74 €", "EUR"), ("(EUR 146,74)", "EUR"), ("12,- EUR", "EUR"),
        ("1.46l,74 EUR", "EUR"), ("146,74 Euro", "EUR"), ("1,461,74 EUR", "EUR"), ("146,74€-", "EUR"),
        ("–5 EUR", "EUR"), ("146,74 EUR net", "EUR"),
        ("1.461,74 ＥＵＲ", "EUR"), ("￥500", "JPY"), ("146,74 kr", "kr"), ("Rs. 500", "Rs"), ("₺ 12", "₺"),
        ("146,74 zł", "PLN"), ("500 руб.", "RUB"),
    ],
)  # fmt: skip
def test_of_another_currency_its_sender_is_told_first_however_the_number_is_written(cell: str, told: str) -> None:
    *_, refused = costs("3.50", "19.99", "7.25", cell)

    assert isinstance(refused, Unclear)
    assert (refused.rule, refused.sent) == ("other_currency", cell)
    assert f"The amount is in {told}, and this column is in US dollars." in refused.reason
    assert "Write it like the others" not in str(refused.suggestion)


@pytest.mark.parametrize("cell", ["146,74", "146,74 $", "USD 146,74"])
def test_of_dollars_with_another_decimal_mark_the_mark_alone_is_told(cell: str) -> None:
    *_, refused = costs("3.50", "19.99", "7.25", cell)

    assert isinstance(refused, Unclear)
    assert (refused.rule, refused.suggestion) == ("decimal_mark_differs", "Write it like the others")


def test_what_is_no_amount_at_all_tells_no_currency() -> None:
    for cell in ("free", "12 each", "try 2 at 146,74 EUR or 160 USD", "see invoice 12", "Euro"):
        *_, left = costs("3.50", "19.99", "7.25", cell)
        assert left == cell


def test_where_any_currency_is_taken_an_amount_is_not_corrected_without_its_own() -> None:
    amounts = [*["3.50"] * 30, "146,74 EUR", "146,74 Euro"]
    *_, other_mark, no_amount = read("grants.expenditure", {"amount": amounts})[1]["amount"]
    assert isinstance(other_mark, Unclear)
    assert isinstance(no_amount, Unclear)
    assert other_mark.suggestion == "Write it like the others and keep its currency's code, such as EUR 12.50"
    assert no_amount.suggestion == "Write number and code, such as EUR 12.50"

    *_, told, left = read("grants.expenditure", {"amount": amounts, "currency": ["EUR"] * 32})[1]["amount"]
    assert isinstance(told, Unclear)
    assert (told.suggestion, left) == ("Write it like the others", "146,74 Euro")
