"""Tables that stand side by side in one block of rows.

Belongs here: whether blank columns part a table or two tables, and which headings are whose. Not here: where a block
begins (scan).
"""

from collections.abc import Sequence
from dataclasses import replace

from hub_pipelines.validate.parsing.grid import Ask, Cells, NumberedRow, filled, is_blank, shown, text_of
from hub_pipelines.validate.parsing.layout.heading_row import Heading, find_heading, kind_of_cell, known_columns
from hub_pipelines.validate.parsing.layout.rules import ALL_KNOWN_RULES, FIRST_RULES, NAMES_APART_RULES
from hub_pipelines.validate.parsing.layout.table import FoundTable, table_below

_NAMING = frozenset({"item_name", "item_code", "asset_tag", "container_id", "contents", "award_id", "transaction_id"})
"""Columns that say what a row is about."""
_AS_LONG = 2
"""Columns end together when fewer rows than this lie between their ends."""


def tables_of_block(
    rows: list[NumberedRow], heading: Heading, above: Sequence[Cells], ask: Ask, rules: int
) -> list[FoundTable]:
    """One table, or several side by side. `above` are the rows before the data, with those of earlier blocks."""
    header_lines = 0 if heading.first is None or heading.last is None else heading.last + 1 - heading.first
    titles = [shown(cells) for cells in above[: len(above) - header_lines]]
    whole = table_below(rows, heading, 0, None, titles)
    formerly = rules == FIRST_RULES
    lanes = _lanes(rows[heading.data :], heading) if formerly else _pieces(rows[heading.data :], heading)
    if len(lanes) < 2:
        return [whole]
    if titled := _titled(rows, heading, lanes, above, ask):
        return titled
    if _repeat(heading.texts, lanes, ask):
        return [table_below(rows, heading, start, stop, titles) for start, stop in lanes]
    apart = [_lane(rows, start, stop, ask, rules) for start, stop in lanes]
    starts = {found.header_row for found in apart if found is not None}
    if all(found is not None and found.header_row for found in apart) and len(starts) > 1:
        apart[0].titles = titles  # type: ignore[union-attr]  # none of them is None
        return [found for found in apart if found is not None]
    if formerly or heading.first is None:
        return [whole]
    if _is_one(rows[heading.data :], heading.texts, lanes, ask, rules):
        return [whole]
    return [
        table_below(rows, _own(heading, start, stop, ask), start, stop, [] if at else titles)
        for at, (start, stop) in enumerate(lanes)
    ]


def _own(heading: Heading, start: int, stop: int | None, ask: Ask) -> Heading:
    """A heading that knows only of its own columns; the other tables' say nothing of this one."""
    return replace(heading, hits=known_columns(heading.texts[start:stop], ask))


def _titled(
    rows: list[NumberedRow],
    heading: Heading,
    lanes: list[tuple[int, int | None]],
    above: Sequence[Cells],
    ask: Ask,
) -> list[FoundTable]:
    """Tables side by side of the same headings, each below a title of its own. Nothing where they are not so."""
    if heading.last is None or heading.first is None or heading.last - heading.first > 1 or len(above) < 2:
        return []
    groups = [_only_text(above[-2][start:stop]) for start, stop in lanes]
    texts = ["" if is_blank(cell) else text_of(cell) for cell in above[-1]]
    if any(group is None for group in groups) or not _repeat(texts, lanes, ask):
        return []
    own = replace(heading, first=heading.last, texts=texts, hits=known_columns(texts, ask))
    titles = [shown(cells) for cells in above[:-2]]
    tables = [table_below(rows, own, start, stop, titles) for start, stop in lanes]
    for table, group in zip(tables, groups, strict=True):
        table.group = group or ""
    return tables


def _lane(rows: list[NumberedRow], start: int, stop: int | None, ask: Ask, rules: int) -> FoundTable | None:
    own = [(row_no, cells[start:stop]) for row_no, cells in rows]
    own = [(row_no, cells) for row_no, cells in own if filled(cells)]
    heading = find_heading(own, (), ask, rules) if own else None
    if heading is None or heading.first is None or heading.strength < 1:
        return None
    found = table_below(own, heading, 0, None, [])
    found.start, found.stop = start, stop
    return found


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
    if not is_known and (rules <= ALL_KNOWN_RULES or not _tells_more(known)):
        return False
    last = len(rows) - 1
    ends = [
        max((at for at, (_, cells) in enumerate(rows) if filled(cells[start:stop])), default=last)
        for start, stop in lanes
    ]
    return max(ends) - min(ends) < _AS_LONG


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
