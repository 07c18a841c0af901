"""A campus-day of a ledger, and the snapshot that was published of it. Pure.

A snapshot holds the day's journal entries, all of them, so that the state at the end of any day is a fold
over the snapshots up to it.
"""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from hub_pipelines.common.errors import HubError


class NotInShape(HubError):
    """A journal entry has not its contract's shape, so that no snapshot can hold it; the text names it.

    `column` is the contract's, None when the entry as a whole is at fault.
    """

    def __init__(self, column: str | None, value: str, key: str, promise: str) -> None:
        super().__init__(f"{promise}: not true of {value} (item {key}).")
        self.column = column
        self.value = value


@dataclass(frozen=True, slots=True)
class Day:
    """Journal entries of one ledger that one campus posted on one day. `version` is the newest posting's."""

    ledger: str
    campus: str
    ledger_date: date
    version: int
    entries: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """A snapshot that is written and not published. `content_digest` is over the entries, not over the file."""

    path: Path
    entries: int
    content_digest: str
    file_digest: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was published of a campus-day, and what became of the newest try.

    `version` and the digests are those of the published file (version 0: nothing is published yet);
    `judged_version` is the newest version that the expectations have seen, `blocked` why that was not published.
    """

    ledger: str
    campus: str
    ledger_date: date
    version: int
    entries: int
    content_digest: str
    file_digest: str
    published_at: datetime | None
    judged_version: int
    blocked: str | None
    announced: str | None
    """File digest of a draft that was about to take the file's place: the file may be that one already."""
