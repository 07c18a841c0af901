"""`hub poll` and `hub portals …`: portals that the hub reads."""

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.cli.choosing import LONGEST_S, day_of
from hub_pipelines.cli.output import Actor, AsJson, Failed, actor, print_document, progress, this_hub

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub
    from hub_pipelines.portals.looking import Sight
    from hub_pipelines.portals.service import Outcome

app = typer.Typer(help="Portals that the hub reads.", no_args_is_help=True)
_SHOWN = 20


def poll(
    portal: Annotated[str, typer.Argument(help="Its name in hub.toml: [portals.<name>].")],
    since: Annotated[str | None, typer.Option(help="Read again what was changed since this day (YYYY-MM-DD).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what is new or changed, and take nothing.")] = False,
    timeout_s: Annotated[
        float, typer.Option(min=0, max=LONGEST_S, help="Stop after so many seconds; the next poll goes on.")
    ] = 600.0,
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Read a portal now: go on with the poll under way, or begin one."""
    from hub_pipelines.portals.service import start_of

    hub = this_hub()
    begin = start_of(day_of(since, "--since", today=hub.portals.now().date())) if since is not None else None
    if dry_run:
        _print_sight(portal, hub.portals.look(portal, for_s=timeout_s, since=begin), as_json)
        return
    progress(f"Reading {portal} …")
    outcome = hub.portals.poll(portal, for_s=timeout_s, actor=actor(by), since=begin)
    document = {"ok": outcome.end in ("complete", "unfinished"), **asdict(outcome)}
    text = _told(outcome)
    if not document["ok"]:
        raise Failed(text, document)
    if as_json:
        print_document(document)
    else:
        print(text)


@app.command("list")
def portals_list(as_json: AsJson = False) -> None:
    """All portals: how far they were read, when next, and whether they can be."""
    hub = this_hub()
    found = [portal_document(hub, name) for name in hub.portals.adapters]
    if as_json:
        print_document({"portals": found})
        return
    for one in found:
        print(f"{one['name']}: {portal_line(one)}")
    if not found:
        print("The hub reads no portal. `[portals.<name>]` in hub.toml adds one.")


@app.command("shape")
def portals_shape(item_id: str, as_json: AsJson = False) -> None:
    """Held records of a portal: their fields as they were and as they are, side by side."""
    item, shape, fields = this_hub().portal_shapes.show(item_id)
    if as_json:
        print_document({"item": asdict(item), "shape": asdict(shape), "fields": fields})
        return
    print(f"{item_id}: {item.reason}")
    state = f"accepted by {shape.accepted_by}" if shape.accepted_at else "not accepted"
    print(f"shape {shape.fingerprint} of {shape.portal}, first seen {_moment(shape.first_seen_at)}, {state}")
    if fields:
        rows = [("field", "before", "now")]
        rows += [
            (one["path"], f"{one['before']}: {one['value_before'] or '–'}", f"{one['now']}: {one['value_now'] or '–'}")
            for one in fields
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for path, before, now in rows:
            print(f"  {path:<{widths[0]}}  {before:<{widths[1]}}  {now}")


@app.command("accept")
def portals_accept(item_id: str, by: Actor = "", as_json: AsJson = False) -> None:
    """The new shape is right: take these records and all that differ in the same way, now and later."""
    sent = this_hub().portal_shapes.accept(item_id, actor=actor(by))
    if as_json:
        print_document({"ok": True, "replayed": [one.item_id for one in sent]})
    else:
        print(f"Accepted. {len(sent)} held items go on; `hub status` shows how far.")


def portal_document(hub: "Hub", name: str) -> dict[str, Any]:
    """Where the hub stands with a portal."""
    from hub_pipelines.portals import store

    state = hub.portals.state(name)
    with hub.db.read() as tx:
        held = store.count_held(tx, name)
    now = hub.portals.now()
    return {
        "name": name,
        "cursor": state.cursor if state else None,
        "last_complete_at": state.completed_at if state else None,
        "next_poll_at": hub.portals.due_at(name) or now,
        "breaker": str(state.health.breaker(now)) if state else "closed",
        "failures": state.health.failures if state else 0,
        "last_error": state.last_error if state else None,
        "last_error_at": state.last_error_at if state else None,
        "requests": state.requests if state else 0,
        "failed_requests": state.failed_requests if state else 0,
        "records_held": held,
        "poll": asdict(state.poll.tally) | {"requests_left": len(state.poll.pending)} if state and state.poll else None,
        "at_work": bool(state and state.is_leased(now)),
    }


def portal_line(one: dict[str, Any]) -> str:
    """The same in a sentence or two."""
    parts = [f"read up to {_moment(one['cursor'])}" if one["cursor"] else "never read to its end"]
    if one["poll"]:
        parts.append(f"a poll under way, {one['poll']['pages']} pages read{', at work now' if one['at_work'] else ''}")
    parts.append(f"next at {_moment(one['next_poll_at'])}")
    if one["breaker"] != "closed" or one["failures"]:
        told = f"NOT READ: {one['last_error']} ({one['failures']} failures in a row, breaker {one['breaker']})"
        parts.append(told.replace("half_open", "half open"))
    if one["records_held"]:
        parts.append(f"held for their shape: {one['records_held']:,} (`hub review list`)")
    parts.append(f"{one['requests']:,} requests so far, {one['failed_requests']:,} failed")
    return "; ".join(parts)


def _told(outcome: "Outcome") -> str:
    tally = outcome.tally
    counts = (
        f"{tally.records:,} records on {tally.pages:,} pages: {tally.taken:,} taken, {tally.known:,} known, "
        f"{tally.held:,} held. {tally.requests:,} requests, of which {tally.failed_requests:,} failed."
    )
    until = f" Not before {_moment(outcome.until)}." if outcome.until else ""
    why = f"{outcome.reason} " if outcome.reason else ""
    return {
        "complete": f"{outcome.portal} is read to its end. {counts}",
        "unfinished": f"{outcome.portal} is read in part; the next poll goes on. {why}{counts}",
        "waiting": f"{outcome.portal} asks to wait: {outcome.reason or ''}{until} {counts}",
        "failed": f"{outcome.portal} can't be read: {outcome.reason or ''}{until} The cursor stays. {counts}",
        "unsettled": f"{outcome.portal} may have more than was read; the cursor stays. {why}{counts}",
        "busy": f"Another process reads {outcome.portal} now.",
    }[outcome.end]


def _print_sight(portal: str, found: "Sight", as_json: bool) -> None:
    document = {"ok": found.complete, **asdict(found)}
    why = f" It was not read to its end: {found.reason or 'the time was up'}." if not found.complete else ""
    lines = [
        f"{portal}: {len(found.new):,} records would be new, {len(found.changed):,} changed, {len(found.held):,} held, "
        f"{len(found.known):,} are known; {found.pages:,} pages read, nothing taken.{why}"
    ]
    for name in ("new", "changed", "held"):
        ids = getattr(found, name)
        lines += [f"  {name}: {one}" for one in ids[:_SHOWN]]
        lines += [f"  {name}: and {len(ids) - _SHOWN:,} more"] if len(ids) > _SHOWN else []
    if not found.complete:
        raise Failed("\n".join(lines), document)
    if as_json:
        print_document(document)
    else:
        print("\n".join(lines))


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "–"
