"""What receipts say and how they are written. Not here: how a receipt's facts are found."""

import json
import re
from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest

from hub_pipelines.report.index_page import to_index_html
from hub_pipelines.report.model import (
    ChangedRow,
    ColumnsRead,
    Correction,
    Count,
    Counts,
    FeedIndex,
    Index,
    IndexLine,
    ItemName,
    Line,
    Outcome,
    Receipt,
    UnderstoodLine,
)
from hub_pipelines.report.render import to_html, to_json
from hub_pipelines.report.words import headline

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ALL_TAKEN = Counts(received=12, posted=12, unchanged=0, rejected=0, held=0)
UNCOUNTED = Counts(0, 0, 0, 0, 0)
PLAIN = Receipt(
    title_source="stock.xlsx",
    campus="north",
    feed="inventory",
    outcome="posted",
    headline_reason=None,
    next_step=None,
    request_id="S-1",
    received_at=NOON,
    settled_at=NOON,
    time_zone="America/New_York",
    content_digest="ab" * 32,
    counts=ALL_TAKEN,
    problems=(),
    problems_total=0,
    warnings=(),
    revises=None,
    list_version=1,
    first_seen_at=None,
    first_request_id=None,
    changed_since=(),
    changed_since_total=0,
    apply_again_command=None,
    registry_version=3,
    registry_date=NOON,
    archived_copy="archive/ab/stock.xlsx",
    needs_registry=False,
)
LINE = IndexLine("stock.xlsx", "north", "inventory", "posted", None, ALL_TAKEN, NOON, "America/New_York", None, False)


@pytest.mark.parametrize(
    ("outcome", "counts", "reason", "expected"),
    [
        ("posted", ALL_TAKEN, None, "All 12 rows were taken"),
        ("posted", Counts(1, 1, 0, 0, 0), None, "The only row was taken"),
        ("posted", Counts(12, 9, 0, 3, 0), None, "9 of 12 rows were taken, 3 need your attention"),
        (
            "posted",
            Counts(1200, 1196, 2, 1, 1),
            None,
            "1,196 of 1,200 rows were taken, 2 were already up to date, 1 needs your attention, 1 is held for a person",
        ),
        ("nothing_posted", UNCOUNTED, None, "Nothing was taken: the file is empty"),
        ("nothing_posted", Counts(12, 0, 12, 0, 0), None, "Nothing new: all 12 rows were already up to date"),
        (
            "nothing_posted",
            Counts(12, 0, 12, 0, 0, spared=1),
            None,
            "Nothing new: of 12 rows, 11 were already up to date, 1 was left as others have set it since",
        ),
        (
            "posted",
            Counts(12, 8, 3, 1, 0, spared=3),
            None,
            "8 of 12 rows were taken, 3 were left as others have set them since, 1 needs your attention",
        ),
        ("nothing_posted", Counts(12, 0, 0, 12, 0), None, "Nothing was taken: all 12 rows need your attention"),
        ("nothing_posted", Counts(1, 0, 0, 0, 1), None, "Nothing was taken: the only row is held for a person"),
        (
            "nothing_posted",
            Counts(5, 0, 4, 1, 0),
            None,
            "Nothing was taken: of 5 rows, 4 were already up to date, 1 needs your attention",
        ),
        ("in_review", UNCOUNTED, "a heading is new.", "A person at the hub will look at this file: a heading is new"),
        ("duplicate", UNCOUNTED, None, "We already have this file"),
        ("refused", UNCOUNTED, "it is a picture", "Nothing was taken: it is a picture"),
        ("refused", UNCOUNTED, None, "Nothing was taken: the file could not be accepted"),
        ("waiting", UNCOUNTED, None, "Not finished yet: this file will be tried again"),
        ("dismissed", UNCOUNTED, None, "This file was set aside and nothing was taken"),
        ("conflict", UNCOUNTED, None, "This file does not agree with what we already have"),
    ],
)
def test_the_headline_says_what_happened(outcome: Outcome, counts: Counts, reason: str | None, expected: str) -> None:
    receipt = replace(PLAIN, outcome=outcome, counts=counts, headline_reason=reason)
    assert headline(receipt) == expected
    assert f"<h1>{expected}</h1>" in to_html(receipt)


def test_a_file_that_its_sender_must_mend_is_not_said_to_wait_for_a_person() -> None:
    told = replace(
        PLAIN, outcome="in_review", counts=UNCOUNTED, headline_reason="a column is missing", cause="unreadable"
    )
    assert headline(told) == "This file could not be taken: a column is missing"


