"""Which column of the file is which column of the contract.

Belongs here: comparing header texts. Not here: finding the header row, and anything about values.
A header counts only when it equals a known spelling; a near miss is suggested to the sender, never used.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hub_pipelines.validate.model import Feed, RecordType, Unreadable

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


@dataclass(frozen=True)
class ColumnMap:
    """Positions counted from 0: `positions` by column, `unknown` as (position, header as written)."""

    record: RecordType
    positions: dict[str, int]
    unknown: tuple[tuple[int, str], ...]


def record_type_of(header: Sequence[str], feed: Feed) -> RecordType:
    """The record type whose columns the header names best. Raises Unreadable when two fit equally well.

    When none fits, the one that lacks the fewest columns is given, for its missing columns to be told.
    """
    ranked = sorted(feed.record_types, key=lambda one: _fit(header, one), reverse=True)
    if len(ranked) > 1 and _fit(header, ranked[0]) == _fit(header, ranked[1]) and not _missing(header, ranked[0]):
        raise Unreadable(
            f"The columns fit both a {ranked[0].title} and a {ranked[1].title}.",
            f"Remove the columns that belong to only one of them, or send two files. {_needs(feed)}",
        )
    return ranked[0]


def _fit(header: Sequence[str], record: RecordType) -> tuple[float, int]:
    """How much of what the record type requires is there, then how many of its columns are."""
    missing = len(_missing(header, record))
    return 1 - missing / len(record.required), len(_named(header, record))


def _named(header: Sequence[str], record: RecordType) -> set[str]:
    found = (record.aliases.get(normalise_header(text)) for text in header)
    return {column for column in found if column is not None}


def _missing(header: Sequence[str], record: RecordType) -> list[str]:
    named = _named(header, record)
    return [column for column in record.required if column not in named]


def map_columns(header: Sequence[str], feed: Feed) -> ColumnMap:
    """Where the columns of the file's record type are. Raises Unreadable when one is missing or there twice."""
    record = record_type_of(header, feed)
    positions: dict[str, int] = {}
    unknown: list[tuple[int, str]] = []
    taken: set[str] = set()
    for position, text in enumerate(header):
        column = record.aliases.get(normalise_header(text))
        if column is None:
            unknown.append((position, _unique(text.strip() or f"Column {column_letters(position)}", taken)))
        elif column in positions:
            raise _twice(column, header[positions[column]], positions[column], text, position)
        else:
            positions[column] = position
    _require_columns(feed, record, positions, [name for _, name in unknown])
    return ColumnMap(record, positions, tuple(unknown))


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
    of_what = f" of a {record.title}" if len(feed.record_types) > 1 else ""
    raise Unreadable(
        f"The file lacks {noun}{of_what}: {described}.",
        f"Add or rename the missing column headers ({', '.join(missing)}) and send the file again. {_needs(feed)}",
    )


def _needs(feed: Feed) -> str:
    """The required columns of each record type, in a sentence each."""
    return " ".join(f"The header row of a {one.title} needs: {', '.join(one.required)}." for one in feed.record_types)


def _missing_text(column: str, record: RecordType, others: list[str]) -> str:
    spellings = [alias for alias, target in record.aliases.items() if target == column]
    by_form = {normalise_header(other): other for other in others}
    for spelling in spellings:
        close = difflib.get_close_matches(spelling, by_form, n=1, cutoff=0.75)
        if close:
            return f'{column} (did you mean the column "{by_form[close[0]]}"?)'
    return column
