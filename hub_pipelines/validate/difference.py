"""How a corrected file differs from the one before it, row by row and cell by cell.

Belongs here: comparing two tables as a person reads them. Not here: reading files (reading) and judging rows (service).
The same value written as text or as a number, in a workbook or in a text file, is no difference.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hub_pipelines.validate.columns import column_letters, normalise_header, record_type_of
from hub_pipelines.validate.model import Cell, Feed, Unreadable, excel_row
from hub_pipelines.validate.parsing.layout.rules import RULES
from hub_pipelines.validate.reading import open_table
from hub_pipelines.validate.returned import numbers_told, without_row_numbers

_REMOVED_NAMED = 10
_LONGEST_VALUE = 200
_OF_ROW = "\0row"
"""In a row, beside its columns: its number in the earlier file, as Excel shows it."""


@dataclass(frozen=True, slots=True)
class CellChange:
    """Row numbers are the ones that Excel shows."""

    row_before: int
    row_after: int
    column: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Difference:
    """`cells` are the first of `cells_changed`. With a `note` the tables could not be compared, and it says why."""

    rows_before: int | None
    rows_after: int | None
    changed: int = 0
    added: int = 0
    removed: int = 0
    removed_rows: tuple[int, ...] = ()
    """Numbers in the earlier file, as Excel shows them, of the first that were removed."""
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    cells: tuple[CellChange, ...] = ()
    cells_changed: int = 0
    note: str | None = None

    def document(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def is_none(self) -> bool:
        """The tables were compared and read the same."""
        differs = self.changed or self.added or self.removed or self.columns_added or self.columns_removed
        return self.note is None and not differs

    @staticmethod
    def from_document(document: dict[str, Any]) -> "Difference":
        cells = tuple(CellChange(**one) for one in document["cells"])
        names = ("columns_added", "columns_removed", "removed_rows")
        columns = {name: tuple(document.get(name, ())) for name in names}
        return Difference(**{**document, **columns, "cells": cells})

    def sentence(self) -> str:
        """`2 rows changed, 1 removed; column Room added.`."""
        if self.note is not None:
            after = "" if self.rows_after is None else f" The corrected file has {_rows(self.rows_after)}."
            return self.note + after
        counts = [
            f"{_rows(number) if not at else f'{number:,}'} {what}"
            for at, (number, what) in enumerate(
                pair
                for pair in ((self.changed, "changed"), (self.added, "added"), (self.removed, "removed"))
                if pair[0]
            )
        ]
        columns = [_columns_told(self.columns_added, "added"), _columns_told(self.columns_removed, "removed")]
        if self.removed_rows:
            more = " and more" if self.removed > len(self.removed_rows) else ""
            counts[-1] += f" (in the earlier file {', '.join(map(str, self.removed_rows))}{more})"
        told = "; ".join(filter(None, (", ".join(counts), *columns)))
        return f"{told or 'The rows are the same'}."


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _columns_told(names: Sequence[str], what: str) -> str:
    noun = "column" if len(names) == 1 else "columns"
    return f"{noun} {', '.join(names)} {what}" if names else ""


@dataclass(frozen=True, slots=True)
class Headings:
    """How two files' columns were recognised.

    `known` tells of a heading in normal form the contract's column, for finding the row of headings; None: as the
    contracts spell them. `decided` gives, by a header as it was sent, the header as the contract sees it, of the same
    length; columns of other headers go by the contracts' spellings.
    """

    known: Callable[[str], str | None] | None = None
    decided: Mapping[tuple[str, ...], Sequence[str]] = field(default_factory=dict)
    rules: tuple[int, int] = (RULES, RULES)
    """Those of parsing/layout by which the tables of the earlier and of the later file are found."""


def compare_files(
    before: Path,
    before_name: str,
    after: Path,
    after_name: str,
    feed: Feed,
    *,
    cells: int,
    part: bool = False,
    headings: Headings | None = None,
) -> Difference:
    """Compare two files of a feed, each under the name that its sender gave it; at most `cells` changes are listed.

    With `part` the second holds only some rows of the first on purpose: rows that it lacks are not told as removed, and
    the others are compared with the rows of the first whose numbers stand in front of them.
    """
    by = headings or Headings()
    new = _read(after, after_name, feed, by, by.rules[1])
    old = _read(before, before_name, feed, by, by.rules[0])
    if isinstance(old, str) or isinstance(new, str):
        which = "The original" if isinstance(old, str) else "The corrected file"
        reason = old if isinstance(old, str) else new
        rows = [None if isinstance(one, str) else len(one.rows) for one in (old, new)]
        return Difference(rows[0], rows[1], note=f"{which} can't be read as a table: {reason}")
    found = _compare(old, new, cells)
    return replace(found, removed=0, removed_rows=()) if part else found


@dataclass(frozen=True, slots=True)
class _Content:
    """A table in memory: the column names, and each row's number and cells as text."""

    columns: tuple[str, ...]
    rows: list[tuple[int, tuple[str, ...]]]
    key: tuple[str, ...]
    """Columns that identify an item; empty when that is not clear."""
    told: Mapping[int, int] | None = None
    """By its number the number that a row has in the earlier file, where the file holds only rows of it."""


