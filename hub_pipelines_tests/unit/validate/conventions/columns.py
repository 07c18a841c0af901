"""Small tables for the tests of conventions. Not here: assertions."""

from collections.abc import Mapping, Sequence
from typing import Any

from hub_pipelines.validate.columns import located_columns
from hub_pipelines.validate.conventions.applying import apply
from hub_pipelines.validate.conventions.deciding import decide
from hub_pipelines.validate.conventions.model import Conventions
from hub_pipelines.validate.model import Cell, OpenQuestion, Restored, Table, Unclear, Undecided

from ..builders import RECORD_TYPES

Cells = Sequence[Any]


def table(cells: Mapping[str, Cells], facts: Mapping[str, str] | None = None) -> Table:
    """Columns of equal length, from row 2 on."""
    rows = [(number, list(row)) for number, row in enumerate(zip(*cells.values(), strict=True), start=2)]
    return Table(list(cells), 1, rows, dict(facts or {}))


def read(
    record_type: str,
    cells: Mapping[str, Cells],
    *,
    answers: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    facts: Mapping[str, str] | None = None,
    time_zone: str | None = None,
) -> tuple[Conventions, dict[str, list[Cell]]]:
    """What is decided, and the cells by column as the contract takes them."""
    sent = table(cells, facts)
    columns = located_columns(sent.header, RECORD_TYPES[record_type])
    found = decide(sent, columns, answers=answers or {}, units=units or {}, time_zone=time_zone)
    result = apply(sent, columns, Conventions.from_document(found.document()))
    rows = [row for _, row in result.rows]
    return found, {name: [row[at] for row in rows] for at, name in enumerate(result.header)}


def questions(record_type: str, cells: Mapping[str, Cells], **told: Any) -> list[OpenQuestion]:
    try:
        found, _ = read(record_type, cells, **told)
    except Undecided as undecided:
        return list(undecided.questions)
    raise AssertionError(f"nothing was asked: {found}")


def value(cell: Cell) -> Cell:
    """What the contract gets."""
    if isinstance(cell, Restored):
        return cell.value
    return cell.sent if isinstance(cell, Unclear) else cell


def values(cells: Sequence[Cell]) -> list[Cell]:
    return [value(cell) for cell in cells]
