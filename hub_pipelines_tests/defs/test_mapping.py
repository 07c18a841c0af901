"""A sender's own columns on a real instance: a run that asks, an answer by command, and a second file without one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from hub_pipelines.defs.checks import COLUMNS_CHECK
from hub_pipelines.defs.instance import Runner
from hub_pipelines.submission.model import State
from hub_pipelines_tests import commands
from hub_pipelines_tests.defs.test_runs import all_of, drain, materializations

Command = Callable[..., Any]

HEADER = "Item Code,Name of item,Room,Bestand 7,Unit,Farbe"
ROWS = "A-1,Buffer,B1,3,bottle,red\nA-2,Agar,B1,5,bottle,blue\n"


@pytest.fixture
def command(home: Path) -> Command:
    """Runs a command; its document, or what it prints when it is not asked for one."""
    assert home.is_dir()

    def run(*arguments: str, code: int = 0, as_json: bool = True) -> Any:
        return (commands.answer if as_json else commands.printed)(*arguments, code=code)

    return run


def drop(runner: Runner, name: str, text: str) -> None:
    (runner.hub.settings.drop / "north" / "inventory" / name).write_text(text, encoding="utf-8")
    drain(runner)


def results(runner: Runner) -> list[tuple[bool, str, dict[str, Any]]]:
    """Of the check on columns, oldest first: passed, severity and metadata."""
    key = dg.AssetCheckKey(dg.AssetKey("inventory_validated"), COLUMNS_CHECK)
    records = runner.instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    evaluations = [record.event.dagster_event.event_specific_data for record in records if record.event]
    found = [one for one in evaluations if hasattr(one, "passed")]
    return [(one.passed, one.severity.value, dict(one.metadata)) for one in reversed(found)]


def test_a_run_that_asks_is_answered_by_command_and_posts_and_the_next_file_is_not_asked(
    runner: Runner, command: Command
) -> None:
    drop(runner, "stock.csv", f"{HEADER}\n{ROWS}")
    (held,) = all_of(runner.hub)
    assert (held.state, held.cause) == (State.IN_REVIEW, "question")
    assert {run.status for run in runner.instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
    ((passed, severity, told),) = results(runner)
    assert (passed, severity, told["questions_open"].value) == (False, "WARN", 1)
    assert "how much" in str(told["questions"].value)

    (item,) = command("review", "list")["items"]
    assert item["cause"] == "question"
    assert "how much" in item["reason"]
    shown = command("mapping", "show", held.request_id)["submission"]
    assert [one["question"] for one in shown["questions"]] == ["q1"]
    printed = command("mapping", "show", held.request_id, as_json=False)
    assert f"To answer: hub mapping answer {held.request_id} q1 N" in printed
    assert "hub mapping answer" in command("why", held.request_id, as_json=False)
    done = command("mapping", "answer", held.request_id, "q1", "1", "--by", "kim")
    assert (done["answered"], done["open"], done["replayed"]) == (["q1"], [], [held.request_id])
    drain(runner)

    (posted,) = all_of(runner.hub)
    assert (posted.state, posted.revision, posted.counts.posted) == (State.POSTED, 2, 2)
    newest = materializations(runner, "inventory_validated")[0]
    assert newest.metadata["decision"].value == posted.decision
    columns = {one.data["column"]: one.data for one in newest.metadata["columns"].records}
    assert (columns["quantity_on_hand"]["heading"], columns["quantity_on_hand"]["how"]) == ("Bestand 7", "confirmed")
    assert newest.metadata["kept_unread"].value == "Farbe"
    assert results(runner)[-1][0] is True
    why = command("why", held.request_id, as_json=False)
    assert '"Bestand 7" → quantity_on_hand (confirmed)' in why
    assert "asked what only a person can tell, about quantity_on_hand" in why
    assert "answered: column:quantity_on_hand = bestand 7" in why

    drop(runner, "stock.csv", f"{HEADER}\n{ROWS}A-3,Salt,B2,7,bottle,red\n")
    assert [one.state for one in all_of(runner.hub)] == [State.POSTED] * 2
    (source,) = command("mapping", "list")["sources"]
    assert (source["key"], source["headings"]) == ("stock.csv", {"bestand 7": "quantity_on_hand"})
    assert command("mapping", "show", "north/inventory/stock.csv")["sources"][0]["version"] == 1
    assert command("audit", "verify")["ok"] is True


def test_what_was_taken_by_likeness_is_warned_of_with_its_columns(runner: Runner) -> None:
    rows = ROWS.replace(",red", "").replace(",blue", "")
    drop(runner, "stock.csv", f"Item Code,Item nmae,Room,Quantity,Unit\n{rows}")
    (posted,) = all_of(runner.hub)
    assert posted.state is State.POSTED
    ((passed, severity, told),) = results(runner)
    assert (passed, severity, told["columns_guessed"].value) == (False, "WARN", 1)
    assert [one.data["heading"] for one in told["columns"].records] == ["Item nmae"]


def test_what_is_remembered_is_changed_and_forgotten_by_command(
    runner: Runner, command: Command, tmp_path: Path
) -> None:
    source = "north/inventory/stock.csv"
    assert command("mapping", "set", source, "Bestand 7", "quantity_on_hand", "--by", "lee")["version"] == 1
    drop(runner, "stock.csv", f"{HEADER}\n{ROWS}")
    assert [one.state for one in all_of(runner.hub)] == [State.POSTED]
    assert command("mapping", "forget", source, "Bestand 7", "--by", "lee")["headings"] == {}
    assert command("mapping", "list")["sources"] == []
    assert "Nothing is remembered" in command("mapping", "list", as_json=False)
    file = tmp_path / "other.csv"
    file.write_text(f"{HEADER}\n{ROWS}", encoding="utf-8")
    tried = command("mapping", "try", str(file), "--campus", "north", "--feed", "inventory", code=1)
    assert (tried["ok"], [one["question"] for one in tried["questions"]]) == (False, ["q1"])
    assert {one["heading"]: one["column"] for one in tried["columns"]}["Name of item"] == "item_name"
    file.write_text("Item Code,Name,Room,Quantity,Unit\nA-1,Buffer,B1,3,bottle\n", encoding="utf-8")
    tried = command("mapping", "try", str(file), "--campus", "north", "--feed", "inventory")
    assert (tried["ok"], tried["questions"], tried["record_type"]) == (True, [], "inventory.stock")
    assert len(all_of(runner.hub)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("mapping", "show", "nothing.csv"),
        ("mapping", "answer", "north-inventory-0", "q1", "1"),
        ("mapping", "set", "stock.csv", "Bestand 7", "quantity"),
        ("mapping", "forget", "north/inventory/stock.csv"),
    ],
)
def test_what_is_not_there_is_told_in_one_document(home: Path, command: Command, arguments: tuple[str, ...]) -> None:
    assert home.is_dir()
    assert command(*arguments, code=1)["ok"] is False
