"""How a file's columns and values were read, as receipts and previews tell it.

Belongs here: from a decision to the lines of a page. Not here: deciding (mapping, validate/conventions), layout.
"""

from collections.abc import Iterator

from hub_pipelines.mapping.decision import HOW, Decision
from hub_pipelines.mapping.model import Assigned
from hub_pipelines.report.model import ColumnsRead, UnderstoodLine
from hub_pipelines.validate.columns import column_letters, normalise_header

COLUMNS_SHOWN = 100


def columns_read(decision: Decision | None) -> ColumnsRead:
    """Nothing for a file that was read as before there were decisions, or not read at all."""
    if decision is None:
        return ColumnsRead()
    return ColumnsRead(
        understood=tuple(map(_understood, decision.read[:COLUMNS_SHOWN])) if decision.recognised else (),
        unread=decision.unread[:COLUMNS_SHOWN],
        values=(*decision.notes, *_in_the_senders_words(decision))[:COLUMNS_SHOWN],
    )


def _in_the_senders_words(decision: Decision) -> Iterator[str]:
    """Each sentence begins with the column that it is about."""
    own = headings(decision)
    for line in decision.told:
        column, colon, rest = line.partition(": ")
        known = f"“{own[column]}”" if column in own else column.replace("_", " ")
        yield f"{known}{colon}{rest}" if colon else line


def headings(decision: Decision | None) -> dict[str, str]:
    """What the file calls the columns that it does not call by the contract's own words, or where they stand."""
    read = decision.read if decision else ()
    return {one.column: _called(one) for one in read if normalise_header(one.heading) != normalise_header(one.column)}


def _understood(one: Assigned) -> UnderstoodLine:
    place = column_letters(one.position)
    return UnderstoodLine(_called(one), place, one.column, HOW[one.how], f"{one.confidence:.2f}", one.evidence)


def _called(one: Assigned) -> str:
    return " ".join(one.heading.split()) or f"column {column_letters(one.position)}"
