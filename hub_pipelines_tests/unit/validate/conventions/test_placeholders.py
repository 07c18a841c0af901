"""Words that stand for no value: one rule for the columns of every record type."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_pipelines.validate.columns import located_columns
from hub_pipelines.validate.conventions import placeholders
from hub_pipelines.validate.conventions.applying import apply
from hub_pipelines.validate.conventions.deciding import decide
from hub_pipelines.validate.conventions.model import Conventions
from hub_pipelines.validate.conventions.placeholders import words_for
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import AcceptedRow, RecordType, RejectedRow, Verdict
from hub_pipelines.validate.service import validate

from ..builders import GOOD_ROWS, RECORD_TYPES, AllTags
from .columns import Cells, table

WORDS = ("n/a", " N/A ", "-", "none", "Unknown", "TBD", "?", "NA (No aplica)", "No aplica")
OPTIONAL = [
    (record, name) for record in RECORD_TYPES.values() for name in record.columns if name not in record.required
]


def judged(record_type: str, cells: dict[str, Cells]) -> tuple[Conventions, list[Verdict]]:
    sent = table(cells)
    columns = located_columns(sent.header, RECORD_TYPES[record_type])
    found = decide(sent, columns, answers={}, units={})
    feed = FEEDS[record_type.partition(".")[0]].only(record_type)
    return found, list(
        validate(
            apply(sent, columns, Conventions.from_document(json.loads(json.dumps(found.document())))),
            feed,
            campus="North",
            campuses=["North"],
            registry=AllTags(),
            time_zone="UTC",
        )
    )


@pytest.mark.parametrize(("record", "column"), OPTIONAL, ids=lambda one: getattr(one, "name", one))
def test_in_a_column_that_may_be_empty_they_are_what_an_empty_cell_is_and_are_kept_with_the_row(
    record: RecordType, column: str
) -> None:
    words = [one for one in WORDS if one.strip().lower() in words_for(record, column)]
    rows = [{**GOOD_ROWS[record.name], column: one} for one in [None, *words]]
    if record.lines is None:  # rows of one key are repeats
        rows = [{**row, record.key_columns[-1]: f"K-{at}"} if record.shapes[record.key_columns[-1]].kind == "text"
                else row for at, row in enumerate(rows)]  # fmt: skip
    for row in rows[1:]:
        _, (empty,) = judged(record.name, {name: [cell] for name, cell in {**row, column: None}.items()})
        found, (verdict,) = judged(record.name, {name: [cell] for name, cell in row.items()})
        assert type(verdict) is type(empty)
        if isinstance(empty, AcceptedRow) and isinstance(verdict, AcceptedRow):
            sent = str(row[column])
            assert verdict.values["other"] == {f"{column} as sent": sent}
            assert {name: one for name, one in verdict.values.items() if name != "other"} == empty.values
            assert verdict.findings == empty.findings
        assert found.placeholders[column] == {str(row[column]).strip().lower(): 1}


def test_in_a_column_that_must_be_filled_they_are_refused_by_name() -> None:
    _, (verdict, good) = judged("inventory.stock", {"item_name": ["TBD", "Acetone"], "location": ["101", "n/a"]})
    assert isinstance(verdict, RejectedRow)
    (problem,) = verdict.problems
    assert (problem.rule, problem.column, problem.value) == ("missing_value", "item_name", "TBD")
    assert problem.reason == 'The cell says "TBD", which stands for no value, and this column must be filled.'
    assert problem.suggestion == "Write the value, or delete this row if it is no item"
    assert isinstance(good, AcceptedRow)
    assert good.key == "name acetone|"


def test_a_tag_that_is_no_tag_is_refused_with_what_to_do_with_a_thing_that_has_none() -> None:
    row = {**GOOD_ROWS["inventory.asset"], "asset_tag": "N/A"}
    _, (verdict,) = judged("inventory.asset", {name: [cell] for name, cell in row.items()})
    assert isinstance(verdict, RejectedRow)
    (problem,) = verdict.problems
    assert '"N/A"' in problem.reason
    assert str(problem.suggestion).startswith("Write its tag. ")


def test_sodium_is_an_item_and_none_of_an_amount_is_asked_about() -> None:
    _, (sodium, none) = judged(
        "inventory.stock", {"item_name": ["Na", "Acetone"], "quantity_on_hand": ["5", "none"], "unit": ["g", "g"]}
    )
    assert isinstance(sodium, AcceptedRow)
    assert isinstance(none, RejectedRow)
    assert [one.column for one in none.problems] == ["quantity_on_hand"]


def test_they_tell_nothing_about_how_a_column_is_written_and_the_receipt_says_how_many_there_were() -> None:
    cells: dict[str, Cells] = {
        "item_name": ["Acetone"] * 5,
        "expires_on": ["13/2/2027", "n/a", "TBD", "n/a", "unknown"],
        "lot_number": ["0012", "0123", "0007", "-", None],
    }
    found, verdicts = judged("inventory.stock", cells)
    assert found.dates["expires_on"].order == "DMY"
    assert found.identifiers["lot_number"].width == 4
    assert "expires_on: 4 cells say “n/a” or “tbd” or “unknown” and count as empty" in found.told()
    assert "lot_number: 1 cell says “-” and counts as empty" in found.told()
    assert all(isinstance(one, AcceptedRow) for one in verdicts)


def test_a_decision_without_them_reads_and_is_digested_as_it_was_before_there_were_any() -> None:
    assert "placeholders" not in Conventions().document()
    sent = table({"item_name": ["Acetone"], "item_code": ["N/A"]})
    columns = located_columns(sent.header, RECORD_TYPES["inventory.stock"])
    before = apply(sent, columns, Conventions())
    assert (before.header, [row for _, row in before.rows]) == (sent.header, [["Acetone", "N/A"]])


WRITTEN = st.builds(
    lambda word, how, before, behind: before + how(word) + behind,
    st.sampled_from(sorted(words_for(RECORD_TYPES["inventory.asset"], "quantity"))),
    st.sampled_from([str, str.upper, str.title, str.swapcase]),
    st.text(st.sampled_from(" \t\u00a0"), max_size=2),
    st.text(st.sampled_from(" \u00a0x"), max_size=2),
)


@settings(max_examples=200, deadline=None)
@given(cells=st.lists(WRITTEN | st.text(st.sampled_from("nNaA/?-–1Kк "), max_size=4) | st.just(""), min_size=1))
def test_of_many_cells_those_are_such_words_that_are_so_each_by_itself(cells: list[str]) -> None:
    words = words_for(RECORD_TYPES["inventory.asset"], "quantity")
    column = placeholders._texts([cell or None for cell in cells])
    found, one_by_one = placeholders._split_texts(column, words), placeholders._split_few_texts(column, words)
    assert (found is None) == (one_by_one is None)
    if found is not None and one_by_one is not None:
        assert (placeholders._cells(found.rest), placeholders._cells(found.words), found.counts) == (
            placeholders._cells(one_by_one.rest), placeholders._cells(one_by_one.words), one_by_one.counts
        )  # fmt: skip


# -- errors of Excel


@pytest.mark.parametrize(("record", "column"), OPTIONAL, ids=lambda one: getattr(one, "name", one))
def test_an_error_of_excel_is_no_empty_cell_and_its_row_is_not_taken(record: RecordType, column: str) -> None:
    for error in ("#N/A", "#n/a ", "#DIV/0!"):
        row = {**GOOD_ROWS[record.name], column: error}
        found, (verdict,) = judged(record.name, {name: [cell] for name, cell in row.items()})
        assert isinstance(verdict, RejectedRow)
        assert [one.reason for one in verdict.problems if one.column == column] == [
            f"The cell holds Excel's error {error.strip()} instead of a value."
        ]
        assert not found.placeholders


def test_an_error_of_excel_tells_nothing_about_how_a_column_is_written() -> None:
    for error in ("#N/A", "#REF!"):
        found, _ = judged("inventory.stock", {"item_name": ["A"] * 5, "lot_number": ["0012", "0123", "0007", 9, error]})
        assert found.identifiers["lot_number"].width == 4


def test_what_an_earlier_release_decided_to_be_empty_is_so_again() -> None:
    sent = table({"item_name": ["Acetone"], "quantity_on_hand": ["#N/A"], "unit": ["g"]})
    columns = located_columns(sent.header, RECORD_TYPES["inventory.stock"])
    before = Conventions(placeholders={"quantity_on_hand": {"#n/a": 1}})
    assert [row for _, row in apply(sent, columns, before).rows] == [["Acetone", None, "g", "#N/A"]]
