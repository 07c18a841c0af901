"""Which heading, in normal form, is known for which column of a contract.

Belongs here: looking headings up. Not here: the headings themselves (headings), how an unknown one is compared with
them (likeness).
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hub_pipelines.mapping.content import kinds_of, words_in
from hub_pipelines.mapping.headings import NAMES, NOT_OURS, SAME, SPELLINGS, YOUNGER
from hub_pipelines.validate.columns import normalise_header
from hub_pipelines.validate.model import Feed, RecordType


def texts(lines: str) -> Iterator[str]:
    """The headings in a block of lines as SPELLINGS has them."""
    for line in lines.strip().splitlines():
        start, colon, rest = line.strip().partition(": ")
        yield from (one.strip() for one in (rest if colon and len(start) == 2 else line).split(",") if one.strip())


NAMES_ONLY = frozenset(map(normalise_header, texts(NAMES)))
"""In normal form."""


_IN_CELLS = words_in("place grid category unit state event flag result class packing currency supplier")
"""Kinds of values that are words which some labs have for headings too."""


@dataclass(frozen=True)
class Known:
    """What a record type's headings may be: normal form to column; `own` are the contract's spellings."""

    own: Mapping[str, str]
    other: Mapping[str, str]
    not_ours: frozenset[str]
    english: frozenset[str]


@functools.lru_cache(maxsize=64)
def _forms(name: str) -> tuple[str, ...]:
    lines = "\n".join(block.get(SAME.get(name, name), "").strip() for block in (SPELLINGS, YOUNGER))
    return tuple(dict.fromkeys(map(normalise_header, texts(lines))))


@functools.lru_cache(maxsize=64)
def _younger(name: str) -> frozenset[str]:
    return frozenset(map(normalise_header, texts(YOUNGER.get(SAME.get(name, name), ""))))


@functools.lru_cache(maxsize=1)
def _english() -> frozenset[str]:
    blocks = (block.replace(",\n", ",").strip().splitlines() for block in (*SPELLINGS.values(), *YOUNGER.values()))
    lines = (line.strip() for block in blocks for line in block)
    return frozenset(normalise_header(one) for line in lines if line.startswith("en: ") for one in texts(line))


@functools.lru_cache(maxsize=16)
def _elsewhere(feed_name: str) -> frozenset[str]:
    """Headings that mean something else than a column in question unless its own contract says so."""
    from hub_pipelines.validate.feeds import FEEDS

    of_feed = FEEDS[feed_name].aliases if feed_name in FEEDS else ()
    of_languages = (form for name in SPELLINGS for form in _forms(name))
    return frozenset((*map(normalise_header, texts(NOT_OURS)), *of_feed, *of_languages))


def known_of(record: RecordType) -> Known:
    """The headings that are known for a record type's columns, and those that are known for something else.

    A heading that several of its columns share is kept for the one that comes first in the contract.
    """
    own, other = record.aliases, _of_languages(record.columns, tuple(record.aliases))
    elsewhere = _elsewhere(record.name.partition(".")[0])
    return Known(
        own=own,
        other=other,
        not_ours=frozenset(form for form in elsewhere if form not in own and form not in other),
        english=_english() | own.keys(),
    )


@functools.lru_cache(maxsize=64)
def _of_languages(columns: tuple[str, ...], own: tuple[str, ...]) -> Mapping[str, str]:
    other: dict[str, str] = {}
    known = frozenset(own)
    for column in columns:
        for form in _forms(column):
            if form not in known:
                other.setdefault(form, column)
    return other


def known_headings(feed: Feed) -> Mapping[str, str]:
    """Every heading, in normal form, that is known for some column of the feed, and that column; for finding the row of
    headings. What may as well stand in a cell below one (freezer, equipment, g) tells of no such row, unless a contract
    has it."""
    return _known_headings(tuple((one.columns, tuple(one.aliases.items())) for one in feed.lists))


@functools.lru_cache(maxsize=64)  # asked for with each file
def _known_headings(lists: tuple[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], ...]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for columns, own in reversed(lists):
        of_languages = _of_languages(columns, tuple(form for form, _ in own))
        found |= {
            form: column
            for form, column in of_languages.items()
            if form not in _younger(column) and not _may_be_a_cell(form)
        }
    for _, own in reversed(lists):
        found |= own
    return found


def _may_be_a_cell(form: str) -> bool:
    return " " not in form and not kinds_of(form).isdisjoint(_IN_CELLS)
