"""Requeueing and the weekly review on a real Dagster instance, and the commands as scripts use them."""

import csv
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from hub_pipelines.common.scope import Scope
from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.defs.sensors import REQUEST_TAG, register_partitions, review_queue_sensor, runs_alive
from hub_pipelines.hub import KNOWN_FEEDS, open_hub
from hub_pipelines.launching import tick
from hub_pipelines.requeueing import of_requests, send
from hub_pipelines.settings import load
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import State
from hub_pipelines_tests import commands
from hub_pipelines_tests.defs.conftest import SAMPLES, drop_sample
from hub_pipelines_tests.defs.test_deployment import free_port, hub_up, submissions_in
from hub_pipelines_tests.messages import STOCK, add_source, body_of, message, moved, settle, stock, take
from hub_pipelines_tests.support import all_submissions, bring_back_bytes, lose_bytes, wait_until

RUN_KEY_TAG = "dagster/run_key"
Answer = Callable[..., Any]


@pytest.fixture
def answer(home: Path) -> Answer:
    """A command as somebody types it: its JSON document, or its text with `text=True`."""
    assert home.is_dir()

    def run(*arguments: str, code: int = 0, text: bool = False) -> Any:
        return (commands.printed if text else commands.answer)(*arguments, code=code)

    return run


def submit(answer: Answer, sample: str) -> Any:
    campus, feed, _ = sample.split("/")
    return answer("submit", str(SAMPLES / sample), "--campus", campus, "--feed", feed, "--wait")


def one_run_failed(runner: Runner) -> str:
    """A submission whose only run has failed, on a real instance; its request_id. The cause is gone again."""
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    (arrival,) = runner.hub.drop_folder.take("north", budget_s=10).arrivals
    lose_bytes(runner.hub, str(arrival.request_id))
    found = tick(runner.hub, "north", alive=runs_alive(runner.instance))
    register_partitions(runner.instance, runner.hub, found.launches)
    for one in found.launches:
        runner.run(one)
    bring_back_bytes(runner.hub, str(arrival.request_id))
    return str(arrival.request_id)


def run_keys(runner: Runner, request_id: str) -> dict[str, dg.DagsterRunStatus]:
    runs = runner.instance.get_runs(dg.RunsFilter(tags={REQUEST_TAG: request_id}))
    return {run.tags[RUN_KEY_TAG]: run.status for run in runs}


def test_a_failed_run_blocks_its_run_key_and_requeue_runs_under_the_same_request_id(runner: Runner) -> None:
    request_id = one_run_failed(runner)
    assert run_keys(runner, request_id) == {f"{request_id}:1:1": dg.DagsterRunStatus.FAILURE}
    report = send(
        runner.hub,
        of_requests(runner.hub, [request_id]),
        actor="person/kim",
        advance=runner.advance,
        rate=5,
        stop_on_failure_share=0,
        timeout_s=300,
    )
    assert report.posted == 1
    assert run_keys(runner, request_id) == {
        f"{request_id}:1:1": dg.DagsterRunStatus.FAILURE,
        f"{request_id}:2:2": dg.DagsterRunStatus.SUCCESS,
    }
    (current,) = all_submissions(runner.hub)
    assert (current.state, current.revision) == (State.POSTED, 2)
    with runner.hub.db.read() as tx:
        assert len(submissions.attempts_of(tx, request_id)) == 2


@pytest.mark.slow
def test_with_a_live_daemon_requeue_leaves_the_work_to_it_and_tells_the_outcome(
    home: Path, runner: Runner, answer: Answer
) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    (arrival,) = runner.hub.drop_folder.take("north", budget_s=10).arrivals
    request_id = str(arrival.request_id)
    lose_bytes(runner.hub, request_id)
    with hub_up(home, free_port()) as up:
        wait_until(lambda: [one.state for one in submissions_in(home)] == [State.IN_REVIEW], 90, up.log)
        wait_until(lambda: list(run_keys(runner, request_id).values()) == [dg.DagsterRunStatus.FAILURE], 60)
        bring_back_bytes(runner.hub, request_id)
        document = answer("requeue", request_id, "--by", "ann", "--timeout-s", "90")
        assert (document["sent"], document["posted"]) == (1, 1)
        keys = run_keys(runner, request_id)
        assert sorted(status.value for status in keys.values()) in (["FAILURE", "SUCCESS"], ["FAILURE", "STARTED"])
        assert len(keys) == 2


