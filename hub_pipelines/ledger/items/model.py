"""An item with its place in the journal, and items that say the same. Pure."""

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


@dataclass(frozen=True, slots=True)
class Group:
    """Items of a ledger that say the same in some columns (`said`), and that all leave another one out, or none does.
    `first` is the key of one of them."""

    said: tuple[str | None, ...]
    is_lacking: bool
    items: int
    first: str
