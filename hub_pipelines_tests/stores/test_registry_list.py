"""The registry as a whole, on both databases: the same tags as one by one, and a file for each version only."""

from pathlib import Path
from typing import Any

import pyarrow
import pytest

from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.registry import listing
from hub_pipelines.ledger.registry.listing import ListedRegistry
from hub_pipelines.ledger.registry.store import LedgerRegistry
from hub_pipelines.validate.bulk import tags
from hub_pipelines_tests.support import asset, ledger_values, make_registry, process_all, send_assets, submission

TAGS = {"NC-0001": "north", "NC-0002": "north", "NC-0009": "south"}


def listed(hub: Hub) -> dict[str, str]:
    table = ListedRegistry(hub.db, "UTC", hub.settings.staged).listed()
    return dict(zip(table["tag"].to_pylist(), table["campus"].to_pylist(), strict=True))


def kept(hub: Hub) -> list[str]:
    return sorted(path.name for path in hub.settings.staged.iterdir() if path.suffix == ".arrow")


def fill(hub: Hub) -> None:
    make_registry(hub, ["NC-0001", "NC-0002"])
    make_registry(hub, ["NC-0009"], "south")


def test_the_list_has_the_tags_that_the_registry_tells_one_by_one(hub: Hub) -> None:
    assert listed(hub) == {}
    fill(hub)
    assert listed(hub) == LedgerRegistry(hub.db).campuses(TAGS) == TAGS


def test_the_list_is_made_once_for_a_version_and_the_one_before_goes(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    listed(hub)
    (first,) = kept(hub)
    path = hub.settings.staged / first
    before = path.stat().st_ino
    listed(hub)
    assert path.stat().st_ino == before
    make_registry(hub, ["NC-0002"])
    assert listed(hub) == {"NC-0001": "north", "NC-0002": "north"}
    assert len(kept(hub)) == 1
    assert kept(hub) != [first]


def test_the_next_list_is_the_one_before_with_what_was_set_since(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    make_registry(hub, ["NC-0001", "NC-0002"])
    listed(hub)
    read: list[int] = []
    real = listing.tags_set_since

    def watched(tx: Transaction, version: int, *, at_once: int) -> Any:
        read.append(version)
        return real(tx, version, at_once=at_once)

    monkeypatch.setattr(listing, "tags_set_since", watched)
    make_registry(hub, ["NC-0002", "NC-0003"], "south")
    assert listed(hub) == {"NC-0001": "north", "NC-0002": "south", "NC-0003": "south"}
    assert read == [1]


def test_a_list_of_another_database_is_not_gone_on_with(hub: Hub) -> None:
    make_registry(hub, ["NC-0001", "NC-0002"])
    ours = listed(hub)
    other = listing._as_set(iter([[("NC-0404", "west")]]))
    listing._write(hub.settings.staged / "registry-0.arrow", other)
    (hub.settings.staged / kept(hub)[1]).unlink()
    assert listed(hub) == ours


def test_a_list_that_is_damaged_is_made_again(hub: Hub) -> None:
    fill(hub)
    listed(hub)
    path: Path = hub.settings.staged / kept(hub)[0]
    path.write_bytes(path.read_bytes()[:100])
    assert listed(hub) == TAGS


def test_a_list_of_an_earlier_release_which_is_in_no_order_is_made_again(hub: Hub) -> None:
    fill(hub)
    listed(hub)
    path: Path = hub.settings.staged / kept(hub)[0]
    former = pyarrow.table({"tag": ["NC-0009", "NC-0001"], "campus": ["south", "north"]})
    with path.open("wb") as file, pyarrow.ipc.new_file(file, former.schema) as writer:
        writer.write_table(former)
    assert listed(hub) == TAGS


def test_without_a_registry_a_file_of_many_tags_is_posted_with_all_rows_rejected(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "FEW_TAGS", 0)
    for quantity in ("1", "2"):  # the second time the list is there
        rows = [asset(tag, quantity=quantity) for tag in ("NC-0001", "NC-0002", "NC-0003")]
        request_id = send_assets(hub, "lab.csv", *rows)
        process_all(hub)
        assert submission(hub, request_id).counts.rejected == 3
        lists = ListedRegistry(hub.db, "UTC", hub.settings.staged)
        assert lists.known(pyarrow.array(["NC-0001"])).to_pylist() == []


def test_a_list_is_in_order_and_in_one_piece_however_it_came_about(hub: Hub) -> None:
    make_registry(hub, ["NC-0005", "NC-0003"])
    listed(hub)
    make_registry(hub, ["NC-0004", "NC-0001"], "south")
    table = ListedRegistry(hub.db, "UTC", hub.settings.staged).listed()
    assert table["tag"].to_pylist() == ["NC-0001", "NC-0003", "NC-0004", "NC-0005"]
    assert [table[name].num_chunks for name in ("tag", "campus")] == [1, 1]


def test_a_file_whose_tags_are_compared_with_the_whole_list_posts_as_any_other(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "FEW_TAGS", 0)
    fill(hub)
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0009"), asset("NC-0404"), asset("NC-0001"))
    process_all(hub)
    counts = submission(hub, request_id).counts
    assert (counts.posted, counts.rejected) == (2, 2)
    assert set(ledger_values(hub)) == {"NC-0001", "NC-0009"}
    assert len(kept(hub)) == 1


def test_a_posting_of_many_tags_makes_the_list_and_one_of_few_leaves_it(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_registry(hub, ["NC-0001"])
    assert kept(hub) == []
    monkeypatch.setattr(tags, "FEW_TAGS", 1)
    make_registry(hub, ["NC-0002", "NC-0003"])
    assert len(kept(hub)) == 1
    before = kept(hub)
    assert set(listed(hub)) == {"NC-0001", "NC-0002", "NC-0003"}
    assert kept(hub) == before


def test_tags_post_where_their_list_cannot_be_kept(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "FEW_TAGS", 0)
    monkeypatch.setattr(listing, "_write", full_disk)
    make_registry(hub, ["NC-0001"])
    assert LedgerRegistry(hub.db).campuses(["NC-0001"]) == {"NC-0001": "north"}
    assert kept(hub) == []


def full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")
