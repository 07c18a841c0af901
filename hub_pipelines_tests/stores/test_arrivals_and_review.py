"""Duplicates, conflicts and the decisions of people, on both databases."""

import threading

import pytest

from hub_pipelines.common.errors import Permanent
from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.intake.model import Outcome, Payload
from hub_pipelines.intake.store import count_by_outcome
from hub_pipelines.ledger.model import Posting
from hub_pipelines.processing import AttemptFailed
from hub_pipelines.review.model import ItemState, ReasonCode, ReviewItem
from hub_pipelines.submission.model import Busy, IllegalMove, Repeat, State
from hub_pipelines.submission.versions import store as versions
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    all_submissions,
    asset,
    events,
    inventory_csv,
    journal_size,
    lease,
    make_registry,
    process,
    process_all,
    send,
    send_assets,
    submission,
)


@pytest.fixture(autouse=True)
def _registry(hub: Hub) -> None:
    make_registry(hub, ["NC-0001", "NC-0002"])


@pytest.fixture
def item(hub: Hub) -> ReviewItem:
    """A good file that a passing fault has brought into review."""
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
    taken = lease(hub, request_id)
    hub.processing.validate(taken)
    with pytest.raises(AttemptFailed), hub.processing.attempt(taken):
        raise Permanent("It could not be read.", "Send it again.")
    (found,) = hub.review.listing()
    return found


# ---- arrivals


def test_the_same_bytes_again_are_a_duplicate_and_audited(hub: Hub) -> None:
    data = inventory_csv([asset("NC-0001")])
    first = send(hub, "lab.csv", data)
    again = send(hub, "renamed.csv", data)
    assert (first.outcome, again.outcome) == (Outcome.RECEIVED, Outcome.DUPLICATE)
    assert again.request_id == first.request_id
    assert first.request_id is not None
    assert events(hub, first.request_id) == ["submission:received", "submission:duplicate"]
    assert len(process_all(hub)) == 1
    assert_invariants(hub)


def test_the_same_bytes_for_another_campus_are_another_submission(hub: Hub) -> None:
    data = inventory_csv([asset("NC-0001")])
    north = send(hub, "lab.csv", data)
    south = send(hub, "lab.csv", data, Scope("south", "inventory"))
    assert south.outcome is Outcome.RECEIVED
    assert south.request_id != north.request_id


def test_the_same_arrival_registered_twice_counts_once(hub: Hub) -> None:
    path = hub.settings.home / "lab.csv"
    path.write_bytes(inventory_csv([asset("NC-0001")]))
    with path.open("rb") as source:
        stored = hub.archive.put(source)
    payload = Payload(
        arrival_id="a" * 32,
        scope=Scope("north", "inventory"),
        channel="upload",
        source_system="test",
        source_name="lab.csv",
        content_digest=stored.digest,
        size_bytes=stored.size_bytes,
    )
    first = hub.intake.receive(payload)
    assert hub.intake.receive(payload) == first
    with hub.db.read() as tx:
        assert count_by_outcome(tx)["duplicate"] == 0
    assert_invariants(hub)


def test_other_bytes_under_a_known_sender_key_are_a_conflict_and_the_first_stays_as_it_is(hub: Hub) -> None:
    first = send(hub, "one.csv", inventory_csv([asset("NC-0001")]), sender_key="msg-1")
    assert first.request_id is not None
    process(hub, first.request_id)
    before = submission(hub, first.request_id)
    other = inventory_csv([asset("NC-0001", quantity="9")])
    conflict = send(hub, "two.csv", other, sender_key="msg-1")
    assert conflict.outcome is Outcome.CONFLICT
    assert submission(hub, first.request_id) == before
    assert conflict.content_digest is not None
    assert hub.archive.object_path(conflict.content_digest).read_bytes() == other
    (item,) = hub.review.listing()
    assert (item.cause, item.source_name, item.content_digest) == ("conflict", "two.csv", conflict.content_digest)
    assert "submission:conflict" in events(hub, first.request_id)
    with pytest.raises(IllegalMove):
        hub.review.replay(item.item_id, actor="kim")
    assert hub.review.dismiss(item.item_id, actor="kim", reason=ReasonCode.SENT_IN_ERROR).state is ItemState.DISMISSED
    assert submission(hub, first.request_id) == before
    assert_invariants(hub)


def test_the_same_bytes_under_the_same_sender_key_are_a_duplicate(hub: Hub) -> None:
    data = inventory_csv([asset("NC-0001")])
    send(hub, "one.csv", data, sender_key="msg-1")
    assert send(hub, "two.csv", data, sender_key="msg-1").outcome is Outcome.DUPLICATE
    assert len(all_submissions(hub)) == 2  # the registry and this


def test_an_unsettled_submission_can_not_be_applied_again(hub: Hub) -> None:
    data = inventory_csv([asset("NC-0001")])
    first = send(hub, "lab.csv", data)
    assert first.request_id is not None
    with pytest.raises(IllegalMove):
        hub.review.apply_again(first.request_id, actor="kim")
    assert submission(hub, first.request_id).revision == 1
    process_all(hub)
    assert_invariants(hub)


