"""The arithmetic of the audit chain, recomputed with nothing but json and hashlib."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from hub_pipelines.audit.model import GENESIS, ChainReport, Entry, Event, entry_hash

EVENT = Event("north", "hub/intake", "submission:received", "lab é.csv", "north-inventory-abc", {"b": 2, "a": ["x"]})
AT = datetime(2026, 3, 2, 12, 0, 0, 5, tzinfo=UTC)


def test_a_hash_is_the_sha_256_of_the_entrys_canonical_text() -> None:
    by_hand = {
        "actor": "hub/intake",
        "at": "2026-03-02T12:00:00.000005Z",
        "campus": "north",
        "detail": {"a": ["x"], "b": 2},
        "event": "submission:received",
        "prev_hash": "0" * 64,
        "request_id": "north-inventory-abc",
        "seq": 1,
        "subject": "lab é.csv",
    }
    text = json.dumps(by_hand, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    entry = Entry.following(0, GENESIS, AT, EVENT)
    assert (entry.seq, entry.prev_hash) == (1, "0" * 64)
    assert entry.hash == hashlib.sha256(text.encode("utf-8")).hexdigest()


def test_an_entry_holds_the_hash_of_the_one_before_it() -> None:
    first = Entry.following(0, GENESIS, AT, EVENT)
    second = Entry.following(first.seq, first.hash, AT, EVENT)
    assert (second.seq, second.prev_hash) == (2, first.hash)
    assert second.hash not in {first.hash, Entry.following(1, GENESIS, AT, EVENT).hash}


@pytest.mark.parametrize(
    "changed",
    [
        replace(EVENT, campus="south"),
        replace(EVENT, actor="x"),
        replace(EVENT, event="submission:posted"),
        replace(EVENT, subject="lab e.csv"),
        replace(EVENT, request_id=None),
        replace(EVENT, detail={"a": ["x"], "b": "2"}),
        replace(EVENT, detail={}),
    ],
)
def test_any_changed_part_of_an_event_changes_the_hash(changed: Event) -> None:
    assert entry_hash(1, GENESIS, AT, changed) != entry_hash(1, GENESIS, AT, EVENT)


def test_a_changed_number_time_or_predecessor_changes_the_hash() -> None:
    hashes = {
        entry_hash(1, GENESIS, AT, EVENT),
        entry_hash(2, GENESIS, AT, EVENT),
        entry_hash(1, "1" * 64, AT, EVENT),
        entry_hash(1, GENESIS, AT + timedelta(microseconds=1), EVENT),
    }
    assert len(hashes) == 4


def test_key_order_and_time_zone_do_not_change_the_hash() -> None:
    reordered = replace(EVENT, detail={"a": ["x"], "b": 2})
    elsewhere = AT.astimezone(timezone(timedelta(hours=-8)))
    assert entry_hash(1, GENESIS, elsewhere, reordered) == entry_hash(1, GENESIS, AT, EVENT)


def test_a_report_is_good_only_without_a_broken_entry() -> None:
    assert ChainReport(3, None, {}).ok
    assert not ChainReport(3, "north:2 is missing", {}).ok
