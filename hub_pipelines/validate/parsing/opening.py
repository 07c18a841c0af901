"""From the bytes to one table: what the child does with its file.

Belongs here: the order of the steps. Not here: the steps, and talking to the hub (child).
"""

from collections.abc import Sequence

from hub_pipelines.validate.parsing.encodings import encoding_of
from hub_pipelines.validate.parsing.grid import Alive, Ask, Grid
from hub_pipelines.validate.parsing.joining import (
    OWN_SHEET,
    QUESTIONS,
    READ_ME,
    Joined,
    LeftOut,
    answers_in,
    join,
    nothing_visible,
    returned_token,
)
from hub_pipelines.validate.parsing.kinds import Kind, kind_of
from hub_pipelines.validate.parsing.layout.rules import CALCULATED_RULES, RULES
from hub_pipelines.validate.parsing.refusal import Refusal, empty
from hub_pipelines.validate.parsing.source import Source
from hub_pipelines.validate.parsing.text import TextGrid, dialect_of, sample_of

_MOST_COLUMNS = 16_384


class Opened:
    """A file's table, with what the hub's own sheets say."""

    def __init__(self, joined: Joined, facts: dict[str, str]) -> None:
        self.joined = joined
        self.facts = {**facts, **_told(joined), **joined.facts}
        self.returned: str | None = None
        self.answers: list[tuple[str, str]] = []


def open_file(source: Source, ending: str, ask: Ask, alive: Alive, rules: int = RULES) -> Opened:
    """`ending` is that of the name which the sender gave, `.csv` for example; `rules` are those of the layout. Raises
    Refusal."""
    kind = kind_of(source, ending)
    opened = (
        _open_text(source, kind, ask, alive, rules) if kind.is_text else _open_workbook(source, kind, ask, alive, rules)
    )
    width = len(opened.joined.header)
    if width > _MOST_COLUMNS:
        raise Refusal(
            f"The table has {width:,} columns; at most {_MOST_COLUMNS:,} are taken.",
            "Delete the columns that do not belong to the table.",
        )
    return opened


def _open_text(source: Source, kind: Kind, ask: Ask, alive: Alive, rules: int) -> Opened:
    encoding = encoding_of(source.open(), alive)
    dialect = dialect_of(sample_of(source, encoding), f".{kind.format}", ask)
    grid = TextGrid(source, encoding, dialect, alive)
    joined = join([grid], ask, rules)
    if grid.has_joined_lines:
        for _, table in joined.tables:
            grid.refuse_swallowed_rows(len(table.header), table.data_row)
    facts = {**_format(kind), "encoding": encoding.name, "encoding_evidence": encoding.evidence, **dialect.facts()}
    return Opened(joined, facts)


def _format(kind: Kind) -> dict[str, str]:
    facts = {"format": kind.named[1:] if kind.note is None else kind.format}
    return facts if kind.note is None else {**facts, "name": kind.note}


def _open_workbook(source: Source, kind: Kind, ask: Ask, alive: Alive, rules: int) -> Opened:
    # not for text files: see kinds
    from hub_pipelines.validate.parsing.workbook import Workbook

    book = Workbook(source, kind, alive, tells_formulas=rules >= CALCULATED_RULES)
    came_back = OWN_SHEET in book.hidden + book.visible
    own = {OWN_SHEET, READ_ME, QUESTIONS} if came_back else set()
    grids: list[Grid] = []
    for name in book.visible:
        if name not in own:
            grid = book.sheet(name)
            if not grid.is_empty:
                grids.append(grid)
    hidden = [name for name in book.hidden if name not in own and not book.sheet(name).is_empty]
    if not grids:
        raise nothing_visible(hidden) if hidden else empty()
    joined = join(grids, ask, rules)
    joined.left_out += [LeftOut(name, 1, book.sheet(name).height, "is a hidden sheet", "") for name in hidden]
    opened = Opened(joined, _format(kind))
    if hidden:
        opened.facts["hidden_sheets"] = f"left out: {', '.join(hidden)}"[:500]
    if came_back:
        opened.returned = returned_token(book.sheet(OWN_SHEET))
        if QUESTIONS in book.visible + book.hidden:
            opened.answers = answers_in(book.sheet(QUESTIONS))
    return opened


def _told(joined: Joined) -> dict[str, str]:
    sheets: Sequence[str] = list(dict.fromkeys(grid.name for grid, _ in joined.tables if grid.name is not None))
    facts = {"sheet": ", ".join(sheets)[:500]} if sheets else {}
    if joined.tables:
        facts["header_row"] = str(joined.tables[0][1].header_row)
    if len(joined.tables) > 1:
        facts["tables"] = f"{len(joined.tables)} alike tables, read as one"
    return facts
