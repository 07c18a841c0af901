import datetime
from dataclasses import replace
from typing import Any

import pytest

from hub_pipelines.validate.conventions.identifiers import restore_identifier
from hub_pipelines.validate.conventions.model import IdentifierConvention
from hub_pipelines.validate.model import Restored, Unclear

from .columns import read, values

ASSET, TAG = "inventory.asset", "asset_tag"
STOCK, CODE, CAS = "inventory.stock", "item_code", "cas_number"


def tags(*cells: Any) -> list[Any]:
    return read(ASSET, {TAG: cells})[1][TAG]


def codes(*cells: Any) -> list[Any]:
    return read(STOCK, {CODE: cells})[1][CODE]


def cas(*cells: Any) -> list[Any]:
    return read(STOCK, {CAS: cells})[1][CAS]


def test_lost_zeros_are_restored_where_all_other_identifiers_have_one_width() -> None:
    found = tags("000123", "000124", "000125", 126.0, "127")

    assert values(found) == ["000123", "000124", "000125", "000126", "000127"]
    assert isinstance(found[3], Restored)
    assert (found[3].rule, found[3].sent) == ("zeros_restored", "126")


@pytest.mark.parametrize(
    "others",
    [
        ["000123", "000124"],
        ["000123", "000124", "000125", "A-1"],
        ["000123", "000124", "000125", "01234"],
        ["000123", "000124", "000125", "1234567"],
        ["100123", "100124", "100125"],
        ["000123", "100124", "100125", "1", "2", "3"],
    ],
)
def test_zeros_are_not_invented(others: list[str]) -> None:
    found = tags(*others, "126", 127)

    assert "126" in found
    assert not any(isinstance(cell, Restored) for cell in found)


def test_a_number_among_identifiers_with_zeros_of_several_widths_is_asked_back() -> None:
    found = tags("000123", "00124", "0125", 126)

    assert isinstance(found[3], Unclear)
    assert "Was it 126 or 0126?" in (found[3].suggestion or "")


@pytest.mark.parametrize(("cell", "expected"), [(220.0, "22E1"), ("2.20E+02", "22E1"), (3_500_000, "35E5")])
def test_an_identifier_that_excel_took_for_a_number_is_restored_by_the_look_of_the_others(
    cell: Any, expected: str
) -> None:
    restored = tags("22E2", "23E1", "31E1", cell)[3]

    assert isinstance(restored, Restored)
    assert (restored.value, restored.rule) == (expected, "number_made_of_identifier")


def test_a_number_that_is_none_of_the_others_looks_is_asked_back() -> None:
    assert isinstance(tags("22E2", "23E1", "31E1", 221)[3], Unclear)
    assert tags("22E2", "AB-1", 220)[2] == 220


def test_a_few_identifiers_with_an_e_tell_nothing_of_a_column_of_digits() -> None:
    many = [f"17{number:010}" for number in range(33)]
    assert tags("73E04", "73E05", "73E06", *many, "000201", "730000") == [
        "73E04", "73E05", "73E06", *many, "000201", "730000",
    ]  # fmt: skip


def test_a_text_that_excel_cant_have_made_of_the_others_look_is_as_it_was_written() -> None:
    assert tags("73E04", "73E05", "73E06", "000201", "172200092044")[3:] == ["000201", "172200092044"]


def test_a_decision_of_before_still_doubts_each_text_of_digits() -> None:
    formerly = IdentifierConvention(skeleton=(2, 2))
    assert isinstance(restore_identifier("172200092044", formerly), Unclear)
    assert restore_identifier("172200092044", replace(formerly, only_made=True)) == "172200092044"


def test_a_barcode_cell_keeps_the_digits_that_excel_only_hides() -> None:
    whole, rounded, text = tags(171900085939.0, 171900000000.0, "1.719E+11")

    assert whole == "171900085939"
    assert (rounded, text) == (171900000000.0, "1.719E+11")  # for the contract to refuse: the digits are gone


def test_a_code_with_decimals_is_taken_where_such_codes_stand_as_text() -> None:
    found = codes("11566.36", "11566.40", "100.12", 11566.5, 8192)

    assert values(found) == ["11566.36", "11566.40", "100.12", "11566.50", 8192]
    assert isinstance(found[3], Restored)
    lone = codes("A-1", 11566.36)[1]
    assert isinstance(lone, Unclear)
    assert "Is it 11566.36 on the label?" in (lone.suggestion or "")


