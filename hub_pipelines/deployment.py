"""`hub up`: webserver, daemon and code server as child processes, restarted when they die, stopped together.

Belongs here: processes and ports. Not here: anything that they do.
"""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hub_pipelines.common.errors import SettingsError

_STOP_S = 20.0
_STEADY_S = 60.0
_LONGEST_PAUSE_S = 30.0


@dataclass(slots=True)
class _Child:
    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths: int = 0
    resume_at: float = 0.0


@dataclass(slots=True)
class Deployment:
    """The three processes of one hub. `say` gets one line for each thing that the operator should know."""

    dagster_home: Path
    port: int
    read_only: bool
    say: Callable[[str], None]
    log: Path
    _children: list[_Child] = field(default_factory=list)
    _lock: int = -1
    _stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start all three; returns when the code server answers. Raises SettingsError when port or home are taken."""
        self._only_one()
        if not _is_free(self.port):
            raise SettingsError(f"Port {self.port} is in use. Stop what uses it or choose another with --port.")
        code_port = _free_port()
        workspace = self.dagster_home / "workspace.yaml"
        workspace.write_text(
            f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {code_port}, location_name: hub_pipelines}}\n",
            encoding="utf-8",
        )
        python = sys.executable
        code = [python, "-m", "dagster", "code-server", "start", "-m", "hub_pipelines.definitions"]
        web = [python, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(self.port), "-w", str(workspace)]
        self._children = [
            _Child("code server", [*code, "--host", "127.0.0.1", "--port", str(code_port)]),
            _Child("daemon", [python, "-m", "dagster._daemon", "run", "-w", str(workspace)]),
            _Child("webserver", [*web, *(["--read-only"] if self.read_only else [])]),
        ]
        self._spawn(self._children[0])
        self._wait_for(code_port)
        for child in self._children[1:]:
            self._spawn(child)

    def run(self, *, until: Callable[[], bool] = lambda: False) -> None:
        """Watch the processes until told to stop, by `stop`, SIGTERM, SIGINT or `until`."""
        while not self._stopping.wait(0.5) and not until():
            for child in self._children:
                self._look_after(child)

    def stop_on_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self._stopping.set())

    def stop(self) -> None:
        """Ask all to end, the daemon first so that nothing new is launched; kill what does not listen."""
        self._stopping.set()
        for child in sorted(self._children, key=lambda one: one.name != "daemon"):
            if child.process and child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + _STOP_S
        for child in self._children:
            if child.process:
                try:
                    child.process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    self.say(f"{child.name} did not stop in time and was killed")
                    child.process.kill()
                    child.process.wait()

    def web_is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/server_info", timeout=2) as answer:
                return "dagster_version" in json.load(answer)
        except (urllib.error.URLError, OSError, ValueError):
            return False

    def _only_one(self) -> None:
        """Hold the home's lock while this process lives; two daemons on one home would only get in each other's way."""
        self._lock = os.open(self.dagster_home / "up.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(
                f"This hub is up already (HUB_HOME {self.dagster_home.parent}). Stop the other `hub up` first."
            ) from error

    def _spawn(self, child: _Child) -> None:
        with self.log.open("ab") as log:
            child.process = subprocess.Popen(
                child.command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.dagster_home,
                env={**os.environ, "DAGSTER_HOME": str(self.dagster_home)},
                start_new_session=True,  # Ctrl-C reaches this process only, which then stops them in order
            )
        child.started_at = time.monotonic()

    def _look_after(self, child: _Child) -> None:
        if child.process is not None and child.process.poll() is not None:
            if time.monotonic() - child.started_at > _STEADY_S:
                child.deaths = 0
            pause = min(_LONGEST_PAUSE_S, 2.0**child.deaths)
            child.deaths += 1
            child.resume_at = time.monotonic() + pause
            self.say(f"{child.name} ended with {child.process.returncode}; starting it again in {pause:.0f} s")
            child.process = None
        if child.process is None and time.monotonic() >= child.resume_at:
            self._spawn(child)

    def _wait_for(self, port: int) -> None:
        deadline = time.monotonic() + 60
        while _is_free(port):
            process = self._children[0].process
            if time.monotonic() > deadline or (process is not None and process.poll() is not None):
                self.stop()
                raise SettingsError(f"The code server did not start. Its last words are in {self.log}.")
            time.sleep(0.1)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
