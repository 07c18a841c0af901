"""Messages that adjust a quantity, on both databases: each counts once, and their order is of no importance."""

import json
import random
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from hub_pipelines.evidence import account_for, conservation, verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.model import Delivery
from hub_pipelines.ledger.store import journal_row, ledger
from hub_pipelines.messaging import Fate
from hub_pipelines.publishing import publish
from hub_pipelines.submission.model import State
from hub_pipelines_tests.commands import printed
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import (
    STOCK,
    STOCK_LEDGER,
    body_of,
    fates,
    message,
    moved,
    outcome,
    settle,
    stock,
    take,
)
from hub_pipelines_tests.support import (
    all_submissions,
    ledger_values,
    on_day,
    process_all,
    send,
)

ETHANOL = "name ethanol|Chem 214"
MORNING = datetime(2026, 3, 1, tzinfo=UTC)


def at(hour: float) -> str:
    return (MORNING + timedelta(hours=hour)).isoformat()


def sent(name: str, kind: str, data: dict[str, Any], hour: float) -> Delivery:
    return message(name, body_of(data, kind=f"{STOCK}.{kind}", at=at(hour)))


def held(hub: Hub) -> dict[str, tuple[object, object]]:
    """By key what is there and by how much it is short."""
    items = ledger_values(hub, STOCK_LEDGER)
    return {key: (values["quantity_on_hand"], values.get("short_by")) for key, values in items.items()}


def reasons(hub: Hub, request_id: str) -> list[str]:
    return [one.rule for one in outcome(hub, request_id).reasons]


def test_what_came_and_went_is_added_and_taken_and_told(hub: Hub) -> None:
    answers = take(
        hub,
        sent("set", "set", stock("Ethanol", 10), 10),
        sent("in", "received", moved("Ethanol", 2500, unit="mL"), 11),
        sent("out", "consumed", moved("Ethanol", "0.5"), 12),
        sent("to", "transferred", moved("Ethanol", 4, to_location="Chem 300"), 13),
        sent("gone", "disposed", moved("Ethanol", 1), 14),
    )
    settle(hub)
    assert fates(hub, answers) == [Fate.POSTED] * 5
    assert held(hub) == {ETHANOL: ("7", None), "name ethanol|Chem 300": ("4", None)}
    told = [outcome(hub, one.request_ids[0]).effects for one in answers]
    assert [[(one.key, one.before, one.after, one.unit) for one in each] for each in told[1:]] == [
        [(ETHANOL, "10", "12.5", "L")],
        [(ETHANOL, "12.5", "12", "L")],
        [(ETHANOL, "12", "8", "L"), ("name ethanol|Chem 300", None, "4", "L")],
        [(ETHANOL, "8", "7", "L")],
    ]
    assert_invariants(hub)
    assert verify_all(hub).first_bad is None
    assert all(line["balanced"] for line in conservation(hub))
    assert all(account_for(hub, one.request_id).balanced for one in all_submissions(hub))


def test_what_was_there_is_told_in_the_unit_that_a_late_message_gives_its_item(hub: Hub) -> None:
    take(hub, sent("first", "received", moved("Ethanol", 1), 12))
    settle(hub)
    (late,) = take(hub, sent("late", "received", moved("Ethanol", 10, unit="mL"), 11))
    settle(hub)
    (effect,) = outcome(hub, late.request_ids[0]).effects
    assert (effect.before, effect.after, effect.unit) == ("1000", "1010", "mL")


def test_an_item_that_was_put_back_to_an_earlier_entry_of_its_last_posting_is_found(hub: Hub) -> None:
    take(hub, sent("set", "set", stock("Ethanol", 10), 10), sent("out", "consumed", moved("Ethanol", 4), 12))
    settle(hub)
    assert held(hub) == {ETHANOL: ("6", None)}
    with hub.db.write() as tx:
        first = tx.execute(select(journal_row).order_by(journal_row.c.row_no)).mappings().first()
        assert first is not None
        tx.execute(update(ledger).values(version=first["version"], row_no=first["row_no"], digest=first["digest"]))
    assert held(hub) == {ETHANOL: ("10", None)}
    assert verify_all(hub).first_bad == f"{STOCK_LEDGER} {ETHANOL}: the ledger is not what its journal says"


