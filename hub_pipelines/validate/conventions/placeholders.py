"""Words that people write into a cell which has nothing to say, such as n/a, and columns read without them.

Belongs here: which words these are, where they count, a table in which such cells are empty or marked. Not here: the
decision's document (model.py), what else a cell may mean (amounts, dates), Excel's errors: the contract refuses them.
One rule for all columns: in one that may be empty such a cell is empty, and what was sent is kept with the row; in one
that must be filled it is refused by name. Only where an empty cell means a value no word stands for none. The words
that a file has are recorded, so that it is read again as it was.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from hub_pipelines.validate.batches import Batch, Column, Texts, batches_of
from hub_pipelines.validate.columns import ColumnMap
from hub_pipelines.validate.model import MISSING_VALUE, Cell, RecordType, Row, Table, Unclear, sent_name
from hub_pipelines.validate.parsing.blocks import beginnings
from hub_pipelines.validate.parsing.notes import ERROR_TEXTS

_BLANKS = " \t\n\r\v\f\u00a0"
_WORDS = """
    n/a, n.a., n.a, n\\a, n / a, na, n/k, not applicable, not available, not known, not specified, none, null, nil, nan,
    (none), (blank), (null), (unknown), unknown, unk, tbd, t.b.d., tba, tbc, to be determined, ?, ??, ???, -, --, ---,
    ----, –, —, _, __, ___, нет, н/д, неизвестно, 无, 未知, 不详, unbekannt, k.a., inconnu, desconocido,
    desconocida, desconhecido, <na>, s/d, n/d, sin dato, sin datos, sin información, sin informacion,
    sem informação, no especificado, não informado, non précisé,
    keine angabe, entfällt
"""
_NOT_APPLICABLE = """
    not applicable, not available, no aplica, no aplicable, no disponible, não aplicável, não se aplica, nao se aplica,
    não disponível, non applicable, non disponible, sans objet, non applicabile, non disponibile, nicht zutreffend,
    nicht verfügbar, niet van toepassing, nie dotyczy, не применимо, 不适用
"""


def _words_of(text: str) -> list[str]:
    return " ".join(text.split()).split(", ")


_PLACEHOLDERS = frozenset(
    (
        *_words_of(_WORDS),
        *_words_of(_NOT_APPLICABLE),
        # as forms that offer a choice have it: NA (No aplica)
        *(
            f"{short}{between}{long}{after}"
            for short in ("na", "n/a", "n.a.", "n.a")
            for long in _words_of(_NOT_APPLICABLE)
            for between, after in ((" (", ")"), ("(", ")"), (" - ", ""))
        ),
    )
)
_LONGEST = max(len(word.encode()) for word in _PLACEHOLDERS) + 8
"""Bytes, with some blanks around it."""
_NOTHING_LEFT = frozenset({"none", "nil", "нет", "无"})
"""Of an amount they may say that it is 0."""
_NAMES = frozenset({"na"})
"""Sodium, in a column that must be filled."""
_ERRORS = frozenset(text.lower() for text in ERROR_TEXTS.values())
"""No placeholders, for a value may have been there; but they tell no more than these of how their column is written.
Decisions of earlier releases have #n/a among their words."""
_FEW_ROWS = 10_000
"""Below these loading Arrow takes longer than looking at one by one."""


def words_for(record: RecordType, column: str) -> frozenset[str]:
    """The words, in normal form, that stand for no value in a column of the contract. None where an empty cell means
    one: what is not known is not US dollars, and the contract refuses it."""
    if record.row_model.model_fields[column].default is not None and not _must_be_filled(record, column):
        return frozenset()
    words = _PLACEHOLDERS
    if record.written.get(column) in ("quantity", "amount"):
        words -= _NOTHING_LEFT
    return words - _NAMES if _must_be_filled(record, column) else words


def _must_be_filled(record: RecordType, column: str) -> bool:
    return record.row_model.model_fields[column].is_required()


def _normal(cell: Cell) -> str:
    """Compared with the words; empty where the cell can be none of them."""
    return cell.strip(_BLANKS).lower() if isinstance(cell, str) and len(cell) <= _LONGEST else ""


