"""What all commands share: the hub, who acts, and how an answer is printed.

With `--json` a command prints one document on standard output, on failure too; progress goes to standard error.
"""

import gc
import getpass
import json
import sys
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.common.errors import HubError

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Actor = Annotated[str, typer.Option("--by", help="Who decides; recorded in the audit log.")]
Timeout = Annotated[float, typer.Option("--timeout-s", help="Give up waiting after so many seconds.")]


class Failed(HubError):
    """A command did its work and the answer is no; `document` is what --json prints."""

    def __init__(self, text: str, document: dict[str, Any]) -> None:
        super().__init__(text)
        self.document = document


def print_document(document: object) -> None:
    print(json.dumps(document, indent=2, default=_plain, ensure_ascii=False))


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def this_hub() -> "Hub":
    """The hub of HUB_HOME. Nothing that is loaded for it is garbage: looking through it would cost a short command
    a tenth of its time."""
    gc.disable()
    try:
        from hub_pipelines.hub import open_hub

        return open_hub()
    finally:
        gc.enable()


def actor(by: str) -> str:
    return f"person/{by or getpass.getuser()}"
