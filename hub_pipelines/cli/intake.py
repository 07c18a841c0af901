"""`hub submit`, `apply-again`, `drain` and `status`: files on their way."""

import getpass
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.cli.choosing import Timeout, check_file, check_scope
from hub_pipelines.cli.output import Actor, AsJson, Failed, actor, print_document, progress, this_hub
from hub_pipelines.cli.portals import portal_document, portal_line
from hub_pipelines.common.collecting import seldom_collected
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.scope import Scope

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub
    from hub_pipelines.submission.model import Submission

CompleteCount = Annotated[
    bool, typer.Option("--complete-count", help="It lists everything that is at the locations it names.")
]


def submit(
    file: Annotated[Path, typer.Argument(help="The file to send; it stays where it is.")],
    campus: Annotated[str, typer.Option(help="The campus that it belongs to.")],
    feed: Annotated[str, typer.Option(help="The kind of data: procurement, inventory, hazmat or grants.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is settled.")] = False,
    key: Annotated[str | None, typer.Option(help="The sender's own key for this data, if it has one.")] = None,
    complete_count: CompleteCount = False,
    timeout_s: Timeout = 300.0,
    as_json: AsJson = False,
) -> None:
    """Send a file from the command line."""
    hub = this_hub()
    scope = _scope(hub, file, campus, feed, complete_count)
    arrival = hub.submit(file, scope, actor=getpass.getuser(), sender_key=key, complete_count=complete_count)
    current = _settled(hub, str(arrival.request_id), wait, timeout_s)
    hub.receipts.write_due(campus)
    receipt = (
        hub.receipts.places.page_of(current)
        if arrival.outcome == "received"
        else hub.receipts.places.page_of_arrival(arrival)
    )
    document = {**_brief(current), "outcome": arrival.outcome, "receipt": str(receipt) if receipt.exists() else None}
    if as_json:
        print_document(document)
    else:
        print(f"{arrival.outcome}: {current.request_id} is {current.state}. {_rows_text(current)}")
        print(f"Receipt: {document['receipt'] or 'follows when it is settled'}")


def preview(
    file: Annotated[Path, typer.Argument(help="The file to look at; it stays where it is.")],
    campus: Annotated[str, typer.Option(help="The campus that it belongs to.")],
    feed: Annotated[str, typer.Option(help="The kind of data: procurement, inventory, hazmat or grants.")],
    complete_count: CompleteCount = False,
    as_json: AsJson = False,
) -> None:
    """Tell what a file would do, and change nothing."""
    from hub_pipelines.report.previews.page import headline, told_lines

    hub = this_hub()
    scope = _scope(hub, file, campus, feed, complete_count)
    found = hub.preview(file, scope, actor=getpass.getuser(), complete_count=complete_count)
    hub.receipts.index.refresh(campus)
    page = str(hub.previews.page_of(found))
    if as_json:
        print_document({"ok": found.would != "unknown", "headline": headline(found), **asdict(found), "receipt": page})
    else:
        print("\n".join(["Preview – nothing was changed.", headline(found) + ".", *told_lines(found)]))
        print(f"Receipt: {page}")
    if found.would == "unknown":
        raise typer.Exit(1)


def _scope(hub: "Hub", file: Path, campus: str, feed: str, complete_count: bool) -> Scope:
    """Raises SettingsError when there is no such campus, feed or file, or no such count."""
    check_scope(hub, campus, feed)
    if complete_count and not hub.feeds[feed].takes_counts:
        counted = ", ".join(name for name, one in hub.feeds.items() if one.takes_counts)
        raise SettingsError(f"Files of {feed} tell no locations, so none is a complete count. Counted are: {counted}.")
    check_file(file)
    return Scope(campus, feed)


def apply_again(
    request_id: Annotated[str, typer.Argument(help="The submission, as its receipt names it.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is settled.")] = False,
    by: Actor = "",
    timeout_s: Timeout = 300.0,
    as_json: AsJson = False,
) -> None:
    """Apply a posted submission once more on purpose: its rows set the ledger again."""
    hub = this_hub()
    hub.review.apply_again(request_id, actor=actor(by))
    current = _settled(hub, request_id, wait, timeout_s)
    if as_json:
        print_document(_brief(current))
    else:
        print(f"{request_id} is {current.state} (revision {current.revision}). {_rows_text(current)}")


def _settled(hub: "Hub", request_id: str, wait: bool, timeout_s: float) -> "Submission":
    from hub_pipelines.submission import store as submissions

    if wait:
        with seldom_collected():  # Dagster is loaded here too
            from hub_pipelines.defs.instance import Runner

            return Runner(hub).settle(request_id, timeout_s=timeout_s)
    with hub.db.read() as tx:
        return submissions.get(tx, request_id)


