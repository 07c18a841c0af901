"""Messages from acknowledgement to ledger, on both databases: each has one effect and a fate that can be asked for."""

import json
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count, islice
from typing import Any

import pytest
from sqlalchemy import select, text, update

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.scope import Scope
from hub_pipelines.evidence import account_for, conservation, verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox import store as inbox_store
from hub_pipelines.intake.inbox.model import Answer, Capacity, Delivery, Incoming, Load
from hub_pipelines.messaging import NO_COLUMN, Fate, conflict_case, messages_named
from hub_pipelines.messaging import body_of as message_body
from hub_pipelines.rebuilding import reproduce
from hub_pipelines.review import store as reviews
from hub_pipelines.review.model import ReasonCode
from hub_pipelines.submission.model import State
from hub_pipelines.validate.messages import record_type_for
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import (
    STOCK,
    STOCK_LEDGER,
    add_source,
    body_of,
    fates,
    lines,
    message,
    moved,
    outcome,
    quantities,
    settle,
    stock,
    take,
)
from hub_pipelines_tests.stores.test_bodies import make_all_old, prune
from hub_pipelines_tests.support import (
    all_submissions,
    events,
    journal_size,
    ledger_values,
    on_day,
    open_test_hub,
    process,
    process_all,
)

BODY_OF_SOMEBODY_ELSE = body_of(stock("Benzene", 1))
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


# ---- taking


def test_a_repeated_delivery_is_one_message_with_one_request_id(hub: Hub) -> None:
    one = message("m-1", body_of(stock("Ethanol", 5)))
    first, repeat = take(hub, one, one)
    (later,) = take(hub, one)

    assert [first.answer, repeat.answer, later.answer] == [Answer.RECEIVED, Answer.DUPLICATE, Answer.DUPLICATE]
    assert first.request_ids == repeat.request_ids == later.request_ids
    assert first.request_ids[0].startswith("north-inventory-")
    settle(hub)
    assert journal_size(hub) == 1
    assert_invariants(hub)


def test_fifty_repeats_at_once_are_one_message(hub: Hub) -> None:
    one = message("m-1", body_of(stock("Ethanol", 5)))
    with ThreadPoolExecutor(10) as pool:
        answers = [answers[0] for answers in pool.map(lambda _: take(hub, one), range(50))]

    assert sum(each.answer is Answer.RECEIVED for each in answers) == 1
    assert len({each.request_ids for each in answers}) == 1
    assert [each.messages for each in hub.inbox.waiting()] == [1]


@pytest.mark.parametrize(
    "other",
    [
        message("m-1", body_of(stock("Ethanol", 6))),
        message("m-1", body_of(stock("Ethanol", 5)), scope=Scope("south", "inventory")),
    ],
    ids=["other contents", "another campus"],
)
def test_something_else_under_a_known_webhook_id_is_a_conflict_and_changes_nothing(hub: Hub, other: Delivery) -> None:
    (first,) = take(hub, message("m-1", body_of(stock("Ethanol", 5))))
    for _ in range(2):  # senders repeat what is refused
        (answered,) = take(hub, other)
        assert answered.answer is Answer.CONFLICT
        hub.conflicts.file(other, answered)

    (item,) = hub.review.listing()
    assert (item.cause, item.request_id) == ("conflict", first.request_ids[0])
    case = conflict_case(hub, item, messages_named(hub, item.request_id)[0])
    assert case["first"]["body"].encode() == body_of(stock("Ethanol", 5))
    assert case["then"]["body"].encode() == other.body
    assert [one["fate"] for one in case["first"]["messages"]] == [Fate.WAITING]
    assert hub.archive.object_path(item.content_digest).read_bytes() == other.body
    assert events(hub, first.request_ids[0]) == ["message:conflict"]
    settle(hub)
    assert quantities(hub) == {"Ethanol": "5"}
    hub.review.dismiss(item.item_id, actor="person/ann", reason=ReasonCode.SENT_IN_ERROR)
    assert_invariants(hub)
    assert verify_all(hub).first_bad is None
    kept = hub.archive.object_path(item.content_digest)
    kept.chmod(0o600)
    kept.write_bytes(BODY_OF_SOMEBODY_ELSE)
    assert "a conflict with" in str(verify_all(hub).first_bad)


