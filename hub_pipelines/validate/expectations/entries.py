"""What is judged, and what it is judged against.

Belongs here: how a day's entries are handed over, and what their columns are called. Not here: reading them
(ledger/snapshots), what they must be like (promises).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub_pipelines.common.errors import HubError
from hub_pipelines.validate.expectations.usual import History

if TYPE_CHECKING:
    import pandas
    import pyarrow

JOURNAL_COLUMNS = ("key", "version", "row_no", "operation", "request_id", "revision", "campus", "contract_version")
ALL_ROWS = slice(None)


class NotJudgeable(HubError):
    """The entries could not be judged at all. A fault of the hub, not of the data; the operator is needed."""


@dataclass(frozen=True)
class Surroundings:
    """What the entries are judged against, beside their contract."""

    campus: str
    """Of the partition."""
    history: History
    known_keys: Mapping[str, "pyarrow.Array"]
    """Per referencing column (the tag's among them): those of the values that occur which its target knows."""


@dataclass(frozen=True)
class Entries:
    """A campus-day's journal entries of one record type, of which columns can be had in their order: all columns of a
    million entries at once take more memory than a machine may have."""

    count: int
    names: Collection[str]
    columns: Callable[[Sequence[str], slice], "pandas.DataFrame"]
    """These columns of these rows."""


def frame_column(column: str) -> str:
    """The name of a contract's column in the frame, where the journal's own columns keep theirs."""
    return f"row_{column}" if column in JOURNAL_COLUMNS else column
