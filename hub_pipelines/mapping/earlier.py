"""Which column of a file named the rows in its source's earlier files (decisions/0039).

Belongs here: finding it again by its heading. Not here: what becomes of it (proposing, choosing), where the headers of
earlier files are kept (drift/store). Pure.
"""

from collections import Counter
from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from hub_pipelines.drift.comparing import heading_at
from hub_pipelines.drift.model import KnownShape
from hub_pipelines.mapping.remembered import Remembered
from hub_pipelines.validate.columns import normalise_header
from hub_pipelines.validate.model import Feed, RecordType

TakenBack = Map[tuple[str, str], datetime]
"""Until when people had said of a heading, in normal form, that it is a column: what they have said no more."""


def taken_back(history: Sequence[Remembered]) -> TakenBack:
    """`history` is what was remembered for a source, the newest version first."""
    found: dict[tuple[str, str], datetime] = {}
    for newer, older in pairwise(history):
        gone = older.confirmed.headings.items() - newer.confirmed.headings.items()
        for heading, column in gone:
            if column is not None and newer.changed_at is not None:
                found.setdefault((heading, column), newer.changed_at)
    return found


def named_before(
    header: Sequence[str], feed: Feed, known: Sequence[KnownShape], withdrawn: TakenBack
) -> dict[str, dict[str, int]]:
    """By record type and column of the contract the position of the column that earlier files were read by.

    Only of columns by which a ledger knows its rows: another one, however much likelier, makes others of all of them.
    `known` are the source's accepted shapes, the one that posted last first; one of the very headings that the file has
    counts before it.
    """
    found = {}
    for record in feed.lists:
        own = [one for one in known if one.shape.record_type == record.name]
        same = frozenset(_forms(header))
        own.sort(key=lambda one: frozenset(_forms(one.shape.header)) != same)
        found[record.name] = _Search(header, record, withdrawn).among(own)
    return found


@dataclass(frozen=True, slots=True)
class _Search:
    header: Sequence[str]
    record: RecordType
    withdrawn: TakenBack

    def among(self, known: Sequence[KnownShape]) -> dict[str, int]:
        """A heading means what it meant in the first of these that has it."""
        found: dict[str, int] = {}
        forms, told = _forms(self.header), set[str]()
        lines = self.record.lines.columns if self.record.lines is not None else ()
        for one in known:
            before = _forms(one.shape.header)
            for column in dict.fromkeys((*self.record.key_columns, *lines)):
                form = _form(one.shape.columns.get(column, ""))
                if column in found or form in told or not self._is_found_again(form, forms, before):
                    continue
                if not self._is_withdrawn(form, column, one):
                    found[column] = forms.index(form)
            told.update(before)
        return found

    def _is_found_again(self, form: str, forms: Sequence[str], before: Sequence[str]) -> bool:
        """Once in both. A place tells the same column only where nothing else has moved."""
        return Counter(forms)[form] == Counter(before)[form] == 1 and (not form.startswith("[") or forms == before)

    def _is_withdrawn(self, form: str, column: str, one: KnownShape) -> bool:
        until = self.withdrawn.get((form, column))
        return until is not None and (one.last_posted_at is None or one.last_posted_at <= until)


def _forms(header: Sequence[str]) -> list[str]:
    return [_form(heading_at(header, at)) for at in range(len(header))]


def _form(heading: str) -> str:
    """As proposing.keys_of has it, but for the number of a repeated one."""
    return normalise_header(heading) if not heading.startswith("[") else heading.casefold()
