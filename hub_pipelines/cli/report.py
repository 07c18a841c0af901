"""`hub report`: the list of receipts as a page."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from hub_pipelines.cli.output import AsJson, print_document, this_hub
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.scope import RESERVED_CAMPUS


def report(
    campus: Annotated[str | None, typer.Option(help="Only the receipts of this campus.")] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Print where the page is and open nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the list of receipts up to date and open it in the browser."""
    hub = this_hub()
    if campus is not None and campus not in {*hub.campuses, RESERVED_CAMPUS}:
        raise SettingsError(f"There is no campus {campus!r}. Campuses in hub.toml: {', '.join(hub.campuses)}.")
    index = hub.receipts.index
    pages = {one: index.write(one) for one in ([campus] if campus else [*hub.campuses, RESERVED_CAMPUS])}
    page = pages[campus] if campus else index.write()
    opened = not (no_open or as_json) and _has_a_browser() and _open(page)
    if as_json:
        print_document({"ok": True, "page": page, "campuses": pages})
    else:
        print(f"{page}{' (opened in the browser)' if opened else ''}")


def _open(page: Path) -> bool:
    import webbrowser

    return webbrowser.open(page.as_uri())


def _has_a_browser() -> bool:
    """Somebody sits here: a terminal, and a display beside it."""
    return sys.stdout.isatty() and bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
