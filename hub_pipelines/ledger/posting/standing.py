"""What stands in the ledger where the rows of a posting are to take its place.

Belongs here: looking up entries whose place in the journal is known. Not here: finding the places (incoming/store.py),
what is said of what was there (comparing).
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from hub_pipelines.common.store import Transaction
from hub_pipelines.ledger.comparing.model import REPLACED, Earlier
from hub_pipelines.ledger.entries import store as ledger_entries
from hub_pipelines.ledger.entries.model import SetBy


class Standing:
    """Of one ledger, in the posting's transaction: which file has set a version is asked once."""

    def __init__(self, tx: Transaction, ledger: str) -> None:
        self._tx, self._ledger = tx, ledger
        self._set_by: dict[int, SetBy] = {}

    def of(self, differing: Iterable[tuple[Any, ...]]) -> dict[str, Earlier]:
        """Of rows (number, key, values, version and row number of the item's entry), by key, what their items say; not
        of lines that another has replaced."""
        places: dict[int, dict[int, str]] = defaultdict(dict)
        for _, key, _, version, row_no in differing:
            if version is not None:
                places[version][row_no] = key
        held: dict[str, Earlier] = {}
        for version, keys in places.items():
            by = self.set_in(version)
            for row_no, operation, values in ledger_entries.at_places(self._tx, self._ledger, version, keys):
                if operation != REPLACED:
                    held[keys[row_no]] = Earlier(values, by.request_id, by.source_name, by.ledger_date)
        return held

    def set_in(self, version: int) -> SetBy:
        """Which file has set a version of the ledger."""
        if version not in self._set_by:
            self._set_by[version] = ledger_entries.set_in(self._tx, self._ledger, version)
        return self._set_by[version]
