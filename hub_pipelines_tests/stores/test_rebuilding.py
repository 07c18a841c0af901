"""A campus-day of a ledger once more, from the archive: the same, or told in words what is not."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update

from hub_pipelines import judging
from hub_pipelines.audit import store as audit
from hub_pipelines.common.scope import Scope
from hub_pipelines.common.store import Transaction, metadata
from hub_pipelines.hub import Hub
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.ledger.model import Posting
from hub_pipelines.mapping.opening import open_list
from hub_pipelines.rebuilding import Reproduction, reproduce
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.parsing.layout.rules import FIRST_RULES
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.stores.test_publishing import unlock_journal
from hub_pipelines_tests.support import (
    NORTH_LEDGER,
    asset,
    inventory_csv,
    make_registry,
    on_day,
    process,
    send,
    send_assets,
    submission,
)

INVENTORY = FEEDS["inventory"].record_type("inventory.asset")
PROCUREMENT = FEEDS["procurement"].record_type("procurement.asset")
MONDAY = date(2026, 3, 2)
TUESDAY = MONDAY + timedelta(days=1)


def again(hub: Hub, day: date = MONDAY, campus: str = "north") -> Reproduction:
    return reproduce(hub, INVENTORY, campus, day)


def post(hub: Hub, name: str, *rows: dict[str, str], day: date = MONDAY) -> str:
    request_id = send_assets(hub, name, *rows)
    process(on_day(hub, day), request_id)
    return request_id


@pytest.fixture
def lab(hub: Hub) -> str:
    """A registry and one posted file of two items; its request_id."""
    make_registry(on_day(hub, MONDAY), ["NC-0001", "NC-0002"])
    return post(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))


def everything(hub: Hub) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    with hub.db.read() as tx:
        return {table.name: sorted(map(tuple, tx.execute(select(table))), key=str) for table in metadata.sorted_tables}


# ---- the same


def test_an_honest_day_comes_out_the_same(hub: Hub, lab: str) -> None:
    post(hub, "more.csv", asset("NC-0001", quantity="3"), asset("NC-0002"), asset("NC-9999"))
    before = everything(hub)
    assert again(hub) == Reproduction(postings=2, entries=3, differences=())
    assert reproduce(hub, PROCUREMENT, "north", MONDAY) == Reproduction(postings=1, entries=2, differences=())
    assert again(hub).is_equal
    assert everything(hub) == before
    assert lab
    assert_invariants(hub)


def test_a_day_without_postings_comes_out_the_same(hub: Hub) -> None:
    assert again(hub) == Reproduction(postings=0, entries=0, differences=())


def test_items_that_later_postings_changed_come_out_as_they_were(hub: Hub, lab: str) -> None:
    for number, day in enumerate((MONDAY, TUESDAY, TUESDAY), start=3):
        post(hub, f"lab-{number}.csv", asset("NC-0001", quantity=str(number)), asset("NC-0002"), day=day)
    assert again(hub) == Reproduction(postings=2, entries=3, differences=())
    assert again(hub, TUESDAY) == Reproduction(postings=2, entries=2, differences=())
    assert lab


def test_each_revision_of_a_file_that_was_applied_again_comes_out_the_same(hub: Hub, lab: str) -> None:
    post(hub, "other.csv", asset("NC-0001", quantity="9"), day=TUESDAY)
    hub.review.apply_again(lab, actor="kim")
    process(on_day(hub, TUESDAY), lab)
    assert submission(hub, lab).revision == 2
    hub.review.apply_again(lab, actor="kim")
    process(on_day(hub, TUESDAY), lab)  # posts nothing
    assert again(hub) == Reproduction(postings=1, entries=2, differences=())
    assert again(hub, TUESDAY) == Reproduction(postings=2, entries=2, differences=())


def test_a_file_whose_tables_were_found_by_former_rules_comes_out_as_it_was_read_then(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "Name,Company,Cat#,,Primer,Sequence,Tm\n" + "".join(f"D{n}e,Sigma,H{n},,P{n},ACGT,5{n}\n" for n in range(5))
    with monkeypatch.context() as then:
        then.setattr(judging, "open_list", partial(_opened_by_former_rules, open_list))
        request_id = str(send(hub, "lab.csv", f"{text}Итого: 5,,,,,,\n".encode()).request_id)
        posted = process(on_day(hub, MONDAY), request_id)
    assert isinstance(posted, Posting)
    stock = FEEDS["inventory"].record_type("inventory.stock")
    found = reproduce(hub, stock, "north", MONDAY)
    assert (found.entries, found.differences) == (posted.posted, ())
    assert hub.recounts.read(submission(hub, request_id)).rows == posted.posted + posted.rejected == 6
    with hub.judge.open(submission(hub, request_id).envelope) as table:
        assert table.header == ["Name", "Company", "Cat#"], "the same file would be read otherwise now"


def test_a_run_that_can_begin_nothing_beside_it_goes_on_and_does_it_when_it_is_wanted(
    hub: Hub, lab: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    process(on_day(hub, MONDAY), lab)

    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", no_more)
        hub.recounts.begin(lab)
        hub.receipts.begin(lab)
    assert hub.recounts.of(submission(hub, lab), last=True).rows == 2
    assert hub.receipts.finish(lab).exists()


def _opened_by_former_rules(opened: Callable[..., Any], *args: Any) -> Any:
    return opened(*args[:3], FIRST_RULES)


def test_a_file_that_was_mended_and_dropped_again_comes_out_the_same(hub: Hub, lab: str) -> None:
    first = post(hub, "fixed.csv", asset("NC-0001", quantity="lots"), asset("NC-0002", quantity="4"))
    second = post(hub, "fixed.csv", asset("NC-0001", quantity="5"), asset("NC-0002", quantity="4"))
    assert submission(hub, second).revises == first
    assert again(hub) == Reproduction(postings=3, entries=4, differences=())
    assert lab


def test_rows_are_judged_by_the_registry_of_their_own_posting(hub: Hub, lab: str) -> None:
    rows = [asset("NC-0001", quantity="1"), asset("NC-0500")]
    unknown = post(hub, "early.csv", *rows)
    make_registry(on_day(hub, TUESDAY), ["NC-0500"])
    hub.review.apply_again(unknown, actor="kim")
    process(on_day(hub, TUESDAY), unknown)  # the tag is known now
    assert again(hub) == Reproduction(postings=2, entries=3, differences=())
    assert again(hub, TUESDAY) == Reproduction(postings=1, entries=1, differences=())
    assert lab


def test_campuses_that_share_the_registry_come_out_the_same_each(hub: Hub, lab: str) -> None:
    make_registry(on_day(hub, MONDAY), ["SC-0001", "NC-0002"], campus="south")  # takes NC-0002 over
    request_id = send(hub, "south.csv", inventory_csv([asset("SC-0001")]), Scope("south", "inventory")).request_id
    assert request_id is not None
    process(on_day(hub, MONDAY), request_id)
    make_registry(on_day(hub, MONDAY), ["NC-0002", "NC-0003"])
    post(hub, "last.csv", asset("NC-0002", quantity="8"), asset("SC-0001"))
    assert reproduce(hub, PROCUREMENT, "north", MONDAY).is_equal
    assert reproduce(hub, PROCUREMENT, "south", MONDAY) == Reproduction(postings=1, entries=2, differences=())
    assert again(hub, campus="south") == Reproduction(postings=1, entries=1, differences=())
    assert again(hub) == Reproduction(postings=2, entries=4, differences=())
    assert lab


@pytest.mark.slow
def test_a_day_of_more_rows_than_one_query_takes_comes_out_the_same(hub: Hub) -> None:
    tags = [f"NC-{number:05}" for number in range(5_100)]
    make_registry(on_day(hub, MONDAY), tags)
    post(hub, "many.csv", *map(asset, tags))
    post(hub, "many.csv", *(asset(tag, quantity="3") for tag in tags))
    assert again(hub) == Reproduction(postings=2, entries=10_200, differences=())


# ---- not the same

OTHER_VALUES = "the journal holds other values than the file gives now"


def differences(hub: Hub, day: date = MONDAY) -> tuple[str, ...]:
    """What can't be reproduced; nothing is written in finding out."""
    before = everything(hub)
    found = again(hub, day)
    assert not found.is_equal
    assert everything(hub) == before
    return found.differences


