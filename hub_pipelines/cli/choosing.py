"""What options may say: one check for each kind, so that a wrong one is told and never taken without a word.

Belongs here: campuses, feeds, days, ports and files that somebody names. Not here: what a command does
with them. What the command line itself can tell by `min` and `max` stands with the option.
"""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.scope import RESERVED_CAMPUS

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub

LONGEST_S = 366 * 86_400.0
"""That a command may wait or serve."""
Port = Annotated[int, typer.Option(min=1, max=65_535, help="Port of the web page, on this machine only.")]
Timeout = Annotated[
    float, typer.Option("--timeout-s", min=0, max=LONGEST_S, help="Give up waiting after so many seconds.")
]


def check_scope(hub: "Hub", campus: str | None, feed: str | None, *, former: bool = False) -> None:
    """What is None may be any. `former`: what the settings no longer name and something came for is taken too.

    Raises SettingsError.
    """
    if former and hub.holds.knows(campus, feed):
        return
    check_campus(hub, campus)
    if feed is not None and feed not in hub.feeds:
        raise SettingsError(f"There is no feed {feed!r}. Feeds in hub.toml: {', '.join(hub.feeds)}.")


def check_campus(hub: "Hub", campus: str | None, *, reserved: bool = False) -> None:
    """`reserved`: also the one of what belongs to no campus. Raises SettingsError."""
    more = f"; and {RESERVED_CAMPUS}, for what belongs to none" if reserved else ""
    if campus is not None and campus not in hub.campuses and not (reserved and campus == RESERVED_CAMPUS):
        raise SettingsError(f"There is no campus {campus!r}. Campuses in hub.toml: {', '.join(hub.campuses)}{more}.")


def day_of(text: str, option: str, *, today: date | None = None) -> date:
    """The day after an option; none that lies after `today`. Raises SettingsError."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{option} {text!r} is not a day. Write it as YYYY-MM-DD.") from error
    if today is not None and day > today:
        raise SettingsError(f"{option} {day} is yet to come; today is {today}.")
    return day


def days_of(first: str, last: str) -> tuple[date, date]:
    """The days after --from and --to. Raises SettingsError."""
    days = day_of(first, "--from"), day_of(last, "--to")
    if days[0] > days[1]:
        raise SettingsError(f"--from {days[0]} is after --to {days[1]}.")
    return days


def check_file(file: Path) -> None:
    """Raises SettingsError where there is none that can be read."""
    if not file.is_file():
        raise SettingsError(f"{file} is not a file. Is the path right?")


def read_text(file: Path) -> str:
    """Raises SettingsError."""
    check_file(file)
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is no text in UTF-8. Save it as UTF-8, and try again.") from error
