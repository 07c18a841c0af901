"""`hub reconcile`: find what has lost its way, mend what is safe."""

import math
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from hub_pipelines.cli.output import AsJson, Failed, print_document, progress, this_hub

if TYPE_CHECKING:
    from hub_pipelines.recovery.model import Report

_SECOND_LOOK_S = 12.0


def reconcile(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell; change nothing.")] = False,
    new_database: Annotated[
        bool, typer.Option("--new-database", help="The database is lost: begin an empty one from the archive.")
    ] = False,
    receipts: Annotated[
        bool, typer.Option("--receipts", help="Also look for receipts that are missing, and have them written again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look for dead runs, leases past due, lost launches, missing review items and files; mend what is safe."""
    if dry_run and new_database:
        raise typer.BadParameter("--new-database makes tables; leave out --dry-run.")
    report = _look(dry_run=dry_run, new_database=new_database, receipts=receipts)
    document = {
        "ok": not report.left,
        "dry_run": dry_run,
        "checks": {check: not left for check, left in report.checks().items()},
        "findings": [asdict(one) for one in report.findings],
    }
    if report.left:
        raise Failed("\n".join(_lines(report)), document)
    if as_json:
        print_document(document)
    else:
        print("\n".join(_lines(report)))


def _look(*, dry_run: bool, new_database: bool, receipts: bool) -> "Report":
    """One thorough look, and a quick second one where something is due: whether a sensor launches it takes a while."""
    from hub_pipelines.defs.instance import Runner
    from hub_pipelines.defs.lost_runs import dagster_runs
    from hub_pipelines.recovery.model import Position, Report
    from hub_pipelines.recovery.receipts import ask_for_lost
    from hub_pipelines.recovery.service import UNREGISTERED_S, Reconciler

    hub = this_hub(new_database=new_database)
    reconciler = Reconciler(
        hub,
        dagster_runs(hub, Runner(hub).instance),
        dry_run=dry_run,
        stands_still_s=_SECOND_LOOK_S / 2,
        unregistered_s=0.0 if new_database else UNREGISTERED_S,  # nobody but this look is about to register anything
        budget_s=math.inf,
    )
    if new_database:
        reconciler.hold_launches()
    first = reconciler.look(Position(), thorough=True)
    if receipts:
        first = replace(first, findings=(*first.findings, *ask_for_lost(hub, dry_run=dry_run)))
    if not first.position.heads:
        return first
    progress(f"Something is due; looking again in {_SECOND_LOOK_S:.0f} s whether it was launched …")
    time.sleep(_SECOND_LOOK_S)
    second = reconciler.look(first.position, thorough=False)
    seen = {(one.kind, one.subject) for one in first.findings}
    new = tuple(one for one in second.findings if (one.kind, one.subject) not in seen)
    return Report((*first.findings, *new), True, second.position)


def _lines(report: "Report") -> list[str]:
    if not report.findings:
        return ["Nothing has lost its way."]
    lines = [f"left    {one.what}" for one in report.left]
    lines += [f"done    {one.what}\n        {one.done}" for one in report.mended]
    return [*lines, f"{len(report.mended)} mended or kept, {len(report.left)} left."]
