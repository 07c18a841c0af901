from typing import Self

import pytest
from pydantic import BaseModel, model_validator
from pydantic_core import PydanticCustomError

from hub_pipelines.validate import service
from hub_pipelines.validate.columns import aliases_for
from hub_pipelines.validate.model import IF_UNKNOWN, AcceptedRow, Cell, Feed, RecordType, RejectedRow, Table
from hub_pipelines.validate.service import _explained, validate

from .builders import GOOD_ROW, INVENTORY, AllTags, SomeTags, row, verdicts


def rules(verdict: AcceptedRow | RejectedRow) -> list[str]:
    assert isinstance(verdict, RejectedRow)
    return [found.rule for found in verdict.problems]


def test_the_second_row_of_a_tag_is_rejected_and_names_the_first() -> None:
    first, second = verdicts([row(), row(asset_tag="tag-1", item_name="Other")])
    assert isinstance(first, AcceptedRow)
    assert rules(second) == ["repeated_in_file"]
    assert isinstance(second, RejectedRow)
    assert "Row 2 " in second.problems[0].reason


def test_a_bad_row_does_not_use_up_its_tag() -> None:
    bad, good = verdicts([row(quantity="lots"), row()])
    assert rules(bad) == ["bad_quantity"]
    assert isinstance(good, AcceptedRow)
    (told,) = good.findings
    assert (told.rule, told.severity, told.column) == ("repeats_a_bad_row", "warn", "asset_tag")
    assert told.reason.startswith("Row 2 of this file, which was not taken, has this asset tag too.")


def test_of_two_rows_of_a_tag_both_faults_are_told_at_once() -> None:
    good, bad, also = verdicts([row(), row(quantity="lots"), row(unit="pcs")])
    assert isinstance(good, AcceptedRow)
    assert good.findings == ()
    assert rules(bad) == ["bad_quantity", "repeated_in_file"]
    assert rules(also) == ["unknown_unit", "repeated_in_file"]
    first, second, third = verdicts([row(quantity="lots"), row(unit="pcs"), row(asset_tag="A B")])
    assert (rules(first), rules(second)) == (["bad_quantity"], ["unknown_unit", "repeated_in_file"])
    assert isinstance(second, RejectedRow)
    assert second.problems[1].reason.startswith("Row 2 of this file has this asset tag too")
    assert "repeated_in_file" not in rules(third)


def test_an_unknown_tag_is_reported_with_the_rows_other_defects() -> None:
    (verdict,) = verdicts([row(unit="pcs")], registry=SomeTags({}))
    assert rules(verdict) == ["unknown_unit", "tag_not_in_registry"]
    assert isinstance(verdict, RejectedRow)
    assert "2024-05-01" in verdict.problems[1].reason
    assert str(verdict.problems[1].suggestion).startswith("Did you mean TAG-1-NEAR? ")


def suggested(**cells: Cell) -> dict[str | None, str | None]:
    (verdict,) = verdicts([cells], registry=AllTags())
    assert isinstance(verdict, RejectedRow)
    return {found.column: found.suggestion for found in verdict.problems}


def test_a_cell_that_need_not_be_filled_may_be_emptied() -> None:
    told = suggested(**row(asset_tag="A B", unit="pcs", unit_cost="much", hazard_codes="#REF!"))
    emptied = {column for column, text in told.items() if (text or "").endswith(IF_UNKNOWN)}
    assert emptied == {"unit_cost", "hazard_codes"}, "a tag is needed, and a unit beside a quantity"


def test_a_cell_of_which_some_is_right_is_not_to_be_emptied() -> None:
    assert suggested(**row(hazard_codes="H315 H319 H999")) == {
        "hazard_codes": 'Correct "H999", or write H315 H319 without it'
    }


def test_a_lone_cell_may_be_no_item_at_all() -> None:
    nothing: dict[str, Cell] = dict.fromkeys(GOOD_ROW)
    lone = suggested(**{**nothing, "item_name": "Chemicals below"})
    assert (lone["asset_tag"] or "").endswith(", or delete this row if it is no item")


