"""What every adapter has from its settings: whom it asks, how often and how fast. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from hub_pipelines.portals.model import Pace
from hub_pipelines.settings.portals import PortalSettings

S = TypeVar("S", bound=PortalSettings)


@dataclass(frozen=True, slots=True)
class Configured(Generic[S]):
    """The beginning of an adapter (model.Adapter). `name` is that of its table in hub.toml."""

    name: str
    settings: S

    @property
    def origin(self) -> str:
        return origin_of(self.settings.url)

    @property
    def pace(self) -> Pace:
        told = self.settings
        return Pace(interval_s=told.interval_s, attempts=told.attempts, timeout_s=told.timeout_s)

    @property
    def every(self) -> timedelta:
        return timedelta(seconds=self.settings.every_s)

    @property
    def overlap(self) -> timedelta:
        return timedelta(hours=self.settings.overlap_h)


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
