"""Receipts as files: where they lie, and that every kind of bad input gets one in plain words."""

import hashlib
import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from hub_pipelines.report.places import file_stem
from hub_pipelines.submission.model import State

from ..conftest import INVENTORY_HEADER, SmallHub, inventory


def told(page: Path) -> tuple[str, dict[str, object]]:
    """A receipt's page as text without markup, and its JSON."""
    html = page.read_text(encoding="utf-8")
    data = page.with_suffix(".json").read_text(encoding="utf-8")
    for text in (html, data):
        assert "Traceback" not in text
        assert "hub_pipelines" not in text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)), json.loads(data)


def send(small_hub: SmallHub, name: str, content: bytes) -> str:
    (small_hub.inbox / name).write_bytes(content)
    (arrival,) = small_hub.take().arrivals
    assert arrival.request_id is not None
    return arrival.request_id


@pytest.mark.parametrize(
    ("name", "content", "state", "outcome", "words"),
    [
        ("lab.csv", b"", State.IN_REVIEW, "in_review", "file is empty"),
        ("lab.csv", b" \n\n", State.IN_REVIEW, "in_review", "file is empty"),
        ("lab.csv", INVENTORY_HEADER.encode(), State.POSTED, "nothing_posted", "headings but no rows"),
        ("lab.pdf", b"%PDF-1.7", State.IN_REVIEW, "in_review", ".pdf"),
        ("lab", inventory("NC-1"), State.IN_REVIEW, "in_review", "no ending such as .csv"),
        ("lab.xlsx", b"\x89PNG\r\n\x1a\n", State.IN_REVIEW, "in_review", "named .xlsx"),
        ("lab.xlsx", b"PK\x03\x04 cut off", State.IN_REVIEW, "in_review", "damaged"),
        ("lab.csv", b"tag\0\0\x01\x02\n", State.IN_REVIEW, "in_review", "damaged"),
        ("lab.csv", b"Asset tag,Room\nNC-1,B1\n", State.IN_REVIEW, "in_review", "item_name"),
        ("lab.csv", inventory("NC-1", quantity="lots"), State.POSTED, "nothing_posted", "something to correct"),
        ("lab.csv", inventory("NC-UNKNOWN"), State.POSTED, "nothing_posted", "tag"),
    ],
    ids=[
        "empty",
        "blank",
        "header only",
        "wrong extension",
        "no extension",
        "picture named xlsx",
        "damaged workbook",
        "unreadable bytes",
        "missing required column",
        "all rows bad",
        "all tags unknown",
    ],
)
def test_bad_input_ends_in_a_defined_state_with_a_receipt_in_plain_words(
    small_hub: SmallHub, name: str, content: bytes, state: State, outcome: str, words: str
) -> None:
    small_hub.register("NC-1")
    small_hub.hub.receipts.write_due()
    request_id = send(small_hub, name, content)
    small_hub.work()
    (page,) = small_hub.hub.receipts.write_due()
    current = small_hub.submission(request_id)
    assert (current.state, current.counts.posted, current.counts.accounted) == (state, 0, True)
    text, data = told(page)
    assert data["outcome"] == outcome
    assert words in text
    assert words in json.dumps(data, ensure_ascii=False)
    assert request_id in text
    assert page.parent == small_hub.hub.settings.receipts / "north" / "inventory"
    assert small_hub.hub.receipts.write_due() == []
    assert small_hub.archived(str(data["content_digest"])) == content
    assert bool(small_hub.hub.review.listing()) is (state is State.IN_REVIEW)


def test_a_file_with_headings_only_is_posted_with_no_rows(small_hub: SmallHub) -> None:
    request_id = send(small_hub, "lab.csv", INVENTORY_HEADER.encode())
    small_hub.work()
    current = small_hub.submission(request_id)
    assert (current.state, current.counts.received) == (State.POSTED, 0)


