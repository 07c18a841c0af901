"""What an operator types and sees: pauses, locks, partitions, holds and retention."""

import json
import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from hub_pipelines.common.scope import Scope
from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.jobs import submission_job
from hub_pipelines.defs.resources import HubResource, forget_hub
from hub_pipelines.defs.sensors import drop_folder_sensor
from hub_pipelines.hub import KNOWN_FEEDS, open_hub
from hub_pipelines.settings import load
from hub_pipelines.submission.model import State
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines_tests import commands
from hub_pipelines_tests.defs.conftest import SAMPLES, drop_sample
from hub_pipelines_tests.defs.test_runs import all_of, launch
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import lease, ledger_values, procurement_csv, send, submission

REGISTRY = "west/procurement/registry-west.csv"
Typed = Callable[..., str]


@pytest.fixture
def hub(home: Path) -> Typed:
    """Type a command; what it prints on standard output."""
    assert home.is_dir()
    return commands.printed


@pytest.fixture
def answer(home: Path) -> Callable[..., Any]:
    """Type a command with --json; its document."""
    assert home.is_dir()
    return commands.answer


Answer = Callable[..., Any]


def tick_of_the_sensor(runner: Runner, campus: str) -> dg.SensorResult | dg.SkipReason:
    sensor = drop_folder_sensor(campus, [submission_job(FEEDS["procurement"])])
    with dg.build_sensor_context(instance=runner.instance, resources={"hub": HubResource()}) as context:
        found: dg.SensorResult | dg.SkipReason = sensor(context)
    return found


def test_the_sensor_tells_why_it_launches_nothing_while_paused(runner: Runner) -> None:
    runner.hub.pausing.pause("west", actor="person/ann", reason="scanner is replaced")
    drop_sample(runner.hub, "west/procurement/registry-west.csv")
    skipped = tick_of_the_sensor(runner, "west")
    assert isinstance(skipped, dg.SkipReason)
    assert "1 taken, 0 to launch" in str(skipped.skip_message)
    assert "procurement waits (1): all feeds of west paused by person/ann since" in str(skipped.skip_message)
    (one,) = all_of(runner.hub)
    receipt = json.loads(runner.hub.receipts.places.page_of(one).with_suffix(".json").read_text(encoding="utf-8"))
    assert receipt["outcome"] == "received"
    runner.hub.pausing.resume("west", actor="person/ann")
    launched = tick_of_the_sensor(runner, "west")
    assert isinstance(launched, dg.SensorResult)
    assert [request.partition_key for request in launched.run_requests or []] == [one.request_id]


def test_drain_and_waiting_submits_end_while_a_feed_is_paused(runner: Runner) -> None:
    runner.hub.pausing.pause(feed="procurement", actor="person/ann", reason="list is wrong")
    drop_sample(runner.hub, "west/procurement/registry-west.csv")
    drop_sample(runner.hub, "west/inventory/teaching-lab.csv")
    told: list[str] = []
    assert runner.drain(timeout_s=300, progress=told.append)
    # the inventory's tags are checked against the paused list
    assert told == ["2 submissions wait because of a pause; `hub status` shows it"]
    registry = next(one for one in all_of(runner.hub) if one.envelope.feed == "procurement")
    assert runner.settle(registry.request_id, timeout_s=300).state is State.RECEIVED


def test_who_waits_for_one_submission_lets_the_earlier_files_of_its_source_and_the_registry_go_first(
    runner: Runner,
) -> None:
    send(runner.hub, "stock.csv", b"item_name,quantity_on_hand\nAcetone,1\n")
    second = send(runner.hub, "stock.csv", b"item_name,quantity_on_hand\nAcetone,2\n")
    registry = send(runner.hub, "registry.csv", procurement_csv(["NC-0001"]), Scope("north", "procurement"))
    assert runner.settle(str(second.request_id), timeout_s=300).state is State.POSTED
    assert submission(runner.hub, str(registry.request_id)).state is State.POSTED
    assert [one.state for one in all_of(runner.hub)] == [State.POSTED] * 3
    (value,) = ledger_values(runner.hub, "inventory.stock@north").values()
    assert value["quantity_on_hand"] == "2"
    assert_invariants(runner.hub)


def test_what_is_paused_is_not_requeued_and_nobody_waits_for_it(runner: Runner, answer: Answer) -> None:
    waiting = str(send(runner.hub, "stock.csv", b"item_name,quantity_on_hand\nAcetone,1\n").request_id)
    runner.hub.pausing.pause("north", "inventory", actor="person/ann", reason="stocktaking")
    document = answer("requeue", waiting, "--by", "bob", code=1)
    assert "paused by person/ann" in document["left_alone"][0]["refused"]
    assert submission(runner.hub, waiting).state is State.RECEIVED


