"""Previews: what a file would do is told, and nothing is done, on both databases."""

import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select

from hub_pipelines.audit import store as audit
from hub_pipelines.common.errors import Permanent, Transient
from hub_pipelines.common.scope import Scope
from hub_pipelines.common.store import metadata
from hub_pipelines.hub import Hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.judging import Judge
from hub_pipelines.launching import PreviewLaunch, tick
from hub_pipelines.ledger.model import Posting
from hub_pipelines.previewing import MOST_ATTEMPTS
from hub_pipelines.report.previews.model import Preview
from hub_pipelines.report.previews.page import headline
from hub_pipelines.report.status import status_of
from hub_pipelines.report.workbook import token
from hub_pipelines.submission.retry import LAUNCHES_IN_VAIN
from hub_pipelines.timeline.service import explain
from hub_pipelines.validate.returned import TOKEN_SHEET
from hub_pipelines_tests.conftest import on_sqlite
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    NORTH_INVENTORY,
    all_submissions,
    asset,
    inventory_csv,
    make_registry,
    process,
    send,
    send_assets,
    take_everything,
)

TAGS = ["NC-0001", "NC-0002", "NC-0003"]
ROOM = "Chem 214"
ABOUT_PREVIEWS = {"arrival", "preview", "audit_entry", "audit_head"}


@pytest.fixture(autouse=True)
def _lab(hub: Hub) -> None:
    make_registry(hub, TAGS)
    process(hub, send_assets(hub, "lab.csv", asset(TAGS[0]), asset(TAGS[1])))
    hub.receipts.write_due()


def folder(hub: Hub) -> Path:
    return hub.settings.drop / "north" / "inventory" / "preview"


def drop(hub: Hub, name: str, data: bytes) -> Arrival:
    (folder(hub) / name).write_bytes(data)
    (arrival,) = take_everything(hub)
    return arrival


def previewed(hub: Hub, name: str, data: bytes) -> Preview:
    """Dropped into the preview folder, and made as a run makes it."""
    arrival = drop(hub, name, data)
    (made,) = hub.previews.make_due("north")
    assert made.arrival.arrival_id == arrival.arrival_id
    return made.preview


def everything(hub: Hub) -> dict[str, Any]:
    """All tables but those of arrivals and the audit chain, and all files but the receipts' and the archive's."""
    with hub.db.read() as tx:
        tables = {
            table.name: sorted(map(tuple, tx.execute(select(table))), key=str)
            for table in metadata.sorted_tables
            if table.name not in ABOUT_PREVIEWS
        }
    kept = [hub.settings.staged, hub.settings.ledgers, hub.settings.drop]
    files = {str(path): path.read_bytes() for root in kept for path in root.rglob("*") if path.is_file()}
    return {"tables": tables, "files": files, "envelopes": sorted(map(str, hub.archive.envelopes()))}


MIXED = inventory_csv(
    [
        asset(TAGS[0]),
        asset(TAGS[1], location="Chem 300", quantity="7"),
        asset(TAGS[2]),
        asset("NC-9999"),
        asset("NC-0001"),
    ]
)


# ---- what is told


def stock(hub: Hub, original: str | None, *rows: tuple[str, ...]) -> bytes:
    """A stock list, with the mark of a workbook that was given back for a submission where there is one."""
    book = openpyxl.Workbook()
    for row in (("Name", "Location", "Quantity", "Unit", "Received"), *rows):
        book.active.append(list(row))
    if original is not None:
        book.create_sheet(TOKEN_SHEET)["A1"] = token.issue(hub.keys, token.Token(original, 1, "north", "inventory"))
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def test_a_workbook_that_the_hub_gave_back_is_previewed_as_the_list_that_it_corrects(hub: Hub) -> None:
    """Under another name, with what is known of that list; a line that gets its place is not at two places."""
    placeless, ethanol = ("Acetone", "", "5", "L", "03/04/2025"), ("Ethanol", "101", "2", "L", "05/04/2025")
    first = str(send(hub, "stock.xlsx", stock(hub, None, placeless, ethanol)).request_id)
    asked = process(hub, first)
    assert not isinstance(asked, Posting)
    (question,) = hub.answers.of_submission(first).questions
    hub.answers.answer(first, [(question.question_id, "DMY")], actor="person/lee")
    assert isinstance(process(hub, first), Posting)
    corrected = [("Acetone", "202", *placeless[2:]), ethanol]

    preview = previewed(hub, "my copy.xlsx", stock(hub, first, *corrected))
    assert preview.found is not None, preview.reason
    assert preview.gave_back_for == "stock.xlsx"
    assert [line.reason for line in preview.found.warnings if "listed at" in line.reason] == []

    other = previewed(hub, "other.xlsx", stock(hub, None, *corrected))
    assert (other.would, other.gave_back_for) == ("ask", None)
    forged = stock(hub, "0" * 26, *corrected)
    assert previewed(hub, "forged.xlsx", forged).gave_back_for is None
    assert_invariants(hub)


