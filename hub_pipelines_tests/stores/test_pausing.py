"""Feeds that an operator has stopped: everything is taken in, nothing is launched, and everybody can see why."""

import json
import threading
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from hub_pipelines.audit import store as audit
from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.launching import Tick, paused_count, tick
from hub_pipelines.pausing.model import AlreadyPaused, NotPaused
from hub_pipelines.processing import AttemptFailed
from hub_pipelines.report.status import status_of
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import State
from hub_pipelines.timeline.service import explain
from hub_pipelines_tests.support import (
    NORTH_PROCUREMENT,
    assert_invariants,
    asset,
    inventory_csv,
    lease,
    make_registry,
    make_retry_due,
    process,
    process_all,
    procurement_csv,
    send,
    send_assets,
    submission,
)

CONTAINERS = b"container_id,contents,quantity,unit,location\nC-1,Acetone,2,L,Room 1\n"
NORTH_HAZMAT = Scope("north", "hazmat")


def look(hub: Hub, campus: str = "north") -> Tick:
    return tick(hub, campus, alive=lambda _ids: set())


def launched(hub: Hub, campus: str = "north") -> list[str]:
    return [one.envelope.feed for one in look(hub, campus).launches]


def now(hub: Hub, request_id: str) -> str:
    (story,) = explain(hub, request_id).stories
    return story.now


def chain(hub: Hub, event: str) -> list[Any]:
    with hub.db.read() as tx:
        return [entry.event for entry in audit.entries_named(tx, event)]


