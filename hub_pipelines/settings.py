"""The hub's settings: `hub.toml` in the home and a few environment variables, read once and validated.

Belongs here: names, defaults, units and error texts of settings. Not here: anything that acts on them.
Every error names the setting and the fix.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.files import write_replacing
from hub_pipelines.common.scope import NAME, RESERVED_CAMPUS, Campus

_LONGEST_CONTACT = 200
PROJECT = Path(__file__).resolve().parent.parent
DEFAULT_TOML = """\
# Settings of this hub. Sizes and times carry their unit in the name. Restart `hub up` after a change.

[hub]
# whom senders are to ask, as receipts and returned workbooks tell them: name, e-mail address, telephone
contact = ""

[campuses.north]
time_zone = "America/New_York"

[campuses.south]
time_zone = "America/New_York"

[campuses.west]
time_zone = "America/Los_Angeles"

[feeds]
enabled = ["procurement", "inventory", "hazmat", "grants"]

# a feed of a campus is late when nothing has come for so long; [campuses.north.freshness.grants] is for one campus
[freshness.procurement]
warn_after_days = 8
fail_after_days = 15

[freshness.inventory]
warn_after_days = 8
fail_after_days = 15

[freshness.hazmat]
warn_after_days = 8
fail_after_days = 15

[freshness.grants]
warn_after_days = 35
fail_after_days = 100

[ledgers]
# the first day that ledger partitions exist for
first_day = "2026-01-01"
# a campus-day is folded when nothing was posted to any ledger for so long, and at the latest so long after a posting
quiet_s = 20.0
at_latest_s = 180.0

[limits]
# a file is complete when its size and time have not changed for so long
stable_s = 1.0
# a sensor's tick ends its intake after so long
tick_budget_s = 15.0
# runs that one tick of one campus may ask for
launches_per_tick = 15
# a run that lost its worker is taken over when its lease ends
lease_s = 60.0
# a launched run that never began is launched again after so long
relaunch_after_s = 120.0
# request partitions kept in Dagster for each feed; older settled ones are retired
live_partitions = 10000
max_attempts = 5
# while the disk of this folder has less free, nothing is taken; files wait in the drop folders
keep_free_mb = 200
# so many rows of a file, and about so many megabytes of their values, are in memory at once while it is posted
posting_chunk_rows = 20000
posting_chunk_mb = 16
# files above this size are worked on one at a time, so that smaller ones do not wait for them
large_mb = 10.0

[messages]
# where other systems send messages to, on this machine only
port = 3001
# a larger request is refused
body_kb = 512
# messages of one kind are sealed into a batch when the oldest has waited so long, or so many or so much have come;
# the next batch waits until the one before is settled
seal_after_s = 5.0
seal_messages = 100000
seal_kb = 65536
# no more than this waits in the inbox; beyond, senders are told to come again
capacity_messages = 200000
capacity_mb = 256

[retention]
# after so many days Dagster forgets a settled submission's partition, and runs with their events and logs
runs_after_days = 180
# verdicts (staged files) of submissions that have been settled for so long are removed; the archive can make them again
staged_after_days = 90
# days until the inbox keeps only ids and digests of messages whose batch is settled and in the archive
bodies_after_days = 90

[log]
# what goes to hub.log: debug, info, warning or error
level = "info"