def test_a_home_that_is_none_is_told_and_no_question_makes_one(
    home: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistyped = home.with_name("hmoe")
    monkeypatch.setenv("HUB_HOME", str(mistyped))
    for command in (["status"], ["audit", "verify"], ["why", "x"], ["retention", "prune"], ["locks", "list"]):
        assert "is no hub's home" in answer(*command, code=1)["error"]
    assert not mistyped.exists()
    assert answer("drain")["ok"] is True
    assert answer("status")["submissions"]["received"] == 0


def test_status_and_doctor_tell_of_a_drop_folder_that_is_gone_as_long_as_it_is(
    home: Path, hub: Typed, answer: Answer
) -> None:
    answer("drain")
    assert answer("status")["troubles"] == []
    (home / "drop" / "north").rename(home / "away")
    (told,) = answer("status")["troubles"]
    assert told.startswith("drop/north can't be read: No such file or directory")
    assert f"ATTENTION: {told}" in hub("status").splitlines()
    assert f"{told}." in [one["text"] for one in answer("doctor", code=1)["findings"]]
    (home / "away").rename(home / "drop" / "north")
    assert answer("status")["troubles"] == []


def test_a_lost_database_is_begun_anew_only_on_purpose(home: Path, answer: Answer) -> None:
    sent = answer("submit", str(SAMPLES / REGISTRY), "--campus", "west", "--feed", "procurement", "--wait")
    for path in home.glob("hub.db*"):
        path.unlink()
    forget_hub()  # a command is a process of its own, and has no connection to the file that is gone
    for command in (["status"], ["audit", "verify"], ["drain"]):
        assert "Is HUB_DATABASE_URL set" in answer(*command, code=1)["error"]
    assert not (home / "hub.db").exists()
    sqlite3.connect(home / "hub.db").close()
    assert "though its archive holds submissions" in answer("status", code=1)["error"]
    (envelopes,) = (home / "archive" / "envelopes").rglob(sent["request_id"])
    for path in envelopes.iterdir():
        os.utime(path, (0, 0))
    answer("reconcile", "--new-database", "--dry-run", code=2)
    assert "registered" in answer("reconcile", "--new-database")["findings"][0]["done"]
    assert answer("drain")["submissions"]["posted"] == 1
    assert answer("status")["rows"]["posted"] == 20


def test_a_damaged_database_is_told_in_a_sentence(
    home: Path, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer("status")
    for path in home.glob("hub.db-*"):
        path.unlink()
    (home / "hub.db").write_bytes(b"SQLite format 3\0" + bytes(80) + b"damaged" * 5_000)
    assert "`hub doctor` says how to restore it" in answer("status", code=1)["error"]
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ("locks", "release", "caf\udce9"),
        ("requeue", "caf\udce9"),
        ("review", "show", "caf\udce9"),
        ("why", "caf\udce9"),
    ],
)
def test_an_argument_that_is_no_text_is_told_in_a_sentence(answer: Answer, command: tuple[str, ...]) -> None:
    assert answer(*command, code=1)["ok"] is False


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("review", "list", "--limit", "9" * 20), 2),
        (("why", "x", "--limit", "9" * 20), 2),
        (("partitions", "retire", "--older-than", "9" * 9), 2),
        (("report", "--weekly", "--week", "0001-W01"), 1),
        (("pause", "--reason", " ", "--campus", "north"), 1),
        (("requeue", "--group", "g-nothing"), 1),
        (("review", "list", "--by", "x"), 2),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_document(answer: Answer, command: tuple[str, ...], code: int) -> None:
    assert answer(*command, code=code)["ok"] is False


def test_a_pause_of_what_the_settings_no_longer_name_is_lifted(home: Path, answer: Answer) -> None:
    answer("pause", "--feed", "grants", "--reason", "list is wrong", "--by", "ann")
    settings = home / "hub.toml"
    text = (
        settings.read_text(encoding="utf-8")
        .replace(', "grants"]', "]")
        .replace("[freshness.grants]", "[freshness.hazmat]")
    )
    settings.write_text(
        text.replace(
            """[freshness.hazmat]
warn_after_days = 8
fail_after_days = 15
""",
            "",
            1,
        ),
        encoding="utf-8",
    )
    assert answer("resume", "--feed", "grants", "--by", "ann")["ok"] is True


