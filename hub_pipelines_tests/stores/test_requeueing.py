"""Sending a group through again: pace, stopping, foreseeing, and what is left alone. On both databases."""

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from hub_pipelines import requeueing
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines.requeueing import Report, Target
from hub_pipelines.review.model import ItemState, Selection
from hub_pipelines.submission.model import Busy, IllegalMove, State
from hub_pipelines_tests.support import (
    NORTH_LEDGER,
    advancing,
    all_submissions,
    assert_invariants,
    asset,
    bring_back_bytes,
    events,
    in_review_for_lost_bytes,
    journal_size,
    ledger_values,
    lose_bytes,
    make_registry,
    process,
    process_all,
    send_assets,
    submission,
)


@pytest.fixture(autouse=True)
def _registry(hub: Hub) -> None:
    make_registry(hub, ["NC-0001", "NC-0002"])


def group(hub: Hub) -> list[Target]:
    (one,) = {item.fingerprint for item in hub.review.listing()}
    return requeueing.of_items(hub, Selection(group=one))


def send(hub: Hub, targets: list[Target], **changes: float) -> Report:
    given = {"rate": 1000.0, "stop_on_failure_share": 0.2, "timeout_s": 30.0, **changes}
    return requeueing.send(hub, targets, actor="person/kim", advance=advancing(hub, "again"), **given)  # type: ignore[arg-type]


# ---- sending


def test_a_group_that_is_paused_meanwhile_is_not_waited_for_and_nothing_more_of_it_is_sent(hub: Hub) -> None:
    in_review_for_lost_bytes(hub, 3)
    targets = group(hub)

    def pause_instead(_request_ids: Sequence[str]) -> bool:
        hub.pausing.pause("north", actor="person/ann", reason="scanner is replaced")
        return False

    began = time.monotonic()
    report = requeueing.send(
        hub, targets, actor="person/kim", advance=pause_instead, rate=1000.0, stop_on_failure_share=0.2, timeout_s=30.0
    )
    assert time.monotonic() - began < 15
    assert report.stopped_because == "a pause stops what is under way"
    assert (len(report.sent), len(report.under_way), len(report.left)) == (1, 1, 2)
    again = send(hub, group(hub))
    assert ["paused by person/ann" in str(one.refused) for one in again.refused] == [True, True]
    assert again.sent == []
    hub.pausing.resume("north", actor="person/ann")
    assert send(hub, group(hub)).posted == 2
    process_all(hub)
    assert_invariants(hub)


def test_a_group_goes_through_again_under_the_same_request_ids_and_the_next_revision(hub: Hub) -> None:
    sent = in_review_for_lost_bytes(hub, 5)
    report = send(hub, group(hub))
    assert (report.posted, report.failed, report.left, report.stopped_because) == (5, [], [], None)
    assert [(submission(hub, one).state, submission(hub, one).revision) for one in sent] == [(State.POSTED, 2)] * 5
    assert all(events(hub, one).count("review:replayed") == 1 for one in sent)
    assert hub.review.listing() == []
    assert_invariants(hub)


def test_while_the_cause_stands_one_is_sent_and_the_rest_still_waits(hub: Hub) -> None:
    sent = in_review_for_lost_bytes(hub, 6)
    for one in sent:
        lose_bytes(hub, one)
    report = send(hub, group(hub))
    assert len(report.sent) == 1
    assert len(report.failed) == 1
    assert len(report.left) == 5
    assert "1 of 1" in str(report.stopped_because)
    assert len(hub.review.listing()) == 6  # the one that failed again has an item of its new revision
    for one in sent:
        bring_back_bytes(hub, one)
    assert_invariants(hub)


def test_a_share_of_failures_below_the_limit_stops_nothing(hub: Hub) -> None:
    sent = in_review_for_lost_bytes(hub, 6)
    lose_bytes(hub, sent[5])
    report = send(hub, group(hub))
    assert (report.posted, [one.request_id for one in report.failed]) == (5, [sent[5]])
    assert report.stopped_because is None
    bring_back_bytes(hub, sent[5])


