"""Which column of the file is which column of the contract.

Belongs here: comparing header texts. Not here: finding the header row, and anything about values.
A header counts only when it equals a known spelling; a near miss is suggested to the sender, never used.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hub_pipelines.validate.model import PART_ROWS, Feed, Part, RecordType, Unreadable

# headings that say little: where another one means the same column, they give way to it
_VAGUE_HEADINGS = """
    id, name, description, item, product, material, chemical, reagent, manufacturer, brand, company, vendor, room, lab,
    laboratory, pi, owner, department, funding agency, type, note, notes, remark, remarks, comment, comments, tag,
    barcode
"""
_VAGUE = frozenset(_VAGUE_HEADINGS.strip().replace("\n    ", " ").split(", "))
# of these, the ones that at least tell that a list is one of things
_OF_THINGS = frozenset({"item", "product", "material", "chemical", "reagent", "manufacturer", "brand"})
_SEPARATORS = re.compile(r"[\s_\-‐‑‒–—/.]+")


def normalise_header(text: str) -> str:
    """The form in which two spellings of one header are equal: `Asset_Tag *` and `asset tag`."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _SEPARATORS.sub(" ", folded).strip().rstrip("*: ")


def aliases_for(columns: Iterable[str], spellings: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Normalised header to column, for the columns' own names and their other spellings."""
    known = {normalise_header(column): column for column in columns}
    for column, others in spellings.items():
        known.update({normalise_header(other): column for other in others})
    return known


def column_letters(position: int) -> str:
    """The name that Excel gives the column at `position` (counted from 0)."""
    letters = ""
    number = position + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def places_of(position: int, parts: Sequence[Part]) -> str:
    """Where Excel shows a column of the header, in each of the tables that were joined: "E", or "A, F"."""
    if not parts:
        return column_letters(position)
    found = [
        part.first_column + (part.columns.index(position) if part.columns else position)
        for part in parts
        if not part.columns or position in part.columns
    ]
    return ", ".join(column_letters(at) for at in dict.fromkeys(found)) or column_letters(position)


@dataclass(frozen=True)
class ColumnMap:
    """Positions counted from 0: `positions` by column, `unknown` as (position, header as written)."""

    record: RecordType
    positions: dict[str, int]
    unknown: tuple[tuple[int, str], ...]


class ColumnsMissing(Unreadable):
    """The header lacks columns that the feed needs; it may be a list of another feed."""


def fits(header: Sequence[str], feed: Feed) -> RecordType | None:
    """What a list with these headings is to a feed, as it stands; None when the feed could not take it."""
    try:
        return map_columns(header, feed).record
    except Unreadable:
        return None


def table_of(row_no: int, parts: Sequence[Part]) -> str | None:
    """Where the row's table begins, as Excel names the column, when its sheet has another table beside it."""
    at = row_no // PART_ROWS
    if at >= len(parts):
        return None
    begins = {one.first_column for one in parts if one.sheet == parts[at].sheet}
    return column_letters(parts[at].first_column) if len(begins) > 1 else None


def record_type_of(header: Sequence[str], feed: Feed) -> RecordType:
    """The record type whose columns the header names best. Raises Unreadable when it is not clear which that is.

    When none fits, the one that lacks the fewest columns is given, for its missing columns to be told. Where items
    have tags, the list is one of tagged items: then only such record types are looked at.
    """
    refuse_foreign(header, replace(feed, foreign=tuple(one for one in feed.foreign if not one.younger)))
    tagged = [one for one in feed.lists if one.tag_column and _clearly_names(header, one.tag_column, one.aliases)]
    best, *others = sorted(tagged or feed.lists, key=lambda one: _fit(header, one), reverse=True)
    if _missing(header, best):
        return best
    for other in others:
        if _fit(header, best) == _fit(header, other):
            raise Unreadable(
                f"The columns fit both {_a(best)} and {_a(other)}.",
                f"Remove the columns that belong to only one of them, or send two files. {_needs(feed)}",
            )
        # a list that lacks one column must not be taken for something else because it happens to have enough for that
        if len(_named(header, other)) > len(_named(header, best)):
            raise _rather(header, best, other)
    return best


def _clearly_names(header: Sequence[str], column: str | None, aliases: Mapping[str, str]) -> bool:
    return column is not None and any(aliases.get(form) == column for form in _forms(header) - _VAGUE)


def _forms(header: Sequence[str]) -> set[str]:
    return {normalise_header(text) for text in header}


def refuse_foreign(header: Sequence[str], feed: Feed) -> None:
    """Raises Unreadable for a list that senders take for one of the feed's and that is none."""
    for one in feed.foreign:
        known = len(_forms(header) & one.headings) >= one.at_least
        if known and not _clearly_names(header, one.unless, feed.aliases):
            raise Unreadable(one.reason, one.fix)


def _rather(header: Sequence[str], best: RecordType, other: RecordType) -> Unreadable:
    missing = ", ".join(_missing(header, other))
    foreign = [text.strip() for text in header if _is_of(text, other) and not _is_of(text, best)]
    return Unreadable(
        f"The columns would do for {_a(best)}, but most are those of {_a(other)}, which also needs: {missing}.",
        f"If it is {_a(other)}, add the missing columns. If it is {_a(best)}, remove or rename: {', '.join(foreign)}.",
    )


def _is_of(text: str, record: RecordType) -> bool:
    return normalise_header(text) in record.aliases


def _a(record: RecordType) -> str:
    return f"an {record.title}" if record.title[0] in "aeiou" else f"a {record.title}"


def _fit(header: Sequence[str], record: RecordType) -> tuple[float, int, bool, int]:
    """How much of what the record type requires is there, how many of its columns are, whether it tells of tags, and
    how little it lacks."""
    missing = len(_missing(header, record))
    named = _named(header, record)
    return 1 - missing / len(record.required), len(named), record.tag_column in named, -missing


def _named(header: Sequence[str], record: RecordType) -> set[str]:
    found = (record.aliases.get(normalise_header(text)) for text in header)
    return {column for column in found if column is not None}


def _missing(header: Sequence[str], record: RecordType) -> list[str]:
    named = _named(header, record)
    return [column for column in record.required if column not in named]


def map_columns(header: Sequence[str], feed: Feed) -> ColumnMap:
    """Where the columns of the file's record type are. Raises Unreadable when one is missing or there twice."""
    columns = located_columns(header, record_type_of(header, feed))
    _require_columns(feed, columns.record, columns.positions, [name for _, name in columns.unknown])
    _require_telling(header, columns)
    return columns


def located_columns(header: Sequence[str], record: RecordType) -> ColumnMap:
    """Where those columns of a record type are that the header names. Raises Unreadable when one is there twice."""
    positions: dict[str, int] = {}
    unknown: list[tuple[int, str]] = []
    taken: set[str] = set()
    for position, text in enumerate(header):
        column = record.aliases.get(normalise_header(text))
        if column is None:
            unknown.append((position, _unique(text.strip() or f"Column {column_letters(position)}", taken)))
        elif column in positions:
            first = positions[column]
            chosen = _clearer(record, column, header[first], text)
            if chosen is None:
                raise _twice(column, header[first], first, text, position)
            positions[column], other = (position, first) if chosen == text else (first, position)
            unknown.append((other, _unique(header[other].strip(), taken)))
        else:
            positions[column] = position
    return ColumnMap(record, positions, tuple(unknown))


def _clearer(record: RecordType, column: str, first: str, second: str) -> str | None:
    """Of two headings for one column the one that says more; None when that is neither."""
    clear = [text for text in (first, second) if not _is_vague(text, column)]
    if len(clear) == 1:
        return clear[0]
    if clear or normalise_header(first) == normalise_header(second):
        return None
    order = list(record.aliases)
    return min(first, second, key=lambda text: order.index(normalise_header(text)))


def _is_vague(text: str, column: str) -> bool:
    form = normalise_header(text)
    return is_vague(form) and form != normalise_header(column)


def is_vague(form: str) -> bool:
    """Whether a heading (in normal form) says so little that another one for the same column is to be preferred."""
    return form in _VAGUE


def _tells(text: str, column: str) -> bool:
    return not _is_vague(text, column) or tells_of_things(normalise_header(text))


def tells_of_things(form: str) -> bool:
    """Whether a heading that says little at least says that the list is one of things."""
    return form in _OF_THINGS


def _unique(name: str, taken: set[str]) -> str:
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name} ({number})"
    taken.add(candidate)
    return candidate


