"""What many rows are to their table, at once: as `take_row` says it of each (rows).

Belongs here: finding those of them that must be looked at one by one. Not here: what a single row is.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from hub_pipelines.validate.parsing.blocks import Block
from hub_pipelines.validate.parsing.layout.rows import FEW_CELLS, is_harmless, look_at_words
from hub_pipelines.validate.parsing.layout.rules import PRINTED_RULES
from hub_pipelines.validate.parsing.layout.table import LOOKED_AT, FoundTable
from hub_pipelines.validate.parsing.layout.totals import begins_as_total
from hub_pipelines.validate.parsing.packed import Packed

if TYPE_CHECKING:
    import numpy


def take_block(table: FoundTable, block: Block | Packed, rules: int) -> bool:
    """False, and nothing is taken, where some of the rows may be other than usual."""
    if rules < PRINTED_RULES or block.first != table.last_row + 1 or len(block.columns) > len(table.header):
        return False
    return _take_texts(table, block, rules) if isinstance(block, Block) else _take_packed(table, block, rules)


def _take_texts(table: FoundTable, block: Block, rules: int) -> bool:
    import numpy

    filled = block.filled()
    if int(filled.min()) <= FEW_CELLS:
        return False
    _count(table, block, dict(zip(*(one.tolist() for one in numpy.unique(filled, return_counts=True)), strict=True)))
    table.before = block.cells(len(block) - 1)[0]
    leftmost = next(at for at, column in enumerate(block.columns) if column.data)
    table.leftmost = min(table.leftmost, leftmost)
    for _, cells in block.some(0, min(len(block), LOOKED_AT - len(table.firsts))):
        table.firsts.append(_first(cells))
    told = _beginnings(table.labels)[block.columns[0].beginnings()]
    for at in numpy.flatnonzero(told).tolist():
        cells = block.cells(at)
        look_at_words(table, block.first + at, _first(cells), cells, rules)
    return True


def _take_packed(table: FoundTable, block: Packed, rules: int) -> bool:
    if min(block.fills) <= FEW_CELLS:
        return False
    _count(table, block, block.fills)
    table.leftmost = 0
    beginnings = block.beginnings()
    table.before = beginnings[-1]
    table.firsts += beginnings[: LOOKED_AT - len(table.firsts)]
    if all(is_harmless(table, opening, rules) for opening in block.openings):
        return True
    texts = ((at, first) for at, first in enumerate(beginnings) if isinstance(first, str))
    if words := {at: first for at, first in texts if not is_harmless(table, first[:2], rules)}:
        for at, (row_no, cells) in enumerate(block.rows()):
            if at in words:
                look_at_words(table, row_no, words[at], cells, rules)
    return True


def _count(table: FoundTable, block: Block | Packed, fills: Mapping[int, int]) -> None:
    table.rows += len(block)
    table.last_row = table.last_full_row = block.last
    table.fills.update(fills)


def _first(cells: list[object]) -> str:
    return next(str(cell) for cell in cells if cell != "")


@cache
def _beginnings(labels: frozenset[str]) -> "numpy.ndarray[Any, Any]":
    """By the first two bytes of a cell (blocks.Texts.beginnings): whether it may say what a heading (`labels`) or a
    total does. An empty or blank beginning may be followed by anything, and letters beyond ASCII are looked at."""
    import numpy

    may_be = numpy.zeros((256, 256), bool)
    may_be[0x80:, :] = may_be[:, 0x80:] = True
    may_be[: ord(" ") + 1, :] = True
    starts = {(label[:1], label[1:2]) for label in labels}
    letters = [chr(code) for code in range(128)]
    for first in letters:
        for second in ["", *letters[1:]]:
            # what follows a single letter may be blank
            begins = {(first, second), (first, second.strip())}
            is_label = any((a.casefold(), b.casefold()) in starts for a, b in begins)
            if is_label or any(begins_as_total(a, b) for a, b in begins):
                may_be[ord(first), ord(second or "\0")] = True
    return may_be.reshape(-1)
