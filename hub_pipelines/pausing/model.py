"""A pause: who stopped what, since when and why. Pure.

Belongs here: what a pause covers and how it is told. Not here: what follows from it (launching.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hub_pipelines.common.errors import HubError

EVERY = ""
"""In place of a campus or feed: all of them."""


class NotPaused(HubError):
    """There is nothing of this scope to resume. The text says what is paused instead."""


class AlreadyPaused(HubError):
    """Exactly this scope is paused already. Nothing is changed; the text says by whom."""


@dataclass(frozen=True, slots=True)
class Pause:
    """`campus` or `feed` is EVERY when all are meant."""

    campus: str
    feed: str
    paused_at: datetime
    paused_by: str
    reason: str

    def covers(self, campus: str, feed: str) -> bool:
        return self.campus in {EVERY, campus} and self.feed in {EVERY, feed}

    @property
    def scope(self) -> str:
        return scope_text(self.campus, self.feed)

    @property
    def sentence(self) -> str:
        return f"{self.scope} paused by {self.paused_by} since {self.paused_at:%Y-%m-%d %H:%M} UTC: {self.reason}"


def scope_text(campus: str, feed: str) -> str:
    return f"{feed or 'all feeds'} of {campus or 'all campuses'}"


def pause_of(pauses: Iterable[Pause], campus: str, feed: str) -> Pause | None:
    """The oldest pause that stops this feed of this campus."""
    found = [one for one in pauses if one.covers(campus, feed)]
    return min(found, key=lambda one: one.paused_at, default=None)