@pytest.mark.parametrize("seed", range(4))
def test_a_group_that_is_taken_in_one_go_is_taken_as_it_is_one_by_one(hub: Hub, seed: int) -> None:
    """PostgreSQL takes a group in one statement where there is room. It tells and keeps what the longer way does."""
    chance = random.Random(seed)
    for _ in range(12):
        group = [any_delivery(chance) for _ in range(chance.randint(1, 9))]
        other = hub.inbox.prepare([one._replace(source="other") for one in group])
        at_once = take(hub, *group)
        with hub.inbox.db.short() as short:
            each = inbox_store.accept(short, other, capacity=hub.inbox.capacity)
        with hub.inbox.db.read() as tx:
            one_by_one = [told or inbox_store.known(tx, one) for told, one in zip(each, other.deliveries, strict=True)]
        assert [one.answer for one in at_once] == [one.answer for one in one_by_one]
        assert [len(one.request_ids) for one in at_once] == [len(one.request_ids) for one in one_by_one]
    kept, kept_one_by_one = (in_order(hub, source) for source in ("erp", "other"))
    assert kept == kept_one_by_one
    assert hub.inbox.filling().whole.messages == 2 * len(kept)


def any_delivery(chance: random.Random) -> Delivery:
    """Of few webhook-ids, so that repeats and conflicts are many."""
    webhook_id = f"m-{chance.randrange(12)}"
    if chance.random() < 0.3:
        return lines(webhook_id, dict.fromkeys(sorted(chance.sample(range(1, 6), 2)), "Acetone"))
    return message(webhook_id, body_of(stock("Ethanol", chance.randrange(2))))


def in_order(hub: Hub, source: str) -> list[tuple[str, int, bytes]]:
    m = inbox_store.message.c
    with hub.inbox.db.read() as tx:
        query = select(m.webhook_id, m.line, m.body).where(m.source == source).order_by(m.number)
        return [(one.webhook_id, one.line, bytes(one.body)) for one in tx.execute(query)]


def test_a_plan_of_when_there_was_little_does_not_read_much_later(hub: Hub) -> None:
    """PostgreSQL keeps what it has planned for a connection, here by statistics of an inbox of three pages."""
    if not hub.inbox.db.is_postgres:
        pytest.skip("SQLite plans each statement by its indexes")
    names = map(str, count())

    def take_new(number: int) -> None:
        deliveries = [message(name, body_of(stock(f"Item {name}", 1))) for name in islice(names, number)]
        assert {one.answer for one in take(hub, *deliveries)} == {Answer.RECEIVED}

    def read() -> tuple[int, int]:
        of_it = "FROM pg_stat_user_tables WHERE relname = 'inbox_message'"
        with hub.inbox.db.read() as tx:
            return tuple(tx.execute(text(f"SELECT idx_scan, seq_tup_read {of_it}")).one())

    take_new(15)
    with hub.inbox.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    for number in (*[1] * 8, *[16] * 40):
        take_new(number)
    deadline = time.monotonic() + 60
    while read()[0] < 600:  # a session tells what it has read a second later, at its next transaction
        assert time.monotonic() < deadline, read()
        time.sleep(0.2)
        take_new(1)
    assert read()[1] < 600


@pytest.mark.parametrize("room", [100, 3, 1])
def test_the_next_group_is_asked_for_once_however_a_group_is_taken(hub: Hub, room: int) -> None:
    """Who hands it over does so when it is asked, and forgets one that was handed over before."""
    small = roomy(hub, room)
    group = small.inbox.prepare([message(f"m-{at}", body_of(stock("Ethanol", at))) for at in range(4)])
    asked: list[int | None] = []
    answers = small.inbox.accept(group, meanwhile=asked.append)
    assert sum(one.answer is Answer.RECEIVED for one in answers) == min(room, 4)
    assert len(asked) == 1


def test_the_same_webhook_id_of_two_sources_is_two_messages(hub: Hub) -> None:
    one = message("m-1", body_of(stock("Ethanol", 5)))
    answers = take(hub, one, one._replace(source="procurement"))
    assert {each.answer for each in answers} == {Answer.RECEIVED}
    assert answers[0].request_ids != answers[1].request_ids