def test_a_number_among_codes_with_a_letter_that_all_have_two_decimals_is_the_code() -> None:
    found = codes("A14906.14", "B21473.22", "J62166.06", "365181000", 11566.36, 14245.2)

    assert values(found)[4:] == ["11566.36", "14245.20"]
    assert all(isinstance(one, Restored) for one in found[4:])
    for others in (("A14906.14", "B21473.2", "J62166.06"), ("A14906.14", "B21473.22", "C-7")):
        assert isinstance(codes(*others, 11566.36)[3], Unclear)
    assert isinstance(codes("A14906.14", "B21473.22", "J62166.06", 11566.367)[3], Unclear)


def test_a_number_among_codes_with_a_point_is_the_code_as_it_shows_unless_it_stands_twice() -> None:
    found = codes("3A.1", "3A.10", "3A.2", "3B.1", "4C.7", 1.2, 5.4, 1.1, 1.1)

    assert values(found)[5:7] == ["1.2", "5.4"]
    assert all(isinstance(one, Restored) for one in found[5:7])
    assert all(isinstance(one, Unclear) for one in found[7:])
    assert "Is it 1.1 or 1.10?" in (found[7].suggestion or "")
    assert isinstance(tags("3A.1", "3A.10", "3A.2", 1.2)[3], Unclear), "of a tag nothing is supposed"
    assert isinstance(codes("3A.1", "3A.10", "AB-2", 1.2)[3], Unclear)


# -- CAS numbers


@pytest.mark.parametrize(
    ("cell", "expected", "rule"),
    [
        ("67641", "67-64-1", "hyphens_restored"),
        (67641.0, "67-64-1", "hyphens_restored"),
        ("0000067641", "67-64-1", "hyphens_restored"),
        (datetime.datetime(1975, 9, 2), "75-09-2", "cas_made_a_date"),
        ("1975-09-02", "75-09-2", "cas_made_a_date"),
        ("9/2/1975", "75-09-2", "cas_made_a_date"),
        ("0075-09-02", "75-09-2", "cas_made_a_date"),
        ("0110-02-01", "110-02-1", "cas_made_a_date"),
    ],
)
def test_a_damaged_cas_number_is_restored_by_its_check_digit(cell: Any, expected: str, rule: str) -> None:
    (restored,) = cas(cell)

    assert isinstance(restored, Restored)
    assert (restored.value, restored.rule) == (expected, rule)


@pytest.mark.parametrize("cell", ["67-64-1", "67-64-2", "130-130-617", "67642", "mixture", "67-64-1, 7732-18-5", None])
def test_what_is_not_damaged_or_has_no_evidence_is_left_for_the_contract(cell: Any) -> None:
    assert cas("7732-18-5", "67641", *["64175"] * 9, cell)[-1] == cell


def test_a_column_of_other_numbers_is_not_taken_for_cas_numbers_by_chance() -> None:
    found = cas("12345", "23456", "34567", "67641")

    assert all(isinstance(cell, Unclear) for cell in found)
    assert "catalogue numbers" in (found[3].suggestion or "")


def test_a_date_that_was_no_cas_number_is_asked_back() -> None:
    (refused,) = cas(datetime.datetime(2024, 5, 17))

    assert isinstance(refused, Unclear)
    assert refused.rule == "damaged_by_excel"


# -- e-mail addresses


@pytest.mark.parametrize(
    ("cell", "address"),
    [
        ("mailto:ada@uni.edu", "ada@uni.edu"),
        ("mailto:ada@uni.edu?subject=Acetone", "ada@uni.edu"),
        ("Ada Reyes <ada@uni.edu>", "ada@uni.edu"),
        ('"Reyes, Ada" <mailto:ada@uni.edu>', "ada@uni.edu"),
    ],
)
def test_the_address_is_taken_out_of_a_link_or_a_name(cell: str, address: str) -> None:
    (restored,) = read(ASSET, {"responsible_email": [cell]})[1]["responsible_email"]

    assert isinstance(restored, Restored)
    assert (restored.value, restored.sent) == (address, cell)


@pytest.mark.parametrize("cell", ["ada@uni.edu", "Ada", "<a@b.edu> <c@d.edu>", "a@b.edu; c@d.edu", None])
def test_a_cell_with_no_or_several_addresses_is_left_for_the_contract(cell: Any) -> None:
    assert read(ASSET, {"responsible_email": [cell]})[1]["responsible_email"] == [cell]
