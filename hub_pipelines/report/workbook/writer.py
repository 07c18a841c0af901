"""The program that writes one returned workbook: `python -m hub_pipelines.report.workbook.writer`.

Belongs here: the order of its work. It is a program of its own because it opens what a stranger has sent: it sets
itself limits first, touches no database and no key, and the caller waits only so long (running). It is told on its
standard input: first the file, which it opens, then, perhaps much later, where the plan is and what goes where. It
writes the workbook and then its answer; without an answer nothing of it counts.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from hub_pipelines.mapping.opening import open_list
from hub_pipelines.mapping.spellings import known_headings
from hub_pipelines.report.workbook import base, limits, marking, pages
from hub_pipelines.report.workbook.model import Mark, Plan, Sent, Written
from hub_pipelines.report.workbook.places import Extent, Places, extents
from hub_pipelines.validate.batches import batches_of
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Part, Table, excel_row
from hub_pipelines.validate.returned import without_row_numbers


def main() -> None:
    """Raises Unreadable and what openpyxl raises."""
    limits.apply()
    with _table(Sent(**json.loads(sys.stdin.readline()))) as table:
        told = sys.stdin.readline()
        if not told:
            return  # whoever began it has ended, or has nothing to write
        paths = {name: Path(path) for name, path in json.loads(told).items()}
        plan = Plan.from_document(json.loads(paths["plan"].read_text(encoding="utf-8")))
        made, is_whole = _made(plan, table)
    made.workbook.save(paths["workbook"])  # when its reader has ended: both are large
    written = Written(made.suffix, is_whole, tuple(made.notes))
    paths["answer"].write_text(json.dumps(asdict(written)), encoding="utf-8")


def _made(plan: Plan, table: Table) -> tuple[base.Base, bool]:
    """The workbook, and whether it holds the whole file."""
    sent, source = plan.sent, Path(plan.sent.path)
    spans = _measured(source, table, plan.most_cells) if plan.whole_file else None
    whole = spans is not None
    made = (
        base.whole(source, table, sent.name, known_headings(FEEDS[sent.feed]).get)
        if whole
        else base.part_of(table, plan)
    )
    if whole:
        marking.take_off(made.workbook)
        base.tell_anew(made.workbook, plan.to_fix)
    else:
        plan, table, spans = _within_part(plan, table, made.rows or {})
    _mark(plan, table, made, spans or [], plan.token if whole else plan.token_of_part)
    return made, whole


def _mark(plan: Plan, table: Table, made: base.Base, spans: list[Extent], token: str) -> None:
    places = Places(table, made.workbook)
    marking.add_token_sheet(made.workbook, token)
    marking.add_lists(places, spans, plan.lists)
    marking.mark_headings(places, plan.questions)
    marked = marking.mark_cells(places, plan.marks)
    if plan.questions:
        pages.add_questions(made.workbook, plan.questions)
    pages.add_read_me(made.workbook, plan, marked, made.notes, is_part=made.rows is not None)


@contextmanager
def _table(sent: Sent) -> Iterator[Table]:
    with open_list(Path(sent.path), sent.name, FEEDS[sent.feed], sent.rules) as table:
        yield without_row_numbers(table)


class _TooLarge(Exception):
    """There are more cells than a workbook may have that is given back whole."""


def _measured(source: Path, table: Table, most_cells: int) -> list[Extent] | None:
    """The rows of each part; None when there are more cells than so many, told as soon as that is certain."""
    cells = base.cells_in(source)

    def numbers() -> Iterator[Sequence[int]]:
        count = 0
        batches = batches_of(table.rows)
        some = ([row_no] for row_no, _ in table.rows) if batches is None else (one.numbers for one in batches)
        for each in some:
            count += len(each)
            if cells is None and count * len(table.header) > most_cells:
                raise _TooLarge
            yield each

    if cells is not None and cells > most_cells:
        return None
    try:
        return extents(numbers())
    except _TooLarge:
        return None


def _within_part(plan: Plan, table: Table, rows: dict[int, int]) -> tuple[Plan, Table, list[Extent]]:
    """The plan for a workbook with some of the rows, whose first column is their number."""

    def moved(mark: Mark) -> Mark:
        return replace(
            mark,
            row=rows[mark.row],
            row_told=excel_row(mark.row),
            position=None if mark.position is None else mark.position + 1,
        )

    inside = replace(
        plan,
        folder=plan.folder_of_part,
        marks=tuple(moved(mark) for mark in plan.marks if mark.row in rows),
        lists={position + 1: values for position, values in plan.lists.items()},
        questions=tuple(
            replace(one, position=None if one.position is None else one.position + 1) for one in plan.questions
        ),
    )
    header = ["", *table.header]
    inner = replace(table, header=header, header_row=1, parts=(Part(None, 1, 0),))
    return inside, inner, [Extent(0, 2, len(rows) + 1)] if rows else []


if __name__ == "__main__":
    main()