[database]
# empty: hub.db in this folder. PostgreSQL: postgresql://user:password@host/database
# The environment variables HUB_DATABASE_URL and HUB_DAGSTER_DATABASE_URL win over these.
url = ""
dagster_url = ""
"""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HubSettings(_Strict):
    contact: str = ""

    @field_validator("contact")
    @classmethod
    def _one_line(cls, contact: str) -> str:
        contact = contact.strip()
        if len(contact) > _LONGEST_CONTACT or not contact.isprintable():
            raise ValueError(
                f"write one line of at most {_LONGEST_CONTACT} characters, such as Ada Reyes, ada@uni.edu, ext. 214"
            )
        return contact


class FreshnessSettings(_Strict):
    warn_after_days: float = Field(default=8, gt=0, le=3_650)
    fail_after_days: float = Field(default=15, gt=0, le=3_650)

    @model_validator(mode="after")
    def _in_order(self) -> "FreshnessSettings":
        if self.warn_after_days >= self.fail_after_days:
            raise ValueError("warn_after_days must be less than fail_after_days")
        return self


class CampusSettings(_Strict):
    time_zone: str = "UTC"
    freshness: dict[str, FreshnessSettings] = {}

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is no time zone; write one like America/New_York") from error
        return name


class FeedSettings(_Strict):
    enabled: list[str] = ["procurement", "inventory", "hazmat", "grants"]


class Limits(_Strict):
    stable_s: float = Field(default=1.0, ge=0.1, le=60)
    tick_budget_s: float = Field(default=15.0, ge=1, le=40)
    launches_per_tick: int = Field(default=15, ge=1, le=100)
    lease_s: float = Field(default=60.0, ge=1, le=3600)
    relaunch_after_s: float = Field(default=120.0, ge=5, le=86_400)
    live_partitions: int = Field(default=10_000, ge=10, le=100_000)
    max_attempts: int = Field(default=5, ge=1, le=20)
    keep_free_mb: int = Field(default=200, ge=0, le=1_000_000)
    posting_chunk_rows: int = Field(default=20_000, ge=1, le=1_000_000)
    posting_chunk_mb: int = Field(default=16, ge=1, le=1_000)
    large_mb: float = Field(default=10.0, gt=0, le=1_000_000)


class LogSettings(_Strict):
    level: Literal["debug", "info", "warning", "error"] = "info"


class LedgerSettings(_Strict):
    first_day: date = date(2026, 1, 1)
    quiet_s: float = Field(default=20.0, ge=0, le=3_600)
    at_latest_s: float = Field(default=180.0, ge=0, le=86_400)


class MessageSettings(_Strict):
    port: int = Field(default=3001, ge=1, le=65_535)
    body_kb: int = Field(default=512, ge=1, le=10_240)
    seal_after_s: float = Field(default=5.0, ge=0, le=3_600)
    seal_messages: int = Field(default=100_000, ge=1, le=100_000)
    seal_kb: int = Field(default=65_536, ge=64, le=65_536)
    capacity_messages: int = Field(default=200_000, ge=1_000, le=10_000_000)
    capacity_mb: int = Field(default=256, ge=16, le=100_000)


class RetentionSettings(_Strict):
    runs_after_days: int = Field(default=180, ge=1, le=36_500)
    staged_after_days: int = Field(default=90, ge=1, le=36_500)
    bodies_after_days: int = Field(default=90, ge=1, le=36_500)


_LOCAL = ("127.0.0.1", "localhost", "::1")


def _require_web_address(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is no web address; write one like https://erp.example.edu/api/orders")
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise ValueError(f"{url!r}: use https, or keys and records can be read on their way")
    if parts.username or parts.password:
        raise ValueError("write no user or password into an address; use `auth`")
    return url


class PortalSettings(_Strict):
    """What every portal has; each kind adds its own."""

    url: str
    every_s: float = Field(default=3_600.0, ge=1, le=30 * 86_400)
    overlap_h: float = Field(default=48.0, ge=0, le=24 * 366)
    first_day: date | None = None
    interval_s: float = Field(default=1.0, ge=0, le=3_600)
    attempts: int = Field(default=5, ge=1, le=20)
    timeout_s: float = Field(default=30.0, ge=1, le=600)


class PortalAuth(_Strict):
    """Where the key is: the name of an environment variable, or a file. Never the key itself."""

    kind: Literal["bearer", "header", "basic"]
    env: str = ""
    file: str = ""
    header: str = ""
    user: str = ""

    @model_validator(mode="after")
    def _whole(self) -> "PortalAuth":
        if bool(self.env) == bool(self.file):
            raise ValueError("name either `env`, an environment variable, or `file`, that holds the key")
        for name, of in (("header", "header"), ("user", "basic")):
            if bool(getattr(self, name)) != (self.kind == of):
                raise ValueError(f'`{name}` belongs to kind = "{of}", which needs it')
        return self


class PortalPaging(_Strict):
    """How the portal's pages follow each other. `next`: where in an answer the cursor or the next address is."""

    style: Literal["single", "page", "offset", "cursor", "next_link", "link_header"]
    param: str = ""
    size_param: str = ""
    size: int = Field(default=100, ge=1, le=10_000)
    first: int = Field(default=1, ge=0, le=1)
    next: str = ""

    @model_validator(mode="after")
    def _whole(self) -> "PortalPaging":
        needs = {"page": "param", "offset": "param", "cursor": "param next", "next_link": "next"}.get(self.style, "")
        for name in needs.split():
            if not getattr(self, name):
                raise ValueError(f'style = "{self.style}" needs `{name}`')
        return self