def test_what_can_t_be_applied_is_rejected_alone_with_its_reason(hub: Hub) -> None:
    answers = take(
        hub,
        sent("set", "set", stock("Ethanol", 10), 10),
        sent("mass", "consumed", moved("Ethanol", 1, unit="kg"), 11),
        sent("no unit", "consumed", moved("Ethanol", 1, unit=None), 11),
        sent("nothing", "received", moved("Ethanol", 0), 11),
        sent("all", "received", moved("Ethanol", "all"), 11),
        sent("same place", "transferred", moved("Ethanol", 1, to_location="Chem 214"), 11),
        sent("nowhere", "transferred", moved("Ethanol", 1), 11),
        sent("good", "consumed", moved("Ethanol", 1), 11),
    )
    settle(hub)
    assert fates(hub, answers) == [Fate.POSTED] + [Fate.REJECTED] * 6 + [Fate.POSTED]
    assert [reasons(hub, one.request_ids[0]) for one in answers[1:7]] == [
        ["unit_of_another_kind"],
        ["unit_of_another_kind"],
        ["no_quantity"],
        ["bad_quantity"],
        ["same_place"],
        ["missing_value"],
    ]
    assert held(hub) == {ETHANOL: ("9", None)}
    assert_invariants(hub)


def test_more_taken_than_was_there_is_told_and_evens_out_when_what_had_come_is_told(hub: Hub) -> None:
    (over,) = take(hub, sent("out", "consumed", moved("Ethanol", 3), 12))
    settle(hub)
    assert held(hub) == {ETHANOL: ("0", "3")}
    assert reasons(hub, over.request_ids[0]) == ["more_taken_than_known"]
    take(hub, sent("in", "received", moved("Ethanol", 5), 11))
    settle(hub)
    assert held(hub) == {ETHANOL: ("2", None)}
    assert_invariants(hub)


def test_a_count_that_comes_late_takes_the_place_of_what_occurred_before_it_only(hub: Hub) -> None:
    take(hub, sent("set", "set", stock("Ethanol", 10), 8))
    settle(hub)
    take(hub, sent("before", "consumed", moved("Ethanol", 1), 9), sent("after", "consumed", moved("Ethanol", 2), 11))
    settle(hub)
    assert held(hub) == {ETHANOL: ("7", None)}
    take(hub, sent("count", "set", stock("Ethanol", 20), 10))
    settle(hub)
    assert held(hub) == {ETHANOL: ("18", None)}
    (late, older) = take(
        hub, sent("late", "consumed", moved("Ethanol", 5), 9.5), sent("older", "set", stock("Ethanol", 99), 9.5)
    )
    settle(hub)
    assert fates(hub, [late, older]) == [Fate.SUPERSEDED] * 2
    assert held(hub) == {ETHANOL: ("18", None)}
    assert_invariants(hub)


def test_a_list_sets_as_of_its_posting_and_what_follows_is_applied_on_it(hub: Hub) -> None:
    columns = "Item,Location,Quantity,Unit\n"
    send(hub, "stock.csv", f"{columns}Ethanol,Chem 214,10,L\n".encode())
    process_all(hub)
    now = (datetime.now(UTC) + timedelta(seconds=1) - MORNING) / timedelta(hours=1)
    (before, after) = take(
        hub, sent("before", "consumed", moved("Ethanol", 3), 9), sent("after", "consumed", moved("Ethanol", 4), now)
    )
    settle(hub)
    assert fates(hub, [before, after]) == [Fate.SUPERSEDED, Fate.POSTED]
    assert held(hub) == {ETHANOL: ("6", None)}
    time.sleep(max(0.0, (MORNING + timedelta(hours=now) - datetime.now(UTC)).total_seconds()))
    send(hub, "stock.csv", f"{columns}Ethanol,Chem 214,6,L\n".encode())  # nothing new, and yet a later word
    process_all(hub)
    (between,) = take(hub, sent("between", "consumed", moved("Ethanol", 1), now))
    settle(hub)
    assert fates(hub, [between]) == [Fate.SUPERSEDED]
    assert_invariants(hub)


