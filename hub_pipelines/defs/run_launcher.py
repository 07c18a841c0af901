"""How a run gets its process: by a fork of one that has loaded everything (decisions/0086).

Belongs here: starting, noting and interrupting a run's process. Not here: how many run at once and in which order
(dagster.yaml, launching.py), what becomes of a run whose process is gone (lost_runs.py).
"""

import logging
import multiprocessing
import os
import signal
from collections.abc import Mapping
from multiprocessing import forkserver
from typing import Any

import dagster as dg
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from hub_pipelines.defs.run_process import PID_TAG, lives, pid_of
from hub_pipelines.logs import pairs

_log = logging.getLogger(__name__)

_LOADED = [
    "dagster._cli.api",
    "dagster._core.execution.plan.active",
    "dagster._core.executor.in_process",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.root",
    "dagster._core.storage.sqlite_storage",
    "dagster._daemon.daemon",
    "dagster_postgres",
    "hub_pipelines.definitions",
    "hub_pipelines.defs.build",
    "hub_pipelines.evidence",
    "hub_pipelines.hub",
    "hub_pipelines.publishing",
    "hub_pipelines.recovery.store",
    "hub_pipelines.report.render",
    "hub_pipelines.report.index_page",
    "hub_pipelines.timeline.news",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.dialects.postgresql",
    "psycopg2",
    "sqlite3",
    "greenlet",
    "alembic.command",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "jinja2",
    "upath.implementations.local",
    "pyarrow.compute",
    "pyarrow.parquet",
    "pyarrow.pandas_compat",
    "pandas",
    "pint",
]
"""What runs load one by one otherwise. None of it reads a setting or starts a thread when it is loaded."""


class WarmRunLauncher(RunLauncher[dg.DagsterInstance], ConfigurableClass):
    """Forks each run from a process that has loaded the hub and its libraries.

    The process of the daemon has it as a child. Settings are read by each run anew; code is that of the daemon's
    start.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_LOADED)
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
        if os.environ.get("HUB_PROCESS") == "daemon":
            forkserver.ensure_running()  # so that the first run need not wait for all of it

    def launch_run(self, context: LaunchRunContext) -> None:
        """Raises OSError or EOFError when no process can be started; Dagster fails the run then, and its submission
        gets another."""
        run = context.dagster_run
        if context.job_code_origin is None:
            raise dg.DagsterInvariantViolationError(f"run {run.run_id} does not say where its job's code is")
        args = ExecuteRunArgs(context.job_code_origin, run.run_id, self._instance.get_ref())
        process = self._context.Process(target=_execute, args=[args.get_command_args()[-1]], name=run.run_id)
        process.start()
        self._instance.add_run_tags(run.run_id, {PID_TAG: str(process.pid)})

    def terminate(self, run_id: str) -> bool:
        """Ask a run to stop, from any process of this machine: it ends after what it does just now. False when it has
        ended, or has no process yet."""
        record = self._instance.get_run_record_by_id(run_id)
        if record is None or record.dagster_run.is_finished:
            return False
        run = record.dagster_run
        pid = pid_of(self._instance, run)
        self._instance.report_run_canceling(run)
        if pid is None or not lives(pid, record):
            self._instance.report_engine_event("It has no process that could be told to stop.", run, cls=type(self))
            return False
        _log.info("a run is told to stop %s", pairs(run=run_id, pid=pid))
        os.kill(pid, signal.SIGINT)
        return True


def _execute(args: str) -> None:
    """A run's process, as Dagster's launchers of containers start it."""
    from dagster._cli.api import api_cli

    api_cli.main(["execute_run", args], standalone_mode=False)
