"""Text tables: delimiter, quotes, records.

Belongs here: how a text file is cut into cells. Not here: its encoding, which row holds the headings, cutting many
lines at once (cutting).
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, BinaryIO, Protocol, TextIO

from hub_pipelines.validate.parsing.blocks import Block, Singly
from hub_pipelines.validate.parsing.encodings import Encoding
from hub_pipelines.validate.parsing.grid import Alive, Ask, NumberedRow, SheetFacts, Span, is_blank
from hub_pipelines.validate.parsing.refusal import Refusal, empty, not_text
from hub_pipelines.validate.parsing.source import Source

if TYPE_CHECKING:
    from hub_pipelines.validate.parsing.cutting import Cutter

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
RARE_DELIMITERS = {"^": "caret", "~": "tilde", "\x1f": "unit separator", "\x01": "control-A", ":": "colon"}
_SAMPLE_CHARACTERS = 64 * 1024
_BLOCK_CHARACTERS = 64 * 1024
_SAMPLE_RECORDS = 60
_LONGEST_LINE = 1_000_000
_MOST_OF_A_LINE = 4 * (_LONGEST_LINE + 1)
"""So many bytes are more letters than a line may have."""
_LONGEST_CELL = 100_000
_MANY_BYTES = 8 * 1024 * 1024
"""Below these loading what cuts many lines at once takes longer than it saves."""
_FIRST_BYTES, _BYTES_AT_ONCE = 64 * 1024, 768 * 1024
"""Of a large file's first lines, among which the headings are, and of those that are cut at once."""
_UNCLOSED = (
    "Most often a quotation mark was opened and never closed. Open the file in a text editor such as Notepad (Excel "
    "takes all that follows for one cell), delete that quotation mark or close it, and drop the file again."
)
_SEPARATOR_LINE = re.compile(r"\ufeff?sep=(.)\r?\n?$", re.I)


class Records(Protocol):
    """What csv.reader gives."""

    @property
    def line_num(self) -> int:
        """How many lines it has taken."""

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


@dataclass(frozen=True)
class Dialect:
    """How cells are set apart. `escape` is a backslash where the file uses one before quotation marks."""

    delimiter: str
    quote: str = '"'
    escape: str | None = None
    skip_blanks: bool = False
    declared: bool = False
    """The file's first line says `sep=…`."""

    def reader(self, lines: Iterator[str]) -> Records:
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            skipinitialspace=self.skip_blanks,
        )

    @property
    def is_plain(self) -> bool:
        """Whether lines may be cut at once."""
        plain_sign = self.delimiter.isascii() and self.delimiter not in '" \r\n'
        return plain_sign and self.quote == '"' and self.escape is None

    def facts(self) -> dict[str, str]:
        told = {"delimiter": {**DELIMITERS, **RARE_DELIMITERS}.get(self.delimiter, repr(self.delimiter))}
        if self.declared:
            told["delimiter"] += " (said in the file's first line)"
        if self.quote != '"':
            told["quotes"] = "single"
        if self.escape:
            told["escape"] = "backslash"
        return told


def dialect_of(sample: str, ending: str, ask: Ask) -> Dialect:
    """The way of cutting that gives known columns and rows of one width."""
    first_line = sample.splitlines(keepends=True)[0] if sample else ""
    if declared := _SEPARATOR_LINE.match(first_line):
        return _with_habits(Dialect(declared.group(1), declared=True), sample)
    usual = ["\t", ",", ";", "|"] if ending == ".tsv" else [",", ";", "\t", "|"]
    dialects = [Dialect(each) for each in usual]
    dialects += [replace(each, quote="'") for each in dialects if _has_single_quotes(sample, each.delimiter)]
    scores = {each: _score(sample, each, ask) for each in dialects}
    best = max(dialects, key=lambda each: scores[each])
    if scores[best][0] == 0 and not _cuts_every_record(sample, best):
        rare = [Dialect(each) for each in RARE_DELIMITERS if each in sample]
        best = next((each for each in rare if _cuts_every_record(sample, each)), best)
    return _with_habits(best, sample)


