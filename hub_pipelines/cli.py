"""`hub …`: the command line for people and scripts.

Belongs here: arguments, wording, exit codes. Not here: anything that a command does. With `--json` a
command prints one document on standard output, on failure too; progress goes to standard error.
"""

import csv
import getpass
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.common.errors import HubError, SettingsError
from hub_pipelines.common.scope import Scope

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub
    from hub_pipelines.submission.model import Submission

app = typer.Typer(
    help="Research data intake with proof: from a dropped file to a ledger, exactly once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
review_app = typer.Typer(help="What waits for a person.", no_args_is_help=True)
ledger_app = typer.Typer(help="What was posted.", no_args_is_help=True)
audit_app = typer.Typer(help="Proof.", no_args_is_help=True)
app.add_typer(review_app, name="review")
app.add_typer(ledger_app, name="ledger")
app.add_typer(audit_app, name="audit")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Actor = Annotated[str, typer.Option("--by", help="Who decides; recorded in the audit log.")]
Timeout = Annotated[float, typer.Option("--timeout-s", help="Give up waiting after so many seconds.")]


class Failed(HubError):
    """A command did its work and the answer is no; `document` is what --json prints."""

    def __init__(self, text: str, document: dict[str, Any]) -> None:
        super().__init__(text)
        self.document = document


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed or the answer is no, 2 wrong usage."""
    as_json = "--json" in sys.argv[1:]
    code: object = 0
    try:
        app()
    except SystemExit as end:
        code = end.code
        if code == 2 and as_json:
            _print({"ok": False, "error": "Wrong usage; standard error says what is wrong. See `hub --help`."})
    except Failed as error:
        _complain(str(error), as_json, error.document)
        code = 1
    except (HubError, OSError) as error:
        _complain(str(error), as_json, {"ok": False, "error": str(error)})
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _complain(text: str, as_json: bool, document: dict[str, Any]) -> None:
    _progress(text)
    if as_json:
        _print(document)


def _print(document: object) -> None:
    print(json.dumps(document, indent=2, default=_plain, ensure_ascii=False))


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _hub() -> "Hub":
    from hub_pipelines.hub import open_hub

    return open_hub()


@app.command()
def up(
    port: Annotated[int, typer.Option(help="Port of the web page, on this machine only.")] = 3000,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Serve a page on which nothing can be changed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the hub until stopped: sensors, runs and the Dagster page."""
    from hub_pipelines.deployment import Deployment

    home, log = _prepare()
    deployment = Deployment(home, port, read_only, _progress, log)
    deployment.stop_on_signals()
    deployment.start()
    try:
        deployment.run(until=deployment.web_is_ready)
        if as_json:
            _print({"ok": True, "address": deployment.address, "home": home.parent, "log": log})
        _progress(
            f"The hub is up: {deployment.address} (log: {log}). Drop files into {home.parent / 'drop'}; Ctrl-C stops."
        )
        deployment.run()
    finally:
        _progress("Stopping …")
        deployment.stop()


def _prepare() -> tuple[Path, Path]:
    from hub_pipelines.defs.instance import prepare_dagster_home

    home = prepare_dagster_home(_hub().settings)
    return home, home.parent / "hub.log"


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Port of the web page, on this machine only.")] = 3000,
    once: Annotated[bool, typer.Option("--once", help="Stop when all is settled instead of serving on.")] = False,
    timeout_s: Timeout = 120.0,
    as_json: AsJson = False,
) -> None:
    """Drop sample files for three campuses into the hub, run it for real and show what became of them."""
    from hub_pipelines.demo import run_demo
    from hub_pipelines.deployment import Deployment

    hub = _hub()
    home, log = _prepare()
    deployment = Deployment(home, port, False, _progress, log)
    deployment.stop_on_signals()
    deployment.start()
    try:
        outcome = run_demo(hub, deployment, timeout_s=timeout_s, say=_progress)
        files = [asdict(one) for one in outcome.files]
        document = {"ok": outcome.settled, "address": deployment.address, "files": files}
        if not outcome.settled:
            raise Failed(f"Not all was settled in {timeout_s:.0f} s. See {log}.", document)
        if as_json:
            _print(document)
        else:
            print(outcome.table())
        if not once and sys.stdout.isatty():
            _progress(f"The Dagster page: {deployment.address}. Ctrl-C stops it; `hub up` starts it again.")
            deployment.run()
        else:
            _progress(
                f"Keep it running: `hub up`, then open {deployment.address} and drop files into {hub.settings.drop}."
            )
    finally:
        deployment.stop()


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(help="The file to send; it stays where it is.")],
    campus: Annotated[str, typer.Option(help="The campus that it belongs to.")],
    feed: Annotated[str, typer.Option(help="The kind of data: inventory, procurement.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is settled.")] = False,
    key: Annotated[str | None, typer.Option(help="The sender's own key for this data, if it has one.")] = None,
    timeout_s: Timeout = 300.0,
    as_json: AsJson = False,
) -> None:
    """Send a file from the command line."""
    hub = _hub()
    if campus not in hub.campuses:
        raise SettingsError(f"There is no campus {campus!r}. Campuses in hub.toml: {', '.join(hub.campuses)}.")
    if feed not in hub.feeds:
        raise SettingsError(f"There is no feed {feed!r}. Feeds in hub.toml: {', '.join(hub.feeds)}.")
    if not file.is_file():
        raise SettingsError(f"{file} is not a file.")
    arrival = hub.submit(file, Scope(campus, feed), actor=getpass.getuser(), sender_key=key)
    current = _settled(hub, str(arrival.request_id), wait, timeout_s)
    hub.receipts.write_due(campus)
    receipt = hub.receipts.path_of(current) if arrival.outcome == "received" else hub.receipts.path_of_arrival(arrival)
    document = {**_brief(current), "outcome": arrival.outcome, "receipt": str(receipt) if receipt.exists() else None}
    if as_json:
        _print(document)
    else:
        print(f"{arrival.outcome}: {current.request_id} is {current.state}. {_rows_text(current)}")
        print(f"Receipt: {document['receipt'] or 'follows when it is settled'}")


