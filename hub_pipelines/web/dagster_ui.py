"""Serves Dagster's own page on this machine, behind the guard, until told to stop; `hub up` runs it as one of its
processes.

Belongs here: what Dagster's `dagster-webserver` does at its start, but for telemetry, which the hub has off. Not here:
what is refused (guard.py), the receiver of messages (app.py).
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.interrupts import setup_interrupt_handlers
from dagster._utils.log import configure_loggers
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.cli import (
    DEFAULT_DB_STATEMENT_TIMEOUT,
    DEFAULT_POOL_MAX_OVERFLOW,
    DEFAULT_POOL_RECYCLE,
    WEBSERVER_LOGGER_NAME,
    _lifespan,
)
from dagster_webserver.version import __version__

from hub_pipelines.logs import Recurring
from hub_pipelines.web.guard import OwnPageOnly, Refused

_LIVE_EVERY_MS = 2_000


def serve(port: int, workspace: Path, hosts: Sequence[str], *, read_only: bool) -> None:
    """Until SIGTERM or Ctrl-C. Ends the process with 3 when the port is taken, as Dagster's own does."""
    configure_loggers()
    setup_interrupt_handlers()
    log = logging.getLogger(WEBSERVER_LOGGER_NAME)
    refusals = Recurring(log)

    def tell(refused: Refused) -> None:
        refusals.seen("refused", refused)

    with DagsterInstance.get() as instance:
        instance.optimize_for_webserver(DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW)
        target = WorkspaceFileTarget([str(workspace)])
        with WorkspaceProcessContext(instance, target, version=__version__, read_only=read_only) as context:
            page = create_app_from_workspace_process_context(context, "", _LIVE_EVERY_MS, lifespan=_lifespan)
            log.info("Serving Dagster's page on http://127.0.0.1:%s", port)
            uvicorn.run(OwnPageOnly(page, hosts, tell), host="127.0.0.1", port=port, log_level="warning")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hub_pipelines.web.dagster_ui")
    parser.add_argument("port", type=int)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--host", action="append", default=[], help="a name that the page has beside the machine's own")
    return parser.parse_args()


if __name__ == "__main__":
    asked = _asked()
    serve(asked.port, asked.workspace, asked.host, read_only=asked.read_only)