def test_a_file_whose_rows_are_all_bad_is_posted_with_every_row_rejected(small_hub: SmallHub) -> None:
    request_id = send(small_hub, "lab.csv", inventory("NC-1", "NC-2", quantity="lots"))
    small_hub.work()
    counts = small_hub.submission(request_id).counts
    assert (counts.received, counts.posted, counts.rejected) == (2, 0, 2)


def test_a_list_that_came_before_procurements_is_told_so_at_the_top(small_hub: SmallHub) -> None:
    send(small_hub, "lab.csv", inventory("NC-1", "NC-2"))
    small_hub.work()
    *_, page = small_hub.hub.receipts.write_due()
    assert "the procurement list must come first" in str(told(page)[1]["headline"])
    send(small_hub, "bad.csv", inventory("NC-1", quantity="lots"))
    small_hub.work()
    *_, page = small_hub.hub.receipts.write_due()
    assert "must come first" not in str(told(page)[1]["headline"]), "a quantity is to be corrected"


def test_a_good_file_gets_a_receipt_that_says_so(small_hub: SmallHub) -> None:
    small_hub.register("NC-1", "NC-2")
    small_hub.hub.receipts.write_due()
    send(small_hub, "lab.csv", inventory("NC-1", "NC-2"))
    small_hub.work()
    (page,) = small_hub.hub.receipts.write_due()
    text, data = told(page)
    assert "All 2 rows were taken" in text
    assert data["outcome"] == "posted"


def test_archived_bytes_that_changed_are_told_without_blaming_the_sender(small_hub: SmallHub) -> None:
    request_id = send(small_hub, "lab.csv", inventory("NC-1"))
    path = small_hub.hub.archive.object_path(hashlib.sha256(inventory("NC-1")).hexdigest())
    path.chmod(0o644)
    path.write_bytes(b"changed")
    small_hub.work()
    (page,) = small_hub.hub.receipts.write_due()
    text, _ = told(page)
    current = small_hub.submission(request_id)
    assert (current.state, str(current.cause)) == (State.IN_REVIEW, "integrity")
    assert "fingerprint has changed" in text


def test_the_receipt_of_a_file_in_nobodys_folder_names_the_folder(small_hub: SmallHub) -> None:
    folder = small_hub.hub.settings.drop / "nowhere"
    folder.mkdir()
    (folder / "lost.csv").write_bytes(b"lost")
    small_hub.take("hub")
    (page,) = small_hub.hub.receipts.write_due()
    text, _ = told(page)
    assert "nowhere" in text
    assert "north/inventory" in text
    assert page.parent == small_hub.hub.settings.receipts / "hub" / "unassigned"


def test_the_receipt_of_a_refused_folder_says_what_to_do(small_hub: SmallHub) -> None:
    (small_hub.inbox / "March").mkdir()
    small_hub.take()
    (page,) = small_hub.hub.receipts.write_due()
    text, data = told(page)
    assert data["outcome"] == "refused"
    assert "it is a folder" in text
    assert "without a folder around them" in text


# ---- duplicates


def test_a_duplicates_receipt_names_when_the_file_first_came(small_hub: SmallHub) -> None:
    small_hub.register("NC-1")
    first = send(small_hub, "lab.csv", inventory("NC-1"))
    small_hub.work()
    small_hub.hub.receipts.write_due()
    send(small_hub, "copy.csv", inventory("NC-1"))
    (page,) = small_hub.hub.receipts.write_due()
    text, data = told(page)
    came = small_hub.submission(first).envelope.received_at
    assert data["outcome"] == "duplicate"
    assert data["first_request_id"] == first
    assert data["first_seen_at"] == came.isoformat()
    assert data["apply_again_command"] is None
    assert data["changed_since"] == []
    assert "We already have this file" in text
    assert f"{came:%Y}" in text


