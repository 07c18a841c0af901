"""Where the tables of a sheet are.

Belongs here: tables below and beside each other, titles above, section rows, totals and notes.
Not here: finding the heading row (headings), choosing among tables (joining).
A sheet is read once from top to bottom. What lies between two blank rows is a block; its first rows are looked at
closely, the rest is only counted, so that a long table costs little.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from hub_pipelines.validate.parsing.grid import Ask, Cells, Grid, NumberedRow, Span, is_blank, text_of
from hub_pipelines.validate.parsing.headings import (
    Heading,
    ask_at_once,
    filled,
    find_heading,
    kind_of_cell,
    known_columns,
)
from hub_pipelines.validate.parsing.print_lines import is_print_line
from hub_pipelines.validate.parsing.sums import adding_up
from hub_pipelines.validate.parsing.totals import is_total, may_be_total, tells_how_many

FIRST_RULES, RULES = 1, 5
"""The number of these rules. A decision keeps the one by which its file was read, and the file is read so again
(mapping/decision.py). By the first ones, columns with other headings beyond a blank column were part of a table's rows,
and fewer words told a total; by the second, one unknown heading made such columns a table of their own; by the third,
tables were one whose rows are named by other columns where enough of the rest were alike, names that stand alone before
a blank column were one, and one column in two spellings was two; by the fourth, lines of a report's pages were items,
the headings again had to be written in the same way, a total was known by its words alone, and a unit behind a heading
made it unknown."""
_ALL_KNOWN_RULES, NAMES_APART_RULES = 2, 3
NAMED_ALIKE_RULES = 4
"""From these on, tables are one only when the same columns name their rows."""
PRINTED_RULES = 5
"""From these on, what a report's program put between the rows is no item."""
_LOOKED_AT = 40
_SURE = 2
"""Columns that must speak for a heading below another table: one may be a cell that says "unknown"."""
_NAMING = frozenset({"item_name", "item_code", "asset_tag", "container_id", "contents", "award_id", "transaction_id"})
"""Columns that say what a row is about."""
_TITLE_ROWS = 12
_MOST_TABLES = 200
_MOST_REMARKS = 10_000
_NOTE = re.compile(r"(notes?|source|prepared|printed|remarks?|legend|key|updated|checked|signed|page)\b|[*†‡(#]", re.I)
_SECTION = re.compile(
    r".*[:：]|(room|shelf|cabinet|cupboard|drawer|bay|building|section|category)\s*(no\.?\s*|#\s*)?(\d+\w?|[A-Z])", re.I
)
"""Words of a row that is a section's title wherever it stands. Capitals alone tell nothing: EDTA, PIPES."""
TOTAL, PRINT_LINE, HEADINGS_AGAIN = "is a total", "is a line of a printed page", "holds the headings again"
"""Why a row is no item."""
SECTION_ROW = "is a section's title, which stands as Section with the rows below it"
_FEW_CELLS = 3
_WORDS_OF_A_TOTAL = 2
"""Its name and a unit. A product may be called Total, and has more to say."""
_MOST_PRINTED = 0.3
"""Of a table's rows so many may be lines of printed pages, as a share."""
_UNIT_BEHIND = re.compile(r"(?<=\S)\s*(\[[^\]]{1,20}\]|\([^)]{1,20}\))\s*$")
_LONGEST_ITEM = 80
_SHOWN = 120


@dataclass
class Remark:
    """A row that is no item, and why."""

    row_no: int
    why: str
    text: str


