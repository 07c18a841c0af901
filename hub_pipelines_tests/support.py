"""What the tests of stores and crashes share: a hub with short limits, files to send, and the invariants.

`assert_invariants` is the one list of what must hold after any fault; every crash test ends with it.
"""

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select, update

from hub_pipelines import settings
from hub_pipelines.audit import store as audit
from hub_pipelines.common.scope import Campus, Scope
from hub_pipelines.hub import KNOWN_FEEDS, Hub, open_hub
from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.snapshots import store as snapshots
from hub_pipelines.processing import AttemptFailed
from hub_pipelines.review import store as reviews
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import UNSETTLED, Busy, Lease, Repeat, State, Submission
from hub_pipelines.submission.retry import RetryPolicy

NORTH_INVENTORY = Scope("north", "inventory")
NORTH_PROCUREMENT = Scope("north", "procurement")
NORTH_LEDGER = "inventory.asset@north"

_TOML = """\
[campuses.north]
time_zone = "America/New_York"

[campuses.south]
time_zone = "America/New_York"

[limits]
stable_s = 0.1
lease_s = {lease_s}
max_attempts = {max_attempts}
"""

_ASSET = {
    "item_name": "Ethanol absolute",
    "category": "chemical",
    "quantity": "2.5",
    "unit": "L",
    "location": "Chem 214",
    "responsible_email": "d.reyes@north.example.edu",
    "acquired_on": "2025-08-29",
    "unit_cost": "84.50",
    "po_number": "PO-2025-0412",
    "cas_number": "64-17-5",
    "hazard_codes": "H225;H319",
}


# ---- a hub


def open_test_hub(home: Path, database_url: str, *, lease_s: float = 5.0, max_attempts: int = 5) -> Hub:
    """A hub in `home` (made when missing) whose retries wait milliseconds and whose drop folder does not sleep."""
    home.mkdir(parents=True, exist_ok=True)
    toml = home / "hub.toml"
    if not toml.exists():
        toml.write_text(_TOML.format(lease_s=lease_s, max_attempts=max_attempts), encoding="utf-8")
    loaded = settings.load(KNOWN_FEEDS, environment={"HUB_HOME": str(home), "HUB_DATABASE_URL": database_url})
    hub = open_hub(loaded)
    quick = RetryPolicy(max_attempts=loaded.limits.max_attempts, base_s=0.02, cap_s=0.05)
    return replace(
        hub,
        processing=replace(hub.processing, policy=quick),
        drop_folder=replace(hub.drop_folder, sleep=lambda _seconds: None),
    )


@dataclass(frozen=True, slots=True)
class _CampusOn(Campus):
    today: date

    def day_of(self, _moment: datetime) -> date:
        return self.today


def on_day(hub: Hub, day: date) -> Hub:
    """The same hub with the campuses' calendars at a day: what it posts has this ledger_date."""
    campuses: dict[str, Campus] = {
        one.name: _CampusOn(one.name, one.time_zone, day) for one in hub.processing.campuses.values()
    }
    return replace(hub, processing=replace(hub.processing, campuses=campuses))


# ---- files


def asset(tag: str, **changes: str) -> dict[str, str]:
    return {"asset_tag": tag, **_ASSET, **changes}


def inventory_csv(rows: Iterable[dict[str, str]]) -> bytes:
    """An inventory file; build its rows with `asset`."""
    columns = ["asset_tag", *_ASSET]
    lines = [",".join(columns), *(",".join(row[column] for column in columns) for row in rows)]
    return ("\n".join(lines) + "\n").encode("utf-8")


def procurement_csv(tags: Iterable[str], campus: str = "north") -> bytes:
    lines = ["asset_tag,po_number,campus", *(f"{tag},PO-2025-0412,{campus}" for tag in tags)]
    return ("\n".join(lines) + "\n").encode("utf-8")


def send(
    hub: Hub,
    name: str,
    data: bytes,
    scope: Scope = NORTH_INVENTORY,
    *,
    sender_key: str | None = None,
) -> Arrival:
    """Submit bytes as a file of this name."""
    path = hub.settings.home / "uploads" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return hub.submit(path, scope, actor="tester", sender_key=sender_key)


def send_assets(hub: Hub, name: str, *rows: dict[str, str]) -> str:
    """Submit an inventory file; its request_id."""
    arrival = send(hub, name, inventory_csv(rows))
    assert arrival.outcome is Outcome.RECEIVED
    assert arrival.request_id is not None
    return arrival.request_id


def make_registry(hub: Hub, tags: Iterable[str], campus: str = "north") -> str:
    """Post these tags into the registry; the submission's request_id."""
    arrival = send(hub, "registry.csv", procurement_csv(tags, campus), Scope(campus, "procurement"))
    assert arrival.request_id is not None
    posting = process(hub, arrival.request_id, owner="registrar")
    assert isinstance(posting, Posting)
    assert posting.rejected == 0
    return arrival.request_id