def test_a_preview_tells_what_would_be_new_changed_unchanged_and_rejected(hub: Hub) -> None:
    found = previewed(hub, "new.csv", MIXED).found
    assert found is not None
    assert (found.received, found.new, found.changed, found.unchanged, found.rejected) == (5, 1, 1, 1, 2)
    assert [(one.row, str(one.item)) for one in found.new_items] == [(4, f"Ethanol absolute ({TAGS[2]}, {ROOM})")]
    (changed,) = found.changed_items
    assert (changed.row, changed.key) == (3, TAGS[1])
    assert {(one.column, one.old, one.new) for one in changed.cells} == {
        ("location", "Chem 214", "Chem 300"),
        ("quantity", "2.5", "7"),
    }
    assert [(one.row, one.column) for one in found.problems] == [(5, "asset_tag"), (6, "asset_tag")]


@on_sqlite
def test_its_page_tells_how_columns_were_read_and_calls_items_as_their_sender_does(hub: Hub) -> None:
    stock = "Chemical,CAS No,Where,Menge\nAcetone,67-64-1,Room 101,{}\nEthanol,64-17-5,Room 101,2 L\n"
    sent = send(hub, "stock.csv", stock.format("1 L").encode())
    assert isinstance(process(hub, str(sent.request_id)), Posting)
    made = previewed(hub, "stock.csv", (stock.format("3 L") + "Agar,9002-18-0,Room 102,5 g\n").encode())
    page = hub.previews.page_of(made).read_text(encoding="utf-8")
    shown = page.split("<details>")[0]
    assert '<th scope="row"><bdi>Menge</bdi></th>' in shown
    assert "<td>quantity on hand</td>" in shown
    assert "cas 67-64-1|" not in page
    assert made.content_digest not in shown
    assert made.found is not None
    assert [str(one.item) for one in made.found.changed_items] == ["Acetone (CAS 67-64-1, Room 101)"]
    assert [str(one.item) for one in made.found.new_items] == ["Agar (CAS 9002-18-0, Room 102)"]
    (cell,) = made.found.changed_items[0].cells
    assert (cell.heading, cell.old, cell.new) == ("Menge", "1", "3")


@on_sqlite
def test_it_tells_how_much_is_new_and_which_table_would_not_be_read(hub: Hub) -> None:
    stock = "Chemical,CAS No,Where,Amount,,Primer,Sequence,Tm\n"
    stock += "".join(f"Salt {n},7647-14-5,Room {n},{n} g,,P{n},ACGT,6{n}\n" for n in range(1, 5))
    made = previewed(hub, "stock.csv", stock.encode())
    assert made.found is not None
    assert [one.amount for one in made.found.new_items] == ["1 g", "2 g", "3 g", "4 g"]
    assert made.found.elsewhere == 4
    assert headline(made) == "Of 4 rows, 4 would be new; 4 rows of another table would not be read"
    page = hub.previews.page_of(made).read_text(encoding="utf-8")
    assert "from column F on, is another table" in page
    assert '<header class="attention">' in page


def test_its_numbers_are_what_the_file_does_when_it_is_dropped_for_real(hub: Hub) -> None:
    found = previewed(hub, "new.csv", MIXED).found
    assert found is not None
    (hub.settings.drop / "north" / "inventory" / "new.csv").write_bytes(MIXED)
    (arrival,) = take_everything(hub)
    posting = process(hub, str(arrival.request_id))
    assert isinstance(posting, Posting)
    assert (posting.posted, posting.unchanged, posting.rejected) == (
        found.new + found.changed,
        found.unchanged,
        found.rejected,
    )


def test_nothing_is_changed_by_a_preview(hub: Hub) -> None:
    before = everything(hub)
    arrival = drop(hub, "new.csv", MIXED)
    list(hub.previews.make_due("north"))
    assert everything(hub) == before
    assert (arrival.outcome, arrival.request_id) == (Outcome.PREVIEWED, None)
    assert hub.archive.object_path(str(arrival.content_digest)).read_bytes() == MIXED
    assert_invariants(hub)