def test_two_versions_of_a_source_that_arrive_at_once_get_two_numbers(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hub.db.is_postgres:
        pytest.skip("SQLite has one writer at a time")
    read_both = threading.Barrier(2)
    newest = versions.newest_of_source

    def newest_together(*args: object) -> object:
        found = newest(*args)  # type: ignore[arg-type]
        try:
            read_both.wait(timeout=2)
        except threading.BrokenBarrierError:
            return found  # the hub serialises them: fine
        return found

    monkeypatch.setattr(versions, "newest_of_source", newest_together)
    paths = []
    for number in (1, 2):
        folder = hub.settings.home / f"upload-{number}"
        folder.mkdir()
        (folder / "lab.csv").write_bytes(inventory_csv([asset("NC-0001", quantity=str(number))]))
        paths.append(folder / "lab.csv")
    threads = [
        threading.Thread(target=hub.submit, args=(path, Scope("north", "inventory")), kwargs={"actor": "tester"})
        for path in paths
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    numbers = [one.source_version for one in all_submissions(hub) if one.envelope.feed == "inventory"]
    assert sorted(numbers) == [1, 2]


# ---- review


def test_a_replay_runs_again_under_the_next_revision_and_has_one_effect(hub: Hub, item: ReviewItem) -> None:
    before = journal_size(hub)
    replayed = hub.review.replay(item.item_id, actor="kim")
    assert (replayed.state, replayed.resolved_by) == (ItemState.REPLAYED, "kim")
    current = submission(hub, item.request_id)
    assert (current.state, current.revision, current.attempts, current.counts.received) == (State.RECEIVED, 2, 0, 0)
    (outcome,) = process_all(hub)
    assert isinstance(outcome, Posting)
    assert (outcome.revision, outcome.posted) == (2, 2)
    assert journal_size(hub) == before + 2
    assert isinstance(process(hub, item.request_id), Repeat)
    assert "review:replayed" in events(hub, item.request_id)
    assert_invariants(hub)


def test_a_dismissal_is_final_and_its_rows_stay_accounted_for(hub: Hub, item: ReviewItem) -> None:
    assert submission(hub, item.request_id).counts.held == 2
    hub.review.dismiss(item.item_id, actor="kim", reason=ReasonCode.TEST_DATA, note="trial run")
    current = submission(hub, item.request_id)
    assert (current.state, current.counts.dismissed, current.counts.held) == (State.DISMISSED, 2, 0)
    assert "trial run" in (current.reason or "")
    assert isinstance(process(hub, item.request_id), Repeat)
    assert hub.review.listing() == []
    assert len(hub.review.listing(everything=True)) == 1
    assert "review:dismissed" in events(hub, item.request_id)
    assert_invariants(hub)


@pytest.mark.parametrize("first", ["replay", "dismiss"])
@pytest.mark.parametrize("second", ["replay", "dismiss"])
def test_an_item_is_decided_once(hub: Hub, item: ReviewItem, first: str, second: str) -> None:
    def decide(how: str) -> None:
        if how == "replay":
            hub.review.replay(item.item_id, actor="kim")
        else:
            hub.review.dismiss(item.item_id, actor="kim", reason=ReasonCode.NOT_OURS)

    decide(first)
    before = submission(hub, item.request_id)
    count = len(events(hub, item.request_id))
    with pytest.raises(IllegalMove) as refused:
        decide(second)
    assert "already by kim" in str(refused.value)
    assert submission(hub, item.request_id) == before
    assert len(events(hub, item.request_id)) == count


def test_an_unknown_item_is_refused_in_plain_words(hub: Hub) -> None:
    with pytest.raises(IllegalMove) as refused:
        hub.review.replay("review-nothing", actor="kim")
    assert "hub review list" in str(refused.value)


def test_a_replay_that_fails_again_opens_a_new_item(hub: Hub, item: ReviewItem) -> None:
    hub.review.replay(item.item_id, actor="kim")
    taken = lease(hub, item.request_id)
    with pytest.raises(AttemptFailed), hub.processing.attempt(taken):
        raise Permanent("Still not.")
    (again,) = hub.review.listing()
    assert again.item_id != item.item_id
    assert again.revision == 2
    assert_invariants(hub)


def test_attempts_of_every_revision_are_kept(hub: Hub, item: ReviewItem) -> None:
    hub.review.replay(item.item_id, actor="kim")
    process_all(hub)
    _, attempts = hub.review.show(item.item_id)
    assert [(one["token"], one["revision"], one["outcome"]) for one in attempts] == [
        (1, 1, "in review: unreadable"),
        (2, 2, "posted"),
    ]


def test_a_file_that_belongs_nowhere_is_in_review_and_no_run_takes_it(hub: Hub) -> None:
    (hub.settings.drop / "stray.csv").write_bytes(b"a,b\n1,2\n")
    scan = hub.drop_folder.take("hub", budget_s=5)
    (arrival,) = scan.arrivals
    assert arrival.request_id is not None
    assert isinstance(process(hub, arrival.request_id), Repeat | Busy)
    (item,) = hub.review.listing()
    assert (item.cause, item.campus) == ("unreadable", "hub")
    assert_invariants(hub)