# ---- processing


def process(hub: Hub, request_id: str, *, owner: str = "worker") -> Posting | Busy | Repeat | State:
    """One run of one submission; the State is what a failed attempt led to. Raises LeaseLost."""
    answer = hub.processing.begin(request_id, owner)
    if not isinstance(answer, Lease):
        return answer
    try:
        with hub.processing.attempt(answer):
            hub.processing.check_archive(answer)
            hub.processing.validate(answer)
            return hub.processing.post(answer)
    except AttemptFailed as failed:
        return failed.state


def due_now(hub: Hub) -> list[Submission]:
    """What a sensor of each campus would launch, launched before or not."""
    with hub.db.read() as tx:
        each = [submissions.due(tx, campus, limit=100, relaunch_after=timedelta(0)) for campus in hub.campuses]
    return [one for due in each for one in due]


def process_all(hub: Hub, *, owner: str = "worker", patience_s: float = 30.0) -> list[Posting | Busy | Repeat | State]:
    """Work until every submission is settled, waiting for leases and retries of others."""
    outcomes: list[Posting | Busy | Repeat | State] = []
    deadline = time.monotonic() + patience_s
    while True:
        hub.processing.give_up_exhausted()
        due = due_now(hub)
        with hub.db.read() as tx:
            left = submissions.unsettled_count(tx)
        if not left:
            return outcomes
        outcomes += [process(hub, one.request_id, owner=owner) for one in due]
        assert time.monotonic() < deadline, f"{left} submissions did not settle in {patience_s} s"
        if not any(isinstance(one, Posting) for one in outcomes[-len(due) :]):
            time.sleep(0.05)


def take_everything(hub: Hub) -> list[Arrival]:
    """One look at all drop folders."""
    arrivals: list[Arrival] = []
    for campus in hub.drop_folder.scopes():
        scan = hub.drop_folder.take(campus, budget_s=30)
        assert not scan.troubles
        arrivals += scan.arrivals
    return arrivals


def lease(hub: Hub, request_id: str, owner: str = "worker") -> Lease:
    answer = hub.processing.begin(request_id, owner)
    assert isinstance(answer, Lease)
    return answer


def lease_and_validate(hub: Hub, request_id: str, owner: str = "worker") -> Lease:
    taken = lease(hub, request_id, owner)
    hub.processing.validate(taken)
    return taken


def expire_lease(hub: Hub, request_id: str) -> None:
    """As if its time had gone by."""
    with hub.db.write() as tx:
        changed = tx.execute(
            update(submissions.submission)
            .where(submissions.submission.c.request_id == request_id, submissions.submission.c.state == State.LEASED)
            .values(lease_until=datetime(2020, 1, 1, tzinfo=UTC))
        ).rowcount
    assert changed == 1


def make_retry_due(hub: Hub, request_id: str) -> None:
    with hub.db.write() as tx:
        tx.execute(
            update(submissions.submission)
            .where(submissions.submission.c.request_id == request_id)
            .values(retry_at=datetime(2020, 1, 1, tzinfo=UTC))
        )


def lose_bytes(hub: Hub, request_id: str) -> None:
    """The archived copy is gone, as after a disk's failure: the next run brings the submission to review."""
    path = hub.archive.object_path(submission(hub, request_id).envelope.content_digest)
    path.rename(path.with_name(path.name + ".lost"))


def bring_back_bytes(hub: Hub, request_id: str) -> None:
    path = hub.archive.object_path(submission(hub, request_id).envelope.content_digest)
    path.with_name(path.name + ".lost").rename(path)


def in_review_for_lost_bytes(hub: Hub, number: int) -> list[str]:
    """So many files of one row each in review for one reason, their bytes back again: each would post now."""
    sent = [send_assets(hub, f"lab-{at}.csv", asset("NC-0001", location=f"Room {at}")) for at in range(number)]
    for request_id in sent:
        lose_bytes(hub, request_id)
        assert process(hub, request_id, owner="unlucky") is State.IN_REVIEW
        bring_back_bytes(hub, request_id)
    return sent


def advancing(hub: Hub, owner: str) -> Callable[[Sequence[str]], bool]:
    """What `hub requeue` does where no daemon lives, without Dagster: work on the first one that is due."""

    def advance(request_ids: Sequence[str]) -> bool:
        hub.processing.give_up_exhausted()
        due = {one.request_id for one in due_now(hub)}
        first = next((one for one in request_ids if one in due), None)
        if first is not None:
            process(hub, first, owner=owner)
        return first is not None

    return advance


# ---- looking


def submission(hub: Hub, request_id: str) -> Submission:
    with hub.db.read() as tx:
        return submissions.get(tx, request_id)


def all_submissions(hub: Hub) -> list[Submission]:
    with hub.db.read() as tx:
        found = tx.execute(select(submissions.submission.c.request_id)).scalars().all()
        return [submissions.get(tx, request_id) for request_id in found]


