"""The entries' columns as pandas frames, and beside them what some of them must equal.

Belongs here: keys as they must be made, values that their target knows, compared by Arrow. Not here: how many rows and
columns are had at once (pieces).
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hub_pipelines.validate.expectations.entries import (
    ALL_ROWS,
    JOURNAL_COLUMNS,
    Entries,
    NotJudgeable,
    Surroundings,
    frame_column,
)
from hub_pipelines.validate.expectations.promises import BUILT_KEY, known_counterpart, targets_of
from hub_pipelines.validate.model import RecordType

if TYPE_CHECKING:
    import pandas
    import pyarrow


def require_columns(record: RecordType, entries: Entries) -> None:
    needed = (*JOURNAL_COLUMNS, *(frame_column(column) for column in record.columns))
    missing = [column for column in needed if column not in entries.names]
    if missing:
        raise NotJudgeable(f"The entries of {record.name} lack the columns {', '.join(missing)}.")


def require_known(record: RecordType, around: Surroundings) -> None:
    for column in targets_of(record):
        if column not in around.known_keys:
            raise NotJudgeable(f"The known keys for {record.name}.{column} were not looked up.")


def frame_of(
    record: RecordType, entries: Entries, names: Collection[str], around: Surroundings, rows: slice = ALL_ROWS
) -> "pandas.DataFrame":
    """These columns of the entries; beside each that must equal another what it must equal, as a join would give it.

    A set of 100,000 known keys as an expectation's argument takes Great Expectations 10 s, a column of them 0.1 s.
    """
    targets = {known_counterpart(frame_column(one)): one for one in targets_of(record)}
    read = dict.fromkeys(one for one in names if one in entries.names)
    read |= dict.fromkeys(frame_column(targets[one]) for one in names if one in targets)
    if BUILT_KEY in names:
        read |= dict.fromkeys(("key", "contract_version", *map(frame_column, _columns_of_keys(record))))
    frame = entries.columns(list(read), rows)
    added: dict[str, Any] = {}
    for name in names:
        if name in targets:
            values = frame[frame_column(targets[name])]
            added[name] = values.where(_are_in(values, around.known_keys[targets[name]]))
    if BUILT_KEY in names:
        added[BUILT_KEY] = list(_built_keys(record, frame))
    return frame.assign(**added)


def _are_in(values: "pandas.Series[Any]", known: "pyarrow.Array") -> Any:
    import pyarrow
    from pyarrow import compute

    texts = pyarrow.array(values, pyarrow.string(), from_pandas=True)
    return compute.is_in(texts, value_set=known).to_numpy(zero_copy_only=False)


def _columns_of_keys(record: RecordType) -> list[str]:
    """Of which keys are made under any version of the contract."""
    return list(dict.fromkeys(column for one in (record, *record.former) for column in one.key_columns))


def _built_keys(record: RecordType, frame: "pandas.DataFrame") -> Iterator[str | None]:
    """Each entry's key as the version of the contract makes it that the entry was posted under."""
    columns = _columns_of_keys(record)
    texts = [_key_texts(frame[frame_column(column)]) for column in columns]
    for key, version, *values in zip(frame["key"], frame["contract_version"], *texts, strict=True):
        made = record.under(int(version)) or record
        number = made.lines.number_in(str(key)) if made.lines else 1
        yield made.key_of(dict(zip(columns, values, strict=True)), number)


def _key_texts(column: "pandas.Series[Any]") -> list[str | None]:
    """The values as a row has them."""
    return [None if missing else _key_text(value) for value, missing in zip(column, column.isna(), strict=True)]


def _key_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    return str(int(value)) if isinstance(value, float) else str(value)  # pandas' integers beside nulls are floats