def change_journal(hub: Hub, ledger: str, key: str, change: Callable[[dict[str, Any]], dict[str, object]]) -> None:
    """Change an item's only entry, or its posting where the posting tells that part of it."""
    j, p = ledgers.journal_row, ledgers.posting
    with hub.db.write() as tx:
        unlock_journal(hub, tx)
        where = (j.c.ledger == ledger, j.c.key == key)
        row = dict(tx.execute(select(j).where(*where)).mappings().one())
        changes = change(row)
        if set(changes) <= set(j.c.keys()):
            tx.execute(update(j).where(*where).values(**changes))
        else:
            tx.execute(update(p).where(p.c.ledger == ledger, p.c.version == row["version"]).values(**changes))


def other_quantity(row: dict[str, Any]) -> dict[str, object]:
    return {"values": json.dumps({**json.loads(row["values"]), "quantity": "3"})}


def test_a_changed_byte_in_the_archive_is_told(hub: Hub, lab: str) -> None:
    path = hub.archive.object_path(submission(hub, lab).envelope.content_digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"Ethanol", b"Ethanal", 1))
    assert differences(hub) == (
        f"{lab}: The archived copy of this file is not what was sent: its fingerprint has changed.",
    )
    path.unlink()
    assert differences(hub) == (f"{lab}: The archived copy of this file is missing.",)


