"""A change of an item. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Changed:
    """One journal entry: `before` is None for an item's first, `after` for one that closes it."""

    ledger: str
    key: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    version: int
    request_id: str
    posted_at: datetime

    @property
    def columns(self) -> frozenset[str]:
        """Those that have changed; all of an item that has come or gone."""
        was, now = self.before or {}, self.after or {}
        return frozenset(one for one in (*was, *now) if was.get(one) != now.get(one))
