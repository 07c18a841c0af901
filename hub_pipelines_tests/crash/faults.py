"""Real processes to kill, stop and race: a child is a fork that opens its own hub and never returns.

The parent must have disposed of its own hub before it forks: neither SQLite's locks nor a PostgreSQL
connection survive being shared.
"""

import json
import os
import signal
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from hub_pipelines.common.short import OnPostgres, OnSqlite
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines.submission.model import Busy, LeaseLost, Repeat
from hub_pipelines_tests import recovering
from hub_pipelines_tests.support import open_test_hub, process

_FILE_SYSTEM = ("link", "rename", "replace", "unlink", "rmdir", "mkdir")
_FAILED = 70


def fork(work: Callable[[], object]) -> int:
    """Run `work` in a child; its pid. The child exits with 0 when `work` returned, else says why on stderr."""
    pid = os.fork()
    if pid:
        return pid
    code = _FAILED
    try:
        work()
        code = 0
    finally:
        if code:
            traceback.print_exc()
        os._exit(code)


def finish(pid: int, *, patience_s: float = 180.0) -> int:
    """Wait for a child; its exit code, negative for the signal that killed it."""
    deadline = time.monotonic() + patience_s
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            if code < 0:
                recovering.fault()
            elif code == 0:
                recovering.recovered(everything=False)
            return code
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise AssertionError(f"child {pid} did not end in {patience_s} s")
        time.sleep(0.005)


def _changes_files(name: str, path: Any, *_: Any, **named: Any) -> bool:
    """To make what is there, or to remove what is not, is no change. Nothing is known of a path in an open folder."""
    return "dir_fd" in named or os.path.lexists(path) != (name == "mkdir")


def stop_self() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def wait_until_stopped(pid: int) -> None:
    _, status = os.waitpid(pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), f"child {pid} ended instead of stopping: {status}"
    recovering.fault()


class Boundaries:
    """Counts the moments between two durable effects and kills this process at the `kill_at`-th (0: never).

    A boundary is the moment before each change of the file system and before each commit of a writing transaction.
    After one is before the next: what is left is the same. So after the last one its user takes a `step` itself.
    What is flushed to a disk is no change: it is for those who lose the machine, and a kill leaves it to them.
    Use it in a child only: it changes `os` for good.
    """

    def __init__(self, kill_at: int) -> None:
        self.count = 0
        self._kill_at = kill_at
        self._writing = False

    def step(self) -> None:
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch_files(self) -> None:
        for name in _FILE_SYSTEM:
            setattr(os, name, self.before(getattr(os, name), partial(_changes_files, name)))

    def before(
        self, real: Callable[..., Any], changes: Callable[..., bool] = lambda *_, **__: True
    ) -> Callable[..., Any]:
        """`real`, with a boundary before each call that `changes` something."""

        def stepping(*args: Any, **named: Any) -> Any:
            if changes(*args, **named):
                self.step()
            return real(*args, **named)

        return stepping

    def watch_short_transactions(self) -> None:
        """Before each of their steps; on PostgreSQL also when all is sent and nothing answered."""
        steps = {OnSqlite: ("begin", "put", "insert", "commit"), OnPostgres: ("send", "_flush", "_results")}
        for kind, names in steps.items():
            for name in names:
                setattr(kind, name, self.before(getattr(kind, name)))

    def watch_commits(self, hub: Hub) -> None:
        for engine in {hub.db.engine, hub.inbox.db.engine}:
            self._watch_commits(engine)

    def _watch_commits(self, engine: Engine) -> None:
        real = engine.dialect.do_commit

        @event.listens_for(engine, "commit")
        def _on_commit(tx: Connection) -> None:
            self._writing = bool(tx.get_execution_options().get("hub_write"))

        def do_commit(connection: Any) -> None:
            if self._writing:
                self.step()
            real(connection)

        engine.dialect.do_commit = do_commit  # type: ignore[method-assign,assignment]


def outcome_of_run(hub: Hub, request_id: str, owner: str) -> str:
    """How a run ended, in a word."""
    try:
        outcome = process(hub, request_id, owner=owner)
    except LeaseLost:
        return "lease lost"
    if isinstance(outcome, Posting):
        return "repeat" if outcome.repeat else "posted"
    return {Busy: "busy", Repeat: "repeat"}.get(type(outcome), str(outcome))


def run_in_child(
    home: Path, database_url: str, request_id: str, *, owner: str, report: Path, before: Callable[[Hub], None]
) -> int:
    """Fork a worker for one submission that writes how its run ended to `report`; `before` arms its fault."""

    def work() -> None:
        hub = open_test_hub(home, database_url)
        before(hub)
        report.write_text(json.dumps(outcome_of_run(hub, request_id, owner)), encoding="utf-8")

    return fork(work)
