"""The pages that list receipts: what they list, in which order, and when they are written again, on both databases."""

import os
import re
import time
from dataclasses import replace
from html import unescape
from urllib.parse import unquote

import pytest

from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.report.model import IndexLine
from hub_pipelines.review.model import ReasonCode
from hub_pipelines_tests.support import (
    asset,
    inventory_csv,
    make_registry,
    process,
    send,
    send_assets,
    submission,
    take_everything,
)

NORTH_INVENTORY = Scope("north", "inventory")
SOUTH_INVENTORY = Scope("south", "inventory")


@pytest.fixture(autouse=True)
def _registry(hub: Hub) -> None:
    make_registry(hub, ["NC-0001", "NC-0002"])


def settled(hub: Hub, name: str, *rows: dict[str, str]) -> str:
    request_id = send_assets(hub, name, *rows)
    process(hub, request_id)
    return request_id


def unreadable(hub: Hub, name: str, scope: Scope = NORTH_INVENTORY) -> None:
    arrival = send(hub, name, f"not a table {name}".encode(), scope)
    assert arrival.request_id is not None
    process(hub, arrival.request_id)


def lines_of(hub: Hub, feed: str = "inventory") -> tuple[IndexLine, ...]:
    return next(one.lines for one in hub.receipts.index.gather("north").feeds if one.feed == feed)


def attention(hub: Hub) -> list[str]:
    return [line.source_name for line in hub.receipts.index.gather("north").attention]


def mtimes(hub: Hub) -> dict[str, int]:
    root = hub.settings.receipts
    return {str(page.relative_to(root)): page.stat().st_ino for page in root.rglob("index.html")}


# ---- what is listed


def test_a_page_lists_the_newest_first_with_relative_links_that_lead_somewhere(hub: Hub) -> None:
    settled(hub, "first & <b>.csv", asset("NC-0001"))
    settled(hub, "second #2?.csv", asset("NC-0002"))
    hub.receipts.write_due()
    assert [line.source_name for line in lines_of(hub)] == ["second #2?.csv", "first & <b>.csv"]
    for page in (hub.receipts.index.path("north"), hub.receipts.index.path()):
        html = page.read_text(encoding="utf-8")
        assert "<b>" not in html
        links = [link for link in re.findall(r'href="([^"]+)"', html) if "--" in link]
        assert len(links) == 3, "two inventory files and the registry"
        for link in links:
            assert (page.parent / unquote(link)).is_file()


def test_a_receipt_that_is_not_written_yet_is_no_link(hub: Hub) -> None:
    send_assets(hub, "lab.csv", asset("NC-0001"))
    (line,) = lines_of(hub)
    assert (line.outcome, line.page, line.needs_attention) == ("received", None, False)


def test_what_was_not_taken_and_what_a_person_must_decide_is_on_top(hub: Hub) -> None:
    unreadable(hub, "damaged.csv")
    settled(hub, "good.csv", asset("NC-0001"))
    settled(hub, "partly.csv", asset("NC-0002"), asset("NC-9999"))
    hub.intake.refuse("a1", NORTH_INVENTORY, "March", "It is a folder.", "Drop the files.")
    assert attention(hub) == ["March", "partly.csv", "damaged.csv"]