def test_it_sends_no_faster_than_asked(hub: Hub) -> None:
    in_review_for_lost_bytes(hub, 4)
    began = time.monotonic()
    send(hub, group(hub), rate=4)
    assert time.monotonic() - began >= 0.75


def test_after_its_time_it_sends_no_more_and_says_so(hub: Hub) -> None:
    in_review_for_lost_bytes(hub, 3)
    report = send(hub, group(hub), rate=0.5, timeout_s=1.0)
    assert len(report.left) == 2
    assert report.stopped_because == "1 s have gone by"


def test_an_interrupted_one_tells_what_it_has_sent(hub: Hub) -> None:
    in_review_for_lost_bytes(hub, 3)
    work = advancing(hub, "again")
    calls = 0

    def interrupted(request_ids: object) -> bool:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return work(request_ids)  # type: ignore[arg-type]

    report = requeueing.send(
        hub,
        group(hub),
        actor="person/kim",
        advance=interrupted,
        rate=1000,
        stop_on_failure_share=1,
        timeout_s=30,
    )
    assert report.stopped_because == "it was interrupted"
    assert len(report.sent) + len(report.left) == 3
    process_all(hub)
    assert_invariants(hub)


# ---- which


def test_a_conflict_in_a_selection_is_left_alone_and_the_others_go(hub: Hub) -> None:
    in_review_for_lost_bytes(hub, 1)
    targets = group(hub)
    report = send(hub, [replace(targets[0], refused="a conflict"), *targets])
    assert (len(report.refused), report.posted) == (1, 1)


def test_a_file_that_a_newer_one_of_its_name_has_replaced_is_left_alone_in_a_group(hub: Hub) -> None:
    (old,) = in_review_for_lost_bytes(hub, 1)
    newer = send_assets(hub, "lab-0.csv", asset("NC-0001", location="Room new"))
    process(hub, newer)
    (target,) = group(hub)
    assert newer in str(target.refused)
    assert send(hub, [target]).sent == []
    assert submission(hub, old).state is State.IN_REVIEW
    assert ledger_values(hub, NORTH_LEDGER)["NC-0001"]["location"] == "Room new"
    # a person may still decide so for this one
    (by_name,) = requeueing.of_requests(hub, [old])
    assert by_name.refused is None


def test_one_that_waits_for_its_next_attempt_has_it_at_once(hub: Hub) -> None:
    slow = replace(
        hub, processing=replace(hub.processing, policy=replace(hub.processing.policy, base_s=3600, cap_s=3600))
    )
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    answer = slow.processing.begin(request_id, "run-1")
    slow.ending.run_died(request_id, "run-1", requeueing.failure_of(RuntimeError("gone"), "run-1"))
    assert submission(hub, request_id).state is State.RETRYING
    assert answer
    assert isinstance(process(hub, request_id), Busy)
    report = send(hub, requeueing.of_requests(hub, [request_id]))
    assert report.posted == 1
    current = submission(hub, request_id)
    assert (current.revision, current.attempts) == (1, 2)
    assert "submission:requeued" in events(hub, request_id)
    assert_invariants(hub)