def test_what_has_no_tag_belongs_into_a_list_without_tags() -> None:
    nothing: dict[str, Cell] = dict.fromkeys(GOOD_ROW)
    told = suggested(**{**nothing, "item_name": "Acetone", "location": "B1"})["asset_tag"] or ""
    assert told.startswith("Write its tag. Things without a tag go into a list of their own")
    assert told.endswith("(a stock list)")


REGISTERED = dict.fromkeys([*(f"N-{number}" for number in range(10231, 10238)), "N-10249", "N-10250"], "North")


class SomeNear(SomeTags):
    """Close are the tags that differ in one character or two."""

    def near(self, tag: str) -> list[tuple[int, str]]:
        alike = [known for known in self._tags if len(known) == len(tag)]
        slips = {known: sum(a != b for a, b in zip(tag, known, strict=True)) for known in alike}
        return [(slips[known], known) for known in sorted(slips) if slips[known] <= 2]


def tags_told(*tags: str) -> dict[str | None, str | None]:
    found = verdicts([row(asset_tag=tag) for tag in tags], registry=SomeNear(REGISTERED))
    return {one.problems[0].value: one.problems[0].suggestion for one in found if isinstance(one, RejectedRow)}


def asks_for(tag: str, told: str | None) -> bool:
    """Whether a question is asked about a tag, and what to do when it is another one."""
    return str(told).startswith(f"Did you mean {tag}? Compare with the label on the item; if ")


def test_a_tag_that_is_near_is_asked_about_not_ordered() -> None:
    told = str(tags_told("N-10248", "N-10250")["N-10248"])
    assert asks_for("N-10249", told)
    assert told.endswith("if N-10248 is right, ask procurement to register it")


def test_a_tag_with_two_slips_is_not_asked_about() -> None:
    told = tags_told("N-19248", "N-10250")["N-19248"]
    assert str(told).startswith("Compare it with the tag on the item")


@pytest.mark.parametrize(
    ("cell", "known"), [("730000", "73E04"), ("201", "000201"), (730000, "73E04"), ("730", "73E1")]
)
def test_digits_that_excel_made_of_a_registered_tag_are_explained(cell: Cell, known: str) -> None:
    (verdict,) = verdicts([row(asset_tag=cell)], registry=SomeTags({known: "North"}))
    assert isinstance(verdict, RejectedRow)
    told = str(verdict.problems[0].suggestion)
    assert told.startswith(f"Excel has probably changed this tag: procurement has registered {known}. ")
    assert told.endswith("format the column as Text and type it again")


@pytest.mark.parametrize("known", [("73E04", "0730000"), ("74E04",), ("73E05",)])
def test_excel_is_not_blamed_where_nothing_or_several_could_be_meant(known: tuple[str, ...]) -> None:
    (verdict,) = verdicts([row(asset_tag="730000")], registry=SomeTags(dict.fromkeys(known, "North")))
    assert isinstance(verdict, RejectedRow)
    assert "Excel" not in str(verdict.problems[0].suggestion)


def test_no_tag_is_suggested_that_another_row_has_or_means() -> None:
    others = [f"N-{number}" for number in (10231, 10232, 10234, 10235, 10236)]
    told = tags_told("N-10238", *others, "10237", "N-1O233")
    assert asks_for("N-10237", told["10237"]), "what the file's other tags have in front is missing"
    assert asks_for("N-10233 (with a zero, not the letter O)", told["N-1O233"])
    assert str(told["N-10238"]).startswith("Compare it with the tag on the item"), "each that is near is another row's"
    assert str(tags_told("N-10238")["N-10238"]).startswith("Compare"), "several are as near: none is likely"
    assert "N-10249" not in str(tags_told("N-10239", "N-10249")["N-10239"])


@pytest.mark.parametrize("cell", ["no tag", "N-10249 / N-10250"])
def test_a_cell_that_is_no_tag_is_not_cleaned_into_one_that_nobody_registered(cell: str) -> None:
    assert str(tags_told(cell)[cell]).startswith("Write one tag, as procurement registered it. Things without a tag")


def test_a_cleaned_tag_is_suggested_when_it_is_registered_and_no_other_rows() -> None:
    assert tags_told("N- 10249") == {"N- 10249": "N-10249"}
    assert str(tags_told("N- 10249", "N-10249")["N- 10249"]).startswith("Write one tag")