def test_a_file_that_a_newer_one_of_its_name_follows_needs_no_attention(hub: Hub) -> None:
    settled(hub, "Lab.csv", asset("NC-0001"), asset("NC-9999"))
    assert attention(hub) == ["Lab.csv"]
    settled(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
    assert attention(hub) == []


def test_open_rows_of_a_list_stay_in_sight_under_a_newer_one_that_is_shorter_or_was_not_taken(hub: Hub) -> None:
    settled(hub, "Lab.csv", asset("NC-0001"), asset("NC-9999"))
    settled(hub, "lab.csv", asset("NC-0002"))
    assert attention(hub) == ["Lab.csv"]
    hub.receipts.write_due()
    page = unescape(hub.receipts.index.path("north").read_text(encoding="utf-8"))
    assert "Correct 1 row and send it again; a newer file of this name has fewer rows; where it has these" in page
    send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002", location="B7"))
    assert attention(hub) == ["Lab.csv"], "the newer one is not worked on yet"


def test_open_rows_of_a_list_that_a_newer_one_replaces_are_told_as_superseded(hub: Hub) -> None:
    settled(hub, "lab.csv", asset("NC-0001"), asset("NC-9999"))
    settled(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
    hub.receipts.write_due()
    page = unescape(hub.receipts.index.path("north").read_text(encoding="utf-8"))
    assert "Nothing: a newer one came; 1 row not taken here is superseded by it" in page


def test_a_file_in_review_needs_attention_until_a_person_has_decided_or_its_sender_has_mended_it(hub: Hub) -> None:
    unreadable(hub, "mended.csv")
    settled(hub, "mended.csv", asset("NC-0001"))
    assert attention(hub) == []
    hub.review.dismiss(hub.review.listing()[0].item_id, actor="person/ann", reason=ReasonCode.REPLACED)
    unreadable(hub, "lab.csv")
    assert attention(hub) == ["lab.csv"]
    (item,) = hub.review.listing()
    hub.review.dismiss(item.item_id, actor="person/ann", reason=ReasonCode.REPLACED)
    assert attention(hub) == []


def test_a_conflict_needs_attention_until_a_person_has_decided_and_a_copy_never_does(hub: Hub) -> None:
    send(hub, "lab.csv", inventory_csv([asset("NC-0001")]), sender_key="job-1")
    send(hub, "copy.csv", inventory_csv([asset("NC-0001")]), sender_key="job-1")
    send(hub, "other.csv", inventory_csv([asset("NC-0002")]), sender_key="job-1")
    assert attention(hub) == ["other.csv"]
    (item,) = hub.review.listing()
    hub.review.dismiss(item.item_id, actor="person/ann", reason=ReasonCode.SENT_IN_ERROR)
    assert attention(hub) == []


def test_a_campus_sees_only_its_own(hub: Hub) -> None:
    settled(hub, "of-north.csv", asset("NC-0001"))
    unreadable(hub, "of-south.csv", SOUTH_INVENTORY)
    hub.receipts.write_due()
    index = hub.receipts.index
    assert "of-north.csv" not in index.path("south").read_text(encoding="utf-8")
    assert "of-south.csv" not in index.path("north").read_text(encoding="utf-8")
    both = index.path().read_text(encoding="utf-8")
    assert "of-north.csv" in both
    assert "of-south.csv" in both


def test_a_long_list_ends_and_says_how_many_are_older_and_how_to_find_them(
    hub: Hub,
) -> None:
    unreadable(hub, "oldest.csv")
    for number in range(1, 5):
        settled(hub, f"file-{number}.csv", asset("NC-0001", quantity=str(number)))
    index = replace(hub.receipts.index, lines_per_feed=2, lines_per_feed_of_all=1)
    of_campus = index.write("north").read_text(encoding="utf-8")
    assert re.search(r"file-4.*file-3", of_campus, re.S)
    assert "file-2" not in of_campus
    assert re.search(r"older: 3\..*hub why", of_campus, re.S)
    assert "file-3" not in index.write().read_text(encoding="utf-8")
    assert [line.source_name for line in index.gather().attention] == ["oldest.csv"], "however old, it is on top"


# ---- when it is written


def test_pages_are_written_when_a_receipt_was_and_not_otherwise(hub: Hub) -> None:
    settled(hub, "lab.csv", asset("NC-0001"))
    hub.receipts.write_due("north")
    first = mtimes(hub)
    assert set(first) == {"index.html", "north/index.html"}
    hub.receipts.write_due("north")
    hub.receipts.write_due()
    assert mtimes(hub) == first, "an idle tick writes nothing"
    unreadable(hub, "south.csv", SOUTH_INVENTORY)
    hub.receipts.write_due("south")
    second = mtimes(hub)
    assert second["north/index.html"] == first["north/index.html"]
    assert second["index.html"] != first["index.html"]


def test_a_receipt_that_the_run_has_written_is_on_the_page_after_the_next_tick(hub: Hub) -> None:
    request_id = settled(hub, "lab.csv", asset("NC-0001"))
    page = hub.receipts.write(request_id)
    assert not hub.receipts.index.path("north").exists()
    hub.receipts.write_due("north")
    assert page.name in hub.receipts.index.path("north").read_text(encoding="utf-8")


def test_a_receipt_that_is_written_while_a_page_is_made_is_not_forgotten(hub: Hub) -> None:
    settled(hub, "lab.csv", asset("NC-0001"))
    hub.receipts.write_due("north")
    index = hub.receipts.index
    before = time.time_ns()
    index.mark("north")
    os.utime(index.path("north"), ns=(before, before))
    assert index.path("north") in index.refresh("north")


def test_an_empty_hub_says_that_nothing_has_come(hub: Hub) -> None:
    html = hub.receipts.index.write("south").read_text(encoding="utf-8")
    assert "Nothing has come yet" in html


def test_a_page_that_cannot_be_written_holds_up_no_receipt(hub: Hub) -> None:
    settled(hub, "lab.csv", asset("NC-0001"))
    hub.receipts.index.path("north").mkdir(parents=True)
    assert len(hub.receipts.write_due("north")) == 2
    assert hub.receipts.index.path().is_file()


# ---- what each line says: taken or not, and what its sender does


def told(hub: Hub) -> dict[str, tuple[str, str]]:
    """By file, as the page of a campus has it: what happened, and what its sender does."""
    html = hub.receipts.index.write("north").read_text(encoding="utf-8")
    rows = re.findall("<tr.*?</tr>", html.replace("\n", " "))
    cells = [[_text(cell) for cell in re.findall("<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]
    return {row[1]: (row[2].split(" ", 1)[1], row[3]) for row in reversed(cells) if len(row) == 6 and row[1] != "File"}


def _text(cell: str) -> str:
    return " ".join(unescape(re.sub("<[^>]+>", " ", cell)).split())


def test_each_line_says_whether_the_file_was_taken_and_what_its_sender_does(hub: Hub) -> None:
    settled(hub, "good.csv", asset("NC-0001"))
    settled(hub, "same.csv", asset("NC-0001"), asset("NC-0002"))
    settled(hub, "same2.csv", asset("NC-0002"), asset("NC-0001"))
    settled(hub, "partly.csv", asset("NC-0002", quantity="3"), asset("NC-9999"))
    settled(hub, "bad.csv", asset("NC-9999"))
    unreadable(hub, "damaged.csv")
    header = b"Item Code,Name,Room,Bestand 7,Unit\n"
    process(hub, str(send(hub, "asks.csv", header + b"A-1,Buffer,B1,3,bottle\n").request_id))
    send(hub, "asks again.csv", header + b"A-1,Buffer,B1,3,bottle\n")
    send(hub, "keyed.csv", inventory_csv([asset("NC-0001", quantity="9")]), sender_key="k")
    send(hub, "other.csv", inventory_csv([asset("NC-0002", quantity="9")]), sender_key="k")
    hub.intake.refuse("a1", NORTH_INVENTORY, "March", "It is a folder.", "Drop the files.")
    assert told(hub) == {
        "registry.csv": ("All 2 rows were taken", "Nothing"),
        "good.csv": ("The only row was taken", "Nothing"),
        "same.csv": ("All 2 rows are in: 1 was taken now, 1 was already up to date", "Nothing"),
        "same2.csv": ("Nothing new: all 2 rows were already up to date", "Nothing"),
        "partly.csv": ("1 of 2 rows was taken, 1 needs your attention", "Correct 1 row and send it again"),
        "bad.csv": ("Nothing was taken: every row has something to correct", "Correct 1 row and send it again"),
        "damaged.csv": (
            "Not taken so far: the file lacks a required column of a stock list: item_name",
            "Correct the file and send it again",
        ),
        "asks.csv": ("Not taken yet: the hub has a question", "Answer what the receipt asks"),
        "asks again.csv": ("We already have this file", "See its receipt: 1 question is still open"),
        "keyed.csv": ("Received, and not worked on yet", "Nothing for now: the receipt will change"),
        "other.csv": (
            "This file does not agree with what we already have: "
            "the key 'k' came before with other contents (keyed.csv)",
            "If this is new data, send it under a key of its own",
        ),
        "March": ("Nothing was taken: it is a folder", "Drop the files"),
    }


def test_a_line_that_a_newer_file_follows_asks_for_nothing(hub: Hub) -> None:
    unreadable(hub, "lab.csv")
    assert told(hub)["lab.csv"][1] == "Correct the file and send it again"
    settled(hub, "lab.csv", asset("NC-0001"))
    (newest, oldest) = lines_of(hub)
    assert (newest.replaced, oldest.replaced, oldest.needs_attention) == (False, True, False)


def test_items_that_a_count_missed_stay_open_under_an_update_and_not_under_a_newer_count(hub: Hub) -> None:
    settled(hub, "all.csv", asset("NC-0001"), asset("NC-0002"))
    for rows, as_count in (([asset("NC-0001")], True), ([asset("NC-0001", quantity="7")], False)):
        process(hub, str(send(hub, "room.csv", inventory_csv(rows), complete_count=as_count).request_id))
    (first,) = [line for line in lines_of(hub) if line.complete_count]
    assert (first.still_missing, first.needs_attention, first.replaced) == (1, True, False)
    again = inventory_csv([asset("NC-0001", quantity="8")])
    process(hub, str(send(hub, "room.csv", again, complete_count=True).request_id))
    second, first = (line for line in lines_of(hub) if line.complete_count)
    assert (second.needs_attention, first.needs_attention) == (True, False)


def test_a_preview_of_a_known_file_is_listed_as_known(hub: Hub) -> None:
    settled(hub, "lab.csv", asset("NC-0001"))
    folder = hub.settings.drop / "north" / "inventory" / "preview"
    (folder / "copy.csv").write_bytes(inventory_csv([asset("NC-0001")]))
    take_everything(hub)
    list(hub.previews.make_due("north"))
    html = hub.receipts.index.write("north").read_text(encoding="utf-8")
    assert "The hub has this very file already: dropped again it would change nothing" in html


def test_a_list_in_the_wrong_folder_is_told_the_right_one_and_is_done_once_it_is_taken_there(hub: Hub) -> None:
    data = b"Name,CAS,Quantity,Unit,Location\nAcetone,67-64-1,2,L,R1\n"
    wrong = send(hub, "shelf.csv", data, Scope("north", "hazmat"))
    process(hub, str(wrong.request_id))
    fix = str(submission(hub, str(wrong.request_id)).fix)
    assert fix.startswith("As it is, this list can go into the folder inventory (as stock list): drop it there")
    assert "Or, if it belongs here, add or rename the missing column headers (container_id)" in fix
    page = hub.receipts.write(str(wrong.request_id)).read_text(encoding="utf-8")
    assert "<h1>This file could not be taken: the file lacks a required column of a container list" in page
    assert attention(hub) == ["shelf.csv"]
    process(hub, str(send(hub, "shelf.csv", data).request_id))
    assert attention(hub) == []


def test_a_list_that_fits_no_folder_is_sent_to_none(hub: Hub) -> None:
    wrong = send(hub, "names.csv", b"Surname,Phone\nCurie,12\n", Scope("north", "hazmat"))
    process(hub, str(wrong.request_id))
    assert "this list can go" not in str(submission(hub, str(wrong.request_id)).fix)
