"""What is asked about columns, and what an answer does."""

import datetime as dt

import pytest

from hub_pipelines.mapping.deciding import decide
from hub_pipelines.mapping.model import NONE_OF_THEM, Asked, Confirmed
from hub_pipelines.mapping.proposing import keys_of
from hub_pipelines.validate.columns import map_columns
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Cell, Unreadable

from .deciding import INVENTORY, NOBODY, asked, mapped, of


def test_two_columns_for_one_are_asked_about_and_never_mapped_silently() -> None:
    (question,) = asked("Chemical Name|Quantity left|Quantity available", "Acetone|4|5", "Urea|1|2", "Agar|3|3")
    assert question.column == "quantity_on_hand"
    assert question.text.startswith("Which column tells how much there is? It may be column")
    assert [choice.value for choice in question.choices] == ["quantity left", "quantity available", NONE_OF_THEM]


def test_a_required_column_that_no_heading_names_is_asked_for_with_examples() -> None:
    (question,) = asked("Asset Tag|Gizmo|Room", "T-1|Centrifuge|101", "T-2|Incubator|102", "T-3|Balance|102")
    assert question.text == (
        "Which column tells what the item is? Perhaps it is "
        'column B, "Gizmo" (for example: Centrifuge, Incubator, Balance).'
    )
    assert question.heading == "Gizmo"


def test_a_column_without_a_heading_is_told_and_before_a_name_it_may_be_the_first_part_of_it() -> None:
    mapping = mapped("ID||Name|Location||Notes", "1|1,2-|Dichloroethane|B1||", "2|1,1-|Dichloroethane|B1|x1|low")
    assert mapping.positions["item_name"] == 2
    before, other = mapping.notes
    assert before == (
        "Column B has no heading (for example: 1,2-, 1,1-). Its values are kept with each row. If they are the "
        "beginning of what stands in the next column, write both into one cell."
    )
    assert other.startswith("Column E has no heading (for example: x1). ")
    assert other.endswith("To have them read, write a heading above them.")


def test_a_column_that_only_numbers_the_rows_needs_no_heading() -> None:
    assert mapped("|Name|Location", "1|Acetone|B1", "2|Ethanol|B1", "3|Hexane|B2").notes == ()
    assert mapped("|Name|Location", "1|Acetone|B1", "2|Ethanol|B1", "1,4-|Dioxane|B2").notes


def test_a_number_that_may_be_two_columns_is_left_unread_and_told_and_holds_no_file() -> None:
    mapping = mapped("Chemical Name|Room|Left Cabinet Cat#|Right Cabinet Cat#", *["Acetone|214|A-17|B-18"] * 3)
    assert list(mapping.positions) == ["item_name", "location"]
    (note,) = mapping.notes
    assert note == (
        "It is not certain which column tells under which number the item is ordered or kept (catalogue number, SKU): "
        'it may be "Left Cabinet Cat#" (column C) or "Right Cabinet Cat#" (column D). It was not read as such; its '
        'values are kept with each row. To have it read, name its heading "item_code".'
    )


def test_the_only_column_that_may_be_an_optional_one_is_used_if_its_values_agree() -> None:
    found = of(mapped("Chemical Name|Bench stock quantity", "Acetone|4", "Urea|1", "Agar|3"), "quantity_on_hand")
    assert (found.how, found.confidence) == ("likeness", 0.79)
    (question,) = asked("Chemical Name|Quantity on Monday", "Acetone|4", "Urea|1", "Agar|3")
    assert question.column == "quantity_on_hand"


def test_a_question_offers_a_handful_of_plausible_columns_and_none_of_them() -> None:
    header = "Asset Tag|Gizmo|Room|" + "|".join(f"Heading {number}" for number in range(8))
    lines = [
        f"T-{n}|Centrifuge {n}|101|{'|'.join(['red mark', 'blue mark'][n % 2] for _ in range(8))}" for n in range(4)
    ]
    (question,) = asked(header, *lines)
    values = [choice.value for choice in question.choices]
    assert (values[0], values[-1]) == ("gizmo", NONE_OF_THEM)
    assert 3 <= len(values) <= 5
    assert "room" not in values


def test_a_quantity_that_excel_has_made_dates_of_is_one_all_the_same_and_its_rows_are_asked_about() -> None:
    """Left unread, the rows would post without what there is."""
    days: list[list[Cell]] = [["Salt", dt.datetime(2024, 3, 4)], ["Sugar", dt.datetime(2024, 1, 2)], ["Soda", 3]]
    assert of(decide(["Item", "Quantity"], days, INVENTORY, NOBODY), "quantity_on_hand").position == 1


