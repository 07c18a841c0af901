"""What a row is to its table when it is read.

Belongs here: what is counted of every row, and which rows may be no items. Not here: what only the table's end tells
(finishing, sections).
"""

from hub_pipelines.validate.parsing.grid import Cells, filled, folded, is_blank, shown, text_of, texts_of
from hub_pipelines.validate.parsing.layout.heading_row import kind_of_cell
from hub_pipelines.validate.parsing.layout.print_lines import is_print_line
from hub_pipelines.validate.parsing.layout.rules import (
    FIRST_RULES,
    NUMBERED_RULES,
    PREPARED_RULES,
    PRINTED_RULES,
    THINGS_RULES,
)
from hub_pipelines.validate.parsing.layout.table import LOOKED_AT, PREPARED, PRINT_LINE, TOTAL, FoundTable, Remark
from hub_pipelines.validate.parsing.layout.totals import (
    begins_as_total,
    is_total,
    may_be_total,
    says_how_many,
    tells_how_many,
)

_MOST_REMARKS = 10_000
FEW_CELLS = 3
"""Rows of more cells than these are hardly anything but items."""
_MOST_PREPARED = 1_000_000
_LONGEST_NUMBER = 7
_MOST_OPENINGS = 4_096
_NOTHING = frozenset(("FALSE", "0", "#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"))
"""What cells of formulas and boxes say that were filled down before there was an item."""
_NUMBERS_OF_ROWS = frozenset(
    (
        "no", "nr", "n°", "nº", "№", "#", "num", "number", "s no", "sl no", "sr no", "row", "line", "index",
        "row no", "line no", "lfd nr", "lfd no", "pos", "pos nr", "序号", "番号", "번호",
    )
)  # fmt: skip
"""Headings of a column that only counts its rows, without points and in small letters. The contract knows none."""
_WORDS_OF_A_TOTAL = 2
"""Its name and a unit. A product may be called Total, and has more to say."""


def take_row(table: FoundTable, row_no: int, cells: Cells, count: int, rules: int) -> None:
    """`cells` are the table's own columns, `count` how many of them are filled.

    Called for every row: the usual one must cost little.
    """
    first = cells[0]
    if (
        count > FEW_CELLS
        and row_no == table.last_row + 1
        and len(table.firsts) == LOOKED_AT
        and len(cells) <= len(table.header)
        and first != ""
        and (first.__class__ is not str or table.harmless.get(first[:2]))
    ):
        table.rows += 1
        table.last_row = table.last_full_row = row_no
        table.fills[count] += 1
        table.before, table.leftmost = first, 0
        return
    table.rows += 1
    is_below_gap = row_no > table.last_row + 1
    if is_below_gap:
        table.gaps += 1
        if table.lone and table.lone[-1][0] == table.last_row:
            table.above_gap.add(table.last_row)
    table.last_row = row_no
    table.fills[count] += 1
    if len(cells) > len(table.header):
        _note_reach(table, cells)
    before, table.before = table.before, first
    if count <= FEW_CELLS and rules >= PRINTED_RULES:
        if rules >= PREPARED_RULES and _is_prepared(table, cells, before, rules):
            table.prepared.append(Remark(row_no, PREPARED, ""))
            return
        if _is_printed(table, row_no, cells, count, rules):
            return
    if count == 1:
        place = filled(cells)[0]
        if len(table.lone) < _MOST_REMARKS:
            table.lone.append((row_no, place, text_of(cells[place])))
            if is_below_gap:
                table.below_gap.add(row_no)
        return
    table.last_full_row = row_no
    if first == "":
        place, first = next((at, cell) for at, cell in enumerate(cells) if cell != "")
        table.leftmost = min(table.leftmost, place)
    else:
        table.leftmost = 0
    if len(table.firsts) < LOOKED_AT:
        table.firsts.append(first)
    if isinstance(first, str) and not is_harmless(table, first[:2], rules):
        look_at_words(table, row_no, first, cells, rules)


def look_at_words(table: FoundTable, row_no: int, first: str, cells: Cells, rules: int) -> None:
    """Whether a row of several cells, of which the first says `first`, is no item by what it says."""
    if _repeats_header(table, first, cells, rules):
        table.repeated.append(row_no)
    elif len(first) < 30 and is_total(first.strip(), formerly=rules == FIRST_RULES):
        if rules < PRINTED_RULES or _words_in(cells) <= _WORDS_OF_A_TOTAL:
            table.totals.append(Remark(row_no, TOTAL, shown(cells)))
        else:
            table.suspects[row_no] = shown(cells)