class Looking:
    """A table's rows with all placeholders and Excel's errors empty. While they are read it counts which ones there are
    in which column; each reading counts anew."""

    def __init__(self, table: Table, columns: ColumnMap) -> None:
        self._rows = table.rows
        words = [(at, name, words_for(columns.record, name)) for name, at in columns.positions.items()]
        self._looked_at = [(at, name, found | _ERRORS) for at, name, found in words if found]
        self.found: dict[str, Counter[str]] = {}
        self._looked_through = 0

    def __iter__(self) -> Iterator[Row]:
        self.found = {}
        for row_no, cells in self._rows:
            made = None
            for at, name, words in self._looked_at:
                if at < len(cells) and (word := _normal(cells[at])) and word in words:
                    self._count(name, {word: 1})
                    made = made or list(cells)
                    made[at] = None
            yield row_no, made or cells

    def batches(self) -> Iterator[Batch] | None:
        batches = batches_of(self._rows)
        self.found, self._looked_through = {}, 0
        return None if batches is None else map(self._emptied, batches)

    def _emptied(self, batch: Batch) -> Batch:
        made: list[Column] | None = None
        self._looked_through += len(batch.numbers)
        split_texts = _split_texts if self._looked_through > _FEW_ROWS else _split_few_texts
        for at, name, words in self._looked_at:
            split = _split(batch.columns[at], words, split_texts) if at < len(batch.columns) else None
            if split is not None:
                self._count(name, split.counts)
                made = made or list(batch.columns)
                made[at] = split.rest
        return batch if made is None else replace(batch, columns=made)

    def _count(self, name: str, counts: Mapping[str, int]) -> None:
        words = {word: count for word, count in counts.items() if word not in _ERRORS}
        if words:
            self.found.setdefault(name, Counter()).update(words)

    def placeholders(self) -> dict[str, dict[str, int]]:
        """By column how often which word stands for no value there."""
        return {name: dict(sorted(counts.items())) for name, counts in sorted(self.found.items())}


def without(table: Table, columns: ColumnMap, placeholders: Mapping[str, Mapping[str, int]]) -> Table:
    """The table with these words read as no value. What was sent in cells that are empty now stands in further columns
    behind its own; cells of columns that must be filled are Unclear."""
    if not placeholders:
        return table
    record = columns.record
    emptied = [
        (columns.positions[name], frozenset(placeholders[name]))
        for name in placeholders
        if not _must_be_filled(record, name)
    ]
    refused = [
        (columns.positions[name], frozenset(placeholders[name]), _refusal(record, name))
        for name in placeholders
        if _must_be_filled(record, name)
    ]
    names = [sent_name(name) for name in placeholders if not _must_be_filled(record, name)]
    rows = _Without(table.rows, len(table.header), emptied, refused)
    return replace(table, header=[*table.header, *names], rows=rows)


def _refusal(record: RecordType, column: str) -> Callable[[Cell], Cell]:
    is_tag = column == record.tag_column and record.untagged
    way_out = f"Write its tag. {record.untagged}" if is_tag else "Write the value, or delete this row if it is no item"

    def refuse(cell: Cell) -> Cell:
        said = str(cell).strip(_BLANKS)
        reason = f'The cell says "{said}", which stands for no value, and this column must be filled.'
        return Unclear(said, MISSING_VALUE, reason, way_out)

    return refuse


@dataclass(frozen=True, slots=True)
class _Without:
    """Rows as `without` gives them. `width` is the table's own; what reaches beyond it moves behind what is added."""

    rows: Iterable[Row]
    width: int
    emptied: Sequence[tuple[int, frozenset[str]]]
    refused: Sequence[tuple[int, frozenset[str], Callable[[Cell], Cell]]]

    def __iter__(self) -> Iterator[Row]:
        for row_no, cells in self.rows:
            yield row_no, self._read(cells)

    def _read(self, sent: list[Cell]) -> list[Cell]:
        cells = [*sent[: self.width], *[None] * (self.width - len(sent))]
        for at, words in self.emptied:
            is_none = _normal(cells[at]) in words
            cells.append(cells[at] if is_none else None)
            cells[at] = None if is_none else cells[at]
        for at, words, refuse in self.refused:
            cells[at] = refuse(cells[at]) if _normal(cells[at]) in words else cells[at]
        return [*cells, *sent[self.width :]]

    def batches(self) -> Iterator[Batch] | None:
        batches = batches_of(self.rows)
        return None if batches is None else map(self._of_batch, batches)

    def _of_batch(self, batch: Batch) -> Batch:
        count = len(batch.numbers)
        columns = [*batch.columns, *(_no_texts(count) for _ in range(self.width - len(batch.columns)))]
        for at, words in self.emptied:
            split = _split(columns[at], words)
            columns.append(_no_texts(count) if split is None else split.words)
            columns[at] = columns[at] if split is None else split.rest
        for at, words, refuse in self.refused:
            if _split(columns[at], words) is not None:
                columns[at] = [refuse(one) if _normal(one) in words else one for one in _cells(columns[at])]
        return replace(batch, columns=columns)


