"""A file's table.

Belongs here: turning what the child tells into a Table. Not here: the child (process).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from hub_pipelines.validate.batches import Batch
from hub_pipelines.validate.columns import normalise_header
from hub_pipelines.validate.model import LeftOut, Part, Row, Table
from hub_pipelines.validate.parsing.layout.rules import RULES
from hub_pipelines.validate.reading.process import Limits, Parser

Known = Callable[[str], str | None]


@contextmanager
def open_table(
    path: Path, source_name: str, *, known: Known, limits: Limits | None = None, rules: int = RULES
) -> Iterator[Table]:
    """The table in the file at `path`, which the sender called `source_name`.

    `known` tells the column that a normalised header names; it helps to find the header row. `rules` are those of
    parsing/layout by which tables are found. The file is opened in a
    child process under hard limits: raises Unreadable when the file cannot be taken, is damaged, or needs more memory
    or time than a file gets, and Transient when the child was ended from outside or the machine is too busy. Rows are
    read as they are used, and may raise the same.
    """

    def columns(texts: list[str]) -> list[str | None]:
        return [known(normalise_header(text)) for text in texts]

    ending = PurePath(source_name).suffix.lower()
    with path.open("rb") as file, Parser(file, limits or Limits()) as parser:
        told = parser.open(ending, columns, rules)
        yield _table(told, parser, rules)


class _Rows:
    """The child's rows. Each iteration begins anew."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser

    def __iter__(self) -> Iterator[Row]:
        for batch in self._parser.batches():
            yield from batch.rows()

    def batches(self) -> Iterator[Batch]:
        return self._parser.batches()

    def counts(self) -> Iterator[int]:
        return self._parser.counts()


def _table(told: dict[str, Any], parser: Parser, rules: int) -> Table:
    parts = tuple(Part(sheet, header_row, first, tuple(at)) for sheet, header_row, first, at in told["parts"])
    return Table(
        header=list(told["header"]),
        header_row=parts[0].header_row if parts else 0,
        rows=_Rows(parser),
        facts=dict(told["facts"]),
        parts=parts,
        left_out=tuple(LeftOut(*one) for one in told["left_out"]),
        returned=told["returned"],
        answers=tuple((question, answer) for question, answer in told["answers"]),
        rules=rules,
    )
