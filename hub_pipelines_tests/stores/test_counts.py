"""Complete counts: what they cover, what they miss, when it is found again, on both databases."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

from hub_pipelines.common.scope import Scope
from hub_pipelines.evidence import count_of
from hub_pipelines.hub import Hub
from hub_pipelines.intake.model import Outcome
from hub_pipelines.judging import counting_of
from hub_pipelines.ledger.counting import store as counts
from hub_pipelines.ledger.counting.model import MissedRecord, Tally, place_of
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.rebuilding import reproduce
from hub_pipelines.report.words import headline
from hub_pipelines.submission.model import State
from hub_pipelines.submission.receipting import store as receipting
from hub_pipelines.timeline.service import explain
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.staging import read_staged, staged_path
from hub_pipelines_tests.conftest import on_sqlite
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    NORTH_LEDGER,
    asset,
    events,
    inventory_csv,
    journal_size,
    ledger_values,
    make_registry,
    on_day,
    process,
    send,
    send_assets,
    submission,
    take_everything,
)

INVENTORY = FEEDS["inventory"].record_type("inventory.asset")
MONDAY = date(2026, 3, 2)
TAGS = [f"NC-{number:04}" for number in range(1, 7)]
ROOM, OTHER = "Chem 214", "Chem 300"


@pytest.fixture(autouse=True)
def _lab(hub: Hub) -> None:
    """Three items in one room and two in another."""
    make_registry(hub, TAGS)
    here = [asset(tag, location=ROOM) for tag in TAGS[:3]]
    there = [asset(tag, location=OTHER) for tag in TAGS[3:5]]
    process(hub, send_assets(hub, "lab.csv", *here, *there))


def count(hub: Hub, name: str, *rows: dict[str, str]) -> str:
    arrival = send(hub, name, inventory_csv(rows), complete_count=True)
    assert arrival.outcome is Outcome.RECEIVED
    assert isinstance(process(hub, str(arrival.request_id)), Posting)
    return str(arrival.request_id)


def posting_of(hub: Hub, request_id: str) -> Posting:
    with hub.db.read() as tx:
        posting = ledger_outcomes.find_posting(tx, request_id, submission(hub, request_id).revision)
    assert posting is not None
    return posting


def missed_by(hub: Hub, request_id: str, revision: int = 1) -> list[MissedRecord]:
    with hub.db.read() as tx:
        return counts.of_count(tx, request_id, revision)


def keys(found: list[MissedRecord]) -> list[tuple[str, int | None]]:
    return [(one.missed.key, one.missed.row_no) for one in found]


# ---- what is missed


def test_a_count_of_one_room_names_what_it_did_not_find_there_and_changes_nothing_of_it(hub: Hub) -> None:
    before = ledger_values(hub)
    request_id = count(hub, "room.csv", asset(TAGS[0], location=ROOM), asset(TAGS[1], location=ROOM))
    posting = posting_of(hub, request_id)
    assert (posting.counted, posting.not_found, posting.unchanged) == ((ROOM,), 1, 2)
    assert keys(missed_by(hub, request_id)) == [(TAGS[2], None)]
    assert ledger_values(hub) == before
    assert_invariants(hub)


def test_locations_are_compared_as_places_and_not_as_they_are_spelt(hub: Hub) -> None:
    request_id = count(hub, "room.csv", asset(TAGS[0], location="CHEM  214 "))
    assert [one.missed.key for one in missed_by(hub, request_id)] == [TAGS[1], TAGS[2]]
    assert place_of("\u00a0Chem\u2003214") == place_of("chem 214")
    assert place_of("Chem 214") != place_of("Chem 21")


def test_an_update_of_the_same_bytes_misses_nothing(hub: Hub) -> None:
    request_id = send_assets(hub, "room.csv", asset(TAGS[0], location=ROOM))
    process(hub, request_id)
    assert posting_of(hub, request_id).counted is None
    assert missed_by(hub, request_id) == []
    assert count_of(hub, request_id).all_found


def test_a_count_of_several_rooms_covers_each_that_it_names(hub: Hub) -> None:
    request_id = count(hub, "rooms.csv", asset(TAGS[0], location=ROOM), asset(TAGS[3], location=OTHER))
    assert posting_of(hub, request_id).counted == (ROOM, OTHER)
    assert {one.missed.key for one in missed_by(hub, request_id)} == {TAGS[1], TAGS[2], TAGS[4]}


def test_an_item_that_the_count_brings_from_another_room_is_missed_nowhere(hub: Hub) -> None:
    request_id = count(hub, "room.csv", *(asset(tag, location=ROOM) for tag in [*TAGS[:3], TAGS[3]]))
    assert missed_by(hub, request_id) == []
    assert ledger_values(hub)[TAGS[3]]["location"] == ROOM


def test_an_item_in_a_rejected_row_is_listed_and_not_called_missing(hub: Hub) -> None:
    bad = asset(TAGS[1], location=ROOM, category="furniture of some kind")
    request_id = count(hub, "room.csv", asset(TAGS[0], location=ROOM), bad)
    posting = posting_of(hub, request_id)
    assert (posting.not_found, posting.listed_in_rejected_rows) == (1, 1)
    assert keys(missed_by(hub, request_id)) == [(TAGS[2], None), (TAGS[1], 3)]


def test_a_count_whose_rows_are_all_rejected_still_lists_them(hub: Hub) -> None:
    rows = [asset(tag, location=ROOM, quantity="many") for tag in TAGS[:3]]
    request_id = count(hub, "room.csv", *rows)
    assert keys(missed_by(hub, request_id)) == [(TAGS[0], 2), (TAGS[1], 3), (TAGS[2], 4)]
    assert count_of(hub, request_id).all_found


@on_sqlite
def test_a_row_with_a_bad_tag_lists_no_item(hub: Hub) -> None:
    request_id = count(hub, "room.csv", asset("N C 1", location=ROOM))
    assert {one.missed.key for one in missed_by(hub, request_id)} == set(TAGS[:3])


STOCK_HEADER = "item_code,item_name,location,quantity_on_hand,unit\n"


def stock(hub: Hub, name: str, text: str, *, complete_count: bool) -> Posting:
    arrival = send(hub, name, (STOCK_HEADER + text).encode(), complete_count=complete_count)
    posting = process(hub, str(arrival.request_id))
    assert isinstance(posting, Posting), submission(hub, str(arrival.request_id)).reason
    return posting


def test_stock_is_counted_and_what_is_used_up_is_not_missed(hub: Hub) -> None:
    rows = f"A-1,Ethanol,{ROOM},2,EA\nA-2,Acetone,{ROOM},1,EA\nA-3,Hexane,{ROOM},0,EA\nA-1,Ethanol,{OTHER},5,EA\n"
    assert stock(hub, "stock.csv", rows, complete_count=False).rejected == 0
    posting = stock(hub, "count.csv", f"A-1,Ethanol,{ROOM.upper()},2,EA\n", complete_count=True)
    values = ledger_values(hub, "inventory.stock@north")
    assert [values[one.missed.key]["item_name"] for one in missed_by(hub, posting.request_id)] == ["Acetone"]
    hub.receipts.write_due()
    page = hub.receipts.places.page_of(submission(hub, posting.request_id)).read_text(encoding="utf-8")
    assert "at this location, it counts as found" in page


def test_containers_are_counted_and_what_was_disposed_of_is_not_missed(hub: Hub) -> None:
    header = "container_id,contents,quantity,unit,location,disposed_on\n"
    rows = "C-1,Waste,1,L,Bay 1,\nC-2,Waste,1,L,Bay 1,\nC-3,Waste,1,L,Bay 1,2026-02-01\n"
    hazmat = Scope("north", "hazmat")
    process(hub, str(send(hub, "c.csv", (header + rows).encode(), hazmat).request_id))
    found = send(hub, "n.csv", (header + "C-1,Waste,1,L,bay 1,\n").encode(), hazmat, complete_count=True)
    assert isinstance(process(hub, str(found.request_id)), Posting)
    assert [one.missed.key for one in missed_by(hub, str(found.request_id))] == ["C-2"]


@on_sqlite
def test_a_list_without_locations_can_not_be_a_count_and_its_sender_is_told_where_to_drop_it(hub: Hub) -> None:
    data = f"asset_tag,calibrated_on,result\n{TAGS[0]},2026-01-02,pass\n".encode()
    arrival = send(hub, "calibrations.csv", data, complete_count=True)
    assert process(hub, str(arrival.request_id)) is State.IN_REVIEW
    found = submission(hub, str(arrival.request_id))
    assert "no locations to count" in str(found.reason)
    assert "folder inventory itself" in str(found.fix)


# ---- identity


def test_the_same_bytes_as_update_and_as_count_are_two_things_each_taken_once(hub: Hub) -> None:
    data = inventory_csv([asset(TAGS[0], location=ROOM)])
    folder = hub.settings.drop / "north" / "inventory"
    outcomes = []
    for place in (folder, folder / "complete-count", folder, folder / "complete-count"):
        (place / "room.csv").write_bytes(data)
        outcomes += take_everything(hub)
    assert [one.outcome for one in outcomes] == ["received", "received", "duplicate", "duplicate"]
    update, declared = outcomes[0].request_id, outcomes[1].request_id
    assert update != declared
    assert (outcomes[2].request_id, outcomes[3].request_id) == (update, declared)
    envelope = submission(hub, str(declared)).envelope
    assert envelope.complete_count
    hub.keys.verify(envelope)
    assert not submission(hub, str(update)).envelope.complete_count
    for one in (update, declared):
        assert isinstance(process(hub, str(one)), Posting)
    assert_invariants(hub)


# ---- found again


def test_an_item_that_the_file_of_another_room_names_later_is_missing_no_more(hub: Hub) -> None:
    request_id = count(hub, "room.csv", asset(TAGS[0], location=ROOM))
    hub.receipts.write_due()
    moved = send_assets(hub, "other-room.csv", asset(TAGS[1], location=OTHER))
    process(hub, moved)
    found = {one.missed.key: one.found_by for one in missed_by(hub, request_id)}
    assert found == {TAGS[1]: moved, TAGS[2]: None}
    assert count_of(hub, request_id).still_missing == 1
    hub.receipts.write_due()
    page = hub.receipts.places.page_of(submission(hub, request_id)).read_text(encoding="utf-8")
    assert "found since: <bdi>other-room.csv</bdi>" in page


def test_an_item_that_is_named_again_unchanged_is_found_too(hub: Hub) -> None:
    request_id = count(hub, "room.csv", asset(TAGS[0], location=ROOM))
    before = journal_size(hub)
    process(hub, send_assets(hub, "found.csv", asset(TAGS[2], location=ROOM)))
    assert journal_size(hub) == before
    assert [one.missed.key for one in missed_by(hub, request_id) if one.found_at is None] == [TAGS[1]]


def test_a_file_that_came_before_the_count_finds_nothing_however_late_it_posts(hub: Hub) -> None:
    early = send_assets(hub, "early.csv", asset(TAGS[1], location=ROOM, quantity="9"))
    request_id = count(hub, "room.csv", asset(TAGS[0], location=ROOM))
    process(hub, early)
    assert [one.found_at for one in missed_by(hub, request_id)] == [None, None]


def test_a_rejected_row_finds_nothing(hub: Hub) -> None:
    request_id = count(hub, "room.csv", asset(TAGS[0], location=ROOM))
    process(hub, send_assets(hub, "bad.csv", asset(TAGS[1], location=ROOM, quantity="many")))
    assert count_of(hub, request_id).still_missing == 2


# ---- the same again


def test_what_a_count_missed_follows_from_its_rows_and_the_journal_at_any_later_time(hub: Hub) -> None:
    request_id = count(
        hub, "room.csv", asset(TAGS[0], location=ROOM, quantity="7"), asset(TAGS[1], location=ROOM, category="nonsense")
    )
    process(hub, send_assets(hub, "later.csv", asset(TAGS[2], location=OTHER), asset(TAGS[5], location=ROOM)))
    current = submission(hub, request_id)
    counting = counting_of(INVENTORY)
    assert counting is not None
    tally = Tally(counting)
    tally.add(read_staged(staged_path(hub.settings.staged, str(current.staged)))[1])
    with hub.db.read() as tx:
        then = list(
            tally.missed(ledger_items.items_as_of(tx, NORTH_LEDGER, posting_of(hub, request_id).ledger_version))
        )
    assert sorted(then, key=str) == sorted((one.missed for one in missed_by(hub, request_id)), key=str)
    assert len(then) == 2


def test_a_backfill_counts_again_from_the_archive_and_tells_what_is_not_the_same(hub: Hub) -> None:
    monday = on_day(hub, MONDAY)
    arrival = send(hub, "room.csv", inventory_csv([asset(TAGS[0], location=ROOM, quantity="7")]), complete_count=True)
    process(monday, str(arrival.request_id))
    assert reproduce(monday, INVENTORY, "north", MONDAY).is_equal
    with hub.db.write() as tx:
        tx.execute(counts.missed_item.delete().where(counts.missed_item.c.key == TAGS[2]))
    (told,) = reproduce(monday, INVENTORY, "north", MONDAY).differences
    assert f"of {TAGS[2]} the count says nothing; from the archive it is not found at {ROOM}" in told


def test_a_count_applied_again_counts_anew_and_keeps_what_it_said_before(hub: Hub) -> None:
    request_id = count(hub, "room.csv", asset(TAGS[0], location=ROOM))
    process(hub, send_assets(hub, "moved.csv", asset(TAGS[1], location=OTHER)))
    hub.review.apply_again(request_id, actor="person/tester")
    process(hub, request_id)
    assert [one.missed.key for one in missed_by(hub, request_id, 1)] == [TAGS[2], TAGS[1]]
    assert [one.missed.key for one in missed_by(hub, request_id, 2)] == [TAGS[2]]
    assert events(hub, request_id).count("submission:posted") == 2
    assert_invariants(hub)


# ---- told


@on_sqlite
def test_the_receipt_names_the_room_and_what_is_missing(hub: Hub) -> None:
    request_id = count(
        hub, "room.csv", asset(TAGS[0], location=ROOM), asset(TAGS[1], location=ROOM, category="furniture")
    )
    hub.receipts.write_due()
    page = hub.receipts.places.page_of(submission(hub, request_id)).read_text(encoding="utf-8")
    assert re.search(rf'You counted this location:\s+<bdi class="wrote">{ROOM}</bdi>', page)
    assert "<strong>not found</strong>" in page
    assert "listed in row 3, which was not taken" in page
    assert "Nothing was deleted or changed for them" in page


def test_hub_why_tells_of_the_count_and_of_the_item(hub: Hub) -> None:
    request_id = count(hub, "room.csv", asset(TAGS[0], location=ROOM), asset(TAGS[1], location=ROOM))
    (story,) = explain(hub, request_id).stories
    assert story.facts["complete count"] == f"of {ROOM}: 1 not found, 1 still missing"
    assert any(f"as a complete count of {ROOM} it did not find one item" in one.what for one in story.moments)
    (missed,) = (one for item in explain(hub, TAGS[2]).items for one in item.missed)
    assert (missed.source_name, missed.location, missed.found_at) == ("room.csv", ROOM, None)


def test_a_count_of_good_rows_that_misses_something_needs_attention_until_it_is_found(hub: Hub) -> None:
    request_id = count(hub, "room.csv", asset(TAGS[0], location=ROOM), asset(TAGS[1], location=ROOM))

    def told() -> list[str]:
        return [headline(line) for line in hub.receipts.index.gather("north").attention]

    assert told() == ["Nothing new: all 2 rows were already up to date; 1 item was not found"]
    process(hub, send_assets(hub, "found.csv", asset(TAGS[2], location=OTHER)))
    assert told() == []
    assert count_of(hub, request_id).all_found


# ---- what was carried elsewhere


BOTTLES = "Acetone,L1,B1,2,L\nEthanol,,B1,1,L\nToluene,,B1,1,L\nEthanol,,B7,1,L\n"


def bottles(hub: Hub, name: str, text: str, *, complete_count: bool = False) -> str:
    arrival = send(hub, name, f"Name,Lot,Location,Quantity,Unit\n{text}".encode(), complete_count=complete_count)
    assert isinstance(process(hub, str(arrival.request_id)), Posting)
    return str(arrival.request_id)


def moved(hub: Hub, request_id: str) -> dict[str, list[str]]:
    page = hub.receipts.write(request_id)
    told = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["count"]["missed"]
    return {one["key"]: one["moved"] for one in told}


def test_a_bottle_that_the_count_lists_anew_at_another_place_has_probably_moved(hub: Hub, tmp_path: Path) -> None:
    """A bottle of the same that has stood elsewhere for long is no sign of it, nor is one of another lot."""
    bottles(hub, "stock.csv", BOTTLES)
    rows = "Toluene,,B1,1,L\nAcetone,L1,B2,2,L\nEthanol,L2,B3,2,L\n"
    (tmp_path / "count.csv").write_text(f"Name,Lot,Location,Quantity,Unit\n{rows}", encoding="utf-8")
    found = hub.preview(tmp_path / "count.csv", Scope("north", "inventory"), actor="tester", complete_count=True).found
    assert found is not None
    assert {one.key: one.moved for one in found.missed} == {
        "name acetone| lot L1|B1": ("B2",),
        "name ethanol|B1": (),
    }
    counted = bottles(hub, "count.csv", rows, complete_count=True)
    assert moved(hub, counted) == {"name acetone| lot L1|B1": ["B2 (count.csv)"], "name ethanol|B1": []}
    page = hub.receipts.write(counted).read_text(encoding="utf-8")
    assert "probably moved: listed now at <bdi>B2 (count.csv)</bdi>" in page
    assert "list it at its old place once more with the quantity 0" in page


def test_a_later_file_that_lists_it_at_another_place_is_told_on_the_counts_receipt(hub: Hub) -> None:
    def is_due() -> bool:
        with hub.db.read() as tx:
            return counted in receipting.receipts_due(tx, "north", limit=100)

    bottles(hub, "stock.csv", BOTTLES)
    counted = bottles(hub, "count.csv", "Toluene,,B1,1,L\n", complete_count=True)
    hub.receipts.write(counted)
    bottles(hub, "else.csv", "Hexane,,B9,1,L\nEthanol,,B7,2,L\n")
    assert not is_due()
    bottles(hub, "room 9.csv", "Ethanol,,B9,1,L\n")
    assert is_due()
    assert moved(hub, counted)["name ethanol|B1"] == ["B9 (room 9.csv)"]


def test_a_bottle_that_was_listed_elsewhere_shortly_before_the_count_has_probably_moved_too(hub: Hub) -> None:
    """Not one that came before the missing line was set."""
    bottles(hub, "first.csv", "Toluene,,B8,1,L\n")
    bottles(hub, "stock.csv", BOTTLES)
    bottles(hub, "stock v4.csv", BOTTLES.replace("Ethanol,,B1,1,L", "Ethanol,,Room 214C,1,L"))
    counted = bottles(hub, "count.csv", "Acetone,L1,B1,2,L\n", complete_count=True)
    assert moved(hub, counted) == {"name ethanol|B1": ["Room 214C (stock v4.csv)"], "name toluene|B1": []}


def test_what_a_later_file_lists_with_the_quantity_0_is_used_up_and_not_found(hub: Hub) -> None:
    bottles(hub, "stock.csv", BOTTLES)
    counted = bottles(hub, "count.csv", "Acetone,L1,B1,2,L\n", complete_count=True)
    gone = bottles(hub, "gone.csv", "Ethanol,,B1,0,\n")
    with hub.db.read() as tx:
        assert ledger_problems.of_posting(tx, gone, 1, severity="warn", limit=9, of_rows=True) == []
    bottles(hub, "else.csv", "Toluene,,B1,2,L\n")
    page = hub.receipts.write(counted).read_text(encoding="utf-8")
    assert "used up since: <bdi>gone.csv</bdi>" in page
    assert "found since: <bdi>else.csv</bdi>" in page
    assert "<div><dt>Found since</dt><dd>1</dd></div>" in page
    assert "<div><dt>Used up since</dt><dd>1</dd></div>" in page


def test_a_place_that_the_list_had_before_and_the_count_lacks_is_named_and_needs_a_look(hub: Hub) -> None:
    """Not a place where the list said that nothing is left."""
    bottles(hub, "lab 2026-10.csv", BOTTLES + "Hexane,,B2,0,L\n")
    counted = bottles(hub, "lab 2026-11.csv", BOTTLES.replace("Ethanol,,B7,1,L\n", ""), complete_count=True)
    assert posting_of(hub, counted).uncounted == ("B7",)
    page = hub.receipts.write(counted).read_text(encoding="utf-8")
    assert '<header class="attention">' in page
    assert "1 location of your earlier list was not counted</h1>" in page
    assert re.search(r'also had\s+<bdi class="wrote">B7</bdi>. No row of this file names it', page)
    assert "Nothing. You are done." not in page
    (line,) = (one for one in hub.receipts.index.gather("north").attention if one.source_name == "lab 2026-11.csv")
    assert (line.places_counted, line.places_left) == (1, 1)
    again = bottles(hub, "lab 2026-12.csv", BOTTLES, complete_count=True)
    assert posting_of(hub, again).uncounted == ()


def test_of_tagged_items_the_places_of_the_earlier_list_are_told_too(hub: Hub) -> None:
    request_id = count(hub, "lab.csv", *(asset(tag, location=ROOM) for tag in TAGS[:3]))
    assert posting_of(hub, request_id).uncounted == (OTHER,)


def test_a_count_without_places_needs_a_look_since_nothing_was_counted(hub: Hub) -> None:
    rows = "Ethanol,,,1,L\n"
    bottles(hub, "lab.csv", rows)
    counted = bottles(hub, "lab count.csv", rows, complete_count=True)
    page = hub.receipts.write(counted).read_text(encoding="utf-8")
    assert '<header class="attention">' in page
    assert "nothing was counted, since no row names a location</h1>" in page
    hub.receipts.write_due()
    listed = hub.receipts.index.path("north")
    hub.receipts.index.write("north")
    assert "Add where the items are" in listed.read_text(encoding="utf-8")
