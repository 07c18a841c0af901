"""Review items and the decisions about them. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ItemState(StrEnum):
    OPEN = "open"
    REPLAYED = "replayed"
    DISMISSED = "dismissed"


class ReasonCode(StrEnum):
    """Why a person dismisses an item. A code, so that systemic causes can be counted."""

    SENT_IN_ERROR = "sent_in_error"
    REPLACED = "replaced"
    NOT_OURS = "not_ours"
    TEST_DATA = "test_data"
    CANNOT_BE_REPAIRED = "cannot_be_repaired"


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
    headers: dict[str, str]
    content_digest: str
    run_id: str | None
    opened_at: datetime
    state: ItemState
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