def _has_single_quotes(sample: str, delimiter: str) -> bool:
    """Whether a cell in single quotes holds a delimiter, and none is in double ones."""
    apart = re.escape(delimiter)
    single = rf"(?:^|{apart} ?)'[^'\r\n]*{apart}[^'\r\n]*'\s*(?={apart}|$)"
    return re.search(single, sample, re.M) is not None and not re.search(rf'(?:^|{apart} ?)"', sample, re.M)


def _with_habits(dialect: Dialect, sample: str) -> Dialect:
    quote, delimiter = re.escape(dialect.quote), re.escape(dialect.delimiter)
    escaped = re.search(rf"\\{quote}(?!\s*({delimiter}|[\r\n]|$))", sample)
    # a backslash before anything else shows that it is an ordinary letter here
    ordinary = re.search(rf"\\(?![{quote}\\])", sample)
    return replace(
        dialect,
        escape="\\" if escaped and not ordinary else None,
        skip_blanks=re.search(rf"{delimiter} +{quote}", sample) is not None,
    )


def _records(sample: str, dialect: Dialect) -> list[list[str]]:
    """Empty when the sample can't be cut so. What the sample's end cuts off is left out."""
    try:
        lines = io.StringIO(sample, newline="")
        records = [each for each in islice(dialect.reader(lines), _SAMPLE_RECORDS + 1) if not all(map(is_blank, each))]
    except csv.Error:
        return []
    cut = len(sample) >= _SAMPLE_CHARACTERS and 1 < len(records) <= _SAMPLE_RECORDS
    return records[:-1] if cut else records[:_SAMPLE_RECORDS]


def _score(sample: str, dialect: Dialect, ask: Ask) -> tuple[int, int, int]:
    """First the known columns of the best row, then how many rows share the most common width above one."""
    dialect = _with_habits(dialect, sample)
    records = _records(sample, dialect)
    hits = 0
    for record in records[:30]:
        if len(record) > 1 or len(records) == 1:
            hits = max(hits, len(set(ask(record)) - {None}))
    widths = Counter(len(record) for record in records if len(record) > 1)
    if not widths:
        return (hits if hits > 1 else 0, 0, 0)
    quoted = sum(cell[:1] == dialect.quote for record in records for cell in record)
    return (hits if hits > 1 else 0, max(widths.values()), -quoted)


def _cuts_every_record(sample: str, dialect: Dialect) -> bool:
    records = _records(sample, dialect)
    return len(records) >= 2 and len(records[0]) > 1 and len({len(record) for record in records}) == 1


