"""Which tables of a file are read, and how they become one.

Belongs here: choosing, joining what is alike, telling what is left out, the hub's own sheets in a returned workbook.
Not here: finding the tables of one sheet (layout).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from hub_pipelines.validate.parsing.blocks import Block
from hub_pipelines.validate.parsing.grid import Ask, Cells, Grid, NumberedRow, is_blank, text_of
from hub_pipelines.validate.parsing.layout.rules import CALCULATED_RULES, NAMED_ALIKE_RULES, NAMES_APART_RULES, RULES
from hub_pipelines.validate.parsing.layout.scan import find_tables
from hub_pipelines.validate.parsing.layout.table import (
    HEADINGS_AGAIN,
    PREPARED,
    PRINT_LINE,
    SECTION_ROW,
    FoundTable,
    Remark,
)
from hub_pipelines.validate.parsing.packed import Packed
from hub_pipelines.validate.parsing.refusal import Refusal, empty, too_large

OWN_SHEET, READ_ME, QUESTIONS = "_hub", "Read me first", "Questions"
_ANSWER = "your answer"
_MOST_ANSWERS = 10_000
_MOST_LEFT_OUT = 200
_MISSED_LEAST = (PREPARED, PRINT_LINE, HEADINGS_AGAIN, SECTION_ROW)
"""The last of them is kept with the rows."""
_SHORTEST_CUT = 3
_PART_ROWS = 10_000_000
"""As in validate/model.py, which the child does not load: it needs pydantic."""
_MOST_PARTS = 200
"""Row numbers of so many parts fit into the database's integers."""
SECTION = "Section"
_KEYS = frozenset({"asset_tag", "container_id", "award_id", "transaction_id"})
"""Columns by which a ledger tells rows apart: a table has all of them that the other has, or is another one."""
_NAMES = frozenset({"item_name", "contents"})


@dataclass
class LeftOut:
    """Rows that are not read. `shown` is their beginning, for people; `items` are the rows of another table, and
    `column` is its first one where it stands beside others."""

    sheet: str | None
    first_row: int
    last_row: int
    why: str
    shown: str
    items: int = 0
    column: int | None = None


@dataclass
class Joined:
    """Alike tables as one. `places` says for each table where its cells go; None: as they stand."""

    header: list[str]
    tables: list[tuple[Grid, FoundTable]]
    places: list[list[int] | None]
    has_sections: bool
    left_out: list[LeftOut]
    facts: dict[str, str] = field(default_factory=dict)

    def columns(self) -> list[list[int]]:
        """For each table the place of its columns in the header; empty where it has just these."""
        width = len(self.header) - self.has_sections
        return [
            places or ([] if len(table.header) >= width else list(range(len(table.header))))
            for (_, table), places in zip(self.tables, self.places, strict=True)
        ]

    def rows(self) -> Iterator[Block | Packed | NumberedRow]:
        """Many at once where they are whole rows that are columns already. Cells beyond the header stay where they are:
        they show that a row is cut wrongly."""
        for part, ((grid, table), places) in enumerate(zip(self.tables, self.places, strict=True)):
            base = part * _PART_ROWS
            as_it_is = places is None and not self.has_sections
            for one in table.items_of(grid):
                if not isinstance(one, Block | Packed):
                    row_no, cells, section = one
                    yield base + row_no, cells if as_it_is else self._placed(cells, places, section)
                elif as_it_is and len(one.columns) <= len(self.header):
                    yield replace(one, first=base + one.first)
                else:
                    for row_no, cells in one.rows():
                        yield base + row_no, cells if as_it_is else self._placed(cells, places, "")

    def _placed(self, cells: Cells, places: list[int] | None, section: str) -> Cells:
        width = len(self.header) - self.has_sections
        row: Cells = [""] * width
        surplus: Cells = []
        for at, cell in enumerate(cells):
            place = at if places is None else places[at] if at < len(places) else width
            if place < width:
                row[place] = cell
            else:
                surplus.append(cell)
        if self.has_sections:
            row.append(section)
        return row + surplus if any(cell != "" for cell in surplus) else row


