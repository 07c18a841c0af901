"""What must be true of a hub after any fault: `assert_invariants` is the one list, and every crash test ends with it.

1. Each accepted submission is in exactly one state, and what the state promises is there: a posting when posted, an
   open item when in review, a running attempt when leased.
2. The effect of each (request_id, revision) on a ledger is at most one, in journal, idempotency records, ledger,
   counts and audit chain alike; a complete count has kept what it missed once, no other submission anything.
3. Rows: received = waiting + posted + unchanged + rejected + held + superseded + dismissed, by submission and by day.
4. The audit chain verifies, records beside the ledgers are what it tells, and every accepted file is archived and
   signed as it came.
5. What the inbox counts as waiting is what waits.

Nothing here asks the code that is under test for a total: states, entries and bytes are counted anew.
"""

import hashlib
from collections.abc import Collection

from sqlalchemy import and_, func, select

from hub_pipelines.audit import store as audit
from hub_pipelines.evidence import first_bad_record
from hub_pipelines.hub import Hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.inbox import store as inbox
from hub_pipelines.intake.inbox.model import Load
from hub_pipelines.intake.model import Outcome
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.ledger.counting import store as counts
from hub_pipelines.ledger.entries import store as ledger_entries
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.ledger.snapshots import store as snapshots
from hub_pipelines.review import store as reviews
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import UNSETTLED, State, Submission
from hub_pipelines.validate.model import PART_ROWS
from hub_pipelines_tests import recovering


def assert_invariants(hub: Hub, *, damaged: Collection[str] = ()) -> None:
    """What must hold after any fault (design 4.1, 4.2, 4.5). `damaged` objects were spoilt by the test itself."""
    recovering.recovered(everything=True)
    with hub.db.read() as tx:
        everything = list(submissions.everything(tx))
    _assert_each_came_once(hub, everything)
    _assert_states(hub, everything)
    _assert_effects(hub, everything)
    _assert_ledger_is_the_fold(hub)
    _assert_rows(hub, everything, damaged)
    report = hub.checkpoints.verify()
    assert report.ok, report.first_bad
    assert first_bad_record(hub) is None, first_bad_record(hub)
    _assert_archive(hub, everything, damaged)
    assert_inbox_counts(hub)
    if all(one.state not in UNSETTLED for one in everything):
        left = [path for path in hub.settings.drop.rglob("*") if path.is_file() and ".claimed" in path.parts]
        assert not left, f"claimed and forgotten: {left}"


def assert_inbox_counts(hub: Hub) -> None:
    with hub.inbox.db.read() as tx:
        counted = {campus: one for campus, one in inbox.load(tx).items() if one != Load()}
        waits: dict[str, Load] = {}
        for one in inbox.waiting(tx):
            campus = one.stream.campus
            waits[campus] = waits.get(campus, Load()) + Load(one.messages, one.size_bytes)
    assert counted == waits


def _assert_each_came_once(hub: Hub, everything: list[Submission]) -> None:
    """What was answered with `received` and what has a state are the same, one for one."""
    with hub.db.read() as tx:
        query = select(arrivals.arrival.c.request_id).where(arrivals.arrival.c.outcome == Outcome.RECEIVED)
        assert sorted(tx.execute(query).scalars()) == sorted(one.request_id for one in everything)


def _assert_states(hub: Hub, everything: list[Submission]) -> None:
    with hub.db.read() as tx:
        for one in everything:
            assert (one.state is State.LEASED) == (one.lease_owner is not None)
            assert (one.cause is not None) == (one.state in (State.IN_REVIEW, State.DISMISSED))
            posted = ledger_outcomes.find_posting(tx, one.request_id, one.revision)
            assert (one.state is State.POSTED) == (posted is not None), f"{one.request_id} is {one.state}"
            if one.state is State.IN_REVIEW:
                assert reviews.open_items_of(tx, one.request_id), f"{one.request_id}: nobody sees it in review"
            running = [row for row in submissions.attempts_of(tx, one.request_id) if row["ended_at"] is None]
            assert len(running) == (one.state is State.LEASED)


