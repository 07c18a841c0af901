"""An item with its place in the journal. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Placed:
    """An item as a ledger holds it now, and the posting that has set it last. `row_no` is that of its entry."""

    ledger: str
    key: str
    values: Mapping[str, Any]
    version: int
    row_no: int
    request_id: str
    posted_at: datetime