def test_one_spoilt_posting_does_not_hide_the_others(hub: Hub, lab: str) -> None:
    post(hub, "good.csv", asset("NC-0001", quantity="7"))
    path = hub.archive.object_path(submission(hub, lab).envelope.content_digest)
    path.unlink()
    found = again(hub)
    assert (found.postings, found.entries, len(found.differences)) == (2, 1, 1)


def test_changed_values_in_the_journal_are_told_with_their_row(hub: Hub, lab: str) -> None:
    change_journal(hub, NORTH_LEDGER, "NC-0002", other_quantity)
    assert differences(hub) == (f"{lab} row 3: {OTHER_VALUES}",)


@pytest.mark.parametrize(
    "changes",
    [{"key": "NC-7777"}, {"operation": "drop"}, {"previous_version": 1, "previous_row_no": 2}],
    ids=lambda changes: next(iter(changes)),
)
def test_another_place_or_origin_in_the_journal_is_told_with_its_row(
    hub: Hub, lab: str, changes: dict[str, object]
) -> None:
    change_journal(hub, NORTH_LEDGER, "NC-0002", lambda _row: changes)
    assert differences(hub) == (f"{lab} row 3: the journal holds the same values with another place or origin",)


@pytest.mark.parametrize(
    ("changes", "day"),
    [({"contract_version": 4}, MONDAY), ({"ledger_date": TUESDAY}, TUESDAY)],
    ids=["contract", "day"],
)
def test_a_posting_under_another_contract_or_day_is_told_with_each_row(
    hub: Hub, lab: str, changes: dict[str, object], day: date
) -> None:
    change_journal(hub, NORTH_LEDGER, "NC-0002", lambda _row: changes)
    told = "the journal holds the same values with another place or origin"
    if day == MONDAY:
        assert differences(hub) == tuple(f"{lab} row {row}: {told}" for row in (2, 3))
    else:
        assert differences(hub, day) == (
            f"{lab}: its entries follow from the file and are not what the audit log tells of them",
        )


def test_an_entry_that_was_deleted_is_told(hub: Hub, lab: str) -> None:
    with hub.db.write() as tx:
        unlock_journal(hub, tx)
        j = ledgers.journal_row
        tx.execute(delete(j).where(j.c.ledger == NORTH_LEDGER, j.c.key == "NC-0002"))
    assert differences(hub) == (f"{lab} row 3: it follows from the file and is not in the journal",)