def _read(path: Path, name: str, feed: Feed, headings: Headings, rules: int) -> _Content | str:
    """The content, or why there is none."""
    try:
        with open_table(path, name, known=headings.known or feed.aliases.get, rules=rules) as opened:
            table = without_row_numbers(opened)
            columns = _columns(headings.decided.get(tuple(table.header), table.header), feed)
            width = len(columns)
            rows = [(row_no, _cells(cells, width)) for row_no, cells in table.rows]
            return _Content(columns, rows, _key(columns, feed), numbers_told(opened))
    except Unreadable as error:
        return str(error)


def _columns(header: Sequence[str], feed: Feed) -> tuple[str, ...]:
    taken: Counter[str] = Counter()
    names = []
    known = {**feed.aliases, **_own_aliases(header, feed)}
    for position, text in enumerate(header):
        name = known.get(normalise_header(text)) or text.strip() or f"Column {column_letters(position)}"
        taken[name] += 1
        names.append(name if taken[name] == 1 else f"{name} ({taken[name]})")
    return tuple(names)


def _own_aliases(header: Sequence[str], feed: Feed) -> Mapping[str, str]:
    """An Amount is another column in a list of awards than in one of what was spent."""
    try:
        return record_type_of(header, feed).aliases
    except Unreadable:
        return {}


def _key(columns: Sequence[str], feed: Feed) -> tuple[str, ...]:
    try:
        record = record_type_of(columns, feed)
    except Unreadable:
        return ()
    there = tuple(column for column in record.key_columns if column in columns)
    return there if record.lines or there == record.key_columns else ()


def _cells(cells: Sequence[Cell], width: int) -> tuple[str, ...]:
    """As many texts as there are columns; what stands beyond them joins the last one."""
    texts = [_text(cell) for cell in cells]
    texts += [""] * (width - len(texts))
    beyond = [text for text in texts[width:] if text]
    return (*texts[: width - 1], " | ".join([texts[width - 1], *beyond])) if width else ()


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell).strip()


_Row = tuple[int, dict[str, str]]


def _compare(old: _Content, new: _Content, listed: int) -> Difference:
    columns = (*old.columns, *(one for one in new.columns if one not in old.columns))
    key = old.key if old.key == new.key else ()
    before, after = _named(old), _named(new)
    if new.told is None:
        before, after = _without_equal_rows(before, after, columns)
        pairs = _paired(before, after, lambda row: tuple(row[1].get(one, "").upper() for one in key)) if key else []
        pairs += _paired(before, after, lambda row: (str(row[0]),))
    else:
        for row_no, row in before:
            row[_OF_ROW] = str(excel_row(row_no))
        for row_no, row in after:
            row[_OF_ROW] = str(new.told.get(row_no, ""))
        both = _paired(before, after, lambda row: (row[1][_OF_ROW],))
        pairs = [pair for pair in both if any(pair[0][1].get(one, "") != pair[1][1].get(one, "") for one in columns)]
    pairs.sort(key=lambda pair: pair[1][0])
    cells = [
        CellChange(left[0], right[0], column, left[1].get(column, "")[:_LONGEST_VALUE], value[:_LONGEST_VALUE])
        for left, right in pairs
        for column in columns
        if (value := right[1].get(column, "")) != left[1].get(column, "")
    ]
    return Difference(
        rows_before=len(old.rows),
        rows_after=len(new.rows),
        changed=len(pairs),
        added=len(after),
        removed=len(before),
        removed_rows=tuple(excel_row(row_no) for row_no, _ in before[:_REMOVED_NAMED]),
        columns_added=tuple(one for one in new.columns if one not in old.columns),
        columns_removed=tuple(one for one in old.columns if one not in new.columns),
        cells=tuple(cells[:listed]),
        cells_changed=len(cells),
    )


def _named(content: _Content) -> list[_Row]:
    return [(row_no, dict(zip(content.columns, cells, strict=True))) for row_no, cells in content.rows]


def _without_equal_rows(before: list[_Row], after: list[_Row], columns: Sequence[str]) -> tuple[list[_Row], list[_Row]]:
    """What is left when each row has been taken out together with its equal on the other side."""

    def content(row: _Row) -> tuple[str, ...]:
        return tuple(row[1].get(column, "") for column in columns)

    common = Counter(map(content, before)) & Counter(map(content, after))
    return _rest(before, common.copy(), content), _rest(after, common, content)


def _rest(rows: Iterable[_Row], common: Counter[tuple[str, ...]], content: Any) -> list[_Row]:
    left = []
    for row in rows:
        if common[content(row)]:
            common[content(row)] -= 1
        else:
            left.append(row)
    return left


def _paired(before: list[_Row], after: list[_Row], name: Any) -> list[tuple[_Row, _Row]]:
    """Take out of both lists the rows of one name, in order, as pairs. A row without a name has no partner."""
    waiting: dict[tuple[str, ...], list[_Row]] = defaultdict(list)
    for row in reversed(before):
        if any(name(row)):
            waiting[name(row)].append(row)
    pairs = [(waiting[name(row)].pop(), row) for row in after if waiting.get(name(row))]
    gone = {id(row) for pair in pairs for row in pair}
    before[:] = [row for row in before if id(row) not in gone]
    after[:] = [row for row in after if id(row) not in gone]
    return pairs
