"""The deployment as its users start it: real webserver, daemon and code server, real HTTP, real signals."""

import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import httpx
import pytest

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.defs.instance import prepare_dagster_home
from hub_pipelines.defs.run_process import process_of
from hub_pipelines.deployment import Deployment, sensor_timeout_s
from hub_pipelines.doctor.messages import receiver
from hub_pipelines.doctor.model import Check, diagnose
from hub_pipelines.hub import KNOWN_FEEDS, open_hub
from hub_pipelines.messaging import Fate, outcome_of
from hub_pipelines.settings import Settings, load
from hub_pipelines.simulation import Traffic, simulate
from hub_pipelines.submission.model import State, Submission
from hub_pipelines_tests.conftest import MakeDatabase
from hub_pipelines_tests.disks import fill, small_disk
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import add_source, body_of, stock
from hub_pipelines_tests.support import all_submissions, asset, events, inventory_csv, procurement_csv, wait_until
from hub_pipelines_tests.web.serving import Sender, listens

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
        timeout=600,
    )
    assert answer.returncode == 0, answer.stderr
    document: dict[str, object] = json.loads(answer.stdout)
    return document


def assert_demo_outcome(document: dict[str, object]) -> None:
    files = document["files"]
    assert isinstance(files, list)
    by_name = {one["file"]: one for one in files}
    assert len(by_name) == 14
    assert by_name["teaching-lab.csv"]["taken"] == 9
    assert by_name["teaching-lab.csv"]["not_taken"] == 5
    assert by_name["biology-stock.xlsx"]["taken"] == 15
    assert by_name["scanner-export.xlsx"]["state"] == "in_review"
    assert sorted(one["outcome"] for one in files) == ["duplicate"] + ["received"] * 13
    assert all(Path(one["receipt"]).exists() for one in files)
    messages = document["messages"]
    assert isinstance(messages, dict)
    assert messages["answers"].keys() == {"received", "duplicate"}
    assert set(messages["fates"]) <= {"posted", "unchanged", "superseded", "rejected"}
    assert messages["fates"].keys() >= {"posted", "rejected"}
    assert sum(messages["fates"].values()) == messages["answers"]["received"]


