"""What `hub audit verify` finds: every kind of tampering with what was posted, on both databases."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Table, delete, select, text, update

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import GENESIS, Entry, Event
from hub_pipelines.common.misfits.store import first_misfit
from hub_pipelines.common.store import DamagedDatabase, JsonText
from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.intake.store import arrival
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.ledger.entries import store as ledger_entries
from hub_pipelines.ledger.model import TREE
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.ledger.proofs import is_when_entered
from hub_pipelines.review.model import ReasonCode
from hub_pipelines.review.store import review_item
from hub_pipelines.submission import store as submissions
from hub_pipelines_tests.support import (
    asset,
    bring_back_bytes,
    inventory_csv,
    lose_bytes,
    make_registry,
    process,
    send,
    send_assets,
    submission,
)
from hub_pipelines_tests.tampering import unlock


def test_an_untouched_hub_verifies(hub: Hub) -> None:
    make_registry(hub, ["N-1", "N-2"])
    assert verify_all(hub).ok


@pytest.mark.parametrize(
    ("table", "column"),
    [("journal_row", "key"), ("journal_row", "values"), ("posting", "campus"), ("posting", "request_id")],
)
def test_a_changed_journal_entry_is_found(hub: Hub, table: str, column: str) -> None:
    make_registry(hub, ["N-1", "N-2"])
    changed = getattr(ledgers, table)
    where = ledgers.journal_row.c.key == "N-2" if table == "journal_row" else ledgers.posting.c.version == 1
    with hub.db.write() as tx:
        unlock(hub, tx, "journal", "posting")
        tx.execute(update(changed).where(where).values({column: "forged"}))
    assert "journal" in str(verify_all(hub).first_bad)


@pytest.mark.parametrize("with_posting", [False, True])
def test_a_forged_journal_entry_is_found(hub: Hub, with_posting: bool) -> None:
    make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        entry = dict(tx.execute(ledgers.journal_row.select()).mappings().one())
        tx.execute(ledgers.journal_row.insert(), {**entry, "version": 9, "key": "N-9"})
        if with_posting:
            posting = dict(tx.execute(ledgers.posting.select()).mappings().one())
            tx.execute(ledgers.posting.insert(), {**posting, "version": 9, "request_id": "north-inventory-x"})
    assert verify_all(hub).first_bad == "journal: it holds entries that no posting vouches for"


def test_a_deleted_ledger_row_is_found(hub: Hub) -> None:
    make_registry(hub, ["N-1", "N-2"])
    with hub.db.write() as tx:
        tx.execute(delete(ledgers.ledger).where(ledgers.ledger.c.key == "N-2"))
    assert verify_all(hub).first_bad == "procurement.asset@all N-2: the ledger is not what its journal says"


def test_a_ledger_row_without_a_journal_entry_is_found(hub: Hub) -> None:
    make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        row = dict(tx.execute(ledgers.ledger.select()).mappings().one())
        tx.execute(ledgers.ledger.insert(), {**row, "key": "N-9"})
    assert "N-9" in str(verify_all(hub).first_bad)


def test_a_deleted_idempotency_record_is_found(hub: Hub) -> None:
    make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        tx.execute(delete(ledger_outcomes.idempotency))
    assert "record of its posting" in str(verify_all(hub).first_bad)


# ---- tampering that leaves the chain as it is


def beside_the_chain(hub: Hub, event: str, request_id: str, subject: str, detail: dict[str, object]) -> None:
    """Insert an entry with a number that no chain has: no guard refuses it, and nothing of the chain changes."""
    forged = Entry.following(
        -2, GENESIS, datetime.now(UTC), Event("north", "run/x", event, subject, request_id, detail)
    )
    with hub.db.write() as tx:
        tx.execute(audit.audit_entry.insert(), audit._columns(forged))


def test_an_entry_beside_the_chain_is_found(hub: Hub) -> None:
    request_id = make_registry(hub, ["N-1"])
    beside_the_chain(hub, "review:approved", request_id, "a list", {})
    assert verify_all(hub).first_bad == "north:1 is missing: an entry numbered -1 stands in its place"


def test_a_forged_posting_that_an_entry_beside_the_chain_vouches_for_is_found(hub: Hub) -> None:
    make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        entry = dict(tx.execute(ledgers.journal_row.select()).mappings().one())
        posting = dict(tx.execute(ledgers.posting.select()).mappings().one())
        record = dict(tx.execute(ledger_outcomes.idempotency.select()).mappings().one())
        (posted,) = audit.entries_named(tx, "submission:posted")
        tx.execute(ledgers.journal_row.insert(), {**entry, "version": 9, "key": "N-9"})
        tx.execute(ledgers.posting.insert(), {**posting, "version": 9, "request_id": "north-inventory-x"})
        outcome = {
            **record["outcome"],
            "request_id": "north-inventory-x",
            "rows_digest": ledger_entries.digest_of(tx, "north-inventory-x", 1, TREE),
        }
        tx.execute(
            ledger_outcomes.idempotency.insert(), {**record, "request_id": "north-inventory-x", "outcome": outcome}
        )
    beside_the_chain(hub, "submission:posted", "north-inventory-x", "a list", {**posted.event.detail, **outcome})
    assert str(verify_all(hub).first_bad).startswith("north:1 is missing")


@pytest.mark.parametrize(
    "stored",
    ["{", '{"feed": "\\ud800"}', "[" * 100_000, "NaN"],
    ids=["cut off", "half a character", "deep", "no number"],
)
def test_an_entry_that_cannot_be_read_is_named(hub: Hub, stored: str) -> None:
    make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        unlock(hub, tx)
        tx.execute(text("UPDATE audit_entry SET detail = :told WHERE seq = 2"), {"told": stored})
    assert verify_all(hub).first_bad == "north:2 was changed after it was written"


def stored_columns() -> list[tuple[Table, str]]:
    """What stands in the tables that a verification reads, but for keys."""
    tables = (audit.audit_entry, audit.audit_head, ledgers.journal_row, ledgers.posting, ledger_outcomes.idempotency)
    return [(one, c.name) for one in (*tables, submissions.submission) for c in one.c if not c.primary_key]


def test_whatever_is_put_in_the_place_of_a_value_is_told_and_no_trouble_to_the_verifier(hub: Hub) -> None:
    """SQLite keeps bytes and texts in any column; both keep any text in a column of documents."""
    make_registry(hub, ["N-1"])
    unlocked = ("audit_entry", "journal", "posting", "idempotency")
    with hub.db.write() as tx:
        unlock(hub, tx, *unlocked)
    unnoticed = []
    for table, name in stored_columns():
        where = f'WHERE "{name}" IS NOT NULL'
        for value in (b"\x80\xff", "nonsense"):
            if hub.db.is_postgres and not (isinstance(value, str) and isinstance(table.c[name].type, JsonText)):
                continue
            stored = text(f'SELECT "{name}" FROM "{table.name}" {where} ORDER BY 1 LIMIT 1')
            put = text(f'UPDATE "{table.name}" SET "{name}" = :value {where} AND "{name}" = :was')
            with hub.db.write() as tx:
                was = tx.execute(stored).scalar()
                tx.execute(put, {"value": value, "was": was})
            if was is not None and verify_all(hub).ok:
                unnoticed.append((table.name, name, value))
            with hub.db.write() as tx:
                tx.execute(put, {"value": was, "was": value})
    assert [one for one in unnoticed if isinstance(one[2], bytes)] == []
    # what only tells where a submission stands, or repeats its signed envelope, is no evidence
    assert {table for table, *_ in unnoticed} <= {"submission"}
    assert verify_all(hub).ok


def test_a_text_whose_bytes_are_no_text_is_no_database_that_did_not_answer(hub: Hub) -> None:
    if hub.db.is_postgres:
        pytest.skip("PostgreSQL keeps no such text")
    make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        unlock(hub, tx, "journal")
        tx.execute(text("UPDATE journal SET key = CAST(X'4E2DFF' AS TEXT)"))
    with pytest.raises(DamagedDatabase, match="damaged: Could not decode to UTF-8 column 'key' with text 'N-"):
        verify_all(hub)


@pytest.mark.parametrize(
    ("stored", "fits"),
    [
        ("2024-02-29T23:59:59.999999Z", True),
        ("9999-12-31T23:59:59.999999Z", True),
        ("0001-01-01T00:00:00.000000Z", True),
        ("2023-02-29T12:00:00.000000Z", False),
        ("2024-02-29T24:00:00.000000Z", False),
        ("0000-01-01T00:00:00.000000Z", False),
        ("2024-02-29T12:00:00.12345 Z", False),
        ("2024-02-29T12:00:00Z", False),
    ],
)
def test_a_moment_is_told_from_what_only_looks_like_one(hub: Hub, stored: str, fits: bool) -> None:
    if hub.db.is_postgres:
        pytest.skip("PostgreSQL has moments of its own")
    make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        tx.execute(text("UPDATE attempt SET ended_at = :stored"), {"stored": stored})
        assert (first_misfit(tx) is None) is fits


def test_a_submission_in_no_state_is_found(hub: Hub) -> None:
    make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        tx.execute(text("UPDATE submission SET state = 'lost'"))
    assert str(verify_all(hub).first_bad).endswith("it is in no state that there is")


def test_a_stored_entry_that_says_a_thing_twice_is_found(hub: Hub) -> None:
    make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        unlock(hub, tx)
        told = str(tx.execute(text("SELECT detail FROM audit_entry WHERE seq = 1")).scalar_one())
        twice = told.replace("{", '{"feed": "hazmat", ', 1)
        tx.execute(text("UPDATE audit_entry SET detail = :told WHERE seq = 1"), {"told": twice})
    assert verify_all(hub).first_bad == "north:1 was changed after it was written"


def test_an_entry_that_is_dated_back_is_told(hub: Hub) -> None:
    make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        seq, last = audit.heads_of(tx)["north"]
        long_ago = datetime.now(UTC) - timedelta(days=700)
        entry = Entry.following(seq, last, long_ago, Event("north", "person/x", "hold:lifted", "h", None, {}))
        tx.execute(audit.audit_entry.insert(), audit._columns(entry))
        tx.execute(update(audit.audit_head).values(seq=entry.seq, hash=entry.hash))
    (note,) = [note for note in verify_all(hub).notes if "dated back" in note]
    assert note.startswith(f"north:{entry.seq} is dated {long_ago:%Y-%m-%d}")


def forget(hub: Hub, request_id: str) -> None:
    """Everything that tells of a submission outside the chain."""
    hub.archive.object_path(submission(hub, request_id).envelope.content_digest).unlink()
    for path in (hub.settings.archive / "envelopes").rglob("*.json"):
        if request_id in path.read_text(encoding="utf-8"):
            path.unlink()
    with hub.db.write() as tx:
        tx.execute(delete(submissions.submission).where(submissions.submission.c.request_id == request_id))
        tx.execute(delete(arrival).where(arrival.c.request_id == request_id))


def test_a_submission_that_was_made_to_vanish_is_found(hub: Hub) -> None:
    request_id = send_assets(hub, "guilty.csv", asset("N-1"))
    assert verify_all(hub).ok
    forget(hub, request_id)
    assert verify_all(hub).first_bad == (
        f"{request_id}: the audit log tells that it was received, and its record is missing"
    )


def test_other_bytes_under_an_envelope_that_was_signed_anew_are_found(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("N-1"))
    stored = hub.archive.put(io.BytesIO(b"asset_tag,item_name\nN-1,Water\n"))
    told = submission(hub, request_id).envelope
    envelope = hub.keys.sign(replace(told, content_digest=stored.digest, size_bytes=stored.size_bytes))
    with hub.db.write() as tx:
        tx.execute(update(submissions.submission).values(content_digest=stored.digest, envelope=envelope.document()))
    assert submission(hub, request_id).envelope.content_digest == stored.digest
    assert verify_all(hub).first_bad == f"{request_id}: its record tells of other bytes than the audit log"


def test_a_submission_that_was_never_received_is_found(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("N-1"))
    with hub.db.write() as tx:
        row = dict(tx.execute(submissions.submission.select()).mappings().one())
        tx.execute(submissions.submission.insert(), {**row, "request_id": f"{request_id}x", "source_version": 2})
    assert "the audit log does not tell that it was received" in str(verify_all(hub).first_bad)


@pytest.mark.parametrize(("name", "changed"), [("posted", 2), ("digest_version", TREE), ("posted_at", "2020-01-01")])
def test_a_changed_record_of_a_posting_is_found(hub: Hub, name: str, changed: object) -> None:
    request_id = make_registry(hub, ["N-1"])
    record = ledger_outcomes.idempotency
    with hub.db.write() as tx:
        outcome = tx.execute(select(record.c.outcome)).scalar_one()
        tx.execute(update(record).values(outcome={**outcome, name: changed}))
    assert verify_all(hub).first_bad == f"{request_id}: the record of its posting is missing or was changed"


def test_rejected_rows_that_were_taken_away_are_found(hub: Hub) -> None:
    make_registry(hub, ["N-1"])
    request_id = send_assets(hub, "lab.csv", asset("N-1"), asset("N-2"))
    process(hub, request_id)
    assert verify_all(hub).ok
    with hub.db.write() as tx:
        tx.execute(delete(ledger_problems.rejection))
    assert str(verify_all(hub).first_bad).startswith(f"{request_id}: rows that its posting rejected are missing")


def test_the_bytes_of_a_conflict_are_missed_too(hub: Hub) -> None:
    send(hub, "lab.csv", inventory_csv([asset("N-1")]), sender_key="k-1")
    other = send(hub, "lab.csv", inventory_csv([asset("N-2")]), sender_key="k-1")
    assert verify_all(hub).ok
    hub.archive.object_path(str(other.content_digest)).unlink()
    assert str(verify_all(hub).first_bad).startswith(f"lab.csv, a conflict with {other.request_id}: The archived copy")


def test_another_moment_of_a_posting_in_the_journal_is_found(hub: Hub) -> None:
    request_id = make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        unlock(hub, tx, "posting")
        entered_at = tx.execute(select(ledgers.posting.c.posted_at)).scalar_one()
        tx.execute(update(ledgers.posting).values(posted_at=entered_at - timedelta(seconds=1)))
    assert verify_all(hub).first_bad == (
        f"{request_id}: the journal has another moment of its posting than the audit log"
    )


def posted_entry(detail: dict[str, object]) -> Entry:
    event = Event("north", "run/x", "submission:posted", "a list", "r", detail)
    return Entry.following(0, GENESIS, datetime.now(UTC), event)


@pytest.mark.parametrize(
    ("moment", "may_be"),
    [
        ("2026-03-02T23:30:00+00:00", True),
        ("2026-03-03T04:59:00+00:00", True),
        ("2026-03-01T12:00:00+00:00", True),
        ("2026-02-28T12:00:00+00:00", False),
        ("2026-03-05T12:00:00+00:00", False),
    ],
)
def test_a_posting_whose_moment_the_audit_log_did_not_tell_yet_was_made_about_its_day(
    moment: str, may_be: bool
) -> None:
    audited = posted_entry({"ledger_date": "2026-03-02", "posted_at": "2026-03-03T05:00:00+00:00"})
    assert is_when_entered(audited, datetime.fromisoformat(moment)) is may_be


@pytest.mark.parametrize("state", ["dismissed", "in_review", "received"])
def test_a_posted_submission_that_is_said_to_stand_elsewhere_is_found(hub: Hub, state: str) -> None:
    request_id = make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        tx.execute(update(submissions.submission).values(state=state))
    told = f"{request_id}: it is {state}, and the audit log tells otherwise of its posting"
    assert verify_all(hub).first_bad == told


def test_a_submission_that_is_said_to_be_posted_and_was_not_is_found(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("N-1"))
    with hub.db.write() as tx:
        tx.execute(update(submissions.submission).values(state="posted"))
    assert str(verify_all(hub).first_bad).startswith(f"{request_id}: it is posted, and the audit log")


def test_a_next_revision_that_nobody_has_opened_is_found(hub: Hub) -> None:
    request_id = make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        tx.execute(update(submissions.submission).values(state="in_review", revision=2))
    assert verify_all(hub).first_bad == (
        f"{request_id}: the audit log does not tell that it was opened again after its posting"
    )


def test_another_moment_of_a_posting_in_its_submissions_record_is_found(hub: Hub) -> None:
    request_id = make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        posted_at = tx.execute(select(submissions.submission.c.posted_at)).scalar_one()
        tx.execute(update(submissions.submission).values(posted_at=posted_at - timedelta(days=9)))
    assert verify_all(hub).first_bad == (
        f"{request_id}: its record has another moment of its posting than the audit log"
    )


def test_what_was_applied_again_verifies_before_and_after_its_next_posting(hub: Hub) -> None:
    request_id = make_registry(hub, ["N-1"])
    hub.review.apply_again(request_id, actor="person/pat")
    assert verify_all(hub).ok
    process(hub, request_id)
    assert submission(hub, request_id).revision == 2
    assert verify_all(hub).ok


@pytest.fixture
def decided(hub: Hub) -> Hub:
    """One item dismissed, one replayed and open again, under its next revision."""
    for number, name in enumerate(("one.csv", "two.csv"), 1):
        request_id = send_assets(hub, name, asset(f"N-{number}"))
        lose_bytes(hub, request_id)
        process(hub, request_id)
        bring_back_bytes(hub, request_id)
    first, second = hub.review.listing()
    hub.review.dismiss(first.item_id, actor="person/pat", reason=ReasonCode.TEST_DATA, note="of the rehearsal")
    hub.review.replay(second.item_id, actor="person/kim")
    lose_bytes(hub, second.request_id)
    process(hub, second.request_id)
    bring_back_bytes(hub, second.request_id)
    assert verify_all(hub).ok
    return hub


@pytest.mark.parametrize(
    ("closed_as", "changed"),
    [
        ("dismissed", {"resolved_by": "person/kim"}),
        ("dismissed", {"resolution": "test_data: of nobody"}),
        ("dismissed", {"state": "replayed"}),
        ("replayed", {"resolved_by": "person/pat"}),
    ],
)
def test_a_decision_that_was_rewritten_is_found(decided: Hub, closed_as: str, changed: dict[str, str]) -> None:
    with decided.db.write() as tx:
        where = review_item.c.state == closed_as
        item_id = tx.execute(select(review_item.c.item_id).where(where)).scalar_one()
        tx.execute(update(review_item).where(where).values(**changed))
    told = f"{item_id}: what was decided about it is not what the audit log tells"
    assert verify_all(decided).first_bad == told


@pytest.mark.parametrize("closed_as", ["dismissed", "replayed"])
def test_a_decision_that_was_made_to_vanish_is_found(decided: Hub, closed_as: str) -> None:
    with decided.db.write() as tx:
        where = review_item.c.state == closed_as
        item_id = tx.execute(select(review_item.c.item_id).where(where)).scalar_one()
        tx.execute(delete(review_item).where(where))
    told = f"{item_id}: the audit log tells of a decision about it, and its record is missing or open"
    assert verify_all(decided).first_bad == told
