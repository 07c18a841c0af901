"""Receipts that are gone are asked for again when a person wants it, and come back, on both databases."""

import shutil
from pathlib import Path

import pytest

from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.recovery.model import Finding, Kind
from hub_pipelines.recovery.receipts import ask_for_lost
from hub_pipelines_tests.conftest import on_sqlite
from hub_pipelines_tests.stores.test_recovery import look
from hub_pipelines_tests.support import asset, inventory_csv, make_registry, process_all, send, send_assets


@pytest.fixture
def told(hub: Hub) -> Hub:
    """A file that was taken, one with a row to fix and so with a workbook, one in review and one that came twice."""
    make_registry(hub, ["NC-0001"])
    send_assets(hub, "good.csv", asset("NC-0001"))
    send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
    send(hub, "odd.csv", b"not a table", Scope("south", "inventory"))
    send(hub, "copy.csv", inventory_csv([asset("NC-0001")]))
    process_all(hub)
    write_all(hub)
    assert len(pages(hub)) == 5 + 1
    assert len(list(hub.settings.receipts.rglob("lab*.xlsx"))) == 1
    return hub


def write_all(hub: Hub) -> None:
    while hub.receipts.write_due():
        pass


def pages(hub: Hub) -> set[Path]:
    return {one for one in hub.settings.receipts.rglob("*--*") if one.suffix != ".json"}


def test_while_all_receipts_are_there_none_is_asked_for(told: Hub) -> None:
    assert ask_for_lost(told, dry_run=False) == []
    assert told.receipts.write_due() == []


def test_all_receipts_come_back_when_their_folder_was_not_in_the_backup(told: Hub) -> None:
    before = pages(told)
    shutil.rmtree(told.settings.receipts)
    (found,) = ask_for_lost(told, dry_run=True)
    assert found == Finding(Kind.RECEIPT_LOST, "hub", "receipts", "receipts that were written are missing: 5", None)
    assert told.receipts.write_due() == [], "it only tells"
    (found,) = ask_for_lost(told, dry_run=False)
    assert found.done == "asked for again; `hub up` or `hub drain` writes them"
    write_all(told)
    assert pages(told) == before
    assert (told.settings.receipts / "north" / "index.html").exists()
    assert ask_for_lost(told, dry_run=False) == []


@on_sqlite
def test_a_page_that_was_deleted_comes_back_and_no_other_is_written(told: Hub) -> None:
    (page,) = told.settings.receipts.rglob("good.csv--*.html")
    page.unlink()
    ask_for_lost(told, dry_run=False)
    assert told.receipts.write_due() == [page]
    assert page.exists()


@on_sqlite
def test_a_workbook_that_was_deleted_is_made_again(told: Hub) -> None:
    (workbook,) = told.settings.receipts.rglob("lab*.xlsx")
    workbook.unlink()
    ask_for_lost(told, dry_run=False)
    write_all(told)
    assert workbook.exists()
    assert ask_for_lost(told, dry_run=False) == []


@on_sqlite
def test_a_look_of_the_reconciler_leaves_receipts_where_somebody_has_put_them(told: Hub) -> None:
    shutil.rmtree(told.settings.receipts)
    assert look(told).findings == ()
    assert told.receipts.write_due() == []