@pytest.mark.parametrize(
    ("content", "still_open"),
    [
        (inventory("NC-1", "NC-9"), "1 row is still not taken"),
        (inventory("NC-1").replace(b"2025-01-02", b"03/04/2025"), "1 question is still open"),
        (b"%PDF-1.7", "a person at the hub has yet to look at it"),
    ],
)
def test_a_copy_of_a_file_with_something_open_says_so_and_leads_to_its_receipt(
    small_hub: SmallHub, content: bytes, still_open: str
) -> None:
    small_hub.register("NC-1")
    send(small_hub, "lab #1.csv", content)
    small_hub.work()
    *_, first = small_hub.hub.receipts.write_due()
    send(small_hub, "copy.csv", content)
    (page,) = small_hub.hub.receipts.write_due()
    text, data = told(page)
    assert data["headline"] == f"We already have this file, and {still_open}"
    assert "You are done" not in text
    assert "Nothing." not in text
    (link,) = re.findall('href="([^"]+)"', page.read_text(encoding="utf-8"))
    assert page.parent / unquote(link) == first


def test_a_duplicates_receipt_lists_rows_that_later_files_changed_and_how_to_apply_it_again(
    small_hub: SmallHub,
) -> None:
    small_hub.register("NC-1", "NC-2", "NC-3")
    first = send(small_hub, "lab.csv", inventory("NC-1", "NC-2", "NC-3"))
    small_hub.work()
    send(small_hub, "newer.csv", inventory("NC-2", quantity="7"))
    small_hub.work()
    small_hub.hub.receipts.write_due()
    send(small_hub, "lab.csv", inventory("NC-1", "NC-2", "NC-3"))
    (page,) = small_hub.hub.receipts.write_due()
    text, data = told(page)
    changed = data["changed_since"]
    assert isinstance(changed, list)
    assert [(one["key"], one["by_source"]) for one in changed] == [("NC-2", "newer.csv")]
    assert data["changed_since_total"] == 1
    assert data["apply_again_command"] == f"hub apply-again {first}"
    for words in ("NC-2", "newer.csv", f"hub apply-again {first}"):
        assert words in text


def test_a_duplicate_after_the_registry_grew_offers_to_apply_the_file_again(small_hub: SmallHub) -> None:
    small_hub.register("NC-1")
    first = send(small_hub, "lab.csv", inventory("NC-1", "NC-2"))
    small_hub.work()
    small_hub.register("NC-1", "NC-2")
    small_hub.hub.receipts.write_due()
    send(small_hub, "lab.csv", inventory("NC-1", "NC-2"))
    (page,) = small_hub.hub.receipts.write_due()
    text, data = told(page)
    assert data["apply_again_command"] == f"hub apply-again {first}"
    assert "procurement list has changed" in text


# ---- files


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("lab.csv", "lab.csv"),
        ("Übersicht (2).xlsx", "Übersicht (2).xlsx"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("/etc/passwd", "_etc_passwd"),
        ("a\\b:c*?.csv", "a_b_c_.csv"),
        ("<script>.csv", "_script_.csv"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        (" . ", "file"),
        (".hidden", "hidden"),
        ("x" * 300, "x" * 80),
    ],
)
def test_a_receipts_name_is_safe_and_still_recognisable(name: str, stem: str) -> None:
    assert file_stem(name) == stem


@pytest.mark.parametrize("char", ["\0", "/", "\\", "\n", "<", ">", ":", '"', "|", "?", "*", "\x7f", "\u202e", "\ud800"])
def test_no_character_that_some_system_refuses_is_in_a_receipts_name(char: str) -> None:
    assert char not in file_stem(f"a{char}b")


def test_a_name_of_markup_is_shown_as_text(small_hub: SmallHub) -> None:
    send(small_hub, "<script>alert(1)<&>.csv", b"")
    small_hub.work()
    (page,) = small_hub.hub.receipts.write_due()
    html = page.read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