def test_of_a_file_too_long_to_be_compared_with_itself_no_tag_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asks_for("N-10249 (with a zero, not the letter O)", tags_told("N-1O249", "N-10231")["N-1O249"])
    monkeypatch.setattr(service, "_MOST_ROWS_COMPARED", 1)
    assert str(tags_told("N-1O249", "N-10231")["N-1O249"]).startswith("Compare it")


def test_a_tag_that_cannot_be_read_is_not_looked_up() -> None:
    (verdict,) = verdicts([row(asset_tag="A B")], registry=SomeTags({}))
    assert rules(verdict) == ["bad_asset_tag"]


def test_an_empty_registry_is_said_to_be_empty() -> None:
    (verdict,) = verdicts([row()], registry=SomeTags({}, empty=True))
    assert isinstance(verdict, RejectedRow)
    assert verdict.problems[0].reason.startswith("There is no procurement list yet")
    assert verdict.problems[0].suggestion is None


def test_a_tag_of_another_campus_is_accepted_with_a_warning() -> None:
    (verdict,) = verdicts([row()], registry=SomeTags({"TAG-1": "South"}))
    assert isinstance(verdict, AcceptedRow)
    assert [(each.rule, each.severity) for each in verdict.findings] == [("tag_of_another_campus", "warn")]


def test_a_row_wider_than_the_header_is_rejected_rather_than_shifted() -> None:
    cells: list[Cell] = [*GOOD_ROW.values(), "surplus"]
    table = Table(list(GOOD_ROW), 1, iter([(2, cells)]), {})
    (verdict,) = validate(table, INVENTORY, campus="North", campuses=["North"], registry=AllTags())
    assert rules(verdict) == ["too_many_cells"]


def test_a_short_row_lacks_only_its_last_cells() -> None:
    table = Table(list(GOOD_ROW), 1, iter([(2, list(GOOD_ROW.values())[:1])]), {})
    (verdict,) = validate(table, INVENTORY, campus="North", campuses=["North"], registry=AllTags())
    assert rules(verdict) == ["missing_value"]


def test_every_row_gets_one_verdict_in_order_across_chunks() -> None:
    found = verdicts([row(asset_tag=f"T{number % 6000}") for number in range(11_000)])
    assert [verdict.row_no for verdict in found] == list(range(2, 11_002))
    assert sum(isinstance(verdict, AcceptedRow) for verdict in found) == 6000


@pytest.mark.parametrize(
    ("wrote", "known", "suggestion"),
    [
        ("WC-O012", "WC-0012", "WC-0012 (with a zero, not the letter O)"),
        ("WC-0O12", "WC-0012", "WC-0012 (with a zero, not the letter O)"),
        ("WC-001S", "WC-0015", "WC-0015 (with a five, not the letter S)"),
        ("WC-0013", "WC-0012", "WC-0012"),
        ("WC-012", "WC-0012", "WC-0012"),
        ("WC-9", None, None),
    ],
)
def test_a_letter_that_looks_like_a_digit_is_named(wrote: str, known: str | None, suggestion: str | None) -> None:
    assert _explained(wrote, known) == suggestion


class Span(BaseModel):
    name: str
    first: int
    last: int

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last < self.first:
            context = {"column": "last", "value": self.last, "suggestion": "Swap them"}
            raise PydanticCustomError("reversed", "The last comes before the first.", context)
        return self


def test_a_problem_of_the_row_as_a_whole_is_shown_at_the_column_that_it_names() -> None:
    spans = RecordType("demo.span", "span list", Span, ("name",), aliases_for(Span.model_fields, {}))
    good, bad = verdicts(
        [{"name": "A", "first": 1, "last": 2}, {"name": "B", "first": 2, "last": 1}],
        feed=Feed("demo", "demo", (spans,), 20),
    )
    assert isinstance(good, AcceptedRow)
    assert isinstance(bad, RejectedRow)
    (found,) = bad.problems
    assert (found.rule, found.column, found.value, found.suggestion) == ("reversed", "last", "1", "Swap them")
