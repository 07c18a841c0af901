"""Postings of many chunks, and postings that outlive their lease, on both databases."""

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Table, delete, update

from hub_pipelines import processing
from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.errors import Transient
from hub_pipelines.common.rows import store as many_rows
from hub_pipelines.common.store import Transaction
from hub_pipelines.doctor import store as doctor
from hub_pipelines.evidence import tags_of
from hub_pipelines.hub import Hub
from hub_pipelines.launching import tick
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.ledger.model import REGISTRY_LEDGER, Posting
from hub_pipelines.ledger.posting import store as postings
from hub_pipelines.ledger.posting.incoming import store as incoming
from hub_pipelines.ledger.registry import store as registry
from hub_pipelines.report.status import at_work
from hub_pipelines.submission.leases import store as leases
from hub_pipelines.submission.model import Busy, Failure, Lease, Repeat, State
from hub_pipelines.submission.store import submission as submissions
from hub_pipelines.validate.staging import ChunkLimits, StagedChunk, StagedRow
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    NORTH_LEDGER,
    Listed,
    asset,
    expire_lease,
    journal_size,
    lease,
    lease_and_validate,
    ledger_values,
    make_registry,
    process,
    process_all,
    send_assets,
    submission,
)

TAGS = [f"NC-{number:04}" for number in range(20)]


def in_small_chunks(hub: Hub) -> Hub:
    return replace(hub, processing=replace(hub.processing, chunks=ChunkLimits(rows=3)))


def at_the_first_entries(monkeypatch: pytest.MonkeyPatch, then: Callable[[Transaction], None]) -> None:
    """Do something in the middle of the next posting, when some of its entries are written."""
    real = many_rows.insert_columns
    done: list[bool] = []

    def insert_columns(tx: Transaction, table: Table, *rest: Any, **named: Any) -> None:
        real(tx, table, *rest, **named)
        if table is ledgers.journal_row and not done:
            done.append(True)
            then(tx)

    monkeypatch.setattr(postings, "insert_columns", insert_columns)


def test_a_posting_of_many_chunks_is_one_version_and_its_repeat_costs_nothing(hub: Hub) -> None:
    make_registry(hub, TAGS)
    small = in_small_chunks(hub)
    first = send_assets(small, "lab.csv", *map(asset, TAGS), asset("NC-9999"))
    outcome = process(small, first)
    assert isinstance(outcome, Posting)
    assert (outcome.posted, outcome.rejected, outcome.ledger_version) == (20, 1, 1)
    rows = [asset(tag, quantity="7" if number in (0, 9, 19) else "2.5") for number, tag in enumerate(TAGS)]
    again = process(small, send_assets(small, "lab.csv", *rows, asset("NC-8888")))
    assert isinstance(again, Posting)
    assert (again.posted, again.unchanged, again.rejected, again.ledger_version) == (3, 17, 1, 2)
    assert {key for key, values in ledger_values(hub).items() if values["quantity"] == "7"} == {
        "NC-0000", "NC-0009", "NC-0019",
    }  # fmt: skip
    assert_invariants(hub)


