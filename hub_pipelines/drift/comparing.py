"""From a header to its shape, from two shapes to what changed, and that in plain words.

Belongs here: which heading became which, and the sentences that senders and reviewers read. Not here: what follows
from a change (judging).
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence

from hub_pipelines.common.canonical import digest_of
from hub_pipelines.drift.model import Change, Gained, HeaderShape, Kind, Lost, Pair
from hub_pipelines.validate.columns import column_letters, located_columns, normalise_header
from hub_pipelines.validate.model import RecordType

_FINGERPRINT_CHARACTERS = 16
# a new heading in the place of the one that is gone is likely to be the same column under another name
_SAME_PLACE = 0.25
_LIKE_ENOUGH = 0.6
# a header may have thousands of columns; suggestions are a help, not worth minutes
_MOST_COMPARED = 200
_LONGEST_COMPARED = 200
_LISTED = 8
_SHOWN_CHARACTERS = 80


def shape_of(header: Sequence[str], record: RecordType, sent: Sequence[str] | None = None) -> HeaderShape:
    """What a header means to a record type. Raises Unreadable when two headings mean one column.

    `sent` is the header as it was sent, where `header` is what its headings were recognised as.
    """
    sent = header if sent is None else sent
    located = located_columns(header, record)
    # what stands behind the sender's columns is read from their cells
    columns = {column: heading_at(sent, at) if at < len(sent) else column for column, at in located.positions.items()}
    others = tuple(
        heading if sent[at] == header[at] else sent[at].strip() for at, heading in located.unknown if sent[at].strip()
    )
    return HeaderShape(record.name, fingerprint_of(record, columns, others), tuple(sent), columns, others)


def heading_at(header: Sequence[str], position: int) -> str:
    """The heading of a column, or its place as Excel names it where it has none."""
    return header[position].strip() or f"[{column_letters(position)}]"


def recognised(shape: HeaderShape) -> list[str]:
    """The header as the contract sees it: a heading that was taken for a column gives way to the column's name."""
    header = list(shape.header)
    for column, heading in shape.columns.items():
        at = next((at for at in range(len(header)) if heading_at(shape.header, at) == heading), None)
        if at is not None:
            header[at] = column
    return header


def fingerprint_of(record: RecordType, columns: Iterable[str], others: Iterable[str]) -> str:
    """Equal for headers of equal meaning: order, case and spellings that the contract knows don't count."""
    meaning = {
        "record_type": record.name,
        "columns": sorted(columns),
        "others": sorted({normalise_header(heading) for heading in others}),
    }
    return digest_of(meaning)[:_FINGERPRINT_CHARACTERS]


def compare(before: HeaderShape, now: HeaderShape, record: RecordType) -> Change:
    """What changed between two headers of one record type."""
    had = {normalise_header(heading) for heading in before.others}
    have = {normalise_header(heading) for heading in now.header}
    new = [heading for heading in now.others if normalise_header(heading) not in had]
    missing = [column for column in before.columns if column not in now.columns]
    likely = _likely(missing, new, before, now, record)
    return Change(
        lost=tuple(Lost(column, before.columns[column], likely.get(column)) for column in missing),
        gained=(
            # a heading that was there, and whose meaning a later contract knows, is not new
            *(
                Gained(heading, column)
                for column, heading in now.columns.items()
                if column not in before.columns and normalise_header(heading) not in had
            ),
            *(Gained(heading, None) for heading in new),
        ),
        gone=tuple(heading for heading in before.others if normalise_header(heading) not in have),
    )


def missing_columns(now: HeaderShape, record: RecordType) -> Change:
    """What the contract requires and a header does not have, with the headings that might be it."""
    missing = [column for column in record.required if column not in now.columns]
    likely = _likely(missing, now.others, None, now, record)
    return Change(lost=tuple(Lost(column, None, likely.get(column)) for column in missing))


def _likely(
    missing: Sequence[str], new: Sequence[str], before: HeaderShape | None, now: HeaderShape, record: RecordType
) -> dict[str, str]:
    """For each missing column the new heading that looks most like it, each heading used once, the best pair first."""
    candidates = [heading for heading in new if len(heading) <= _LONGEST_COMPARED][:_MOST_COMPARED]
    places = _places(now.header)
    places_before = _places(before.header) if before else {}
    scored = []
    for column in missing:
        place = places_before.get(normalise_header(before.columns[column])) if before else None
        for heading in candidates:
            here = place is not None and places.get(normalise_header(heading)) == place
            scored.append((_alike(column, heading, record) + (_SAME_PLACE if here else 0), column, heading))
    found: dict[str, str] = {}
    for score, column, heading in sorted(scored, reverse=True):
        if score >= _LIKE_ENOUGH and column not in found and heading not in found.values():
            found[column] = heading
    return found


