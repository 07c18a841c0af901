"""Review items, the groups they form and the decisions about them. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class ItemState(StrEnum):
    OPEN = "open"
    REPLAYED = "replayed"
    RESUBMITTED = "resubmitted"  # a corrected copy was sent in its place: `replaced_by`
    DISMISSED = "dismissed"
    SPLIT = "split"  # a batch whose messages were sealed again in halves


class ReasonCode(StrEnum):
    """Why a person dismisses an item. A code, so that systemic causes can be counted."""

    SENT_IN_ERROR = "sent_in_error"
    REPLACED = "replaced"
    NOT_OURS = "not_ours"
    TEST_DATA = "test_data"
    CANNOT_BE_REPAIRED = "cannot_be_repaired"


def dismissal(reason: str, note: str) -> str:
    """The words with which an item is dismissed."""
    return f"{reason}: {note}" if note else str(reason)


def replacement(replaced_by: str) -> str:
    """The words with which an item is closed in whose place something was sent."""
    return f"sent again as {replaced_by}"


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """The dead-letter entry: enough to judge the failure without any other page."""

    item_id: str
    request_id: str
    revision: int
    campus: str
    feed: str
    source_name: str
    cause: str
    reason: str
    fix: str
    error_type: str
    trace: str
    fingerprint: str
    """The group of items that failed for the same reason (review/fingerprint.py)."""
    headers: dict[str, str]
    content_digest: str
    run_id: str | None
    opened_at: datetime
    state: ItemState
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    reason_code: str | None
    replaced_by: str | None
    difference: dict[str, Any] | None
    """Between the original and the corrected copy (validate/difference.py)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which items are meant. What is None restricts nothing; `state` None means closed ones too."""

    state: ItemState | None = ItemState.OPEN
    group: str | None = None
    cause: str | None = None
    campus: str | None = None
    opened_from: datetime | None = None
    opened_before: datetime | None = None
    resolved_from: datetime | None = None
    resolved_before: datetime | None = None
    open_at: datetime | None = None
    """Opened before this moment and not resolved by then, whatever has become of it since."""


@dataclass(frozen=True, slots=True)
class Group:
    """Items that failed for the same reason; `example` is the one that has waited longest."""

    group: str
    count: int
    causes: tuple[str, ...]
    campuses: tuple[str, ...]
    feeds: tuple[str, ...]
    oldest_at: datetime
    newest_at: datetime
    example: ReviewItem


@dataclass(frozen=True, slots=True)
class Tally:
    """How many items share all of these."""

    group: str
    cause: str
    campus: str
    feed: str
    count: int
    oldest_at: datetime
    newest_at: datetime
