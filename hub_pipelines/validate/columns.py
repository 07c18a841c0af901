"""Which column of the file is which column of the contract.

Belongs here: comparing header texts. Not here: finding the header row, and anything about values.
A header counts only when it equals a known spelling; a near miss is suggested to the sender, never used.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hub_pipelines.validate.model import Feed, Unreadable

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

    positions: dict[str, int]
    unknown: tuple[tuple[int, str], ...]


def map_columns(header: Sequence[str], feed: Feed) -> ColumnMap:
    positions: dict[str, int] = {}
    unknown: list[tuple[int, str]] = []
    taken: set[str] = set()
    for position, text in enumerate(header):
        column = feed.aliases.get(normalise_header(text))
        if column is None:
            unknown.append((position, _unique(text.strip() or f"Column {column_letters(position)}", taken)))
        elif column in positions:
            raise _twice(column, header[positions[column]], positions[column], text, position)
        else:
            positions[column] = position
    _require_columns(feed, positions, [name for _, name in unknown])
    return ColumnMap(positions, tuple(unknown))


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


def _require_columns(feed: Feed, positions: dict[str, int], others: list[str]) -> None:
    missing = [column for column in feed.required if column not in positions]
    if not missing:
        return
    described = "; ".join(_missing_text(column, feed, others) for column in missing)
    noun = "a required column" if len(missing) == 1 else f"{len(missing)} required columns"
    raise Unreadable(
        f"The file lacks {noun}: {described}.",
        f"Add or rename the missing column headers ({', '.join(missing)}) and send the file again. "
        f"The header row of a {feed.title} file needs: {', '.join(feed.required)}.",
    )


def _missing_text(column: str, feed: Feed, others: list[str]) -> str:
    spellings = [alias for alias, target in feed.aliases.items() if target == column]
    by_form = {normalise_header(other): other for other in others}
    for spelling in spellings:
        close = difflib.get_close_matches(spelling, by_form, n=1, cutoff=0.75)
        if close:
            return f'{column} (did you mean the column "{by_form[close[0]]}"?)'
    return column
