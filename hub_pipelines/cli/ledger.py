"""`hub ledger …`: what was posted."""

import sys
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.cli.choosing import check_campus, day_of
from hub_pipelines.cli.output import AsJson, print_document, this_hub
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.spreadsheets import write_csv

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub
    from hub_pipelines.validate.model import RecordType

app = typer.Typer(help="What was posted.", no_args_is_help=True)


@app.command("export")
def ledger_export(
    record_type: Annotated[str, typer.Option("--type", help="The record type, such as inventory.asset.")],
    campus: Annotated[str, typer.Option(help="Rows of this campus.")],
    as_of: Annotated[str, typer.Option("--as-of", help="At the end of this day, YYYY-MM-DD; now when left out.")] = "",
    form: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    as_json: AsJson = False,
) -> None:
    """The state of a campus's ledger on standard output, now or at the end of an earlier day."""
    from hub_pipelines.ledger.comparing.model import SHORT_BY

    hub = this_hub()
    kind = _record_type(hub, record_type)
    check_campus(hub, campus)
    if form not in {"csv", "json"}:
        raise SettingsError(f"There is no --format {form!r}. Choose csv or json.")
    today = hub.campuses[campus].day_of(hub.intake.now())
    rows = _rows(hub, kind, campus, day_of(as_of, "--as-of", today=today) if as_of else None)
    if as_json or form == "json":
        print_document(list(rows))
        return
    columns = [*kind.columns, *([SHORT_BY] if kind.adjusted else []), "request_id", "posted_at"]
    write_csv(sys.stdout, columns, rows, line_end="\n")


def _record_type(hub: "Hub", name: str) -> "RecordType":
    known = {one.name: one for feed in hub.feeds.values() for one in feed.record_types}
    if name not in known:
        raise SettingsError(f"There is no record type {name!r}. Choose --type from {', '.join(known)}.")
    return known[name]


def _rows(hub: "Hub", kind: "RecordType", campus: str, day: date | None) -> Iterator[dict[str, Any]]:
    from hub_pipelines.ledger.items.store import current_rows
    from hub_pipelines.ledger.model import ledger_name

    name = ledger_name(kind.name, campus, shared=kind.shared)
    state = hub.snapshots.state(kind, campus, day) if day else current_rows(hub.db, name)
    return (
        {**row.values, "request_id": row.request_id, "posted_at": row.posted_at.isoformat()}
        for row in state
        if not kind.shared or row.values.get("campus") == campus
    )
