"""`hub why`: what it recognises, what it tells of each, and how long lists end, on both databases."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, update

from hub_pipelines.common.errors import Permanent, Transient
from hub_pipelines.common.scope import Scope
from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.intake.model import Outcome
from hub_pipelines.ledger.changes import store as ledger_changes
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.snapshots import store as snapshots
from hub_pipelines.processing import AttemptFailed
from hub_pipelines.review.model import ReasonCode
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.queue import store as queue
from hub_pipelines.timeline.model import Answer, Story
from hub_pipelines.timeline.service import explain
from hub_pipelines_tests.support import (
    NORTH_LEDGER,
    asset,
    expire_lease,
    inventory_csv,
    lease,
    lease_and_validate,
    make_registry,
    process,
    send,
    send_assets,
    submission,
)


@pytest.fixture(autouse=True)
def _registry(hub: Hub) -> None:
    make_registry(hub, ["NC-0001", "NC-0002"])


def posted(hub: Hub, name: str, *rows: dict[str, str], owner: str = "worker") -> str:
    request_id = send_assets(hub, name, *rows)
    process(hub, request_id, owner=owner)
    return request_id


def story_of(hub: Hub, asked: str, *, limit: int = 200) -> Story:
    (story,) = explain(hub, asked, limit=limit).stories
    return story


def told(story: Story) -> str:
    return "\n".join(moment.what for moment in story.moments)


# ---- what is recognised


def test_a_request_id_tells_its_submission(hub: Hub) -> None:
    request_id = posted(hub, "lab.csv", asset("NC-0001"), asset("NC-9999"))
    answer = explain(hub, request_id)
    assert [story.request_id for story in answer.stories] == [request_id]
    assert answer == Answer(request_id, stories=answer.stories)


def test_the_beginning_of_a_request_id_is_enough_and_case_does_not_matter(hub: Hub) -> None:
    request_id = posted(hub, "lab.csv", asset("NC-0001"))
    start = request_id[: len("north-inventory-") + 8]
    assert story_of(hub, start).request_id == request_id
    assert story_of(hub, f" {start.upper()} ").request_id == request_id
    assert not explain(hub, start[:-1]).stories, "seven characters are too few to be sure"


def test_a_beginning_that_several_share_lists_them(hub: Hub) -> None:
    request_id = posted(hub, "lab.csv", asset("NC-0001"))
    with hub.db.write() as tx:
        row = dict(
            tx.execute(submissions.submission.select().where(submissions.submission.c.request_id == request_id))
            .mappings()
            .one()
        )
        tx.execute(submissions.submission.insert(), {**row, "request_id": f"{request_id}-twin"})
    answer = explain(hub, request_id[:-1])
    assert answer.candidates == (request_id, f"{request_id}-twin")
    assert story_of(hub, request_id).request_id == request_id


def test_a_file_on_disk_is_recognised_by_its_contents_whatever_its_name(hub: Hub, tmp_path: Path) -> None:
    request_id = posted(hub, "lab.csv", asset("NC-0001"))
    copy = tmp_path / "renamed.csv"
    copy.write_bytes(inventory_csv([asset("NC-0001")]))
    answer = explain(hub, str(copy))
    assert [story.request_id for story in answer.stories] == [request_id]
    assert "by its contents" in answer.files[0].heading
    assert answer.files[0].came[0].source_name == "lab.csv"


def test_a_file_on_disk_with_other_contents_falls_back_to_its_name_and_says_so(hub: Hub, tmp_path: Path) -> None:
    request_id = posted(hub, "lab.csv", asset("NC-0001"))
    other = tmp_path / "lab.csv"
    other.write_bytes(b"never sent")
    answer = explain(hub, str(other))
    assert "No file with the contents" in answer.notes[0]
    assert [story.request_id for story in answer.stories] == [request_id]


def test_a_file_name_lists_every_time_it_came_the_newest_last(hub: Hub) -> None:
    first = posted(hub, "Lab.csv", asset("NC-0001"))
    second = posted(hub, "lab.CSV", asset("NC-0001", quantity="3"))
    again = send(hub, "LAB.csv", inventory_csv([asset("NC-0001")]))
    assert again.outcome is Outcome.DUPLICATE
    answer = explain(hub, "lab.csv")
    (match,) = answer.files
    assert [(one.outcome, one.request_id) for one in match.came] == [
        ("received", first),
        ("received", second),
        ("duplicate", first),
    ]
    assert {story.request_id for story in answer.stories} == {first, second}
    older = next(story for story in answer.stories if story.request_id == first)
    assert older.facts["replaced by"] == f"{second} (version 2)"


def test_a_duplicate_is_found_by_the_name_that_it_came_under(hub: Hub) -> None:
    request_id = posted(hub, "lab.csv", asset("NC-0001"))
    send(hub, "copy of lab.csv", inventory_csv([asset("NC-0001")]))
    answer = explain(hub, "copy of lab.csv")
    assert [one.outcome for one in answer.files[0].came] == ["duplicate"]
    assert [story.request_id for story in answer.stories] == [request_id]


def test_of_many_submissions_of_a_name_only_the_newest_is_told_in_full(hub: Hub) -> None:
    sent = [send_assets(hub, "lab.csv", asset("NC-0001", quantity=str(number))) for number in range(1, 6)]
    answer = explain(hub, "lab.csv", limit=3)
    assert [one.request_id for one in answer.files[0].came] == sent[-3:]
    assert answer.files[0].more
    answer = explain(hub, "lab.csv")
    assert [story.request_id for story in answer.stories] == sent[-1:]


def test_a_refused_folder_is_found_by_its_name(hub: Hub) -> None:
    hub.intake.refuse("a1", Scope("north", "inventory"), "March", "It is a folder.", "Drop the files.")
    answer = explain(hub, "march")
    assert [(one.outcome, one.what) for one in answer.files[0].came] == [("refused", "refused: It is a folder.")]
    assert not answer.stories


@pytest.mark.parametrize(
    "asked", ["", "-", "nothing.csv", "north-inventory-aaaaaaaaaaaa", "NC-0003", "x" * 5000, "a\0b"]
)
def test_what_is_not_known_is_told_with_what_was_looked_for(hub: Hub, asked: str) -> None:
    answer = explain(hub, asked)
    assert not answer.found
    for kind in ("request_id", "file", "tag"):
        assert kind in answer.notes[-1]


def test_a_tag_is_found_by_whatever_hyphen_it_is_asked_for(hub: Hub) -> None:
    posted(hub, "lab.csv", asset("NC-0001"))
    assert [item.key for item in explain(hub, "nc\u20130001").items] == ["NC-0001"] * 2


def test_near_misses_name_files_that_begin_alike_and_the_nearest_tag(hub: Hub) -> None:
    posted(hub, "lab-stock.csv", asset("NC-0001"))
    assert explain(hub, "lab.xlsx").near == ("lab-stock.csv",)
    assert "NC-0001" in explain(hub, "NC-00O1").near


# ---- a submission


def test_a_story_tells_arrival_attempt_and_posting_in_order_with_the_proof(hub: Hub) -> None:
    request_id = posted(hub, "lab.csv", asset("NC-0001"), asset("NC-9999"), owner="run-7")
    page = hub.receipts.write(request_id)
    story = story_of(hub, request_id)
    assert [moment.at for moment in story.moments] == sorted(moment.at for moment in story.moments)
    came, attempt, posting = story.moments
    assert "lab.csv came through upload from tester@" in came.what
    assert (attempt.by, attempt.what.split(": ")[-1]) == ("run/run-7", "posted")
    assert f"posted to {NORTH_LEDGER} as its version 1: 2 rows, 1 posted, 0 unchanged, 1 rejected" in posting.what
    assert story.facts["receipt"] == str(page)
    assert Path(story.facts["archived copy"]).exists()
    assert story.facts["signed with key"] == submission(hub, request_id).envelope.key_id
    assert story.now.startswith("posted at ")
    assert "1 row was not taken" in story.now


def test_copies_conflicts_and_repeated_runs_are_in_the_story(hub: Hub) -> None:
    first = send(hub, "lab.csv", inventory_csv([asset("NC-0001")]), sender_key="job-1")
    assert first.request_id is not None
    process(hub, first.request_id)
    process(hub, first.request_id, owner="late-run")
    send(hub, "copy.csv", inventory_csv([asset("NC-0001")]), sender_key="job-1")
    conflict = send(hub, "other.csv", inventory_csv([asset("NC-0002")]), sender_key="job-1")
    assert conflict.outcome is Outcome.CONFLICT
    story = story_of(hub, first.request_id)
    text = told(story)
    assert "copy.csv came: duplicate" in text
    assert "other.csv came: conflict: The key 'job-1' came before" in text
    assert "a run found it settled (posted), and ended (audit entry north:" in text
    assert "Other contents came under its key: a person decides about review-" in story.now


def test_a_failed_attempt_tells_its_error_and_when_the_next_try_is_due(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    taken = lease(hub, request_id, "run-1")
    with pytest.raises(AttemptFailed), hub.processing.attempt(taken):
        raise Transient("The disk is full.")
    story = story_of(hub, request_id)
    assert "failed, to be tried again; Transient: The disk is full." in told(story)
    assert story.now.startswith("waiting, because attempt 1 of 5 failed: The disk is full. The next try is due at ")
    assert "north_drop_folder_sensor" in story.now


def test_a_review_item_and_the_decision_are_told_with_who_decided(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    taken = lease_and_validate(hub, request_id)
    with pytest.raises(AttemptFailed), hub.processing.attempt(taken):
        raise Permanent("It could not be read.", "Send it again.")
    (item,) = hub.review.listing()
    waiting = story_of(hub, request_id)
    assert waiting.now.startswith("waiting for a person, because of [unreadable] It could not be read.")
    assert f"hub review replay {item.item_id}" in waiting.now
    hub.review.dismiss(item.item_id, actor="person/ann", reason=ReasonCode.REPLACED, note="newer file")
    closed = story_of(hub, request_id)
    assert closed.moments[-1].what == f"{item.item_id} dismissed: replaced: newer file"
    assert closed.moments[-1].by == "person/ann"
    assert closed.now.startswith("dismissed by person/ann: replaced: newer file.")


def test_what_was_applied_again_says_by_whom(hub: Hub) -> None:
    request_id = posted(hub, "lab.csv", asset("NC-0001"))
    hub.review.apply_again(request_id, actor="person/bo")
    story = story_of(hub, request_id)
    assert story.moments[-1].what.startswith("applied again on purpose, as revision 2 (audit entry north:")
    assert story.moments[-1].by == "person/bo"


def test_what_happens_next_is_told_for_every_state_that_waits(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    assert "waiting for its first run; north_drop_folder_sensor" in story_of(hub, request_id).now
    with hub.db.write() as tx:
        queue.mark_launched(tx, request_id)
    launched = story_of(hub, request_id)
    assert "waiting for Dagster to begin the run" in launched.now
    assert f"run key {request_id}:1:1" in told(launched)
    lease(hub, request_id, "run-1")
    assert story_of(hub, request_id).now.startswith("run run-1 works on it; its lease lasts until ")
    expire_lease(hub, request_id)
    assert "launches a run that takes it over" in story_of(hub, request_id).now
    with hub.db.write() as tx:
        tx.execute(update(submissions.submission).values(attempts=5))
    assert "the next tick of a campus brings it to review" in story_of(hub, request_id).now


def test_a_file_that_waits_for_the_registry_says_so(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    send(hub, "more-tags.csv", b"asset_tag,po_number,campus\nNC-5,PO-1,north\n", Scope("north", "procurement"))
    assert "files of north that go first (procurement)" in story_of(hub, request_id).now


def test_a_long_history_keeps_the_first_arrival_and_the_newest_and_counts_the_rest(hub: Hub) -> None:
    request_id = posted(hub, "lab.csv", asset("NC-0001"))
    for number in range(6):
        send(hub, f"copy-{number}.csv", inventory_csv([asset("NC-0001")]))
    story = story_of(hub, request_id, limit=4)
    assert len(story.moments) == 4
    assert story.left_out == 5
    assert "copy-5.csv" in story.moments[-1].what


# ---- a tag


def test_a_tag_tells_each_change_with_the_file_and_row_that_made_it(hub: Hub) -> None:
    first = posted(hub, "lab.csv", asset("NC-0002"), asset("NC-0001", quantity="2.5"))
    second = posted(hub, "newer.csv", asset("NC-0001", quantity="4", location="Chem 9"))
    answer = explain(hub, " nc-0001")
    by_ledger = {item.ledger: item for item in answer.items}
    assert set(by_ledger) == {NORTH_LEDGER, "procurement.asset@all"}
    item = by_ledger[NORTH_LEDGER]
    assert [(one.source_name, one.row, one.request_id, one.ledger_version) for one in item.changes] == [
        ("lab.csv", 3, first, 1),
        ("newer.csv", 2, second, 2),
    ]
    old, new = item.changes
    assert old.first
    assert old.changed["location"] == (None, "Chem 214")
    assert not new.first
    assert new.changed == {"quantity": ("2.5", "4"), "location": ("Chem 214", "Chem 9")}
    assert item.current["location"] == "Chem 9"


def test_rows_that_were_not_taken_are_found_by_the_tag_as_it_was_written(hub: Hub) -> None:
    request_id = posted(hub, "lab.csv", asset("NC-0001"), asset("nc-9999"))
    (row,) = explain(hub, "NC-9999").rejected
    assert (row.source_name, row.row, row.column, row.request_id) == ("lab.csv", 3, "asset_tag", request_id)
    assert "procurement" in row.reason


def test_of_many_changes_the_newest_are_told_and_the_rest_counted(hub: Hub) -> None:
    for number in range(1, 5):
        posted(hub, f"file-{number}.csv", asset("NC-0001", quantity=str(number)))
    item = next(item for item in explain(hub, "NC-0001", limit=2).items if item.ledger == NORTH_LEDGER)
    assert [one.source_name for one in item.changes] == ["file-3.csv", "file-4.csv"]
    assert item.left_out == 2


def test_times_are_utc(hub: Hub) -> None:
    request_id = posted(hub, "lab.csv", asset("NC-0001"))
    assert all(moment.at.tzinfo is not None for moment in story_of(hub, request_id).moments)
    assert abs((story_of(hub, request_id).moments[0].at - datetime.now(UTC)).total_seconds()) < 60


def test_entries_of_an_item_are_found_by_their_places_and_not_by_reading_the_ledger(hub: Hub) -> None:
    """SQLite once read the whole journal for one item: 0.4 s where 200,000 lines have three entries each."""
    posted(hub, "lab.csv", asset("NC-0001"))
    asked: dict[str, Callable[[Transaction], object]] = {
        "newest changes": lambda tx: ledger_changes.newest_changes(tx, NORTH_LEDGER, "NC-0001", limit=9),
        "what was set": lambda tx: ledger_changes.values_set_by(tx, NORTH_LEDGER, "x", ["NC-0001"]),
        "heads": lambda tx: snapshots.heads_before(tx, NORTH_LEDGER, ["NC-0001"], 2),
        "lines": lambda tx: ledger_items.heads_of_lines(tx, NORTH_LEDGER, ["NC-0001"], 2),
    }
    if hub.db.is_postgres:
        pytest.skip("PostgreSQL plans by what it has counted; hub_pipelines_tests/bench/why.py measures it")
    for what, ask in asked.items():
        statements: list[tuple[str, Any]] = []
        with hub.db.read() as tx:

            def note(_connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
                statements.append((statement, given))  # noqa: B023  # called while this list is

            event.listen(hub.db.engine, "before_cursor_execute", note)
            ask(tx)
            event.remove(hub.db.engine, "before_cursor_execute", note)
            plans = [
                step[3]
                for statement, given in statements
                for step in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
            ]
        of_journal = [one for one in plans if "autoindex_journal" in one or "SCAN journal" in one]
        assert of_journal, what
        assert all("row_no=?" in one for one in of_journal), (what, plans)
