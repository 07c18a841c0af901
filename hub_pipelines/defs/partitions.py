"""Partitions: `<feed>_requests`, one per submission, and campus × day for the ledgers.

A request's key is the request_id; it is never crossed with another dimension (a product of dynamic keys is what makes
Dagster's pages slow).
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from hub_pipelines.settings import Settings


def requests_of(feed: str) -> dg.DynamicPartitionsDefinition:
    return dg.DynamicPartitionsDefinition(name=f"{feed}_requests")


def campus_days(settings: Settings) -> dg.MultiPartitionsDefinition:
    """Keys are `<campus>|<YYYY-MM-DD>`. Today is among them: a ledger's day is folded while it lasts."""
    days = dg.DailyPartitionsDefinition(
        start_date=settings.ledger.first_day.isoformat(), timezone=_furthest_ahead(settings), end_offset=1
    )
    campuses = dg.StaticPartitionsDefinition(list(settings.campuses))
    return dg.MultiPartitionsDefinition({"campus": campuses, "date": days})


def _furthest_ahead(settings: Settings) -> str:
    """The time zone in which a new day begins first, so that each campus's today has its partition."""
    zones = sorted({one.time_zone for one in settings.campuses.values()})
    now = datetime.now(UTC)
    return max(zones, key=lambda zone: now.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0))