# ---- commands


def test_a_group_is_listed_judged_sent_stopped_and_dismissed_from_the_command_line(home: Path, answer: Answer) -> None:
    submit(answer, "west/inventory/scanner-export.xlsx")
    copy = home / "copy.xlsx"
    copy.write_bytes((SAMPLES / "west/inventory/scanner-export.xlsx").read_bytes() + b"\n")
    answer("submit", str(copy), "--campus", "north", "--feed", "inventory", "--wait")
    (group,) = answer("review", "list", "--group")["groups"]
    assert (group["count"], group["campuses"]) == (2, ["north", "west"])
    name = group["group"]
    foreseen = answer("review", "replay", "--group", name, "--dry-run")
    assert (foreseen["fail"], foreseen["post"]) == (2, 0)
    stopped = answer("review", "replay", "--group", name, "--by", "ann", code=1)
    assert (stopped["sent"], stopped["failed_count"], stopped["not_sent"]) == (1, 1, 1)
    assert "more than the limit of 20%" in stopped["stopped_because"]
    both = answer("review", "replay", "--group", name, "--stop-on-failure-share", "1", "--by", "ann")
    assert (both["sent"], both["failed_count"]) == (2, 2)
    assert answer("review", "dismiss", "--group", name, "--reason", "test_data", "--by", "ann")["dismissed"] == 2
    assert answer("review", "list", "--group")["groups"] == []
    assert "g-none" in answer("review", "replay", "--group", "g-none", code=1)["error"]
    assert answer("review", "list", "--all", "--limit", "2")["left_out"] == 3


def test_an_edited_copy_is_sent_shown_and_told_by_why(home: Path, answer: Answer) -> None:
    lacking, mended = home / "lab.csv", home / "mended.csv"
    lacking.write_text("asset_tag,po_number\nNC-0001,PO-1\nNC-0002,PO-2\n", encoding="utf-8")
    mended.write_text("asset_tag,po_number,campus\nNC-0001,PO-1,north\nNC-0002,PO-3,north\n", encoding="utf-8")
    sent = answer("submit", str(lacking), "--campus", "north", "--feed", "procurement", "--wait")
    (item,) = answer("review", "list")["items"]
    wrong = answer("review", "edit", item["item_id"], "--file", str(home / "nothing.csv"), code=1)
    assert "not a file" in wrong["error"]
    done = answer("review", "edit", item["item_id"], "--file", str(mended), "--by", "ann")
    assert (done["state"], done["replaced_by"]) == ("resubmitted", done["request_id"])
    assert answer("drain")["rows"]["posted"] == 2
    text = answer("review", "show", item["item_id"], text=True)
    assert "2 rows changed; column campus added." in text
    assert "row 3, po_number: 'PO-2' → 'PO-3'" in text
    assert f"a corrected copy was sent in its place: {done['request_id']}" in answer(
        "why", sent["request_id"], text=True
    )


def test_both_contents_of_a_conflict_of_messages_are_shown_and_why_knows_the_webhook_id(
    home: Path, answer: Answer
) -> None:
    hub = open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(home)}))
    add_source(hub, "erp", Scope("north", "inventory"))
    first, then = body_of(stock("Ethanol", 5)), body_of(stock("Ethanol", 7))
    take(hub, message("order-4711", first))
    other = message("order-4711", then)
    hub.conflicts.file(other, take(hub, other)[0])
    (item,) = answer("review", "list")["items"]
    shown = answer("review", "show", item["item_id"])
    assert (shown["first"]["body"], shown["then"]["body"]) == (first.decode(), then.decode())
    text = answer("review", "show", item["item_id"], text=True)
    assert text.index("came first") < text.index(first.decode()) < text.index("came then") < text.index(then.decode())
    told = answer("why", "order-4711")
    assert [one["message"]["request_id"] for one in told["messages"]] == [item["request_id"]]
    assert "erp sent order-4711 for north/inventory" in answer("why", "order-4711", text=True)


