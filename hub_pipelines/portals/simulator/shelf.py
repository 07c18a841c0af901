"""A simulated portal's records, which change while they are read. Not here: how a portal answers (the portals' own
modules), HTTP (server.py)."""

import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs

Raw = dict[str, Any]
INSTITUTIONS = {
    "north": ("NORTHERN STATE UNIVERSITY", "NRTHSTATE111"),
    "south": ("SOUTHERN STATE UNIVERSITY", "SUTHSTATE111"),
    "west": ("WESTERN STATE UNIVERSITY", "WESTSTATE111"),
}
"""By campus, name and UEI of those whose records are generated."""
_THINGS = ("polymers", "soil carbon", "protein folding", "low-cost sensors", "river ecology", "catalysts", "genomes")


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    document: Any
    headers: Mapping[str, str] = field(default_factory=dict)


def refused(status: int, text: str) -> Reply:
    return Reply(status, {"detail": text})


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: str
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    """With lower-case names."""

    @property
    def params(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.query, keep_blank_values=True).items()}


class Shelf(ABC):
    """`records` by natural id. All that reads or changes them holds `lock`."""

    kind: str
    settings: str
    """Further lines of its table in hub.toml."""

    def __init__(self, records: int, today: date, seed: int) -> None:
        self.today = today
        self.chance = random.Random(seed)
        self.lock = threading.RLock()
        self.records: dict[str, Raw] = {}
        self.versions = 0
        for raw in self.recorded()[:records]:
            self.put(raw)
        while len(self.records) < records:
            self.add()

    @abstractmethod
    def recorded(self) -> Sequence[Raw]:
        """Recorded records in the form in which the portal answers today."""

    @abstractmethod
    def generated(self, number: int) -> Raw:
        """A record that has not been there before."""

    @abstractmethod
    def natural_id(self, raw: Raw) -> str: ...

    @abstractmethod
    def amended(self, raw: Raw) -> Raw:
        """A later version of a record: extended, funded further or cut."""

    @abstractmethod
    def answer(self, asked: Asked) -> Reply: ...

    def put(self, raw: Raw) -> None:
        with self.lock:
            self.records[self.natural_id(raw)] = raw
            self.versions += 1

    def add(self) -> Raw:
        with self.lock:
            raw = self.generated(len(self.records) + 1)
            self.put(raw)
            return raw

    def amend(self, natural_id: str | None = None) -> Raw:
        """The record, or any, in a later version."""
        with self.lock:
            chosen = natural_id or self.chance.choice(list(self.records))
            raw = self.amended(self.records[chosen])
            self.put(raw)
            return raw

    # ---- for generated records

    def campus_for(self, number: int) -> tuple[str, str]:
        return list(INSTITUTIONS.values())[number % len(INSTITUTIONS)]

    def title_for(self, number: int) -> str:
        return f"A study of {_THINGS[number % len(_THINGS)]} ({number})"

    def years_ago(self, number: int, most: int) -> date:
        """The first of a month within so many years."""
        return (self.today.replace(day=1) - timedelta(days=30 * (number % (12 * most)))).replace(day=1)

    def table(self, url: str) -> str:
        """What hub.toml says to read it."""
        return f'[portals.{self.kind}]\nkind = "{self.kind}"\nurl = "{url}"\n{self.settings}'


def institutions_table(kind: str) -> str:
    """The lines that give each campus its institution."""
    return "".join(
        f'\n[portals.{kind}.institutions.{campus}]\nnames = ["{name}"]\nueis = ["{uei}"]\n'
        for campus, (name, uei) in INSTITUTIONS.items()
    )


def later(day: date, years: int) -> date:
    return day.replace(year=day.year + years, day=min(day.day, 28))
