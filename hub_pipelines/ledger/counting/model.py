"""Which items of a ledger a complete count misses. Pure.

Belongs here: the comparison. Not here: the ledger's items (ledger/items), the record of what was missed (store.py).
"""

import json
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hub_pipelines.validate.staging import StagedRow

Item = tuple[str, str]
"""An item's key, and its current values as JSON."""


def place_of(location: str) -> str:
    """The form in which spellings of one location are equal: case, blanks and Unicode forms make no other place."""
    return " ".join(unicodedata.normalize("NFKC", location).casefold().split())


@dataclass(frozen=True, slots=True)
class Counting:
    """How a record type's items are counted (validate/model.py, RecordType)."""

    location_column: str
    key_columns: tuple[str, ...]
    is_gone: Callable[[Mapping[str, object]], bool] | None = None


ThingIn = Callable[[str], str]
"""What an item's key says beside its place (validate/model.py, Lines): where the place is a part of what an item is, a
thing that was carried elsewhere is another item there."""


@dataclass(frozen=True, slots=True)
class Missed:
    """An item that the ledger has at a counted location and that the count does not take in.

    `row_no` is the rejected row that lists it all the same; None when the file does not list it: it was not found.
    """

    key: str
    location: str
    row_no: int | None


@dataclass(frozen=True, slots=True)
class MissedRecord:
    """What is kept of a Missed: of which count it is, and which later submission has named the item again."""

    request_id: str
    revision: int
    ledger: str
    missed: Missed
    counted_at: datetime
    found_at: datetime | None
    found_by: str | None


def places_in(rows: Iterable[StagedRow], counting: Counting) -> tuple[str, ...]:
    """Where a list's rows have something, as it first spells each place."""
    places: dict[str, str] = {}
    for row in rows:
        values: dict[str, object] = json.loads(row.values) if row.key is not None and row.values else {}
        location = values.get(counting.location_column)
        if location and not (counting.is_gone and counting.is_gone(values)):
            places.setdefault(place_of(str(location)), str(location))
    return tuple(places.values())


@dataclass(slots=True)
class Tally:
    """What a count's rows list. Holds its keys and locations, not its rows."""

    counting: Counting
    _listed: set[str] = field(default_factory=set)
    _spellings: dict[tuple[str, ...], set[str]] = field(default_factory=lambda: defaultdict(set))
    _places: dict[str, str] = field(default_factory=dict)
    _rejected: dict[tuple[str, str], list[tuple[int, dict[str, str]]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, rows: Iterable[StagedRow]) -> None:
        for row in rows:
            self._add(row)

    def _add(self, row: StagedRow) -> None:
        values: dict[str, str] = json.loads(row.values) if row.values else {}
        location = values.get(self.counting.location_column)
        if location:
            self._places.setdefault(place_of(location), location)
        if row.key is not None:
            self._listed.add(row.key)
            if location and self.counting.location_column in self.counting.key_columns:
                self._spellings[self._identity(values)].add(location)
        elif names := self._naming(values):
            self._rejected[names[0]].append((row.row_no, values))

    @property
    def locations(self) -> tuple[str, ...]:
        """The locations that were counted, as the file first spells each, in alphabetical order."""
        return tuple(sorted(self._places.values(), key=str.casefold))

    def left_out(self, locations: Iterable[str]) -> tuple[str, ...]:
        """Of these locations those that the file does not name."""
        return tuple(one for one in locations if place_of(one) not in self._places)

    def missed(self, items: Iterable[Item]) -> Iterator[Missed]:
        """Of a ledger's items as they are after the count was posted, those that it misses."""
        for key, text in items:
            if key in self._listed:
                continue
            values: dict[str, object] = json.loads(text)
            location = values.get(self.counting.location_column)
            if not isinstance(location, str) or place_of(location) not in self._places:
                continue
            if self.counting.is_gone is not None and self.counting.is_gone(values):
                continue
            if not self._is_listed_otherwise(values, location):
                yield Missed(key, location, self._row_of(values))

    def _is_listed_otherwise(self, values: Mapping[str, object], location: str) -> bool:
        """Where the location is part of the key, another spelling of it made another item of the one that is there."""
        spellings = self._spellings.get(self._identity(values)) if self._spellings else None
        return spellings is not None and location not in spellings

    def _identity(self, values: Mapping[str, object]) -> tuple[str, ...]:
        """The key's values, with the location as its place."""
        location = self.counting.location_column
        return tuple(
            place_of(str(values[column])) if column == location and values.get(column) else str(values.get(column))
            for column in self.counting.key_columns
        )

    def _row_of(self, values: Mapping[str, object]) -> int | None:
        """The rejected row that lists an item: all that is sound of its key is the item's."""
        for name in self._naming(values):
            for row_no, sound in self._rejected.get(name, ()):
                if self._agrees(sound, values):
                    return row_no
        return None

    def _naming(self, values: Mapping[str, object]) -> list[tuple[str, str]]:
        """The key's columns but the location, with their values."""
        return [
            (column, str(values[column]))
            for column in self.counting.key_columns
            if column != self.counting.location_column and values.get(column) is not None
        ]

    def _agrees(self, sound: Mapping[str, str], values: Mapping[str, object]) -> bool:
        location = self.counting.location_column
        return all(
            place_of(value) == place_of(str(values[column])) if column == location else value == str(values.get(column))
            for column, value in sound.items()
            if column in self.counting.key_columns
        )
