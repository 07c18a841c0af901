"""Returned workbooks made and taken back by processes that die: the receipt stands, the link is made once."""

import io
import json
import os
import shutil
import signal
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import openpyxl
import pytest

from hub_pipelines.hub import Hub
from hub_pipelines.report.workbook.store import return_of
from hub_pipelines.review.model import ItemState
from hub_pipelines.submission.model import State
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.stores.test_corrected_lines import ACETONE, ETHANOL, TOLUENE, moved, sent, sent_part
from hub_pipelines_tests.stores.test_corrected_lines import LEDGER as STOCK_LEDGER
from hub_pipelines_tests.support import (
    assert_invariants,
    asset,
    due_now,
    events,
    expire_lease,
    inventory_csv,
    journal_size,
    lease_and_validate,
    ledger_values,
    make_registry,
    open_test_hub,
    process,
    process_all,
    send,
    submission,
    wait_until,
)
from hub_pipelines_tests.unit.report.test_workbook_beforehand import writers

pytestmark = pytest.mark.crash

AMBIGUOUS = "03/04/2025"


def opened(home: Path) -> Hub:
    """A hub that takes an unfinished attempt at a workbook for dead at once."""
    hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}", lease_s=30)
    workbooks = replace(hub.receipts.workbooks, again_after_s=-1.0)
    return replace(hub, receipts=replace(hub.receipts, workbooks=workbooks))


def in_child(home: Path, work: str, request_id: str, count: Path, kill_at: int = 0) -> None:
    hub = opened(home)
    boundaries = Boundaries(kill_at)
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    if work == "receipt":
        hub.receipts.begin(request_id)  # as a run does: in a thread, beside its checks
        hub.receipts.finish(request_id)
    else:
        process(hub, request_id)
    boundaries.step()
    count.write_text(str(boundaries.count))


def page_of(hub: Hub, request_id: str) -> Path:
    return hub.receipts.places.page_of(submission(hub, request_id))


def workbook_of(hub: Hub, request_id: str) -> Path:
    page = page_of(hub, request_id)
    told = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["workbook"]
    assert told["state"] == "made", told
    return page.with_name(told["file_name"])


@pytest.mark.slow
def test_a_writer_of_receipts_killed_at_any_boundary_leaves_a_whole_receipt_and_the_workbook_comes_later(
    tmp_path: Path,
) -> None:
    template, count = tmp_path / "template", tmp_path / "count"
    hub = opened(template)
    make_registry(hub, ["NC-0001"])
    hub.receipts.write_due()
    sent = send(hub, "lab.csv", inventory_csv([asset("NC-0001"), asset("NC-0002")]))
    request_id = str(sent.request_id)
    process(hub, request_id)
    hub.db.dispose()
    unharmed = tmp_path / "unharmed"
    shutil.copytree(template, unharmed)
    assert finish(fork(partial(in_child, unharmed, "receipt", request_id, count))) == 0
    boundaries = int(count.read_text())
    assert boundaries > 10
    between = 0
    for kill_at in range(1, boundaries + 1):
        home = tmp_path / f"killed-{kill_at}"
        shutil.copytree(template, home)
        assert finish(fork(partial(in_child, home, "receipt", request_id, count, kill_at))) == -signal.SIGKILL
        hub = opened(home)
        page = page_of(hub, request_id)
        if page.exists():
            assert "not in the list of tags" in page.read_text(encoding="utf-8")
            between += not list(page.parent.glob(f"{page.stem}.xlsx"))
        hub.receipts.write_due()
        assert openpyxl.load_workbook(workbook_of(hub, request_id)).sheetnames[0] == "Read me first"
        assert len(list(page.parent.glob("lab*.xlsx"))) == 1
        assert_invariants(hub)
        hub.db.dispose()
        shutil.rmtree(home)
    assert between > 3


