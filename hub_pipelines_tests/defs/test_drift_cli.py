"""`hub shapes` and `hub migration` as scripts and people use them, over one list that changes its columns."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines_tests import commands

Command = Callable[..., str]

HEADER = "Item Code,Name,Room,Quantity,Unit"
NAME = """
[[step]]
do = "rename"
column = "What"
to = "item_name"
"""
STEPS = """
[[step]]
do = "split"
column = "Packed"
into = ["quantity_on_hand", "unit"]
separator = " "
"""


@pytest.fixture
def hub(home: Path) -> Command:
    """Runs a command; what it prints on standard output."""
    assert home.is_dir()
    return commands.printed


def answer(hub: Command, *arguments: str, code: int = 0) -> Any:
    return json.loads(hub(*arguments, "--json", code=code))


def submit(hub: Command, folder: Path, text: str) -> Any:
    path = folder / "stock.csv"
    path.write_text(text, encoding="utf-8")
    return answer(hub, "submit", str(path), "--campus", "north", "--feed", "inventory", "--wait")


def test_a_list_that_changed_its_columns_is_brought_through_with_commands_alone(hub: Command, tmp_path: Path) -> None:
    assert submit(hub, tmp_path, f"{HEADER}\nA-1,Buffer,B1,3,L\n")["state"] == "posted"
    sent = submit(hub, tmp_path, "Item Code,What,Room,Packed\nA-1,Buffer,B1,4 L\n")
    assert (sent["state"], sent["cause"]) == ("in_review", "drift")
    (item,) = answer(hub, "review", "list")["items"]
    found = answer(hub, "shapes", "list", "--campus", "north", "--feed", "inventory")["shapes"]
    assert [(one["accepted_at"] is None, one["header"]) for one in found] == [
        (False, HEADER.split(",")),
        (True, ["Item Code", "What", "Room", "Packed"]),
    ]
    assert answer(hub, "shapes", "list", "--campus", "south")["shapes"] == []
    (shown,) = answer(hub, "shapes", "show", item["item_id"])["comparisons"]
    assert shown == answer(hub, "shapes", "show", found[1]["fingerprint"])["comparisons"][0]
    assert (shown["kind"], shown["held"]) == ("drifted", [item["item_id"]])
    printed = hub("shapes", "show", item["item_id"])
    assert "GONE" in printed
    assert "hub migration draft" in printed
    assert "can't be accepted" in answer(hub, "shapes", "accept", item["item_id"], code=1)["error"]

    file = tmp_path / "migration.toml"
    head = answer(hub, "migration", "draft", item["item_id"])["draft"].partition("\n#")[0].partition("\n[[step]]")[0]
    file.write_text(head + NAME + STEPS, encoding="utf-8")
    added = answer(hub, "migration", "add", str(file), "--by", "kim")
    assert (added["new"], added["state"], added["author"]) == (True, "written", "person/kim")
    reference = added["migration"]
    (tried,) = answer(hub, "migration", "try", reference)["submissions"]
    assert (tried["received"], tried["accepted"]) == (1, 1)
    assert "would be taken 1" in hub("migration", "try", reference)
    for author in ("kim", "Kim", "person/kim"):
        assert "another person" in answer(hub, "migration", "approve", reference, "--by", author, code=1)["error"]
    assert "not approved yet" in answer(hub, "migration", "apply", reference, "--by", "lee", code=1)["error"]
    assert answer(hub, "migration", "approve", reference, "--by", "lee")["approved_by"] == "person/lee"
    assert answer(hub, "migration", "apply", reference, "--by", "lee")["replayed"] == [item["item_id"]]
    assert answer(hub, "drain")["submissions"]["posted"] == 2
    (kept,) = answer(hub, "migration", "list")["migrations"]
    assert kept == answer(hub, "migration", "show", added["migration_id"])
    assert kept["state"] == "applied"
    (story,) = answer(hub, "why", sent["request_id"])["stories"]
    assert reference in story["facts"]["columns read under"]
    assert "columns read as" not in story["facts"]
    assert answer(hub, "audit", "verify")["ok"] is True


@pytest.mark.parametrize(
    "arguments",
    [
        ("shapes", "show", "nothing"),
        ("shapes", "accept", "review-0"),
        ("migration", "draft", "review-0"),
        ("migration", "show", "migration-0"),
        ("migration", "try", "migration-0@1"),
        ("migration", "add", "no-such-file.toml"),
    ],
)
def test_what_is_not_there_is_told_in_one_document(hub: Command, arguments: tuple[str, ...]) -> None:
    assert answer(hub, *arguments, code=1)["ok"] is False


def test_a_migration_that_would_not_do_ends_its_trial_with_exit_code_1(hub: Command, tmp_path: Path) -> None:
    submit(hub, tmp_path, f"{HEADER}\nA-1,Buffer,B1,3,L\n")
    submit(hub, tmp_path, "Item Code,Name,Room,Packed\nA-1,Buffer,B1,some of it\n")
    (item,) = answer(hub, "review", "list")["items"]
    file = tmp_path / "migration.toml"
    head = answer(hub, "migration", "draft", item["item_id"])["draft"].partition("\n#")[0].partition("\n[[step]]")[0]
    file.write_text(head + STEPS, encoding="utf-8")
    tried = answer(
        hub, "migration", "try", answer(hub, "migration", "add", str(file), "--by", "kim")["migration"], code=1
    )
    assert (tried["ok"], tried["submissions"][0]["rejected"]) == (False, 1)
