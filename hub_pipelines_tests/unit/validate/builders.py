"""Inputs for the validation tests: files, tables and registries. Not here: assertions."""

import datetime
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import AcceptedRow, Cell, Problem, RejectedRow
from hub_pipelines.validate.readers import Table, open_table
from hub_pipelines.validate.service import validate

INVENTORY = FEEDS["inventory"]
PROCUREMENT = FEEDS["procurement"]
GOOD_ROW: dict[str, Cell] = {
    "asset_tag": "TAG-1",
    "item_name": "Acetone",
    "category": "chemical",
    "quantity": "2.5",
    "unit": "mL",
    "location": "Room 1",
    "responsible_email": "ada@uni.edu",
    "acquired_on": "2024-01-31",
    "unit_cost": "12.50",
    "po_number": "PO-1",
    "cas_number": "67-64-1",
    "hazard_codes": "H225; H319",
}


class AllTags:
    """A registry in which every tag belongs to one campus."""

    version = 3
    updated_at: datetime.datetime | None = datetime.datetime(2024, 5, 1, 12, 0, tzinfo=datetime.UTC)

    def campuses(self, tags: Collection[str]) -> dict[str, str]:
        return dict.fromkeys(tags, "North")

    def nearest(self, tag: str) -> str | None:
        return f"{tag}-NEAR"


class SomeTags(AllTags):
    def __init__(self, tags: dict[str, str], *, empty: bool = False) -> None:
        self._tags = tags
        if empty:
            self.updated_at = None

    def campuses(self, tags: Collection[str]) -> dict[str, str]:
        return {tag: self._tags[tag] for tag in tags if tag in self._tags}


def row(**changes: Cell) -> dict[str, Cell]:
    return {**GOOD_ROW, **changes}


def verdicts(
    rows: Sequence[dict[str, Cell]], *, feed: Any = INVENTORY, registry: Any = None
) -> list[AcceptedRow | RejectedRow]:
    header = list(rows[0])
    numbered: Iterator[tuple[int, list[Cell]]] = iter([(n, list(each.values())) for n, each in enumerate(rows, 2)])
    table = Table(header, 1, numbered, {})
    return list(validate(table, feed, campus="North", campuses=["North", "South"], registry=registry or AllTags()))


def values(**changes: Cell) -> dict[str, object]:
    (verdict,) = verdicts([row(**changes)])
    assert isinstance(verdict, AcceptedRow), verdict
    return verdict.values


def problems(**changes: Cell) -> list[Problem]:
    (verdict,) = verdicts([row(**changes)])
    assert isinstance(verdict, RejectedRow), verdict
    return list(verdict.problems)


def the_problem(**changes: Cell) -> Problem:
    (found,) = problems(**changes)
    return found


def read(path: Path, name: str) -> tuple[list[str], int, list[tuple[int, list[Cell]]], dict[str, str]]:
    with open_table(path, name, known=INVENTORY.aliases.get) as table:
        return table.header, table.header_row, list(table.rows), table.facts