@app.command("apply-again")
def apply_again(
    request_id: Annotated[str, typer.Argument(help="The submission, as its receipt names it.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is settled.")] = False,
    by: Actor = "",
    timeout_s: Timeout = 300.0,
    as_json: AsJson = False,
) -> None:
    """Apply a posted submission once more on purpose: its rows set the ledger again."""
    hub = _hub()
    hub.review.apply_again(request_id, actor=_actor(by))
    current = _settled(hub, request_id, wait, timeout_s)
    if as_json:
        _print(_brief(current))
    else:
        print(f"{request_id} is {current.state} (revision {current.revision}). {_rows_text(current)}")


def _settled(hub: "Hub", request_id: str, wait: bool, timeout_s: float) -> "Submission":
    from hub_pipelines.submission import store as submissions

    if wait:
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


@app.command()
def drain(timeout_s: Timeout = 600.0, as_json: AsJson = False) -> None:
    """Process all that waits in this process, through the same jobs, and exit."""
    from hub_pipelines.defs.instance import Runner

    hub = _hub()
    done = Runner(hub).drain(timeout_s=timeout_s, progress=_progress)
    document = {"ok": done, **_status(hub)}
    if not done:
        raise Failed("Not all could be settled in time. `hub status` shows what waits.", document)
    if as_json:
        _print(document)
    else:
        _print_status(document)


@app.command()
def status(as_json: AsJson = False) -> None:
    """How many submissions and rows are where."""
    document = _status(_hub())
    if as_json:
        _print(document)
    else:
        _print_status(document)


def _status(hub: "Hub") -> dict[str, Any]:
    from hub_pipelines.report.status import status_of

    return status_of(hub.db, hub.drop_folder)


def _print_status(document: dict[str, Any]) -> None:
    print("submissions   " + "  ".join(f"{state} {count}" for state, count in document["submissions"].items()))
    print("rows          " + "  ".join(f"{name} {count}" for name, count in document["rows"].items()))
    for line in document["rows_by"]:
        rows = "  ".join(f"{name} {line[name]}" for name in document["rows"])
        print(f"  {line['campus']}/{line['feed']:<12} {rows}")
    print(f"in the drop folders: {document['files_waiting']} files    open review items: {document['review_open']}")


@review_app.command("list")
def review_list(
    everything: Annotated[bool, typer.Option("--all", help="Closed items too.")] = False, as_json: AsJson = False
) -> None:
    """The items that wait for a decision, the oldest first."""
    items = _hub().review.listing(everything=everything)
    if as_json:
        _print({"items": [asdict(item) for item in items]})
        return
    for item in items:
        print(
            f"{item.item_id}  {item.state}  {item.campus}/{item.feed}  {item.source_name}  [{item.cause}] {item.reason}"
        )
    if not items:
        print("Nothing waits for a decision.")