def test_a_message_dated_ahead_and_replayed_long_after_is_still_a_duplicate(hub: Hub) -> None:
    """Fault 10: the key outlives the window in which a signature is taken."""
    one = message("m-1", body_of(stock("Ethanol", 5)))
    take(hub, one)
    settle(hub)
    (answered,) = take(
        replace(hub, inbox=replace(hub.inbox, now=lambda: datetime.now(UTC) + timedelta(days=4_000))), one
    )
    assert answered.answer is Answer.DUPLICATE


# ---- how much may wait


def roomy(hub: Hub, messages: int, **others: Any) -> Hub:
    """The same hub with room for so many messages."""
    return replace(hub, inbox=replace(hub.inbox, capacity=Capacity(Load(messages, 10**9), **others)))


def test_no_more_than_the_capacity_waits_however_many_receivers_take_at_once_and_nothing_is_lost(
    hub: Hub,
) -> None:
    body = body_of(stock("Ethanol", 5))
    url = hub.db.url.render_as_string(hide_password=False)
    receivers = [roomy(open_test_hub(hub.settings.home, url), 100) for _ in range(4)]
    groups = [[message(f"m-{at}", body) for at in range(first, first + 7)] for first in range(0, 210, 7)]
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(take, receivers[at % 4], *group) for at, group in enumerate(groups)]
        answers = [one for task in tasks for one in task.result()]
    for one in receivers:
        one.db.dispose()
        one.inbox.db.dispose()

    first = Counter(one.answer for one in answers)
    assert first == {Answer.RECEIVED: 100, Answer.FULL: 110}
    assert hub.inbox.filling().whole == Load(100, 100 * len(body))
    small = roomy(hub, 100)
    again = take(small, *(one for group in groups for one in group))
    assert Counter(one.answer for one in again) == {Answer.DUPLICATE: 100, Answer.FULL: 110}
    settle(small)
    taken = take(small, *(one for group in groups for one in group))
    assert Counter(one.answer for one in taken) == {Answer.DUPLICATE: 100, Answer.RECEIVED: 100, Answer.FULL: 10}
    assert_invariants(hub)


def test_bytes_are_bounded_too_and_a_delivery_is_taken_whole_or_not_at_all(hub: Hub) -> None:
    lines = tuple(Incoming(body_of(stock("Ethanol", at)), STOCK, at) for at in range(1, 4))
    whole = Delivery("erp", "m-1", Scope("north", "inventory"), b"...", lines, {})
    size = sum(len(one.body) for one in lines)
    small = replace(hub, inbox=replace(hub.inbox, capacity=Capacity(Load(1_000, size - 1))))
    assert [one.answer for one in take(small, whole, message("m-2", lines[0].body))] == [Answer.FULL, Answer.RECEIVED]
    assert hub.inbox.filling().whole == Load(1, len(lines[0].body))


def test_the_last_tenth_is_for_campuses_with_little_waiting_and_for_hazardous_material(hub: Hub) -> None:
    small = roomy(hub, 100, campuses=2, urgent=frozenset({"hazmat"}))
    body = body_of(stock("Ethanol", 5))

    def answers(name: str, number: int, scope: Scope) -> Counter[Answer]:
        return Counter(
            one.answer for at in range(number) for one in take(small, message(f"{name}-{at}", body, scope=scope))
        )

    flood = answers("flood", 120, Scope("north", "inventory"))
    assert flood == {Answer.RECEIVED: 90, Answer.FULL: 30}
    assert answers("urgent", 3, Scope("north", "hazmat")) == {Answer.RECEIVED: 3}
    assert answers("other", 10, Scope("south", "inventory")) == {Answer.RECEIVED: 7, Answer.FULL: 3}


# ---- what a message does