def test_a_paused_feed_takes_files_in_and_launches_nothing_until_it_is_resumed(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    hub.pausing.pause("north", "inventory", actor="person/ann", reason="scanner is replaced")
    (hub.settings.drop / "north" / "inventory" / "lab.csv").write_bytes(inventory_csv([asset("NC-0001")]))
    found = look(hub)
    assert ([one.outcome for one in found.scan.arrivals], found.launches) == (["received"], ())
    assert look(hub).launches == ()
    (waiting,) = status_of(hub.db, hub.drop_folder)["paused"]
    assert (waiting["campus"], waiting["feed"], waiting["waiting"]) == ("north", "inventory", 1)
    request_id = str(found.scan.arrivals[0].request_id)
    assert "paused by person/ann since" in now(hub, request_id)
    assert "scanner is replaced. Nothing is launched until `hub resume --campus north --feed inventory`" in now(
        hub, request_id
    )
    assert "inventory waits (1): inventory of north paused by person/ann since" in look(hub).summary
    hub.pausing.resume("north", "inventory", actor="person/ann", reason="new scanner works")
    assert launched(hub) == ["inventory"]
    process_all(hub)
    assert submission(hub, request_id).state is State.POSTED
    assert_invariants(hub)


def test_the_sender_of_a_file_for_a_paused_feed_gets_a_receipt_that_says_received(hub: Hub) -> None:
    before = send_assets(hub, "before.csv", asset("NC-0001"))
    hub.receipts.write_due("north")
    assert not hub.receipts.places.page_of(submission(hub, before)).exists()
    hub.pausing.pause("north", actor="person/ann", reason="registry is being rebuilt")
    (hub.settings.drop / "north" / "inventory" / "dropped.csv").write_bytes(inventory_csv([asset("NC-0002")]))
    dropped = str(look(hub).scan.arrivals[0].request_id)
    sent = send_assets(hub, "sent.csv", asset("NC-0003"))
    hub.receipts.write_due("north")
    for request_id in (before, dropped, sent):
        receipt = json.loads(hub.receipts.places.page_of(submission(hub, request_id)).with_suffix(".json").read_text())
        assert receipt["outcome"] == "received"
        assert receipt["headline"].startswith(
            "Received, and not worked on yet: work on all feeds of north is paused since"
        )
    assert hub.receipts.write_due("north") == []


@pytest.mark.parametrize(
    ("campus", "feed", "stopped"),
    [("", "", {"inventory", "hazmat"}), ("", "hazmat", {"hazmat"}), ("south", "", set()), ("north", "grants", set())],
)
def test_a_pause_stops_what_its_scope_names(hub: Hub, campus: str, feed: str, stopped: set[str]) -> None:
    send_assets(hub, "lab.csv", asset("NC-0001"))
    send(hub, "waste.csv", CONTAINERS, NORTH_HAZMAT)
    hub.pausing.pause(campus, feed, actor="person/ann", reason="maintenance")
    assert {"inventory", "hazmat"} - set(launched(hub)) == stopped


def test_a_paused_registry_holds_up_only_the_feeds_that_ask_it(hub: Hub) -> None:
    send(hub, "registry.csv", procurement_csv(["NC-0001"]), NORTH_PROCUREMENT)
    inventory = send_assets(hub, "lab.csv", asset("NC-0001"))
    hazmat = str(send(hub, "waste.csv", CONTAINERS, NORTH_HAZMAT).request_id)
    assert "files of north that go first (procurement) are not settled yet" in now(hub, inventory)
    hub.pausing.pause("north", "procurement", actor="person/ann", reason="list is wrong")
    assert launched(hub) == ["hazmat"]
    assert "its tags are checked against files of north that go first (procurement) and are paused by" in now(
        hub, inventory
    )
    assert process(hub, hazmat) is not None
    with hub.db.read() as tx:
        waiting = submissions.unsettled_by_scope(tx)
    assert paused_count(hub, waiting) == sum(waiting.values()) == 2
    assert launched(hub) == []
    hub.pausing.resume("north", "procurement", actor="person/ann")
    assert launched(hub) == ["procurement"]
    process_all(hub)
    assert submission(hub, inventory).counts.posted == 1
    assert_invariants(hub)


def test_a_retry_of_a_paused_feed_waits_and_a_run_under_way_goes_on(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    working = send_assets(hub, "working.csv", asset("NC-0001"))
    failing = send_assets(hub, "failing.csv", asset("NC-0001", quantity="3"))
    assert len(look(hub).launches) == 2
    hub.pausing.pause(feed="inventory", actor="person/ann", reason="maintenance")
    process(hub, working)
    assert submission(hub, working).state is State.POSTED
    with suppress(AttemptFailed), hub.processing.attempt(lease(hub, failing)):
        raise ConnectionError("the share is away")
    make_retry_due(hub, failing)
    assert look(hub).launches == ()
    assert "paused by person/ann" in now(hub, failing)
    hub.pausing.resume(feed="inventory", actor="person/ann")
    assert launched(hub) == ["inventory"]


def test_pausing_and_resuming_are_audited_with_their_actor(hub: Hub) -> None:
    hub.pausing.pause("north", "inventory", actor="person/ann", reason="scanner is replaced")
    hub.pausing.pause(feed="grants", actor="person/bob", reason="year end")
    hub.pausing.resume("north", "inventory", actor="person/cy", reason="done")
    told = [(one.campus, one.actor, one.detail["reason"]) for one in chain(hub, "feed:paused")]
    assert sorted(told) == [("hub", "person/bob", "year end"), ("north", "person/ann", "scanner is replaced")]
    (resumed,) = chain(hub, "feed:resumed")
    assert (resumed.campus, resumed.actor, resumed.subject) == ("north", "person/cy", "inventory of north")
    assert audit.walk(hub.db).ok


def test_only_the_pause_that_was_made_is_lifted_and_what_still_stops_is_told(hub: Hub) -> None:
    hub.pausing.pause("north", actor="person/ann", reason="move")
    hub.pausing.pause("north", "inventory", actor="person/bob", reason="scanner")
    with pytest.raises(AlreadyPaused) as again:
        hub.pausing.pause("north", "inventory", actor="person/cy", reason="mine")
    assert "paused by person/bob" in str(again.value)
    with pytest.raises(NotPaused) as wrong:
        hub.pausing.resume("south", actor="person/cy")
    assert "all feeds of north paused by person/ann" in str(wrong.value)
    (left,) = hub.pausing.resume("north", "inventory", actor="person/bob")
    assert left.paused_by == "person/ann"
    send_assets(hub, "lab.csv", asset("NC-0001"))
    assert launched(hub) == []


def test_of_many_who_pause_at_once_one_wins(hub: Hub) -> None:
    outcomes: list[str] = []

    def pause(name: str) -> None:
        try:
            hub.pausing.pause("north", "inventory", actor=name, reason="race")
            outcomes.append("won")
        except AlreadyPaused:
            outcomes.append("told")

    racers = [threading.Thread(target=pause, args=(f"person/{number}",)) for number in range(8)]
    for one in racers:
        one.start()
    for one in racers:
        one.join()
    assert sorted(outcomes) == ["told"] * 7 + ["won"]
    assert len(chain(hub, "feed:paused")) == 1


def test_a_tick_without_pauses_says_nothing_of_them(hub: Hub) -> None:
    found = look(hub)
    assert found == replace(found, paused=())
    assert "paused" not in found.summary
