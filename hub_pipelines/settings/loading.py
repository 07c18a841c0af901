"""Reading `hub.toml` and the environment variables, once.

Every error names the setting and the fix. Not here: what may be set (sections, portals).
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.files import write_replacing
from hub_pipelines.settings.sections import Settings, SettingsFile
from hub_pipelines.settings.strict import Strict

PROJECT = Path(__file__).resolve().parents[2]
DEFAULT_TOML = Path(__file__).with_name("hub.toml").read_text(encoding="utf-8")
"""What an empty home gets."""
_LIKENESS = 0.7
"""Of an unknown name to the one that may be meant."""


def home_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """`HUB_HOME`, or `data/` under the project."""
    named = environment.get("HUB_HOME", "")
    return Path(named).expanduser().resolve() if named else PROJECT / "data"


def load(known_feeds: tuple[str, ...], environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; on an empty home write the defaults first. Raises SettingsError."""
    home = home_folder(environment)
    path = home / "hub.toml"
    if not path.exists():
        _write_defaults(path)
    file = _parse(path)
    enabled = [feed for feed in known_feeds if feed in file.feeds.enabled]
    named = {*file.feeds.enabled, *file.freshness, *(feed for one in file.campuses.values() for feed in one.freshness)}
    unknown = sorted(named - set(known_feeds))
    if unknown or not enabled:
        raise SettingsError(
            f"{path}: [feeds] enabled or [freshness] names {', '.join(unknown) or 'no feed'}. "
            f"Choose from: {', '.join(known_feeds)}."
        )
    return Settings(
        home=home,
        contact=file.hub.contact,
        page_hosts=file.hub.page_hosts,
        campuses=file.campuses,
        feeds=tuple(enabled),
        freshness_by_feed=file.freshness,
        ledger=file.ledgers,
        limits=file.limits,
        messages=file.messages,
        portals=file.portals,
        retention=file.retention,
        log_level=file.log.level,
        database_url=_in_one_place(
            environment.get("HUB_DATABASE_URL") or file.database.url or f"sqlite:///{home / 'hub.db'}"
        ),
        dagster_database_url=_psycopg2(environment.get("HUB_DAGSTER_DATABASE_URL") or file.database.dagster_url),
    )


def _write_defaults(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_replacing(path, DEFAULT_TOML)
    except OSError as error:
        raise SettingsError(
            f"HUB_HOME is {path.parent}, where the hub can't write ({error.strerror}). "
            "Set HUB_HOME to a folder that this user may write to."
        ) from error


def _parse(path: Path) -> SettingsFile:
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
        _refuse_yes_and_no(written, str(path))
        return SettingsFile.model_validate(written)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}. Correct that line.") from error
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}. Let this user read it.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text. Save it as UTF-8.") from error
    except ValidationError as error:
        faults = "; ".join(map(_fault, error.errors()))
        raise SettingsError(f"{path}: {faults}. Correct or remove these settings.") from error


def _refuse_yes_and_no(written: Mapping[str, object], path: str, within: str = "") -> None:
    """No setting is yes or no, and pydantic takes them for 1 and 0."""
    for name, value in written.items():
        if isinstance(value, bool):
            told = f"{within}{name}: found {str(value).lower()}, and a number, a text or a list is needed"
            raise SettingsError(f"{path}: {told}. Correct or remove these settings.")
        if isinstance(value, dict):
            _refuse_yes_and_no(value, path, f"{within}{name}.")


def _fault(one: ErrorDetails) -> str:
    """Which setting, what is allowed, and what was found, which our own errors tell where it can be no password."""
    if one["type"] == "extra_forbidden":
        return f"{'.'.join(map(str, one['loc']))}: there is no such setting{_perhaps(one['loc'])}"
    found, told = one["input"], one["msg"].removeprefix("Value error, ")
    is_shown = one["type"] != "value_error" and isinstance(found, int | float | str)
    return f"{'.'.join(map(str, one['loc']))}: {told}" + (f" (found {found!r})" if is_shown else "")


def _perhaps(loc: Sequence[int | str]) -> str:
    """The name beside an unknown one that is most like it."""
    parts: list[type[Strict]] = [SettingsFile]
    for step in loc[:-1]:
        below = [one.model_fields[str(step)].annotation for one in parts if step in one.model_fields]
        if below:  # else the name of a campus or portal, or a portal's kind
            parts = [part for one in below for part in _parts_in(one)]
    known = sorted({name for one in parts for name in one.model_fields})
    close = get_close_matches(str(loc[-1]), known, 1, _LIKENESS)
    return f"; did you mean {close[0]}?" if close else ""


def _parts_in(annotation: object) -> Iterator[type[Strict]]:
    """The parts of the settings that values of this type are, or hold."""
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        yield annotation
    for one in get_args(annotation):
        yield from _parts_in(one)


def _has_a_port_or_none(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _in_one_place(url: str) -> str:
    """Each process of the hub has a working folder of its own, and so another file where the path is not whole."""
    if url.startswith("sqlite:") and not url.startswith("sqlite:////"):
        raise SettingsError(
            f"HUB_DATABASE_URL (or [database] url in hub.toml) is {url}, which names no file by its whole path. "
            "Write it with four slashes, such as sqlite:////var/lib/hub/hub.db."
        )
    return url


def _psycopg2(url: str) -> str:
    """dagster-postgres wants its driver written out; SQLAlchemy would take psycopg 3 otherwise."""
    if not url:
        return ""
    if not re.match(r"postgres(ql)?(\+psycopg2)?://", url) or not _has_a_port_or_none(url):
        raise SettingsError(
            "HUB_DAGSTER_DATABASE_URL (or [database] dagster_url in hub.toml) must be a PostgreSQL address: "
            "postgresql://user:password@host/database, with a port such as :5432 behind the host if it has one of its "
            "own, and / and @ in a password as %2F and %40. Leave it empty for SQLite."
        )
    return re.sub(r"^postgres(ql)?(\+psycopg2)?://", "postgresql+psycopg2://", url)
