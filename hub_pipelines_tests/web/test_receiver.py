"""The receiver over real sockets, with the official Standard Webhooks client as its sender, on both databases."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select
from sqlalchemy.engine import make_url

from hub_pipelines.audit.store import audit_entry
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import KNOWN_FEEDS, Hub, open_hub
from hub_pipelines.intake.drop_folder import DropFolder
from hub_pipelines.intake.inbox.store import message as inbox_message
from hub_pipelines.intake.sources.service import Issued
from hub_pipelines.settings import load
from hub_pipelines.web.__main__ import serve
from hub_pipelines_tests.crash.faults import finish, fork
from hub_pipelines_tests.disks import fill, small_disk
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import add_source, body_of, settle, stock
from hub_pipelines_tests.support import NORTH_INVENTORY, open_test_hub
from hub_pipelines_tests.web.serving import (
    PATH,
    Receiver,
    Sender,
    free_port,
    messages_kept,
    problem,
    receiver,
    wait_until_listening,
)

BODY = body_of(stock("Ethanol", 5))


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "sqlite at once"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Hub, Receiver, Issued]]:
    """One receiver for the tests of a module; each of them uses webhook-ids of its own."""
    home = tmp_path_factory.mktemp("receiver") / "home"
    home.mkdir()
    if request.param != "postgresql":
        yield from _served(home, f"sqlite:///{home / 'hub.db'}")
        return
    with request.getfixturevalue("postgres_database")() as url:
        yield from _served(home, url)


def _served(home: Path, url: str) -> Iterator[tuple[Hub, Receiver, Issued]]:
    (home / "hub.toml").write_text('[hub]\npage_hosts = ["hub.uni.edu"]\n[campuses.north]\n[campuses.south]\n', "utf-8")
    hub = open_test_hub(home, url)
    issued = add_source(hub)
    with receiver(home, url) as running:
        yield hub, running, issued
    hub.db.dispose()
    hub.inbox.db.dispose()


def test_metrics_are_served_in_the_format_that_prometheus_reads(served: tuple[Hub, Receiver, Issued]) -> None:
    answer = httpx.get(f"{served[1].address}/metrics", timeout=30)
    assert answer.status_code == 200
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"hub_messages_received", "hub_retrying", "hub_rows"} <= names


def serve_beside_a_share_that_hangs(home: Path, port: int) -> None:
    DropFolder.waiting = lambda _folder, _campus: time.sleep(3_600)  # type: ignore[method-assign, assignment, return-value, func-returns-value]
    os.environ |= {"HUB_HOME": str(home), "HUB_DATABASE_URL": f"sqlite:///{home / 'hub.db'}"}
    serve(port)


def test_a_share_that_hangs_keeps_metrics_waiting_and_nobody_else(tmp_path: Path) -> None:
    home = tmp_path / "home"
    hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}")
    issued = add_source(hub)
    hub.db.dispose()
    hub.inbox.db.dispose()
    port = free_port()
    pid = fork(lambda: serve_beside_a_share_that_hangs(home, port))
    try:
        wait_until_listening(port)
        address = f"http://127.0.0.1:{port}"
        many = 4 * (os.cpu_count() or 1) + 12  # more than asyncio has threads
        with ThreadPoolExecutor(many) as asking:
            asked = [asking.submit(httpx.get, f"{address}/metrics", timeout=30) for _ in range(many)]
            time.sleep(1)
            assert httpx.get(f"{address}/health", timeout=30).status_code == 200
            assert Sender(address, issued).send("beside-a-share", BODY).status_code == 202
            assert not any(one.done() for one in asked)
            assert {one.result().status_code for one in asked} == {503}
        assert "hangs" in asked[0].result().json()["detail"]
    finally:
        os.kill(pid, signal.SIGTERM)
        ended = finish(pid)
    assert ended in (0, -signal.SIGTERM)


@pytest.fixture
def hub(served: tuple[Hub, Receiver, Issued]) -> Hub:
    return served[0]


@pytest.fixture
def sender(request: pytest.FixtureRequest, served: tuple[Hub, Receiver, Issued]) -> Sender:
    return Sender(served[1].address, served[2], at_once="at once" in request.node.callspec.id)


# ---- taken


def test_a_message_of_the_official_client_is_acknowledged_posted_and_its_outcome_told(hub: Hub, sender: Sender) -> None:
    first, repeat = sender.send("posted-1", BODY), sender.send("posted-1", BODY)
    bad = sender.send("posted-2", body_of(stock("Acetone", "many")))

    assert (first.status_code, repeat.status_code, bad.status_code) == (202, 202, 202)
    assert (first.json()["duplicate"], repeat.json()["duplicate"]) == (False, True)
    request_id = first.json()["request_id"]
    assert repeat.json()["request_id"] == request_id
    assert sender.asks(request_id).json()["state"] == "waiting"
    settle(hub)
    told = sender.asks(request_id).json()
    assert (told["state"], told["reasons"], told["webhook_id"]) == ("posted", [], "posted-1")
    refused = sender.asks(bad.json()["request_id"]).json()
    assert (refused["state"], refused["reasons"][0]["column"]) == ("rejected", "quantity_on_hand")
    assert_invariants(hub)


def test_a_message_that_comes_whole_is_taken_without_an_app(sender: Sender) -> None:
    answer = sender.send("whole", BODY)
    assert answer.status_code == 202
    # The connection's own answers have their length last, those of an app have it before the headers that all get.
    # What leaves in two packets may be read in one.
    is_taken_at_once = list(answer.headers)[-1] == "content-length"
    assert is_taken_at_once or not sender.at_once


def test_fifty_repeats_at_once_are_one_message(hub: Hub, sender: Sender) -> None:
    before = messages_kept(hub)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: sender.send("at-once", BODY), range(50)))

    assert {one.status_code for one in answers} == {202}
    assert sum(not one.json()["duplicate"] for one in answers) == 1
    assert len({one.json()["request_id"] for one in answers}) == 1
    assert messages_kept(hub) == before + 1


def test_each_line_is_a_message_and_a_repeat_tells_the_same_request_ids(sender: Sender) -> None:
    body = b"\n".join([BODY, b"", BODY, b""])
    first = sender.send("lines-1", body, content_type="application/x-ndjson")
    repeat = sender.send("lines-1", body, content_type="application/x-ndjson")

    assert [one["line"] for one in first.json()["messages"]] == [1, 3]
    assert first.json()["messages"] == repeat.json()["messages"]
    assert len({one["request_id"] for one in first.json()["messages"]}) == 2


def test_other_contents_under_a_known_webhook_id_are_a_conflict(hub: Hub, sender: Sender) -> None:
    sender.send("conflict-1", BODY)
    answer = sender.send("conflict-1", BODY + b" ")
    assert (answer.status_code, problem(answer)) == (409, "conflict")
    assert [one.source_name for one in hub.review.listing()] == ["conflict-1"]


def test_a_sender_that_signs_with_its_own_ed25519_key_is_recognised(hub: Hub, sender: Sender) -> None:
    private = Ed25519PrivateKey.generate()
    public = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
    hub.sources.add("lims", (NORTH_INVENTORY,), actor="person/tester", public_key=public)
    moment = str(int(datetime.now(UTC).timestamp()))
    signature = base64.b64encode(private.sign(f"asymmetric-1.{moment}.".encode() + BODY)).decode()
    own = {"webhook_timestamp": moment, "path": PATH.replace("erp", "lims")}

    assert sender.send("asymmetric-1", BODY, webhook_signature=f"v1a,{signature}", **own).status_code == 202
    spoilt = sender.send("asymmetric-1", BODY + b" ", webhook_signature=f"v1a,{signature}", **own)
    assert problem(spoilt) == "bad-signature"


def test_a_secret_is_rotated_without_a_pause_and_a_revoked_source_is_refused(hub: Hub, sender: Sender) -> None:
    first = hub.sources.add("rotating", (NORTH_INVENTORY,), actor="person/tester")
    path = PATH.replace("erp", "rotating")
    old = Sender(sender.address, first)
    assert old.send("rotating-1", BODY, path=path).status_code == 202
    new = Sender(sender.address, hub.sources.rotate("rotating", actor="person/tester", keep_h=1))
    time.sleep(1.1)
    now = datetime.now(UTC)
    signed = [one.headers("rotating-4", BODY, signed_at=now) for one in (old, new)]
    both = {**signed[0], "webhook-signature": " ".join(one["webhook-signature"] for one in signed)}

    assert old.send("rotating-2", BODY, path=path).status_code == 202
    assert new.send("rotating-3", BODY, path=path).status_code == 202
    assert new.send("rotating-4", BODY, path=path, **both).status_code == 202
    hub.sources.rotate("rotating", actor="person/tester", keep_h=0)
    time.sleep(1.1)
    assert problem(old.send("rotating-5", BODY, path=path)) == "bad-signature"
    assert problem(old.asks("north-inventory-x")) == "bad-token"
    hub.sources.revoke("rotating", actor="person/tester", reason="test")
    time.sleep(1.1)
    assert problem(new.send("rotating-6", BODY, path=path)) == "bad-signature"


def test_a_source_gets_other_rights_and_keeps_its_keys(hub: Hub, sender: Sender) -> None:
    growing = Sender(sender.address, hub.sources.add("growing", (NORTH_INVENTORY,), actor="person/tester"))
    north = PATH.replace("erp", "growing")
    south = north.replace("north", "south")
    assert growing.send("growing-1", BODY, path=north).status_code == 202
    assert problem(growing.send("growing-2", BODY, path=south)) == "no-right"
    hub.sources.permit("growing", (Scope("south", "inventory"),), actor="person/tester")
    time.sleep(1.1)
    assert growing.send("growing-2", BODY, path=south).status_code == 202
    assert problem(growing.send("growing-3", BODY, path=north)) == "no-right"


def test_an_acknowledgement_does_not_wait_for_a_posting_that_holds_the_hubs_database(hub: Hub, sender: Sender) -> None:
    with hub.db.write() as tx:
        tx.execute(select(audit_entry.c.seq).limit(1))
        began = time.monotonic()
        assert sender.send("while-posting", BODY).status_code == 202
        assert time.monotonic() - began < 20  # SQLite would be waited for longer


# ---- refused

_OLD, _AHEAD = timedelta(seconds=-400), timedelta(seconds=400)


def _signed_at(off: timedelta) -> Callable[[Sender], httpx.Response]:
    def send(sender: Sender) -> httpx.Response:
        headers = sender.headers("refused", BODY, signed_at=datetime.now(UTC) + off)
        return sender.post(PATH, BODY, headers)

    return send


def _body(body: bytes, **headers: str) -> Callable[[Sender], httpx.Response]:
    return lambda sender: sender.send("refused", body, **headers)


def _path(path: str) -> Callable[[Sender], httpx.Response]:
    return lambda sender: sender.send("refused", BODY, path=path)


_REFUSED: dict[str, tuple[Callable[[Sender], httpx.Response], int, str]] = {
    "no signature": (lambda one: one.post(PATH, BODY, {}), 401, "unsigned"),
    "another signature": (_body(BODY, webhook_signature="v1,AAAA"), 401, "bad-signature"),
    "an unknown version": (_body(BODY, webhook_signature="v9,AAAA"), 401, "bad-signature"),
    "no base64": (_body(BODY, webhook_signature="v1,*"), 401, "unsigned"),
    "a signature of no version": (_body(BODY, webhook_signature="AAAA"), 401, "unsigned"),
    "no number for a time": (_body(BODY, webhook_timestamp="now"), 401, "unsigned"),
    "signed long ago": (_signed_at(_OLD), 401, "stale"),
    "signed in the future": (_signed_at(_AHEAD), 401, "stale"),
    "an unknown source": (_path("/v1/north/inventory/messages?source=nobody"), 401, "bad-signature"),
    "a source with a NUL": (_path("/v1/north/inventory/messages?source=erp%00"), 401, "bad-signature"),
    "no source": (_path("/v1/north/inventory/messages"), 400, "malformed"),
    "two sources": (_path(PATH + "&source=erp"), 400, "malformed"),
    "no right": (_path(PATH.replace("north", "south")), 403, "no-right"),
    "an unknown campus": (_path(PATH.replace("north", "moon")), 404, "not-found"),
    "an unknown feed": (_path(PATH.replace("inventory", "payroll")), 404, "not-found"),
    "the reserved scope": (_path("/v1/hub/unassigned/messages?source=erp"), 404, "not-found"),
    "a slash at the end": (_path(PATH.replace("messages", "messages/")), 404, "not-found"),
    "no object": (_body(b"[1]"), 400, "not-json"),
    "nothing": (_body(b" "), 400, "not-json"),
    "half an object": (_body(BODY[:-1]), 400, "not-json"),
    "a name twice": (_body(b'{"type": "a", "type": "b"}'), 400, "not-json"),
    "not a number": (_body(b'{"type": NaN}'), 400, "not-json"),
    "half a character": (_body(b'{"type": "\\ud800"}'), 400, "not-json"),
    "a NUL": (_body(b'{"type": "\\u0000"}'), 400, "not-json"),
    "a bomb of lists": (_body(b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}"), 400, "not-json"),
    "one bad line of two": (_body(BODY + b"\n{", content_type="application/x-ndjson"), 400, "not-json"),
    "too many lines": (_body(b"{}\n" * 1_001, content_type="application/x-ndjson"), 413, "too-large"),
    "a long message": (_body(b'{"a":"' + b"x" * 70_000 + b'"}'), 413, "too-large"),
    "a long body": (_body(b'{"a":"' + b"x" * 600_000 + b'"}'), 413, "too-large"),
    "a page": (_body(BODY, content_type="text/html"), 415, "wrong-type"),
    "another method": (lambda one: httpx.put(one.address + PATH), 405, "not-allowed"),
    "another token": (lambda one: one.asks("north-inventory-x", token="hubr_x"), 401, "bad-token"),
    "no token": (lambda one: httpx.get(one.address + "/v1/requests/x", timeout=30), 401, "bad-token"),
    "an unknown request_id": (lambda one: one.asks("north-inventory-x"), 404, "not-found"),
}


@pytest.mark.parametrize("what", _REFUSED)
def test_what_is_not_taken_is_told_in_words_and_leaves_nothing(hub: Hub, sender: Sender, what: str) -> None:
    send, status, code = _REFUSED[what]
    before = messages_kept(hub)
    answer = send(sender)
    assert (answer.status_code, problem(answer)) == (status, code)
    assert messages_kept(hub) == before


@pytest.mark.parametrize(
    ("send", "told"),
    [
        (_path(PATH.replace("north", "moon")), "This hub has no campus moon; it has north, south."),
        (_path(PATH.replace("inventory", "payroll")), "This hub has no feed payroll; it has procurement, inventory, "),
        (_body(b""), "The text is empty."),
        (_body(b"\xef\xbb\xbf{}"), "The text begins with a byte order mark, which JSON has not."),
        (_body(b'{"a'), "The text is not valid JSON: Unterminated string starting at character 2."),
    ],
)
def test_a_refusal_says_which_part_is_wrong(
    sender: Sender, send: Callable[[Sender], httpx.Response], told: str
) -> None:
    assert send(sender).json()["detail"].startswith(told)


def test_of_the_content_type_only_what_matters_is_kept(hub: Hub, sender: Sender) -> None:
    long = {"content_type": f'application/json; a="{"x" * 10_000}"'}
    assert sender.send("content-type", BODY, **long).status_code == 202
    with hub.inbox.db.read() as tx:
        envelopes = [str(one) for one in tx.execute(select(inbox_message.c.envelope)).scalars()]
    assert all("x" * 20 not in one for one in envelopes)


def raw(sender: Sender, text: bytes) -> bytes:
    """What a connection is answered that sends exactly this."""
    host, port = sender.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(text)
        answer = b""
        while more := connection.recv(65_536):
            answer += more
        return answer


def request_text(sender: Sender, path: str, *lines: str) -> bytes:
    signed = [f"{name}: {value}" for name, value in sender.headers("raw", BODY).items()]
    ends = [f"content-length: {len(BODY)}", "host: hub", "connection: close"]
    return "\r\n".join([f"POST {path} HTTP/1.1", *signed, *lines, *ends, "", ""]).encode("latin-1") + BODY


@pytest.mark.parametrize(
    ("path", "lines", "status"),
    [
        ("/v1/north/../south/inventory/messages?source=erp", (), b"404"),
        ("/v1/north/%2e%2e/inventory/messages?source=erp", (), b"404"),
        ("/v1/north%2finventory/messages?source=erp", (), b"404"),
        ("//v1/north/inventory/messages?source=erp", (), b"404"),
        (PATH, ("webhook-id: other",), b"400"),
        (PATH, ("webhook-signature: v1,AAAA",), b"400"),
        (PATH, ("x-a: b\x00c",), b"400"),
        (PATH, ("content-length: 1",), b"400"),
        (PATH, ("x-long: " + "y" * 70_000,), b"400"),
    ],
)
def test_tricks_with_paths_and_headers_are_refused(
    hub: Hub, sender: Sender, path: str, lines: tuple[str, ...], status: bytes
) -> None:
    before = messages_kept(hub)
    answer = raw(sender, request_text(sender, path, *lines))
    assert answer.split(b" ")[1] == status
    assert messages_kept(hub) == before


def test_the_pages_load_nothing_from_elsewhere_and_tell_every_answer(sender: Sender) -> None:
    page = httpx.get(sender.address, timeout=30)
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in page.text
    assert "src=" not in page.text
    contract = httpx.get(f"{sender.address}/openapi.json", timeout=30).json()
    codes = contract["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    assert all(f'id="{code.removeprefix("/#")}"' in page.text for code in codes)
    assert httpx.get(f"{sender.address}/health", timeout=30).json().items() >= {"ok": True, "reason": None}.items()


@pytest.mark.parametrize("path", ["/", "/openapi.json", "/health", "/metrics"])
def test_a_page_that_asks_for_no_proof_is_served_under_the_machines_own_names_and_those_of_the_settings(
    sender: Sender, path: str
) -> None:
    for host in ("127.0.0.1", "localhost:8080", "[::1]:3001", "hub.uni.edu"):
        assert httpx.get(sender.address + path, headers={"host": host}, timeout=30).status_code == 200
    refused = httpx.get(sender.address + path, headers={"host": "evil.example:3001"}, timeout=30)
    assert (refused.status_code, problem(refused)) == (421, "wrong-host")
    assert "hub.toml, [hub] page_hosts" in refused.json()["detail"]


def test_messages_and_questions_about_them_are_taken_under_any_name(sender: Sender) -> None:
    taken = sender.send("by-another-name", BODY, host="erp-gateway.example")
    assert taken.status_code == 202
    asked = {"host": "erp-gateway.example", "authorization": f"Bearer {sender.issued.token}"}
    path = f"/v1/requests/{taken.json()['request_id']}"
    assert httpx.get(sender.address + path, headers=asked, timeout=30).status_code == 200


# ---- with a receiver of its own


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Hub, Issued, str]]:
    home = tmp_path / "home"
    url = f"sqlite:///{home / 'hub.db'}"
    opened = open_test_hub(home, url)
    yield opened, add_source(opened), url
    opened.db.dispose()
    opened.inbox.db.dispose()


def not_taken(hub: Hub) -> list[dict[str, Any]]:
    with hub.db.read() as tx:
        query = select(audit_entry.c.campus, audit_entry.c.detail).where(audit_entry.c.event == "messages:not_taken")
        return [{"campus": row.campus, **row.detail["counts"]} for row in tx.execute(query)]


def test_a_flood_of_bad_requests_is_counted_and_does_not_fill_the_audit_chain(own: tuple[Hub, Issued, str]) -> None:
    hub, issued, url = own
    with receiver(hub.settings.home, url) as running:
        sender = Sender(running.address, issued)
        with httpx.Client(base_url=running.address) as client:
            for _ in range(60):
                assert client.post(PATH, content=BODY).status_code == 401
        sender.send("m-1", BODY)
        sender.send("m-1", BODY)
        sender.send("m-2", b"[]")
        running.stop()
    (entry,) = not_taken(hub)
    assert entry == {"campus": "north", "unknown unsigned": 60, "erp duplicate": 1, "erp not-json": 1}
    assert hub.checkpoints.verify().ok


def test_a_database_that_takes_no_changes_is_told_as_such_and_messages_are_taken_when_it_does_again(
    tmp_path: Path, postgres_database: Callable[[], AbstractContextManager[str]]
) -> None:
    """As a standby is, or a server that was set so since its disk is full."""
    with postgres_database() as url:
        hub = open_test_hub(tmp_path / "home", url)
        issued = add_source(hub)
        name = str(make_url(url).database)
        with receiver(hub.settings.home, url) as running, psycopg.connect(url, autocommit=True) as other:
            sender = Sender(running.address, issued)
            assert sender.send("m-1", BODY).status_code == 202
            other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid != pg_backend_pid()",
                (name,),
            )
            for at in range(3):  # the first may find its connection broken
                answer = sender.send(f"refused-{at}", BODY)
                assert (answer.status_code, problem(answer)) == (503, "busy")
                assert answer.headers["retry-after"]
            health = httpx.get(f"{running.address}/health", timeout=30)
            assert (health.status_code, "read-only" in health.json()["reason"]) == (503, True)
            other.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid != pg_backend_pid()",
                (name,),
            )
            deadline = time.monotonic() + 30
            while (answer := sender.send("refused-0", BODY)).status_code != 202:
                assert time.monotonic() < deadline, answer.text
            assert answer.json()["duplicate"] is False
            assert httpx.get(f"{running.address}/health", timeout=30).status_code == 200
        assert "Traceback" not in hub.settings.log_path.read_text("utf-8")
        hub.db.dispose()


def test_an_inbox_that_was_lost_is_not_begun_anew_without_a_word(tmp_path: Path) -> None:
    home = tmp_path / "home"
    hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}")
    inbox_of = hub.settings.inbox_path
    hub.inbox.db.dispose()
    inbox_of.unlink()
    open_again(hub).inbox.db.dispose()  # nobody could send
    add_source(hub)
    for one in inbox_of.parent.glob("inbox.db*"):
        one.unlink()
    with pytest.raises(SettingsError, match="The inbox of messages is missing"):
        open_again(hub)
    assert not inbox_of.exists()
    inbox_of.touch()
    assert open_again(hub).inbox.count() == 0


def test_an_inbox_that_is_removed_from_a_running_receiver_takes_nothing_until_it_is_back(tmp_path: Path) -> None:
    home = tmp_path / "home"
    url = f"sqlite:///{home / 'hub.db'}"
    hub = open_test_hub(home, url)
    issued = add_source(hub)
    hub.inbox.db.dispose()
    with receiver(home, url) as running:
        sender = Sender(running.address, issued)
        assert sender.send("before", BODY).status_code == 202
        away = hub.settings.inbox_path.rename(home / "away.db")
        answers = [sender.send(f"meanwhile-{at}", BODY) for at in range(3)]
        assert {(one.status_code, problem(one)) for one in answers} == {(503, "busy")}
        health = httpx.get(f"{running.address}/health", timeout=30)
        assert (health.status_code, "inbox.db is gone" in health.json()["reason"]) == (503, True)
        assert not hub.settings.inbox_path.exists()
        away.rename(hub.settings.inbox_path)
        assert [sender.send(one, BODY).status_code for one in ("before", "meanwhile-0")] == [202, 202]
        assert httpx.get(f"{running.address}/health", timeout=30).status_code == 200
    assert messages_kept(hub) == 2
    assert "Traceback" not in hub.settings.log_path.read_text("utf-8")
    hub.db.dispose()
    hub.inbox.db.dispose()


def open_again(hub: Hub) -> Hub:
    environment = {"HUB_HOME": str(hub.settings.home), "HUB_DATABASE_URL": hub.settings.database_url}
    return open_hub(load(KNOWN_FEEDS, environment))


def test_a_full_disk_is_answered_with_come_again_and_nothing_is_acknowledged_that_is_not_kept(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "12m") as disk:
        home = disk / "home"
        home.mkdir()
        (home / "hub.toml").write_text("[campuses.north]\n[limits]\nkeep_free_mb = 0\n", encoding="utf-8")
        url = f"sqlite:///{home / 'hub.db'}"
        hub = open_test_hub(home, url)
        issued = add_source(hub)
        with receiver(home, url) as running:
            sender = Sender(running.address, issued)
            assert sender.send("before", BODY).status_code == 202
            filler = fill(disk)
            answers = [sender.send(f"full-{at}", body_of(stock("x" * 20_000, 1))) for at in range(5)]
            refused = [one for one in answers if one.status_code != 202]
            assert refused
            assert {(one.status_code, problem(one)) for one in refused} == {(503, "busy")}
            assert all(int(one.headers["retry-after"]) > 0 for one in refused)
            filler.unlink()
            assert {sender.send(f"full-{at}", body_of(stock("x" * 20_000, 1))).status_code for at in range(5)} == {202}
        assert messages_kept(hub) == 6
        hub.db.dispose()
        hub.inbox.db.dispose()


def test_a_disk_without_room_is_logged_once_and_not_for_each_message(own: tuple[Hub, Issued, str]) -> None:
    hub, issued, url = own
    settings = hub.settings.home / "hub.toml"
    told = settings.read_text("utf-8").replace("[limits]", "[limits]\nkeep_free_mb = 1_000_000")
    settings.write_text(told, encoding="utf-8")
    with receiver(hub.settings.home, url) as running:
        sender = Sender(running.address, issued)
        answers = [sender.send(f"m-{at}", BODY) for at in range(20)]
        assert {(one.status_code, problem(one)) for one in answers} == {(503, "busy")}
        running.stop()
    lines = [line for line in hub.settings.log_path.read_text("utf-8").splitlines() if "not taken" in line]
    assert len(lines) == 1
    assert "1000000 MB are to stay free" in lines[0]
    assert not_taken(hub)[0]["unknown busy"] == 20


def test_an_inbox_that_is_full_is_told_with_a_time_to_come_again_and_so_are_its_thresholds(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "hub.toml").write_text("[campuses.north]\n[messages]\ncapacity_messages = 1000\n", encoding="utf-8")
    url = f"sqlite:///{home / 'hub.db'}"
    hub = open_test_hub(home, url)
    issued = add_source(hub)
    with receiver(home, url) as running:
        sender = Sender(running.address, issued)
        lines = b"\n".join(body_of(stock(f"Item {at}", at)) for at in range(800))
        first = sender.send("first", lines, content_type="application/x-ndjson")
        full = sender.send("second", lines, content_type="application/x-ndjson")
        assert (first.status_code, full.status_code, problem(full)) == (202, 429, "inbox-full")
        assert int(full.headers["retry-after"]) > 0
        assert "1,000 messages" in full.json()["detail"]
        assert sender.send("first", lines, content_type="application/x-ndjson").json()["duplicate"] is True
        assert sender.send("small", BODY).status_code == 202
        ratio = next(
            line
            for line in httpx.get(f"{running.address}/metrics", timeout=30).text.splitlines()
            if "filled_ratio 0" in line
        )
        assert ratio == "hub_inbox_filled_ratio 0.801"
        wait_for_log(hub, "the inbox of messages is 80% full: 801 of 1,000 messages")
        settle(hub)
        assert sender.send("second", lines, content_type="application/x-ndjson").status_code == 202
        settle(hub)
        wait_for_log(hub, "over: the inbox of messages")
        running.stop()
    assert not_taken(hub)[0].items() >= {"erp inbox-full": 1}.items()
    hub.db.dispose()
    hub.inbox.db.dispose()


def test_what_the_inbox_could_never_hold_is_not_told_to_come_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    page = "[campuses.north]\n[campuses.south]\n[messages]\ncapacity_messages = 1000\n"
    (home / "hub.toml").write_text(page, encoding="utf-8")
    url = f"sqlite:///{home / 'hub.db'}"
    hub = open_test_hub(home, url)
    issued = add_source(hub)
    with receiver(home, url) as running:
        sender = Sender(running.address, issued)
        lines = [body_of(stock(f"Item {at}", at)) for at in range(950)]
        whole = sender.send("whole", b"\n".join(lines), content_type="application/x-ndjson")
        assert (whole.status_code, problem(whole)) == (413, "too-large")
        assert "retry-after" not in whole.headers
        assert "It has 950 messages" in whole.json()["detail"]
        assert "at most 1,000" in whole.json()["detail"]
        for at, part in enumerate((lines[:475], lines[475:])):
            answer = sender.send(f"part-{at}", b"\n".join(part), content_type="application/x-ndjson")
            assert answer.status_code == 202
            settle(hub)
        running.stop()
    assert hub.inbox.count() == 950
    hub.db.dispose()
    hub.inbox.db.dispose()


def wait_for_log(hub: Hub, words: str) -> None:
    deadline = time.monotonic() + 60
    path = hub.settings.log_path
    while not path.exists() or words not in path.read_text("utf-8"):
        assert time.monotonic() < deadline, f"{words!r} is not logged"
        time.sleep(0.1)


def test_a_port_that_is_taken_is_told_with_the_setting_that_changes_it(own: tuple[Hub, Issued, str]) -> None:
    hub, _, url = own
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "hub_pipelines.web", port],
            env={**os.environ, "HUB_HOME": str(hub.settings.home), "HUB_DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "[messages] port" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_contract_is_valid_json_that_names_the_feeds_messages(sender: Sender) -> None:
    contract = json.loads(httpx.get(f"{sender.address}/openapi.json", timeout=30).text)
    kinds = [one["properties"]["type"]["const"] for one in contract["components"]["schemas"]["Message"]["oneOf"]]
    assert "inventory.stock.set" in kinds