def test_after_many_entries_postgresql_knows_what_its_tables_hold(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hub.db.is_postgres:
        pytest.skip("SQLite plans without statistics")
    monkeypatch.setattr(postings, "MANY_ENTRIES", 19)
    make_registry(hub, TAGS)
    process(hub, send_assets(hub, "few.csv", *map(asset, TAGS[:5])))

    def is_known() -> bool:
        told = "SELECT most_common_vals::text FROM pg_stats WHERE tablename = 'ledger' AND attname = 'ledger'"
        with hub.db.read() as tx:
            return NORTH_LEDGER in (tx.exec_driver_sql(told).scalar() or "")

    assert not is_known()
    process(hub, send_assets(hub, "all.csv", *(asset(tag, quantity="9") for tag in TAGS)))
    assert is_known()


def test_a_ledger_that_has_doubled_by_small_postings_is_looked_over(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hub.db.is_postgres:
        pytest.skip("SQLite plans without statistics")
    make_registry(hub, TAGS)
    seen: list[int] = []
    monkeypatch.setattr(postings, "_FEW_ENTRIES", 3)
    monkeypatch.setattr(postings, "look_over_ledgers", lambda _db: seen.append(journal_size(hub) - len(TAGS)))
    for at in range(10):
        process(hub, send_assets(hub, f"{at}.csv", asset(TAGS[at])))
    assert seen == [4, 8]


def test_a_posting_stands_when_its_tables_cannot_be_looked_over(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def locked(_db: object) -> None:
        raise Transient("The hub's database did not answer.")

    if not hub.db.is_postgres:
        pytest.skip("SQLite is never looked over")
    monkeypatch.setattr(postings, "look_over_ledgers", locked)
    make_registry(hub, TAGS[:5])
    monkeypatch.setattr(postings, "MANY_ENTRIES", 4)
    outcome = process(hub, send_assets(hub, "lab.csv", *map(asset, TAGS[:5])))
    assert isinstance(outcome, Posting)
    assert "the ledger was not looked over" in caplog.text
    assert_invariants(hub)


def test_new_and_known_items_in_one_file_are_told_apart(hub: Hub) -> None:
    make_registry(hub, TAGS)
    process(hub, send_assets(hub, "lab.csv", *map(asset, TAGS[5:10])))
    outcome = process(in_small_chunks(hub), send_assets(hub, "all.csv", *map(asset, TAGS)))
    assert isinstance(outcome, Posting)
    assert (outcome.posted, outcome.unchanged) == (15, 5)
    assert_invariants(hub)


def test_nobody_takes_over_a_posting_that_outlives_its_lease(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    make_registry(hub, TAGS)
    request_id = send_assets(hub, "lab.csv", *map(asset, TAGS))
    taken = lease_and_validate(hub, request_id)
    expire_lease(hub, request_id)
    answers: list[object] = []

    def rescue() -> None:
        answers.append(hub.processing.begin(request_id, "rescuer"))

    rescuer = threading.Thread(target=rescue)

    def look(_tx: Transaction) -> None:
        if hub.db.is_postgres:
            with hub.db.read() as other:
                assert doctor.leases_past_due(other, by_s=0, limit=5) == [], "it is alive: its row is locked"
            assert hub.ending.end_expired() == []
            assert tick(hub, "north", alive=lambda _ids: set()).launches == (), "nobody waits for it"
            rescue()
        else:
            rescuer.start()  # it waits for the one who writes
            rescuer.join(timeout=0.3)
            assert rescuer.is_alive()

    at_the_first_entries(monkeypatch, look)
    outcome = hub.processing.post(taken)
    if not hub.db.is_postgres:
        rescuer.join(timeout=30)
    assert answers == [Busy(request_id, State.LEASED) if hub.db.is_postgres else Repeat(request_id, State.POSTED)]
    assert outcome.posted == 20
    assert submission(hub, request_id).token == 1
    assert_invariants(hub)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_posting_that_is_cancelled_midway_leaves_nothing_and_can_be_done_again(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    make_registry(hub, TAGS)
    process(hub, send_assets(hub, "lab.csv", *map(asset, TAGS)))
    request_id = send_assets(hub, "lab.csv", *(asset(tag, quantity="9") for tag in TAGS))
    taken = lease_and_validate(hub, request_id)
    before = journal_size(hub)

    def cancel(_tx: Transaction) -> None:
        raise error

    at_the_first_entries(monkeypatch, cancel)
    with pytest.raises(error), hub.processing.attempt(taken):
        hub.processing.post(taken)
    assert journal_size(hub) == before
    assert submission(hub, request_id).state is State.LEASED
    with hub.db.write() as tx:
        assert isinstance(leases.extend_lease(tx, taken, lease_s=5), Lease)
    expire_lease(hub, request_id)
    (outcome,) = (one for one in process_all(hub, owner="rescuer") if isinstance(one, Posting))
    assert (outcome.posted, outcome.token) == (20, 2)
    assert_invariants(hub)


@pytest.fixture
def read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ledgers are read from end to end for a few rows, some items at a time, where the database is SQLite."""
    monkeypatch.setattr(incoming, "_FEW_ROWS", 0)
    monkeypatch.setattr(incoming, "ITEMS_A_SEARCH", 1_000)
    monkeypatch.setattr(incoming, "_ITEMS_AT_ONCE", 3)
    monkeypatch.setattr(registry, "_FEW_TAGS", 0)
    monkeypatch.setattr(registry, "_READ_AT_ONCE", 3)


@pytest.mark.usefixtures("read_whole")
def test_rows_differ_from_the_ledger_alike_whether_it_is_searched_or_read(hub: Hub) -> None:
    make_registry(hub, TAGS)
    small = in_small_chunks(hub)
    process(small, send_assets(small, "lab.csv", *map(asset, TAGS[:15])))
    process(small, send_assets(small, "lab.csv", *(asset(tag, quantity="9") for tag in TAGS[3:6])))
    dice = random.Random(7)
    now = ledger_values(small)
    for _ in range(20):
        rows = [
            StagedRow(number, "accepted", tag, _said(dice, now.get(tag)), [])
            if dice.random() < 0.8
            else StagedRow(number, "rejected", None, None, [])
            for number, tag in enumerate(dice.sample(TAGS, dice.randrange(len(TAGS) + 1)), start=2)
        ]
        searched, read = (differing(small, rows, at_hand=at_hand) for at_hand in (True, False))
        assert searched == read


def differing(hub: Hub, rows: list[StagedRow], *, at_hand: bool) -> dict[int, incoming.Place]:
    limits = ChunkLimits(rows=4)
    with (
        hub.db.write() as tx,
        incoming.heads_of(tx, NORTH_LEDGER, Listed(rows), limits, at_hand=at_hand) as heads,
    ):
        found = heads.among([row.row_no for row in rows if row.verdict == "accepted"])
        heads.end()
    return found


def _said(dice: random.Random, now: dict[str, object] | None) -> str:
    return canonical_text({**(now or {}), "location": "elsewhere"} if now is None or dice.random() < 0.5 else now)


@pytest.mark.usefixtures("read_whole")
def test_a_posting_that_reads_the_ledger_posts_what_one_does_that_searches_it(hub: Hub) -> None:
    make_registry(hub, TAGS)
    small = in_small_chunks(hub)
    process(small, send_assets(small, "lab.csv", *map(asset, TAGS[:15])))
    rows = [asset(tag, quantity="7" if number in (0, 9, 14) else "2.5") for number, tag in enumerate(TAGS)]
    again = process(small, send_assets(small, "lab.csv", *rows))
    assert isinstance(again, Posting)
    assert (again.posted, again.unchanged, again.new) == (8, 12, 5)
    assert_invariants(hub)


@pytest.mark.usefixtures("read_whole")
def test_staged_rows_out_of_order_are_refused_also_where_the_ledger_is_read(hub: Hub) -> None:
    make_registry(hub, TAGS)
    process(hub, send_assets(hub, "lab.csv", *map(asset, TAGS)))
    rows = [StagedRow(number, "accepted", TAGS[number], "{}", []) for number in (3, 2)]
    with pytest.raises(ValueError, match=r"row \d: .*not in the order"):
        differing(hub, rows, at_hand=hub.db.is_postgres)


@pytest.mark.usefixtures("read_whole")
def test_posted_tags_that_the_registry_lacks_are_counted_where_it_is_read(hub: Hub) -> None:
    make_registry(hub, TAGS)
    request_id = send_assets(hub, "lab.csv", *map(asset, TAGS))
    process(hub, request_id)
    assert (tags_of(hub, request_id).posted, tags_of(hub, request_id).posted_unregistered) == (20, 0)
    with hub.db.write() as tx:
        lost = ledgers.ledger.c.key.in_(TAGS[:2])
        tx.execute(delete(ledgers.ledger).where(ledgers.ledger.c.ledger == REGISTRY_LEDGER, lost))
    assert (tags_of(hub, request_id).posted, tags_of(hub, request_id).posted_unregistered) == (20, 2)


def test_staged_rows_out_of_order_are_refused_as_a_whole(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    make_registry(hub, TAGS)
    process(hub, send_assets(hub, "lab.csv", *map(asset, TAGS)))
    taken = lease_and_validate(hub, send_assets(hub, "lab.csv", *(asset(tag, quantity="9") for tag in TAGS)))
    before = journal_size(hub)
    real = StagedChunk.accepted_numbers
    monkeypatch.setattr(StagedChunk, "accepted_numbers", lambda chunk: real(chunk)[::-1])
    with pytest.raises(ValueError, match="not in the order"):
        hub.processing.post(taken)
    assert journal_size(hub) == before


def test_a_file_that_takes_long_tells_how_far_it_is_and_nothing_once_it_is_through(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "_TELL_EVERY_S", 0.0)
    make_registry(hub, TAGS)
    told: list[str] = []

    def tell(request_id: str) -> None:
        hub.receipts.write_progress(request_id)
        (now,) = at_work(hub.db, hub.processing.progress)
        assert now["told"] in hub.receipts.places.page_of(submission(hub, request_id)).read_text(encoding="utf-8")
        told.append(now["told"])

    watched = in_small_chunks(hub)
    watched = replace(watched, processing=replace(watched.processing, tell=tell))
    request_id = send_assets(hub, "lab.csv", *map(asset, TAGS))
    assert isinstance(process(watched, request_id), Posting)
    assert [one.partition(":")[0] for one in dict.fromkeys(told)][:2] == [
        "step 1 of 3, reading the file to find out how it is written",
        "step 2 of 3, judging its rows",
    ]
    assert all(one.endswith("of 20 rows") for one in told if "judging" in one), "they were counted by reading"
    posting = "step 3 of 3, posting its rows"
    assert told[-2:] == [f"{posting}: 18 of 20 rows", f"{posting}: 20 of 20 rows"]
    assert at_work(hub.db, hub.processing.progress) == []
    assert list(hub.settings.progress.iterdir()) == []
    page = hub.receipts.write(request_id).read_text(encoding="utf-8")
    assert "We are at it" not in page


def test_a_file_that_is_done_again_says_that_it_was_interrupted_and_how_far_it_is(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "_TELL_EVERY_S", 0.0)
    make_registry(hub, TAGS)
    request_id = send_assets(hub, "lab.csv", *map(asset, TAGS))
    lost = lease(hub, request_id)
    hub.processing.fail(lost, RuntimeError(), Failure("RunCanceled", "The run was cancelled.", "", "", None))
    with hub.db.write() as tx:
        tx.execute(update(submissions).values(retry_at=None))
    pages: list[str] = []

    def tell(request_id: str) -> None:
        hub.receipts.write_progress(request_id)
        pages.append(hub.receipts.places.page_of(submission(hub, request_id)).read_text(encoding="utf-8"))

    watched = replace(hub, processing=replace(hub.processing, tell=tell))
    assert isinstance(process(watched, request_id), Posting)
    for words in ("was interrupted and is being done again: step 1 of 3", "The run was cancelled", "is at work on"):
        assert words in pages[0]
    assert "try again by itself" not in pages[0]
