"""Telling kinds of values apart, and which values refute a heading."""

import datetime

import pytest

from hub_pipelines.mapping.content import kinds_of, profile_of
from hub_pipelines.mapping.fits import fit
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Cell


def column(*cells: Cell) -> list[list[Cell]]:
    return [[cell] for cell in cells]


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("67-64-1", "cas"), ("67-64-1; 64-17-5", "cas"), ("CAS 67-64-1", "cas"), ("0067-64-1", "cas"),
        ("67641", "cas_digits"),
        (67641.0, "cas_digits"), ("H225, H319", "h_codes"), ("EUH066", "h_codes"), ("H300+H310", "h_codes"),
        ("a@b.edu", "email"), ("https://x.org", "url"), ("25 g", "amount"), ("500g", "amount"), ("2,5 L", "amount"),
        ("2*500мл", "amount"), ("1000ml (4 bottles)", "amount"), ("33 tablets", "amount"), ("12", "number"),
        ("1,234.50", "number"), (2.5, "number"), ("$1,200.00", "money"), ("12,50 €", "money"), ("USD 12", "money"),
        ("мл", "unit"), ("瓶", "unit"), ("Stück", "unit"), ("1/23/23", "date"), ("2025-01-23", "date"),
        ("24 October 2011", "date"), ("31.12.2026", "date"), ("2026年5月1日", "date"), ("12/2026", "date"),
        (datetime.date(2025, 1, 2), "date"), ("2025-01-23 11:54:15", "time"), ("2026-01-05 09:10 -05:00", "time"),
        ("20151016", "compact_date"), (44_000.0, "serial_date"), ("Room 214", "place"), ("Freezer -80 A", "place"),
        ("B2", "grid"), ("试剂柜A", "place"), ("Sigma-Aldrich", "supplier"), ("国药集团", "supplier"),
        ("Acme GmbH", "supplier"), ("sodium chloride", "chemical"), ("UN1090", "un"), ("F003;D001", "waste"),
        ("NYD000000000", "epa_id"), ("123456789ELC", "manifest"), ("93.310", "aln"), ("Yes", "flag"), (True, "flag"),
        ("Equipment", "category"), ("in tolerance", "result"), ("6.1", "class"), (3.0, "class"), ("II", "packing"),
        ("53.5%", "percent"), ("EUR", "currency"), ("A0334-25G", "code"),
    ],
)  # fmt: skip
def test_a_value_is_told_by_its_looks(cell: Cell, kind: str) -> None:
    assert kind in kinds_of(cell)


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("67-64-2", "cas"), ("130-130-617", "cas"), ("Flammable", "h_codes"), ("Acetone", "supplier"),
        ("Acetone", "place"),
        ("12", "amount"), ("24 bottles of beer", "cas"), ("H2O", "h_codes"), ("1005-00-073-9421", "cas"),
        ("Histidine", "supplier"), ("3 Main Street", "date"), ("may be", "date"),
    ],
)  # fmt: skip
def test_a_value_is_not_taken_for_what_it_only_resembles(cell: Cell, kind: str) -> None:
    assert kind not in kinds_of(cell)


@pytest.mark.parametrize("cell", [None, "", "  ", "n/a", "-", "Unknown", "?"])
def test_a_cell_that_says_nothing_is_of_no_kind(cell: Cell) -> None:
    assert not kinds_of(cell)


def test_blanks_do_not_count_against_a_column() -> None:
    profile = profile_of(column("67-64-1", "n/a", "", None, "64-17-5", "mixture", "57-13-6"), 0)
    assert (profile.count, profile.share("cas")) == (3, 1.0)


def test_a_large_column_is_judged_by_values_from_all_of_it() -> None:
    cells: list[Cell] = ["y5"] * 5_000 + ["67-64-1"] * 5_000
    assert profile_of(column(*cells), 0).share("cas") == pytest.approx(0.5, abs=0.02)


def test_a_column_that_is_filled_here_and_there_is_looked_at_everywhere() -> None:
    cells: list[Cell] = [None] * 5_000
    cells[4_321] = "67-64-1"
    assert profile_of(column(*cells), 0).examples == ("67-64-1",)


def test_few_values_hint_and_many_convince() -> None:
    assert fit("cas_number", profile_of(column("67-64-1"), 0)).alone < 0.8
    assert fit("cas_number", profile_of(column("67-64-1", "64-17-5", "57-13-6"), 0)).alone > 0.9
    assert fit("quantity", profile_of(column("a@b.edu"), 0)).score > -0.5
    assert fit("quantity", profile_of(column("a@b.edu", "c@d.edu", "e@f.edu"), 0)).score == -1


def test_every_column_of_every_contract_can_be_judged() -> None:
    profile = profile_of(column("abc", 1.0, datetime.date(2025, 1, 2), "x@y.edu"), 0)
    for feed in FEEDS.values():
        for record in feed.record_types:
            for name in record.columns:
                assert -1 <= fit(name, profile).score <= 1