def test_hostile_values_are_shown_and_never_obeyed() -> None:
    attack = "<script>alert('x')</script>\"><img src=x onerror=1>"
    line = Line(2, attack, attack, attack, attack)
    page = to_html(
        replace(
            PLAIN,
            outcome="duplicate",
            title_source=attack,
            campus=attack,
            feed=attack,
            next_step=attack,
            request_id=attack,
            archived_copy=attack,
            problems=(line,),
            problems_total=1,
            warnings=(line,),
            changed_since=(ChangedRow(attack, ItemName(attack, (attack,), attack), attack, NOON),),
            changed_since_total=1,
            apply_again_command=attack,
        )
    )
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_the_page_needs_nothing_from_elsewhere() -> None:
    assert not re.search(r"https?://|<link|<script|@import|url\(", to_html(PLAIN))


def test_two_problems_in_one_row_share_its_row_number() -> None:
    lines = (
        Line(7, "unit", "bottle", "not a known unit", "use ea"),
        Line(3, "quantity", "-1", "below zero", None),
        Line(7, "location", None, "is missing", "fill it in"),
    )
    page = to_html(replace(PLAIN, problems=lines, problems_total=40))
    assert '<th scope="rowgroup" rowspan="2" class="row">7</th>' in page
    assert page.index(">3</th>") < page.index(">7</th>")
    assert "(empty)" in page
    assert "the first 3 of 40 problems" in page


def test_a_problem_of_the_whole_file_has_no_row_number() -> None:
    page = to_html(replace(PLAIN, problems=(Line(0, None, None, "no headings", None),), problems_total=1))
    assert ">Whole file</th>" in page


def test_rows_not_taken_come_with_steps_to_send_them_again() -> None:
    page = to_html(replace(PLAIN, counts=Counts(12, 9, 0, 3, 0)))
    assert "Fix the rows listed above in your own spreadsheet." in page
    assert "Rows that were taken already are not taken twice." in page


def test_a_file_fully_taken_asks_for_nothing() -> None:
    assert "Nothing. You are done." in to_html(PLAIN)


def test_a_missing_procurement_list_is_asked_for() -> None:
    assert "no procurement list for campus north" in to_html(replace(PLAIN, needs_registry=True))


def test_while_nothing_but_the_procurement_list_lacks_nobody_is_told_to_correct_rows() -> None:
    rejected = replace(PLAIN, outcome="nothing_posted", counts=Counts(2, 0, 0, 2, 0), needs_registry=True)
    page = to_html(replace(rejected, only_registry=True))
    assert "<h1>Nothing was taken yet: the procurement list must come first." in page
    assert "Fix the rows" not in page
    assert "hub requeue --rule tag_not_in_registry" in page.split("<details>")[1]
    assert "Fix the rows" in to_html(rejected)


def test_what_only_the_operator_needs_is_folded_away() -> None:
    shown, folded = to_html(PLAIN).split("<details>")
    for text in ("ab" * 32, "archive/ab/stock.xlsx"):
        assert text not in shown
        assert text in folded


def test_numbers_by_which_only_the_hub_knows_things_are_folded_away() -> None:
    correction = Correction("R-1", "S-0", "first.csv", "kim", NOON, "1 row changed.", (), 0)
    receipt = replace(PLAIN, request_id="S-1", revises="S-0", outcome="duplicate", first_request_id="S-0")
    shown, folded = to_html(replace(receipt, first_seen_at=NOON, correction=correction)).split("<details>")
    assert "S-0" not in shown
    assert "S-1" not in shown
    assert {"S-0", "S-1"} <= set(re.findall(r"S-\d", folded))
    assert "in place of" in shown
    assert "first.csv" in shown


def test_the_columns_are_told_by_place_heading_and_what_they_were_read_as() -> None:
    read = ColumnsRead((UnderstoodLine("Menge", "C", "quantity_on_hand", "a known name for it", "1.00", ()),))
    page = to_html(replace(PLAIN, columns_read=read))
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", page.split("How your columns were read")[1].split("</table>")[0])
    assert cells[-4:] == ["C", "<bdi>Menge</bdi>", "quantity on hand", "a known name for it"]


@pytest.mark.parametrize(
    ("line", "todo"),
    [
        (replace(LINE, counts=Counts(5, 0, 0, 5, 0), outcome="nothing_posted", only_registry=True), "Ask for the"),
        (replace(LINE, outcome="dismissed", replaced=True), "Nothing: a newer one came"),
        (replace(LINE, outcome="dismissed"), "Nothing"),
        (replace(LINE, outcome="received"), "Nothing for now: the receipt will change"),
        (replace(LINE, outcome="in_review", cause="drift"), "Name the columns as before"),
        (replace(LINE, outcome="in_review", cause="exhausted"), "Nothing for now: a person at the hub looks at it"),
        (replace(LINE, outcome="nothing_posted", counts=UNCOUNTED), "Correct the file and send it again"),
        (replace(LINE, still_missing=2), "Look for 2 items"),
        (replace(LINE, counts=replace(ALL_TAKEN, worth_a_look=1)), "See what is worth a look"),
    ],
)
def test_a_line_of_a_list_says_what_its_sender_does(line: IndexLine, todo: str) -> None:
    feed = FeedIndex("north", "inventory", (line,), 0, False)
    page = to_index_html(Index("north", NOON, "America/New_York", (), (feed,), 25))
    assert f"<td>{todo}" in page


