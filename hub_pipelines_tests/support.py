"""What the tests of stores and crashes share: a hub with short limits, files to send, runs to make.

What must hold after any fault is in invariants.py.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow
from sqlalchemy import func, select, update

from hub_pipelines import settings
from hub_pipelines.audit import store as audit
from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.scope import Campus, Scope
from hub_pipelines.common.store import Database, database_now
from hub_pipelines.hub import KNOWN_FEEDS, Hub, open_hub
from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.model import LedgerTaken, Posting
from hub_pipelines.portals import store as portals
from hub_pipelines.processing import AttemptFailed
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Busy, Lease, Repeat, State, Submission
from hub_pipelines.submission.queue import store as queue
from hub_pipelines.submission.retry import RetryPolicy
from hub_pipelines.validate.staging import ChunkLimits, StagedChunk, StagedRow
from hub_pipelines_tests.invariants import assert_invariants as assert_invariants

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


def open_test_hub(home: Path, database_url: str, *, lease_s: float = 60.0, max_attempts: int = 5) -> Hub:
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
        one.name: _CampusOn(one.name, one.time_zone, day) for one in hub.judge.campuses.values()
    }
    judge = replace(hub.judge, campuses=campuses)
    return replace(hub, judge=judge, processing=replace(hub.processing, judge=judge))


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
    complete_count: bool = False,
) -> Arrival:
    """Submit bytes as a file of this name."""
    path = hub.settings.home / "uploads" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return hub.submit(path, scope, actor="tester", sender_key=sender_key, complete_count=complete_count)


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


@dataclass(frozen=True, slots=True)
class Listed:
    """Staged rows that are in no file."""

    rows: Sequence[StagedRow]

    def __len__(self) -> int:
        return len(self.rows)

    def chunks(self, _limits: ChunkLimits) -> Iterator[StagedChunk]:
        rows = [{**asdict(row), "problems": canonical_text(row.problems)} for row in self.rows]
        kinds = {"row_no": pyarrow.int64(), **dict.fromkeys(("verdict", "key", "values", "problems"), pyarrow.string())}
        yield StagedChunk(pyarrow.RecordBatch.from_pylist(rows, schema=pyarrow.schema(kinds.items())))


# ---- processing


def process(hub: Hub, request_id: str, *, owner: str = "worker") -> Posting | Busy | Repeat | State:
    """One run of one submission; the State is what a failed attempt, or giving way, led to. Raises LeaseLost."""
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
    except LedgerTaken:
        return State.RECEIVED
    posting = hub.processing.posting_of(answer)
    assert posting is not None
    return posting


def due_now(hub: Hub) -> list[Submission]:
    """What a sensor of each campus would launch, launched before or not."""
    with hub.db.read() as tx:
        each = [queue.due(tx, campus, limit=100, relaunch_after=timedelta(0)) for campus in hub.campuses]
    return [one for due in each for one in due]


def process_all(hub: Hub, *, owner: str = "worker", patience_s: float = 120.0) -> list[Posting | Busy | Repeat | State]:
    """Work until every submission is settled, waiting for leases and retries of others."""
    outcomes: list[Posting | Busy | Repeat | State] = []
    deadline = time.monotonic() + patience_s
    while True:
        hub.ending.give_up_exhausted()
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


def expire_leases(database: Database, *, in_s: float = -3_600.0) -> None:
    """Every lease, of submissions and of portals, ends in so many seconds: at once, as if its time had gone by."""
    with database.write() as tx:
        until = database_now(tx) + timedelta(seconds=in_s)
        for leased in (submissions.submission, portals.portal):
            tx.execute(update(leased).where(leased.c.lease_until.is_not(None)).values(lease_until=until))


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
        hub.ending.give_up_exhausted()
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
        return tx.execute(select(func.count()).select_from(ledgers.journal_row)).scalar_one()


def ledger_values(hub: Hub, name: str = NORTH_LEDGER) -> dict[str, dict[str, object]]:
    return {row.key: row.values for row in ledger_items.current_rows(hub.db, name)}


def ledger_version(hub: Hub, name: str = NORTH_LEDGER) -> int:
    with hub.db.read() as tx:
        return ledger_items.current_version(tx, name)[0]


def wait_until(true: Callable[[], bool], patience_s: float, what: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, f"not in {patience_s:.0f} s: {what()}"
        time.sleep(0.1)