def events(hub: Hub, request_id: str) -> list[str]:
    with hub.db.read() as tx:
        return [entry.event.event for entry in audit.entries_of(tx, request_id)]


def journal_size(hub: Hub) -> int:
    with hub.db.read() as tx:
        return tx.execute(select(func.count()).select_from(ledgers.journal)).scalar_one()


def ledger_values(hub: Hub, name: str = NORTH_LEDGER) -> dict[str, dict[str, object]]:
    return {row.key: row.values for row in ledgers.current_rows(hub.db, name)}


def ledger_version(hub: Hub, name: str = NORTH_LEDGER) -> int:
    with hub.db.read() as tx:
        return ledgers.current_version(tx, name)[0]


# ---- the invariants


def assert_invariants(hub: Hub, *, damaged: Collection[str] = ()) -> None:
    """What must hold after any fault (design 4.1, 4.2, 4.5). `damaged` objects were spoilt by the test itself."""
    everything = all_submissions(hub)
    _assert_states(hub, everything)
    _assert_effects(hub, everything)
    _assert_ledger_is_the_fold(hub)
    _assert_rows(hub, everything, damaged)
    report = audit.walk(hub.db)
    assert report.ok, report.first_bad
    _assert_archive(hub, everything, damaged)
    if all(one.state not in UNSETTLED for one in everything):
        left = [path for path in hub.settings.drop.rglob("*") if path.is_file() and ".claimed" in path.parts]
        assert not left, f"claimed and forgotten: {left}"


def _assert_states(hub: Hub, everything: list[Submission]) -> None:
    with hub.db.read() as tx:
        by_state = submissions.count_by_state(tx)
        assert sum(by_state.values()) == len(everything)
        for one in everything:
            assert (one.state is State.LEASED) == (one.lease_owner is not None)
            assert (one.cause is not None) == (one.state in (State.IN_REVIEW, State.DISMISSED))
            posted = ledgers.find_posting(tx, one.request_id, one.revision)
            assert (one.state is State.POSTED) == (posted is not None), f"{one.request_id} is {one.state}"
            if one.state is State.IN_REVIEW:
                assert reviews.open_items_of(tx, one.request_id), f"{one.request_id}: nobody sees it in review"
            running = [row for row in submissions.attempts_of(tx, one.request_id) if row["ended_at"] is None]
            assert len(running) == (one.state is State.LEASED)


def _assert_effects(hub: Hub, everything: list[Submission]) -> None:
    by_id = {one.request_id: one for one in everything}
    with hub.db.read() as tx:
        stored = [Posting(**row) for row in tx.execute(select(ledgers.idempotency.c.outcome)).scalars()]
        identities = [(one.request_id, one.revision) for one in stored]
        assert len(identities) == len(set(identities))
        journal = ledgers.journal.c
        effects = tx.execute(select(journal.request_id, journal.revision, journal.ledger, journal.version).distinct())
        effect_of = [tuple(row) for row in effects]
        assert len(effect_of) == len({row[:2] for row in effect_of}), "a posting has two effects"
        assert len(effect_of) == len({row[2:] for row in effect_of}), "two postings share a ledger version"
        assert {row[:2] for row in effect_of} == {(one.request_id, one.revision) for one in stored if one.posted}, (
            "a posting without journal entries, or entries without a posting"
        )
        for one in stored:
            assert ledgers.count_entries(tx, one.request_id, one.revision) == one.posted
            assert ledgers.digest_of_entries(tx, one.request_id, one.revision) == one.rows_digest
            entries = [
                entry
                for entry in audit.entries_of(tx, one.request_id)
                if entry.event.event == "submission:posted" and entry.event.detail["revision"] == one.revision
            ]
            assert len(entries) == 1, "a posting is audited once"
            current = by_id[one.request_id]
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
            assert ledgers.current_version(tx, name)[0] == version
        assert snapshots.first_miscount(tx) is None


def _assert_rows(hub: Hub, everything: list[Submission], damaged: Collection[str]) -> None:
    for one in everything:
        assert one.counts.accounted, f"{one.request_id}: {one.counts}"
        if one.state is State.POSTED and one.envelope.content_digest not in damaged:
            assert hub.processing.count_rows(one) == one.counts.received
    with hub.db.read() as tx:
        for campus, feed, day, counts in submissions.rows_by_scope(tx):
            assert counts.accounted, f"{campus} {feed} {day}: {counts}"


def _assert_archive(hub: Hub, everything: list[Submission], damaged: Collection[str]) -> None:
    kept = {path.parent.name for path in hub.archive.envelopes()}
    for one in everything:
        digest = one.envelope.content_digest
        assert one.request_id in kept, f"{one.request_id}: no envelope in the archive"
        hub.keys.verify(one.envelope)
        if digest not in damaged:
            assert hashlib.sha256(hub.archive.object_path(digest).read_bytes()).hexdigest() == digest