def _alike(column: str, heading: str, record: RecordType) -> float:
    form = normalise_header(heading)
    spellings = (alias for alias, target in record.aliases.items() if target == column)
    return max(difflib.SequenceMatcher(None, spelling, form).ratio() for spelling in spellings)


def _places(header: Sequence[str]) -> dict[str, int]:
    return {normalise_header(text): at for at, text in enumerate(header)}


def side_by_side(before: HeaderShape | None, now: HeaderShape, change: Change) -> list[Pair]:
    """Both headers: the contract's columns first, what is gone before the rest, then the other headings."""
    had = before.columns if before else {}
    perhaps = {one.column: one.looks_like for one in change.lost}
    columns = [*perhaps, *(column for column in (*had, *now.columns) if column not in perhaps)]
    pairs = [
        Pair(column, had.get(column), now.columns.get(column), perhaps.get(column)) for column in dict.fromkeys(columns)
    ]
    others_before = {normalise_header(heading): heading for heading in (before.others if before else ())}
    others_now = {normalise_header(heading): heading for heading in now.others}
    forms = dict.fromkeys((*others_now, *others_before))
    return pairs + [Pair(None, others_before.get(form), others_now.get(form)) for form in forms]


# ---- in words


def reason_of(change: Change) -> str:
    """What a held file's columns lack, in a sentence or two."""
    parts = [f"The columns are not those of this list's earlier files: {_lost(change.lost)}"]
    others = [one.heading for one in change.gained if one.heading not in {lost.looks_like for lost in change.lost}]
    if others:
        parts.append(f"Also new: {_quoted(others)}")
    return ". ".join(parts) + "."


def lines_of(known_by: Mapping[str, int]) -> str:
    """What would become of lines that are known by columns which are gone; `known_by` tells how many, by column."""
    known = [
        f"{number:,} {'line' if number == 1 else 'lines'} by {'its' if number == 1 else 'their'} {_called(column)}"
        for column, number in known_by.items()
        if number
    ]
    return f"This list is in the ledger with {_and(known)}: without, such a line would stand there a second time."


def _called(column: str) -> str:
    return column.replace("_", " ").replace("cas", "CAS")


def _lost(lost: Sequence[Lost]) -> str:
    told = [_one_lost(one) for one in lost[:_LISTED]]
    more = len(lost) - len(told)
    return "; ".join([*told, *([f"and {more} more"] if more > 0 else [])])


def _one_lost(one: Lost) -> str:
    so_far = "" if one.heading is None or one.heading == one.column else f" (so far {_cut(one.heading)})"
    perhaps = f", perhaps now called {_cut(one.looks_like)}" if one.looks_like else ""
    return f"{one.column.replace('_', ' ')}{so_far} is missing{perhaps}"


def fix_of(change: Change) -> str:
    """What the sender of a held file can do."""
    renames = [
        f"rename {_cut(one.looks_like)} to {_cut(one.heading or one.column)}" for one in change.lost if one.looks_like
    ]
    others = [f"add {_cut(one.heading or one.column)}" for one in change.lost if not one.looks_like]
    mend = _and([*renames, *others][:_LISTED])
    return (
        f"If the columns were not changed on purpose, {mend}, save the file and drop it again. "
        "If they were, you need not do anything: a person at the hub decides, and this receipt will be updated."
    )


def note_of(kind: Kind, gained: Gained) -> str:
    """What a sender is told of a heading that is new, or that a migration reads, and held nothing up."""
    if kind is Kind.MIGRATED:
        return "People at the hub have decided for this list that its values are read from this heading."
    if gained.column is not None:
        return f"This column is new in this list. It was taken as {gained.column.replace('_', ' ')}."
    return "This column is new in this list. The hub does not know it: its values are kept with each row, unchecked."


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _quoted(headings: Sequence[str]) -> str:
    told = ", ".join(_cut(heading) for heading in headings[:_LISTED])
    more = len(headings) - _LISTED
    return f"{told} and {more} more" if more > 0 else told


def _cut(heading: str) -> str:
    """A heading in quotation marks, at a readable length."""
    return f'"{heading[:_SHOWN_CHARACTERS]}…"' if len(heading) > _SHOWN_CHARACTERS else f'"{heading}"'