def test_new_and_changed_items_are_told_apart_where_they_were_counted() -> None:
    assert "<dt>New</dt>" not in to_html(PLAIN)
    page = to_html(replace(PLAIN, counts=replace(ALL_TAKEN, new=5)))
    assert re.findall(r"<dt>(New|Changed)</dt><dd>(\d+)</dd>", page) == [("New", "5"), ("Changed", "7")]
    line = replace(LINE, counts=replace(ALL_TAKEN, new=5))
    feed = FeedIndex("north", "inventory", (line,), 0, False)
    assert "5 new, 7 changed" in to_index_html(Index("north", NOON, "America/New_York", (), (feed,), 25))


def test_what_is_worth_a_look_is_neither_green_nor_done() -> None:
    told = replace(PLAIN, counts=replace(ALL_TAKEN, worth_a_look=2))
    assert headline(told) == "All 12 rows were taken, worth a look"
    page = to_html(told)
    assert '<header class="attention">' in page
    assert "You are done" not in page
    assert "Nothing else is to do" not in page


@pytest.mark.parametrize(("by_place", "where"), [(True, "at this location,"), (False, "at another location,")])
def test_where_a_missed_item_may_turn_up_depends_on_what_an_item_is(by_place: bool, where: str) -> None:
    count = Count(("B1",), 1, 0, 1, (), by_place=by_place)
    assert f"{where} it counts as found" in to_html(replace(PLAIN, complete_count=True, count=count))


def test_only_counts_that_matter_are_shown() -> None:
    page = to_html(replace(PLAIN, counts=Counts(12, 10, 0, 2, 0)))
    shown = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page)
    assert shown == [("Rows in your file", "12"), ("Taken", "10"), ("Not taken", "2")]


def test_rows_that_were_never_counted_are_not_shown_as_zero() -> None:
    assert "Rows in your file" not in to_html(replace(PLAIN, outcome="refused", counts=UNCOUNTED))


def test_a_duplicate_tells_of_the_first_copy_and_how_to_apply_again() -> None:
    page = to_html(
        replace(
            PLAIN,
            outcome="duplicate",
            first_seen_at=NOON,
            first_request_id="S-0",
            changed_since=(ChangedRow("NC-0001", ItemName("Ethanol", ("NC-0001",)), "newer.csv", NOON),),
            changed_since_total=5,
            apply_again_command="hub apply-again S-0",
        )
    )
    assert "No row was changed by this copy" in page
    assert "2 March 2026, 07:00:00 EST" in page
    assert "NC-0001" in page
    assert "This page shows 1 of 5." in page
    assert "hub apply-again S-0" in page


def test_times_are_shown_with_the_zone_of_their_season() -> None:
    page = to_html(replace(PLAIN, received_at=datetime(2026, 7, 1, 12, 0, tzinfo=UTC)))
    assert "1 July 2026, 08:00:00 EDT" in page


def test_a_time_without_a_zone_is_an_error_and_not_a_guess() -> None:
    receipt = replace(PLAIN, received_at=datetime(2026, 3, 2, 12, 0))
    for write in (to_html, to_json):
        with pytest.raises(ValueError, match="need a time zone"):
            write(receipt)


def test_the_file_for_programs_is_stable() -> None:
    text = to_json(PLAIN)
    content = json.loads(text)
    assert text == to_json(replace(PLAIN))
    assert list(content) == ["headline", *(field.name for field in fields(Receipt))]
    assert content["received_at"] == "2026-03-02T12:00:00+00:00"
    assert text.startswith('{\n  "headline": "All 12 rows were taken",\n  "title_source": "stock.xlsx",\n')


def test_what_was_not_taken_of_a_replaced_file_is_counted_as_replaced() -> None:
    lines = (
        replace(LINE, counts=Counts(12, 9, 0, 3, 0), replaced=True),
        replace(LINE, outcome="nothing_posted", counts=Counts(2, 0, 0, 2, 0), replaced=True),
        replace(LINE, replaced=True),
    )
    feed = FeedIndex("north", "inventory", lines, 0, False)
    page = to_index_html(Index("north", NOON, "America/New_York", (), (feed,), 25))
    assert "Taken in part</dt>" not in page
    assert "Not taken</dt>" not in page
    assert "<dt>Replaced by a newer one</dt><dd>2</dd>" in page
    assert "<dt>Taken</dt><dd>1</dd>" in page


def test_a_file_without_problems_is_not_said_to_have_none_left() -> None:
    correction = Correction(None, "S-0", "stock.xlsx", None, NOON, "1 row changed.", (), 0, 0, 0)
    assert "none is left" not in to_html(replace(PLAIN, correction=correction))
    assert "none is left" in to_html(replace(PLAIN, correction=replace(correction, problems_before=2)))
