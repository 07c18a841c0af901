"""The command line as scripts use it: one JSON document on standard output, also when the answer is no."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines_tests.commands import answer, printed
from hub_pipelines_tests.defs.conftest import SAMPLES


def submit(sample: str, *more: str) -> Any:
    campus, feed, _ = sample.split("/")
    return answer("submit", str(SAMPLES / sample), "--campus", campus, "--feed", feed, "--wait", *more)


def test_a_file_goes_from_submit_to_export_and_its_proof_holds(home: Path) -> None:
    assert home.is_dir()
    assert submit("west/procurement/registry-west.csv")["state"] == "posted"
    sent = submit("west/inventory/teaching-lab.csv")
    assert (sent["outcome"], sent["state"]) == ("received", "posted")
    assert sent["rows"]["received"] == sent["rows"]["posted"] + sent["rows"]["rejected"] == 14
    assert "5 need your attention" in Path(sent["receipt"]).read_text(encoding="utf-8")
    again = submit("west/inventory/teaching-lab.csv")
    assert (again["outcome"], again["request_id"]) == ("duplicate", sent["request_id"])
    exported = printed("ledger", "export", "--type", "inventory.asset", "--campus", "west")
    assert len(list(csv.DictReader(io.StringIO(exported)))) == 9
    west = ("--type", "inventory.asset", "--campus", "west")
    rows = json.loads(printed("ledger", "export", *west, "--format", "json"))
    assert {row["request_id"] for row in rows} == {sent["request_id"]}
    status = answer("status")
    assert status["submissions"]["posted"] == 2
    assert status["rows"]["rejected"] == 5
    assert status["retries"] == {
        "retrying": 0,
        "by_attempts_made": {},
        "next_retry_at": None,
        "launched_in_vain": 0,
        "max_attempts": 5,
    }
    assert {(line["campus"], line["feed"]) for line in status["rows_by"]} == {
        ("west", "procurement"),
        ("west", "inventory"),
    }
    applied = answer("apply-again", sent["request_id"], "--wait", "--by", "ann")
    assert (applied["state"], applied["revision"], applied["rows"]["unchanged"]) == ("posted", 2, 9)
    assert answer("audit", "verify")["ok"] is True


def test_an_unreadable_file_waits_for_a_person_who_replays_or_dismisses_it(home: Path) -> None:
    assert home.is_dir()
    assert submit("west/inventory/scanner-export.xlsx")["state"] == "in_review"
    (item,) = answer("review", "list")["items"]
    shown = answer("review", "show", item["item_id"])
    assert "The workbook cannot be opened" in shown["trace"]
    assert shown["attempts"][0]["outcome"] == "in review: unreadable"
    assert Path(shown["archived_copy"]).exists()
    answer("review", "replay", item["item_id"], "--by", "ann")
    assert answer("drain")["submissions"]["in_review"] == 1
    (second,) = answer("review", "list")["items"]
    assert second["revision"] == 2
    wrong = answer("review", "dismiss", second["item_id"], "--reason", "because", code=1)
    assert "sent_in_error" in wrong["error"]
    answer("review", "dismiss", second["item_id"], "--reason", "sent_in_error", "--by", "ann")
    assert answer("review", "list")["items"] == []
    assert answer("status")["submissions"]["dismissed"] == 1


def test_another_payload_under_a_senders_key_is_a_conflict(home: Path) -> None:
    assert home.is_dir()
    submit("west/procurement/registry-west.csv", "--key", "job-1")
    other = SAMPLES / "north/procurement/registry-north.csv"
    outcome = answer("submit", str(other), "--campus", "west", "--feed", "procurement", "--key", "job-1")
    assert outcome["outcome"] == "conflict"
    (item,) = answer("review", "list")["items"]
    assert item["cause"] == "conflict"
    assert "can't be replayed" in answer("review", "replay", item["item_id"], code=1)["error"]


def test_wrong_usage_and_wrong_names_get_a_clear_answer(home: Path) -> None:
    assert home.is_dir()
    assert answer("submit", code=2)["ok"] is False
    file = str(SAMPLES / "west/procurement/registry-west.csv")
    assert "north, south, west" in answer("submit", file, "--campus", "x", "--feed", "inventory", code=1)["error"]
    assert "not a file" in answer("submit", "nothing.csv", "--campus", "west", "--feed", "inventory", code=1)["error"]
    assert "hub review list" in answer("review", "show", "review-0", code=1)["error"]


def test_why_tells_where_a_file_and_a_tag_came_from(home: Path) -> None:
    assert home.is_dir()
    submit("west/procurement/registry-west.csv")
    sent = submit("west/inventory/teaching-lab.csv")
    by_bytes = answer("why", str(SAMPLES / "west/inventory/teaching-lab.csv"))
    assert [story["request_id"] for story in by_bytes["stories"]] == [sent["request_id"]]
    text = printed("why", "teaching-lab.csv")
    assert "posted to inventory.asset@west as its version 1: 14 rows, 9 posted" in text
    assert "Now: posted at" in text
    assert f"receipt {sent['receipt']}" in text
    tag = printed("why", "wc-0001")
    assert "== WC-0001 in the ledger inventory.asset@west" in tag
    assert "first entry by teaching-lab.csv row 2, ledger version 1" in tag


def test_why_says_no_when_nothing_is_known_and_needs_a_limit_of_at_least_one(home: Path) -> None:
    assert home.is_dir()
    unknown = answer("why", "nothing.csv", code=1)
    assert unknown["ok"] is False
    assert "Looked for a request_id" in unknown["notes"][-1]
    assert answer("why", "nothing.csv", "--limit", "0", code=2)["ok"] is False


def test_why_loads_nothing_that_is_slow_to_import() -> None:
    code = (
        "import sys; import hub_pipelines.cli, hub_pipelines.timeline.service; "
        "print([name for name in ('dagster', 'pandas', 'pyarrow', 'great_expectations') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_report_writes_the_list_of_receipts_and_prints_where_it_is(home: Path) -> None:
    submit("west/procurement/registry-west.csv")
    assert printed("report").strip() == str(home / "receipts" / "index.html")
    assert printed("report", "--campus", "west", "--no-open").strip() == str(home / "receipts/west/index.html")
    assert "registry-west.csv" in (home / "receipts/west/index.html").read_text(encoding="utf-8")
    assert "north, south, west" in answer("report", "--campus", "x", code=1)["error"]


@pytest.mark.parametrize(("more", "opened"), [((), True), (("--no-open",), False)])
def test_report_opens_the_page_for_somebody_at_a_terminal_with_a_display(
    home: Path, more: tuple[str, ...], opened: bool
) -> None:
    seen = home / "opened"
    browser = home / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}\n', encoding="utf-8")
    browser.chmod(0o755)
    ours, theirs = os.openpty()
    environment = {**os.environ, "DISPLAY": ":99", "BROWSER": f"{browser} %s"}
    command = [sys.executable, "-m", "hub_pipelines.cli", "report", *more]
    subprocess.run(command, stdout=theirs, stderr=theirs, env=environment, timeout=60, check=True)
    os.close(theirs)
    os.close(ours)
    assert seen.exists() is opened
    if opened:
        assert seen.read_text(encoding="utf-8").strip() == (home / "receipts/index.html").as_uri()


def test_a_preview_tells_what_a_file_would_do_and_a_count_what_is_missing(home: Path) -> None:
    assert home.is_dir()
    assert submit("west/procurement/registry-west.csv")["state"] == "posted"
    sample = "west/inventory/teaching-lab.csv"
    scope = ("--campus", "west", "--feed", "inventory")
    told = answer("preview", str(SAMPLES / sample), *scope)
    assert (told["would"], told["found"]["new"], told["found"]["rejected"]) == ("post", 9, 5)
    assert Path(told["receipt"]).is_file()
    assert "Preview – nothing was changed." in printed("preview", str(SAMPLES / sample), *scope)
    status = answer("status")
    assert (status["submissions"]["posted"], status["previews"]) == (1, {"made": 2, "due": 0})
    update = submit(sample)
    count = submit(sample, "--complete-count")
    assert (update["outcome"], count["outcome"]) == ("received", "received")
    assert update["request_id"] != count["request_id"]
    receipt = json.loads(Path(count["receipt"]).with_suffix(".json").read_text(encoding="utf-8"))
    assert receipt["complete_count"]
    assert (receipt["count"]["not_found"], len(receipt["count"]["locations"]) > 1) == (0, True)
    refused = answer(
        "submit", str(SAMPLES / sample), "--campus", "west", "--feed", "grants", "--complete-count", code=1
    )
    assert "Counted are: inventory, hazmat" in refused["error"] or "Counted are: hazmat, inventory" in refused["error"]
