"""`hub report`: the list of receipts, or a weekly review, as a page."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.cli.choosing import check_campus
from hub_pipelines.cli.output import AsJson, print_document, this_hub
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.scope import RESERVED_CAMPUS

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub


def report(
    campus: Annotated[str | None, typer.Option(help="Only the receipts of this campus.")] = None,
    weekly: Annotated[bool, typer.Option("--weekly", help="The weekly review instead of the receipts.")] = False,
    week: Annotated[
        str | None, typer.Option(help="With --weekly: a week such as 2026-W47; this one if left out.")
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Print where the page is and open nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the list of receipts, or a weekly review, up to date and open it in the browser."""
    if week and not weekly:
        raise typer.BadParameter("--week belongs to --weekly.")
    if campus and weekly:
        raise typer.BadParameter("A weekly review is of all campuses; leave out --campus.")
    hub = this_hub()
    document = _weekly(hub, week) if weekly else _receipts(hub, campus)
    page = document["page"]
    opened = not (no_open or as_json) and _has_a_browser() and _open(page)
    if as_json:
        print_document(document)
    else:
        print(f"{page}{' (opened in the browser)' if opened else ''}")


def _receipts(hub: "Hub", campus: str | None) -> dict[str, Any]:
    check_campus(hub, campus, reserved=True)
    index = hub.receipts.index
    pages = {one: index.write(one) for one in ([campus] if campus else [*hub.campuses, RESERVED_CAMPUS])}
    return {"ok": True, "page": pages[campus] if campus else index.write(), "campuses": pages}


def _weekly(hub: "Hub", name: str | None) -> dict[str, Any]:
    from hub_pipelines.report.weekly.model import Week

    this_week = Week.of(hub.weekly.now())
    week = Week.named(name) if name else this_week
    if week.monday > this_week.monday:
        raise SettingsError(f"--week {week.name} is yet to come; this one is {this_week.name}.")
    review = hub.weekly.write(week)
    page, table = hub.weekly.paths(week)
    counts = {name: getattr(review, name) for name in ("opened", "opened_before", "resolved", "open", "open_by")}
    return {"ok": True, "week": week.name, "is_over": review.is_over, "page": page, "table": table, **counts}


def _open(page: Path) -> bool:
    import webbrowser

    return webbrowser.open(page.as_uri())


def _has_a_browser() -> bool:
    """Somebody sits here: a terminal, and a display beside it."""
    return sys.stdout.isatty() and bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