@pytest.mark.parametrize(
    ("letter", "copies"), [("𠀀", 1), ("目", 2)], ids=["four bytes a letter", "three bytes a letter, duplicate"]
)
def test_a_name_of_many_long_letters_gets_its_receipt_too(small_hub: SmallHub, letter: str, copies: int) -> None:
    name = letter * (250 // len(letter.encode())) + ".csv"
    for _ in range(copies):
        send(small_hub, name, b"")
    small_hub.work()
    assert len(small_hub.hub.receipts.write_due()) == copies


def test_writing_a_receipt_again_writes_over_itself_and_leaves_no_drafts(small_hub: SmallHub) -> None:
    request_id = send(small_hub, "lab.csv", b"")
    small_hub.work()
    first = small_hub.hub.receipts.write(request_id)
    before = first.read_bytes()
    assert small_hub.hub.receipts.write(request_id) == first
    assert first.read_bytes() == before
    assert sorted(one.suffix for one in first.parent.iterdir()) == [".html", ".json"]


def test_two_files_of_one_name_have_receipts_of_their_own(small_hub: SmallHub) -> None:
    for content in (b"", b" "):
        send(small_hub, "lab.csv", content)
    small_hub.work()
    assert len(set(small_hub.hub.receipts.write_due())) == 2


def test_a_receipt_lists_what_was_not_read(small_hub: SmallHub) -> None:
    small_hub.register("T1", "T2")
    content = inventory("T1", "T2") + b"Total,,,4\n\nRoom,Phone,Floor\nA,1234,1\nB,5678,2\n"
    request_id = send(small_hub, "list.csv", content)
    small_hub.work()
    path = small_hub.hub.receipts.write(request_id)
    page, found = told(path)
    reasons = [(one["row"], one["reason"]) for one in found["warnings"]]  # type: ignore[attr-defined]
    assert reasons == [
        (0, "Not read: What stands in rows 6 to 8 is another table, with other columns (2 rows)."),
        (4, "1 row is no item and was left out: a total in row 4."),
    ]
    assert found["counts"]["posted"] == 2  # type: ignore[index]
    assert found["headline"] == "All 2 rows were taken; 2 rows of another table were not read"
    assert '<header class="attention">' in path.read_text("utf-8")
    assert "put it in a file of its own" in page
    assert "Nothing. You are done." not in page
    (line,) = [
        one for feed in small_hub.hub.receipts.index.gather("north").feeds for one in feed.lines
        if one.source_name == "list.csv"
    ]  # fmt: skip
    assert line.needs_attention


def test_every_sentence_calls_a_column_as_the_sender_does_with_its_letter(small_hub: SmallHub) -> None:
    small_hub.register("T1", "T2")
    lines = (
        "Result,Date calibrated,Due date,Asset Tag",
        "pass,2026-01-13,2027-01-13,T1",
        "pass,2026-01-13,2025-01-13,T2",
    )
    request_id = send(small_hub, "list.csv", "\n".join(lines).encode())
    small_hub.work()
    page, found = told(small_hub.hub.receipts.write(request_id))
    (problem,) = found["problems"]  # type: ignore[misc]
    assert (problem["heading"], problem["place"]) == ("Due date", "C")
    assert problem["reason"] == "This day lies before “Date calibrated” (column B), which is 2026-01-13."
    assert "Due date (column C)" in page
    assert not re.search("calibrated_on|due_on|asset_tag", page.partition("How your columns were read")[0])


def test_a_receipt_tells_at_once_what_a_report_put_between_the_rows(small_hub: SmallHub) -> None:
    small_hub.register("T1", "T2", "T3", "T4", "T5", "T6")
    header, *items = inventory(*(f"T{number}" for number in range(1, 7))).splitlines(keepends=True)
    page = b"Run: 03/14/2024 Page 2\n"
    content = b"".join([header, *items[:2], page, header.upper(), *items[2:4], page, header, *items[4:]])
    request_id = send(small_hub, "list.csv", content)
    small_hub.work()
    _, found = told(small_hub.hub.receipts.write(request_id))
    assert found["counts"]["posted"] == found["counts"]["received"] == 6  # type: ignore[index]
    (line,) = found["warnings"]  # type: ignore[misc]
    assert line["reason"] == (
        "4 rows are no items and were left out: the headings again in rows 5 and 9; "
        "lines of printed pages in rows 4 and 8."
    )
    assert line["value"] == "Run: 03/14/2024 Page 2"


def test_a_receipt_tells_columns_as_excel_shows_them_in_each_table(small_hub: SmallHub) -> None:
    rows = [",,Name,Location,Amount,,Name,Amount,Location", ",,Acetone,Cab 1,5 L,,Urea,2 kg,Cab 2"]
    rows += [f",,Salt {n},Cab 1,{n} g,,Acid {n},{n} L,Cab 2" for n in range(2, 6)]
    request_id = send(small_hub, "list.csv", "\n".join(rows).encode())
    small_hub.work()
    _, found = told(small_hub.hub.receipts.write(request_id))
    read = found["columns_read"]["understood"]  # type: ignore[index]
    assert [(one["heading"], one["place"]) for one in read] == [
        ("Name", "C, G"),
        ("Location", "D, I"),
        ("Amount", "E, H"),
    ]


@pytest.mark.parametrize(
    ("headings", "cells", "asked"),
    [
        ("Name,Location,Expires", "Acetone,B1,3/4/2027", 'Column E, "Expires" (for example: 3/4/2027, 4/5/2027): is '),
        ("Name,Location,Amount,Qty", "Acetone,B1,3,5", 'It may be column E, "Amount" (for example: 3, 7) or column F'),
    ],
)  # fmt: skip
def test_a_question_names_the_column_as_excel_shows_it_with_what_is_in_it(
    small_hub: SmallHub, headings: str, cells: str, asked: str
) -> None:
    other = cells.replace("Acetone", "Urea").replace("3/4", "4/5").replace(",3,", ",7,").replace(",5", ",9")
    request_id = send(small_hub, "list.csv", "\n".join(f",,{line}" for line in (headings, cells, other)).encode())
    small_hub.work()
    page, found = told(small_hub.hub.receipts.write(request_id))
    (question,) = found["questions"]  # type: ignore[misc]
    assert asked in question["text"]
    assert asked.split(" (for")[0].replace('"', "&#34;") in page


def test_every_column_of_a_list_without_headings_is_told(small_hub: SmallHub) -> None:
    text = "".join(
        f"{name},67-64-1,Cab {n},{n}-x?\n" for n, name in enumerate(("Acetone", "Ethanol", "Toluene", "Urea"))
    )
    request_id = send(small_hub, "list.csv", text.encode())
    small_hub.work()
    _, found = told(small_hub.hub.receipts.write(request_id))
    read = found["columns_read"]
    told_of = [one["place"] for one in read["understood"]] + read["unread"]  # type: ignore[index]
    assert sorted(one[-1] for one in told_of) == ["A", "B", "C", "D"]


def test_a_receipt_tells_which_rows_were_taken_for_headings(small_hub: SmallHub) -> None:
    text = "Name,Location,Quantity\nSolvents\nAcetone,Cab 1,5\nEthanol,Cab 1,6\nAcids\nHCl,Cab 2,1\nUrea,Cab 2,1\n"
    request_id = send(small_hub, "list.csv", text.encode())
    small_hub.work()
    page, found = told(small_hub.hub.receipts.write(request_id))
    (warning,) = found["warnings"]  # type: ignore[misc]
    assert (warning["row"], warning["value"]) == (0, "2: Solvents, Acids")
    assert "read as headings of the rows below them and not as items" in page


def test_rows_that_wait_for_the_procurement_list_are_told_apart_from_those_to_correct(small_hub: SmallHub) -> None:
    rows = inventory("NC-1", "NC-2", "00", quantity="1") + inventory("NC-3", quantity="lots").partition(b"\n")[2]
    request_id = send(small_hub, "lab.csv", rows)
    small_hub.work()
    page, found = told(small_hub.hub.receipts.write(request_id))
    assert found["headline"] == (
        "Nothing was taken: 3 rows wait for the procurement list, 2 rows have something to correct"
    )
    assert "Ask the person who keeps that list" in page
    assert page.count("wait for the procurement list: without it “asset_tag” (column A) cannot be checked") == 1
    assert "3 rows (rows 2–3, 5)" in page
    assert [(one["row"], one["column"]) for one in found["problems"]] == [(4, "asset_tag"), (5, "quantity")]  # type: ignore[union-attr]
    steps = page.split("What to do next")[1]
    assert steps.index("Open the marked workbook") < steps.index("Start this at once, beside the steps above")
    assert f"is {request_id})" in steps
    index = small_hub.hub.receipts.index.write("north").read_text(encoding="utf-8")
    assert "<td>Correct 2 rows and send them again; ask for the procurement list" in index
    small_hub.register("NC-1", "NC-2", "NC-3")
    small_hub.hub.receipts.write_due()
    small_hub.hub.receipts.write_due()  # the receipt of the first list has made theirs due
    page = small_hub.hub.receipts.places.page_of(small_hub.submission(request_id)).read_text(encoding="utf-8")
    assert "3 rows came before the procurement list, 2 rows have something to correct" in page
    assert page.count("there was no procurement list yet when") == 1
    assert "without it" not in page
    assert "The rows that only waited for it need no correction." in page


def test_a_problem_names_the_column_by_the_senders_own_heading(small_hub: SmallHub) -> None:
    request_id = send(small_hub, "list.csv", b"Name,Where,Qty.\nAcetone,Cab 1,Lots\nEthanol,Cab 1,6\n")
    small_hub.work()
    page, found = told(small_hub.hub.receipts.write(request_id))
    (problem,) = found["problems"]  # type: ignore[misc]
    assert (problem["column"], problem["heading"]) == ("quantity_on_hand", "Qty.")
    assert "Qty. (column C)" in page
    assert "In your file this is" not in page


def test_a_column_of_one_word_is_named_by_the_senders_heading_where_it_is_said_to_be_a_column(
    small_hub: SmallHub,
) -> None:
    text = "Name,Where,Qty.,UOM\nAcetone,Cab 1,one bottle,\nEthanol,Cab 1,6,L\n"
    request_id = send(small_hub, "list.csv", text.encode())
    small_hub.work()
    _, found = told(small_hub.hub.receipts.write(request_id))
    (problem,) = found["problems"]  # type: ignore[misc]
    assert problem["suggestion"].startswith("Write the number here and its unit in the column “UOM” (column D)")


def test_a_day_that_has_yet_to_come_is_worth_a_look_once_for_its_column_and_its_row_is_taken(
    small_hub: SmallHub,
) -> None:
    rows = ["Acetone,Cab 1,1,L,2099-03-01", "Ethanol,Cab 1,6,L,2024-03-01", "HCl,Acids,1,L,2099-03-02"]
    text = "\n".join(["Name,Where,Qty.,Unit,Opened", *rows])
    request_id = send(small_hub, "list.csv", text.encode())
    small_hub.work()
    page, found = told(small_hub.hub.receipts.write(request_id))
    assert found["headline"] == "All 3 rows were taken, worth a look"
    (remark,) = found["warnings"]  # type: ignore[misc]
    assert (remark["row"], remark["column"], remark["place"]) == (0, "opened_on", "E")
    assert "Rows 2 and 4 have a day in “Opened” (column E) that is after the day on which the file came" in page
    small_hub.hub.receipts.write_due()
    again = send(small_hub, "list.csv", text.replace("Cab 1,6", "Cab 1,5").encode())
    small_hub.work()
    assert told(small_hub.hub.receipts.write(again))[1]["warnings"] == [], "what did not change was told before"