def test_each_message_has_its_own_fate_and_a_bad_one_keeps_no_other_back(hub: Hub) -> None:
    answers = take(
        hub,
        message("good", body_of(stock("Ethanol", 5, vat_code="V7"))),
        message("unknown", body_of({"a": 1}, kind="inventory.stock.adjust")),
        message("no data", body_of([], kind="inventory.stock.set")),
        message("bad value", body_of(stock("Acetone", "many"))),
        message("nested", body_of(stock("Toluene", 1, supplier={"name": "Sigma"}))),
        message("naive", body_of(stock("Hexane", 1), at="2026-03-01T00:00:00")),
        message("ahead", body_of(stock("Heptane", 1), at="2999-03-01T00:00:00Z")),
        message("no moment", body_of(stock("Pentane", 1), at="0001-01-01T00:00:00+14:00")),
        message("no moment either", body_of(stock("Pentane", 1), at="0001-01-01T00:00:00Z")),
    )
    settle(hub)

    assert fates(hub, answers) == [Fate.POSTED] + [Fate.REJECTED] * 8
    rules = [[reason.rule for reason in outcome(hub, one.request_ids[0]).reasons] for one in answers[1:]]
    assert rules[0] == ["unknown_message_type"]
    assert rules[1] == ["missing_data"]
    assert rules[3:] == [
        ["not_a_plain_value"],
        ["bad_timestamp"],
        ["timestamp_in_the_future"],
        *[["bad_timestamp"]] * 2,
    ]
    (suggestion,) = (reason.suggestion for reason in outcome(hub, answers[1].request_ids[0]).reasons)
    assert suggestion == (
        "Known are: inventory.asset.set, inventory.stock.set, inventory.stock.received, inventory.stock.consumed, "
        "inventory.stock.transferred, inventory.stock.disposed, inventory.calibration.set"
    )
    (values,) = ledger_values(hub, STOCK_LEDGER).values()
    assert values["other"] == {"vat_code": "V7"}
    assert_invariants(hub)


def test_a_moment_is_the_same_in_whatever_zone_it_is_written_and_one_of_no_zone_on_earth_is_rejected_alone(
    hub: Hub,
) -> None:
    far = {"m-1": "+14:00", "m-2": "-14:00", "m-3": "+05:45", "m-4": "+00:00:30", "m-5": "+16:00", "m-6": "-23:59"}
    sets = [
        message(name, body_of(stock(f"Item {name}", 5), at=f"2026-03-01T12:00:00{zone}")) for name, zone in far.items()
    ]
    used = body_of(moved("Item m-1", 1), kind=f"{STOCK}.consumed", at="2026-03-02T12:00:00+13:59")
    nowhere = body_of(moved("Item m-1", 1), kind=f"{STOCK}.consumed", at="2026-03-02T12:00:00+23:59")
    answers = take(hub, *sets, message("m-7", used), message("m-8", nowhere))
    settle(hub)
    assert fates(hub, answers) == [Fate.POSTED] * 4 + [Fate.REJECTED] * 2 + [Fate.POSTED, Fate.REJECTED]
    (reason,) = outcome(hub, answers[4].request_ids[0]).reasons
    assert (reason.rule, reason.value) == ("bad_timestamp", "2026-03-01T12:00:00+16:00")
    assert quantities(hub)["Item m-1"] == "4"
    assert len(all_submissions(hub)) == 1
    assert_invariants(hub)


def test_a_sender_is_told_what_he_may_not_have_meant(hub: Hub) -> None:
    whole = stock("Ethanol", 5, supplier="Sigma", lot_number="L-1")
    less = {"item_name": "Ethanol", "location": "Chem 214", "lot_number": "L-1", "qty_on_hand": "4", "vat_code": "V7"}
    take(hub, message("m-1", body_of(whole)))
    settle(hub)
    answers = take(
        hub, message("m-2", body_of(less)), message("m-3", body_of({"MATNR": "4711", "itemName": "Ethanol"}))
    )
    settle(hub)
    assert fates(hub, answers) == [Fate.POSTED, Fate.REJECTED]
    told, (lacks, *_) = (outcome(hub, one.request_ids[0]).reasons for one in answers)
    assert [(one.rule, one.column, one.value, one.blocks) for one in told] == [
        ("not_a_column", "qty_on_hand", "4", False),
        ("not_a_column", "vat_code", "V7", False),
        ("value_gone", "quantity_on_hand", "5", False),
        ("value_gone", "unit", "L", False),
        ("value_gone", "supplier", "Sigma", False),
    ]
    assert [one.suggestion for one in told[:2]] == ["Perhaps `quantity_on_hand` is meant", None]
    assert (lacks.rule, lacks.column, lacks.reason) == (
        "missing_value",
        "item_name",
        "The message does not say it, and it must.",
    )
    assert lacks.suggestion == "Send it by this name, `item_name`. What came is no column of it: MATNR, itemName"