@pytest.mark.parametrize("batches", [1, 3])
def test_a_message_that_sets_an_earlier_moment_than_a_file_counts_what_followed_in_either_order(
    hub: Hub, batches: int
) -> None:
    items = ["Ethanol", "Acetone", "Xylene", "Toluene"]
    rows = "".join(f"{item},Chem 214,10,L\n" for item in items)
    send(hub, "stock.csv", f"Item,Location,Quantity,Unit\n{rows}".encode())
    process_all(hub)
    sets = [sent(f"set {item}", "set", stock(item, 99 if item != "Toluene" else 10), 8) for item in items]
    out = [sent(f"out {item}", "consumed", moved(item, 1), 9) for item in items]
    gone = sent("gone", "disposed", moved("Xylene", "all"), 8.5)
    for part in ([out[0], sets[1], gone, sets[3]], [out[2], out[1], sets[0]], [sets[2], out[3]]):
        take(hub, *part)
        if batches > 1:
            settle(hub)
    settle(hub)
    places = {key.partition("|")[0]: there for key, there in held(hub).items()}
    assert places == {
        "name ethanol": ("98", None),
        "name acetone": ("98", None),
        "name xylene": ("0", "1"),
        "name toluene": ("9", None),
    }
    assert_invariants(hub)


def test_a_list_with_quantities_ends_what_was_short(hub: Hub) -> None:
    take(hub, sent("out", "consumed", moved("Ethanol", 2), 12))
    settle(hub)
    day = date(2026, 3, 2)
    send(on_day(hub, day), "names.csv", b"Item,Location,Supplier\nEthanol,Chem 214,Merck\n")
    process_all(on_day(hub, day))
    assert held(hub) == {ETHANOL: ("0", "2")}
    _file(on_day(hub, day), "list.csv", {"Ethanol|Chem 214": Decimal(5_000)})
    assert held(hub) == {ETHANOL: ("5", None)}
    (published,) = publish(on_day(hub, day), "inventory", "north", day, actor="tester", from_archive=True)
    assert published.reproduction is not None
    assert published.reproduction.differences == ()


def test_a_list_without_units_keeps_the_unit_in_which_later_messages_are_reckoned(hub: Hub) -> None:
    take(hub, sent("set", "set", stock("Ethanol", 10), 10), sent("out", "consumed", moved("Ethanol", 2), 12))
    settle(hub)
    send(hub, "list.csv", b"Item,Location,Quantity\nEthanol,Chem 214,7\n")
    process_all(hub)
    now = (datetime.now(UTC) + timedelta(seconds=1) - MORNING) / timedelta(hours=1)
    (late,) = take(hub, sent("late", "consumed", moved("Ethanol", 500, unit="mL"), now))
    settle(hub)
    assert fates(hub, [late]) == [Fate.POSTED]
    (values,) = ledger_values(hub, STOCK_LEDGER).values()
    assert (values["quantity_on_hand"], values["unit"]) == ("6.5", "L")


def test_a_list_without_quantities_sets_none_and_what_came_before_it_counts_still(hub: Hub) -> None:
    take(hub, sent("set", "set", stock("Ethanol", 10), 10), sent("out", "consumed", moved("Ethanol", 2), 12))
    settle(hub)
    send(hub, "list.csv", b"Item,Location,Supplier\nEthanol,Chem 214,Merck\n")
    process_all(hub)
    take(hub, sent("late", "consumed", moved("Ethanol", 3), 11))
    settle(hub)
    assert held(hub) == {ETHANOL: ("5", None)}


def test_all_that_was_there_is_gone_and_what_comes_later_counts(hub: Hub) -> None:
    answers = take(
        hub,
        sent("set", "set", stock("Ethanol", 10), 8),
        sent("later", "received", moved("Ethanol", 2), 12),
        sent("gone", "disposed", moved("Ethanol", "all"), 10),
        sent("before", "consumed", moved("Ethanol", 1), 9),
    )
    settle(hub)
    assert fates(hub, answers) == [Fate.POSTED] * 3 + [Fate.SUPERSEDED]
    assert held(hub) == {ETHANOL: ("2", None)}
    assert_invariants(hub)


def test_a_batch_that_is_applied_again_on_purpose_adjusts_nothing_twice(hub: Hub) -> None:
    take(hub, sent("set", "set", stock("Ethanol", 10), 8), sent("out", "consumed", moved("Ethanol", 1), 9))
    settle(hub)
    (batch,) = all_submissions(hub)
    hub.review.apply_again(batch.request_id, actor="person/ann")
    process_all(hub)
    (batch,) = all_submissions(hub)
    assert (batch.state, batch.revision, batch.counts.unchanged) == (State.POSTED, 2, 2)
    assert held(hub) == {ETHANOL: ("9", None)}
    assert_invariants(hub)


