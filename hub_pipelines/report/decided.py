"""How a file's columns and values were read, as receipts and previews tell it.

Belongs here: from a decision to the lines of a page. Not here: deciding (mapping, validate/conventions), layout.
"""

import re
from collections.abc import Iterator, Sequence

from hub_pipelines.mapping.decision import HOW, Decision
from hub_pipelines.mapping.model import Assigned
from hub_pipelines.report.model import ColumnsRead, UnderstoodLine
from hub_pipelines.validate.columns import places_of
from hub_pipelines.validate.model import Part

COLUMNS_SHOWN = 100
_OTHER_COLUMN = re.compile(r"(?<=of the column )\w+")


def columns_read(decision: Decision | None) -> ColumnsRead:
    """Nothing for a file that was read as before there were decisions, or not read at all."""
    if decision is None:
        return ColumnsRead()
    return ColumnsRead(
        understood=tuple(_understood(one, decision.parts) for one in decision.read[:COLUMNS_SHOWN])
        if decision.recognised
        else (),
        unread=(*decision.unread, *_nameless(decision))[:COLUMNS_SHOWN],
        values=(*decision.notes, *_in_the_senders_words(decision))[:COLUMNS_SHOWN],
    )


def _nameless(decision: Decision) -> Iterator[str]:
    """The other columns of a file without headings. In one with headings, a nameless column is mostly a gap."""
    if any(text.strip() for text in decision.header) or decision.mapping is None:
        return
    read = set(decision.mapping.positions.values())
    for at in range(len(decision.header)):
        if at not in read:
            yield f"column {places_of(at, decision.parts)}"


def _in_the_senders_words(decision: Decision) -> Iterator[str]:
    """Each sentence begins with the column that it is about, and may name another one."""
    own = headings(decision)

    def known(column: str) -> str:
        return f"“{own[column]}”" if column in own else column.replace("_", " ")

    for line in decision.told:
        column, colon, rest = line.partition(": ")
        rest = _OTHER_COLUMN.sub(lambda found: known(found[0]), rest)
        yield f"{known(column)}{colon}{rest}" if colon else line


def headings(decision: Decision | None) -> dict[str, str]:
    """What the file calls the columns that were read, or where they stand."""
    read = decision.read if decision else ()
    parts = decision.parts if decision else ()
    return {one.column: _called(one, parts) for one in read}


def _understood(one: Assigned, parts: Sequence[Part]) -> UnderstoodLine:
    place = places_of(one.position, parts)
    return UnderstoodLine(_called(one, parts), place, one.column, HOW[one.how], f"{one.confidence:.2f}", one.evidence)


def _called(one: Assigned, parts: Sequence[Part]) -> str:
    return " ".join(one.heading.split()) or f"column {places_of(one.position, parts)}"