def test_the_demo_settles_all_files_and_messages_through_the_daemon_though_the_receivers_port_is_taken(
    home: Path,
) -> None:
    with socket.create_server(("127.0.0.1", with_messages_port(home).messages.port)):
        document = demo({"HUB_HOME": str(home)})
    assert_demo_outcome(document)
    messages = document["messages"]
    assert isinstance(messages, dict)
    answer = subprocess.run([*HUB, "audit", "verify", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout)["ok"] is True
    status = json.loads(subprocess.run([*HUB, "status", "--json"], capture_output=True, text=True, check=True).stdout)
    assert status["rows"]["received"] == 172 + messages["answers"]["received"]
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


@dataclass(frozen=True)
class Up:
    """A running `hub up` on a home, and what is seen of it from outside."""

    process: subprocess.Popen[str]
    home: Path
    port: int

    def log(self) -> str:
        with suppress(FileNotFoundError):
            return (self.home / "hub.log").read_text(encoding="utf-8")
        return ""

    def wait_for(self, words: str, *, patience_s: float = 180, times: int = 1) -> None:
        wait_until(lambda: self.log().count(words) >= times, patience_s, lambda: f"{words!r} in\n{self.log()}")

    def pid_of(self, child: str) -> int:
        return int(re.findall(rf"started {child} pid=(\d+)", self.log())[-1])

    def children(self) -> list[int]:
        return [int(pid) for pid in re.findall(r"started \S+ pid=(\d+)", self.log())]

    def serves(self) -> bool:
        try:
            return bool(graphql(self.port, "{ version }")["data"]["version"])
        except (OSError, ValueError):
            return False


@contextmanager
def hub_up(home: Path, port: int, *options: str) -> Iterator[Up]:
    """`hub up`, serving; killed afterwards if the test has not ended it."""
    command = [*HUB, "up", "--json", "--port", str(port), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    up = Up(process, home, port)
    try:
        assert process.stdout is not None
        told = "".join(itertools.takewhile(lambda line: line != "}\n", process.stdout))
        document = json.loads(f"{told}}}")  # nothing, where it has ended
        assert document["address"] == f"http://127.0.0.1:{port}"
        yield up
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(180)
        process.kill()
        process.communicate()


def is_alive(pid: int) -> bool:
    """False for a zombie too: it holds no port and does no work."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def drop(home: Path, name: str, content: bytes, feed: str = "procurement") -> None:
    (home / "drop" / "north" / feed / name).write_bytes(content)


def submissions_in(home: Path) -> list[Submission]:
    hub = open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(home)}))
    try:
        return all_submissions(hub)
    finally:
        hub.db.dispose()


def all_posted(home: Path, number: int) -> Callable[[], bool]:
    """Asked ten times a second, so the hub is opened once."""
    hub = open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(home)}))

    def posted() -> bool:
        try:
            return [one.state for one in all_submissions(hub)] == [State.POSTED] * number
        finally:
            hub.db.dispose()

    return posted


def test_hub_up_serves_a_read_only_page_goes_on_without_the_receivers_port_and_stops_on_sigterm(home: Path) -> None:
    port = free_port()
    settings = with_messages_port(home)
    open_hub(settings).db.dispose()
    shutil.rmtree(settings.drop / "south")
    with socket.create_server(("127.0.0.1", settings.messages.port)) as taken, hub_up(home, port, "--read-only") as up:
        up.wait_for(f"receiver: port {settings.messages.port} is taken by another program; no messages are taken")
        taken.settimeout(60)
        told = threading.Thread(target=answer_as_another, args=(taken,))
        told.start()
        (finding,) = diagnose([Check("receiver", lambda: receiver(settings), "")]).findings
        told.join(60)
        assert f"Port {settings.messages.port} is taken by another program" in finding.text
        permissions = graphql(port, "{ permissions { permission value } }")["data"]["permissions"]
        granted = {one["permission"] for one in permissions if one["value"]}
        assert "launch_pipeline_execution" not in granted
        assert "started receiver" not in up.log()
        taken.close()
        up.wait_for("started receiver")
        wait_until(lambda: not diagnose([Check("receiver", lambda: receiver(settings), "")]).findings, 180, up.log)
        children = [up.pid_of(name) for name in ("code-server", "daemon", "webserver", "receiver")]
        assert all(is_alive(pid) for pid in children)
        # where the kernel groups processes by session, a large file gives way within one only (0101)
        assert {os.getsid(pid) for pid in children} == {os.getsid(up.process.pid)}
        assert all(ignores(pid, signal.SIGHUP) for pid in children)
        up.process.send_signal(signal.SIGTERM)
        up.process.wait(timeout=180)
        assert up.process.stderr is not None
        assert "drop/south can't be read: No such file or directory" in up.process.stderr.read()
    assert up.process.returncode == 0
    assert not any(is_alive(pid) for pid in children)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert "hub up stops signal=SIGTERM" in up.log()
    assert up.log().endswith("hub up has stopped\n")
    assert "did not stop in time" not in up.log()
    line = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]{12}Z (DEBUG|INFO |WARNING|ERROR) [\w-]+ \S+ .+|    .+)")
    assert [one for one in up.log().splitlines() if not line.fullmatch(one)] == []


def ignores(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return bool(int(re.findall(r"SigIgn:\s*(\w+)", status)[0], 16) >> (number - 1) & 1)


def with_messages_port(home: Path) -> Settings:
    """The settings of a home whose receiver has a port of its own."""
    path = home / "hub.toml"
    path.write_text(path.read_text("utf-8").replace("port = 3001", f"port = {free_port()}"), "utf-8")
    return load(KNOWN_FEEDS, {"HUB_HOME": str(home)})


def answer_as_another(taken: socket.socket) -> None:
    """One answer of a program that is no receiver."""
    connection, _ = taken.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")


@pytest.mark.slow
def test_large_files_go_one_at_a_time_and_a_small_one_does_not_wait_for_them(home: Path) -> None:
    toml = "[campuses.north]\n[campuses.south]\n[limits]\nstable_s = 0.1\nlarge_mb = 0.01\n"
    (home / "hub.toml").write_text(toml, encoding="utf-8")
    with hub_up(home, free_port()):
        for number in range(3):
            tags = [f"NC-{number}-{row:04d}" for row in range(1_000)]
            drop(home, f"large-{number}.csv", procurement_csv(tags))
        drop(home, "small.csv", procurement_csv(["NC-9"]))
        wait_until(all_posted(home, 4), 180)
    prepare_dagster_home(load(KNOWN_FEEDS))
    with dg.DagsterInstance.get() as instance:
        large = dg.RunsFilter(tags={"hub/size": "large"}, statuses=[dg.DagsterRunStatus.SUCCESS])
        records = instance.get_run_records(large, ascending=True)
    spans = sorted((one.start_time, one.end_time) for one in records)
    assert sum(one.dagster_run.job_name == "procurement_job" for one in records) == 3
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    posted = {one.envelope.source_name: one.posted_at for one in submissions_in(home)}
    assert posted.pop("small.csv") < max(posted.values())


@pytest.mark.slow
def test_each_process_that_is_killed_is_started_again_and_files_go_through(home: Path) -> None:
    with hub_up(home, free_port()) as up:
        for number, child in enumerate(("webserver", "code-server", "daemon"), start=1):
            os.kill(up.pid_of(child), signal.SIGKILL)
            up.wait_for(f"{child} ended with -9; starting it again in 1 s")
            up.wait_for(f"started {child}", times=2)
            wait_until(up.serves, 180)
            drop(home, f"registry-{number}.csv", procurement_csv([f"NC-{number}"]))
            wait_until(all_posted(home, number), 240, up.log)
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(180) == 0


@pytest.mark.slow  # it waits for a whole hub to start and for its ticks
def test_messages_go_through_a_running_hub_whose_receiver_was_killed(home: Path) -> None:
    """While its writer was stopped, which then can't see that it is alone."""
    hub = open_hub(with_messages_port(home))
    with hub_up(home, free_port()) as up:
        wait_until(lambda: listens(hub.settings.messages.port), 180, up.log)
        (writer,) = child_processes(up.pid_of("receiver"))
        os.kill(writer, signal.SIGSTOP)
        os.kill(up.pid_of("receiver"), signal.SIGKILL)
        up.wait_for("started receiver", times=2)
        wait_until(lambda: listens(hub.settings.messages.port), 180, up.log)
        assert not is_alive(writer)
        answers = simulate(hub, "north", Traffic(20, 2, 0.2, 0.1, 0.1, 0.5), actor="person/tester")
        assert set(answers.by_kind) == {"received", "duplicate"}

        def told() -> set[Fate]:
            found = [hub.inbox.find(one) for one in answers.request_ids]
            return {outcome_of(hub, one).fate for one in found if one is not None}

        wait_until(lambda: told() <= {Fate.POSTED, Fate.REJECTED, Fate.SUPERSEDED, Fate.UNCHANGED}, 240, up.log)
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(180) == 0
    assert_invariants(hub)


@pytest.mark.slow  # a writer is waited for as long as another's lock may last
def test_a_receiver_whose_writer_hangs_is_started_again_and_nothing_is_lost(home: Path) -> None:
    hub = open_hub(with_messages_port(home))
    sender = Sender(f"http://127.0.0.1:{hub.settings.messages.port}", add_source(hub))
    bodies = {f"m-{at}": body_of(stock(f"Reagent {at}", at)) for at in range(3)}
    prepare_dagster_home(hub.settings)
    deployment = Deployment(hub.settings, free_port(), False, lambda _text: None, deaf_s=8)
    up = Up(subprocess.Popen(["true"], text=True), home, deployment.port)
    deployment.start()
    try:
        until = time.monotonic() + 240
        deployment.run(until=lambda: takes_messages(sender) or time.monotonic() > until)
        assert sender.send("m-0", bodies["m-0"]).status_code == 202
        (writer,) = child_processes(up.pid_of("receiver"))
        os.kill(writer, signal.SIGSTOP)
        with ThreadPoolExecutor(1) as pool:
            unanswered = pool.submit(sender.send, "m-1", bodies["m-1"], patience_s=90)
            until = time.monotonic() + 240
            deployment.run(until=lambda: up.log().count("started receiver") == 2 or time.monotonic() > until)
            assert isinstance(unanswered.exception(20), httpx.TransportError)
        log = up.log()
        assert re.search(r"WARNING \S+ - the process that writes messages has said nothing for 2\d s", log), log
        assert re.search(r"WARNING \S+ - receiver has not answered for \d+ s; ending it", log), log
        deployment.run(until=lambda: takes_messages(sender) or time.monotonic() > until)
        answers = [sender.send(name, body).json()["duplicate"] for name, body in bodies.items()]
        assert answers == [True, False, False]
        assert not is_alive(writer)
    finally:
        deployment.stop()
    assert hub.inbox.count() == len(bodies)


def takes_messages(sender: Sender) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{sender.address}/health", timeout=5).status_code == 200
    return False


def child_processes(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


@pytest.mark.slow
def test_a_killed_hub_up_takes_its_processes_with_it_and_the_next_one_starts_at_once(home: Path) -> None:
    port = free_port()
    with hub_up(home, port) as up:
        drop(home, "registry.csv", procurement_csv(f"NC-{number}" for number in range(20_000)))
        up.wait_for(" leased ")
        children = up.children()
        up.process.kill()
        wait_until(lambda: not any(is_alive(pid) for pid in children), 30)
    started = time.monotonic()
    with hub_up(home, port) as up:
        assert time.monotonic() - started < 90
        drop(home, "registry-2.csv", procurement_csv(["NC-2"]))
        wait_until(all_posted(home, 2), 300, up.log)
    hub = open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(home)}))
    assert_invariants(hub)


