"""Many lines of a text file cut at once.

Belongs here: which lines a program for columns cuts as the csv module does, and cutting these. Not here: all others
(text), what becomes of the cells.
Lines are cut at once only where nothing is in doubt: each quotation mark opens a cell, closes one, or is one of two
within one; no cell holds a line's end; each line has the same number of cells; no row is blank. Then there is but one
way to cut them. Whatever else a file holds is cut by the csv module, a stretch of lines at a time.
"""

import csv
from typing import TYPE_CHECKING, Any

from hub_pipelines.validate.parsing.blocks import Block, Texts
from hub_pipelines.validate.parsing.grid import is_blank

if TYPE_CHECKING:
    import numpy
    import pyarrow

    _Array = numpy.ndarray[Any, Any]

_LINE_END, _RETURN, _QUOTE, _SPACE = b'\n\r" '
_NO_ASCII = 0x7F
_BOM = b"\xef\xbb\xbf"
_MOST_COLUMNS = 1_000


class Cutter:
    """Cuts the pieces of one file. They are the same each time that it is read: what was found about one is not asked
    again."""

    def __init__(self, delimiter: str, *, longest_line: int, skip_blanks: bool) -> None:
        """`delimiter` is one ASCII character, cells are quoted by double quotation marks. No line is longer than
        `longest_line` bytes. With `skip_blanks` spaces in front of a cell do not belong to it."""
        self._delimiter = delimiter
        self._longest_line = longest_line
        self._skip_blanks = skip_blanks
        self._is_cut: dict[int, bool] = {}
        """By its number whether a piece is cut here."""

    def cut(self, piece: int, lines: bytes, first: int) -> Block | None:
        """The whole lines of a piece, in UTF-8, as the rows from number `first` on; None where the csv module must cut
        them."""
        is_cut = self._is_cut.get(piece)
        if is_cut is None:
            block = self._cut_first(lines, first)
            self._is_cut[piece] = block is not None
            return block
        table = _columns(lines, self._delimiter) if is_cut else None
        return None if table is None else _block(table, first)

    def _cut_first(self, lines: bytes, first: int) -> Block | None:
        import numpy

        letters = numpy.frombuffer(lines, numpy.uint8)
        ends = numpy.flatnonzero(letters == _LINE_END)
        if not len(ends) or ends[-1] != len(lines) - 1 or lines.startswith(_BOM):
            return None
        if int(numpy.diff(ends, prepend=-1).max()) > self._longest_line or _has_lone_return(lines):
            return None
        quotes, delimiter = numpy.flatnonzero(letters == _QUOTE), ord(self._delimiter)
        if not _quotes_are_plain(letters, quotes, ends, delimiter):
            return None
        table = _columns(lines, self._delimiter)
        if table is None or table.num_rows != len(ends):
            return None
        if self._skip_blanks and _begins_with_space(table) and _has_space_in_front(letters, quotes, delimiter):
            return None
        block = _block(table, first)
        return None if _has_blank_row(block) else block


def _has_lone_return(lines: bytes) -> bool:
    return b"\r" in lines and lines.count(b"\r") != lines.count(b"\r\n")


def _quotes_are_plain(letters: "_Array", quotes: "_Array", ends: "_Array", delimiter: int) -> bool:
    """Whether every other quotation mark opens a cell or is the second of two, the others close one or are the first
    of two, and no line ends between an opening and a closing one."""
    import numpy

    if not len(quotes):
        return True
    if len(quotes) % 2 or (numpy.searchsorted(quotes, ends) % 2).any():
        return False
    # in front of the first line comes the last one's end, which is as good
    before, behind = letters[quotes[::2] - 1], letters[quotes[1::2] + 1]
    opens = (before == delimiter) | (before == _LINE_END) | (before == _QUOTE)
    closes = (behind == delimiter) | (behind == _LINE_END) | (behind == _RETURN) | (behind == _QUOTE)
    return bool(opens.all() and closes.all())


def _begins_with_space(table: "pyarrow.Table") -> bool:
    """Whether a cell does, be it within quotation marks or not."""
    from pyarrow import compute

    return any(compute.any(compute.starts_with(column, " ")).as_py() for column in table.columns)


def _has_space_in_front(letters: "_Array", quotes: "_Array", delimiter: int) -> bool:
    import numpy

    before = numpy.roll(letters, 1)
    spaces = numpy.flatnonzero((letters == _SPACE) & ((before == delimiter) | (before == _LINE_END)))
    within_quotes = numpy.searchsorted(quotes, spaces) % 2 == 1
    return not bool(within_quotes.all())


def _width(line: bytes, delimiter: str) -> int:
    return len(next(csv.reader([line.decode("utf-8")], delimiter=delimiter), []))


def _columns(lines: bytes, delimiter: str) -> "pyarrow.Table | None":
    """None where some line has another number of cells than the first."""
    import pyarrow
    from pyarrow import csv as arrow_csv

    width = _width(lines[: lines.index(b"\n")], delimiter)
    if not 0 < width <= _MOST_COLUMNS:
        return None
    names = [str(at) for at in range(width)]
    try:
        return arrow_csv.read_csv(
            pyarrow.BufferReader(lines),
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=len(lines) + 1, column_names=names),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pyarrow.string()),
                strings_can_be_null=False,
                check_utf8=False,  # the file's encoding was found by decoding all of it
            ),
        )
    except pyarrow.ArrowInvalid:
        return None


def _block(table: "pyarrow.Table", first: int) -> Block:
    return Block(first, [_texts(one) for one in table.columns])


def _texts(column: "pyarrow.ChunkedArray") -> Texts:
    import numpy

    (chunk,) = column.chunks
    _, offsets, data = chunk.buffers()
    ends = numpy.frombuffer(offsets, numpy.int32, count=len(chunk) + 1)
    return Texts(b"" if data is None else data.to_pybytes()[: int(ends[-1])], ends)


def _has_blank_row(block: Block) -> bool:
    """Most rows have in one of their first columns a cell that begins with a sign that is no blank."""
    import numpy

    doubtful = numpy.arange(len(block))
    for column in block.columns:
        signs = column.beginnings()[doubtful] >> 8
        doubtful = doubtful[(signs <= _SPACE) | (signs >= _NO_ASCII)]
        if not len(doubtful):
            return False
    return any(all(map(is_blank, block.cells(at))) for at in doubtful.tolist())