def test_a_member_by_no_known_name_is_told_whatever_became_of_its_message(hub: Hub) -> None:
    old, new = "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"
    used = {"item_name": "Ethanol", "place": "Chem 214", "quantity": 1, "unit": "L", "item_name_de": ["Äthanol"]}
    answers = take(
        hub,
        message("set", body_of(stock("Acetone", 1, vat_code="V7"), at=new)),
        message("late", body_of(stock("Acetone", 2, vat_code="V7"), at=old)),
        message("used", body_of(used, kind=f"{STOCK}.consumed")),
        message("bad", body_of(stock("Toluene", "many", vat_code="V7"))),
    )
    settle(hub)
    again = take(hub, message("again", body_of(stock("Acetone", 1, vat_code="V7"), at=new)))
    settle(hub)
    assert fates(hub, [*answers, *again]) == [
        Fate.POSTED,
        Fate.SUPERSEDED,
        Fate.POSTED,
        Fate.REJECTED,
        Fate.UNCHANGED,
    ]
    told = [
        [
            (one.column, one.value, one.suggestion)
            for one in outcome(hub, each.request_ids[0]).reasons
            if one.rule == NO_COLUMN
        ]
        for each in [*answers, *again]
    ]
    vat = [("vat_code", "V7", None)]
    assert told[:2] + told[3:] == [vat] * 4
    assert told[2] == [("place", "Chem 214", None), ("item_name_de", '["Äthanol"]', None)]


def test_all_of_a_request_that_came_first_is_shown_beside_one_in_conflict(hub: Hub) -> None:
    first, other = lines("m-1", {1: "Acetone", 2: "Toluene"}), lines("m-1", {1: "Acetone", 2: "Hexane"})
    take(hub, first)
    hub.conflicts.file(other, take(hub, other)[0])
    settle(hub)
    (item,) = hub.review.listing()
    case = conflict_case(hub, item, messages_named(hub, item.request_id)[0])
    assert (case["first"]["body"].encode(), case["then"]["body"].encode()) == (first.body, other.body)
    assert [one["fate"] for one in case["first"]["messages"]] == [Fate.POSTED] * 2


def test_messages_are_found_by_their_webhook_id_and_their_bodies_wherever_they_are(hub: Hub) -> None:
    add_source(hub)
    add_source(hub, "lims")
    one, many = message("m-1", body_of(stock("Ethanol", 5))), lines("m-2", {1: "Acetone", 3: "Toluene"})
    other = one._replace(source="lims")
    first, second, third = take(hub, one, many, other)
    found = messages_named(hub, "m-1")
    assert [(each.source, each.request_id) for each in found] == [
        ("erp", first.request_ids[0]),
        ("lims", third.request_ids[0]),
    ]
    assert [each.request_id for each in messages_named(hub, "m-2")] == list(second.request_ids)
    assert messages_named(hub, first.request_ids[0]) == found[:1]
    assert messages_named(hub, "m-3") == []
    assert messages_named(hub, "m-2/3") == messages_named(hub, "m-2")[1:]
    assert messages_named(hub, "m-2/2") == messages_named(hub, "m-1/1") == []
    waiting = [message_body(hub, each) for each in messages_named(hub, "m-2")]
    settle(hub)
    assert [message_body(hub, each) for each in messages_named(hub, "m-2")] == waiting
    make_all_old(hub)
    assert prune(hub).removed == 1
    assert [message_body(hub, each) for each in messages_named(hub, "m-2")] == waiting
    assert waiting == [each.body for each in many.messages]


