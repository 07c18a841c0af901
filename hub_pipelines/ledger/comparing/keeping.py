"""What a row says nothing about: values of columns that its file does not have. Pure.

Belongs here: which columns a file has, and an item's values where its row says only some of them (decisions/0076). Not
here: what is told of it (remarks.py). What is changed here changes what a backfill finds of older postings.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.ledger.comparing.model import SHORT_BY
from hub_pipelines.validate.columns import located_columns, normalise_header
from hub_pipelines.validate.model import RecordType, column_of

_OF_THE_HUB = frozenset({"other", "replaced_by"})


def columns_said(header: Sequence[str], record: RecordType) -> frozenset[str]:
    """The columns that a file has, as the contract sees its header: of the contract and its own, normalised.

    Who says how much is there says that nothing is short.
    """
    columns = located_columns(header, record)
    names = [*columns.positions, *(name for _, name in columns.unknown)]
    if record.adjusted is not None and record.adjusted.quantity in columns.positions:
        names.append(SHORT_BY)
    return frozenset(map(normalise_header, names))


def completed(values: str, held: str, said: frozenset[str] | None) -> tuple[str, tuple[str, ...]]:
    """What the ledger is to hold of an item, and the columns whose values are kept.

    `values` are the row's, `held` those that the ledger holds, both canonical JSON; `said` are the file's columns. A
    column that the file has is the row's to say, empty cells too; None: all are.
    """
    if values == held or said is None:
        return values, ()
    # orjson, by which most rows are read and no more, reads a very large number as another one
    before = orjson.loads(held)
    unsaid = _unsaid(tuple(before), said)
    if not unsaid and "other" not in before:
        return values, ()
    row = orjson.loads(values)
    own = _other(row)
    kept = [name for name in unsaid if before[name] is not None and row.get(name) is None]
    others = [name for name in _other(before) if name not in own and not says(name, said)]
    if not kept and not others:
        return values, ()
    return _with(json.loads(values), json.loads(held), kept, others), (*kept, *filter(_is_column, others))


def _with(row: dict[str, Any], before: Mapping[str, Any], kept: Iterable[str], others: Sequence[str]) -> str:
    row |= {name: before[name] for name in kept}
    if others:
        row["other"] = {**_other(row), **{name: before["other"][name] for name in others}}
    return canonical_text(row)


def _is_column(name: str) -> bool:
    """Not what was sent in a cell of one."""
    return column_of(name) == name


@lru_cache(maxsize=100)
def _unsaid(names: tuple[str, ...], said: frozenset[str]) -> tuple[str, ...]:
    """Those of an item's columns that its file does not have."""
    return tuple(name for name in names if name not in _OF_THE_HUB and not says(name, said))


def says(name: str, said: frozenset[str] | None) -> bool:
    """Whether it is the row's to say. What was sent in a cell of a column goes with the column."""
    return said is None or normalise_header(column_of(name)) in said


def _other(values: Mapping[str, object]) -> dict[str, object]:
    other = values.get("other")
    return dict(other) if isinstance(other, dict) else {}
