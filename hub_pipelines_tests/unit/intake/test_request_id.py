"""What makes two payloads the same submission."""

import re

import pytest

from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.intake.model import Arrival, Payload, request_id_for

from ..conftest import SmallHub

NORTH = Scope("north", "inventory")


def receive(hub: Hub, arrival_id: str, digest: str, *, name: str = "lab.csv", key: str | None = None) -> Arrival:
    return hub.intake.receive(Payload(arrival_id, NORTH, "upload", "test", name, digest, 1, {}, key))


def test_a_request_id_starts_with_campus_and_feed() -> None:
    assert re.fullmatch(r"north-inventory-[a-z2-7]{30}", request_id_for(NORTH, "a" * 64, None))


def test_a_request_id_is_the_same_in_every_process_and_release() -> None:
    assert request_id_for(NORTH, "a" * 64, None) == "north-inventory-fd47m7lu6quvopxnddgsaibscaez4w"


def test_content_campus_feed_and_key_each_make_another_request_id() -> None:
    ids = [
        request_id_for(NORTH, "a" * 64, None),
        request_id_for(NORTH, "b" * 64, None),
        request_id_for(Scope("south", "inventory"), "a" * 64, None),
        request_id_for(Scope("north", "procurement"), "a" * 64, None),
        request_id_for(NORTH, "a" * 64, "key-1"),
        request_id_for(NORTH, "a" * 64, "key-2"),
        request_id_for(NORTH, "a" * 64, ""),
        request_id_for(NORTH, "a" * 64, "a" * 64),
    ]
    assert len(set(ids)) == len(ids)


def test_a_senders_key_identifies_whatever_the_content_is() -> None:
    assert request_id_for(NORTH, "a" * 64, "key-1") == request_id_for(NORTH, "b" * 64, "key-1")


def test_another_name_for_the_same_content_is_a_duplicate(small_hub: SmallHub) -> None:
    first = receive(small_hub.hub, "1", "a" * 64)
    second = receive(small_hub.hub, "2", "a" * 64, name="other.xlsx")
    assert (first.request_id, str(second.outcome)) == (second.request_id, "duplicate")


def test_the_same_arrival_told_twice_is_one_arrival(small_hub: SmallHub) -> None:
    assert receive(small_hub.hub, "1", "a" * 64) == receive(small_hub.hub, "1", "a" * 64)
    assert small_hub.arrivals_by_outcome() == {"received": 1}


def test_a_senders_key_with_other_bytes_is_a_conflict_and_leaves_the_first_alone(small_hub: SmallHub) -> None:
    first = receive(small_hub.hub, "1", "a" * 64, key="k")
    before = small_hub.submission(first.request_id)
    second = receive(small_hub.hub, "2", "b" * 64, key="k")
    assert str(second.outcome) == "conflict"
    assert small_hub.submission(first.request_id) == before
    (item,) = small_hub.hub.review.listing()
    assert (item.cause, item.content_digest) == ("conflict", "b" * 64)


@pytest.mark.parametrize("key", ["k\nfeed", "k\ncontent"])
def test_a_key_with_a_line_break_is_no_other_identity(key: str) -> None:
    assert request_id_for(NORTH, "a" * 64, key) not in {
        request_id_for(NORTH, "a" * 64, None),
        request_id_for(NORTH, "a" * 64, "k"),
    }


def test_a_complete_count_is_another_thing_than_an_update_of_the_same_bytes_or_key() -> None:
    ids = {
        request_id_for(NORTH, "a" * 64, key, complete_count=declared)
        for key in (None, "k")
        for declared in (False, True)
    }
    assert len(ids) == 4