def test_a_column_that_another_heading_would_mean_in_a_file_is_only_kept(hub: Hub) -> None:
    take(hub, message("m-1", body_of({"item_name": "Ethanol", "location": "A", "Qty": 7})))
    settle(hub)
    (values,) = ledger_values(hub, STOCK_LEDGER).values()
    assert values["quantity_on_hand"] is None
    assert values["other"] == {"Qty": "7"}


def test_of_several_sets_of_an_item_in_a_batch_the_newest_counts_in_whatever_order_they_come(hub: Hub) -> None:
    answers = take(
        hub,
        message("m-1", body_of(stock("Ethanol", 1), at="2026-03-01T10:00:00Z")),
        message("m-2", body_of(stock("Ethanol", 3), at="2026-03-01T13:00:00+01:00")),
        message("m-3", body_of(stock("Ethanol", 2), at="2026-03-01T11:00:00Z")),
    )
    settle(hub)

    assert quantities(hub) == {"Ethanol": "3"}
    assert fates(hub, answers) == [Fate.SUPERSEDED, Fate.POSTED, Fate.SUPERSEDED]
    (one,) = all_submissions(hub)
    assert (one.counts.received, one.counts.posted, one.counts.superseded) == (3, 1, 2)
    assert account_for(hub, one.request_id).balanced
    assert all(line["balanced"] for line in conservation(hub))
    assert_invariants(hub)


def test_a_set_that_comes_late_changes_nothing_though_the_newer_one_has_posted(hub: Hub) -> None:
    take(hub, message("m-1", body_of(stock("Ethanol", 5), at="2026-03-01T12:00:00Z")))
    settle(hub)
    take(hub, message("m-2", body_of(stock("Ethanol", 5), at="2026-03-01T14:00:00Z")))
    settle(hub)  # unchanged, and yet the newest word about the item
    (late, equal) = take(
        hub,
        message("m-3", body_of(stock("Ethanol", 9), at="2026-03-01T13:00:00Z")),
        message("m-4", body_of(stock("Acetone", 2), at="2026-03-01T13:00:00Z")),
    )
    settle(hub)

    assert quantities(hub) == {"Ethanol": "5", "Acetone": "2"}
    assert fates(hub, [late, equal]) == [Fate.SUPERSEDED, Fate.POSTED]
    assert_invariants(hub)


def test_the_status_of_a_purchase_is_moved_by_later_messages_and_not_back_by_late_ones(hub: Hub) -> None:
    def told(status: str, at: str) -> Delivery:
        data = {"asset_tag": "NC-7", "po_number": "PO-1", "campus": "north", "vendor": "Fisher", "status": status}
        body = body_of(data, kind="procurement.asset.set", at=f"2026-03-0{at}T10:00:00Z")
        its = (Incoming(body, "procurement.asset"),)
        return message(f"m-{status}", body, scope=Scope("north", "procurement"))._replace(messages=its)

    def status() -> object:
        return ledger_values(hub, "procurement.asset@all")["NC-7"]["status"]

    found = []
    for one in (told("ordered", "1"), told("received", "5"), told("shipped", "3"), told("returned", "9")):
        take(hub, one)
        settle(hub)
        found.append(status())
    assert found == ["ordered", "received", "received", "returned"]
    assert_invariants(hub)


def test_a_batch_replayed_after_newer_messages_have_posted_sets_nothing_back(hub: Hub) -> None:
    take(hub, message("m-1", body_of(stock("Ethanol", 1), at="2026-03-01T10:00:00Z")))
    (arrival,) = hub.sealing.seal_due("north", at_once=True)
    first = str(arrival.request_id)
    path = hub.archive.object_path(str(arrival.content_digest))
    path.rename(path.with_name("lost"))
    assert process(hub, first) is State.IN_REVIEW
    take(hub, message("m-2", body_of(stock("Ethanol", 2), at="2026-03-01T11:00:00Z")))
    settle(hub)
    path.with_name("lost").rename(path)
    with hub.db.read() as tx:
        (item,) = reviews.open_items_of(tx, first)
    hub.review.replay(item.item_id, actor="person/ann")
    process_all(hub)

    assert quantities(hub) == {"Ethanol": "2"}
    assert_invariants(hub)


