"""Columns that a file has and its contract does not, and that look like one that the contract has. Pure.

Belongs here: days that nobody reads, while the file lacks a column of days. Not here: what is told of the rows
themselves (remarks.py), which column is which (mapping).
"""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hub_pipelines.common.columns import listed
from hub_pipelines.validate.conventions.dates import read_day
from hub_pipelines.validate.model import Problem, column_of

if TYPE_CHECKING:
    import pyarrow

_ROWS = 200
"""So many rows tell what a column holds."""
_LEAST = 3
_OF_THEM = 0.8
_OTHER = '"other":{'


@dataclass(slots=True)
class Unread:
    """`days` are columns of days that the contract has and the file has not."""

    days: Collection[str]
    _rows: int = 0
    _cells: dict[str, list[str]] = field(default_factory=dict)

    def of(self, rows: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """The same rows, by number and values as canonical JSON, of which the first have been looked at."""
        for row_no, values in rows:
            if self.wants:
                self._look_at(values)
            yield row_no, values

    def add(self, values: "pyarrow.Array") -> None:
        """Rows in a column."""
        for one in listed(values.slice(0, self.wants)):
            self._look_at(one)

    @property
    def wants(self) -> int:
        """How many rows more are looked at."""
        return max(0, _ROWS - self._rows) if self.days else 0

    def _look_at(self, values: str) -> None:
        self._rows += 1
        if _OTHER not in values:
            return
        others = json.loads(values)["other"]
        # what was sent in a cell of a known column stands there too
        for name, said in ((name, said) for name, said in others.items() if column_of(name) == name):
            self._cells.setdefault(name, []).append(str(said))

    def told(self) -> list[Problem]:
        return [_told(name, self.days) for name, cells in sorted(self._cells.items()) if _are_days(cells)]


def _are_days(cells: list[str]) -> bool:
    return len(cells) >= _LEAST and sum(read_day(one) is not None for one in cells) >= _OF_THEM * len(cells)


def _told(name: str, days: Collection[str]) -> Problem:
    called = " or ".join(f"“{one.replace('_', ' ')}”" for one in sorted(days))
    return Problem(
        "days_unread",
        name,
        None,
        "It holds days, and the hub did not take it for a column that it knows: what it says is kept and not checked.",
        f"If it tells {called}, give it that heading and send the list again. Otherwise nothing is to do",
        "warn",
    )
