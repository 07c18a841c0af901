"""What a run's process does when it is told to stop, as a process of its own."""

import subprocess
import sys

import pytest

_RUN = """
import os, signal, sys, time
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._utils.interrupts import raise_interrupts_as
from hub_pipelines.defs.run_launcher import stop_again

if {with_hook}:
    sys.unraisablehook = stop_again

class Cleaned:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # the handler's turn comes within this
            pass

with raise_interrupts_as(DagsterExecutionInterruptedError):
    try:
        one = Cleaned()
        del one
        time.sleep({patience_s})
        print("worked on")
    except DagsterExecutionInterruptedError:
        print("stopped")
"""


@pytest.mark.parametrize(("with_hook", "patience_s", "said"), [(True, 30, "stopped"), (False, 0.5, "worked on")])
def test_a_run_that_is_told_to_stop_while_python_cleans_something_up_stops(
    with_hook: bool, patience_s: float, said: str
) -> None:
    told = _RUN.format(with_hook=with_hook, patience_s=patience_s)
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout.strip() == said, ended.stderr


def test_what_else_python_can_not_raise_is_told_on_stderr() -> None:
    told = """
import sys
from hub_pipelines.defs.run_launcher import stop_again
sys.unraisablehook = stop_again
class Cleaned:
    def __del__(self):
        raise ValueError("lost")
one = Cleaned()
del one
"""
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=120, check=True)
    assert "ValueError: lost" in ended.stderr
