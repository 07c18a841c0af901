"""Which rows of a returned workbook a posting leaves alone (decisions/0123).

Belongs here: looking up, for rows on their way, what their items said when the workbook was made. Not here: what makes
a row untouched (comparing/untouched.py), what becomes of the others (posting/store.py).
"""

from collections.abc import Sequence
from typing import Any

from hub_pipelines.common.store import Transaction
from hub_pipelines.ledger.comparing.model import Seen
from hub_pipelines.ledger.comparing.untouched import is_untouched
from hub_pipelines.ledger.items.store import heads_of_lines
from hub_pipelines.ledger.model import Batch


def sparing_of(tx: Transaction, batch: Batch) -> "Sparing | None":
    """None where every row is applied."""
    said = batch.comparing.said if batch.comparing is not None else None
    return Sparing(tx, batch.ledger, batch.seen, said) if batch.seen is not None else None


class Sparing:
    """Asks the database for those rows alone whose items others have set since. `said` are the workbook's columns."""

    def __init__(self, tx: Transaction, ledger: str, seen: Seen, said: frozenset[str] | None) -> None:
        self._tx, self._ledger, self._seen, self._said = tx, ledger, seen, said

    def among(self, rows: Sequence[tuple[Any, ...]]) -> dict[int, int]:
        """Of rows (number, key, values, version of the item's entry) those that are to be left alone: by number, the
        version in which their item was set.

        What was left alone when the file was posted of which the workbook was made is in it as that one's sender had
        it before him, and so on.
        """
        seen: Seen | None = self._seen
        left = [(row, row[3]) for row in rows if row[3] is not None]
        spared: dict[int, int] = {}
        while left and seen is not None:
            news = [row for row, version in left if seen.is_news(version)]
            then = heads_of_lines(self._tx, self._ledger, [row[1] for row in news], seen.version + 1)
            spared |= {row[0]: row[3] for row in news if is_untouched(row[2], then.get(row[1]), self._said)}
            known = [(row, version) for row, version in left if version <= seen.version]
            known += [(row, then[row[1]].version) for row in news if row[0] not in spared and row[1] in then]
            left, seen = known, seen.before
        return spared
