"""Dagster's page as `hub up` serves it, over real HTTP and websockets: it works, and other pages can't use it. And runs
that the same hub has forked.

Not here: each request that the guard refuses (web/test_guard.py).
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.deployment import Deployment
from hub_pipelines_tests.defs.conftest import home_at
from hub_pipelines_tests.defs.test_deployment import Up, all_posted, drop, free_port, hub_up, with_messages_port
from hub_pipelines_tests.support import procurement_csv, wait_until

EVIL = {"origin": "http://evil.example"}
MUTATION = "mutation { setNuxSeen }"
REPORTED = "/report_asset_check/grants_findings?check_name=no_finding_is_open&passed=true"
EXECUTIONS = """{ assetCheckExecutions(assetKey: {path: ["grants_findings"]}, checkName: "no_finding_is_open",
    limit: 5) { evaluation { success } } }"""
LOGS_OF_NO_RUN = 'subscription { pipelineRunLogs(runId: "none") { __typename } }'


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One running hub is enough for all of them."""
    with home_at(tmp_path_factory.mktemp("up") / "home") as home:
        with_messages_port(home)
        toml = home / "hub.toml"
        toml.write_text(toml.read_text("utf-8").replace("page_hosts = []", 'page_hosts = ["hub.uni.edu"]'), "utf-8")
        with hub_up(home, free_port()) as running:
            yield running


def test_the_page_works_for_itself_and_other_pages_change_nothing_on_it(up: Up) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{up.port}", timeout=60) as client:
        assert_it_works(up, client)
        assert_others_are_refused(up, client)
        assert answer_of(client.post("/graphql", json={"query": EXECUTIONS}))["assetCheckExecutions"] == []
        up.wait_for('dagster-webserver: refused times=1 reason="')
        assert " ERROR webserver " not in up.log()


def assert_it_works(up: Up, client: httpx.Client) -> None:
    own = {"origin": f"http://127.0.0.1:{up.port}", "sec-fetch-site": "same-origin"}
    page = client.get("/assets", headers={"sec-fetch-site": "cross-site"})  # by a link in a receipt
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers.get_list("content-security-policy")[-1] == "frame-ancestors 'self'"
    assert client.get("/favicon.svg").headers["content-type"] == "image/svg+xml"
    assert client.get("/graphql", headers={"accept": "text/html"}).status_code == 200
    assert answer_of(client.post("/graphql?op=Version", headers=own, json={"query": "{ version }"}))["version"]
    assert "setNuxSeen" in answer_of(client.post("/graphql", headers=own, json={"query": MUTATION}))
    proxied = {"host": "hub.uni.edu", "origin": "https://hub.uni.edu"}
    assert answer_of(client.post("/graphql", headers=proxied, json={"query": "{ version }"}))["version"]
    assert subscribed(up.port, own["origin"]) == "PipelineRunLogsSubscriptionFailure"


def assert_others_are_refused(up: Up, client: httpx.Client) -> None:
    text = {"content-type": "text/plain"}
    for status, words, answer in (
        (421, "not served under the name 'evil.example'", client.get("/", headers={"host": "evil.example"})),
        (403, "http://evil.example", client.post(REPORTED, headers=EVIL)),
        (403, "Nobody reports", client.post(REPORTED)),
        (403, "http://evil.example", client.post("/graphql", headers=EVIL, json={"query": MUTATION})),
        (403, "application/json", client.post("/graphql", headers=text, content=json.dumps({"query": MUTATION}))),
        (403, "application/json", client.post("/graphql", params={"query": MUTATION})),
        (403, "not by GET", client.get("/graphql", params={"query": MUTATION})),
        (403, "no such address", client.get("/graphql%0A", params={"query": MUTATION})),
    ):
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
        assert "setNuxSeen" not in answer.text
    with pytest.raises(InvalidStatus) as refused:
        subscribed(up.port, EVIL["origin"])
    assert refused.value.response.status_code == 403


def answer_of(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    assert "errors" not in document
    return dict(document["data"])


def subscribed(port: int, origin: str) -> str:
    """What comes over a websocket to a page of this origin, of the events of a run that there is not."""
    address = f"ws://127.0.0.1:{port}/graphql"
    with connect(address, origin=Origin(origin), subprotocols=[Subprotocol("graphql-ws")]) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        socket.send(json.dumps({"id": "1", "type": "start", "payload": {"query": LOGS_OF_NO_RUN}}))
        while True:
            told = json.loads(socket.recv(60))
            if told["type"] not in {"connection_ack", "ka"}:
                return str(told["payload"]["data"]["pipelineRunLogs"]["__typename"])


def test_runs_get_a_process_though_the_one_that_they_are_forked_from_was_killed(up: Up) -> None:
    drop(up.home, "first.csv", procurement_csv(["NC-1"]))
    wait_until(all_posted(up.home, 1), 240, up.log)
    before = process_that_is_forked(up)
    os.kill(before, signal.SIGKILL)
    drop(up.home, "second.csv", procurement_csv(["NC-2"]))
    wait_until(all_posted(up.home, 2), 240, up.log)
    assert process_that_is_forked(up) != before


def process_that_is_forked(up: Up) -> int:
    """The daemon's child that has loaded everything."""
    command = ["pgrep", "-P", str(up.pid_of("daemon")), "-f", "multiprocessing.forkserver"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_a_page_with_the_port_for_messages_is_refused_at_the_start(home: Path) -> None:
    settings = with_messages_port(home)
    with pytest.raises(SettingsError, match=r"--port, or set another in hub.toml, \[messages\] port"):
        Deployment(settings, settings.messages.port, False, lambda _text: None).start()