@dataclass
class Found:
    """A table of a sheet. Columns count from 0 within the grid's rows; `stop` is None where it reaches to the end.

    `lone` are rows with a single filled cell; what they are is known only at the table's end.
    """

    heading: Heading
    """As it stands over all columns, of which the table may be a part."""
    header_row: int
    header: list[str]
    start: int
    stop: int | None
    data_row: int
    """Data begins here or below."""
    titles: list[str] = field(default_factory=list)
    last_row: int = 0
    last_full_row: int = 0
    rows: int = 0
    fills: Counter[int] = field(default_factory=Counter)
    reach: int = 0
    """The columns that some row fills, counted from `start`."""
    leftmost: int = 1_000_000
    """The first column that a row with more than one cell fills."""
    surplus: int = 0
    """Rows that reach beyond the headings."""
    lone: list[tuple[int, int, str]] = field(default_factory=list)
    gaps: int = 0
    """How often a row follows blank ones."""
    below_gap: set[int] = field(default_factory=set)
    """Those of the lone rows that follow blank ones."""
    above_gap: set[int] = field(default_factory=set)
    """Those of the lone rows that blank ones follow."""
    firsts: list[object] = field(default_factory=list)
    """What the first full rows begin with."""
    group: str = ""
    """The title above this table where tables stand side by side."""
    totals: list[Remark] = field(default_factory=list)
    printed: list[Remark] = field(default_factory=list)
    """Rows that read like a line of a printed page."""
    suspects: dict[int, str] = field(default_factory=dict)
    """Rows that have a total's word, and may be items."""
    heading_lines: list[list[str]] = field(default_factory=list)
    """What the headings' rows say in this table's columns, folded; the header as it is joined is the last."""
    labels: frozenset[str] = frozenset()
    """All of these texts: a look at a row's first cell is enough for most rows."""
    repeated: list[int] = field(default_factory=list)
    sections: dict[int, str] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)

    @property
    def skipped(self) -> set[int]:
        return {*self.sections, *self.repeated, *(one.row_no for one in self.remarks)}

    @property
    def items(self) -> int:
        return self.rows - len(self.skipped)

    def part_of(self, cells: Cells) -> Cells:
        return cells if self.start == 0 and self.stop is None else cells[self.start : self.stop]

    def _own(self, cells: Cells) -> Cells:
        """The blank columns up to the next table are none of its own."""
        own = cells[self.start : self.stop]
        while len(own) > len(self.header) and is_blank(own[-1]):
            own.pop()
        return own

    def _below(self, row_no: int, section: str) -> str:
        """The section of what follows a row that is no item."""
        if row_no not in self.sections:
            return section
        own = self.sections[row_no]
        return f"{self.group} / {own}" if self.group else own

    def rows_of(self, grid: Grid) -> Iterator[tuple[int, Cells, str]]:
        """Each item's row number, cells and section."""
        skipped, section = self.skipped, self.group
        whole = self.start == 0 and self.stop is None
        for row_no, cells in grid.rows():
            if row_no < self.data_row:
                continue
            if row_no > self.last_row:
                return
            if skipped and row_no in skipped:
                section = self._below(row_no, section)
                continue
            own = cells if whole else self._own(cells)
            # most rows begin with a word or a number, and one look tells
            first = own[0] if own else ""
            if (first == "" or (first.__class__ is str and first.isspace())) and all(map(is_blank, own)):
                continue
            yield row_no, own, section


def find_tables(grid: Grid, ask: Ask, rules: int = RULES) -> tuple[list[Found], list[Remark]]:
    """The tables in order, and the rows that belong to none."""
    scan = _Scan(grid, ask, rules)
    return scan.run()


def _asking_without_units(ask: Ask) -> Ask:
    """`Menge [g]` is asked as `Menge` too, where the whole is not known."""

    def asked(texts: Sequence[str]) -> list[str | None]:
        bare = [_UNIT_BEHIND.sub("", text) for text in texts]
        answers = ask([*texts, *bare])
        return [answers[at] or answers[at + len(texts)] for at in range(len(texts))]

    return asked