def join(grids: Sequence[Grid], ask: Ask, rules: int = RULES) -> Joined:
    """Raises Refusal when no sheet holds anything."""
    candidates: list[tuple[Grid, FoundTable]] = []
    left_out: list[LeftOut] = []
    for grid in grids:
        tables, remarks = find_tables(grid, ask, rules)
        candidates += [(grid, table) for table in tables]
        left_out += [_remark(grid, one) for one in remarks]
    if not candidates:
        if left_out:
            return Joined([], [], [], False, left_out[:_MOST_LEFT_OUT])
        raise empty()
    main = max(candidates, key=lambda each: (min(each[1].heading.hits, 2), *_weight(each[1])))
    alike = [each for each in candidates if each is main or _are_alike(main[1], each[1], ask, rules)]
    alike, beyond = alike[:_MOST_PARTS], alike[_MOST_PARTS:]
    left_out += [_other_table(grid, table, f"is one of more than {_MOST_PARTS} alike tables") for grid, table in beyond]
    if len(alike) > 1 and max(table.last_row for _, table in alike) >= _PART_ROWS:
        raise too_large(f"A table of several reaches beyond row {_PART_ROWS:,}")
    for grid, table in candidates:
        if any(table is other for _, other in beyond):
            continue
        if not any(table is other for _, other in alike):
            left_out.append(_other_table(grid, table))
        else:
            left_out += [_remark(grid, one) for one in table.remarks]
    header, places = _header(main[1], [table for _, table in alike], ask, rules)
    # what a sender may miss comes first
    left_out.sort(key=lambda one: _MISSED_LEAST.index(one.why) + 1 if one.why in _MISSED_LEAST else 0)
    has_sections = any(table.sections or table.group for _, table in alike)
    if has_sections:
        header = [*header, _free_name(header)]
    return Joined(header, alike, places, has_sections, _cut(left_out), _facts(alike, rules))


def _weight(table: FoundTable) -> tuple[int, int, int]:
    """More known columns, then a heading at all, then more cells."""
    return table.heading.hits, int(bool(table.header_row)), table.items * max(len(table.header), 1)


def _named(header: Sequence[str]) -> list[tuple[str, int]]:
    """Each heading and the how manieth of its name it is."""
    seen: dict[str, int] = {}
    names = []
    for text in header:
        name = text.casefold()
        seen[name] = seen.get(name, -1) + 1
        names.append((name, seen[name]))
    return names


def _are_alike(main: FoundTable, other: FoundTable, ask: Ask, rules: int) -> bool:
    if not main.header_row or not other.header_row:
        return not main.header_row and not other.header_row and len(main.header) == len(other.header)
    if rules >= NAMED_ALIKE_RULES and not _name_rows_alike(main, other, ask):
        return False
    mine, others = ({name for name in _named(each.header) if name[0]} for each in (main, other))
    shared = len(mine & others)
    if shared and shared >= 0.6 * max(len(mine), len(others)):
        return True
    columns, theirs = (set(ask(each.header)) - {None} for each in (main, other))
    return len(columns & theirs) >= max(2, 0.6 * max(len(columns), len(theirs)))


def _name_rows_alike(main: FoundTable, other: FoundTable, ask: Ask) -> bool:
    """Whether what names a row of the main table names one of the other too: else half of the rows had no name.

    By the contract's columns where one of them names rows, otherwise by the first heading, if words stand below it.
    """
    columns, theirs = (set(ask(each.header)) - {None} for each in (main, other))
    keys = _KEYS & columns
    if keys or _KEYS & theirs:
        return keys == _KEYS & theirs
    if names := _NAMES & columns:
        return bool(names & theirs)
    first = main.header[0].casefold() if main.header else ""
    words = sum(isinstance(cell, str) and any(map(str.isalpha, cell)) for cell in main.firsts)
    return not first or words <= len(main.firsts) / 2 or first in {text.casefold() for text in other.header}


def _header(
    main: FoundTable, tables: Sequence[FoundTable], ask: Ask, rules: int
) -> tuple[list[str], list[list[int] | None]]:
    header = list(main.header)
    known = {name: at for at, name in enumerate(_named(header))}
    places: list[list[int] | None] = []
    for table in tables:
        if _named(table.header) == _named(header[: len(table.header)]):
            places.append(None)
            continue
        where = []
        same = _spelled_otherwise(main.header, table.header, ask) if rules > NAMES_APART_RULES else {}
        for text, name in zip(table.header, _named(table.header), strict=True):
            if name in same:
                where.append(same[name])
                continue
            if name not in known:
                known[name] = len(header)
                header.append(text)
            where.append(known[name])
        places.append(where)
    return header, places


def _spelled_otherwise(main: Sequence[str], other: Sequence[str], ask: Ask) -> dict[tuple[str, int], int]:
    """Places in the main header of another table's headings that are the same column in other words. Else the column of
    one table would be taken, and that of the other lost."""
    mine, theirs = _named(main), _named(other)
    left = [(at, main[at]) for at, name in enumerate(mine) if name[0] and name not in theirs]
    new = [(name, text) for name, text in zip(theirs, other, strict=True) if name[0] and name not in mine]
    columns = dict(zip([*main, *other], ask([*main, *other]), strict=True))
    pairs = [
        (name, at)
        for name, text in new
        for at, heading in left
        if (columns[text] is not None and columns[text] == columns[heading]) or _is_short_for(text, heading)
    ]
    names, places = [name for name, _ in pairs], [at for _, at in pairs]
    return {name: at for name, at in pairs if names.count(name) == places.count(at) == 1}