@dataclass(frozen=True, slots=True)
class _Split:
    """A column's cells that are no placeholders, those that are, and how often each of these is there, in normal form.
    Cells of the other kind are blank."""

    rest: Column
    words: Column
    counts: Mapping[str, int]


_SplitTexts = Callable[[Texts, frozenset[str]], _Split | None]


def _split(column: Column, words: frozenset[str], split_texts: _SplitTexts | None = None) -> _Split | None:
    """None where the column has no such cell."""
    if isinstance(column, Texts):
        return (split_texts or _split_texts)(column, words)
    found = _split_cells(column, words)
    return None if found is None else _Split(*found)


def _split_few_texts(column: Texts, words: frozenset[str]) -> _Split | None:
    found = _split_cells(column.cells(), words)
    return None if found is None else _Split(_texts(found[0]), _texts(found[1]), found[2])


def _split_cells(cells: list[Cell], words: frozenset[str]) -> tuple[list[Cell], list[Cell], Counter[str]] | None:
    is_none = [_normal(one) in words for one in cells]
    if not any(is_none):
        return None
    said = [one if none else None for one, none in zip(cells, is_none, strict=True)]
    rest = [None if none else one for one, none in zip(cells, is_none, strict=True)]
    return rest, said, Counter(_normal(one) for one in said if one is not None)


def _texts(cells: list[Cell]) -> Texts:
    return Texts("\0".join(str(one or "") for one in cells).encode("utf-8"))


def _split_texts(column: Texts, words: frozenset[str]) -> _Split | None:
    """Most cells are too long to be such a word, or begin otherwise, and most of the others are not one."""
    import numpy
    import pyarrow
    from pyarrow import compute

    data, offsets = column.letters()
    lengths = numpy.diff(offsets)
    may_be = (lengths > 0) & (lengths <= _LONGEST) & _beginnings(words)[beginnings(data, offsets)]
    if not may_be.any():
        return None
    texts = column.arrow()
    few = texts.filter(pyarrow.array(may_be))
    normal = compute.utf8_lower(compute.utf8_trim(few, _BLANKS))
    hits = compute.is_in(normal, value_set=_word_set(words))
    if not compute.any(hits).as_py():
        return None
    said = {one: _normal(one) in words for one in few.filter(hits).unique().to_pylist()}
    kept = [one for one, is_none in said.items() if is_none]
    is_none = compute.is_in(texts, value_set=pyarrow.array(kept, pyarrow.string()))
    found = compute.if_else(is_none, texts, None)
    counts: Counter[str] = Counter()
    for one in compute.value_counts(found.drop_null()).to_pylist():
        counts[_normal(one["values"])] += one["counts"]
    return _Split(Texts(compute.if_else(is_none, None, texts)), Texts(found), counts)


@cache
def _beginnings(words: frozenset[str]) -> Any:
    """By a cell's first two bytes (parsing/blocks.py) whether it may be one of these words, however it is written.
    Behind a blank anything may stand, and letters beyond ASCII are looked at."""
    import numpy

    may_be = numpy.zeros((256, 256), bool)
    may_be[0x80:, :] = may_be[:, 0x80:] = True
    may_be[[ord(one) for one in _BLANKS if one.isascii()], :] = True
    for word in words:
        first, second = word[0], word[1:2]
        # what follows a word of one letter is nothing, or blank
        behind = [second.lower(), second.upper()] if second else ["\0", *_BLANKS]
        for a in (first.lower(), first.upper()):
            for b in behind:
                if a.isascii() and b.isascii():
                    may_be[ord(a), ord(b)] = True
    return may_be.reshape(-1)


@cache
def _word_set(words: frozenset[str]) -> Any:
    import pyarrow

    return pyarrow.array(sorted(words), pyarrow.string())


def _no_texts(count: int) -> Texts:
    """`count` is one at least."""
    return Texts(bytes(count - 1))


def _cells(column: Column) -> list[Cell]:
    return column.cells() if isinstance(column, Texts) else column
