"""A hub's settings: their names, defaults, limits and error texts, and where in its home things lie.

Not here: reading them (loading), what a portal's settings are (portals), anything that acts on them. The file that an
empty home gets is hub.toml in this folder.
"""

import re
from datetime import date
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from hub_pipelines.common.scope import NAME, RESERVED_CAMPUS, Campus
from hub_pipelines.settings.portals import AnyPortalSettings
from hub_pipelines.settings.strict import FirstDay, FixedNames, Names, Strict

_LONGEST_CONTACT = 200


class HubSettings(Strict):
    contact: str = ""
    page_hosts: FixedNames = ()

    @field_validator("contact")
    @classmethod
    def _one_line(cls, contact: str) -> str:
        contact = contact.strip()
        if len(contact) > _LONGEST_CONTACT or not contact.isprintable():
            raise ValueError(
                f"write one line of at most {_LONGEST_CONTACT} characters, such as Ada Reyes, ada@uni.edu, ext. 214"
            )
        return contact

    @field_validator("page_hosts")
    @classmethod
    def _names_alone(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", host):
                raise ValueError(f"{host!r} is no host; write the name alone, without https:// and port: hub.uni.edu")
        return tuple(host.lower() for host in hosts)


class FreshnessSettings(Strict):
    warn_after_days: float = Field(default=8, gt=0, le=3_650)
    fail_after_days: float = Field(default=15, gt=0, le=3_650)

    @model_validator(mode="after")
    def _in_order(self) -> "FreshnessSettings":
        if self.warn_after_days >= self.fail_after_days:
            raise ValueError("warn_after_days must be less than fail_after_days")
        return self


class CampusSettings(Strict):
    time_zone: str = "UTC"
    freshness: dict[str, FreshnessSettings] = Field(default_factory=dict)

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is no time zone; write one like America/New_York") from error
        return name


class FeedSettings(Strict):
    enabled: Names = Field(default=["procurement", "inventory", "hazmat", "grants"])


class Limits(Strict):
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


class LogSettings(Strict):
    level: Literal["debug", "info", "warning", "error"] = "info"


class LedgerSettings(Strict):
    first_day: FirstDay = date(2026, 1, 1)
    quiet_s: float = Field(default=20.0, ge=0, le=3_600)
    at_latest_s: float = Field(default=180.0, ge=0, le=86_400)

    @model_validator(mode="after")
    def _in_order(self) -> "LedgerSettings":
        self.require_at_most("quiet_s", "at_latest_s", "no day would ever be quiet for so long")
        return self


class MessageSettings(Strict):
    port: int = Field(default=3001, ge=1, le=65_535)
    body_kb: int = Field(default=512, ge=1, le=10_240)
    seal_after_s: float = Field(default=5.0, ge=0, le=3_600)
    seal_messages: int = Field(default=100_000, ge=1, le=100_000)
    seal_kb: int = Field(default=65_536, ge=64, le=65_536)
    capacity_messages: int = Field(default=200_000, ge=1_000, le=10_000_000)
    capacity_mb: int = Field(default=256, ge=16, le=100_000)

    @model_validator(mode="after")
    def _batches_fit(self) -> "MessageSettings":
        before = "since senders are told to come again before"
        self.require_at_most("seal_messages", "capacity_messages", f"so many never wait, {before}")
        self.require_at_most("seal_kb", "capacity_mb", f"so much never waits, {before}", units=(1_024, 1_000_000))
        return self


class RetentionSettings(Strict):
    runs_after_days: int = Field(default=180, ge=1, le=36_500)
    staged_after_days: int = Field(default=90, ge=1, le=36_500)
    bodies_after_days: int = Field(default=90, ge=1, le=36_500)


class DatabaseSettings(Strict):
    url: str = ""
    dagster_url: str = ""


class SettingsFile(Strict):
    """`hub.toml`, section by section."""

    hub: HubSettings = HubSettings()
    campuses: dict[str, CampusSettings]
    feeds: FeedSettings = FeedSettings()
    freshness: dict[str, FreshnessSettings] = Field(default_factory=dict)
    ledgers: LedgerSettings = LedgerSettings()
    limits: Limits = Limits()
    messages: MessageSettings = MessageSettings()
    portals: dict[str, AnyPortalSettings] = Field(default_factory=dict)
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


class Settings(Strict):
    """All settings of one hub, absolute and checked. Build it with `load`."""

    home: Path
    contact: str
    """Whom senders are to ask; empty when nobody is named."""
    page_hosts: tuple[str, ...]
    """Names, in lower case, under which Dagster's page and the receiver's are asked for beside the machine's own."""
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