def test_an_export_tells_by_how_much_an_item_is_short(home: Path, answer: Answer) -> None:
    hub = open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(home)}))
    take(hub, message("m-1", body_of(moved("Ethanol", 2), kind=f"{STOCK}.consumed")))
    take(hub, message("m-2", body_of(stock("Acetone", 2))))
    settle(hub)
    text = answer("ledger", "export", "--type", STOCK, "--campus", "north", text=True)
    rows = {row["item_name"]: row for row in csv.DictReader(text.splitlines())}
    assert (rows["Ethanol"]["quantity_on_hand"], rows["Ethanol"]["short_by"]) == ("0", "2")
    assert (rows["Acetone"]["quantity_on_hand"], rows["Acetone"]["short_by"]) == ("2", "")


def test_requeue_needs_one_way_to_choose_and_says_what_it_left_alone(answer: Answer) -> None:
    assert answer("requeue", code=2)["ok"] is False
    assert answer("requeue", "--cause", "exhausted", "--group", "g-1", code=2)["ok"] is False
    assert "exhausted" in answer("requeue", "--cause", "tired", code=1)["error"]
    assert answer("requeue", "--cause", "exhausted")["targets"] == 0
    sent = submit(answer, "west/procurement/registry-west.csv")
    left = answer("requeue", sent["request_id"], code=1)
    assert "posted already" in left["left_alone"][0]["refused"]
    assert answer("requeue", "--rule", "tag_not_in_registry", "--campus", "west")["targets"] == 0


def test_a_decision_needs_a_name(answer: Answer) -> None:
    submit(answer, "west/inventory/scanner-export.xlsx")
    (item,) = answer("review", "list")["items"]
    for nobody in ("   ", "42", "a\tb\x07"):
        wrong = answer("review", "dismiss", item["item_id"], "--reason", "test_data", "--by", nobody, code=1)
        assert "no person's name" in wrong["error"]


# ---- the weekly review


def test_a_weeks_review_is_an_asset_with_its_counts_and_links(runner: Runner) -> None:
    drop_sample(runner.hub, "west/inventory/scanner-export.xlsx")
    assert runner.drain(timeout_s=300, progress=lambda _text: None)
    result = runner.job("weekly_review_job").execute_in_process(
        instance=runner.instance, partition_key="2026-01-12", resources={"hub": HubResource()}
    )
    assert result.success
    (event,) = result.get_asset_materialization_events()
    told = event.materialization.metadata
    assert told["week"].value == "2026-W03"
    assert Path(told["page"].value).read_text(encoding="utf-8")
    assert Path(told["table"].value).exists()
    assert told["opened"].value == 0


def test_on_monday_the_schedule_asks_for_the_week_that_has_ended(runner: Runner) -> None:
    schedule = runner._repository.get_schedule_def("weekly_review_schedule")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    monday = datetime(2026, 11, 23, 5, 30, tzinfo=timezone.utc)  # noqa: UP017
    context = dg.build_schedule_context(instance=runner.instance, scheduled_execution_time=monday)
    (request,) = schedule.evaluate_tick(context).run_requests
    assert request.partition_key == str((monday - timedelta(days=7)).date())
    assert schedule.cron_schedule == "30 5 * * 1"


def test_report_writes_the_review_of_a_week_and_of_this_one(home: Path, answer: Answer) -> None:
    submit(answer, "west/inventory/scanner-export.xlsx")
    now = answer("report", "--weekly")
    assert (now["opened"], now["open"], now["is_over"]) == (1, 1, False)
    past = answer("report", "--weekly", "--week", "2026-W02")
    assert past["page"] == str(home / "reports" / "weekly" / "2026-W02.html")
    assert (past["opened"], past["is_over"]) == (0, True)
    assert "2026-W47" in answer("report", "--weekly", "--week", "last", code=1)["error"]
    assert answer("report", "--week", "2026-W02", code=2)["ok"] is False


def test_the_queue_tells_its_groups_and_how_many_came_in_the_last_hour(runner: Runner) -> None:
    drop_sample(runner.hub, "west/inventory/scanner-export.xlsx")
    assert runner.drain(timeout_s=300, progress=lambda _text: None)
    with dg.build_sensor_context(instance=runner.instance, resources={"hub": HubResource()}) as context:
        (event,) = review_queue_sensor()(context).asset_events
    (item,) = runner.hub.review.listing()
    assert event.metadata["opened_last_hour"].value == 1
    assert event.metadata["groups"].value == {item.fingerprint: 1}
    assert json.dumps(event.metadata["groups"].value)
