"""Which row of some rows holds the headings.

Belongs here: deciding on the first rows of a table. Not here: how far the table reaches (scan).
Known columns decide where there are at least two. Otherwise the rows' structure does: headings are texts, differ from
each other, and what stands below them is of another kind or at least does not repeat them.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from hub_pipelines.validate.parsing.grid import Ask, Cells, NumberedRow, Span, filled, folded, is_blank, text_of
from hub_pipelines.validate.parsing.layout.rules import PRINTED_RULES

CANDIDATES = 30
KNOWN = 1_000
_LONGEST_HEADING = 200
_DISTINCT = 0.6
"""Of a row's headings so many differ, as a share."""
_MOST_HEADER_LINES = 5
_VALUE = re.compile(
    r"""
    [-+(]?\s*[$€£¥]?\s*\d[\d.,'\s]*\s*[%)]?              # 1,234.50  (12)  5 %  $3
    | [-+]?\.\d+ | [-+]?\d+(\.\d+)?[eE][-+]?\d+
    | \d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T\s].*)?          # dates
    | \d{1,2}:\d{2}(:\d{2})?(\s?[AaPp]\.?[Mm]\.?)?
    | \d{2,7}-\d{2}-\d                                   # CAS numbers
    | [^\s@]+@[^\s@]+\.[^\s@]+ | (https?://|www\.)\S+
    | (?i:true|false)
    | \#(N/A|DIV/0!|VALUE!|REF!|NAME\?|NUM!|NULL!)
    """,
    re.X,
)
_NOTHING = frozenset({"n/a", "na", "none", "null", "-", "--", "?", "unknown", "tbd", "nil", "n.a.", "#n/a"})
_CODE = re.compile(r"(?=\S*\d)\S{2,40}")
_UNIT = re.compile(r"[(\[].{1,20}[)\]]")
_UNIT_BEHIND = re.compile(r"(?<=\S)\s*(\[[^\]]{1,20}\]|\([^)]{1,20}\))\s*$")
_QUANTITY = re.compile(r"\d[\d.,]*\s?[^\W\d_]{1,3}")


def kind_of_cell(cell: object) -> str:
    """One letter: `v` for a value, `c` for a code or quantity, `t` for words."""
    if not isinstance(cell, str):
        return "v"
    text = cell.strip()
    if _VALUE.fullmatch(text):
        return "v"
    return "c" if _CODE.fullmatch(text) or _QUANTITY.fullmatch(text) else "t"


@dataclass(frozen=True)
class Heading:
    """Places among the rows that were looked at: the header's lines are `first` to `last`, data begins at `data`.

    Without any heading `first` and `last` are None and `texts` is all "". `strength` is the number of columns that
    speak for it, KNOWN where the contract's columns do.
    """

    first: int | None
    last: int | None
    data: int
    texts: list[str]
    hits: int
    strength: int


def _askable(cells: Sequence[object]) -> list[str]:
    return [text for text in cells if isinstance(text, str) and 0 < len(text) <= _LONGEST_HEADING]


def ask_at_once(rows: Sequence[NumberedRow], ask: Ask) -> None:
    """One question about many rows; the answers are remembered, and asking row by row costs nothing then."""
    ask([text for _, cells in rows for text in _askable(cells)])


def asking_without_units(ask: Ask) -> Ask:
    """`Menge [g]` is asked as `Menge` too, where the whole is not known."""

    def asked(texts: Sequence[str]) -> list[str | None]:
        bare = [_UNIT_BEHIND.sub("", text) for text in texts]
        answers = ask([*texts, *bare])
        return [answers[at] or answers[at + len(texts)] for at in range(len(texts))]

    return asked


def known_columns(texts: Sequence[object], ask: Ask) -> int:
    """How many of the contract's columns the texts name."""
    return len(set(ask(_askable(texts))) - {None})


def find_heading(rows: Sequence[NumberedRow], spans: Sequence[Span], ask: Ask, rules: int) -> Heading | None:
    """None when no row looks like the beginning of a table: all have but one cell, and there is more below.

    Headings that come again among the rows must not speak against themselves.
    """
    if rules < PRINTED_RULES:
        return _find(rows, spans, ask)
    kept = _of_words_once(rows)
    heading = _find([rows[at] for at in kept], spans, ask)
    if heading is None or len(kept) == len(rows):
        return heading
    if heading.first is None or heading.last is None:
        return replace(heading, data=kept[heading.data])
    last = kept[heading.last]
    return replace(heading, first=kept[heading.first], last=last, data=last + 1)