def test_an_entry_that_no_file_gave_is_told(hub: Hub, lab: str) -> None:
    j = ledgers.journal_row
    with hub.db.write() as tx:
        row = tx.execute(select(j).where(j.c.ledger == NORTH_LEDGER, j.c.key == "NC-0002")).mappings().one()
        tx.execute(j.insert(), {**row, "row_no": 9, "key": "NC-0009"})
    assert differences(hub) == (f"{lab} row 9: it is in the journal and no longer follows from the file",)


def test_a_posting_of_an_unknown_submission_is_told(hub: Hub, lab: str) -> None:
    j, p = ledgers.journal_row, ledgers.posting
    with hub.db.write() as tx:
        row = tx.execute(select(j).where(j.c.ledger == NORTH_LEDGER, j.c.key == "NC-0002")).mappings().one()
        posting = tx.execute(select(p).where(p.c.request_id == lab)).mappings().one()
        tx.execute(j.insert(), {**row, "version": 9})
        tx.execute(p.insert(), {**posting, "version": 9, "request_id": "north-inventory-ghost"})
    assert differences(hub) == ("north-inventory-ghost: There is no submission north-inventory-ghost.",)
    assert lab


def test_a_registry_whose_history_was_changed_is_told(hub: Hub, lab: str) -> None:
    with hub.db.write() as tx:
        unlock_journal(hub, tx)
        j = ledgers.journal_row
        tx.execute(delete(j).where(j.c.ledger == "procurement.asset@all", j.c.key == "NC-0002"))
    assert differences(hub) == (f"{lab} row 3: it is in the journal and no longer follows from the file",)


def test_a_posting_under_another_version_of_the_contract_is_told(hub: Hub, lab: str) -> None:
    newer = replace(INVENTORY, contract_version=3, former=())
    assert reproduce(hub, newer, "north", MONDAY).differences == (
        f"{lab}: it was posted under version 2 of the contract inventory.asset; this release has version 3",
    )


def _unlock_audit(hub: Hub, tx: Transaction) -> None:
    names = ["refuses_changes"] if hub.db.is_postgres else ["refuses_update", "refuses_delete"]
    for name in names:
        tx.execute(text(f"DROP TRIGGER audit_entry_{name}{' ON audit_entry' if hub.db.is_postgres else ''}"))


def test_a_posting_that_the_audit_log_does_not_know_is_told(hub: Hub, lab: str) -> None:
    entry = audit.audit_entry.c
    with hub.db.write() as tx:
        _unlock_audit(hub, tx)
        tx.execute(delete(audit.audit_entry).where(entry.request_id == lab, entry.event == "submission:posted"))
    assert differences(hub) == (f"{lab}: the audit log does not know of this posting (revision 1)",)


def test_a_posting_of_which_the_audit_log_tells_otherwise_is_told(hub: Hub, lab: str) -> None:
    entry = audit.audit_entry.c
    posting = (entry.request_id == lab, entry.event == "submission:posted")
    with hub.db.write() as tx:
        _unlock_audit(hub, tx)
        detail = tx.execute(select(entry.detail).where(*posting)).scalar_one()
        tx.execute(update(audit.audit_entry).where(*posting).values(detail={**detail, "rows_digest": "f" * 64}))
    told = f"{lab}: its entries follow from the file and are not what the audit log tells of them"
    assert differences(hub) == (told,)


def test_many_differences_are_told_in_part(hub: Hub) -> None:
    tags = [f"NC-{number:04}" for number in range(30)]
    make_registry(on_day(hub, MONDAY), tags)
    post(hub, "many.csv", *map(asset, tags))
    with hub.db.write() as tx:
        unlock_journal(hub, tx)
        tx.execute(update(ledgers.journal_row).where(ledgers.journal_row.c.ledger == NORTH_LEDGER).values(values="{}"))
    assert len(differences(hub)) == 20