def test_days_of_adjustments_are_published_and_reproduced_from_the_archive(hub: Hub) -> None:
    day = date(2026, 3, 2)
    there = on_day(hub, day)
    for part in _batches(_messages(random.Random(4), "A"), random.Random(5)):
        take(there, *part)
        settle(there)
    adjusted = next(iter(ledger_values(there, STOCK_LEDGER).values()))
    send(there, "list.csv", f"Item,Location,Supplier\n{adjusted['item_name']},{adjusted['location']},Merck\n".encode())
    process_all(there)
    (outcome_of_day,) = (one for one in publish(there, "inventory", "north", day, actor="tester", from_archive=True))
    assert outcome_of_day.state == "published", outcome_of_day.blocked
    found = outcome_of_day.reproduction
    assert found is not None
    assert found.postings > 1
    assert found.differences == ()
    assert_invariants(hub)


def test_each_adjustment_of_an_item_is_told_with_what_it_left(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    (_, out, mass) = take(
        hub,
        sent("set", "set", stock("Ethanol", 10), 8),
        sent("out", "consumed", moved("Ethanol", 12), 9),
        sent("mass", "consumed", moved("Ethanol", 1, unit="kg"), 9),
    )
    settle(hub)
    (page,) = hub.receipts.write_due("north")
    assert "the item is kept in L, a volume" in page.read_text("utf-8")
    monkeypatch.setenv("HUB_HOME", str(hub.settings.home))
    monkeypatch.setenv("HUB_DATABASE_URL", hub.settings.database_url)
    told = printed("why", "name ethanol")
    assert "consumed by" in told
    assert "quantity_on_hand: 10 → 0" in told
    assert "short_by: (empty) → 2" in told
    assert "10 → 0 L, 2 L more taken than was known to be there" in printed("why", out.request_ids[0])
    assert "not taken: The message says 1 kg" in printed("why", mass.request_ids[0])


# ---- any order, any repetition, any batches


def _messages(chance: random.Random, mark: str, filed_at: datetime | None = None) -> list[Delivery]:
    """Of some items at two places, at moments that are all different; some of the second half after a file's."""
    found = []
    hours = chance.sample(range(1, 200), 28)
    for number, hour in enumerate(hours):
        item, place = f"{chance.choice(['Ethanol', 'Acetone'])} {mark}", chance.choice(["A", "B"])
        kind = chance.choice(["set", "set", "received", "received", "consumed", "consumed", "transferred", "disposed"])
        quantity: object = str(Decimal(chance.randrange(1, 4_000)) / 1_000)
        unit = chance.choice(["L", "mL"])
        if kind == "set":
            known = None if chance.random() < 0.05 else quantity
            data = stock(item, known, location=place, unit=unit, supplier=f"S{number}")
        else:
            if kind == "disposed" and chance.random() < 0.3:
                quantity = "all"
            to = {"to_location": "B" if place == "A" else "A"} if kind == "transferred" else {}
            data = moved(item, quantity, location=place, unit=unit, **to)
        moment = at(hour / 10)
        may_follow = filed_at is not None and kind != "set" and quantity != "all" and number >= len(hours) // 2
        if filed_at is not None and may_follow and hour > 170:
            moment = (filed_at + timedelta(seconds=hour)).isoformat()
        found.append(message(f"{mark}-{number}", body_of(data, kind=f"{STOCK}.{kind}", at=moment)))
    return found


def _batches(messages: Sequence[Delivery], chance: random.Random) -> Iterator[list[Delivery]]:
    left = list(messages)
    while left:
        size = chance.randrange(1, 9)
        yield left[:size]
        left = left[size:]


_NEVER = datetime.min.replace(tzinfo=UTC)
_SLOW = pytest.mark.slow
_IN_ML = {"L": Decimal(1_000), "mL": Decimal(1)}


def _expected(
    messages: Sequence[Delivery], filed_at: datetime | None, filed: dict[str, Decimal]
) -> dict[str, Decimal | None]:
    """By item and place the quantity in mL, by the sentences of decisions/0070 and nothing else. What a file has filed
    between the halves of the messages gives way to a set of the second half that is newer than all of the first."""
    sets: dict[str, list[tuple[datetime, int, Decimal | None]]] = {}
    emptied: dict[str, datetime] = {}
    deltas: dict[str, list[tuple[datetime, Decimal]]] = {}
    for number, one in enumerate(messages):
        body = json.loads(one.body)
        data, kind, moment = body["data"], body["type"].rpartition(".")[2], datetime.fromisoformat(body["timestamp"])
        place = f"{data['item_name']}|{data['location']}"
        said = data["quantity_on_hand"] if kind == "set" else data["quantity"]
        amount = None if said in (None, "all") else Decimal(said) * _IN_ML[data["unit"]]
        if kind == "set":
            sets.setdefault(place, []).append((moment, number, amount))
        elif said == "all":
            emptied[place] = max(moment, emptied.get(place, moment))
        else:
            assert amount is not None
            deltas.setdefault(place, []).append((moment, amount if kind == "received" else -amount))
            if kind == "transferred":
                deltas.setdefault(f"{data['item_name']}|{data['to_location']}", []).append((moment, amount))
    found: dict[str, Decimal | None] = {}
    for place in sets.keys() | emptied.keys() | deltas.keys() | filed.keys():
        since, number, there = max(sets.get(place, []), default=(_NEVER, -1, Decimal(0)), key=lambda one: one[:2])
        if filed_at is not None and number < len(messages) // 2:
            since, there = filed_at, filed[place]
        if emptied.get(place, _NEVER) > since:
            since, there = emptied[place], Decimal(0)
        moves = sum((amount for moment, amount in deltas.get(place, []) if moment > since), Decimal(0))
        found[place] = None if there is None else there + moves
    return found


def _in_any_order(messages: Sequence[Delivery], chance: random.Random) -> Iterator[list[Delivery]]:
    """In batches, some of the messages twice."""
    given = [*messages, *chance.sample(messages, 3)]
    chance.shuffle(given)
    return _batches(given, chance)


@pytest.mark.parametrize(
    ("seed", "with_file"), [(10, False), (11, True), *(pytest.param(7, one, marks=_SLOW) for one in (False, True))]
)
def test_any_order_any_repetition_and_any_batches_of_messages_make_the_same_ledger(
    hub: Hub, seed: int, with_file: bool
) -> None:
    """What a file says comes between the halves of the messages, each in any order."""
    told = []
    for run in range(5):
        order = random.Random(1_000 * seed + run)
        half = len(messages := _messages(random.Random(seed), f"R{run}")) // 2
        for part in _in_any_order(messages[:half], order):
            take(hub, *part)
            settle(hub)
        places = [f"{item} R{run}|{place}" for item in ("Ethanol", "Acetone") for place in "AB"] if with_file else []
        filed = {place: Decimal(1_000 * litres) for litres, place in enumerate(places, start=2)}
        filed_at = _file(hub, f"list {run}.csv", filed) if with_file else None
        messages = _messages(random.Random(seed), f"R{run}", filed_at)
        expected = _expected(messages, filed_at, filed)
        for part in _in_any_order(messages[half:], order):
            take(hub, *part)
            settle(hub)
        items = {key: values for key, values in ledger_values(hub, STOCK_LEDGER).items() if f" r{run}|" in key}
        for values in items.values():
            place, unit = f"{values['item_name']}|{values['location']}", _IN_ML.get(str(values["unit"]), Decimal(1))
            on_hand = values["quantity_on_hand"]
            there = None if on_hand is None else Decimal(str(on_hand)) - Decimal(str(values.get("short_by", 0)))
            assert (None if there is None else there * unit) == expected.pop(place), place
        assert not expected
        told.append(json.dumps(items, sort_keys=True).replace(f"R{run}", "R").replace(f"r{run}", "r"))
    assert len(set(told)) == 1
    assert_invariants(hub)


def _file(hub: Hub, name: str, filed: dict[str, Decimal]) -> datetime:
    """Post a stock list with these quantities in mL; a moment after its posting."""
    rows = "".join(f"{place.replace('|', ',')},{amount / 1_000},L\n" for place, amount in filed.items())
    send(hub, name, f"Item,Location,Quantity,Unit\n{rows}".encode())
    process_all(hub)
    assert all(one.state is State.POSTED for one in all_submissions(hub))
    return datetime.now(UTC)
