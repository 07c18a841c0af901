"""What the reconciler makes of archived files without a record, and of bytes that nobody signed, on both databases."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from hub_pipelines.audit import store as audit
from hub_pipelines.hub import Hub
from hub_pipelines.launching import due_of
from hub_pipelines.pausing import store as pauses
from hub_pipelines.recovery import model, service
from hub_pipelines.recovery.model import Kind, Position
from hub_pipelines.recovery.service import Reconciler
from hub_pipelines.review.store import review_item
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Cause, State
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.stores.test_recovery import (
    AN_HOUR_S,
    KnownRuns,
    forget,
    kinds,
    later,
    look,
    recovery_events,
)
from hub_pipelines_tests.support import (
    asset,
    inventory_csv,
    ledger_values,
    make_registry,
    process_all,
    send,
    send_assets,
    submission,
)

# ---- the archive


def test_a_signed_file_without_a_record_is_registered_as_it_came(hub: Hub, request_id: str) -> None:
    before = submission(hub, request_id)
    forget(hub, request_id)
    young = look(hub)
    assert young.findings == (), "whoever delivers it may be about to register it"
    report = look(hub, now=lambda: later(AN_HOUR_S))
    assert kinds(report) == [Kind.NOT_REGISTERED]
    after = submission(hub, request_id)
    assert after.envelope == before.envelope
    assert after.state is State.RECEIVED
    assert recovery_events(hub, request_id) == ["recovery:registered"]
    assert look(hub, now=lambda: later(AN_HOUR_S)).findings == ()
    process_all(hub)
    assert submission(hub, request_id).counts.posted == 2
    assert_invariants(hub)


def test_a_file_that_comes_again_after_it_was_registered_from_the_archive_is_a_duplicate(
    hub: Hub, request_id: str
) -> None:
    forget(hub, request_id)
    look(hub, now=lambda: later(AN_HOUR_S))
    again = send(hub, "lab.csv", inventory_csv([asset("NC-0001"), asset("NC-0002")]))
    assert (again.outcome, again.request_id) == ("duplicate", request_id)
    assert_invariants(hub)


@pytest.mark.parametrize("spoilt", ["envelope", "object"])
def test_a_file_without_a_record_that_is_not_genuine_is_told_and_not_registered(
    hub: Hub, request_id: str, spoilt: str
) -> None:
    envelope = hub.archive.envelopes_of(request_id)[0]
    path = (
        envelope
        if spoilt == "envelope"
        else hub.archive.object_path(submission(hub, request_id).envelope.content_digest)
    )
    forget(hub, request_id)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"lab.csv" if spoilt == "envelope" else b"NC-0001", b"lob.csv"))
    report = look(hub, now=lambda: later(AN_HOUR_S))
    (found,) = report.left
    assert found.kind is Kind.NOT_REGISTERED
    assert "can't be registered" in found.what
    assert report.checks()["every_archived_file_is_registered"] == (found,)
    with hub.db.read() as tx:
        assert submissions.find(tx, request_id) is None


def test_a_file_whose_claim_still_waits_is_left_to_the_next_look_at_its_folder(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    folder = hub.settings.drop / "north" / "inventory"
    (folder / "lab.csv").write_bytes(inventory_csv([asset("NC-0001")]))
    (arrival,) = hub.drop_folder.take("north", budget_s=10).arrivals
    request_id = str(arrival.request_id)
    forget(hub, request_id)
    claim = folder / ".claimed" / "0123"
    claim.mkdir(parents=True)
    (claim / "lab.csv").write_bytes(inventory_csv([asset("NC-0001")]))
    assert look(hub, now=lambda: later(AN_HOUR_S)).findings == ()
    (claim / "lab.csv").unlink()
    assert kinds(look(hub, now=lambda: later(AN_HOUR_S))) == [Kind.NOT_REGISTERED]
    process_all(hub)
    assert_invariants(hub)


def test_bytes_that_nobody_signed_are_told_and_kept(hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "half.csv"
    path.write_bytes(b"the sender's program ended here")
    with path.open("rb") as source:
        stored = hub.archive.put(source)
    assert look(hub).findings == ()
    report = look(hub, now=lambda: later(AN_HOUR_S))
    assert [(one.kind, one.subject) for one in report.findings] == [(Kind.NOBODYS_BYTES, stored.digest)]
    assert report.left == ()
    assert hub.archive.has(stored.digest)


def test_a_large_archive_is_walked_in_stretches_and_none_is_left_out(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    make_registry(hub, ["NC-0001"])
    ids = [send_assets(hub, f"lab-{number}.csv", asset("NC-0001", quantity=str(number + 1))) for number in range(7)]
    for request_id in ids:
        forget(hub, request_id)
    monkeypatch.setattr(service, "_NAMES_AT_ONCE", 3)
    position, found = Position(), []
    for _ in range(4):
        reconciler = Reconciler(hub, KnownRuns(), now=lambda: later(AN_HOUR_S))
        report = reconciler.look(position, thorough=True)
        position = Position.from_document(report.position.document())
        found += [one.subject for one in report.findings if one.kind is Kind.NOT_REGISTERED]
    assert sorted(found) == sorted(ids)
    process_all(hub)
    assert_invariants(hub)


def forget_all(hub: Hub, ids: list[str]) -> None:
    for request_id in ids:
        forget(hub, request_id)


def launched(hub: Hub) -> list[str]:
    """What a sensor of the campus would launch."""
    with hub.db.read() as tx:
        due = due_of(tx, "north", hub.feeds, taken=(), limit=100, relaunch_after=timedelta(0))
    return [one.request_id for one in due]


def versions_of_a_list(hub: Hub, number: int) -> list[str]:
    return [send_assets(hub, "lab.csv", asset("NC-0001", quantity=str(one + 1))) for one in range(number)]


def assert_in_order(hub: Hub, ids: list[str]) -> None:
    found = [submission(hub, one) for one in ids]
    assert [one.source_version for one in found] == list(range(1, len(ids) + 1))
    assert [one.revises for one in found] == [None, *ids[:-1]]


def test_after_a_lost_database_versions_of_a_list_are_registered_and_post_in_the_order_in_which_they_came(
    hub: Hub,
) -> None:
    make_registry(hub, ["NC-0001"])
    ids = versions_of_a_list(hub, 6)
    forget_all(hub, ids)
    assert kinds(look(hub, unregistered_s=0.0)) == [Kind.NOT_REGISTERED] * 6
    assert_in_order(hub, ids)
    process_all(hub)
    assert ledger_values(hub)["NC-0001"]["quantity"] == "6"
    assert_invariants(hub)


def test_nothing_is_launched_before_all_that_has_no_record_is_registered(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    ids = versions_of_a_list(hub, 3)
    forget_all(hub, ids)
    reconciler = Reconciler(hub, KnownRuns(), unregistered_s=0.0, budget_s=0.0)
    first = reconciler.look(Position(), thorough=True)
    assert first.findings == (), "there was no time for any"
    with hub.db.read() as tx:
        (pause,) = pauses.standing(tx)
    assert pause.paused_by == "hub/recovery"
    later_file = send_assets(hub, "lab.csv", asset("NC-0001", quantity="9"))
    assert launched(hub) == [], "this one would go before those that came before it"
    assert Reconciler(hub, KnownRuns(), dry_run=True).look(first.position, thorough=False).mended == ()
    second = replace(reconciler, budget_s=60.0).look(first.position, thorough=False)
    assert len(second.mended) == 3, "a quick look goes on with it"
    assert_in_order(hub, ids)
    assert submission(hub, later_file).source_version == 4
    assert launched(hub) != []
    process_all(hub)
    assert ledger_values(hub)["NC-0001"]["quantity"] == "9"
    assert_invariants(hub)


def test_launches_are_held_until_the_youngest_of_what_the_archive_held_is_registered_too(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    ids = versions_of_a_list(hub, 3)
    old = [one for one in hub.archive.request_ids() if one != ids[-1]]
    for path in (path for one in old for path in hub.archive.envelopes_of(one)):
        os.utime(path, (time.time() - AN_HOUR_S,) * 2)
    forget_all(hub, ids)
    report = look(hub)
    assert len(report.mended) == 2
    assert launched(hub) == []
    report = Reconciler(hub, KnownRuns(), now=lambda: later(700)).look(report.position, thorough=False)
    assert [one.subject for one in report.mended] == ids[-1:]
    assert launched(hub) != []
    assert_in_order(hub, ids)


def test_a_hold_of_launches_does_not_outlast_a_file_that_cannot_be_registered(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    ids = versions_of_a_list(hub, 3)
    digests = [submission(hub, one).envelope.content_digest for one in ids]
    hub.archive.object_path(digests[1]).unlink()
    forget_all(hub, ids)
    report = look(hub, unregistered_s=0.0)
    assert [one.subject for one in report.left] == [ids[1]]
    assert len(report.mended) == 2
    hub.archive.object_path(digests[2]).unlink()
    forget(hub, ids[2])
    before = audit.head_position(hub.db)
    assert len(look(hub, unregistered_s=0.0).left) == 2
    assert audit.head_position(hub.db) == before, "nothing is held for what can't be registered"
    assert hub.pausing.standing() == []


@pytest.mark.parametrize("number", range(4))
def test_what_was_in_conflict_with_a_submission_does_not_become_it_when_both_are_registered_anew(
    hub: Hub, number: int
) -> None:
    """Files in a folder are in the order of their digests: of four pairs one or the other comes first."""
    make_registry(hub, ["NC-0001"])
    rows = [inventory_csv([asset("NC-0001", quantity=str(number * 10 + one))]) for one in (1, 2)]
    first, second = (send(hub, "lab.csv", data, sender_key="key-1") for data in rows)
    assert (first.request_id, second.outcome) == (second.request_id, "conflict")
    request_id = str(first.request_id)
    sent = submission(hub, request_id).envelope
    hub.archive.put_envelope(hub.keys.sign(replace(sent, received_at=datetime.now(UTC))))  # repeated after a crash
    with hub.db.write() as tx:
        tx.execute(delete(review_item))
    forget(hub, request_id)
    assert kinds(look(hub, unregistered_s=0.0)) == [Kind.NOT_REGISTERED]
    assert submission(hub, request_id).envelope.content_digest == first.content_digest
    (item,) = hub.review.listing()
    assert (item.cause, item.content_digest) == (Cause.CONFLICT, second.content_digest)
    assert look(hub, unregistered_s=0.0).findings == ()
    process_all(hub)
    assert ledger_values(hub)["NC-0001"]["quantity"] == str(number * 10 + 1)
    assert_invariants(hub)


def test_what_was_in_conflict_does_not_become_the_submission_whose_bytes_are_damaged(hub: Hub) -> None:
    first, second = (send(hub, "lab.csv", data, sender_key="key-1") for data in (b"one\n", b"two\n"))
    hub.archive.object_path(str(first.content_digest)).unlink()
    forget(hub, str(first.request_id))
    (found,) = look(hub, unregistered_s=0.0).left
    assert "can't be registered" in found.what
    assert second.outcome == "conflict"


def test_a_file_that_is_found_after_a_newer_one_has_posted_waits_for_a_person(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    first, second, third = versions_of_a_list(hub, 3)
    forget(hub, second)
    process_all(hub)
    assert kinds(look(hub, unregistered_s=0.0)) == [Kind.NOT_REGISTERED]
    current = submission(hub, second)
    assert (current.state, current.cause) == (State.IN_REVIEW, Cause.BLOCKED)
    assert third in str(current.reason)
    assert [submission(hub, one).source_version for one in (first, second, third)] == [1, 2, 4]
    (item,) = hub.review.listing()
    assert item.error_type == "Overtaken"
    process_all(hub)
    assert ledger_values(hub)["NC-0001"]["quantity"] == "3"
    hub.review.replay(item.item_id, actor="kim")
    process_all(hub)
    assert ledger_values(hub)["NC-0001"]["quantity"] == "2", "on purpose it can still be applied"
    assert_invariants(hub)


def test_a_file_that_is_found_before_newer_ones_were_worked_on_goes_before_them(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    ids = versions_of_a_list(hub, 3)
    forget(hub, ids[1])
    look(hub, unregistered_s=0.0)
    assert [submission(hub, one).source_version for one in ids] == [1, 2, 4]
    process_all(hub)
    assert ledger_values(hub)["NC-0001"]["quantity"] == "3"
    assert_invariants(hub)


def test_of_many_without_a_record_the_first_are_named_and_the_others_counted(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_registry(hub, ["NC-0001"])
    ids = versions_of_a_list(hub, 5)
    forget_all(hub, ids)
    monkeypatch.setattr(service, "_NAMES_AT_ONCE", 2)
    monkeypatch.setattr(model, "_NAMED", 2)
    report = look(hub, unregistered_s=0.0)
    assert len(report.findings) == 3
    assert report.findings[-1].what.startswith("3 more ")
    assert_in_order(hub, ids)
