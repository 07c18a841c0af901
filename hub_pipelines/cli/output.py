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

from hub_pipelines.common.errors import HubError, SettingsError

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Actor = Annotated[str, typer.Option("--by", help="Who decides; recorded in the audit log.")]
_LONGEST_NAME = 100


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


def this_hub(*, begins: bool = False, new_database: bool = False) -> "Hub":
    """The hub of HUB_HOME; only with `begins` a new one is made where there is none. Raises SettingsError.

    Nothing that is loaded for it is garbage: looking through it would cost a short command a tenth of its time.
    """
    gc.disable()
    try:
        from hub_pipelines.hub import open_hub
        from hub_pipelines.settings import home_folder

        if not begins and not (home_folder() / "hub.toml").exists():
            raise SettingsError(
                f"{home_folder()} is no hub's home: it has no hub.toml. Is HUB_HOME right? "
                "`hub up` or `hub drain` begin a new hub there."
            )
        return open_hub(new_database=new_database)
    finally:
        gc.freeze()
        gc.enable()


def actor(by: str) -> str:
    """Who acts: the name after --by, else the log-in name. Raises SettingsError when there is none."""
    name = " ".join(by.split()) if by else _login()
    name = name.removeprefix("person/")  # as outputs and the audit log write it
    if (
        "/" in name
        or not any(letter.isalpha() for letter in name)
        or not name.isprintable()
        or len(name) > _LONGEST_NAME
    ):
        raise SettingsError(f"{name!r} is no person's name. Say who decides: --by ann.")
    return f"person/{name}"


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return ""
