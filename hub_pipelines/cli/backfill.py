"""`hub backfill`: a campus's ledger days once more, confirmed from the archive."""

from datetime import date
from typing import Annotated, Any

import typer

from hub_pipelines.cli.choosing import check_scope, days_of
from hub_pipelines.cli.output import AsJson, Failed, print_document, progress, this_hub
from hub_pipelines.common.errors import SettingsError


def backfill(
    campus: Annotated[str, typer.Option(help="The campus.")],
    feed: Annotated[str, typer.Option(help="The feed whose ledgers are folded again.")],
    first: Annotated[str, typer.Option("--from", help="The first day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option("--to", help="The last day, YYYY-MM-DD.")],
    as_json: AsJson = False,
) -> None:
    """Fold a campus's days again and confirm them from the archive; exit 1 when a day is not confirmed."""
    from hub_pipelines.defs.instance import Runner

    hub = this_hub()
    check_scope(hub, campus, feed)
    days = days_of(first, last)
    _check_days(*days, hub.settings.ledger.first_day, hub.campuses[campus].day_of(hub.intake.now()))
    spans = []
    for span in Runner(hub).backfill(campus, feed, *days):
        spans.append(span)
        for line in _lines(span):
            progress(line)
    document = {"ok": all(one["finished"] and not _errors(one) for one in spans), "spans": spans}
    if not document["ok"]:
        raise Failed("Not every day is confirmed; the lines above say why. What was published before stays.", document)
    if as_json:
        print_document(document)
    else:
        print(f"{sum(len(one['days']) for one in spans)} ledger days confirmed.")


def _check_days(first: date, last: date, earliest: date, today: date) -> None:
    if not earliest <= first <= last <= today:
        raise SettingsError(
            f"--from {first} --to {last}: the days must lie between {earliest} "
            f"([ledgers] first_day in hub.toml) and today, {today}."
        )


def _errors(span: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in span["failed"] if one["severity"] == "ERROR"]


def _lines(span: dict[str, Any]) -> list[str]:
    lines = [f"{span['from']} to {span['to']}: {len(span['days'])} ledger days with entries"]
    for one in span["days"]:
        entries, outcome, archive = one["entries"], one["outcome"], one["from the archive"]
        lines.append(f"  {one['day']} {one['record type']}: {entries} entries, {outcome}; from the archive: {archive}")
    for one in span["failed"]:
        lines += [f"  {one['severity']} {one['check']}: " + ", ".join(map(str, row.values())) for row in one["failed"]]
    return lines
