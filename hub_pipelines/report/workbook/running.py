"""Runs the program that writes a workbook: apart from this process, under limits, and only for so long.

Belongs here: starting it, also before there is anything to write, waiting for it, ending it, its failures in plain
words. Not here: what it does (writer).
"""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

from hub_pipelines.common.errors import HubError
from hub_pipelines.common.programs import bare_environment
from hub_pipelines.logs import pairs
from hub_pipelines.report.workbook.model import Plan, Sent, Written

PATIENCE_S = 120.0
_PROGRAM = "hub_pipelines.report.workbook.writer"
_LONGEST_ANSWER = 1024 * 1024
_LAST_SAID = 4_000
_log = logging.getLogger(__name__)


class NotWritten(HubError):
    """No workbook could be made, and a repeat would not change that. `detail` is for the log."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


def start(errors: IO[bytes]) -> "subprocess.Popen[str]":
    """The program, which writes its last words to `errors`."""
    return subprocess.Popen(
        [sys.executable, "-m", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        process_group=0,  # in this session: where processes are grouped by it, niceness counts within it
        env=bare_environment(),
        text=True,
        encoding="utf-8",
    )


class Program:
    """Opens the sender's file, and waits then for what is to be written. It ends when nobody has this object any more,
    and with the process that began it, whose end of the pipe it reads."""

    def __init__(self, sent: Sent) -> None:
        self.sent = sent
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the program
        self._process = start(self._errors)
        self.end = weakref.finalize(self, _end, self._process, self._errors)
        self._tell(asdict(sent))

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def write(self, plan: Plan, path: Path, patience_s: float) -> Written:
        """Write to `path`, and end. Raises as `write_workbook` does."""
        with tempfile.TemporaryDirectory(prefix="hub-workbook-") as folder:
            order, answer = Path(folder, "plan.json"), Path(folder, "answer.json")
            order.write_text(json.dumps(plan.document()), encoding="utf-8")
            self._tell({"plan": str(order), "workbook": str(path), "answer": str(answer)})
            code = self._code(patience_s)
            detail = self._said()
            if code != 0 or not answer.exists() or answer.stat().st_size > _LONGEST_ANSWER:
                raise NotWritten(_reason(code, detail), detail)
            document = json.loads(answer.read_text(encoding="utf-8"))
        return Written(**{**document, "notes": tuple(document["notes"])})

    def _tell(self, document: dict[str, object]) -> None:
        """If it has ended, its code tells why."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(document) + "\n")
            self._process.stdin.flush()

    def _code(self, patience_s: float) -> int | None:
        """The exit code, negative for a signal; None when its time was up."""
        try:
            return self._process.wait(timeout=patience_s)
        except subprocess.TimeoutExpired:
            return None

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")[-_LAST_SAID:]


def _end(process: "subprocess.Popen[str]", errors: IO[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
    errors.close()


class Waiting:
    """At most one program, which was begun before there was anything to write."""

    def __init__(self) -> None:
        self._program: Program | None = None
        self._lock = threading.Lock()

    def begin(self, sent: Sent) -> None:
        """In place of one that waits for something else. Raises OSError where none can be started."""
        program = Program(sent)
        self._end(self._exchange(program))

    def take(self, sent: Sent) -> Program | None:
        """The one that has this file open; the caller ends it."""
        program = self._exchange(None)
        if program is not None and program.sent == sent and not program.has_ended:
            return program
        self._end(program)
        return None

    def end(self) -> None:
        """Nobody has anything to write."""
        self._end(self._exchange(None))

    def _exchange(self, new: Program | None) -> Program | None:
        with self._lock:
            before, self._program = self._program, new
        return before

    @staticmethod
    def _end(program: Program | None) -> None:
        if program is not None:
            program.end()


def write_workbook(plan: Plan, path: Path, waiting: Waiting, *, patience_s: float = PATIENCE_S) -> Written:
    """Write to `path` (a draft that nobody else sees). Raises NotWritten; OSError when this machine is the reason."""
    begun = waiting.take(plan.sent)
    if begun is not None:
        try:
            return _written(begun, plan, path, patience_s)
        except NotWritten as error:  # much may have befallen it, or its reader, while it waited
            _log.info(
                "not written by the program that was begun %s", pairs(reason=str(error), detail=error.detail[-500:])
            )
    return _written(Program(plan.sent), plan, path, patience_s)


def _written(program: Program, plan: Plan, path: Path, patience_s: float) -> Written:
    try:
        return program.write(plan, path, patience_s)
    finally:
        program.end()


def _reason(code: int | None, detail: str) -> str:
    if code is None or (code is not None and code < 0) or "MemoryError" in detail:
        return "marking it needs more time or memory than the hub gives to one file"
    return "its inner structure is one that the hub can read but not write"