class _Scan:
    """The state of reading one sheet."""

    def __init__(self, grid: Grid, ask: Ask, rules: int) -> None:
        self._grid = grid
        self._ask = ask if rules < PRINTED_RULES else _asking_without_units(ask)
        self._rules = rules
        self._formerly = rules == FIRST_RULES
        self._tables: list[Found] = []
        self._current: list[Found] = []
        self._waiting: list[NumberedRow] = []
        self._pending: list[NumberedRow] = []
        """Rows of blocks that may be titles of what comes."""
        self._outside: list[Remark] = []

    def run(self) -> tuple[list[Found], list[Remark]]:
        last, judged = 0, False
        single: Found | None = None
        for row_no, cells in self._grid.rows():
            count = len(cells) - cells.count("")
            if count > 3 and single is not None and row_no == last + 1:
                # by far the most rows
                last = row_no
                self._add(single, row_no, cells, count)
                continue
            if count <= 3:
                count = len(filled(cells))
                if not count:
                    continue
            if row_no != last + 1 and last and not self._is_bridged(last, row_no):
                self._judge_waiting()
                judged, single = False, None
            last = row_no
            if judged:
                self._add_to_all(row_no, cells)
                continue
            self._waiting.append((row_no, cells))
            if len(self._waiting) >= _LOOKED_AT:
                self._judge_waiting()
                judged = bool(self._current)
                single = self._current[0] if len(self._current) == 1 else None
        self._judge_waiting()
        self._judge_pending()
        for table in self._tables:
            self._confirm_totals(table)
            _finish(table, loose=self._grid.loose, rules=self._rules)
        return [one for one in self._tables if one.rows or one.header_row], self._outside

    def _is_bridged(self, last: int, row_no: int) -> bool:
        """Whether the blank rows between are lines of merged cells, as in a header of several lines."""
        return any(s.first_row <= last + 1 and s.last_row >= row_no - 1 for s in self._grid.spans)

    # -- blocks

    def _judge_waiting(self) -> None:
        """The block's first rows have been read: do they begin a table, go on with one, or stand above one?"""
        rows, self._waiting = self._waiting, []
        if not rows:
            return
        if not self._current:
            self._begin_or_wait(rows)
            return
        begins = self._new_table_in(rows)
        for row_no, cells in rows[:begins]:
            self._add_to_all(row_no, cells)
        if begins < len(rows):
            self._current = []
            self._begin_or_wait(rows[begins:])
            if not self._current:
                self._judge_pending()

    def _begin_or_wait(self, rows: list[NumberedRow]) -> None:
        heading = self._heading(rows, self._grid.spans)
        short = len(rows) <= _TITLE_ROWS and all(len(filled(cells)) <= 2 for _, cells in rows)
        if heading is None or (short and heading.hits < 2):
            self._pending += rows
            if len(self._pending) > _LOOKED_AT:
                self._judge_pending()
            return
        self._begin(rows, heading)

    def _judge_pending(self) -> None:
        """Nothing wider came: what seemed to be titles is the table."""
        rows, self._pending = self._pending, []
        if not rows:
            return
        heading = self._heading(rows, self._grid.spans)
        if heading is None:
            self._outside += [Remark(row_no, "stands alone", _shown(cells)) for row_no, cells in rows]
        else:
            self._begin(rows, heading)

    def _new_table_in(self, rows: list[NumberedRow]) -> int:
        """The place of the row with which a new table begins among rows below a blank one; their number if none."""
        if len(self._tables) >= _MOST_TABLES:
            return len(rows)
        ask_at_once(rows, self._ask)
        for at, (_, cells) in enumerate(rows):
            if known_columns(cells, self._ask) >= 2 and not any(isinstance(cell, float) for cell in cells):
                return self._with_titles(rows, at)
        at = next((at for at, (_, cells) in enumerate(rows) if len(filled(cells)) > 1), len(rows))
        if at + 1 >= len(rows):
            return len(rows)
        heading = self._heading(rows[at:], self._grid.spans)
        is_one = heading is not None and heading.first == 0 and heading.strength >= _SURE
        return self._with_titles(rows, at) if is_one else len(rows)

    def _heading(self, rows: list[NumberedRow], spans: Sequence[Span]) -> Heading | None:
        """Headings that come again among the rows must not speak against themselves."""
        if self._rules < PRINTED_RULES:
            return find_heading(rows, spans, self._ask)
        kept = _of_words_once(rows)
        heading = find_heading([rows[at] for at in kept], spans, self._ask)
        if heading is None or len(kept) == len(rows):
            return heading
        if heading.first is None or heading.last is None:
            return replace(heading, data=kept[heading.data])
        last = kept[heading.last]
        return replace(heading, first=kept[heading.first], last=last, data=last + 1)

    def _with_titles(self, rows: list[NumberedRow], at: int) -> int:
        while at and len(filled(rows[at - 1][1])) == 1:
            at -= 1
        return at

    # -- tables

    def _begin(self, rows: list[NumberedRow], heading: Heading) -> None:
        for group in self._groups(rows, heading):
            self._tables.append(group)
            self._current.append(group)
        for row_no, cells in rows:
            self._add_to_all(row_no, cells)

    def _groups(self, rows: list[NumberedRow], heading: Heading) -> list[Found]:
        above = [cells for _, cells in [*self._pending, *rows[: heading.data]]]
        header_lines = 0 if heading.first is None or heading.last is None else heading.last + 1 - heading.first
        titles = [_shown(cells) for cells in above[: len(above) - header_lines]]
        self._pending = []
        whole = self._found(rows, heading, 0, None, titles)
        lanes = _lanes(rows[heading.data :], heading) if self._formerly else _pieces(rows[heading.data :], heading)
        if len(lanes) < 2:
            return [whole]
        if titled := self._titled(rows, heading, lanes, above):
            return titled
        if _repeat(heading.texts, lanes, self._ask):
            return [self._found(rows, heading, start, stop, titles) for start, stop in lanes]
        apart = [self._lane(rows, start, stop) for start, stop in lanes]
        starts = {found.header_row for found in apart if found is not None}
        if all(found is not None and found.header_row for found in apart) and len(starts) > 1:
            apart[0].titles = titles  # type: ignore[union-attr]  # none of them is None
            return [found for found in apart if found is not None]
        if self._formerly or heading.first is None:
            return [whole]
        if _is_one(rows[heading.data :], heading.texts, lanes, self._ask, self._rules):
            return [whole]
        return [
            self._found(rows, self._own(heading, start, stop), start, stop, [] if at else titles)
            for at, (start, stop) in enumerate(lanes)
        ]

    def _own(self, heading: Heading, start: int, stop: int | None) -> Heading:
        """A heading that knows only of its own columns; the other tables' say nothing of this one."""
        return replace(heading, hits=known_columns(heading.texts[start:stop], self._ask))

    def _titled(
        self, rows: list[NumberedRow], heading: Heading, lanes: list[tuple[int, int | None]], above: list[Cells]
    ) -> list[Found]:
        """Tables side by side of the same headings, each below a title of its own. Nothing where they are not so."""
        if heading.last is None or heading.first is None or heading.last - heading.first > 1 or len(above) < 2:
            return []
        groups = [_only_text(above[-2][start:stop]) for start, stop in lanes]
        texts = ["" if is_blank(cell) else text_of(cell) for cell in above[-1]]
        if any(group is None for group in groups) or not _repeat(texts, lanes, self._ask):
            return []
        own = replace(heading, first=heading.last, texts=texts, hits=known_columns(texts, self._ask))
        titles = [_shown(cells) for cells in above[:-2]]
        tables = [self._found(rows, own, start, stop, titles) for start, stop in lanes]
        for table, group in zip(tables, groups, strict=True):
            table.group = group or ""
        return tables

    def _lane(self, rows: list[NumberedRow], start: int, stop: int | None) -> Found | None:
        own = [(row_no, cells[start:stop]) for row_no, cells in rows]
        own = [(row_no, cells) for row_no, cells in own if filled(cells)]
        heading = self._heading(own, ()) if own else None
        if heading is None or heading.first is None or heading.strength < 1:
            return None
        found = self._found(own, heading, 0, None, [])
        found.start, found.stop = start, stop
        return found

    def _found(
        self, rows: list[NumberedRow], heading: Heading, start: int, stop: int | None, titles: list[str]
    ) -> Found:
        texts = heading.texts[start:stop]
        while heading.first is not None and texts and not texts[-1]:
            texts.pop()
        header_row = 0 if heading.first is None else rows[heading.first][0]
        data_row = rows[heading.data][0] if heading.data < len(rows) else rows[-1][0] + 1
        if heading.last is not None:
            data_row = rows[heading.last][0] + 1
        found = Found(heading, header_row, texts, start, stop, data_row, titles, last_row=data_row - 1)
        if heading.first is not None and heading.last is not None:
            lines = [cells[start:stop] for _, cells in rows[heading.first : heading.last + 1]]
            found.heading_lines = [_folded(line) for line in [*lines, list[object](texts)]]
            found.labels = frozenset(text for line in found.heading_lines for text in line)
        return found

    def _add_to_all(self, row_no: int, cells: Cells) -> None:
        for table in self._current:
            own = table.part_of(cells)
            places = filled(own)
            if places and row_no >= table.data_row:
                self._add(table, row_no, own, len(places))

    def _add(self, table: Found, row_no: int, cells: Cells, count: int) -> None:
        """`cells` are the table's own columns. Called for every row: the usual one must cost little."""
        table.rows += 1
        is_below_gap = row_no > table.last_row + 1
        if is_below_gap:
            table.gaps += 1
            if table.lone and table.lone[-1][0] == table.last_row:
                table.above_gap.add(table.last_row)
        table.last_row = row_no
        table.fills[count] += 1
        if len(cells) > len(table.header):
            self._note_reach(table, cells)
        if count <= _FEW_CELLS and self._rules >= PRINTED_RULES and self._is_printed(table, row_no, cells, count):
            return
        if count == 1:
            place = filled(cells)[0]
            if len(table.lone) < _MOST_REMARKS:
                table.lone.append((row_no, place, text_of(cells[place])))
                if is_below_gap:
                    table.below_gap.add(row_no)
            return
        table.last_full_row = row_no
        first = cells[0]
        if first == "":
            place, first = next((at, cell) for at, cell in enumerate(cells) if cell != "")
            table.leftmost = min(table.leftmost, place)
        else:
            table.leftmost = 0
        if len(table.firsts) < _LOOKED_AT:
            table.firsts.append(first)
        if first.__class__ is str:
            if self._repeats_header(table, first, cells):
                table.repeated.append(row_no)
            elif len(first) < 30 and is_total(first.strip(), formerly=self._formerly):
                if self._rules < PRINTED_RULES or _words_in(cells) <= _WORDS_OF_A_TOTAL:
                    table.totals.append(Remark(row_no, TOTAL, _shown(cells)))
                else:
                    table.suspects[row_no] = _shown(cells)

    def _is_printed(self, table: Found, row_no: int, cells: Cells, count: int) -> bool:
        """Whether a row of few cells is no item by what it says. One that may be a total is noted."""
        texts = [text_of(cell) for cell in cells if not is_blank(cell)]
        width = max(len(table.header), _FEW_CELLS)
        if 2 * count <= width and len(table.printed) < _MOST_REMARKS and is_print_line(texts):
            table.printed.append(Remark(row_no, PRINT_LINE, _shown(cells)))
            return True
        if count == 1 and tells_how_many(texts[0]) and len(table.totals) < _MOST_REMARKS:
            table.totals.append(Remark(row_no, TOTAL, texts[0]))
            return True
        if count <= width - 2 and len(table.suspects) < _MOST_REMARKS and any(map(may_be_total, texts)):
            table.suspects[row_no] = _shown(cells)
        return False

    def _confirm_totals(self, table: Found) -> None:
        """Of the rows that may be totals, those are whose number is the sum or the count of what stands above."""
        known = {one.row_no for one in table.totals}
        suspects = table.suspects.keys() - known - set(table.repeated)
        if not suspects:
            return
        apart = {one.row_no for one in table.printed} | set(table.repeated)
        rows = (
            (row_no, table.part_of(cells))
            for row_no, cells in self._grid.rows()
            if table.data_row <= row_no <= table.last_row and row_no not in apart
        )
        items = ((row_no, cells) for row_no, cells in rows if filled(cells))
        sure = adding_up(items, suspects, known)
        table.totals += [Remark(row_no, TOTAL, table.suspects[row_no]) for row_no in sorted(sure)]
        table.lone = [one for one in table.lone if one[0] not in sure]

    def _note_reach(self, table: Found, cells: Cells) -> None:
        reach = len(cells) if cells[-1] != "" else filled(cells)[-1] + 1
        table.reach = max(table.reach, reach)
        table.surplus += reach > len(table.header)

    def _repeats_header(self, table: Found, first: str, cells: Cells) -> bool:
        """`first` is the row's first text. Whether each of its cells says what a line of the headings says there, and
        most of that line's cells are filled."""
        if len(table.repeated) >= _MOST_REMARKS:
            return False
        if self._rules < PRINTED_RULES:
            return bool(table.header) and first == table.header[0] and _texts(cells) == table.header
        if first.strip().casefold() not in table.labels:
            return False
        own = _folded(cells)
        said = [at for at, text in enumerate(own) if text]
        return any(
            all(at < len(line) and own[at] == line[at] for at in said) and 2 * len(said) > len(line) - line.count("")
            for line in table.heading_lines
        )