def test_the_same_bytes_dropped_for_real_afterwards_are_received_and_no_duplicate(hub: Hub) -> None:
    previewed(hub, "new.csv", MIXED)
    (hub.settings.drop / "north" / "inventory" / "new.csv").write_bytes(MIXED)
    (arrival,) = take_everything(hub)
    assert arrival.outcome is Outcome.RECEIVED
    again = previewed(hub, "new.csv", MIXED)
    assert again.first_copy is not None
    assert again.first_copy.request_id == arrival.request_id
    page = hub.previews.page_of(again).read_text(encoding="utf-8")
    assert "<h1>The hub has this very file already: dropped again it would change nothing</h1>" in page
    assert len(all_submissions(hub)) == 3


def test_an_audit_line_tells_of_it(hub: Hub) -> None:
    arrival = drop(hub, "new.csv", MIXED)
    with hub.db.read() as tx:
        (entry,) = audit.entries_named(tx, "arrival:previewed")
    assert (entry.event.subject, entry.event.request_id) == ("new.csv", None)
    assert entry.event.detail["content_digest"] == arrival.content_digest


@on_sqlite
def test_the_receipt_stands_in_a_folder_of_its_own_as_page_and_json(hub: Hub) -> None:
    arrival = drop(hub, "new <b>.csv", MIXED)
    (made,) = hub.previews.make_due("north")
    assert made.page.parent == hub.settings.receipts / "north" / "inventory" / "preview"
    html = made.page.read_text(encoding="utf-8")
    assert "Preview – nothing was changed" in html
    assert "new &lt;b&gt;.csv" in html
    assert "<b>.csv" not in html
    document = json.loads(made.page.with_suffix(".json").read_text(encoding="utf-8"))
    assert (document["preview"], document["would"], document["found"]["changed"]) == (True, "post", 1)
    assert document["headline"] == (
        "Of 5 rows, 1 would be new, 1 would change, 1 would stay as they are, 2 would not be taken"
    )
    assert document["arrival_id"] == arrival.arrival_id


@on_sqlite
def test_an_unreadable_file_is_told_why_and_leaves_no_review_item(hub: Hub) -> None:
    found = previewed(hub, "note.csv", b"just a note\n")
    assert (found.would, found.found) == ("refuse", None)
    assert found.reason
    assert found.next_step
    assert hub.review.listing() == []


@on_sqlite
def test_a_column_that_is_gone_is_told_and_leaves_no_review_item(hub: Hub) -> None:
    lines = [line.rsplit(",", 2)[0] for line in inventory_csv([asset(TAGS[0])]).decode().splitlines()]
    before = everything(hub)
    assert previewed(hub, "lab.csv", ("\n".join(lines) + "\n").encode()).would == "post"
    renamed = [f"{lines[0]},Number in the catalogue", *(f"{line},67-64-1" for line in lines[1:])]
    found = previewed(hub, "lab.csv", ("\n".join(renamed) + "\n").encode())
    assert found.would == "hold"
    assert {one.before for one in found.columns if one.column} == {"cas_number", "hazard_codes"}
    assert everything(hub) == before


class _Choice:
    def __init__(self, label: str) -> None:
        self.label = label


class _Question:
    text = "Which column holds the tags?"
    choices = (_Choice("Tag"), _Choice("No."))


class _Asks(Permanent):
    cause = "question"
    questions = (_Question(),)