@pytest.mark.slow
def test_a_run_at_work_is_waited_for_when_hub_up_is_stopped(home: Path) -> None:
    with hub_up(home, free_port()) as up:
        drop(home, "large.csv", inventory_csv(asset(f"NC-{number}") for number in range(100_000)), "inventory")
        up.wait_for(" leased ")
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(180) == 0
        assert all_posted(home, 1)()
        assert not any(is_alive(pid) for pid in up.children())


@pytest.mark.slow
def test_a_run_that_does_not_end_in_time_is_killed_and_the_next_hub_up_takes_its_submission_up(home: Path) -> None:
    toml = home / "hub.toml"
    toml.write_text(toml.read_text("utf-8").replace("lease_s = 60.0", "lease_s = 6.0"), "utf-8")
    with hub_up(home, free_port()) as up:
        drop(home, "large.csv", inventory_csv(asset(f"NC-{number}") for number in range(50_000)), "inventory")
        up.wait_for(" leased ")
        worker = worker_of(up)
        os.kill(worker, signal.SIGSTOP)  # so that it can neither finish nor clean up
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(120) == 0
        assert "daemon did not stop in time" in up.log()
        assert not is_alive(worker)
    with hub_up(home, free_port()) as up:
        wait_until(all_posted(home, 1), 180, up.log)
        # the daemon's end wakes what was stopped, which may tell its own end before it is killed
        assert re.search("had lost its process; its submission is taken up again|RUN_FAILURE", up.log()), up.log()
    hub = open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(home)}))
    assert_invariants(hub)