@pytest.mark.parametrize(
    ("feed", "record_type", "data"),
    [
        ("procurement", "procurement.asset", {"asset_tag": "NC-1", "po_number": "PO-1", "campus": "north"}),
        ("hazmat", "hazmat.container", {"container_id": "C-1", "contents": "Acetone", "quantity": 2, "unit": "L",
                                        "location": "SAA 3"}),
        ("hazmat", "hazmat.event", {"container_id": "C-1", "event_seq": 1, "event_type": "moved", "to_place": "SAA 3",
                                    "at": "2026-03-01T10:00:00Z"}),
        ("grants", "grants.award", {"award_id": "A-1", "starts_on": "2026-01-01", "obligated_amount": "5000"}),
        ("grants", "grants.expenditure", {"transaction_id": "T-1", "award_id": "A-1", "amount": "84.50",
                                          "posted_on": "2026-03-01", "description": "Ethanol"}),
    ],
)  # fmt: skip
def test_each_record_type_is_taken_as_messages(hub: Hub, feed: str, record_type: str, data: dict[str, object]) -> None:
    body = body_of(data, kind=f"{record_type}.set")
    incoming = (Incoming(body, record_type_for(f"{record_type}.set", hub.feeds[feed]).name),)
    (answered,) = take(hub, Delivery("erp", "m-1", Scope("north", feed), body, incoming, {}))
    settle(hub)
    told = outcome(hub, answered.request_ids[0])
    assert (told.fate, told.reasons) == (Fate.POSTED, ())
    assert_invariants(hub)


def test_lines_of_one_delivery_are_messages_of_their_own(hub: Hub) -> None:
    lines = [body_of(stock("Ethanol", 5)), body_of(stock("Acetone", "none"))]
    incoming = tuple(Incoming(line, STOCK, number) for number, line in enumerate(lines, start=1))
    whole = Delivery("erp", "m-1", Scope("north", "inventory"), b"\n".join(lines), incoming, {})
    (answered,) = take(hub, whole)
    settle(hub)
    assert fates(hub, [answered]) == [Fate.POSTED, Fate.REJECTED]


def test_a_day_of_messages_is_reproduced_from_the_archive(hub: Hub) -> None:
    """Rows that gave way to messages which had posted by then give way again, and no others."""
    day = date(2026, 3, 2)
    there = on_day(hub, day)
    for number, moment in ((1, "10"), (2, "12"), (3, "11")):
        take(there, message(f"m-{number}", body_of(stock("Ethanol", number), at=f"2026-03-01T{moment}:00:00Z")))
        settle(there)
    record = hub.feeds["inventory"].record_type(STOCK)
    found = reproduce(there, record, "north", day)
    assert (found.postings, found.differences) == (2, ())


def test_a_message_that_was_changed_in_the_inbox_is_found_by_the_verifier(hub: Hub) -> None:
    take(hub, message("m-1", body_of(stock("Ethanol", 5))), message("m-2", body_of(stock("Acetone", 1))))
    with hub.inbox.db.write() as tx:
        its = inbox_store.message.c.webhook_id == "m-2"
        tx.execute(update(inbox_store.message).where(its).values(body=body_of(stock("Acetone", 100))))
    settle(hub)
    assert str(verify_all(hub).first_bad).endswith("message 2 is not the one that was signed")


def test_an_envelope_that_an_earlier_release_kept_with_blanks_is_sealed_as_any_other(hub: Hub) -> None:
    take(hub, message("m-1", body_of(stock("Ethanol", 5))), message("m-2", body_of(stock('say "x" é\\', 1))))
    with hub.inbox.db.write() as tx:
        kept = dict(tx.execute(text("SELECT number, envelope FROM inbox_message")).all())
        for number, envelope in kept.items():
            blanks = {"number": number, "envelope": json.dumps(json.loads(envelope))}
            tx.execute(text("UPDATE inbox_message SET envelope = :envelope WHERE number = :number"), blanks)
    (arrival,) = hub.sealing.seal_due("north", at_once=True)
    lines = hub.archive.object_path(str(arrival.content_digest)).read_text(encoding="utf-8").splitlines()
    assert [canonical_text(json.loads(line)) for line in lines] == lines
    settle(hub)
    assert verify_all(hub).first_bad is None
