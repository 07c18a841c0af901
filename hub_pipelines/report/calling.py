"""What a file's sender calls the columns of the contract, for sentences and tables.

Belongs here: from a decision about a file to the words of a receipt. Not here: the sentences
(validate, ledger), layout.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from hub_pipelines.drift.migrating import without_heading
from hub_pipelines.mapping.decision import Decision
from hub_pipelines.report.decided import headings
from hub_pipelines.validate.columns import places_of
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import PART_ROWS, Part


@dataclass(frozen=True, slots=True)
class Called:
    """By column of the contract: the file's heading, and how a sentence calls it."""

    headings: Mapping[str, str] = field(default_factory=dict)
    positions: Mapping[str, int] = field(default_factory=dict)
    """The column's place in the file's header."""
    spoken: Mapping[str, str] = field(default_factory=dict)

    def place_of(self, column: str | None, row_no: int, parts: Sequence[Part]) -> str | None:
        """The column as Excel names it: in the row's own table, or in all that were joined where no row is meant."""
        position = self.positions.get(column or "")
        if position is None:
            return None
        own = parts[row_no // PART_ROWS :][:1] if row_no else []
        is_there = any(not one.columns or position in one.columns for one in own)
        return places_of(position, own if is_there else parts)

    def sentence(self, text: str, column: str | None = None) -> str:
        """A sentence about a column, with the contract's names of columns as the file has them; what the file does not
        have in plain words. A name in quotation marks is meant to the letter."""
        if column in self.headings:
            text = without_heading(text)
        return _names().sub(lambda found: self._called(found[0]), text)

    def _called(self, said: str) -> str:
        return self.spoken.get(said.replace(" ", "_")) or said.replace("_", " ")


def called(decision: Decision | None) -> Called:
    """Nothing is known of a file that was not read."""
    if decision is None:
        return Called()
    positions = {one.column: one.position for one in decision.read}
    places = {column: places_of(position, decision.parts) for column, position in positions.items()}
    texts = {one.column: " ".join(one.heading.split()) for one in decision.read}
    return Called(
        headings=headings(decision),
        positions=positions,
        spoken={
            column: f"“{text}” (column {places[column]})" if text else f"column {places[column]}"
            for column, text in texts.items()
        },
    )


@cache
def _names() -> re.Pattern[str]:
    """Of words alone nobody knows whether a column is meant, unless it is said: `the column unit`, `the column unit
    cost`."""
    names = {name for feed in FEEDS.values() for record in feed.record_types for name in record.columns}
    in_words = {name.replace("_", " ") for name in names}
    any_of, clear = (
        "|".join(sorted(some, key=len, reverse=True))
        for some in (names | in_words, {name for name in names if "_" in name})
    )
    name = rf"(?:{clear}|(?<=\bthe column )(?:{any_of}))"
    return re.compile(rf"(?<![\w./\"“-]){name}(?![\w/\"”-]|\.\w)")