def _of_words_once(rows: Sequence[NumberedRow]) -> list[int]:
    """The places of the rows but for those of several words that an earlier one says too."""
    seen: set[tuple[str, ...]] = set()
    kept: list[int] = []
    for at, (_, cells) in enumerate(rows):
        said = tuple(_folded(cells))
        is_words = len(said) - said.count("") > 1 and all(is_blank(one) or kind_of_cell(one) == "t" for one in cells)
        if not (is_words and said in seen):
            kept.append(at)
        seen.add(said)
    return kept


def _texts(cells: Cells) -> list[str]:
    texts = ["" if is_blank(cell) else text_of(cell) for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    return texts


def _folded(cells: Cells) -> list[str]:
    return [text.casefold() for text in _texts(cells)]


def _words_in(cells: Cells) -> int:
    return sum(kind_of_cell(cell) == "t" for cell in cells if not is_blank(cell))


def _shown(cells: Cells) -> str:
    return " | ".join(text_of(cell) for cell in cells if not is_blank(cell))[:_SHOWN]


def _only_text(cells: Cells) -> str | None:
    """The text of cells of which one alone is filled; None where it is not so."""
    places = filled(cells)
    return text_of(cells[places[0]]) if len(places) == 1 and kind_of_cell(cells[places[0]]) != "v" else None


def _lanes(rows: Sequence[NumberedRow], heading: Heading) -> list[tuple[int, int | None]]:
    """Groups of columns that a column without heading and without values sets apart. At least two columns each."""
    used = {at for _, cells in rows for at in filled(cells)} | {at for at, text in enumerate(heading.texts) if text}
    groups = _runs_of(sorted(used))
    if len(groups) < 2 or any(len(group) < 2 for group in groups):
        return []
    return [(group[0], None if group is groups[-1] else group[-1] + 1) for group in groups]


def _pieces(rows: Sequence[NumberedRow], heading: Heading) -> list[tuple[int, int | None]]:
    """Where columns stand together: from each to the next, so that what comes in a blank column is not lost.

    Those that are alone, or have no headings where others have, belong to what is left of them.
    """
    used = {at for _, cells in rows for at in filled(cells)} | {at for at, text in enumerate(heading.texts) if text}
    starts: list[int] = []
    headed = any(heading.texts)
    for group in _runs_of(sorted(used)):
        stands_alone = len(group) < 2 or (headed and not any(heading.texts[group[0] : group[-1] + 1]))
        if not starts or not stands_alone:
            starts.append(group[0])
    return [(start, stop) for start, stop in zip(starts, [*starts[1:], None], strict=True)] if len(starts) > 1 else []


def _runs_of(places: Sequence[int]) -> list[list[int]]:
    groups: list[list[int]] = []
    for at in places:
        if groups and at == groups[-1][-1] + 1:
            groups[-1].append(at)
        else:
            groups.append([at])
    return groups


def _is_one(
    rows: Sequence[NumberedRow], texts: list[str], lanes: list[tuple[int, int | None]], ask: Ask, rules: int
) -> bool:
    """Whether a blank column parts one table, not two: no known heading comes twice, all of it is as long, and all
    headings are known (by earlier rules only then), or what is beyond the blank column tells more of what is before it,
    or the names before it stand alone.
    Any doubt makes two of it: rows that are joined wrongly look like good ones (decisions/0037)."""
    known = [ask([text for text in texts[start:stop] if text]) for start, stop in lanes]
    named = [column for each in known for column in each if column is not None]
    if len(set(named)) < len(named):
        return False
    is_known = len(named) == sum(map(len, known))
    if rules > NAMES_APART_RULES and _are_names(known) and _fill_the_same_rows(rows, lanes):
        return True
    if not is_known and (rules <= _ALL_KNOWN_RULES or not _tells_more(known)):
        return False
    last = len(rows) - 1
    ends = [
        max((at for at, (_, cells) in enumerate(rows) if filled(cells[start:stop])), default=last)
        for start, stop in lanes
    ]
    return max(ends) - min(ends) < _SURE


def _tells_more(known: Sequence[Sequence[str | None]]) -> bool:
    """Whether the first of these groups of columns names things, and each other begins with a known heading, has mostly
    such, and names nothing: it would be a list of nothing by itself."""
    first, *others = known
    return not _NAMING.isdisjoint(first) and all(
        each[0] is not None and _NAMING.isdisjoint(each) and 2 * each.count(None) <= len(each) for each in others
    )


def _are_names(known: Sequence[Sequence[str | None]]) -> bool:
    """Whether the first of these groups is one column that names things, and most headings of each other are known."""
    first, *others = known
    return (
        len(first) == 1 and not _NAMING.isdisjoint(first) and all(2 * each.count(None) <= len(each) for each in others)
    )


def _fill_the_same_rows(rows: Sequence[NumberedRow], lanes: list[tuple[int, int | None]]) -> bool:
    """Whether no row is blank in one group of columns only: a list beside a table would be as long by chance."""
    return all(len({bool(filled(cells[start:stop])) for start, stop in lanes}) == 1 for _, cells in rows)


def _repeat(texts: list[str], lanes: list[tuple[int, int | None]], ask: Ask) -> bool:
    """Whether the groups' headings say the same, or name the same columns."""
    said = [[text for text in texts[start:stop] if text] for start, stop in lanes]
    folded = [{text.casefold() for text in each} for each in said]
    if all(len(folded[0] & other) >= max(2, len(other) / 2) for other in folded[1:]):
        return True
    named = [set(ask(each)) - {None} for each in said]
    return all(len(each) >= 2 for each in named) and bool(set.intersection(*named))


# -- at a table's end ------------------------------------------------------------------------------------------------


def _finish(table: Found, *, loose: bool, rules: int) -> None:
    formerly = rules == FIRST_RULES
    table.remarks += table.totals
    usual = max((count for count in table.fills if count > 1), key=lambda count: table.fills[count], default=1)
    several = max(table.reach, len(table.header)) >= 3
    if rules >= PRINTED_RULES:
        table.remarks += [Remark(row_no, HEADINGS_AGAIN, "") for row_no in table.repeated]
        if several and usual >= 2:
            _mark_printed(table)
    inside = [each for each in table.lone if each[0] < table.last_full_row]
    behind = [each for each in table.lone if each[0] > table.last_full_row]
    if several and usual >= 2 and table.last_full_row:
        _mark_notes(table, behind, formerly=formerly)
        if len(inside) <= 0.4 * table.rows and table.rows >= 4:
            _mark_sections(table, inside, formerly=formerly)
    table.remarks.sort(key=lambda one: one.row_no)
    # in a text file, a few rows with too many cells are more likely cut wrongly than to have something to say there
    if not table.header_row or not loose or table.surplus > table.rows / 2:
        table.header += [""] * (table.reach - len(table.header))


def _mark_printed(table: Found) -> None:
    """Not where items are named so, nor where too many rows are."""
    named_so = any(is_print_line([text_of(cell)]) for cell in table.firsts)
    if not named_so and len(table.printed) <= _MOST_PRINTED * table.rows:
        table.remarks += table.printed


def _mark_notes(table: Found, behind: list[tuple[int, int, str]], *, formerly: bool) -> None:
    """What stands below the last full row: set apart by a blank row, or in a note's words. Else it is an item."""
    last = table.last_full_row
    for row_no, _, text in behind:
        if is_total(text, formerly=formerly):
            table.remarks.append(Remark(row_no, TOTAL, text[:_SHOWN]))
        elif kind_of_cell(text) == "t" and (row_no > last + 1 or len(text) > _LONGEST_ITEM or _NOTE.match(text)):
            table.remarks.append(Remark(row_no, "is a note below the table", text[:_SHOWN]))
        else:
            # the next one follows an item directly
            last = row_no


def _mark_sections(table: Found, inside: list[tuple[int, int, str]], *, formerly: bool) -> None:
    """Single cells within the table: totals, and titles of sections where something speaks for it. Else items."""
    lone: list[tuple[int, str]] = []
    for row_no, place, text in inside:
        if is_total(text, formerly=formerly):
            table.remarks.append(Remark(row_no, TOTAL, text[:_SHOWN]))
        elif place == table.leftmost and kind_of_cell(text) == "t" and len(text) <= _SHOWN:
            lone.append((row_no, text))
    above: tuple[int, str] | None = None
    titles = _titles_of_sections(table, lone)
    for row_no, text in lone:
        if row_no not in titles:
            continue
        joined = above is not None and above[0] == row_no - 1 and above[1] != text
        table.sections[row_no] = f"{above[1]} / {text}" if joined and above else text
        above = (row_no, table.sections[row_no])
        table.remarks.append(Remark(row_no, SECTION_ROW, text))


def _titles_of_sections(table: Found, lone: list[tuple[int, str]]) -> set[int]:
    """Which of the single cells are titles of sections. An item of which only the name is known looks the same."""
    rows = {row_no for row_no, _ in lone}
    if sum(kind_of_cell(cell) == "t" for cell in table.firsts) <= 0.3 * len(table.firsts):
        # words in a column of numbers
        return rows
    runs = _runs(lone)
    titles = _dividing(table, runs)
    # where blank rows stand everywhere they set nothing apart
    gaps_tell = 2 * len(table.below_gap & rows) >= table.gaps
    for run in runs:
        first, last = run[0][0], run[-1][0]
        is_apart = gaps_tell and first in table.below_gap and (first == last or last in table.above_gap)
        if is_apart or any(_is_line(text) for _, text in run):
            titles |= {row_no for row_no, _ in run}
        else:
            titles |= {row_no for row_no, text in run if _SECTION.fullmatch(text)}
    if titles and table.data_row in rows:
        titles.add(table.data_row)
    return titles


def _runs(lone: list[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """Rows that follow each other directly, together."""
    runs: list[list[tuple[int, str]]] = []
    for row_no, text in lone:
        if runs and runs[-1][-1][0] == row_no - 1:
            runs[-1].append((row_no, text))
        else:
            runs.append([(row_no, text)])
    return runs


def _dividing(table: Found, runs: list[list[tuple[int, str]]]) -> set[int]:
    """The rows that part a table, from its first row on, into two blocks or more, hardly any of a single row."""
    if len(runs) < 2 or runs[0][0][0] != table.data_row:
        return set()
    ends = [run[0][0] for run in runs[1:]] + [table.last_full_row + 1]
    sizes = [end - run[-1][0] - 1 for run, end in zip(runs, ends, strict=True)]
    count, small = 0, 0
    for number, size in enumerate(sizes, start=1):
        small += size < 2
        if number >= 2 and size >= 2 and small <= 0.25 * number:
            count = number
    return {row_no for run in runs[:count] for row_no, _ in run}


def _is_line(text: str) -> bool:
    """Whether a text is drawn, not written: a row of stars or dashes."""
    return len(text) >= 3 and not any(map(str.isalnum, text))
