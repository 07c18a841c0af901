"""`hub up` and `hub demo`: the running hub."""

import sys
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hub_pipelines.cli.choosing import Port, Timeout
from hub_pipelines.cli.output import AsJson, Failed, print_document, progress, this_hub
from hub_pipelines.common.errors import SettingsError

if TYPE_CHECKING:
    from hub_pipelines.deployment import Deployment


def up(
    port: Port = 3000,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Serve a page on which nothing can be changed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the hub until stopped: sensors, runs and the Dagster page."""
    from hub_pipelines.deployment import Deployment

    settings = this_hub(begins=True).settings
    deployment = Deployment(settings, port, read_only, progress)
    deployment.stop_on_signals()
    _start(deployment)
    try:
        deployment.run(until=deployment.web_is_ready)
        if not deployment.is_stopping:
            if as_json:
                print_document(
                    {"ok": True, "address": deployment.address, "home": settings.home, "log": settings.log_path}
                )
            progress(
                f"The hub is up: {deployment.address} (log: {settings.log_path}). "
                f"Drop files into {settings.drop}; Ctrl-C stops."
            )
        deployment.run()
    finally:
        with suppress(OSError):  # the terminal may be gone, and the children must be stopped all the same
            progress("Stopping …")
        deployment.stop()


def _start(deployment: "Deployment") -> None:
    from hub_pipelines.defs.instance import prepare_dagster_home

    try:
        prepare_dagster_home(deployment.settings)
        deployment.start()
    except OSError as error:
        home = deployment.settings.home
        raise SettingsError(
            f"The hub can't start in HUB_HOME {home}: {error.strerror or error}. "
            "Make room there, or let this user write there, and start it again; nothing is lost."
        ) from error


def demo(
    port: Port = 3000,
    once: Annotated[bool, typer.Option("--once", help="Stop when all is settled instead of serving on.")] = False,
    timeout_s: Timeout = 120.0,
    as_json: AsJson = False,
) -> None:
    """Drop sample files for three campuses into the hub, send it messages, run it for real and show what became of
    them."""
    from hub_pipelines.demo import run_demo, with_a_port_for_messages
    from hub_pipelines.deployment import Deployment

    hub = with_a_port_for_messages(this_hub(begins=True), progress)
    deployment = Deployment(hub.settings, port, False, progress)
    deployment.stop_on_signals()
    _start(deployment)
    try:
        outcome = run_demo(hub, deployment, timeout_s=timeout_s, say=progress)
        files = [asdict(one) for one in outcome.files]
        document = {"ok": outcome.settled, "address": deployment.address, "files": files}
        document["messages"] = asdict(outcome.messages)
        if not outcome.settled:
            raise Failed(
                f"Not all was settled, and for {timeout_s:.0f} s nothing more happened. See {hub.settings.log_path}.",
                document,
            )
        if as_json:
            print_document(document)
        else:
            print(outcome.table())
        if not once and sys.stdout.isatty():
            progress(f"The Dagster page: {deployment.address}. Ctrl-C stops it; `hub up` starts it again.")
            deployment.run()
        else:
            progress(
                f"Keep it running: `hub up`, then open {deployment.address} and drop files into {hub.settings.drop}."
            )
    finally:
        deployment.stop()
