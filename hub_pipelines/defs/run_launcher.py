"""How a run gets its process: by a fork of one that has loaded everything (decisions/0086).

Belongs here: starting, noting and interrupting a run's process. Not here: how many run at once and in which order
(dagster.yaml, launching.py), what becomes of a run whose process is gone (lost_runs.py).
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from multiprocessing import forkserver
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError, DagsterLaunchFailedError
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from hub_pipelines.defs.run_process import process_of, telling

_WARM = "hub_pipelines.defs.warm"
_STARTS_AGAIN_S = 1.0
_STOPS_AGAIN_S = 0.05


class WarmRunLauncher(RunLauncher[dg.DagsterInstance], ConfigurableClass):
    """Forks each run from a process that has loaded the hub and its libraries.

    The process of the daemon has it as a child. Settings are read by each run anew; code is that of the daemon's
    start.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([_WARM])
        super().__init__()  # type: ignore[no-untyped-call]  # Dagster leaves it untyped

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData,
        config_value: Mapping[str, Any],  # noqa: ARG003  # Dagster's way; it has no settings
    ) -> "WarmRunLauncher":
        return cls(inst_data=inst_data)

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        super().register_instance(instance)
        if os.environ.get("HUB_PROCESS") == "daemon" and multiprocessing.parent_process() is None:
            forkserver.ensure_running()  # so that the first run need not wait for all of it

    def launch_run(self, context: LaunchRunContext) -> None:
        """Raises DagsterLaunchFailedError or OSError when no process can be started; Dagster fails the run then, and
        its submission gets another."""
        run = context.dagster_run
        if context.job_code_origin is None:
            raise dg.DagsterInvariantViolationError(f"run {run.run_id} does not say where its job's code is")
        args = ExecuteRunArgs(context.job_code_origin, run.run_id, self._instance.get_ref())
        pid = self._start(run.run_id, args.get_command_args()[-1])
        self._instance.report_engine_event(f"Forked its process (pid: {pid}).", run, telling(pid), cls=type(self))

    def _start(self, run_id: str, args: str) -> int:
        """Once more only where nobody was asked yet: after a request that broke off a process may work already."""
        try:
            return self._fork(run_id, args)
        except ConnectionRefusedError:
            time.sleep(_STARTS_AGAIN_S)  # Python notices a moment later that it has to start another one
            return self._fork(run_id, args)

    def _fork(self, run_id: str, args: str) -> int:
        process = self._context.Process(target=_execute, args=[args], name=run_id)
        try:
            process.start()
        except EOFError as error:
            raise DagsterLaunchFailedError(  # type: ignore[no-untyped-call]  # Dagster leaves it untyped
                "The process that runs are forked from ended during the launch. What it said last is in hub.log."
            ) from error
        assert process.pid is not None
        return process.pid

    def terminate(self, run_id: str) -> bool:
        """Ask a run to stop, from any process of this machine: it ends after what it does just now. False when it has
        ended, or has no process yet."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        process = process_of(self._instance, run_id)
        self._instance.report_run_canceling(run)
        if process is None or not process.lives():
            self._instance.report_engine_event("It has no process that could be told to stop.", run, cls=type(self))
            return False
        os.kill(process.pid, signal.SIGINT)
        return True


def _execute(args: str) -> None:
    """A run's process, as Dagster's launchers of containers start it."""
    from dagster._cli.api import api_cli

    sys.unraisablehook = stop_again
    api_cli.main(["execute_run", args], standalone_mode=False)


def stop_again(lost: "sys.UnraisableHookArgs") -> None:
    """A request to stop that came while Python cleaned something up is raised to nobody: it comes once more, a moment
    later, instead of being told on stderr. All else is told there."""
    if lost.exc_type is not None and issubclass(lost.exc_type, DagsterExecutionInterruptedError | KeyboardInterrupt):
        again = threading.Timer(_STOPS_AGAIN_S, os.kill, (os.getpid(), signal.SIGINT))  # raised here it were lost too
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(lost)
