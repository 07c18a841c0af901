"""Time as the hub means it: aware UTC. Leases use the database's clock (common/store.py), never this one."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

Clock = Callable[[], datetime]
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""What a system tells of a time before is no moment that it knows, but what it writes for none."""

_MOMENTS_KEPT = 256
"""All messages of a group came at the same moment."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@lru_cache(_MOMENTS_KEPT)
def iso(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds, so that equal moments have equal text."""
    in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return in_utc.isoformat(timespec="microseconds").replace("+00:00", "Z")