@review_app.command("show")
def review_show(item_id: str, as_json: AsJson = False) -> None:
    """One item with headers, attempts, error and stack trace."""
    hub = _hub()
    item, attempts = hub.review.show(item_id)
    copy = hub.archive.object_path(item.content_digest)
    if as_json:
        run_page = f"/runs/{item.run_id}" if item.run_id else None
        _print({**asdict(item), "attempts": attempts, "archived_copy": str(copy), "run_page": run_page})
        return
    for name, value in asdict(item).items():
        if name not in {"trace", "headers"} and value not in {None, ""}:
            print(f"{name:<15} {value}")
    print(f"{'archived_copy':<15} {copy}")
    if item.run_id:
        print(f"{'run_page':<15} /runs/{item.run_id} on the Dagster page")
    print(f"{'headers':<15} {json.dumps(item.headers, ensure_ascii=False)}")
    for one in attempts:
        outcome = one["outcome"] or "under way"
        print(f"{'attempt':<15} {one['started_at']:%Y-%m-%d %H:%M:%S} UTC  {outcome}  run {one['owner']}")
    if item.trace:
        print(item.trace)


@review_app.command("replay")
def review_replay(item_id: str, by: Actor = "", as_json: AsJson = False) -> None:
    """Send the submission through again, under the same request_id."""
    item = _hub().review.replay(item_id, actor=_actor(by))
    if as_json:
        _print(asdict(item))
    else:
        print(f"{item.request_id} is on its way again. `hub drain` processes it now, a running hub does so by itself.")


@review_app.command("dismiss")
def review_dismiss(
    item_id: str,
    reason: Annotated[str, typer.Option(help="sent_in_error, replaced, not_ours, test_data or cannot_be_repaired.")],
    note: Annotated[str, typer.Option(help="In your own words.")] = "",
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Close an item for good. Bytes and history stay."""
    from hub_pipelines.review.model import ReasonCode

    if reason not in set(ReasonCode):
        raise SettingsError(f"--reason {reason!r} is not a reason code. Choose from: {', '.join(ReasonCode)}.")
    item = _hub().review.dismiss(item_id, actor=_actor(by), reason=ReasonCode(reason), note=note)
    if as_json:
        _print(asdict(item))
    else:
        print(f"{item.item_id} is dismissed ({item.resolution}).")


def _actor(by: str) -> str:
    return f"person/{by or getpass.getuser()}"


@ledger_app.command("export")
def ledger_export(
    feed: Annotated[str, typer.Option(help="inventory or procurement.")],
    campus: Annotated[str, typer.Option(help="Rows of this campus.")],
    form: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    as_json: AsJson = False,
) -> None:
    """The current state of a campus's ledger on standard output."""
    hub = _hub()
    if feed not in hub.feeds or campus not in hub.campuses or form not in {"csv", "json"}:
        raise SettingsError(
            f"Choose --feed from {', '.join(hub.feeds)}, --campus from {', '.join(hub.campuses)}, --format csv or json."
        )
    rows = _rows_of(hub, feed, campus)
    if as_json or form == "json":
        _print([{**row, "posted_at": row["posted_at"]} for row in rows])
        return
    columns = [*hub.feeds[feed].columns, "request_id", "posted_at"]
    writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _safe_cell(row.get(name)) for name in columns} for row in rows)


def _rows_of(hub: "Hub", feed: str, campus: str) -> Iterator[dict[str, Any]]:
    from hub_pipelines.ledger.model import ledger_name
    from hub_pipelines.ledger.store import current_rows

    kind = hub.feeds[feed]
    for row in current_rows(hub.db, ledger_name(kind.record_type, campus, shared=kind.shared)):
        if not kind.shared or row.values.get("campus") == campus:
            yield {**row.values, "request_id": row.request_id, "posted_at": row.posted_at.isoformat()}


def _safe_cell(value: object) -> object:
    """A cell that a spreadsheet will not take for a formula; plain negative numbers stay numbers."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        try:
            float(value)
        except ValueError:
            return "'" + value
    return value


@audit_app.command("verify")
def audit_verify(as_json: AsJson = False) -> None:
    """Walk every audit chain, the postings and the archive; exit 1 when anything was changed."""
    from hub_pipelines.evidence import verify_all

    report = verify_all(_hub())
    document = {"ok": report.ok, "entries": report.entries, "first_bad": report.first_bad, "heads": report.heads}
    if not report.ok:
        raise Failed(f"NOT GENUINE: {report.first_bad}", document)
    if as_json:
        _print(document)
    else:
        print(f"{report.entries} audit entries, all postings and all archived files are as they were written.")


if __name__ == "__main__":
    main()
