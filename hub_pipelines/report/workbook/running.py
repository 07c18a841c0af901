"""Runs the program that writes a workbook: apart from this process, under limits, and only for so long.

Belongs here: starting it, waiting for it, ending it, its failures in plain words. Not here: what it does (writer).
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from hub_pipelines.common.errors import HubError
from hub_pipelines.common.programs import bare_environment
from hub_pipelines.report.workbook.model import Plan, Written

PATIENCE_S = 120.0
_PROGRAM = "hub_pipelines.report.workbook.writer"
_LONGEST_ANSWER = 1024 * 1024


class NotWritten(HubError):
    """No workbook could be made, and a repeat would not change that. `detail` is for the log."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


def write_workbook(plan: Plan, path: Path, *, patience_s: float = PATIENCE_S) -> Written:
    """Write to `path` (a draft that nobody else sees). Raises NotWritten; OSError when this machine is the reason."""
    with tempfile.TemporaryDirectory(prefix="hub-workbook-") as folder:
        order, answer, errors = (Path(folder, name) for name in ("plan.json", "answer.json", "errors.txt"))
        order.write_text(json.dumps(plan.document()), encoding="utf-8")
        code = _run([str(order), str(path), str(answer)], errors, patience_s)
        detail = errors.read_text(encoding="utf-8", errors="replace")[-4_000:]
        if code != 0 or not answer.exists() or answer.stat().st_size > _LONGEST_ANSWER:
            raise NotWritten(_reason(code, detail), detail)
        document = json.loads(answer.read_text(encoding="utf-8"))
    return Written(**{**document, "notes": tuple(document["notes"])})


def _run(arguments: list[str], errors: Path, patience_s: float) -> int | None:
    """The exit code, negative for a signal; None when its time was up."""
    with errors.open("wb") as stderr:
        program = subprocess.Popen(
            [sys.executable, "-m", _PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            process_group=0,  # in this session: where processes are grouped by it, niceness counts within it
            env=bare_environment(),
        )
        try:
            return program.wait(timeout=patience_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGKILL)
                program.wait()


def _reason(code: int | None, detail: str) -> str:
    if code is None or (code is not None and code < 0) or "MemoryError" in detail:
        return "marking it needs more time or memory than the hub gives to one file"
    return "its inner structure is one that the hub can read but not write"