def _twice(column: str, first: str, first_at: int, second: str, second_at: int) -> Unreadable:
    return Unreadable(
        f'Two columns both mean "{column}": "{first.strip()}" (column {column_letters(first_at)}) '
        f'and "{second.strip()}" (column {column_letters(second_at)}).',
        "Delete or rename one of the two columns and send the file again.",
    )


def _require_columns(feed: Feed, record: RecordType, positions: dict[str, int], others: list[str]) -> None:
    missing = [column for column in record.required if column not in positions]
    if not missing:
        return
    described = "; ".join(_missing_text(column, record, others) for column in missing)
    noun = "a required column" if len(missing) == 1 else f"{len(missing)} required columns"
    of_what = f" of {_a(record)}" if len(feed.lists) > 1 else ""
    raise ColumnsMissing(
        f"The file lacks {noun}{of_what}: {described}.",
        f"Add or rename the missing column headers ({', '.join(missing)}) and send the file again. {_needs(feed)}",
    )


def _require_telling(header: Sequence[str], columns: ColumnMap) -> None:
    record = columns.record
    named = {column: header[at].strip() for column, at in columns.positions.items()}
    if not record.telling or any(_tells(text, column) for column, text in named.items() if column in record.telling):
        return
    raise too_general(record, named.values())


def too_general(record: RecordType, headings: Iterable[str]) -> Unreadable:
    """What the sender of a list is told whose headings would do for a list of anything."""
    return Unreadable(
        f"The headings are too general to tell that this is {_a(record)}: {', '.join(headings)}.",
        f"Give at least one column a name that says what it holds, such as {', '.join(record.telling[:4])}.",
    )


def _needs(feed: Feed) -> str:
    """The required columns of each record type, in a sentence each."""
    return " ".join(f"The header row of {_a(one)} needs: {', '.join(one.required)}." for one in feed.lists)


def _missing_text(column: str, record: RecordType, others: list[str]) -> str:
    spellings = [alias for alias, target in record.aliases.items() if target == column]
    by_form = {normalise_header(other): other for other in others}
    for spelling in spellings:
        close = difflib.get_close_matches(spelling, by_form, n=1, cutoff=0.8)
        if close:
            return f'{column} (did you mean the column "{by_form[close[0]]}"?)'
    return column