class PortalSince(_Strict):
    """The parameter that asks for what was changed since then, and how its value is written."""

    param: str = Field(min_length=1)
    written: Literal["datetime", "date"] = "datetime"


class RestPortalSettings(PortalSettings):
    """A portal that answers GET with JSON, told by settings alone. Paths have dots between names: `po.number`."""

    kind: Literal["rest"]
    params: dict[str, str] = {}
    auth: PortalAuth | None = None
    paging: PortalPaging = PortalPaging(style="single")
    since: PortalSince | None = None
    order: Literal["stable", "moving"] = "moving"
    records: str = ""
    total: str = ""
    natural_id: list[str] = Field(min_length=1)
    updated: str = ""
    record_type: str
    campus: str = ""
    campus_field: str = ""
    campus_values: dict[str, str] = {}
    fields: dict[str, str] = Field(min_length=1)
    optional: list[str] = []

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        return _require_web_address(url)

    @field_validator("natural_id", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _whole(self) -> "RestPortalSettings":
        if bool(self.campus) == bool(self.campus_field):
            raise ValueError("name either `campus`, whose the records are, or `campus_field`, where a record tells it")
        unknown = sorted(set(self.optional) - {*self.fields.values(), self.updated})
        if unknown:
            raise ValueError(f"`optional` names {', '.join(unknown)}, which `fields` and `updated` do not read")
        return self


class InstitutionSettings(_Strict):
    """How a campus's institution is called at portals: each spelling, and its UEIs."""

    names: list[str] = Field(min_length=1)
    ueis: list[str] = []

    @field_validator("ueis")
    @classmethod
    def _written(cls, ueis: list[str]) -> list[str]:
        for uei in ueis:
            if not re.fullmatch(r"[A-HJ-NP-Z1-9][A-HJ-NP-Z0-9]{11}", uei):
                raise ValueError(f"{uei!r} is no UEI: 12 capital letters and digits, without O and I")
        return ueis


class FederalPortalSettings(PortalSettings):
    """A portal of the federal government, whose address is known and whose key nobody needs."""

    every_s: float = Field(default=86_400.0, ge=1, le=30 * 86_400)

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        return _require_web_address(url).rstrip("/")


class AwardPortalSettings(FederalPortalSettings):
    """A portal of awards. `institutions` by campus: only their awards are taken."""

    institutions: dict[str, InstitutionSettings] = Field(min_length=1)

    @field_validator("institutions")
    @classmethod
    def _each_once(cls, found: dict[str, InstitutionSettings]) -> dict[str, InstitutionSettings]:
        told = [text.casefold() for one in found.values() for text in (*one.names, *one.ueis)]
        if twice := sorted({text for text in told if told.count(text) > 1}):
            raise ValueError(f"{', '.join(twice)} is written twice: a portal's award can be of one campus only")
        return found


class NihPortalSettings(AwardPortalSettings):
    """NIH RePORTER v2. It tells no day of change, so each poll reads the newest `fiscal_years` whole."""

    kind: Literal["nih"]
    url: str = "https://api.reporter.nih.gov"
    fiscal_years: int = Field(default=6, ge=1, le=40)


class NsfPortalSettings(AwardPortalSettings):
    """NSF's award search. It tells no day of change, so each poll reads what was awarded in so many years."""

    kind: Literal["nsf"]
    url: str = "https://api.nsf.gov"
    interval_s: float = Field(default=3.0, ge=0, le=3_600)
    years: int = Field(default=10, ge=1, le=60)


class UsaSpendingPortalSettings(AwardPortalSettings):
    """USAspending: grants and cooperative agreements, by the day on which they were changed last."""

    kind: Literal["usaspending"]
    url: str = "https://api.usaspending.gov"
    overlap_h: float = Field(default=24.0 * 7, ge=0, le=24 * 366)


class GrantsGovPortalSettings(FederalPortalSettings):
    """Grants.gov: the milestones of what `agencies` (codes, such as HHS-NIH11) offer, for one campus."""

    kind: Literal["grants_gov"]
    url: str = "https://api.grants.gov"
    campus: str
    agencies: list[str] = Field(min_length=1)


class SamPortalSettings(AwardPortalSettings):
    """SAM.gov's registrations of the institutions, by their UEIs. Whoever has no role there may ask ten times a day,
    over all of SAM.gov; so each UEI is asked for once a day, and never more of them than `calls_per_day`."""

    kind: Literal["sam"]
    url: str = "https://api.sam.gov"
    every_s: float = Field(default=86_400.0, ge=86_400, le=30 * 86_400)
    overlap_h: float = Field(default=0.0, ge=0, le=0)
    calls_per_day: int = Field(default=10, ge=1, le=10_000)
    auth: PortalAuth

    @model_validator(mode="after")
    def _few_enough(self) -> "SamPortalSettings":
        ueis = [uei for one in self.institutions.values() for uei in one.ueis]
        if without := [campus for campus, one in self.institutions.items() if not one.ueis]:
            raise ValueError(f"institutions.{without[0]} has no `ueis`, by which SAM.gov is asked")
        if len(ueis) > self.calls_per_day:
            told = f"{len(ueis)} UEIs need as many calls a day, and `calls_per_day` is {self.calls_per_day}"
            raise ValueError(f"{told}: with a role at SAM.gov it may be 1000")
        if self.auth.kind != "header":
            raise ValueError('auth needs kind = "header" and header = "x-api-key": a key in an address is seen')
        return self


AnyPortalSettings = Annotated[
    RestPortalSettings
    | NihPortalSettings
    | NsfPortalSettings
    | UsaSpendingPortalSettings
    | GrantsGovPortalSettings
    | SamPortalSettings,
    Field(discriminator="kind"),
]
"""One of the kinds; another kind joins here, and in portals/kinds.py."""


class DatabaseSettings(_Strict):
    url: str = ""
    dagster_url: str = ""


class _File(_Strict):
    hub: HubSettings = HubSettings()
    campuses: dict[str, CampusSettings]
    feeds: FeedSettings = FeedSettings()
    freshness: dict[str, FreshnessSettings] = {}
    ledgers: LedgerSettings = LedgerSettings()
    limits: Limits = Limits()
    messages: MessageSettings = MessageSettings()
    portals: dict[str, AnyPortalSettings] = {}
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()
    database: DatabaseSettings = DatabaseSettings()

    @field_validator("campuses")
    @classmethod
    def _names(cls, campuses: dict[str, CampusSettings]) -> dict[str, CampusSettings]:
        if not campuses:
            raise ValueError("name at least one campus, for example [campuses.north]")
        for name in campuses:
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r}: a campus name is lower-case letters, digits and _, a letter first")
            if name == RESERVED_CAMPUS:
                raise ValueError(f"{name!r} is reserved for what belongs to no campus; choose another name")
        return campuses

    @field_validator("portals")
    @classmethod
    def _portal_names(cls, portals: dict[str, AnyPortalSettings]) -> dict[str, AnyPortalSettings]:
        for name in portals:
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r}: a portal's name is lower-case letters, digits and _, a letter first")
        return portals