def test_the_commands_of_pauses_and_locks(hub: Typed, answer: Answer) -> None:
    sent = str(SAMPLES / "west/procurement/registry-west.csv")
    paused = answer("pause", "--campus", "west", "--reason", "scanner", "--by", "ann")
    assert (paused["campus"], paused["paused_by"]) == ("west", "person/ann")
    waiting = answer("submit", sent, "--campus", "west", "--feed", "procurement", "--wait")
    assert waiting["state"] == "received"
    assert "Received, and not worked on yet" in Path(waiting["receipt"]).read_text(encoding="utf-8")
    assert "PAUSED: all feeds of west by person/ann since" in hub("status")
    assert "paused by person/ann" in answer("pause", "--campus", "west", "--reason", "x", code=1)["error"]
    assert "no campus 'wset'" in answer("pause", "--campus", "wset", "--reason", "x", code=1)["error"]
    assert answer("resume", "--campus", "west", "--by", "ann") == {"ok": True, "still_paused": []}
    opened = open_hub(load(KNOWN_FEEDS))
    lease(opened, waiting["request_id"], "run-a")
    (held,) = answer("locks", "list", "--campus", "west")["held"]
    assert (held["run_id"], held["run_status"], held["past_due_s"]) == ("run-a", None, 0.0)
    released = answer("locks", "release", waiting["request_id"], "--by", "ann")  # Dagster knows no such run
    assert (released["run_id"], released["state"]) == ("run-a", "retrying")
    assert "nobody holds it" in answer("locks", "release", waiting["request_id"], code=1)["error"]
    assert "No submission is held by a run." in hub("locks", "list")


def test_a_lease_whose_run_dagster_counts_among_the_living_needs_force(
    runner: Runner, hub: Typed, answer: Answer
) -> None:
    drop_sample(runner.hub, "west/procurement/registry-west.csv")
    runner.hub.drop_folder.take("west", budget_s=10)
    (one,) = all_of(runner.hub)
    run = runner.instance.create_run_for_job(runner.job("procurement_job"), status=dg.DagsterRunStatus.STARTED)
    lease(runner.hub, one.request_id, run.run_id)
    refused = answer("locks", "release", one.request_id, code=1)
    assert "--force" in refused["error"]
    assert f"run {run.run_id}: STARTED" in hub("locks", "list")
    assert answer("locks", "release", one.request_id, "--force")["ok"] is True


def test_the_commands_of_holds_retention_and_partitions(hub: Typed, answer: Answer) -> None:
    sample = str(SAMPLES / "south/grants/awards-2026.xlsx")
    sent = answer("submit", sample, "--campus", "south", "--feed", "grants", "--wait")
    awards = json.loads(hub("ledger", "export", "--type", "grants.award", "--campus", "south", "--format", "json"))
    hold = answer("hold", "add", "--award", awards[0]["award_id"].lower(), "--reason", "audit 7", "--by", "ann")
    assert (hold["subject"], hold["submissions"]) == (awards[0]["award_id"], 1)
    assert "Name one thing" in answer("hold", "add", "--reason", "x", code=1)["error"]
    assert "needs --from and --to" in answer("hold", "add", "--campus", "south", "--reason", "x", code=1)["error"]
    (line,) = [
        one
        for one in answer("retention", "status", "--campus", "south", "--feed", "grants")["ledgers"]
        if one["submissions"]
    ]
    assert line["kept"] == {f"legal hold {hold['hold_id']}": 1}
    assert "2 CFR 200.334" in hub("retention", "status", "--feed", "grants")
    assert [one["removed"] for one in answer("retention", "prune", "--dry-run")["pruned"]] == [0, 0, 0, 0]
    assert answer("hold", "lift", hold["hold_id"], "--reason", "closed", "--by", "ann")["lifted_by"] == "person/ann"
    assert answer("hold", "list") == {"holds": []}
    (listed,) = answer("partitions", "list")["partitions"]
    assert (listed["live"], listed["live_settled"]) == (1, 1)
    assert answer("partitions", "retire", "--older-than", "0")["retired"] == [sent["request_id"]]
    today = datetime.now(UTC).date()
    days = ("--from", str(today - timedelta(days=2)), "--to", str(today))
    assert answer("partitions", "revive", "--feed", "grants", *days)["revived"] == [sent["request_id"]]
    assert answer("partitions", "retire", sent["request_id"])["ok"] is True
    assert "no submission nothing" in answer("partitions", "revive", "nothing", code=1)["error"].lower()


def test_a_submission_that_waits_is_not_retired(runner: Runner, answer: Answer) -> None:
    drop_sample(runner.hub, "west/procurement/registry-west.csv")
    launch(runner, "west")
    (one,) = all_of(runner.hub)
    runner.hub.review.apply_again(one.request_id, actor="person/ann")
    refused = answer("partitions", "retire", one.request_id, code=1)
    assert refused["not_settled"] == [one.request_id]
