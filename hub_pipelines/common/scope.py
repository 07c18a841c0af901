"""Campus and feed: who a submission belongs to.

Names carry no hyphen, so that a request_id (`north-inventory-…`) splits in one way only. The reserved
scope holds what arrives in a folder that names no campus or feed.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
RESERVED_CAMPUS = "hub"
RESERVED_FEED = "unassigned"


@dataclass(frozen=True, slots=True)
class Scope:
    campus: str
    feed: str


RESERVED = Scope(RESERVED_CAMPUS, RESERVED_FEED)


@dataclass(frozen=True, slots=True)
class Campus:
    """A site with its own drop folders and audit chain; `time_zone` (IANA) decides its ledger days."""

    name: str
    time_zone: str

    def day_of(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.time_zone)).date()
