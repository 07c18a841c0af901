"""A stock list that comes back corrected, on both databases: which lines are closed when others post meanwhile."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import openpyxl
from sqlalchemy import update

from hub_pipelines.common.store import Transaction
from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.rebuilding import reproduce
from hub_pipelines.report.workbook import token
from hub_pipelines.report.workbook.store import return_of
from hub_pipelines.returning import Corrects, Returns
from hub_pipelines.submission.model import Submission
from hub_pipelines.submission.store import submission as table
from hub_pipelines.submission.versions import store as versions
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.returned import ROW_HEADING, TOKEN_SHEET
from hub_pipelines_tests.conftest import on_sqlite
from hub_pipelines_tests.stores.test_previews import previewed
from hub_pipelines_tests.support import assert_invariants, lease_and_validate, ledger_values, process, send, submission

STOCK = FEEDS["inventory"].record_type("inventory.stock")
LEDGER = "inventory.stock@north"
HEADER = ("Name", "Location", "Quantity", "Unit", "Supplier")
ACETONE = ("Acetone", "101", "5", "L", "Merck")
ETHANOL = ("Ethanol", "101", "2", "L", "VWR")


TOLUENE = ("Toluene", "102", "1", "L", "Merck")


def moved(row: Sequence[str], place: str) -> Sequence[str]:
    return (row[0], place, *row[2:])


def amount(row: Sequence[str], quantity: str) -> Sequence[str]:
    return (*row[:2], quantity, *row[3:])


def workbook(hub: Hub, original: str | None, *rows: Sequence[str], numbers: Sequence[int] = ()) -> bytes:
    """A list, with the mark of a workbook that was given back for a submission where there is one. With `numbers`, that
    its rows have in that file, it holds only the rows to be fixed."""
    book = openpyxl.Workbook()
    first = ([ROW_HEADING], *([number] for number in numbers)) if numbers else ([],) * (len(rows) + 1)
    for number, row in zip(first, (HEADER, *rows), strict=True):
        book.active.append([*number, *row])
    if original is not None:
        sheet = book.create_sheet(TOKEN_SHEET)
        mark = token.Token(original, 1, "north", "inventory", part=bool(numbers))
        sheet["A1"] = token.issue(hub.keys, mark)
        sheet.sheet_state = "veryHidden"
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def sent(hub: Hub, name: str, original: str | None, *rows: Sequence[str]) -> str:
    return str(send(hub, name, workbook(hub, original, *rows)).request_id)


def posted(hub: Hub, request_id: str) -> Posting:
    posting = process(hub, request_id)
    assert isinstance(posting, Posting), submission(hub, request_id).reason
    return posting


def test_a_corrected_list_closes_what_it_replaces_and_a_backfill_comes_to_the_same(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    second = sent(hub, "stock.xlsx--abcdefgh.xlsx", first, ACETONE, moved(ETHANOL, "201"))
    posting = posted(hub, second)
    assert (posting.posted, posting.unchanged, posting.replaced, posting.corrects) == (1, 1, 1, (first, 1))
    assert verify_all(hub).ok, verify_all(hub).first_bad
    assert sorted(ledger_values(hub, LEDGER)) == ["name acetone|101", "name ethanol|201"]
    assert_invariants(hub)
    day = submission(hub, second).settled_at
    assert day is not None
    found = reproduce(hub, STOCK, "north", hub.campuses["north"].day_of(day))
    assert (found.postings, found.entries, found.differences) == (2, 4, ())


def test_a_list_that_only_takes_back_a_correction_closes_what_that_had_made(hub: Hub) -> None:
    """No row of it posts anew when another file has set the old line again; the posting has one effect all the same."""
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    posted(hub, sent(hub, "back.xlsx", first, ACETONE, moved(ETHANOL, "201")))
    posted(hub, sent(hub, "more.xlsx", None, ETHANOL))
    posting = posted(hub, sent(hub, "again.xlsx", first, ACETONE, ETHANOL, ("", "", "", "", "")))
    assert (posting.posted, posting.unchanged, posting.replaced) == (0, 2, 1)
    assert sorted(ledger_values(hub, LEDGER)) == ["name acetone|101", "name ethanol|101"]
    assert_invariants(hub)


@dataclass(frozen=True, slots=True)
class Overtaken(Returns):
    """Looked what the file corrects before another copy posted; asked once more, it looks again."""

    stale: list[Corrects | None] = field(default_factory=list)

    def corrects(self, tx: Transaction, current: Submission, ledger: str) -> Corrects | None:
        return self.stale.pop() if self.stale else Returns.corrects(self, tx, current, ledger)


def test_of_two_corrected_copies_that_post_at_once_the_later_one_is_compared_with_the_other(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    one = sent(hub, "one.xlsx", first, ACETONE, moved(ETHANOL, "201"))
    two = sent(hub, "two.xlsx", first, ACETONE, moved(ETHANOL, "301"))
    lease_and_validate(hub, two)
    real = hub.processing.returns
    with hub.db.read() as tx:
        before = real.corrects(tx, submission(hub, two), LEDGER)
    assert before is not None
    assert before.submission.request_id == first
    posted(hub, one)

    racing = Overtaken(real.db, real.keys, real.archive, real.answers, stale=[before])
    posting = posted(replace(hub, processing=replace(hub.processing, returns=racing)), two)

    assert (posting.replaced, posting.corrects) == (1, (one, 1))
    assert sorted(ledger_values(hub, LEDGER)) == ["name acetone|101", "name ethanol|301"]
    assert_invariants(hub)


# ---- only the rows to be fixed


def sent_part(hub: Hub, original: str, rows: dict[int, Sequence[str]], *, name: str = "part.xlsx") -> str:
    return str(send(hub, name, workbook(hub, original, *rows.values(), numbers=list(rows))).request_id)


def test_a_corrected_place_among_the_rows_to_be_fixed_closes_the_old_line_and_a_backfill_comes_to_the_same(
    hub: Hub,
) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL, TOLUENE)
    posted(hub, first)
    second = sent_part(hub, first, {3: moved(ETHANOL, "201"), 4: TOLUENE})
    posting = posted(hub, second)
    assert (posting.posted, posting.unchanged, posting.replaced, posting.corrects) == (1, 1, 1, (first, 1))
    assert sorted(ledger_values(hub, LEDGER)) == ["name acetone|101", "name ethanol|201", "name toluene|102"]
    assert warned(hub, second) == [], "the rows that it does not hold are not left out"
    day = submission(hub, second).settled_at
    assert day is not None
    assert reproduce(hub, STOCK, "north", hub.campuses["north"].day_of(day)).is_equal
    assert_invariants(hub)


def test_a_line_that_others_have_set_since_stays_beside_the_corrected_one_and_is_told(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    posted(hub, sent(hub, "more.xlsx", None, (*ETHANOL[:2], "7", *ETHANOL[3:])))
    second = sent_part(hub, first, {3: moved(ETHANOL, "201")})
    assert posted(hub, second).replaced == 0
    assert sorted(ledger_values(hub, LEDGER)) == ["name acetone|101", "name ethanol|101", "name ethanol|201"]
    assert [rule for _, rule, _ in warned(hub, second)] == ["earlier_line_kept"]


def refused(hub: Hub, request_id: str) -> dict[int, tuple[str, str]]:
    """By its number in the workbook why a row that can't be told from others was not taken, and what to do."""
    with hub.db.read() as tx:
        told = ledger_problems.of_posting(tx, request_id, 1, severity="block", limit=100)
    return {one["row_no"]: (one["reason"], one["suggestion"]) for one in told if one["rule"] == "line_of_another_row"}


