"""The posting transaction on both databases: order, repeats, versions, the registry."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.checkpoints.store import audit_checkpoint
from hub_pipelines.audit.model import Event
from hub_pipelines.common.scope import Scope
from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.intake.model import Outcome
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.ledger.changes import store as ledger_changes
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.processing import Processing
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Repeat, State
from hub_pipelines.validate.staging import StagedHandle, staged_path
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    NORTH_LEDGER,
    asset,
    inventory_csv,
    journal_size,
    lease_and_validate,
    ledger_values,
    ledger_version,
    make_registry,
    process,
    process_all,
    send,
    send_assets,
    submission,
)

TAGS = [f"NC-{number:04}" for number in range(1, 21)]


@pytest.fixture(autouse=True)
def _registry(hub: Hub) -> None:
    make_registry(hub, TAGS)


def posted(hub: Hub, request_id: str) -> Posting:
    outcome = process(hub, request_id)
    assert isinstance(outcome, Posting)
    return outcome


# ---- effects


def test_a_posting_writes_journal_ledger_counts_and_audit_together(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"), asset("NC-9999"))
    outcome = posted(hub, request_id)
    assert (outcome.posted, outcome.unchanged, outcome.rejected, outcome.received) == (2, 0, 1, 3)
    assert (outcome.ledger, outcome.ledger_version, outcome.repeat) == (NORTH_LEDGER, 1, False)
    assert set(ledger_values(hub)) == {"NC-0001", "NC-0002"}
    with hub.db.read() as tx:
        assert ledger_problems.count_blocking(tx, request_id, 1) >= 1
    assert_invariants(hub)


def test_rows_that_are_in_the_ledger_already_cost_no_journal_entry(hub: Hub) -> None:
    data = inventory_csv([asset("NC-0001"), asset("NC-0002")])
    first = send(hub, "lab.csv", data)
    assert first.request_id is not None
    posted(hub, first.request_id)
    before = journal_size(hub)
    assert hub.review.apply_again(first.request_id, actor="kim").revision == 2
    assert submission(hub, first.request_id).state is State.RECEIVED
    outcome = posted(hub, first.request_id)
    assert (outcome.revision, outcome.posted, outcome.unchanged) == (2, 0, 2)
    assert outcome.ledger_version == ledger_version(hub) == 1
    assert journal_size(hub) == before
    assert_invariants(hub)


def test_a_second_version_of_a_file_posts_only_the_changed_rows(hub: Hub) -> None:
    first = send_assets(hub, "lab.csv", *(asset(tag) for tag in TAGS))
    posted(hub, first)
    rows = [asset(tag) for tag in TAGS]
    rows[3] = asset(TAGS[3], quantity="1")
    second = send_assets(hub, "LAB.csv", *rows)
    outcome = posted(hub, second)
    assert (outcome.posted, outcome.unchanged, outcome.ledger_version) == (1, 19, 2)
    assert (submission(hub, second).revises, submission(hub, second).source_version) == (first, 2)
    with hub.db.read() as tx:
        entry = tx.execute(select(ledgers.journal).where(ledgers.journal.c.request_id == second)).one()
        assert (entry.key, entry.version, entry.previous_version) == (TAGS[3], 2, 1)
        later = ledger_changes.later_changes(tx, NORTH_LEDGER, TAGS, after_version=1)
    assert [(change.key, change.request_id) for change in later] == [(TAGS[3], second)]
    assert_invariants(hub)


def test_a_file_whose_rows_are_all_bad_is_posted_with_no_rows_and_does_not_run_again(hub: Hub) -> None:
    data = inventory_csv([asset("NC-7777"), asset("NC-8888")])
    first = send(hub, "lab.csv", data)
    assert first.request_id is not None
    outcome = posted(hub, first.request_id)
    assert (outcome.posted, outcome.rejected, outcome.ledger_version) == (0, 2, 0)
    assert submission(hub, first.request_id).state is State.POSTED
    again = send(hub, "lab.csv", data)
    assert (again.outcome, again.request_id) == (Outcome.DUPLICATE, first.request_id)
    assert process_all(hub) == []
    assert process(hub, first.request_id) == Repeat(first.request_id, State.POSTED)
    assert submission(hub, first.request_id).token == 1
    assert_invariants(hub)


def test_a_file_without_rows_does_not_run_again(hub: Hub) -> None:
    data = inventory_csv([])
    first = send(hub, "empty.csv", data)
    assert first.request_id is not None
    process(hub, first.request_id)
    settled = submission(hub, first.request_id)
    assert settled.state in (State.POSTED, State.IN_REVIEW)
    assert send(hub, "empty.csv", data).outcome is Outcome.DUPLICATE
    assert process_all(hub) == []
    assert isinstance(process(hub, first.request_id), Repeat)
    assert submission(hub, first.request_id) == settled
    assert_invariants(hub)


# ---- repeats


def test_a_run_repeated_after_its_posting_gets_the_stored_outcome(hub: Hub) -> None:
    taken = lease_and_validate(hub, send_assets(hub, "lab.csv", asset("NC-0001")))
    first = hub.processing.post(taken)
    before = journal_size(hub)
    again = hub.processing.post(taken)
    assert again == replace(first, repeat=True)
    assert journal_size(hub) == before
    assert_invariants(hub)


def test_a_submission_that_is_leased_again_after_its_posting_gets_the_stored_outcome(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    taken = lease_and_validate(hub, request_id)
    first = hub.processing.post(taken)
    with hub.db.write() as tx:  # as after a restore of one table from an older backup
        tx.execute(
            update(submissions.submission)
            .where(submissions.submission.c.request_id == request_id)
            .values(state="leased", lease_owner="worker")
        )
    before = journal_size(hub)
    assert hub.processing.post(taken) == replace(first, repeat=True)
    assert journal_size(hub) == before


def test_the_effect_is_the_same_on_the_second_revision_and_counted_apart(hub: Hub) -> None:
    data = inventory_csv([asset("NC-0001")])
    first = send(hub, "lab.csv", data)
    assert first.request_id is not None
    posted(hub, first.request_id)
    posted(hub, send_assets(hub, "other.csv", asset("NC-0001", quantity="9")))
    hub.review.apply_again(first.request_id, actor="kim")
    again = posted(hub, first.request_id)
    assert (again.revision, again.posted, again.ledger_version) == (2, 1, 3)
    assert ledger_values(hub)["NC-0001"]["quantity"] == "2.5"
    assert_invariants(hub)


# ---- order


def test_postings_of_one_ledger_at_once_keep_their_versions_in_order(hub: Hub) -> None:
    sent = [send_assets(hub, f"lab-{n}.csv", *(asset(tag, quantity=str(n + 1)) for tag in TAGS)) for n in range(4)]
    leases = [lease_and_validate(hub, request_id, f"run-{request_id}") for request_id in sent]
    together = threading.Barrier(len(leases))
    outcomes: list[Posting] = []

    def work(number: int) -> None:
        together.wait()
        outcomes.append(hub.processing.post(leases[number]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(leases))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    by_version = sorted(outcomes, key=lambda one: one.ledger_version)
    assert [one.ledger_version for one in by_version] == [1, 2, 3, 4]
    assert by_version == sorted(outcomes, key=lambda one: one.posted_at)
    last = by_version[-1]
    with hub.db.read() as tx:
        entries = tx.execute(
            select(audit.audit_entry.c.request_id)
            .where(audit.audit_entry.c.event == "submission:posted", audit.audit_entry.c.subject == NORTH_LEDGER)
            .order_by(audit.audit_entry.c.seq)
        ).scalars()
        assert list(entries) == [one.request_id for one in by_version]
    assert {row.request_id for row in ledger_items.current_rows(hub.db, NORTH_LEDGER)} == {last.request_id}
    assert_invariants(hub)


def test_two_runs_post_into_two_ledgers_without_waiting_for_each_other(hub: Hub) -> None:
    make_registry(hub, ["SC-0001"], campus="south")
    north = send_assets(hub, "lab.csv", asset("NC-0001"))
    south = send(hub, "lab.csv", inventory_csv([asset("SC-0001")]), Scope("south", "inventory")).request_id
    assert south is not None
    posted(hub, north)
    posted(hub, south)
    assert (ledger_version(hub), ledger_version(hub, "inventory.asset@south")) == (1, 1)
    assert_invariants(hub)


# ---- the registry


def test_rows_are_checked_again_when_the_registry_has_moved_before_the_posting(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0500"))
    taken = lease_and_validate(hub, request_id)
    old = submission(hub, request_id).registry_version
    make_registry(hub, ["NC-0500"])
    outcome = hub.processing.post(taken)
    assert (outcome.posted, outcome.rejected) == (2, 0)
    current = submission(hub, request_id)
    assert old is not None
    assert current.registry_version == old + 1
    assert_invariants(hub)


def test_a_registry_that_moves_at_every_try_leads_to_a_later_attempt(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    validate = Processing.validate
    moved: list[int] = []

    def validate_and_move(self: Processing, lease: object) -> StagedHandle:
        handle = validate(self, lease)  # type: ignore[arg-type]
        if len(moved) < 4:
            moved.append(1)
            monkeypatch.setattr(Processing, "validate", validate)
            make_registry(hub, [f"NC-06{len(moved):02}"])
            monkeypatch.setattr(Processing, "validate", validate_and_move)
        return handle

    monkeypatch.setattr(Processing, "validate", validate_and_move)
    assert process(hub, request_id) is State.RETRYING
    outcomes = process_all(hub)
    assert [one.posted for one in outcomes if isinstance(one, Posting)] == [1]
    assert_invariants(hub)


def test_a_lost_staged_file_is_made_again(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    taken = lease_and_validate(hub, request_id)
    staged = submission(hub, request_id).staged
    assert staged is not None
    staged_path(hub.settings.staged, staged).unlink()
    assert hub.processing.post(taken).posted == 1
    assert_invariants(hub)


# ---- append-only


@pytest.mark.parametrize(
    "table", [audit.audit_entry, audit_checkpoint, ledgers.journal_row, ledgers.posting], ids=lambda table: table.name
)
@pytest.mark.parametrize("verb", ["update", "delete", "truncate"])
def test_the_database_refuses_to_change_what_is_append_only(hub: Hub, table: object, verb: str) -> None:
    if verb == "truncate" and not hub.db.is_postgres:
        pytest.skip("SQLite has no TRUNCATE")
    hub.checkpoints.make()
    statement = {
        "update": update(table).values({"campus" if "campus" in table.c else "ledger": "elsewhere"}),  # type: ignore[arg-type,attr-defined]
        "delete": delete(table),  # type: ignore[arg-type]
        "truncate": text(f"TRUNCATE {table.name}"),  # type: ignore[attr-defined]
    }[verb]
    with pytest.raises(DBAPIError) as refused, hub.db.write() as tx:
        tx.execute(statement)
    assert f"{table.name} is append-only" in str(refused.value)  # type: ignore[attr-defined]
    assert_invariants(hub)


# ---- the audit chain


def _unlock(hub: Hub, tx: Transaction) -> None:
    names = ["refuses_changes"] if hub.db.is_postgres else ["refuses_update", "refuses_delete"]
    for name in names:
        suffix = " ON audit_entry" if hub.db.is_postgres else ""
        tx.exec_driver_sql(f"DROP TRIGGER audit_entry_{name}{suffix}")


def _last_seq(hub: Hub) -> int:
    with hub.db.read() as tx:
        return int(tx.execute(select(audit.audit_head.c.seq).where(audit.audit_head.c.campus == "north")).scalar_one())


@pytest.mark.parametrize("column", ["actor", "event", "subject", "detail", "hash", "prev_hash", "request_id"])
def test_an_edited_audit_entry_is_found_and_named(hub: Hub, column: str) -> None:
    posted(hub, send_assets(hub, "lab.csv", asset("NC-0001")))
    entry = audit.audit_entry.c
    with hub.db.write() as tx:
        _unlock(hub, tx)
        value: object = {"posted": 99} if column == "detail" else "f" * 64
        tx.execute(update(audit.audit_entry).where(entry.campus == "north", entry.seq == 3).values({column: value}))
    report = audit.walk(hub.db)
    assert not report.ok
    assert (report.first_bad or "").startswith("north:3 ")


def test_a_cut_off_tail_of_the_audit_chain_is_found_and_named(hub: Hub) -> None:
    last = _last_seq(hub)
    entry = audit.audit_entry.c
    with hub.db.write() as tx:
        _unlock(hub, tx)
        tx.execute(delete(audit.audit_entry).where(entry.campus == "north", entry.seq == last))
    assert audit.walk(hub.db).first_bad == f"north:{last} is missing: entries were cut off"


def test_a_deleted_audit_entry_in_the_middle_is_found_and_named(hub: Hub) -> None:
    entry = audit.audit_entry.c
    with hub.db.write() as tx:
        _unlock(hub, tx)
        tx.execute(delete(audit.audit_entry).where(entry.campus == "north", entry.seq == 2))
    assert audit.walk(hub.db).first_bad == "north:2 is missing: an entry numbered 3 stands in its place"


def test_exchanged_audit_entries_are_found_and_named(hub: Hub) -> None:
    entry = audit.audit_entry.c
    with hub.db.write() as tx:
        _unlock(hub, tx)
        for before, after in ((2, -1), (3, 2), (-1, 3)):
            tx.execute(update(audit.audit_entry).where(entry.campus == "north", entry.seq == before).values(seq=after))
    report = audit.walk(hub.db)
    assert (report.first_bad or "").startswith("north:2 ")


def test_a_chain_without_a_head_is_found_and_named(hub: Hub) -> None:
    with hub.db.write() as tx:
        tx.execute(delete(audit.audit_head))
    assert audit.walk(hub.db).first_bad == "north:1 has no head"


def test_walking_the_chain_while_others_append_to_it_raises_no_false_alarm(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = audit.chain

    def append_meanwhile(tx: Transaction, campus: str) -> object:
        another = threading.Thread(target=append_one)
        another.start()
        another.join(timeout=60)
        return chain(tx, campus)

    def append_one() -> None:
        with hub.db.write() as tx:
            audit.append(tx, Event("north", "tester", "test:appended", "chain", None, {}))

    monkeypatch.setattr(audit, "chain", append_meanwhile)
    report = audit.walk(hub.db)
    assert report.ok, report.first_bad
