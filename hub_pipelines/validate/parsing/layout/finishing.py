"""Which rows of a table are no items, once all of them have been read.

Belongs here: totals that the numbers above bear out, lines of printed pages, notes below. Not here: titles of sections
(sections), what one row tells by itself (rows).
"""

import re

from hub_pipelines.validate.parsing.grid import SHOWN, Grid, filled, text_of
from hub_pipelines.validate.parsing.layout.heading_row import kind_of_cell
from hub_pipelines.validate.parsing.layout.print_lines import is_print_line
from hub_pipelines.validate.parsing.layout.rules import FIRST_RULES, PREPARED_RULES, PRINTED_RULES, THINGS_RULES
from hub_pipelines.validate.parsing.layout.sections import mark_sections
from hub_pipelines.validate.parsing.layout.sums import adding_up
from hub_pipelines.validate.parsing.layout.table import HEADINGS_AGAIN, TOTAL, FoundTable, Remark
from hub_pipelines.validate.parsing.layout.totals import is_total

_NOTE = re.compile(r"(notes?|source|prepared|printed|remarks?|legend|key|updated|checked|signed|page)\b|[*†‡(#]", re.I)
_MOST_PRINTED = 0.3
"""Of a table's rows so many may be lines of printed pages, as a share."""
_LONGEST_ITEM = 80


def finish(table: FoundTable, grid: Grid, rules: int) -> None:
    """Once for each table, when its sheet has been read: its remarks, sections and header are complete then."""
    _confirm_totals(table, grid, rules)
    formerly = rules == FIRST_RULES
    table.remarks += table.totals
    usual = max((count for count in table.fills if count > 1), key=lambda count: table.fills[count], default=1)
    several = max(table.reach, len(table.header)) >= 3
    if table.last_full_row:
        table.remarks += table.prepared
    if rules >= PRINTED_RULES:
        table.remarks += [Remark(row_no, HEADINGS_AGAIN, "") for row_no in table.repeated]
        if several and usual >= 2:
            _mark_printed(table)
    inside = [each for each in table.lone if each[0] < table.last_full_row]
    behind = [each for each in table.lone if each[0] > table.last_full_row]
    if several and usual >= 2 and table.last_full_row:
        _mark_notes(table, behind, formerly=formerly)
        if len(inside) <= 0.4 * table.rows and table.rows >= 4:
            mark_sections(table, inside, formerly=formerly)
    table.remarks.sort(key=lambda one: one.row_no)
    # in a text file, a few rows with too many cells are more likely cut wrongly than to have something to say there,
    # unless the headings' own line has as many
    is_cut_alike = rules >= PREPARED_RULES and table.widest <= table.cut
    if not table.header_row or not grid.loose or table.surplus > table.rows / 2 or is_cut_alike:
        table.header += [""] * (table.reach - len(table.header))


def _confirm_totals(table: FoundTable, grid: Grid, rules: int) -> None:
    """Of the rows that may be totals, those are whose number is the sum or the count of what stands above."""
    known = {one.row_no for one in table.totals}
    suspects = table.suspects.keys() - known - set(table.repeated)
    if not suspects:
        return
    apart = {one.row_no for one in table.printed} | set(table.repeated)
    rows = (
        (row_no, table.part_of(cells))
        for row_no, cells in grid.rows()
        if table.data_row <= row_no <= table.last_row and row_no not in apart
    )
    items = ((row_no, cells) for row_no, cells in rows if filled(cells))
    sure = adding_up(items, suspects, known, without_texts=rules >= THINGS_RULES)
    table.totals += [Remark(row_no, TOTAL, table.suspects[row_no]) for row_no in sorted(sure)]
    table.lone = [one for one in table.lone if one[0] not in sure]


def _mark_printed(table: FoundTable) -> None:
    """Not where items are named so, nor where too many rows are."""
    named_so = any(is_print_line([text_of(cell)]) for cell in table.firsts)
    if not named_so and len(table.printed) <= _MOST_PRINTED * table.rows:
        table.remarks += table.printed


def _mark_notes(table: FoundTable, behind: list[tuple[int, int, str]], *, formerly: bool) -> None:
    """What stands below the last full row: set apart by a blank row, or in a note's words. Else it is an item."""
    last = table.last_full_row
    for row_no, _, text in behind:
        if is_total(text, formerly=formerly):
            table.remarks.append(Remark(row_no, TOTAL, text[:SHOWN]))
        elif kind_of_cell(text) == "t" and (row_no > last + 1 or len(text) > _LONGEST_ITEM or _NOTE.match(text)):
            table.remarks.append(Remark(row_no, "is a note below the table", text[:SHOWN]))
        else:
            # the next one follows an item directly
            last = row_no