def amounts(hub: Hub) -> dict[str, object]:
    return {key: one["quantity_on_hand"] for key, one in ledger_values(hub, LEDGER).items()}


def assert_reproduced(hub: Hub, request_id: str) -> None:
    day = submission(hub, request_id).settled_at
    assert day is not None
    found = reproduce(hub, STOCK, "north", hub.campuses["north"].day_of(day))
    assert found.is_equal, found.differences
    assert_invariants(hub)


def test_a_row_to_be_fixed_is_its_own_line_among_those_that_are_like_it(hub: Hub) -> None:
    """By itself each would be the first of them."""
    first = sent(hub, "stock.xlsx", None, ACETONE, amount(ACETONE, "6"), amount(ACETONE, "7"), ETHANOL)
    posted(hub, first)
    second = sent_part(hub, first, {4: amount(ACETONE, "70"), 3: amount(ACETONE, "60")})

    posting = posted(hub, second)

    assert (posting.posted, posting.rejected) == (2, 0)
    line = {"item_name": "Acetone", "location": "101"}
    keys = [STOCK.key_of(line, number) for number in (1, 2, 3)]
    assert [amounts(hub)[key] for key in keys] == ["5", "60", "70"]
    assert_reproduced(hub, second)


@on_sqlite
def test_a_row_to_be_fixed_is_not_taken_for_another_row_of_its_file_that_is_the_same_line(hub: Hub) -> None:
    """The other row is not in the workbook, so that by itself this one would be the first of both."""
    first = sent(hub, "stock.xlsx", None, ACETONE, amount(ACETONE, "-3"), ETHANOL, TOLUENE)
    posted(hub, first)
    was = amounts(hub)
    rows = {3: amount(ACETONE, "3"), 5: ("Ethanol", "101", "9", "L", "Merck")}

    found = previewed(hub, "part.xlsx", workbook(hub, first, *rows.values(), numbers=list(rows))).found
    second = sent_part(hub, first, rows)
    posting = posted(hub, second)

    assert (posting.posted, posting.rejected) == (0, 2)
    assert amounts(hub) == was
    told = refused(hub, second)
    assert told[2] == (
        "Row 2 of stock.xlsx is the same line (Acetone, 101). With the rows to fix alone the hub can't tell which of "
        "them is which.",
        "Correct row 3 in stock.xlsx itself, and send all of that file",
    )
    assert told[3][0].startswith("Row 4 of stock.xlsx is the same line (Ethanol, 101).")
    assert found is not None
    assert (found.rejected, {one.reason for one in found.problems}) == (2, {reason for reason, _ in told.values()})
    assert_reproduced(hub, second)


