"""Checks of Dagster: version, storage, daemon, code server. Looking starts nothing and writes nothing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata as packages
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from packaging.requirements import Requirement

from hub_pipelines.common.store import Database
from hub_pipelines.defs.instance import require_answer, storage_of
from hub_pipelines.doctor.home import Found, quote
from hub_pipelines.doctor.model import Check
from hub_pipelines.locks.files import holder_of
from hub_pipelines.settings import Settings
from hub_pipelines.submission import store as submissions

_HEARTBEAT_FRESH_S = 180.0
_ANSWER_S = 5
_PACKAGE = "hub-pipelines"
_ONE_VERSION = ("dagster", "dagster-webserver", "dagster-graphql", "dagster-pipes")


def dagster_checks(settings: Settings) -> list[Check]:
    page = settings.dagster_home / "dagster.yaml"
    return [
        Check("Dagster's version", _versions, "pip install -e ."),
        Check("Dagster's storage", lambda: _storage(settings), f"less {quote(page)}"),
        Check("daemon", lambda: _daemon(settings), "hub up"),
        Check("code server", lambda: _code_server(settings), "hub up"),
    ]


def _versions() -> Found:
    """What the project asks for, and one version of all parts that must go together."""
    for line in packages.requires(_PACKAGE) or []:
        wanted = Requirement(line)
        if wanted.name.startswith("dagster") and not (wanted.marker and not wanted.marker.evaluate()):
            there = packages.version(wanted.name)
            if there not in wanted.specifier:
                told = f"{wanted.name} {there} is installed; this hub is made for {wanted.specifier}."
                yield "error", told, f"pip install '{wanted.name}{wanted.specifier}'"
    versions = {name: packages.version(name) for name in _ONE_VERSION}
    if len(set(versions.values())) > 1:
        told = ", ".join(f"{name} {version}" for name, version in versions.items())
        yield "error", f"Parts of Dagster are of different versions: {told}.", "pip install -e ."


def _storage(settings: Settings) -> Found:
    page = settings.dagster_home / "dagster.yaml"
    if not page.exists():
        yield "warning", f"{page} is not there: this hub has never been started.", "hub up"
        return
    config: dict[str, Any] = yaml.safe_load(page.read_text(encoding="utf-8")) or {}
    if config.get("storage") != storage_of(settings):
        told = f"{page} names another storage than the settings do; it is made anew at each start."
        yield "error", f"{told} Runs of the other storage are not seen.", "hub up"
    if not settings.dagster_database_url and not settings.database_url.startswith("sqlite"):
        told = "The hub is on PostgreSQL and Dagster on SQLite, which many processes lock against each other."
        yield "warning", told, "export HUB_DAGSTER_DATABASE_URL=postgresql://user:password@host/dagster"
    with _opened(page) as instance:
        instance.get_runs(limit=1)


@contextmanager
def _opened(page: Path) -> Iterator[dg.DagsterInstance]:
    """As the page says, which may be of earlier settings. Raises Transient."""
    config: dict[str, Any] = yaml.safe_load(page.read_text(encoding="utf-8")) or {}
    require_answer(config.get("storage", {}).get("postgres", {}).get("postgres_url", ""))
    with dg.DagsterInstance.from_config(str(page.parent)) as instance:
        yield instance


def _daemon(settings: Settings) -> Found:
    up = holder_of(settings.dagster_home / "up.lock")
    beat = None
    page = settings.dagster_home / "dagster.yaml"
    if page.exists():
        with _opened(page) as instance:
            beat = instance.get_daemon_heartbeats().get("SENSOR")
    silent_s = time.time() - beat.timestamp if beat else None
    if silent_s is not None and silent_s < _HEARTBEAT_FRESH_S:
        for error in (beat.errors or []) if beat else []:
            yield (
                "warning",
                f"The sensor daemon reports an error: {error.message.strip().splitlines()[0]}",
                f"less {quote(settings.log_path)}",
            )
        return
    since = f"for {silent_s:.0f} s" if silent_s is not None else "ever"
    if up is not None:
        yield "error", f"`hub up` runs (process {up}), but no sensor has ticked {since}.", start_again(up)
        return
    waiting = _waiting(settings)
    told = f"No `hub up` runs on this home, and no sensor has ticked {since}."
    if waiting:
        yield "error", f"{told} {waiting} submissions wait.", "hub up"
    else:
        yield "warning", f"{told} Nothing waits; files that are dropped now will.", "hub up"


def _waiting(settings: Settings) -> int:
    db = Database(settings.database_url)
    try:
        with db.read() as tx:
            return submissions.unsettled_count(tx)
    finally:
        db.dispose()


def _code_server(settings: Settings) -> Found:
    """Only while `hub up` runs there is to be one; its workspace page tells the port."""
    from dagster._grpc.client import DagsterGrpcClient

    up = holder_of(settings.dagster_home / "up.lock")
    page = settings.dagster_home / "workspace.yaml"
    if up is None or not page.exists():
        return
    port = _port(page)
    try:
        DagsterGrpcClient(port=port, host="127.0.0.1").ping("")
    except Exception as error:  # noqa: BLE001  # whatever it raises, there is no answer
        told = f"The code server does not answer on port {port} ({type(error).__name__}); without it nothing runs."
        yield "error", f"{told} `hub up` ends and starts it within minutes.", start_again(up)


def start_again(up: int) -> str:
    """A second `hub up` is refused while the first one still stops."""
    return f"kill {up}; tail -f --pid={up} /dev/null; hub up"


def _port(page: Path) -> int:
    config: dict[str, Any] = yaml.safe_load(page.read_text(encoding="utf-8"))
    return int(config["load_from"][0]["grpc_server"]["port"])
