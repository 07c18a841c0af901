"""The deployment as its users start it: real webserver, daemon and code server, real HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from hub_pipelines_tests.conftest import MakeDatabase

HUB = [sys.executable, "-m", "hub_pipelines.cli"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def demo(environment: dict[str, str]) -> dict[str, object]:
    answer = subprocess.run(
        [*HUB, "demo", "--once", "--json", "--port", str(free_port())],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert answer.returncode == 0, answer.stderr
    document: dict[str, object] = json.loads(answer.stdout)
    return document


def assert_demo_outcome(document: dict[str, object]) -> None:
    files = document["files"]
    assert isinstance(files, list)
    by_name = {one["file"]: one for one in files}
    assert len(by_name) == 8
    assert by_name["teaching-lab.csv"]["taken"] == 9
    assert by_name["teaching-lab.csv"]["not_taken"] == 5
    assert by_name["biology-stock.xlsx"]["taken"] == 15
    assert by_name["scanner-export.xlsx"]["state"] == "in_review"
    assert sorted(one["outcome"] for one in files) == ["duplicate"] + ["received"] * 7
    assert all(Path(one["receipt"]).exists() for one in files)


def test_the_demo_settles_all_files_through_the_daemon(home: Path) -> None:
    assert_demo_outcome(demo({"HUB_HOME": str(home)}))
    answer = subprocess.run([*HUB, "audit", "verify", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout)["ok"] is True
    status = json.loads(subprocess.run([*HUB, "status", "--json"], capture_output=True, text=True, check=True).stdout)
    assert status["rows"]["received"] == 119
    assert status["rows"]["waiting"] == 0


@pytest.mark.slow
def test_the_demo_runs_on_postgresql_for_hub_and_dagster_by_settings_alone(
    home: Path, postgres_database: MakeDatabase
) -> None:
    with postgres_database() as url:
        settings = {"HUB_HOME": str(home), "HUB_DATABASE_URL": url, "HUB_DAGSTER_DATABASE_URL": url}
        assert_demo_outcome(demo(settings))
    assert not (home / "hub.db").exists()
    assert not (home / "dagster" / "storage").exists()


def test_hub_up_serves_a_read_only_page_and_stops_on_sigterm(home: Path) -> None:
    port = free_port()
    command = [*HUB, "up", "--read-only", "--json", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        document = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        assert document["address"] == f"http://127.0.0.1:{port}"
        permissions = graphql(port, "{ permissions { permission value } }")["data"]["permissions"]
        granted = {one["permission"] for one in permissions if one["value"]}
        assert "launch_pipeline_execution" not in granted
        assert home.is_dir()
    finally:
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    assert process.returncode == 0
    assert time.monotonic() - started < 60
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def graphql(port: int, query: str) -> dict:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