@on_sqlite
def test_of_lines_that_are_alike_none_is_moved_by_the_rows_to_be_fixed_alone(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL, ("Ethanol", "101", "40", "mL", "Roth"))
    posted(hub, first)
    was = amounts(hub)
    second = sent_part(hub, first, {3: moved(ETHANOL, "201")})
    assert posted(hub, second).rejected == 1
    assert amounts(hub) == was
    assert refused(hub, second)[2][0].startswith("It was Ethanol, 101, and other rows of stock.xlsx are the same line.")


@on_sqlite
def test_rows_to_be_fixed_that_became_one_line_are_not_taken(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL, TOLUENE, ("Hexane", "102", "x", "L", "Roth"))
    posted(hub, first)
    was = amounts(hub)
    same = sent_part(hub, first, {3: moved(ETHANOL, "201"), 5: ("Ethanol", "201", "4", "L", "Roth")})
    assert (posted(hub, same).replaced, amounts(hub)) == (0, was)
    assert [why[:36] for why, _ in refused(hub, same).values()] == ["Several rows of this workbook are th"] * 2


@on_sqlite
def test_a_number_that_was_copied_with_its_row_closes_nothing(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    rows = [moved(ETHANOL, "201"), moved(ETHANOL, "301")]
    twice = str(send(hub, "copied.xlsx", workbook(hub, first, *rows, numbers=[3, 3])).request_id)
    assert posted(hub, twice).replaced == 0
    assert {"name ethanol|101", "name ethanol|201", "name ethanol|301"} < amounts(hub).keys()
    assert "listed_by_others" in [rule for _, rule, _ in warned(hub, twice)]
    assert_reproduced(hub, twice)


def test_a_place_that_rows_to_be_fixed_have_corrected_already_is_not_corrected_by_them_once_more(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    posted(hub, sent_part(hub, first, {3: moved(ETHANOL, "201")}))
    again = sent_part(hub, first, {3: moved(ETHANOL, "301")}, name="part 2.xlsx")
    assert posted(hub, again).rejected == 1
    assert sorted(amounts(hub)) == ["name acetone|101", "name ethanol|201"]
    assert refused(hub, again)[2][0].startswith("It was Ethanol, 101, and the ledger does not have that line any more.")


def test_a_row_that_an_earlier_workbook_has_moved_is_that_line_now(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL, TOLUENE)
    posted(hub, first)
    second = sent_part(hub, first, {3: moved(ETHANOL, "201"), 4: TOLUENE})
    posted(hub, second)
    third = sent_part(hub, second, {3: moved(amount(ETHANOL, "3"), "201"), 4: amount(TOLUENE, "2")}, name="next.xlsx")
    posting = posted(hub, third)
    assert (posting.posted, posting.rejected, posting.replaced) == (2, 0, 0)
    assert amounts(hub) == {"name acetone|101": "5", "name ethanol|201": "3", "name toluene|102": "2"}
    assert_reproduced(hub, third)

    begun_anew = sent_part(hub, first, {3: ETHANOL, 4: amount(TOLUENE, "4")}, name="first once more.xlsx")
    assert posted(hub, begun_anew).rejected == 1
    assert amounts(hub) == {"name acetone|101": "5", "name ethanol|201": "3", "name toluene|102": "4"}
    assert refused(hub, begun_anew)[2][0].startswith("It was Ethanol, 101, and the ledger does not have that line")


def test_a_row_is_not_moved_onto_a_line_that_the_ledger_has_beside_it(hub: Hub) -> None:
    """Another workbook has moved another row there."""
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL, moved(ETHANOL, "102"))
    posted(hub, first)
    posted(hub, sent_part(hub, first, {4: moved(ETHANOL, "201")}))
    was = amounts(hub)
    second = sent_part(hub, first, {3: moved(amount(ETHANOL, "7"), "201")}, name="part 2.xlsx")
    assert posted(hub, second).rejected == 1
    assert amounts(hub) == was
    assert refused(hub, second)[2][0].startswith("It was Ethanol, 101, and the ledger has Ethanol, 201 as well.")


@on_sqlite
def test_a_row_of_another_sheet_with_the_same_number_is_not_taken_for_this_one(hub: Hub) -> None:
    book = openpyxl.Workbook()
    for sheet, row in ((book.active, ETHANOL), (book.create_sheet("More"), ("Xylene", "101", "8", "L", "Roth"))):
        sheet.append(list(HEADER))
        sheet.append(list(row))
    buffer = io.BytesIO()
    book.save(buffer)
    first = str(send(hub, "stock.xlsx", buffer.getvalue()).request_id)
    posted(hub, first)
    second = sent_part(hub, first, {2: amount(ETHANOL, "8")})
    assert posted(hub, second).rejected == 1
    assert amounts(hub)["name ethanol|101"] == "2"


@on_sqlite
def test_rows_to_be_fixed_without_their_numbers_change_no_line_of_the_file(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    rows = [amount(ACETONE, "6"), moved(ETHANOL, "201")]
    book = openpyxl.load_workbook(io.BytesIO(workbook(hub, first, *rows, numbers=[2, 3])))
    book.worksheets[0].delete_cols(1)
    buffer = io.BytesIO()
    book.save(buffer)
    second = str(send(hub, "part.xlsx", buffer.getvalue()).request_id)
    posting = posted(hub, second)
    assert (posting.posted, posting.rejected, posting.replaced) == (1, 1, 0)
    assert refused(hub, second)[2][1] == "Correct it in stock.xlsx itself, and send all of that file"
    assert amounts(hub) == {"name acetone|101": "5", "name ethanol|101": "2", "name ethanol|201": "2"}
    assert_reproduced(hub, second)


def test_rows_to_be_fixed_keep_their_numbers_when_they_go_to_and_fro(hub: Hub) -> None:
    """The second workbook was given back for the first one, and names the rows of the list all the same."""
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL, TOLUENE)
    posted(hub, first)
    second = sent_part(hub, first, {4: amount(TOLUENE, "many"), 3: amount(ETHANOL, "3")})
    assert posted(hub, second).rejected == 1

    third = sent_part(hub, second, {4: moved(TOLUENE, "201"), 3: amount(ETHANOL, "4")}, name="part--abcdefgh.xlsx")
    posting = posted(hub, third)

    assert (posting.posted, posting.replaced) == (2, 1)
    assert sorted(ledger_values(hub, LEDGER)) == ["name acetone|101", "name ethanol|101", "name toluene|201"]
    with hub.db.read() as tx:
        came = return_of(tx, third, 1)
    assert came is not None
    assert came.difference is not None
    cells = [(one["row_before"], one["old"], one["new"]) for one in came.difference["cells"]]
    assert cells == [(4, "102", "201"), (3, "2", "4")]
    assert_invariants(hub)


def test_later_ones_of_rows_that_are_alike_are_previewed_without_the_first_as_they_are_posted(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, amount(ACETONE, "6"), amount(ACETONE, "7"), ETHANOL)
    posted(hub, first)
    rows = {3: amount(ACETONE, "60"), 4: amount(ACETONE, "70")}

    found = previewed(hub, "part.xlsx", workbook(hub, first, *rows.values(), numbers=list(rows))).found
    second = sent_part(hub, first, rows)
    posting = posted(hub, second)

    assert found is not None
    assert (found.changed, found.rejected) == (posting.posted, posting.rejected) == (2, 0)
    assert {one.reason for one in found.warnings} == {reason for _, _, reason in warned(hub, second)}


def test_a_first_row_that_is_left_as_another_file_has_set_it_is_alike_in_a_preview_too(hub: Hub) -> None:
    first = sent(hub, "stock.xlsx", None, ACETONE, amount(ACETONE, "6"), ETHANOL)
    posted(hub, first)
    posted(hub, sent(hub, "more.xlsx", None, amount(ACETONE, "9")))
    rows = (ACETONE, ACETONE, ETHANOL)

    found = previewed(hub, "stock--abcdefgh.xlsx", workbook(hub, first, *rows)).found
    second = sent(hub, "stock--abcdefgh.xlsx", first, *rows)
    posted(hub, second)

    assert found is not None
    told = sorted(rule for _, rule, _ in warned(hub, second))
    assert told == ["rows_alike", "set_since"]
    reasons = sorted(reason.replace("was taken", "would be taken") for _, _, reason in warned(hub, second))
    reasons = [reason.replace("Row 2 stays", "Row 2 would stay") for reason in reasons]
    assert sorted(one.reason for one in found.warnings) == reasons


# ---- the sender's own file, corrected and sent again


def warned(hub: Hub, request_id: str) -> list[tuple[int, str, str]]:
    with hub.db.read() as tx:
        found = ledger_problems.of_posting(tx, request_id, 1, severity="warn", limit=100)
    return [(one["row_no"], one["rule"], one["reason"]) for one in found]


def test_the_same_list_with_a_corrected_place_is_told_and_closes_nothing(hub: Hub) -> None:
    posted(hub, sent(hub, "stock 2026-10.xlsx", None, ACETONE, ETHANOL, TOLUENE))
    second = sent(hub, "stock 2026-11.xlsx", None, ACETONE, moved(ETHANOL, "201"), TOLUENE)
    posting = posted(hub, second)
    assert (posting.posted, posting.replaced, posting.corrects) == (1, 0, None)
    assert len(ledger_values(hub, LEDGER)) == 4
    ((row, rule, reason),) = warned(hub, second)
    assert (row, rule) == (3, "earlier_line_kept")
    assert "this row was Ethanol, 101, and now is Ethanol, 201. The ledger has both." in reason


def test_lines_that_the_same_list_leaves_out_are_told_unless_it_leaves_out_most(hub: Hub) -> None:
    posted(hub, sent(hub, "stock.xlsx", None, ACETONE, ETHANOL, TOLUENE, ("Hexane", "102", "0", "L", "")))
    second = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, second)
    ((row, rule, reason),) = warned(hub, second)
    assert (row, rule) == (0, "earlier_lines_left")
    assert "1 line of stock.xlsx, as it was sent before, is not listed any more: Toluene, 102." in reason
    posted(hub, sent(hub, "stock.xlsx", None, ACETONE, ETHANOL, TOLUENE, ("Hexane", "102", "1", "L", "")))
    few = sent(hub, "stock.xlsx", None, ("Ethanol", "101", "3", "L", "VWR"))
    posted(hub, few)
    assert warned(hub, few) == []