@on_sqlite
def test_questions_are_told_with_their_choices(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def asks(*_args: object) -> None:
        raise _Asks("Something must be answered first.", "Answer it.")

    monkeypatch.setattr(Judge, "judged", asks)
    found = previewed(hub, "lab.csv", MIXED)
    assert found.would == "ask"
    (question,) = found.questions
    assert (question.text, question.choices) == ("Which column holds the tags?", ("Tag", "No."))
    assert found.next_step == "When you drop the file for real, its receipt comes with a sheet to answer in."


def test_a_preview_of_a_count_tells_what_it_would_miss(hub: Hub) -> None:
    path = hub.settings.home / "room.csv"
    path.write_bytes(inventory_csv([asset(TAGS[0], location="CHEM 214")]))
    found = hub.preview(path, NORTH_INVENTORY, actor="tester", complete_count=True).found
    assert found is not None
    assert (found.counted, found.not_found) == (("CHEM 214",), 1)
    assert [(one.key, one.location) for one in found.missed] == [(TAGS[1], ROOM)]


@on_sqlite
def test_of_a_file_in_pieces_only_the_first_are_listed_and_all_are_counted(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_pipelines.previewing.ITEMS_SHOWN", 2)
    monkeypatch.setattr("hub_pipelines.previewing.PROBLEMS_SHOWN", 3)
    monkeypatch.setattr("hub_pipelines.previewing._CHUNK_ROWS", 4)
    make_registry(hub, [f"NX-{number:04}" for number in range(10)])
    rows = [asset(f"NX-{number:04}") for number in range(10)] + [asset(f"NZ-{number}") for number in range(5)]
    found = previewed(hub, "many.csv", inventory_csv(rows)).found
    assert found is not None
    assert (found.new, len(found.new_items)) == (10, 2)
    assert (found.rejected, found.problems_total, len(found.problems)) == (5, 5, 3)


# ---- the folder


@on_sqlite
def test_an_existing_feed_folder_gets_its_preview_folder(hub: Hub) -> None:
    folder(hub).rmdir()
    take_everything(hub)
    assert folder(hub).is_dir()
    assert not (hub.settings.drop / "north" / "grants" / "complete-count").exists()


@on_sqlite
def test_a_link_in_its_place_is_refused_and_not_looked_into(hub: Hub, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_bytes(MIXED)
    folder(hub).rmdir()
    folder(hub).symlink_to(outside)
    (arrival,) = take_everything(hub)
    assert (arrival.outcome, arrival.source_name) == (Outcome.REFUSED, "preview")
    assert (outside / "secret.csv").exists()
    assert hub.drop_folder.waiting("north") == 0


@on_sqlite
def test_a_folder_in_the_preview_folder_is_refused_where_it_is(hub: Hub) -> None:
    (folder(hub) / "sub").mkdir()
    (arrival,) = take_everything(hub)
    assert (arrival.outcome, arrival.source_name) == (Outcome.REFUSED, "sub")


@on_sqlite
def test_a_hidden_or_half_copied_file_is_left_in_it(hub: Hub) -> None:
    (folder(hub) / "~$new.xlsx").write_bytes(b"x")
    assert take_everything(hub) == []


# ---- launching


def launch(hub: Hub, *, alive: bool = False, after_s: float = 120.0) -> PreviewLaunch | None:
    return tick(hub, "north", alive=lambda _ids: set(), previewing=lambda: alive, relaunch_after_s=after_s).previews


def test_previews_that_are_due_share_one_run(hub: Hub) -> None:
    for name in ("a.csv", "b.csv"):
        (folder(hub) / name).write_bytes(MIXED)
    (hub.settings.drop / "north" / "hazmat" / "preview" / "c.csv").write_bytes(b"container_id\n1\n")
    found = launch(hub)
    assert found is not None
    assert found.number == 3
    assert launch(hub) is None
    assert len(list(hub.previews.make_due("north"))) == 3
    assert launch(hub, after_s=0) is None


def test_none_is_launched_while_a_run_makes_them(hub: Hub) -> None:
    (folder(hub) / "a.csv").write_bytes(MIXED)
    assert launch(hub, alive=True) is None
    assert launch(hub) is not None


def test_a_run_that_began_and_died_is_followed_at_once_and_one_that_never_began_after_a_while(hub: Hub) -> None:
    arrival = drop(hub, "a.csv", MIXED)
    first = launch(hub)
    assert launch(hub) is None
    with hub.db.write() as tx:
        arrivals.count_preview_attempt(tx, arrival.arrival_id)
    second = launch(hub)
    assert first is not None
    assert second is not None
    assert first.run_key != second.run_key
    assert launch(hub) is None
    later = replace(hub, intake=replace(hub.intake, now=lambda: hub.intake.now() + timedelta(seconds=300)))
    assert launch(later) is not None


def test_what_a_caller_makes_itself_is_launched_only_when_that_came_to_nothing(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hub.settings.home / "a.csv"
    path.write_bytes(MIXED)
    with monkeypatch.context() as patch:
        patch.setattr("hub_pipelines.report.previews.service.write_replacing", _full)
        with pytest.raises(OSError, match="No space"):
            hub.preview(path, NORTH_INVENTORY, actor="tester")
    assert launch(hub) is None
    later = replace(hub, intake=replace(hub.intake, now=lambda: hub.intake.now() + timedelta(seconds=300)))
    assert launch(later) is not None
    assert len(list(hub.previews.make_due("north"))) == 1


def test_a_pause_does_not_hold_up_previews(hub: Hub) -> None:
    hub.pausing.pause("north", "inventory", actor="person/tester", reason="test")
    (folder(hub) / "a.csv").write_bytes(MIXED)
    assert launch(hub) is not None


def test_what_no_run_ever_begins_has_a_receipt_that_says_so(hub: Hub) -> None:
    drop(hub, "a.csv", MIXED)
    for _ in range(LAUNCHES_IN_VAIN):
        assert launch(hub, after_s=0) is not None
    assert launch(hub, after_s=0) is None
    (page,) = (hub.settings.receipts / "north" / "inventory" / "preview").glob("*.html")
    assert "could not find out" in page.read_text(encoding="utf-8")
    with hub.db.read() as tx:
        assert arrivals.previews_due(tx, "north", limit=9) == []


# ---- what fails


def test_a_preview_that_meets_a_bug_stays_due_holds_up_no_other_and_ends(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder(hub) / "bad.csv").write_bytes(b"asset_tag\nbad\n")
    (folder(hub) / "good.csv").write_bytes(MIXED)
    take_everything(hub)
    real = Judge.judged

    def judged(self: Judge, envelope: Any, registry: Any, columns: Any = None) -> Any:
        if envelope.source_name == "bad.csv":
            raise ZeroDivisionError
        return real(self, envelope, registry, columns)

    monkeypatch.setattr(Judge, "judged", judged)
    assert [one.arrival.source_name for one in hub.previews.make_due("north")] == ["good.csv"]
    for _ in range(MOST_ATTEMPTS - 1):
        assert list(hub.previews.make_due("north")) == []
    (made,) = hub.previews.make_due("north")
    assert (made.arrival.source_name, made.preview.would) == ("bad.csv", "unknown")
    assert list(hub.previews.make_due("north")) == []


@on_sqlite
def test_a_receipt_that_can_not_be_written_leaves_the_preview_due(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(hub, "a.csv", MIXED)
    with monkeypatch.context() as patch:
        patch.setattr("hub_pipelines.report.previews.service.write_replacing", _full)
        assert list(hub.previews.make_due("north")) == []
    (made,) = hub.previews.make_due("north")
    assert made.page.exists()


def _full(*_args: object) -> None:
    raise OSError(28, "No space left on device")


@on_sqlite
def test_no_room_for_it_is_told_before_it_is_taken(hub: Hub) -> None:
    full = replace(hub, drop_folder=replace(hub.drop_folder, no_room=lambda _size: "no room"))
    path = hub.settings.home / "a.csv"
    path.write_bytes(MIXED)
    with pytest.raises(Transient, match="no room"):
        full.preview(path, NORTH_INVENTORY, actor="tester")


# ---- where previews are listed


def test_lists_and_figures_tell_previews_apart(hub: Hub) -> None:
    files = {one.feed: [line.source_name for line in one.lines] for one in hub.receipts.index.gather("north").feeds}
    previewed(hub, "new.csv", MIXED)
    drop(hub, "due.csv", MIXED + b"\n")
    index = hub.receipts.index.gather("north")
    assert {one.feed: [line.source_name for line in one.lines] for one in index.feeds} == files
    assert [(one.source_name, one.page is not None) for one in index.previews] == [
        ("due.csv", False),
        ("new.csv", True),
    ]
    page = hub.receipts.index.write("north").read_text(encoding="utf-8")
    assert "Of 5 rows, 1 would be new" in page
    assert "Not made yet" in page
    status = status_of(hub.db, hub.drop_folder)
    assert status["previews"] == {"made": 1, "due": 1}
    assert status["submissions"]["posted"] == 2
    hub.receipts.write_due("north")  # writes no receipt for the one that is due
    assert len(list((hub.settings.receipts / "north" / "inventory").rglob("due*"))) == 0


def test_hub_why_knows_a_preview_by_its_name(hub: Hub) -> None:
    previewed(hub, "new.csv", MIXED)
    (match,) = explain(hub, "new.csv").files
    (came,) = match.came
    assert "nothing was changed" in came.what
    assert came.receipt is not None
    assert "/preview/" in came.receipt


def test_a_campus_sees_only_its_own(hub: Hub) -> None:
    (hub.settings.drop / "south" / "inventory" / "preview" / "s.csv").write_bytes(MIXED)
    (arrival,) = take_everything(hub)
    assert arrival.scope == Scope("south", "inventory")
    assert list(hub.previews.make_due("north")) == []
    (made,) = hub.previews.make_due("south")
    assert made.preview.found is not None
    assert made.preview.found.ledger == "inventory.asset@south"
