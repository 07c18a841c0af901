"""`hub up`: code server, daemon, page and receiver of messages as child processes, started again when they die or go
deaf.

Belongs here: processes, ports, their output, and looking after the machine (health.py) while they run. Not
here: anything that the hub does. The children end with this process, however it ends: stopped in order on
SIGTERM, by the kernel when this process is killed, so that the next `hub up` always starts on clean ground.
"""

import fcntl
import json
import logging
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.health import Shares, conditions
from hub_pipelines.logs import Output, Standing, pairs, rotate
from hub_pipelines.settings import Limits, Settings

_log = logging.getLogger(__name__)

_STOP_S = 45.0
_KILL_S = 5.0
_STEADY_S = 60.0
_LONGEST_PAUSE_S = 30.0
_DEAF_S = 60.0
_FIRST_ANSWER_S = 300.0
_LOOK_EVERY_S = 10.0
_LOOK_HANGS_S = 60.0
_ANSWER_S = 5.0
_HEARTBEAT_FRESH_S = 180.0
_BEATING = ("SENSOR", "QUEUED_RUN_COORDINATOR")
_PORT_FREE_S = 5.0
_STORAGE_S = 60.0
_HINDERED_PAUSE_S = 10.0
_SENSOR_TIMEOUT = "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS"
_REST_OF_A_TICK_S = 60.0
"""What a tick does besides its intake: batches, launches, partitions, receipts, a workbook."""
_WITHOUT_MESSAGES = (
    "no messages are taken until it is free, and the rest of the hub goes on. "
    "Stop that program, or set another port in hub.toml, [messages] port, and restart `hub up`"
)

_TIED = """
import ctypes, os, signal, sys
try:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
except (AttributeError, OSError):
    pass  # not Linux
signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's `&` ignores it, and Dagster would then ignore SIGTERM too
signal.signal(signal.SIGHUP, signal.SIG_IGN)  # of a group that has lost its parent, and has a stopped process
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""Runs before a child's own program: the kernel kills the child when the thread that started it ends."""


