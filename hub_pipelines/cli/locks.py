"""`hub locks …`: who holds what, and ending a lease by hand."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.cli.choosing import check_campus
from hub_pipelines.cli.output import Actor, AsJson, actor, print_document, this_hub

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub

app = typer.Typer(help="Who holds what.", no_args_is_help=True)


@app.command("list")
def locks_list(
    campus: Annotated[str, typer.Option(help="Only submissions of this campus.")] = "", as_json: AsJson = False
) -> None:
    """Submissions that a run holds, the process of `hub up`, and on PostgreSQL transactions that sleep."""
    from hub_pipelines.locks.service import overview

    hub = this_hub()
    check_campus(hub, campus or None)
    found = overview(hub, campus or None)
    statuses = _run_statuses(hub, [one.run_id for one in found.held])
    held = [_document(asdict(one), one.past_due_s, statuses.get(one.run_id)) for one in found.held]
    if as_json:
        print_document({**asdict(found), "held": held})
        return
    for line in held:
        _print(line, hub.settings.limits.max_attempts)
    if not held:
        print("No submission is held by a run.")
    up = f"process {found.up_pid} runs `hub up` on this home" if found.up_pid else "no `hub up` runs on this home"
    print(f"{found.up_lock}: {up}")
    for one in found.sleeping:
        print(f"database: process {one.pid} sleeps in a transaction since {one.idle_since:%H:%M:%S} UTC: {one.query}")


def _document(held: dict[str, Any], past_due_s: float, status: str | None) -> dict[str, Any]:
    return {**held, "past_due_s": round(past_due_s, 1), "run_status": status, "run_page": f"/runs/{held['run_id']}"}


def _print(line: dict[str, Any], most: int) -> None:
    print(f"{line['request_id']}  {line['campus']}/{line['feed']}  {line['source_name']}")
    ends = f"PAST DUE since {line['past_due_s']:.0f} s" if line["past_due_s"] else f"until {line['until']:%H:%M:%S} UTC"
    seen = f"since {line['since']:%Y-%m-%d %H:%M:%S} UTC, last extended {line['extended_at']:%H:%M:%S}, {ends}"
    print(f"  {seen}; attempt {line['attempt']} of {most}, token {line['token']}")
    status = line["run_status"] or "not known to Dagster"
    print(f"  run {line['run_id']}: {status}; {line['run_page']} on the Dagster page")


def _run_statuses(hub: "Hub", run_ids: list[str]) -> dict[str, str]:
    if not run_ids:
        return {}
    from hub_pipelines.defs.instance import Runner

    return Runner(hub).run_statuses(run_ids)


@app.command("release")
def locks_release(
    request_id: str,
    force: Annotated[bool, typer.Option("--force", help="Even while its run seems to be at work.")] = False,
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """End a lease, so that the next run takes the submission now; what its run still tries to write is refused."""
    from hub_pipelines.defs.instance import Runner
    from hub_pipelines.locks.service import release

    hub = this_hub()
    found = release(hub, request_id, actor=actor(by), force=force, run_lives=Runner(hub).is_living)
    if as_json:
        print_document({"ok": True, **asdict(found)})
        return
    print(
        f"{request_id}: the lease of run {found.run_id} (token {found.token}) is ended; attempt {found.attempt} failed."
    )
    if found.state == "in_review":
        print("That was its last attempt: it waits for a person, see `hub review list`.")
    else:
        print("The campus's next tick launches a run for it, or `hub drain` does.")