class TextGrid:
    """The one table of a text file."""

    name: str | None = None
    first_column = 0
    spans: Sequence[Span] = ()
    loose = True

    def __init__(self, source: Source, encoding: Encoding, dialect: Dialect, alive: Alive) -> None:
        self._source = source
        self._encoding = encoding
        self._dialect = dialect
        self._alive = alive
        self.facts = SheetFacts()
        self.has_joined_lines = False
        """Whether some cell read so far holds a line break."""
        # the limit is the process's, and this process reads nothing else
        csv.field_size_limit(_LONGEST_LINE)

    def rows(self) -> Iterator[NumberedRow]:
        for block in self.blocks():
            yield from block.rows()

    def blocks(self) -> Iterator[Block | Singly]:
        if self._source.size >= _MANY_BYTES and self._dialect.is_plain and self._encoding.is_utf8:
            return self._stretches()
        return iter([Singly(self._singly())])

    @cached_property
    def _cutter(self) -> "Cutter":
        # loads numpy, which only a large file is worth
        from hub_pipelines.validate.parsing.cutting import Cutter

        dialect = self._dialect
        return Cutter(dialect.delimiter, longest_line=_LONGEST_CELL, skip_blanks=dialect.skip_blanks)

    def _singly(self) -> Iterator[NumberedRow]:
        with opened(self._source, self._encoding) as file:
            reader = _RecordReader(_lines_of(file), self._dialect, self._alive)
            try:
                yield from reader
            finally:
                self.has_joined_lines = self.has_joined_lines or reader.has_joined_lines

    def _stretches(self) -> Iterator[Block | Singly]:
        """Lines that can be cut at once so, the others one by one."""
        with self._source.open() as file:
            pieces = _Pieces(file, self._encoding)
            reader = _RecordReader(pieces.lines(), self._dialect, self._alive)
            records = iter(reader)
            try:
                while piece := pieces.next():
                    block = self._cutter.cut(pieces.number, piece, reader.number + 1) if pieces.number > 1 else None
                    if block is None:
                        yield Singly(_until_between(records, reader))
                    else:
                        pieces.take()
                        reader.pass_by(len(block))
                        self._alive()
                        yield block
            finally:
                self.has_joined_lines = self.has_joined_lines or reader.has_joined_lines

    def refuse_swallowed_rows(self, width: int, first_row: int) -> None:
        """Raises Refusal where a quotation mark that was never closed has joined rows of a table of this width.

        The cell's first line then holds exactly the delimiters that the rest of its row should have.
        """
        for row_no, cells in self.rows():
            for position, cell in enumerate(cells) if row_no >= first_row else ():
                if isinstance(cell, str) and ("\n" in cell or "\r" in cell):
                    expected = width - 1 - position
                    first_line = re.split(r"[\r\n]", cell, maxsplit=1)[0]
                    if expected >= 3 and first_line.count(self._dialect.delimiter) == expected:
                        raise _unclosed(row_no)


def opened(source: Source, encoding: Encoding) -> TextIO:
    return io.TextIOWrapper(source.open(), encoding=encoding.name, errors=encoding.errors, newline="")


def sample_of(source: Source, encoding: Encoding) -> str:
    """Begins at the first text: a file may open with many blank lines. Raises Refusal when there is none."""
    with opened(source, encoding) as file:
        while block := file.read(_SAMPLE_CHARACTERS):
            if block.strip("\ufeff \t\r\n"):
                return block
    raise empty()


def _unclosed(record: int) -> Refusal:
    return Refusal(f"In row {record} a quotation mark is opened and not closed.", _UNCLOSED)


class _RecordReader:
    """The records of a text table, blank ones left out but counted. Only the current one is held, and some lines."""

    def __init__(self, lines: Iterator[tuple[list[str], str]], dialect: Dialect, alive: Alive) -> None:
        self._source = lines
        self._ended = False
        self._is_long = False
        """Whether some line read so far may have a giant cell."""
        self._record = 0
        self._passed_by = 0
        """Records that were cut by others, each in a line of its own."""
        self._given = 0
        """Lines that were given to the csv module."""
        self._alive = alive
        self._declared = dialect.declared
        self._reader = dialect.reader(chain.from_iterable(self._lines()))

    @property
    def has_joined_lines(self) -> bool:
        return self._reader.line_num > self._record

    @property
    def number(self) -> int:
        """Of the last record."""
        return self._record + self._passed_by

    @property
    def is_between_lines(self) -> bool:
        """Whether all lines that were taken belong to whole records."""
        return self._reader.line_num == self._given

    def pass_by(self, records: int) -> None:
        """The next ones are cut by others. Only between records, and before the lines that come are asked for."""
        self._passed_by += records

    def __iter__(self) -> Iterator[NumberedRow]:
        """Goes through every row of a large file: the usual one must cost little."""
        reader, number = self._reader, 0
        try:
            for cells in reader:
                if self._ended:
                    # the csv module hands out what it has when the file ends inside a quoted cell
                    raise _unclosed(self.number + 1)
                self._record = number = number + 1
                if number % 1_000 == 0:
                    self._alive()
                first = cells[0] if cells else ""
                if (first and not first.isspace()) or (any(cells) and not all(map(is_blank, cells))):
                    if number == 1 and self._declared:
                        continue
                    if self._is_long or reader.line_num > number:
                        self._refuse_giants(cells)
                    yield number + self._passed_by, cells  # type: ignore[misc]  # a list of texts is a list of cells
        except csv.Error as error:
            raise Refusal(f"Line {self._line} of the file cannot be read ({error}).", _UNCLOSED) from error
        except UnicodeError as error:
            raise Refusal(f"The text near line {self._line} cannot be decoded.", _UNCLOSED) from error

    @property
    def _line(self) -> int:
        return self._reader.line_num + self._passed_by

    def _lines(self) -> Iterator[list[str]]:
        for lines, rest in self._source:
            self._look_at(lines, rest)
            self._given += len(lines)
            yield lines
        self._ended = True

    def _look_at(self, lines: list[str], rest: str) -> None:
        longest = max(map(len, lines), default=0)
        self._is_long = self._is_long or max(longest, len(rest)) > _LONGEST_CELL
        if max(longest, len(rest)) > _LONGEST_LINE:
            at = next((at for at, line in enumerate(lines, start=1) if len(line) > _LONGEST_LINE), len(lines) + 1)
            raise Refusal(f"Line {self._line + at} of the file is longer than a million characters.", _UNCLOSED)

    def _refuse_giants(self, cells: list[str]) -> None:
        if sum(map(len, cells)) > _LONGEST_CELL:
            for cell in cells:
                if len(cell) > _LONGEST_CELL:
                    raise Refusal(f"Row {self.number} has a cell of more than {_LONGEST_CELL:,} characters.", _UNCLOSED)