def test_tags_that_no_row_has_do_not_make_a_list_one_of_assets() -> None:
    lines = ("Agarose|2|Each|Sigma-Aldrich|A9539|", "Urea|1|Each|Sigma-Aldrich|U5378|")
    assert mapped("Item|Quantity|Unit|Supplier|Catalog #|Item Tags", *lines).record_type == "inventory.stock"


def test_nothing_is_asked_about_a_column_that_nobody_needs() -> None:
    mapping = mapped("Chemical Name|Notes to myself|Colour", "Acetone|x|red", "Urea|y|blue", "Agar|z|white")
    assert list(mapping.positions) == ["item_name"]


def test_nothing_is_asked_when_no_answer_could_help() -> None:
    mapping = mapped("Award #|Sponsor|Colour", "A-1|NIH|red", "A-2|NSF|blue", "A-3|DOE|red", feed=FEEDS["grants"])
    assert mapping.record_type == "grants.award"
    with pytest.raises(Unreadable, match="lacks"):
        map_columns(mapping.header, FEEDS["grants"])


def test_what_is_certain_is_told_with_the_questions() -> None:
    with pytest.raises(Asked) as raised:
        mapped("Chemical Name|Quantity left|Quantity available", "Acetone|4|5", "Urea|1|2", "Agar|3|3")
    assert raised.value.cause == "question"
    assert raised.value.mapping is not None
    assert list(raised.value.mapping.positions) == ["item_name"]
    assert "one question about its columns" in str(raised.value)


def test_an_answer_settles_its_question_for_good() -> None:
    header = "Chemical Name|Quantity left|Quantity available"
    lines = ("Acetone|4|5", "Urea|1|2", "Agar|3|3")
    (question,) = asked(header, *lines)
    confirmed = NOBODY.answered(question, "quantity available")
    mapping = mapped(header, *lines, confirmed=confirmed)
    found = of(mapping, "quantity_on_hand")
    assert (found.heading, found.how, found.confidence) == ("Quantity available", "confirmed", 1.0)
    assert map_columns(mapping.header, INVENTORY).positions == mapping.positions
    moved = mapped("Quantity available|Chemical Name|Quantity left", "5|Acetone|4", confirmed=confirmed)
    assert moved.positions["quantity_on_hand"] == 0


def test_none_of_them_is_an_answer_too() -> None:
    header = "Chemical Name|Quantity left|Quantity available"
    (question,) = asked(header, "Acetone|4|5", "Urea|1|2", "Agar|3|3")
    mapping = mapped(header, "Acetone|4|5", confirmed=NOBODY.answered(question, NONE_OF_THEM))
    assert list(mapping.positions) == ["item_name"]
    assert map_columns(mapping.header, INVENTORY).positions == mapping.positions


def test_an_answer_that_is_no_choice_is_refused() -> None:
    (question,) = asked("Chemical Name|Quantity left|Quantity available", "Acetone|4|5", "Urea|1|2", "Agar|3|3")
    with pytest.raises(ValueError, match="not one of the answers"):
        NOBODY.answered(question, "Colour")


def test_a_heading_that_people_said_is_none_of_ours_is_left_alone() -> None:
    mapping = mapped("Chemical Name|Room", "Acetone|101", confirmed=Confirmed({"room": None}))
    assert list(mapping.positions) == ["item_name"]
    assert map_columns(mapping.header, INVENTORY).positions == mapping.positions


def test_a_nameless_column_is_remembered_by_its_place() -> None:
    confirmed = Confirmed({"[b]": "location"})
    assert mapped("Chemical Name|", "Acetone|here", confirmed=confirmed).positions == {"item_name": 0, "location": 1}


def test_keys_tell_repeated_and_nameless_headings_apart() -> None:
    header = ["Category", "", "category ", "Name", "[B]", "None"]
    assert keys_of(header) == ["category", "[b]", "category (2)", "name", "[b] (2)", '"none"']
    assert NONE_OF_THEM not in keys_of(header)


def test_of_repeated_headings_the_one_whose_values_fit_is_taken() -> None:
    header = "Asset Tag|Asset Name|Category|Category"
    lines = [f"T-{number}|Device {number}|Lab devices|Equipment" for number in range(4)]
    assert of(mapped(header, *lines), "category").position == 3