class Settings(_Strict):
    """All settings of one hub, absolute and checked. Build it with `load`."""

    home: Path
    contact: str
    """Whom senders are to ask; empty when nobody is named."""
    campuses: dict[str, CampusSettings]
    feeds: tuple[str, ...]
    freshness_by_feed: dict[str, FreshnessSettings]
    ledger: LedgerSettings
    limits: Limits
    messages: MessageSettings
    portals: dict[str, AnyPortalSettings]
    retention: RetentionSettings
    log_level: str
    database_url: str
    dagster_database_url: str

    @property
    def drop(self) -> Path:
        return self.home / "drop"

    @property
    def archive(self) -> Path:
        return self.home / "archive"

    @property
    def receipts(self) -> Path:
        return self.home / "receipts"

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    @property
    def staged(self) -> Path:
        return self.home / "staged"

    @property
    def progress(self) -> Path:
        """How far runs are with large files."""
        return self.home / "progress"

    @property
    def ledgers(self) -> Path:
        return self.home / "ledgers"

    @property
    def keys(self) -> Path:
        return self.home / "keys"

    @property
    def source_keys(self) -> Path:
        """Shared secrets of sending systems, a folder for each."""
        return self.keys / "sources"

    @property
    def inbox_path(self) -> Path:
        """The inbox's database, where the hub's is SQLite."""
        return self.home / "inbox.db"

    @property
    def campus_keys(self) -> Path:
        """Keys that sign checkpoints, a folder for each campus."""
        return self.keys / "campuses"

    @property
    def checkpoints(self) -> dict[str, Path]:
        """Where checkpoints are kept outside the database, by the names that messages call them."""
        return {
            "archive/checkpoints": self.archive / "checkpoints",
            "reports/checkpoints": self.reports / "checkpoints",
        }

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def log_path(self) -> Path:
        return self.home / "hub.log"

    def freshness(self, campus: str, feed: str) -> FreshnessSettings:
        """When a feed of a campus is late: its own setting, else the feed's, else the default."""
        own = self.campuses[campus].freshness.get(feed)
        return own or self.freshness_by_feed.get(feed) or FreshnessSettings()

    def campus(self, name: str) -> Campus:
        return Campus(name, self.campuses[name].time_zone)


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
        campuses=file.campuses,
        feeds=tuple(enabled),
        freshness_by_feed=file.freshness,
        ledger=file.ledgers,
        limits=file.limits,
        messages=file.messages,
        portals=file.portals,
        retention=file.retention,
        log_level=file.log.level,
        database_url=environment.get("HUB_DATABASE_URL") or file.database.url or f"sqlite:///{home / 'hub.db'}",
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


def _parse(path: Path) -> _File:
    try:
        return _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}. Correct that line.") from error
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}. Let this user read it.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text. Save it as UTF-8.") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise SettingsError(f"{path}: {faults}. Correct or remove these settings.") from error


def _psycopg2(url: str) -> str:
    """dagster-postgres wants its driver written out; SQLAlchemy would take psycopg 3 otherwise."""
    if not url:
        return ""
    if not re.match(r"postgres(ql)?(\+psycopg2)?://", url):
        raise SettingsError(
            "HUB_DAGSTER_DATABASE_URL (or [database] dagster_url in hub.toml) must be a PostgreSQL address: "
            "postgresql://user:password@host/database. Leave it empty for SQLite."
        )
    return re.sub(r"^postgres(ql)?(\+psycopg2)?://", "postgresql+psycopg2://", url)