def test_a_run_killed_beside_its_posting_leaves_no_program_that_opened_its_file(tmp_path: Path) -> None:
    hub = opened(tmp_path)
    make_registry(hub, ["NC-0001"])
    request_id = str(send(hub, "lab.csv", inventory_csv([asset("NC-0001"), asset("NC-0002")])).request_id)
    hub.db.dispose()

    def posting(number: Path) -> None:
        hub = opened(tmp_path)
        workbooks = replace(hub.receipts.workbooks, large_mb=0.0)
        lease = lease_and_validate(hub, request_id)
        with replace(hub.receipts, workbooks=workbooks).expected(lease.request_id):
            (program,) = writers()
            number.write_text(str(program))
            os.kill(os.getpid(), signal.SIGKILL)

    assert finish(fork(partial(posting, tmp_path / "program"))) == -signal.SIGKILL
    program = Path("/proc", (tmp_path / "program").read_text())
    wait_until(lambda: not program.exists() or "Z" in (program / "stat").read_text().rpartition(")")[2][:3], 30)
    hub = opened(tmp_path)
    expire_lease(hub, request_id)
    process(hub, request_id, owner="another")
    hub.receipts.write_due()
    assert workbook_of(hub, request_id).exists()
    assert_invariants(hub)


@pytest.mark.parametrize("last", [2, pytest.param(None, marks=pytest.mark.slow, id="all")])
def test_a_run_killed_while_its_workbook_waits_for_the_original_posts_after_it(
    tmp_path: Path, last: int | None
) -> None:
    """The original is on its way again; the workbook comes under a name of its own and has newer values.

    At the last two boundaries of the run the link has been committed, and the retry has.
    """
    template, count = tmp_path / "template", tmp_path / "count"
    hub = opened(template)
    make_registry(hub, ["NC-0001", "NC-0002"])
    first = str(send(hub, "lab.csv", inventory_csv([asset("NC-0001"), asset("NC-0009")])).request_id)
    process(hub, first)
    hub.receipts.write(first)
    book = openpyxl.load_workbook(workbook_of(hub, first))
    book["Your table"]["A3"], book["Your table"]["D2"] = "NC-0002", 7
    buffer = io.BytesIO()
    book.save(buffer)
    second = str(send(hub, "mended.xlsx", buffer.getvalue()).request_id)
    hub.review.apply_again(first, actor="person/kim")
    hub.db.dispose()

    unharmed = tmp_path / "unharmed"
    shutil.copytree(template, unharmed)
    assert finish(fork(partial(in_child, unharmed, "run", second, count))) == 0
    boundaries = int(count.read_text())
    for kill_at in range(1 if last is None else boundaries - last + 1, boundaries + 1):
        home = tmp_path / f"killed-{kill_at}"
        shutil.copytree(template, home)
        assert finish(fork(partial(in_child, home, "run", second, count, kill_at))) == -signal.SIGKILL
        hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}", lease_s=30)
        process(hub, second)  # the same owner keeps its lease
        assert submission(hub, second).state is State.RETRYING
        assert [one.request_id for one in due_now(hub)] == [first]
        process_all(hub)
        assert [submission(hub, one).state for one in (first, second)] == [State.POSTED] * 2
        assert {key: values["quantity"] for key, values in ledger_values(hub).items()} == {
            "NC-0001": "7",
            "NC-0002": "2.5",
        }
        assert Counter(events(hub, second))["submission:revises"] == 1
        assert_invariants(hub)
        hub.db.dispose()
        shutil.rmtree(home)