def is_harmless(table: FoundTable, opening: str, rules: int) -> bool:
    """Whether a text that begins so can be neither a heading nor a total's word; once for all texts that do. False
    where so many openings are known that another one is not looked at."""
    known = table.harmless.get(opening)
    if known is None and len(table.harmless) < _MOST_OPENINGS:
        begin = opening.casefold()
        may_be_label = opening[:1].isspace() or any(label.startswith(begin) for label in table.labels)
        known = table.harmless[opening] = (
            rules >= PRINTED_RULES and not may_be_label and not begins_as_total(opening[0], opening[1:2])
        )
    return known or False


def _note_reach(table: FoundTable, cells: Cells) -> None:
    reach = len(cells) if cells[-1] != "" else filled(cells)[-1] + 1
    table.reach = max(table.reach, reach)
    table.surplus += reach > len(table.header)
    table.widest = max(table.widest, len(cells))


def _is_prepared(table: FoundTable, cells: Cells, before: object, rules: int) -> bool:
    """Whether a row of few cells says nothing: formulas that found nothing, unticked boxes, the number after the one of
    the row before (`before`), unless it may be the item's own. A column of numbers alone may be anything."""
    if len(table.header) < FEW_CELLS or len(table.prepared) >= _MOST_PREPARED:
        return False
    places = filled(cells)
    counts_on = places[0] == 0 and _whole(cells[0]) is not None and _whole(cells[0]) == (_whole(before) or 0) + 1
    counts_on = counts_on and (rules < NUMBERED_RULES or _numbers_rows(table))
    says = [cells[at] for at in places[1 if counts_on else 0 :]]
    return all(text_of(cell).upper() in _NOTHING for cell in says)


def _numbers_rows(table: FoundTable) -> bool:
    """A column without a heading does so among others that have one."""
    heading = " ".join(table.header[0].replace(".", " ").split()).strip(" :*").casefold()
    return heading in _NUMBERS_OF_ROWS or (not heading and any(table.header))


def _whole(cell: object) -> int | None:
    text = text_of(cell)
    return int(text) if text.isdecimal() and len(text) <= _LONGEST_NUMBER else None


def _is_printed(table: FoundTable, row_no: int, cells: Cells, count: int, rules: int) -> bool:
    """Whether a row of few cells is no item by what it says. One that may be a total is noted."""
    texts = [text_of(cell) for cell in cells if not is_blank(cell)]
    width = max(len(table.header), FEW_CELLS)
    if 2 * count <= width and len(table.printed) < _MOST_REMARKS and is_print_line(texts):
        table.printed.append(Remark(row_no, PRINT_LINE, shown(cells)))
        return True
    if _is_count(texts, rules) and len(table.totals) < _MOST_REMARKS:
        table.totals.append(Remark(row_no, TOTAL, shown(cells)))
        return True
    if count <= width - 2 and len(table.suspects) < _MOST_REMARKS and any(map(may_be_total, texts)):
        table.suspects[row_no] = shown(cells)
    return False


def _is_count(texts: list[str], rules: int) -> bool:
    """Whether a row says how many there are, and nothing else."""
    if rules < THINGS_RULES or not says_how_many(texts[0]):
        return len(texts) == 1 and tells_how_many(texts[0])
    return len(texts) == 1 or (len(texts) == 2 and kind_of_cell(texts[1]) == "v")


def _repeats_header(table: FoundTable, first: str, cells: Cells, rules: int) -> bool:
    """`first` is the row's first text. Whether each of its cells says what a line of the headings says there, and
    most of that line's cells are filled."""
    if len(table.repeated) >= _MOST_REMARKS:
        return False
    if rules < PRINTED_RULES:
        return bool(table.header) and first == table.header[0] and texts_of(cells) == table.header
    if first.strip().casefold() not in table.labels:
        return False
    own = folded(cells)
    said = [at for at, text in enumerate(own) if text]
    return any(
        all(at < len(line) and own[at] == line[at] for at in said) and 2 * len(said) > len(line) - line.count("")
        for line in table.heading_lines
    )


def _words_in(cells: Cells) -> int:
    return sum(kind_of_cell(cell) == "t" for cell in cells if not is_blank(cell))