def _of_words_once(rows: Sequence[NumberedRow]) -> list[int]:
    """The places of the rows but for those of several words that an earlier one says too."""
    seen: set[tuple[str, ...]] = set()
    kept: list[int] = []
    for at, (_, cells) in enumerate(rows):
        said = tuple(folded(cells))
        is_words = len(said) - said.count("") > 1 and all(is_blank(one) or kind_of_cell(one) == "t" for one in cells)
        if not (is_words and said in seen):
            kept.append(at)
        seen.add(said)
    return kept


def _find(rows: Sequence[NumberedRow], spans: Sequence[Span], ask: Ask) -> Heading | None:
    """As `find_heading`, of all of these rows."""
    candidates = rows[:CANDIDATES]
    ask_at_once(candidates, ask)
    hits = [known_columns(cells, ask) for _, cells in candidates]
    if hits and max(hits) >= 2:
        return _with_lines(rows, hits.index(max(hits)), spans, ask, KNOWN)
    for at, (_, cells) in enumerate(candidates):
        here = filled(cells)
        below = [len(filled(each)) for _, each in rows[at + 1 :]]
        usual = sorted(below)[len(below) // 2] if below else len(here)
        # a title may have a cell or two more; a row of one column has no less than usual
        if usual >= 2 and len(here) <= usual / 2:
            continue
        # where tables stand side by side, each has the same headings
        distinct = 0.0 if _comes_again(cells, here) else _DISTINCT
        verdict = _judge(rows, at, here, _last_line(rows, at, spans) + 1, distinct)
        if verdict is None:
            return Heading(None, None, at, [""] * _width(rows[at:]), 0, 0)
        return _with_lines(rows, at, spans, ask, verdict)
    return None


def _comes_again(cells: Cells, here: list[int]) -> bool:
    """Whether blank cells part the row into pieces that say the same, of two cells or more."""
    pieces: list[list[str]] = []
    for column in here:
        if not pieces or column - 1 not in here:
            pieces.append([])
        pieces[-1].append(text_of(cells[column]).casefold())
    return len(pieces) > 1 and len(pieces[0]) > 1 and all(piece == pieces[0] for piece in pieces)


def _width(rows: Sequence[NumberedRow]) -> int:
    return max((each[-1] + 1 for each in (filled(cells) for _, cells in rows) if each), default=0)


def _judge(rows: Sequence[NumberedRow], at: int, here: list[int], data: int, distinct: float) -> int | None:
    """Whether the row holds headings: None for no, else the number of columns that speak for it."""
    cells = rows[at][1]
    texts = [text_of(cells[column]).casefold() for column in here]
    if not _are_labels([cells[column] for column in here]) or len(set(texts)) < distinct * len(texts):
        return None
    speaks_for, speaks_against = 0, 0
    for column in here:
        below = [each[column] for _, each in rows[data:] if column < len(each) and not is_blank(each[column])]
        if not below:
            continue
        kinds = Counter(map(kind_of_cell, below))
        own = kind_of_cell(cells[column])
        if own == "t" and kinds["t"] <= 0.3 * len(below) and text_of(cells[column]).casefold() not in _NOTHING:
            speaks_for += 1
        repeats = cells[column] in below
        alike = own == "c" and kinds["c"] > 0.7 * len(below) and _shape(below[0]) == _shape(cells[column])
        if repeats or alike or len(text_of(cells[column])) > 80:
            speaks_against += 1
    if speaks_against > speaks_for:
        return None
    return speaks_for - speaks_against


def _shape(cell: object) -> str:
    return re.sub(r"\d+", "9", re.sub(r"[^\W\d_]+", "A", text_of(cell)))


def _are_labels(cells: Cells) -> bool:
    """All texts; or texts and one run of numbers; or years."""
    values = [cell for cell in cells if kind_of_cell(cell) == "v"]
    if not values:
        return True
    numbers = [text_of(cell) for cell in values]
    if not all(number.isdecimal() and len(number) <= 4 for number in numbers):
        return False
    run = [int(number) for number in numbers]
    if len(run) >= 3 and min(run) >= 1900 and max(run) <= 2100:
        return all(after > before for before, after in pairwise(run))
    return len(values) < len(cells) and len(run) >= 2 and all(after - before == 1 for before, after in pairwise(run))


# -- headings of several lines ---------------------------------------------------------------------------------------


def _with_lines(rows: Sequence[NumberedRow], at: int, spans: Sequence[Span], ask: Ask, strength: int) -> Heading:
    first, last = _lines(rows, at, spans)
    texts = _joined(rows[first : last + 1], spans, ask)
    return Heading(first, last, last + 1, texts, known_columns(texts, ask), strength)


def _last_line(rows: Sequence[NumberedRow], at: int, spans: Sequence[Span]) -> int:
    """The place of the last row over which the header's merged cells reach."""
    row_no = rows[at][0]
    reach = (s.last_row for s in spans if s.first_row == row_no < s.last_row < row_no + _MOST_HEADER_LINES)
    last_no = max(reach, default=row_no)
    last = max(each for each, (number, _) in enumerate(rows) if number <= last_no)
    # merged cells that leave nothing below are no header's
    return last if last + 1 < len(rows) else at


def _lines(rows: Sequence[NumberedRow], at: int, spans: Sequence[Span]) -> tuple[int, int]:
    last = _last_line(rows, at, spans)
    if last == at and _is_group_line(rows, at, spans):
        last = at + 1
    # a group of columns above; a single merged cell over the whole width is a title
    above = at > 0 and any(s.first_row == s.last_row == rows[at - 1][0] and _is_group(s) for s in spans)
    first = at - 1 if above and len(filled(rows[at - 1][1])) >= 2 else at
    return first, last


def _is_group(span: Span) -> bool:
    return span.last_column > span.first_column


def _is_group_line(rows: Sequence[NumberedRow], at: int, spans: Sequence[Span]) -> bool:
    """Whether the row is the upper one of two lines of headings: groups above, columns below."""
    if at + 2 >= len(rows) or rows[at + 1][0] != rows[at][0] + 1:
        return False
    upper, lower = filled(rows[at][1]), filled(rows[at + 1][1])
    cells = rows[at + 1][1]
    merged = any(s.first_row == s.last_row == rows[at][0] and _is_group(s) for s in spans)
    labels = [cells[column] for column in lower]
    units = all(_UNIT.fullmatch(text_of(label)) for label in labels)
    if len(upper) < 2 or not (units or set(lower) - set(upper)) or not _are_labels(labels):
        return False
    # a lower line that needs no upper one: what is above may be a title
    if not (merged or units or set(upper) - set(lower) or len(set(labels)) < len(labels)):
        return False
    # below groups, the same heading may come again and again
    verdict = _judge(rows, at + 1, lower, at + 2, distinct=0.2)
    return verdict is not None and (verdict > 0 or merged)


def _joined(lines: Sequence[NumberedRow], spans: Sequence[Span], ask: Ask) -> list[str]:
    width = _width(lines)
    if len(lines) == 1:
        cells = lines[0][1]
        return ["" if is_blank(cell) else text_of(cell) for cell in cells[:width]]
    lowest = set(filled(lines[-1][1]))
    columns = [_spread(line, lowest if line is not lines[-1] else set(), spans, width) for line in lines]
    texts: list[str] = []
    for parts in zip(*columns, strict=True):
        said: list[str] = []
        for part in parts:
            if part and (not said or part != said[-1]):
                said.append(part)
        alone = bool(said) and columns[-1].count(said[-1]) == 1
        texts.append(_spoken(said, ask) if alone else " ".join(said))
    return texts


def _spoken(said: list[str], ask: Ask) -> str:
    """The lines together, unless the last alone is a known heading and they together are not."""
    together = " ".join(said)
    if len(said) < 2:
        return together
    options = [together, said[-1]]
    return next((each for each, column in zip(options, ask(options), strict=True) if column), together)


def _spread(line: NumberedRow, below: set[int], spans: Sequence[Span], width: int) -> list[str]:
    """A line's texts, with those of groups over each of their columns; `below` are those with a heading below."""
    row_no, cells = line
    texts = ["" if is_blank(cell) else text_of(cell) for cell in cells[:width]]
    texts += [""] * (width - len(texts))
    merged = [s for s in spans if s.first_row <= row_no <= s.last_row and _is_group(s) and s.first_column < width]
    for span in merged:
        for column in range(span.first_column + 1, min(span.last_column + 1, width)):
            texts[column] = texts[column] or texts[span.first_column]
    if below and not spans:
        group = ""
        for column in range(width):
            group = texts[column] or group
            if column in below:
                texts[column] = group
    return texts