@pytest.mark.slow
def test_a_run_killed_while_it_takes_a_workbook_back_links_it_once(tmp_path: Path) -> None:
    """The original waits with a question that the workbook answers: an item is closed and an answer remembered."""
    template, count = tmp_path / "template", tmp_path / "count"
    hub = opened(template)
    make_registry(hub, ["NC-0001"])
    first = str(send(hub, "lab.csv", inventory_csv([asset("NC-0001", acquired_on=AMBIGUOUS)])).request_id)
    assert process(hub, first) is State.IN_REVIEW
    (item,) = hub.review.listing()
    hub.receipts.write(first)
    book = openpyxl.load_workbook(workbook_of(hub, first))
    book["Questions"]["D2"] = book["Questions"]["F2"].value
    buffer = io.BytesIO()
    book.save(buffer)
    second = str(send(hub, workbook_of(hub, first).name, buffer.getvalue()).request_id)
    hub.db.dispose()

    unharmed = tmp_path / "unharmed"
    shutil.copytree(template, unharmed)
    assert finish(fork(partial(in_child, unharmed, "run", second, count))) == 0
    boundaries = int(count.read_text())
    assert boundaries >= 7
    for kill_at in range(1, boundaries + 1):
        home = tmp_path / f"killed-{kill_at}"
        shutil.copytree(template, home)
        assert finish(fork(partial(in_child, home, "run", second, count, kill_at))) == -signal.SIGKILL
        hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}", lease_s=30)
        with hub.db.read() as tx:
            linked = return_of(tx, second, 1) is not None
        old = submission(hub, first).state
        assert (old is State.DISMISSED, submission(hub, second).revises == first) == (linked, True)
        assert (hub.review.show(item.item_id)[0].state is ItemState.RESUBMITTED) == linked
        process(hub, second)  # the same owner keeps its lease
        process_all(hub)
        assert submission(hub, second).state is State.POSTED
        assert submission(hub, second).counts.posted == 1
        assert Counter(events(hub, second))["submission:revises"] == 1
        assert Counter(events(hub, first))["review:resubmitted"] == 1
        assert hub.review.listing() == []
        assert_invariants(hub)
        hub.db.dispose()
        shutil.rmtree(home)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "rows-to-fix"])
def test_a_run_killed_around_the_posting_of_a_corrected_list_closes_the_old_line_once_and_spares_what_others_set(
    tmp_path: Path, whole: bool
) -> None:
    """All boundaries from the staged rows on; the moments before are those of any returned workbook."""
    template, count = tmp_path / "template", tmp_path / "count"
    hub = opened(template)
    first = sent(hub, "stock.xlsx", None, ACETONE, ETHANOL, TOLUENE)
    process(hub, first)
    process(hub, sent(hub, "more.xlsx", None, (*TOLUENE[:2], "9", *TOLUENE[3:])))
    rows = {2: ACETONE, 3: moved(ETHANOL, "201"), 4: TOLUENE}
    name = "stock.xlsx--abcdefgh.xlsx"
    second = sent(hub, name, first, *rows.values()) if whole else sent_part(hub, first, rows, name=name)
    lease_and_validate(hub, second)
    hub.db.dispose()
    unharmed = tmp_path / "unharmed"
    shutil.copytree(template, unharmed)
    assert finish(fork(partial(in_child, unharmed, "run", second, count))) == 0
    boundaries = int(count.read_text())
    assert boundaries > 4
    for kill_at in range(1, boundaries + 1):
        home = tmp_path / f"killed-{kill_at}"
        shutil.copytree(template, home)
        assert finish(fork(partial(in_child, home, "run", second, count, kill_at))) == -signal.SIGKILL
        hub = opened(home)
        now = "name ethanol|201" if is_posted(hub, second) else "name ethanol|101"
        assert sorted(ledger_values(hub, STOCK_LEDGER)) == ["name acetone|101", now, "name toluene|102"]
        process(hub, second)  # the same owner keeps its lease
        assert sorted(ledger_values(hub, STOCK_LEDGER)) == ["name acetone|101", "name ethanol|201", "name toluene|102"]
        assert ledger_values(hub, STOCK_LEDGER)["name toluene|102"]["quantity_on_hand"] == "9"
        assert journal_size(hub) == 6
        assert_invariants(hub)
        hub.db.dispose()
        shutil.rmtree(home)


def is_posted(hub: Hub, request_id: str) -> bool:
    return submission(hub, request_id).state is State.POSTED
