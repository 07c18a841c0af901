"""`hub …` as somebody types it, run in this process through its entry point: a process of its own takes a second.

Belongs here: running a command and what it printed. Not here: commands that serve (defs/test_deployment.py).
"""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest

from hub_pipelines.cli import main


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


def run(*arguments: str) -> Ended:
    """A command, however it ends."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["hub", *arguments]),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main()
    assert "Traceback" not in err.getvalue()
    return Ended(int(end.value.code or 0), out.getvalue(), err.getvalue())


def printed(*arguments: str, code: int = 0) -> str:
    """What a command that ends with `code` prints on standard output."""
    ended = run(*arguments)
    assert ended.code == code, ended.err
    return ended.out


def answer(*arguments: str, code: int = 0) -> Any:
    """The document of a command that ends with `code`."""
    return json.loads(printed(*arguments, "--json", code=code))