@dataclass(slots=True)
class _Child:
    """One process. `answers` says whether it does its work: True, False, or None when that can't be told. `hindered`
    says why it can't be started now; it is started when nothing hinders it any more. What it has started `outlives` it,
    or is ended when it has died."""

    name: str
    command: list[str]
    answers: Callable[[], bool | None]
    hindered: Callable[[], str | None] = lambda: None
    outlives: bool = True
    deaf_s: float = _DEAF_S
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths: int = 0
    resume_at: float = 0.0
    kill_at: float | None = None
    has_answered: bool = False
    silent_since: float | None = None
    silent_s: float = 0.0
    hindrance: str | None = None

    def heard(self, answer: bool | None) -> None:
        """Silence counts only from one failed question to the next."""
        if answer:
            self.has_answered, self.silent_since, self.silent_s = True, None, 0.0
        elif answer is False:
            self.silent_since = self.silent_since or time.monotonic()
            self.silent_s = time.monotonic() - self.silent_since

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        """To the process and all that it started: runs are in the daemon's group."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


def sensor_timeout_s(limits: Limits, environment: Mapping[str, str]) -> int:
    """For how long Dagster is to wait for a sensor's tick: as the environment says, else as the settings need it. What
    a tick that is given up has counted as launched is launched again only after `relaunch_after_s`.

    Raises SettingsError when the environment says less than the settings need.
    """
    needed = math.ceil(limits.stable_s + limits.tick_budget_s + _REST_OF_A_TICK_S)
    said = environment.get(_SENSOR_TIMEOUT)
    if said is None:
        return needed
    if not said.isdigit() or int(said) < needed:
        raise SettingsError(
            f"{_SENSOR_TIMEOUT} is {said!r}, and a tick may take {needed} s: stable_s {limits.stable_s:g} and "
            f"tick_budget_s {limits.tick_budget_s:g} (hub.toml, [limits]), and {_REST_OF_A_TICK_S:g} for the rest. "
            "Dagster would give ticks up and their launches would be lost for a while. "
            f"Unset it, set it to {needed} or more, "
            "or lower the two settings."
        )
    return int(said)


@dataclass(slots=True)
class Deployment:
    """The processes of one hub. `say` gets one line for each thing that the operator should know."""

    settings: Settings
    port: int
    read_only: bool
    say: Callable[[str], None]
    deaf_s: float = _DEAF_S
    first_answer_s: float = _FIRST_ANSWER_S
    """So long it may take until a process that was started answers for the first time."""
    _children: list[_Child] = field(default_factory=list)
    _lock: int = -1
    _stopping: threading.Event = field(default_factory=threading.Event)
    _shares: Shares = field(default_factory=Shares)
    _standing: Standing = field(default_factory=lambda: Standing(_log, logging.ERROR))
    _looked_at: float = 0.0
    _stopped_by: str | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start all of them; returns when the code server answers. Raises SettingsError when port or home are taken,
        the port is the receiver's, or a sensor's tick may take longer than the environment lets Dagster wait for."""
        sensor_timeout_s(self.settings.limits, os.environ)
        if self.port == self._messages_port:
            raise SettingsError(
                f"Port {self.port} can't be both the page's and that for messages. "
                "Choose another with --port, or set another in hub.toml, [messages] port."
            )
        self._only_one()
        # what a killed `hub up` leaves ends a moment after it
        _comes_true(lambda: port_trouble(self.port) is None, _PORT_FREE_S)
        if trouble := port_trouble(self.port):
            raise SettingsError(f"The page can't be served: {trouble}. Free it, or choose another with --port.")
        _log.info("hub up starts %s", pairs(pid=os.getpid(), home=self.settings.home, port=self.port))
        code_port = free_port()
        self._children = self._all(code_port)
        self._start_looking()
        self._open_storage()
        self._spawn(self._children[0])
        self._wait_for(code_port)
        for child in self._children[1:]:
            self._spawn_if_unhindered(child)

    def _open_storage(self) -> None:
        """One process makes or opens Dagster's storage alone and settles lost runs; then come the others.

        Three that make its tables at once leave it with two versions, which no Dagster opens any more.
        """
        first = self._popen("lost-runs", [sys.executable, "-m", "hub_pipelines.defs.lost_runs"])
        _comes_true(lambda: first.poll() is not None or self._stopping.is_set(), _STORAGE_S)

    def _all(self, code_port: int) -> list[_Child]:
        workspace = self.settings.dagster_home / "workspace.yaml"
        workspace.write_text(
            f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {code_port}, location_name: hub_pipelines}}\n",
            encoding="utf-8",
        )
        python = sys.executable
        code = [python, "-m", "dagster", "code-server", "start", "-m", "hub_pipelines.definitions"]
        web = [python, "-m", "hub_pipelines.web.dagster_ui", str(self.port), str(workspace)]
        web += [word for host in self.settings.page_hosts for word in ("--host", host)]
        return [
            _Child("code-server", [*code, "--host", "127.0.0.1", "--port", str(code_port)], _code_server(code_port)),
            _Child("daemon", [python, "-m", "dagster._daemon", "run", "-w", str(workspace)], self._daemon_is_at_work),
            _Child("webserver", [*web, *(["--read-only"] if self.read_only else [])], self.web_is_ready),
            _Child(
                "receiver",
                [python, "-m", "hub_pipelines.web", str(self._messages_port)],
                self._receiver_answers,
                self._no_port_for_messages,
                outlives=False,  # its writer would, when it hangs, and keep what lock it has
            ),
        ]

    def _no_port_for_messages(self) -> str | None:
        taken = port_trouble(self._messages_port)
        return f"{taken}; {_WITHOUT_MESSAGES}" if taken else None

    @property
    def _messages_port(self) -> int:
        return self.settings.messages.port

    def _receiver_answers(self) -> bool:
        """It answers, be it that it can't take anything now: starting it again would not help then. It would where its
        writer hangs."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._messages_port}/health", timeout=_ANSWER_S):
                return True
        except urllib.error.HTTPError as error:
            return not _writer_hangs(error)
        except (urllib.error.URLError, OSError, ValueError):
            return False

    def run(self, *, until: Callable[[], bool] = lambda: False) -> None:
        """Watch the processes until told to stop, by `stop`, a signal or `until`."""
        while not self._stopping.wait(0.5) and not until():
            for child in self._children:
                self._look_after(child)
            self._look_after_the_looking()
            rotate(self.settings.log_path)

    def stop_on_signals(self) -> None:
        """SIGTERM and Ctrl-C stop in order, and so does a terminal that goes away (unless started with nohup)."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop_on)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._stop_on)

    def _stop_on(self, number: int, _frame: object) -> None:
        self._stopped_by = signal.Signals(number).name  # told later: it may have come in the middle of a log line
        self._stopping.set()

    def stop(self) -> None:
        """End all in order: the receiver, so that nothing new is taken, the daemon, so that nothing is launched, the
        page, and last the code server.

        The daemon waits for the runs at work. What takes longer than _STOP_S is told to end and then
        killed; a run's submission is taken up again by the next `hub up`.
        """
        self._stopping.set()
        _log.info("hub up stops %s", pairs(signal=self._stopped_by))
        deadline = time.monotonic() + _STOP_S
        for name in ("receiver", "daemon", "webserver", "code-server"):
            for child in self._children:
                if child.name == name and child.is_running:
                    self._end(child, deadline)
        _log.info("hub up has stopped")

    def _end(self, child: _Child, deadline: float) -> None:
        process = child.process
        assert process is not None
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(1.0, deadline - time.monotonic()))
        if process.poll() is None:
            self._tell(logging.WARNING, f"{child.name} did not stop in time and is ended with all that it started")
            child.signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_KILL_S)
        child.signal(signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):  # the kernel holds on to one that waits for a dead share
            process.wait(_KILL_S)

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def web_is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/server_info", timeout=_ANSWER_S) as answer:
                return "dagster_version" in json.load(answer)
        except (urllib.error.URLError, OSError, ValueError):
            return False

    def _daemon_is_at_work(self) -> bool | None:
        """Fresh heartbeats of those who tick sensors and who launch runs, as the page tells them; None when the page
        does not."""
        query = "{ instance { daemonHealth { allDaemonStatuses { daemonType lastHeartbeatTime } } } }"
        request = urllib.request.Request(
            f"{self.address}/graphql",
            data=json.dumps({"query": query}).encode(),
            headers={"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:
                found: Any = json.load(answer)["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
                beats = [one["lastHeartbeatTime"] or 0.0 for one in found if one["daemonType"] in _BEATING]
        except (urllib.error.URLError, OSError, ValueError, KeyError, TypeError):
            return None
        return len(beats) == len(_BEATING) and time.time() - min(beats) < _HEARTBEAT_FRESH_S

    def _only_one(self) -> None:
        """Hold the home's lock while this process lives; two daemons on one home would only get in each other's way."""
        self._lock = os.open(self.settings.dagster_home / "up.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(
                f"This hub is up already (HUB_HOME {self.settings.home}). Stop the other `hub up` first."
            ) from error

    # ---- looking after the children; the main thread alone starts them, since they end with their thread

    def _spawn(self, child: _Child) -> None:
        child.process = self._popen(child.name, child.command)
        child.started_at = time.monotonic()
        child.kill_at, child.has_answered, child.silent_since, child.silent_s = None, False, None, 0.0
        _log.info("started %s %s", child.name, pairs(pid=child.process.pid))

    def _popen(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        home = self.settings.dagster_home
        readable, writable = os.pipe()
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command],
                stdout=writable,
                stderr=writable,
                stdin=subprocess.DEVNULL,
                cwd=home,
                env={
                    **os.environ,
                    "DAGSTER_HOME": str(home),
                    "HUB_PROCESS": name,
                    _SENSOR_TIMEOUT: str(sensor_timeout_s(self.settings.limits, os.environ)),
                },
                process_group=0,  # Ctrl-C reaches this process only, which then stops them in order
            )
        except OSError:  # no memory, no processes left
            os.close(readable)
            raise
        finally:
            os.close(writable)
        Output(name, readable)
        return process

    def _look_after(self, child: _Child) -> None:
        if child.process is not None and child.process.poll() is not None:
            self._died(child, f"ended with {child.process.returncode}")
        elif child.process is not None:
            self._end_if_deaf(child)
        if child.process is None and time.monotonic() >= child.resume_at:
            try:
                self._spawn_if_unhindered(child)
            except OSError as error:
                self._died(child, f"can't be started ({error.strerror})")

    def _spawn_if_unhindered(self, child: _Child) -> None:
        """What hinders it is told once, and once when it is over."""
        why = child.hindered()
        if why is None:
            if child.hindrance is not None:
                self._tell(logging.INFO, f"{child.name} can be started now")
            self._spawn(child)
        else:
            child.resume_at = time.monotonic() + _HINDERED_PAUSE_S
            if child.hindrance is None:
                self._tell(logging.WARNING, f"{child.name}: {why}")
        child.hindrance = why

    def _died(self, child: _Child, how: str) -> None:
        if time.monotonic() - child.started_at > _STEADY_S:
            child.deaths = 0
        pause = min(_LONGEST_PAUSE_S, 2.0**child.deaths)
        child.deaths += 1
        child.resume_at = time.monotonic() + pause
        if not child.outlives:
            child.signal(signal.SIGKILL)
        child.process = None
        self._tell(logging.WARNING, f"{child.name} {how}; starting it again in {pause:.0f} s")

    def _end_if_deaf(self, child: _Child) -> None:
        now = time.monotonic()
        most_s = self.deaf_s if child.has_answered else self.first_answer_s
        if child.kill_at is None and child.silent_s > most_s and child.process is not None:
            self._tell(logging.WARNING, f"{child.name} has not answered for {child.silent_s:.0f} s; ending it")
            child.process.terminate()
            child.kill_at = now + _KILL_S
        elif child.kill_at is not None and now > child.kill_at and child.process is not None:
            _kill_with_children(child.process.pid)

    def _wait_for(self, port: int) -> None:
        process = self._children[0].process
        assert process is not None
        _comes_true(lambda: not is_free(port) or process.poll() is not None or self._stopping.is_set(), 60)
        if is_free(port) and not self._stopping.is_set():
            self.stop()
            raise SettingsError(f"The code server did not start. Its last words are in {self.settings.log_path}.")

    def _tell(self, level: int, text: str) -> None:
        _log.log(level, "%s", text)
        self._say([text])

    def _say(self, lines: Iterable[str]) -> None:
        with suppress(OSError):  # the terminal may be gone
            for line in lines:
                self.say(line)

    # ---- looking at answers, disk and drop folders, in threads: a share that hangs must not hold up the rest

    def _start_looking(self) -> None:
        self._looked_at = time.monotonic()
        for look in (self._ask_all, self._look_around):
            threading.Thread(target=self._again_and_again, args=(look,), name=look.__name__, daemon=True).start()

    def _again_and_again(self, look: Callable[[], None]) -> None:
        pause = min(_LOOK_EVERY_S, self.deaf_s / 3)
        while True:
            with suppress(OSError):
                look()
            if self._stopping.wait(pause):
                return

    def _ask_all(self) -> None:
        for child in self._children:
            if child.is_running:
                child.heard(child.answers())

    def _look_around(self) -> None:
        self._say(self._standing.are_now(conditions(self.settings, self._shares)))
        self._looked_at = time.monotonic()

    def _look_after_the_looking(self) -> None:
        hangs = time.monotonic() - self._looked_at > _LOOK_HANGS_S
        sentence = f"a drop folder below {self.settings.drop} does not answer at all: its share hangs; others go on"
        self._say(self._standing.are_now({"hangs": sentence} if hangs else {}, "looking"))


def _writer_hangs(unwell: urllib.error.HTTPError) -> bool:
    """As the receiver's /health tells it."""
    try:
        told = json.load(unwell)
    except ValueError:  # another program's
        return False
    return isinstance(told, dict) and told.get("writer_hangs") is True


def _code_server(port: int) -> Callable[[], bool]:
    """Asks the code server to reach its inner server, where sensors tick."""

    def answers() -> bool:
        import grpc  # type: ignore[import-untyped]  # ships no type information
        from dagster._grpc.__generated__ import dagster_api_pb2
        from dagster._grpc.__generated__.dagster_api_pb2_grpc import DagsterApiStub

        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = DagsterApiStub(channel)  # type: ignore[no-untyped-call]  # generated code
                stub.Ping(dagster_api_pb2.PingRequest(echo=""), timeout=_ANSWER_S)
        except grpc.RpcError:
            return False
        return True

    return answers


def _kill_with_children(pid: int) -> None:
    """A process and those that it started itself, but not theirs: the runs at work go on."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:  # not Linux, or just gone
        children = []
    for one in (pid, *map(int, children)):
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def _comes_true(asked: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not (answer := asked()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


def is_free(port: int) -> bool:
    """Whether nothing answers on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def port_trouble(port: int) -> str | None:
    """Why no server may listen on a port of this machine; None when one may."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except PermissionError:
        return f"port {port} is kept for the system's own programs"
    except OSError:
        return f"port {port} is taken by another program"
    return None


def free_port() -> int:
    """One that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
