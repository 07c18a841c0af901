"""Polling a portal over real HTTP: each record once, none missed, whatever pages do; nothing is doubled or skipped."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from hub_pipelines.audit.model import Event
from hub_pipelines.cli.portals import portal_document, portal_line
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.doctor.model import diagnose
from hub_pipelines.doctor.service import checks_of
from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.inbox.model import Capacity, Load
from hub_pipelines.messaging import messages_named
from hub_pipelines.metrics import exposition
from hub_pipelines.portals import store
from hub_pipelines.portals.client import http_client
from hub_pipelines.portals.pacing import Breaker
from hub_pipelines.portals.service import NO_ROOM, Outcome
from hub_pipelines.portals.state import PollEnd
from hub_pipelines.recovery.model import Kind, Position
from hub_pipelines.recovery.service import Reconciler
from hub_pipelines.review.store import review_item
from hub_pipelines.submission.model import Envelope, State
from hub_pipelines.submission.store import submission as submission_table
from hub_pipelines.validate.messages import came_under
from hub_pipelines_tests.messages import settle
from hub_pipelines_tests.portals.serving import Clock, Portal, asset, serving, toml
from hub_pipelines_tests.stores.test_recovery import KnownRuns
from hub_pipelines_tests.support import all_submissions, assert_invariants, ledger_values, open_test_hub
from hub_pipelines_tests.tampering import rewrite

LEDGER = "procurement.asset@all"
CAMPUSES = """\
[campuses.north]
time_zone = "America/New_York"

[campuses.south]
time_zone = "America/New_York"

