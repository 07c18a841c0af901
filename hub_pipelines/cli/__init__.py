"""`hub …`: the command line for people and scripts.

Belongs here: arguments, wording, exit codes. Not here: anything that a command does.
"""

import sqlite3
import sys
from pathlib import Path
from shutil import disk_usage
from typing import Any

import typer

from hub_pipelines.cli import (
    backfill,
    doctor,
    evidence,
    findings,
    intake,
    ledger,
    locks,
    mapping,
    migration,
    partitions,
    pausing,
    portals,
    recovery,
    report,
    requeue,
    retention,
    review,
    serve,
    shapes,
    simulate,
    sources,
    why,
)
from hub_pipelines.cli.output import Failed, print_document, progress
from hub_pipelines.common.errors import HubError
from hub_pipelines.settings.loading import home_folder

app = typer.Typer(
    help="Research data intake with proof: from a dropped file to a ledger, exactly once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (serve.up, serve.demo, intake.submit, intake.preview, intake.apply_again, intake.drain, intake.status):
    app.command()(command)
app.command()(intake.metrics)
app.command()(why.why)
app.command()(requeue.requeue)
app.command()(report.report)
app.command()(backfill.backfill)
app.command()(recovery.reconcile)
app.command()(doctor.doctor)
app.command()(portals.poll)
app.command()(pausing.pause)
app.command()(pausing.resume)
app.add_typer(review.app, name="review")
app.add_typer(findings.app, name="findings")
app.add_typer(shapes.app, name="shapes")
app.add_typer(migration.app, name="migration")
app.add_typer(mapping.app, name="mapping")
app.add_typer(locks.app, name="locks")
app.add_typer(sources.app, name="sources")
app.add_typer(portals.app, name="portals")
app.add_typer(simulate.app, name="simulate")
app.add_typer(partitions.app, name="partitions")
app.add_typer(retention.retention, name="retention")
app.add_typer(retention.hold, name="hold")
app.add_typer(ledger.app, name="ledger")
app.add_typer(evidence.audit, name="audit")


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed or the answer is no, 2 wrong usage."""
    as_json = "--json" in sys.argv[1:]
    code: object = 0
    try:
        app()
    except SystemExit as end:
        code = end.code
        if code == 2 and as_json:
            print_document({"ok": False, "error": "Wrong usage; standard error says what is wrong. See `hub --help`."})
    except Failed as error:
        _complain(str(error), as_json, error.document)
        code = 1
    except (HubError, OSError) as error:
        told = _told(error)
        _complain(told, as_json, {"ok": False, "error": told})
        code = 1
    except UnicodeEncodeError:
        told = "An argument holds bytes that are no text in UTF-8; nothing is known by such a name."
        _complain(told, as_json, {"ok": False, "error": told})
        code = 1
    except Exception as error:
        trouble = _of_the_machine(error)
        if trouble is None:
            raise
        _complain(trouble, as_json, {"ok": False, "error": trouble})
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _of_the_machine(error: BaseException) -> str | None:
    """What an operator mends of an error that others raise, such as Dagster's storage; None where it is no trouble of
    the machine."""
    causes: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in causes:
        causes.append(following)
        following = following.__cause__ or following.__context__
    if any(isinstance(one, MemoryError) for one in causes):  # Arrow's is one
        return "The machine has too little memory for this: give it more (or raise ulimit -v), and try again."
    denied = next((one for one in causes if isinstance(one, sqlite3.OperationalError)), None)
    if denied is None:
        return None
    home = home_folder()
    return (
        f"A database in {home} can't be read or written: {denied}. Is the disk full ({_free(home)}), or may this user "
        "not write there? Make room and try again; nothing is lost."
    )


def _free(home: Path) -> str:
    try:
        return f"{disk_usage(home).free / 1024 / 1024:.0f} MB are free"
    except OSError as error:
        return f"its free room can't be asked: {error.strerror}"


def _told(error: HubError | OSError) -> str:
    """Of a file that a command could not do with, which one and why, without Python's number for it."""
    if isinstance(error, HubError) or not error.strerror:
        return str(error)
    names = " and ".join(str(one) for one in (error.filename, error.filename2) if one is not None)
    where = f"{names}: " if names else ""
    return f"{where}{error.strerror}. Is the path right, and may this user read and write there?"


def _complain(text: str, as_json: bool, document: dict[str, Any]) -> None:
    progress(text)
    if as_json:
        print_document(document)