def worker_of(up: Up) -> int:
    """The process of the run that took its lease last, as its launcher told it."""
    run = re.findall(r" leased token=\d+ run=(\S+)", up.log())[-1]
    with dg.DagsterInstance.from_config(str(up.home / "dagster")) as instance:
        process = process_of(instance, run)
    assert process is not None
    return process.pid


def test_a_daemon_that_launches_no_runs_is_not_at_work_though_its_sensors_tick(home: Path) -> None:
    now = time.time()
    for sensors, launches, at_work in ((now, now, True), (now, now - 600, False), (now - 600, now, False)):
        beats = {"SENSOR": sensors, "QUEUED_RUN_COORDINATOR": launches, "BACKFILL": now - 6_000}
        told = [{"daemonType": name, "lastHeartbeatTime": at} for name, at in beats.items()]
        page = json.dumps({"data": {"instance": {"daemonHealth": {"allDaemonStatuses": told}}}}).encode()
        with socket.create_server(("127.0.0.1", 0)) as other:
            answering = threading.Thread(target=answer_with, args=(other, page))
            answering.start()
            deployment = Deployment(with_messages_port(home), other.getsockname()[1], False, lambda _text: None)
            assert deployment._daemon_is_at_work() is at_work
            answering.join(60)


def test_dagster_waits_for_the_longest_tick_that_the_settings_allow(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", raising=False)
    path = home / "hub.toml"
    slowest = path.read_text("utf-8").replace("tick_budget_s = 15.0", "tick_budget_s = 40.0")
    path.write_text(re.sub(r"stable_s = [0-9.]+", "stable_s = 60.0", slowest), "utf-8")
    settings = with_messages_port(home)
    settings.dagster_home.mkdir(exist_ok=True)
    deployment = Deployment(settings, free_port(), False, lambda _text: None)
    asked = "import sys; from dagster._grpc.client import DEFAULT_SENSOR_GRPC_TIMEOUT as s; sys.exit(s)"
    assert deployment._popen("daemon", [sys.executable, "-c", asked]).wait(180) == 160


@pytest.mark.parametrize("said", ["60", "a minute"])
def test_a_hub_whose_ticks_dagster_would_give_up_does_not_start(
    home: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", said)
    settings = with_messages_port(home)
    with pytest.raises(SettingsError, match=r"tick_budget_s 15 .* set it to 76 or more"):
        Deployment(settings, free_port(), False, lambda _text: None).start()
    assert sensor_timeout_s(settings.limits, {"DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "300"}) == 300


def answer_with(server: socket.socket, body: bytes) -> None:
    """To one request with a body, when all of it has come: a socket that is closed before takes its answer with it."""
    connection, _ = server.accept()
    with connection, connection.makefile("rb") as asked:
        head = b"".join(iter(asked.readline, b"\r\n")).lower()
        asked.read(int(re.findall(rb"content-length: (\d+)", head)[0]))
        connection.sendall(b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + body)


@pytest.mark.slow
def test_a_run_that_is_told_to_stop_on_dagsters_page_ends_and_its_submission_is_taken_up_again(home: Path) -> None:
    port = free_port()
    with hub_up(home, port) as up:
        drop(home, "large.csv", inventory_csv(asset(f"NC-{number}") for number in range(100_000)), "inventory")
        up.wait_for(" leased ")
        worker = worker_of(up)
        os.kill(worker, signal.SIGSTOP)  # so that it is not done before it is told
        (run,) = re.findall(r" leased token=1 run=(\S+)", up.log())
        answer = graphql(port, f'mutation {{ terminateRun(runId: "{run}") {{ __typename }} }}')
        assert answer["data"]["terminateRun"]["__typename"] == "TerminateRunSuccess"
        os.kill(worker, signal.SIGCONT)
        wait_until(lambda: not is_alive(worker), 180, up.log)
        told = graphql(port, f'{{ runOrError(runId: "{run}") {{ ... on Run {{ status }} }} }}')
        assert told["data"]["runOrError"]["status"] == "CANCELED"
        wait_until(all_posted(home, 1), 300, up.log)
    hub = open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(home)}))
    assert events(hub, submissions_in(home)[0].request_id).count("submission:posted") == 1
    assert_invariants(hub)


@pytest.mark.slow
@pytest.mark.parametrize("deaf", ["webserver", "code-server"])
def test_a_process_that_lives_and_does_not_answer_is_ended_and_started_again(home: Path, deaf: str) -> None:
    settings = open_hub(load(KNOWN_FEEDS)).settings
    prepare_dagster_home(settings)
    deployment = Deployment(settings, free_port(), False, lambda _text: None, deaf_s=15)
    up = Up(subprocess.Popen(["true"], text=True), home, deployment.port)
    deployment.start()
    try:
        deployment.run(until=up.serves)
        until = time.monotonic() + 12  # each has answered the watch by then, too
        deployment.run(until=lambda: time.monotonic() > until)
        os.kill(up.pid_of(deaf), signal.SIGSTOP)
        until = time.monotonic() + 240
        deployment.run(until=lambda: up.log().count(f"started {deaf}") == 2 or time.monotonic() > until)
        assert re.search(rf"WARNING \S+ - {deaf} has not answered for \d+ s; ending it", up.log()), up.log()
        deployment.run(until=lambda: up.serves() or time.monotonic() > until)
        assert up.serves()
    finally:
        deployment.stop()
    assert not any(is_alive(pid) for pid in up.children())


@pytest.mark.slow
def test_a_receiver_that_hangs_before_it_has_ever_answered_is_ended_too(home: Path) -> None:
    settings = open_hub(with_messages_port(home)).settings
    prepare_dagster_home(settings)
    deployment = Deployment(settings, free_port(), False, lambda _text: None, deaf_s=15, first_answer_s=20)
    up = Up(subprocess.Popen(["true"], text=True), home, deployment.port)
    deployment.start()
    try:
        until = time.monotonic() + 240
        deployment.run(until=lambda: "started receiver" in up.log() or time.monotonic() > until)
        os.kill(up.pid_of("receiver"), signal.SIGSTOP)
        deployment.run(until=lambda: up.log().count("started receiver") == 2 or time.monotonic() > until)
        assert re.search(r"WARNING \S+ - receiver has not answered for \d+ s; ending it", up.log()), up.log()
    finally:
        deployment.stop()
    assert not any(is_alive(pid) for pid in up.children())


@pytest.mark.slow
def test_hub_up_lives_through_a_full_disk_and_a_missing_drop_folder_and_goes_on_by_itself(home: Path) -> None:
    with small_disk(home, "120m"):
        (home / "hub.toml").write_text(
            "[campuses.north]\n[campuses.south]\n[limits]\nstable_s = 0.1\nkeep_free_mb = 20\n", "utf-8"
        )
        with hub_up(home, free_port()) as up:
            filler = fill(home)
            time.sleep(40)
            assert up.process.poll() is None
            filler.unlink()
            drop(home, "registry.csv", procurement_csv(["NC-1"]))
            wait_until(all_posted(home, 1), 300, up.log)
            up.wait_for("are to stay free")
            up.wait_for("over: ")
            (home / "drop" / "north").rename(home / "away")
            up.wait_for("ERROR up - drop/north can't be read")
            (home / "away").rename(home / "drop" / "north")
            up.wait_for("over: drop/north can't be read")
            drop(home, "registry-2.csv", procurement_csv(["NC-2"]))
            wait_until(all_posted(home, 2), 180, up.log)
            up.process.send_signal(signal.SIGTERM)
            assert up.process.wait(180) == 0


def graphql(port: int, query: str) -> dict:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