[limits]
stable_s = 0.1
lease_s = 5.0
"""


@pytest.fixture
def portal() -> Iterator[Portal]:
    with serving(Portal({number: asset(number) for number in range(1, 121)})) as running:
        yield running


def hub_of(home: Path, database_url: str, portal: Portal, paging: str = 'style = "page"', **more: Any) -> Hub:
    home.mkdir(parents=True, exist_ok=True)
    (home / "hub.toml").write_text(CAMPUSES + toml(portal, paging=paging, **more), encoding="utf-8")
    return open_test_hub(home, database_url)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def sqlite(home: Path) -> str:
    return f"sqlite:///{home / 'hub.db'}"


def poll(hub: Hub, for_s: float = 60.0, **more: Any) -> Outcome:
    return hub.portals.poll("erp", for_s=for_s, **more)


def timed(hub: Hub, clock: Clock, seed: int = 1) -> Hub:
    """The same hub in a time of its own."""
    portals = replace(
        hub.portals,
        now=clock.now,
        sleep=clock.sleep,
        monotonic=clock.monotonic,
        draw=random.Random(seed).random,
        client=partial(http_client, clock.now),
    )
    return replace(hub, portals=portals)


def tick_until_complete(hub: Hub, clock: Clock, portal: str = "erp") -> list[Outcome]:
    """As the sensor does: poll when it is due, until a poll is complete."""
    outcomes: list[Outcome] = []
    while not outcomes or outcomes[-1].end is not PollEnd.COMPLETE:
        assert len(outcomes) < 200, "the poll does not come to its end"
        at = hub.portals.due_at(portal)
        clock.sleep((at - clock.now()).total_seconds() if at else 0.0)
        outcomes.append(hub.portals.poll(portal, for_s=600.0))
    return outcomes


# ---- each record once


def test_all_records_are_taken_once_archived_signed_and_posted_and_changed_ones_again(
    home: Path, hub_database_url: str, portal: Portal
) -> None:
    hub = hub_of(home, hub_database_url, portal, overlap_h=8_000)

    first, second = poll(hub), poll(hub)
    settle(hub)
    before = ledger_values(hub, LEDGER)
    portal.change(7)
    third = poll(hub)
    portal.records[7] = asset(7)  # taken back: what it said at first counts again
    fourth = poll(hub)
    settle(hub)

    assert (first.end, first.tally.records, first.tally.taken, first.tally.pages) == (PollEnd.COMPLETE, 120, 120, 3)
    assert (second.end, second.tally.taken, second.tally.known) == (PollEnd.COMPLETE, 0, 120)
    assert (third.tally.taken, fourth.tally.taken) == (1, 1)
    assert {one["asset_tag"] for one in before.values()} == {f"NC-{n:06d}" for n in range(1, 121)}
    assert ledger_values(hub, LEDGER) == before
    assert [one.state for one in all_submissions(hub)] == [State.POSTED] * 2
    assert_pages_are_signed(hub, first)
    assert_invariants(hub)


def assert_pages_are_signed(hub: Hub, outcome: Outcome) -> None:
    with hub.db.read() as tx:
        pages = store.pages_of(tx, str(outcome.poll_id))
    assert [one.number for one in pages] == list(range(1, outcome.tally.pages + 1))
    for one in pages:
        envelope = Envelope.from_document(one.envelope)
        hub.keys.verify(envelope)
        hub.archive.verify(envelope.content_digest)
        assert envelope.content_digest == one.content_digest


def test_a_record_is_known_by_the_name_that_its_batchs_receipt_tells(home: Path, sqlite: str, portal: Portal) -> None:
    hub = hub_of(home, sqlite, portal)
    poll(hub)
    settle(hub)
    (batch,) = all_submissions(hub)
    names = came_under(hub.archive.object_path(batch.envelope.content_digest), {7})
    assert [one.row_no for one in messages_named(hub, names[7])] == [7]


@pytest.mark.parametrize("paging", ['style = "offset"', 'style = "link_header"', 'style = "next_link"'])
def test_each_way_of_paging_reads_all_pages(home: Path, sqlite: str, portal: Portal, paging: str) -> None:
    hub = hub_of(home, sqlite, portal, paging)

    outcome = poll(hub)

    assert (outcome.end, outcome.tally.taken, outcome.tally.pages) == (PollEnd.COMPLETE, 120, 3)


@pytest.mark.parametrize("tells_total", [True, False])
def test_records_that_slip_past_while_others_change_are_found_by_reading_again(
    home: Path, sqlite: str, portal: Portal, tells_total: bool
) -> None:
    """Sorted by their change, one that changes goes to the end, and one behind it slips onto a page that was read."""
    portal.order = lambda one: one["updated"]
    portal.tells_total = tells_total
    left = [3, 4, 60]

    def moves(running: Portal) -> None:
        if left:
            running.change(left.pop())

    portal.moves = moves
    hub = hub_of(home, sqlite, portal, 'style = "offset"')

    outcome = poll(hub)

    assert outcome.end is PollEnd.COMPLETE
    assert outcome.tally.pages > 3
    assert hub.inbox.count_seen("portal/erp", 1) < 120, "nothing slipped past the first pass: the test tests nothing"
    assert set(hub.inbox.versions("portal/erp", [str(n) for n in range(1, 121)])) == {str(n) for n in range(1, 121)}


def test_a_portal_with_failing_pages_and_changing_records_is_read_whole(home: Path, sqlite: str) -> None:
    """The bench does the same with 50,000 records."""
    portal = Portal({number: asset(number) for number in range(1, 2_001)}, fails=0.05)
    chance = random.Random(3)
    portal.moves = lambda running: running.change(chance.randint(1, 2_000))
    clock = Clock()
    with serving(portal):
        hub = timed(hub_of(home, sqlite, portal, every_s=60), clock)
        tick_until_complete(hub, clock)
        portal.moves = lambda _running: None
        tick_until_complete(hub, clock)  # what changed behind the reader is told by the next poll
    settle(hub)

    values = {one["asset_tag"]: one["description"] for one in ledger_values(hub, LEDGER).values()}
    assert values == {one["tag"]: one["description"] for one in portal.records.values()}
    assert_invariants(hub)


# ---- failures


def test_a_page_that_fails_is_never_an_empty_one_and_the_next_poll_goes_on_with_it(
    home: Path, sqlite: str, portal: Portal
) -> None:
    clock = Clock()
    hub = timed(hub_of(home, sqlite, portal, order="stable"), clock)
    asked_before_failing = 1
    portal.down = lambda: (500, {}) if len(portal.asked) > asked_before_failing else None

    failed = poll(hub)
    state, failed_at = hub.portals.state("erp"), clock.now()
    portal.down = lambda: None
    goes_on = tick_until_complete(hub, clock)

    assert failed.end is PollEnd.FAILED
    assert (failed.tally.pages, failed.tally.failed_requests) == (1, 5)
    assert state is not None
    assert state.cursor is None
    assert state.health.breaker(failed_at) is Breaker.OPEN
    assert goes_on[-1].poll_id == failed.poll_id
    assert (goes_on[-1].tally.pages, goes_on[-1].tally.taken) == (3, 120)
    assert [asked["page"] for _, asked in portal.asked] == ["1", *["2"] * 6, "3"]
    assert hub.portals.state("erp").cursor is not None  # type: ignore[union-attr]  # it was polled


def test_an_outage_of_ten_minutes_costs_a_bounded_number_of_requests_none_before_the_portal_allows_it(
    home: Path, sqlite: str
) -> None:
    """Fault 13: 1,000 items wait while the portal answers 503 and 429."""
    clock = Clock()
    portal = Portal({number: asset(number) for number in range(1, 1_001)}, clock=clock.monotonic)
    ends = clock.monotonic() + 600
    refused = [(503, {"retry-after": "20"}), (429, {"retry-after": "20"})]
    portal.down = lambda: refused[len(portal.asked) % 2] if clock.monotonic() < ends else None
    with serving(portal):
        hub = timed(hub_of(home, sqlite, portal, order="stable", size=100), clock)
        outcomes = tick_until_complete(hub, clock)
    during = [at for at, _ in portal.asked if at < ends]
    gaps = [later - at for at, later in pairwise(during)]

    assert outcomes[-1].tally.taken == 1_000
    assert 2 <= len(during) <= 12
    assert min(gaps) >= 20
    assert clock.monotonic() < ends + 1_000, "it came back long after the outage had ended"


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "look at its key"), (404, "does not take this request"), (302, "correct its address")],
)
def test_what_a_person_must_mend_is_asked_once_and_told(
    home: Path, sqlite: str, portal: Portal, status: int, says: str
) -> None:
    hub = hub_of(home, sqlite, portal)
    portal.down = lambda: (status, {"location": "http://127.0.0.1:1/"})

    outcome, again = poll(hub), poll(hub)

    assert (outcome.end, again.end, len(portal.asked)) == (PollEnd.FAILED, PollEnd.FAILED, 1)
    assert says in str(outcome.reason)
    portal.down = lambda: None  # mended
    assert poll(hub).end is PollEnd.FAILED
    assert poll(hub, actor="person/ann").end is PollEnd.COMPLETE


def test_a_200_that_is_no_page_is_no_empty_page(home: Path, sqlite: str, portal: Portal) -> None:
    hub = timed(hub_of(home, sqlite, portal, records="data.elsewhere"), Clock())

    outcome = poll(hub)

    assert (outcome.end, outcome.tally.failed_requests) == (PollEnd.FAILED, 5)
    assert "no list of records" in str(outcome.reason)


def test_a_next_page_elsewhere_is_not_asked_and_gets_no_key(
    home: Path, sqlite: str, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERP_KEY", "a-secret-of-the-erp")
    with serving(Portal({1: asset(1)})) as stranger:
        hub = hub_of(home, sqlite, portal, 'style = "next_link"', auth={"kind": "bearer", "env": "ERP_KEY"})
        right, portal.port = portal.port, stranger.port  # from here on its links lead there
        outcome = poll(hub)
        portal.port = right

    assert (outcome.end, stranger.asked) == (PollEnd.FAILED, [])
    assert portal.keys == ["Bearer a-secret-of-the-erp"]
    for path in (home / "hub.log", home / "hub.db", home / "hub.db-wal"):
        assert b"a-secret" not in (path.read_bytes() if path.exists() else b"")


def test_a_key_that_is_not_there_or_open_to_others_is_told_by_its_setting(
    home: Path, sqlite: str, portal: Portal
) -> None:
    hub = hub_of(home, sqlite, portal, auth={"kind": "header", "header": "x-api-key", "file": "keys/erp"})
    with pytest.raises(SettingsError, match=r"\[portals.erp\] auth: .*keys/erp can't be read"):
        poll(hub)
    (home / "keys" / "erp").write_text("k-1\n", encoding="utf-8")
    (home / "keys" / "erp").chmod(0o644)
    with pytest.raises(SettingsError, match="can be read by others"):
        poll(hub)
    (home / "keys" / "erp").chmod(0o600)

    assert poll(hub).end is PollEnd.COMPLETE
    assert set(portal.keys) == {"k-1"}


# ---- shapes


def lose_what_is_held(hub: Hub) -> None:
    """As if the database were older than the archive, and its audit chain with it."""
    held = [one.request_id for one in hub.review.listing()]

    def then(told: list[tuple[Any, Event]]) -> None:
        told[:] = [one for one in told if one[1].request_id not in held]

    for campus in (*hub.campuses, RESERVED_CAMPUS):
        rewrite(hub, campus, then)
    with hub.db.write() as tx:
        for table in (submission_table, arrivals.arrival, review_item, store.portal_held):
            tx.execute(delete(table).where(table.c.request_id.in_(held)))
        tx.execute(delete(store.portal_shape))


def test_records_of_another_shape_are_held_side_by_side_and_the_rest_goes_on(
    home: Path, hub_database_url: str, portal: Portal
) -> None:
    hub = hub_of(home, hub_database_url, portal, overlap_h=8_000)
    for number in (10, 11):
        portal.records[number]["order"] = {"no": "PO-2026-0099"}
    portal.records[12]["id"] = None

    first, again = poll(hub), poll(hub)
    settle(hub)
    drifted, nameless = sorted(hub.review.listing(), key=lambda one: one.reason, reverse=True)
    _, shape, fields = hub.portal_shapes.show(drifted.item_id)

    assert (first.tally.taken, first.tally.held, again.tally.held) == (117, 3, 0)
    assert (drifted.cause, nameless.cause) == ("drift", "drift")
    assert drifted.reason.startswith("2 records of the portal erp differ from those before: order.number was text")
    assert [(one["path"], one["now"], one["value_before"]) for one in fields] == [
        ("order.number", "absent", "PO-2026-0001")
    ]
    assert "It has no id, by which it is known." in nameless.reason
    assert shape.accepted_at is None
    assert len(ledger_values(hub, LEDGER)) == 117

    lose_what_is_held(hub)
    look = Reconciler(hub, KnownRuns(), unregistered_s=0.0).look(Position(), thorough=True)
    assert len(look.mended) == 2
    assert poll(hub).tally.held == 0, "it is known again what waits"
    for one in (drifted, nameless):
        again_filed, _ = hub.review.show(one.item_id)
        assert (again_filed.cause, again_filed.reason, again_filed.fix) == (one.cause, one.reason, one.fix)

    hub.portal_shapes.accept(drifted.item_id, actor="person/ann")
    portal.records[13]["order"] = {"no": "PO-2026-0099"}
    later = poll(hub)
    settle(hub)

    assert (later.tally.held, later.tally.taken) == (0, 3)  # the one that changed now, and both that were held
    assert [one.item_id for one in hub.review.listing()] == [nameless.item_id]
    assert_invariants(hub)


# ---- polls


def test_a_poll_that_is_cut_short_goes_on_and_one_asked_to_begin_later_leaves_the_cursor(
    home: Path, sqlite: str, portal: Portal
) -> None:
    hub = hub_of(home, sqlite, portal, order="stable", first_day="2026-03-01")

    cut = poll(hub, for_s=-1)
    whole = poll(hub)
    cursor = hub.portals.state("erp").cursor  # type: ignore[union-attr]  # it was polled
    later = poll(hub, since=datetime.now(UTC) + timedelta(days=1))
    moved = hub.portals.state("erp").cursor  # type: ignore[union-attr]

    assert (cut.end, cut.tally.pages) == (PollEnd.UNFINISHED, 0)
    assert (whole.poll_id, whole.end) == (cut.poll_id, PollEnd.COMPLETE)
    assert (later.end, moved) == (PollEnd.COMPLETE, cursor)
    assert cursor is not None
    assert portal.asked[0][1]["since"].startswith("2026-03-01")


def test_a_poll_stops_when_the_inbox_is_nearly_full_and_goes_on_when_there_is_room(
    home: Path, sqlite: str, portal: Portal
) -> None:
    hub = hub_of(home, sqlite, portal)
    small = replace(hub.inbox, capacity=Capacity(Load(100, 10**9)))

    full = replace(hub, portals=replace(hub.portals, inbox=small)).portals.poll("erp", for_s=60.0)
    settle(hub)
    rest = replace(hub, portals=replace(hub.portals, inbox=small)).portals.poll("erp", for_s=60.0)

    assert (full.end, full.reason, full.tally.taken) == (PollEnd.UNFINISHED, NO_ROOM, 100)
    assert (rest.end, rest.poll_id, rest.tally.taken) == (PollEnd.COMPLETE, full.poll_id, 120)


def test_only_one_process_polls_a_portal_at_a_time(home: Path, sqlite: str, portal: Portal) -> None:
    hub = hub_of(home, sqlite, portal)
    with hub.db.write() as tx:
        store.claim(tx, "erp", lease_s=60)

    assert poll(hub).end is PollEnd.BUSY
    assert not hub.portals.is_due("erp")


@dataclass
class Overtaken:
    """Asks as always; before its second answer is given its lease ends, and somebody else polls to the end."""

    inner: Any
    meanwhile: Callable[[], object]
    asked: int = 0

    def ask(self, request: Any, key: Any, pace: Any) -> Any:
        answer = self.inner.ask(request, key, pace)
        self.asked += 1
        if self.asked == 2:
            self.meanwhile()
        return answer


def test_who_was_overtaken_while_it_waited_for_an_answer_writes_nothing_more_of_the_poll(
    home: Path, hub_database_url: str, portal: Portal
) -> None:
    hub = hub_of(home, hub_database_url, portal, order="stable")
    other = open_test_hub(home, hub_database_url)
    ends: list[Outcome] = []

    def poll_to_the_end() -> None:
        time.sleep(0.3)  # the lease of the first one is over
        portal.change(60)  # the second one sees what the first one's answer does not have
        ends.append(poll(other))

    @contextmanager
    def client() -> Iterator[Overtaken]:
        with http_client(hub.portals.now) as inner:
            yield Overtaken(inner, poll_to_the_end)

    slow = replace(hub, portals=replace(hub.portals, client=client, lease_s=0.2))
    first = poll(slow)
    settle(hub)

    assert (first.end, ends[0].end, ends[0].tally.pages) == (PollEnd.BUSY, PollEnd.COMPLETE, 3)
    assert hub.inbox.count() == 120
    values = {one["asset_tag"]: one["description"] for one in ledger_values(hub, LEDGER).values()}
    assert values == {one["tag"]: one["description"] for one in portal.records.values()}
    assert_pages_are_signed(hub, ends[0])
    assert_invariants(hub)


def test_the_archived_envelope_of_a_page_that_was_changed_is_named_and_written_again(
    home: Path, sqlite: str, portal: Portal
) -> None:
    hub = hub_of(home, sqlite, portal)
    outcome = poll(hub)
    with hub.db.read() as tx:
        pages = store.pages_of(tx, str(outcome.poll_id))
    path = hub.archive.page_path(Envelope.from_document(pages[1].envelope))
    before = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(before.replace(b"application/json", b"text/plain"))
    fault = str(verify_all(hub).first_bad)
    assert fault.startswith(f"{outcome.poll_id}, page 2: The archived envelope archive/pages/")
    assert fault.endswith("is not what was signed. `hub reconcile` writes it again from the database.")

    hub.archive.page_path(Envelope.from_document(pages[2].envelope)).unlink()
    look = Reconciler(hub, KnownRuns()).look(Position(), thorough=True)
    assert [one.kind for one in look.mended] == [Kind.ENVELOPE_LOST] * 2
    assert (look.left, path.read_bytes()) == ((), before)
    assert verify_all(hub).ok


def test_a_page_that_was_changed_is_found_by_the_audit(home: Path, sqlite: str, portal: Portal) -> None:
    hub = hub_of(home, sqlite, portal)
    outcome = poll(hub)
    assert verify_all(hub).ok

    with hub.db.read() as tx:
        path = hub.archive.object_path(store.pages_of(tx, str(outcome.poll_id))[1].content_digest)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"NC-000060", b"NC-000061"))

    assert str(verify_all(hub).first_bad).startswith(f"{outcome.poll_id}, page 2")
    with hub.db.write() as tx:
        tx.execute(store.portal_page.delete().where(store.portal_page.c.number == 2))
    assert "are not what the audit log tells" in str(verify_all(hub).first_bad)


def test_a_look_takes_nothing(home: Path, sqlite: str, portal: Portal) -> None:
    hub = hub_of(home, sqlite, portal)
    found = hub.portals.look("erp", for_s=60)

    assert (len(found.new), found.complete, found.pages) == (120, True, 3)
    assert hub.inbox.count() == 0
    assert list(hub.archive.digests()) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"record_type": "procurement.order"}, "record_type: 'procurement.order' is none of this hub"),
        ({"campus": "moon"}, "campus: 'moon' is no campus"),
        ({"url": "http://erp.example.edu/x"}, "use https"),
        ({"optional": ["nothing"]}, "`optional` names nothing"),
        ({"natural_id": []}, "portals.erp.rest.natural_id"),
        ({"auth": {"kind": "basic", "env": "X"}}, '`user` belongs to kind = "basic"'),
    ],
)
def test_a_wrong_setting_is_refused_with_its_name(
    home: Path, sqlite: str, portal: Portal, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(SettingsError) as told:
        hub_of(home, sqlite, portal, **changed)
    assert says in str(told.value)


def test_status_doctor_and_metrics_tell_where_a_portal_stands(
    home: Path, sqlite: str, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERP_KEY", "k-1")
    hub = hub_of(home, sqlite, portal, auth={"kind": "bearer", "env": "ERP_KEY"})
    poll(hub)
    portal.down = lambda: (403, {})
    poll(hub)

    (told,) = [one for one in diagnose(checks_of(hub.settings)).findings if one.check == "portals"]
    assert (told.severity, told.command) == ("error", "hub portals list")
    assert "look at its key" in told.text
    line = portal_line(portal_document(hub, "erp"))
    assert "breaker open" in line
    assert "4 requests so far, 1 failed" in line
    assert 'hub_portal_requests{outcome="failed",portal="erp"} 1.0' in exposition(hub)
    monkeypatch.delenv("ERP_KEY")
    (told,) = [one for one in diagnose(checks_of(hub.settings)).findings if one.check == "portals"]
    assert "[portals.erp] auth: the environment variable ERP_KEY is not set" in told.text