def test_posted_and_dismissed_ones_are_left_alone_with_what_became_of_them(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    process(hub, request_id)
    size = journal_size(hub)
    (target,) = requeueing.of_requests(hub, [request_id])
    assert "posted already (1 rows posted" in str(target.refused)
    assert send(hub, [target]).sent == []
    assert journal_size(hub) == size


def test_an_unknown_request_id_is_refused(hub: Hub) -> None:
    with pytest.raises(IllegalMove, match="There is no submission"):
        requeueing.of_requests(hub, ["north-inventory-nothing"])


# ---- after a registry update


def test_rows_rejected_for_an_unknown_tag_are_applied_once_the_tag_is_registered(hub: Hub) -> None:
    mended = send_assets(hub, "lab.csv", asset("NC-0001"), asset("nc-0009"))
    still = send_assets(hub, "other.csv", asset("NC-0777"))
    process_all(hub)
    assert requeueing.of_rule(hub, requeueing.TAG_RULE, campus=None) == []
    make_registry(hub, ["NC-0001", "NC-0002", "NC-0009"])
    assert requeueing.of_rule(hub, requeueing.TAG_RULE, campus="south") == []
    targets = requeueing.of_rule(hub, requeueing.TAG_RULE, campus="north")
    assert [one.request_id for one in targets] == [mended]
    (foreseen,) = requeueing.preview(hub, targets)
    assert (foreseen.would, foreseen.posted, foreseen.unchanged, foreseen.rejected) == ("post", 1, 1, 0)
    report = send(hub, targets)
    assert report.posted == 1
    assert (submission(hub, mended).revision, submission(hub, mended).counts.posted) == (2, 1)
    assert submission(hub, still).revision == 1
    assert requeueing.of_rule(hub, requeueing.TAG_RULE, campus=None) == []
    assert_invariants(hub)


def test_a_file_whose_rows_a_later_one_has_changed_is_not_applied_again(hub: Hub) -> None:
    first = send_assets(hub, "lab.csv", asset("NC-0001", location="old"), asset("NC-0009"))
    process(hub, first)
    later = send_assets(hub, "stockroom.csv", asset("NC-0001", location="new"))
    process(hub, later)
    make_registry(hub, ["NC-0001", "NC-0002", "NC-0009"])
    (target,) = requeueing.of_rule(hub, requeueing.TAG_RULE, campus=None)
    assert "set them back" in str(target.refused)
    assert send(hub, [target]).sent == []
    assert ledger_values(hub, NORTH_LEDGER)["NC-0001"]["location"] == "new"


def test_a_rule_that_no_registry_can_mend_is_refused(hub: Hub) -> None:
    with pytest.raises(IllegalMove, match="the sender mends"):
        requeueing.of_rule(hub, "bad_quantity", campus=None)


# ---- foreseeing


def test_a_preview_says_what_each_would_do_and_changes_nothing(hub: Hub) -> None:
    good, bad = in_review_for_lost_bytes(hub, 2)
    lose_bytes(hub, bad)
    before = [(one.state, one.token, one.revision) for one in all_submissions(hub)]
    found = {one.target.request_id: one for one in requeueing.preview(hub, group(hub))}
    assert (found[good].would, found[good].received, found[good].posted) == ("post", 1, 1)
    assert found[bad].would == "fail"
    assert "missing" in str(found[bad].reason)
    assert [(one.state, one.token, one.revision) for one in all_submissions(hub)] == before
    assert len(hub.review.listing()) == 2
    bring_back_bytes(hub, bad)
    assert_invariants(hub)


def test_what_a_preview_foresees_is_what_happens(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"), asset("NC-9999"))
    lose_bytes(hub, request_id)
    process(hub, request_id)
    bring_back_bytes(hub, request_id)
    process(hub, send_assets(hub, "same.csv", asset("NC-0001")))
    (foreseen,) = requeueing.preview(hub, group(hub))
    send(hub, group(hub))
    counts = submission(hub, request_id).counts
    assert (foreseen.received, foreseen.posted) == (counts.received, counts.posted) == (3, 1)
    assert (foreseen.unchanged, foreseen.rejected) == (counts.unchanged, counts.rejected) == (1, 1)


def test_one_whose_workers_died_is_judged_in_a_process_of_its_own(hub: Hub) -> None:
    in_review_for_lost_bytes(hub, 1)
    (target,) = group(hub)
    (foreseen,) = requeueing.preview(hub, [replace(target, cause="exhausted")])
    assert (foreseen.would, foreseen.posted) == ("post", 1)


def test_two_replays_of_one_item_have_one_effect(hub: Hub) -> None:
    (request_id,) = in_review_for_lost_bytes(hub, 1)
    targets = group(hub)
    assert send(hub, targets).posted == 1
    again = send(hub, targets)
    assert again.sent == []
    assert "was replayed already by person/kim" in str(again.refused[0].refused)
    assert "is posted: 1 rows posted" in str(again.refused[0].refused)
    assert submission(hub, request_id).revision == 2
    (item,) = hub.review.listing(everything=True)
    assert item.state is ItemState.REPLAYED
    assert not isinstance(process(hub, request_id), Posting)
    assert_invariants(hub)