def _lines_of(file: TextIO) -> Iterator[tuple[list[str], str]]:
    """Lines with their ends, some at a time, and what has come of the next. The last of a block may go on in the next,
    also behind a lone CR."""
    rest = ""
    while block := file.read(_BLOCK_CHARACTERS):
        if "\0" in block:
            raise not_text()
        lines = list(io.StringIO(rest + block, newline=""))
        rest = lines.pop()
        yield lines, rest
    if rest:
        yield [rest], ""


class _Pieces:
    """A large file's bytes, so many whole lines at a time."""

    def __init__(self, file: BinaryIO, encoding: Encoding) -> None:
        self._file = file
        self._encoding = encoding
        self._next = b""
        self._rest = b""
        self._has_ended = False
        self.number = 0
        """Of the piece that is next, from 1."""

    def next(self) -> bytes:
        """The piece that is next, until it is taken; nothing behind the last one."""
        while not self._next and not self._has_ended:
            self._read()
        return self._next

    def take(self) -> bytes:
        taken, self._next = self.next(), b""
        return taken

    def lines(self) -> Iterator[tuple[list[str], str]]:
        """Of one piece after the other, which are taken so."""
        while piece := self.take():
            # the mark of UTF-8 stands before the first piece only
            encoding = self._encoding.name if self.number == 1 else "utf-8"
            # all of it is UTF-8, but for a letter at which a line that is too long was cut
            yield list(io.StringIO(piece.decode(encoding, "ignore"), newline="")), ""

    def _read(self) -> None:
        block = self._file.read(_BYTES_AT_ONCE if self.number else _FIRST_BYTES)
        data = self._rest + block
        self._has_ended = not block
        stop = len(data) if self._has_ended else _end_of_lines(data)
        if not stop and len(data) > _MOST_OF_A_LINE:
            stop = len(data)  # for the reader to refuse
        self._next, self._rest = data[:stop], data[stop:]
        self.number += bool(self._next)


def _end_of_lines(data: bytes) -> int:
    """Behind the last line that is whole; a CR at the end may be followed by its LF."""
    return data.rfind(b"\n") + 1 or data.rfind(b"\r", 0, -1) + 1


def _until_between(records: Iterator[NumberedRow], reader: _RecordReader) -> Iterator[NumberedRow]:
    """Records until none goes on in the next piece."""
    for row in records:
        yield row
        if reader.is_between_lines:
            return