def link(hub: Hub, request_id: str, original: str | None) -> None:
    with hub.db.write() as tx:
        tx.execute(update(table).where(table.c.request_id == request_id).values(revises=original))


def circle(hub: Hub) -> tuple[str, str]:
    """A list and a workbook that corrects it, each linked as sent in place of the other."""
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    second = sent(hub, "stock.xlsx--abcdefgh.xlsx", first, ACETONE, moved(ETHANOL, "201"))
    link(hub, first, second)
    return first, second


def test_a_family_whose_links_go_in_a_circle_has_an_end(hub: Hub) -> None:
    first, second = circle(hub)
    with hub.db.read() as tx:
        for one in (first, second):
            assert set(versions.family(tx, submission(hub, one))) == {first, second}


def test_a_link_that_would_close_a_circle_is_not_made(hub: Hub) -> None:
    """The original is linked as sent in place of its own workbook, as if it had been registered after it."""
    first, second = circle(hub)
    link(hub, second, None)
    posted(hub, first)
    posting = posted(hub, second)
    assert submission(hub, second).revises is None
    assert (posting.replaced, posting.corrects) == (1, (first, 1))
    assert_invariants(hub)


def test_rows_that_were_sorted_without_their_numbers_are_not_taken_for_each_other(hub: Hub) -> None:
    rows = {number: (f"Buffer {number}", f"Room {number}", str(number), "L", f"Lab {number}") for number in range(2, 9)}
    first = sent(hub, "stock.xlsx", None, *rows.values())
    posted(hub, first)
    before = ledger_values(hub, LEDGER)
    turned = dict(zip(rows, [*list(rows.values())[1:], rows[2]], strict=True))
    preview = previewed(hub, "part.xlsx", workbook(hub, first, *turned.values(), numbers=list(turned)))
    assert preview.would == "refuse"
    assert preview.reason is not None
    assert preview.reason.startswith(
        "In 7 of its 7 rows the number in the column “Row in your file” is that of another"
    )

    second = sent_part(hub, first, turned)

    assert not isinstance(process(hub, second), Posting)
    assert submission(hub, second).reason == preview.reason
    assert ledger_values(hub, LEDGER) == before
    mended = {number: amount(row, "9") for number, row in rows.items()}
    assert posted(hub, sent_part(hub, first, mended, name="mended.xlsx")).posted == 7


def test_rows_to_be_fixed_without_the_workbooks_mark_are_not_taken_for_a_list(hub: Hub) -> None:
    """Saved as text they would be other lines beside those that they are."""
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL)
    posted(hub, first)
    lines = [",".join((ROW_HEADING, *HEADER)), ",".join(("3", *moved(ETHANOL, "201")))]

    second = str(send(hub, "part.csv", "\n".join(lines).encode()).request_id)

    assert not isinstance(process(hub, second), Posting)
    assert "not the hidden mark" in str(submission(hub, second).reason)
    assert sorted(ledger_values(hub, LEDGER)) == ["name acetone|101", "name ethanol|101"]