def _is_short_for(one: str, other: str) -> bool:
    """Whether one of two headings is the other cut off by a point: `Loc.` and `Location`."""
    short, long = sorted((one.strip().casefold(), other.strip().casefold()), key=len)
    return len(short) > _SHORTEST_CUT and short.endswith(".") and long.startswith(short[:-1]) and long.isalpha()


def _free_name(header: Sequence[str]) -> str:
    taken = {text.casefold() for text in header}
    name, number = SECTION, 1
    while name.casefold() in taken:
        number += 1
        name = f"{SECTION} ({number})"
    return name


def _remark(grid: Grid, one: Remark) -> LeftOut:
    return LeftOut(grid.name, one.row_no, one.row_no, one.why, one.text)


def _other_table(grid: Grid, table: FoundTable, why: str = "is another table, with other columns") -> LeftOut:
    why = f"{why} ({table.items:,} rows)"
    shown = ", ".join(text for text in table.header if text) or "no headings"
    is_whole = table.start == 0 and table.stop is None
    beside = None if is_whole else grid.first_column + table.start
    last = max(table.last_row, table.header_row or table.data_row)
    return LeftOut(grid.name, table.first_row, last, why, shown[:200], table.items, beside)


def _cut(left_out: list[LeftOut]) -> list[LeftOut]:
    rest = left_out[_MOST_LEFT_OUT:]
    if not rest:
        return left_out
    more = LeftOut(None, 0, 0, f"and {len(rest):,} more rows or tables were left out", "")
    return [*left_out[:_MOST_LEFT_OUT], more]


def _facts(tables: Sequence[tuple[Grid, FoundTable]], rules: int) -> dict[str, str]:
    facts: dict[str, str] = {}
    if titles := [title for _, table in tables for title in table.titles if title]:
        facts["above_the_header"] = "; ".join(dict.fromkeys(titles))[:500]
    if sections := [text for _, table in tables for text in [table.group, *table.sections.values()] if text]:
        facts["sections"] = f"{len(sections):,}: {', '.join(sections)}"[:500]
    if repeated := sum(len(table.repeated) for _, table in tables):
        facts["repeated_headings"] = f"{repeated}"
    if lines := [f"{table.header_row}" for _, table in tables if _header_lines(table) > 1]:
        facts["header_lines"] = f"several, from row {', '.join(lines)}"
    grids = list(dict.fromkeys(id(grid) for grid, _ in tables))
    for grid in (next(grid for grid, _ in tables if id(grid) == one) for one in grids):
        where = f" ({grid.name})" if len(grids) > 1 else ""
        if grid.facts.hidden_rows:
            facts[f"hidden_rows{where}"] = f"read all the same: {_ranges(grid.facts.hidden_rows)}"
        if grid.facts.hidden_columns:
            columns = [(first + 1, last + 1) for first, last in grid.facts.hidden_columns]
            facts[f"hidden_columns{where}"] = f"read all the same: numbers {_ranges(columns)}"
        if grid.facts.uncalculated:
            how = "told in their rows" if rules >= CALCULATED_RULES else "read as blank"
            facts[f"formulas_without_value{where}"] = f"{grid.facts.uncalculated:,} cells, {how}"
        if grid.facts.filled_down:
            facts[f"merged_cells{where}"] = f"{grid.facts.filled_down:,} blocks; their value stands in each row"
    return facts


def _header_lines(table: FoundTable) -> int:
    first, last = table.heading.first, table.heading.last
    return 0 if first is None or last is None else 1 + last - first


def _ranges(pairs: Sequence[tuple[int, int]]) -> str:
    shown = [f"{first}" if first == last else f"{first}-{last}" for first, last in pairs[:20]]
    return ", ".join(shown) + (f" and {len(pairs) - 20:,} more" if len(pairs) > 20 else "")


# -- a workbook that the hub returned --------------------------------------------------------------------------------


def returned_token(grid: Grid) -> str | None:
    """What the hub wrote into A1 of its hidden sheet."""
    for row_no, cells in grid.rows():
        if row_no == 1 and grid.first_column == 0 and cells and isinstance(cells[0], str):
            return cells[0].strip() or None
        break
    return None


def answers_in(grid: Grid) -> list[tuple[str, str]]:
    """The question's id in the first column and what stands below the heading "Your answer"."""
    place: int | None = None
    found: list[tuple[str, str]] = []
    for _, cells in grid.rows():
        if place is None:
            texts = [text_of(cell).casefold() for cell in cells]
            place = texts.index(_ANSWER) if _ANSWER in texts else None
        elif place < len(cells) and not is_blank(cells[0]) and not is_blank(cells[place]):
            found.append((text_of(cells[0]), text_of(cells[place])))
        if len(found) >= _MOST_ANSWERS:
            break
    return found


def nothing_visible(hidden: Sequence[str]) -> Refusal:
    return Refusal(
        f"The workbook's visible sheets are empty, and its hidden ones are not read ({', '.join(hidden)[:200]}).",
        "Show the sheet that holds the table (right click on a sheet's tab, Unhide), save and send it again.",
    )
