"""Programs that write workbooks are forked from a process which has loaded what they need, as readers of files are:
hundreds of starts of Python would take minutes. What a child that is forked by a test begins is started anew.

How the hub starts one is for the tests that ask for `started_anew`.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from hub_pipelines.report.workbook import running

_LOADED = "hub_pipelines_tests.writers_loaded"
start_anew = running.start


class Forked:
    """What subprocess.Popen is for a program that was started."""

    def __init__(self, context: Any, errors: IO[bytes]) -> None:
        told, telling = context.Pipe(duplex=False)
        is_ready, ready = context.Pipe(duplex=False)
        said = Connection(os.dup(errors.fileno()), readable=False)
        self._process = context.Process(target=_write, args=(told, said, ready), daemon=True)
        self._process.start()
        self.pid: int = self._process.pid
        self.stdin = os.fdopen(os.dup(telling.fileno()), "w", encoding="utf-8")
        for given in (told, said, ready, telling):
            given.close()
        is_ready.poll(None)  # it leads a group of its own, by which it is ended
        is_ready.close()

    def poll(self) -> int | None:
        return self._process.exitcode  # type: ignore[no-any-return]

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired("writer", timeout or 0.0)
        return code


def _write(told: Connection, said: Connection, ready: Connection) -> None:
    """What `python -m hub_pipelines.report.workbook.writer` does."""
    from hub_pipelines.report.workbook import writer

    os.setpgid(0, 0)
    ready.close()
    with Path(os.devnull).open("wb") as nowhere:
        for number, given in enumerate((told, nowhere, said)):
            os.dup2(given.fileno(), number)
    told.close()
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    writer.main()


@contextmanager
def forked() -> Iterator[None]:
    """By this process, from now on."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_LOADED])
    owner = os.getpid()

    def start(errors: IO[bytes]) -> Any:
        return Forked(context, errors) if os.getpid() == owner else start_anew(errors)

    running.start = start
    try:
        yield
    finally:
        running.start = start_anew