def _brief(current: "Submission") -> dict[str, Any]:
    return {
        "request_id": current.request_id,
        "state": current.state,
        "cause": current.cause,
        "reason": current.reason,
        "revision": current.revision,
        "rows": current.counts.document(),
    }


def _rows_text(current: "Submission") -> str:
    rows = current.counts
    return (
        f"Rows: {rows.received}, taken {rows.posted}, already up to date {rows.unchanged}, not taken {rows.rejected}."
    )


def drain(timeout_s: Timeout = 600.0, as_json: AsJson = False) -> None:
    """Process all that waits in this process, through the same jobs, and exit."""
    with seldom_collected():  # Dagster is loaded here too
        from hub_pipelines.defs.instance import Runner

        hub = this_hub(begins=True)
        done = Runner(hub).drain(timeout_s=timeout_s, progress=progress)
    document = {"ok": done, **_status(hub)}
    if not done:
        raise Failed("Not all could be settled in time. `hub status` shows what waits.", document)
    if as_json:
        print_document(document)
    else:
        _print_status(document)


def status(as_json: AsJson = False) -> None:
    """How many submissions and rows are where."""
    document = _status(this_hub())
    if as_json:
        print_document(document)
    else:
        _print_status(document)


def metrics() -> None:
    """What Prometheus would read, as text: for its textfile collector, or to look at."""
    from hub_pipelines.metrics import exposition

    print(exposition(this_hub()), end="")


def _status(hub: "Hub") -> dict[str, Any]:
    from hub_pipelines.health import health
    from hub_pipelines.recovery.store import retry_figures
    from hub_pipelines.report.status import at_work, status_of

    with hub.db.read() as tx:
        retries = {**retry_figures(tx), "max_attempts": hub.processing.policy.max_attempts}
    filling = hub.inbox.filling()
    messages = {
        "received": hub.inbox.count(),
        "waiting": filling.whole.messages,
        "waiting_bytes": filling.whole.size_bytes,
        "filled": round(filling.share, 4),
        "troubles": list(filling.troubles.values())[:1],
    }
    now = at_work(hub.db, hub.processing.progress)
    portals = [portal_document(hub, name) for name in hub.portals.adapters]
    return {
        **status_of(hub.db, hub.drop_folder),
        "troubles": health(hub.settings),
        "at_work": now,
        "retries": retries,
        "messages": messages,
        "portals": portals,
    }


def _print_status(document: dict[str, Any]) -> None:
    for one in document["troubles"]:
        print(f"ATTENTION: {one}")
    print("submissions   " + "  ".join(f"{state} {count}" for state, count in document["submissions"].items()))
    print("rows          " + "  ".join(f"{name} {count}" for name, count in document["rows"].items()))
    for line in document["rows_by"]:
        rows = "  ".join(f"{name} {line[name]}" for name in document["rows"])
        print(f"  {line['campus']}/{line['feed']:<12} {rows}")
    print(f"in the drop folders: {document['files_waiting']} files    open review items: {document['review_open']}")
    previews = document["previews"]
    if previews["made"] or previews["due"]:
        print(f"previews (nothing changed by them): made {previews['made']}, due {previews['due']}")
    messages = document["messages"]
    if messages["received"]:
        print(f"messages: {messages['received']} received, of which {messages['waiting']} are in no batch yet")
        for one in messages["troubles"]:
            print(f"ATTENTION: {one}")
    for one in document["at_work"]:
        print(f"at work: {one['source_name']} ({one['request_id']}), {one['told']}, told at {one['at']:%H:%M:%S} UTC")
    for one in document["portals"]:
        print(f"portal {one['name']}: {portal_line(one)}")
    retries = document["retries"]
    if retries["retrying"]:
        made = "  ".join(
            f"{count} after attempt {attempts} of {retries['max_attempts']}"
            for attempts, count in retries["by_attempts_made"].items()
        )
        print(f"to be tried again: {made}; the next one at {retries['next_retry_at']:%H:%M:%S} UTC")
    if retries["launched_in_vain"]:
        print(f"launched more than once without a run that began: {retries['launched_in_vain']}")
    for one in document["paused"]:
        scope = f"{one['feed'] or 'all feeds'} of {one['campus'] or 'all campuses'}"
        print(f"PAUSED: {scope} by {one['paused_by']} since {one['paused_at']:%Y-%m-%d %H:%M} UTC: {one['reason']}")
        print(f"  {one['waiting']} submissions wait")
