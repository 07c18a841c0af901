"""What sentences call the columns of a file."""

from hub_pipelines.report.calling import Called

CALLED = Called(spoken={"unit": "“UoM” (column E)", "po_number": "“Order” (column F)"})


def test_a_column_is_called_as_the_file_has_it() -> None:
    assert CALLED.sentence("Look at po_number, and at the column unit.") == (
        "Look at “Order” (column F), and at the column “UoM” (column E)."
    )


def test_a_column_that_begins_with_anothers_name_is_not_taken_for_that() -> None:
    assert CALLED.sentence("add the column unit cost with empty cells") == "add the column unit cost with empty cells"
    assert CALLED.sentence("add the column unit_cost with empty cells") == "add the column unit cost with empty cells"


def test_words_of_which_nobody_knows_whether_they_mean_a_column_stay() -> None:
    assert CALLED.sentence("each unit has its own") == "each unit has its own"


def test_a_name_in_quotation_marks_is_meant_to_the_letter() -> None:
    assert CALLED.sentence("Write “po_number” above it") == "Write “po_number” above it"