def _assert_effects(hub: Hub, everything: list[Submission]) -> None:
    by_id = {one.request_id: one for one in everything}
    with hub.db.read() as tx:
        stored = [Posting(**row) for row in tx.execute(select(ledger_outcomes.idempotency.c.outcome)).scalars()]
        identities = [(one.request_id, one.revision) for one in stored]
        assert len(identities) == len(set(identities))
        journal = ledgers.journal.c
        effects = tx.execute(select(journal.request_id, journal.revision, journal.ledger, journal.version).distinct())
        effect_of = [tuple(row) for row in effects]
        assert len(effect_of) == len({row[:2] for row in effect_of}), "a posting has two effects"
        assert len(effect_of) == len({row[2:] for row in effect_of}), "two postings share a ledger version"
        assert {row[:2] for row in effect_of} == {
            (one.request_id, one.revision) for one in stored if one.posted or one.replaced
        }, "a posting without journal entries, or entries without a posting"
        for one in stored:
            assert ledger_entries.count_rows(tx, one.request_id, one.revision) == one.posted
            second = and_(journal.operation == "arrived", journal.row_no >= PART_ROWS)
            if one.new is not None:
                first = (journal.request_id == one.request_id, journal.revision == one.revision)
                first_of_row = (journal.previous_version.is_(None), ~second)
                new = select(func.count()).where(*first, *first_of_row)
                assert tx.execute(new).scalar_one() == one.new, "a new item is one whose entry replaces none"
            assert ledger_entries.digest_of(tx, one.request_id, one.revision, one.digest_version) == one.rows_digest
            entries = [
                entry
                for entry in audit.entries_of(tx, one.request_id)
                if entry.event.event == "submission:posted" and entry.event.detail["revision"] == one.revision
            ]
            assert len(entries) == 1, "a posting is audited once"
            missed = counts.of_count(tx, one.request_id, one.revision)
            assert len(missed) == one.not_found + one.listed_in_rejected_rows, "what a count missed is kept once"
            current = by_id[one.request_id]
            assert current.envelope.complete_count == (one.counted is not None)
            if current.revision == one.revision:
                assert (current.counts.posted, current.counts.unchanged) == (one.posted, one.unchanged)
                assert (current.counts.rejected, current.counts.received) == (one.rejected, one.received)


def _assert_ledger_is_the_fold(hub: Hub) -> None:
    with hub.db.read() as tx:
        fold: dict[tuple[str, str], tuple[int, int, str]] = {}
        newest: dict[str, int] = {}
        query = select(ledgers.journal).order_by(
            ledgers.journal.c.ledger, ledgers.journal.c.version, ledgers.journal.c.row_no
        )
        for row in tx.execute(query).all():
            before = fold.get((row.ledger, row.key))
            assert (row.previous_version, row.previous_row_no) == (before[:2] if before else (None, None))
            fold[row.ledger, row.key] = (row.version, row.row_no, row.digest)
            newest[row.ledger] = row.version
        kept = {
            (row.ledger, row.key): (row.version, row.row_no, row.digest) for row in tx.execute(select(ledgers.ledger))
        }
        assert kept == fold
        for name, version in newest.items():
            assert ledger_items.current_version(tx, name)[0] == version
        assert snapshots.first_miscount(tx) is None


def _assert_rows(hub: Hub, everything: list[Submission], damaged: Collection[str]) -> None:
    for one in everything:
        assert one.counts.accounted, f"{one.request_id}: {one.counts}"
        if one.state is State.POSTED and one.envelope.content_digest not in damaged:
            assert _rows_in(hub, one) == one.counts.received
    with hub.db.read() as tx:
        for campus, feed, day, counts in submissions.rows_by_scope(tx):
            assert counts.accounted, f"{campus} {feed} {day}: {counts}"


_ROWS: dict[tuple[str, str, str], int] = {}
"""By digest, feed and file name. Bytes that are as they came (see _assert_archive) have as many rows as they had."""


def _rows_in(hub: Hub, one: Submission) -> int:
    file = (one.envelope.content_digest, one.envelope.feed, one.envelope.source_name)
    if file not in _ROWS:
        _ROWS[file] = hub.recounts.read(one).rows
    return _ROWS[file]


def remember_rows(hub: Hub) -> None:
    """Count the rows of each posted file once for all children that this process forks from now on."""
    with hub.db.read() as tx:
        posted = [one for one in submissions.everything(tx) if one.state is State.POSTED]
    for one in posted:
        _rows_in(hub, one)


def _assert_archive(hub: Hub, everything: list[Submission], damaged: Collection[str]) -> None:
    kept = {path.parent.name for path in hub.archive.envelopes()}
    for one in everything:
        digest = one.envelope.content_digest
        assert one.request_id in kept, f"{one.request_id}: no envelope in the archive"
        hub.keys.verify(one.envelope)
        if digest not in damaged:
            assert hashlib.sha256(hub.archive.object_path(digest).read_bytes()).hexdigest() == digest
