"""A batch of messages judged many at once: what validate.messages says of each, as it is staged.

The contract's own columns are read as a file's are (judging.py). Not here: what a message means, which of several sets
of an item counts (validate/messages).
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from hub_pipelines.validate.batches import Batch
from hub_pipelines.validate.bulk.judging import in_bulk
from hub_pipelines.validate.conventions.applying import InColumns, Together
from hub_pipelines.validate.messages import (
    MessageRows,
    Messages,
    adjusting,
    lacking,
    newest_of,
    no_row,
    superseded,
    superseded_before,
)
from hub_pipelines.validate.model import AcceptedRow, Cell, Feed, Problem, RejectedRow, Row, Table, Verdict
from hub_pipelines.validate.service import Circumstances
from hub_pipelines.validate.staging import (
    StagedRow,
    StagedRows,
    accepted_keys,
    problems_json,
    problems_of,
    row_of,
    staged_schema,
)

if TYPE_CHECKING:
    import pyarrow

_ROWS = 10_000


def messages_in_bulk(
    batch: Messages, feed: Feed, circumstances: Circumstances, alive: Callable[[int], None] = lambda _messages: None
) -> StagedRows:
    """As `batch.verdicts` gives them. `feed` has the batch's record type alone. `alive` is called now and then, with
    how many messages of a kind are through."""
    sets = _judged(batch.table, feed, circumstances, alive)
    others: list[Verdict] = [no_row(one) for one in batch.messages if one.problem is not None]
    for data, table in batch.adjusting:
        for verdict in _verdicts(_judged(table, replace(feed, record_types=(data,)), circumstances, alive)):
            one = batch.messages[verdict.row_no - 1]
            assert one.kind is not None
            others.append(
                adjusting(verdict, one, one.kind)
                if isinstance(verdict, AcceptedRow)
                else lacking(cast(RejectedRow, verdict), one, data)
            )
    others += [lacking(verdict, batch.messages[verdict.row_no - 1], batch.record) for verdict in _rejected(sets)]
    return _merged(sets, _void(batch, sets), _table(others))


def without_late(
    rows: StagedRows, keys: Mapping[int, str], occurred_at: Mapping[int, datetime], newest: Mapping[str, datetime]
) -> StagedRows:
    """The rows, but those accepted ones (`keys`) void of which a newer message of their item (`newest`) has posted."""
    late = [
        superseded_before(row_no, key, newest[key])
        for row_no, key in keys.items()
        if key in newest and occurred_at[row_no] < newest[key]
    ]
    return _merged(rows.table, _table(late)) if late else rows


@dataclass(frozen=True, slots=True)
class _InColumns:
    """Messages' rows: their cells are written in the contract's own way, so that reading them changes nothing."""

    rows: MessageRows
    alive: Callable[[int], None]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def unread(self) -> Iterator[Batch]:
        through = 0
        for batch in self.rows.in_columns(_ROWS):
            self.alive(through)
            yield batch
            through += len(batch.numbers)

    def together(self) -> list[Together]:
        return [Together((at,), self.read, keeps=True, given={}) for at in range(len(self.rows.record.columns))]

    def read(self, sent: list[Cell]) -> list[Cell]:
        return sent


def _judged(table: Table, feed: Feed, circumstances: Circumstances, alive: Callable[[int], None]) -> "pyarrow.Table":
    import pyarrow

    rows: InColumns = _InColumns(cast(MessageRows, table.rows), alive)
    staged = in_bulk(replace(table, rows=rows), feed, **circumstances, each_alone=True)
    assert staged is not None
    return pyarrow.concat_tables([staged_schema().empty_table(), *(one.table for one in staged)])


def _void(batch: Messages, sets: "pyarrow.Table") -> "pyarrow.Table":
    """Those accepted sets that a newer one in the batch has made void. All of an item are told the same."""
    keys = accepted_keys(sets)
    newest = newest_of((key, batch.messages[row_no - 1]) for row_no, key in keys.items())
    void = [(row_no, key) for row_no, key in keys.items() if newest[key].row_no != row_no]
    any_row = {key: row_no for row_no, key in void}
    told = {key: problems_json(superseded(row_no, key, newest[key]).problems) for key, row_no in any_row.items()}
    return _staged((row_no, "superseded", key, None, told[key]) for row_no, key in void)


def _verdicts(table: "pyarrow.Table") -> Iterator[Verdict]:
    """Staged rows, accepted or rejected, as the verdicts of which they were made."""
    for row in table.to_pylist():
        found = StagedRow(**{**row, "problems": json.loads(row["problems"])})
        problems = tuple(Problem(**one) for one in found.problems)
        values: dict[str, Any] = json.loads(found.values) if found.values is not None else {}
        if found.verdict == "accepted":
            assert found.key is not None
            yield AcceptedRow(found.row_no, found.key, values, problems)
        else:
            yield RejectedRow(found.row_no, problems, values)


def _rejected(table: "pyarrow.Table") -> Iterator[RejectedRow]:
    from pyarrow import compute

    rejected = table.filter(compute.equal(table["verdict"], "rejected"))
    return (one for one in _verdicts(rejected) if isinstance(one, RejectedRow))


def _merged(table: "pyarrow.Table", *others: "pyarrow.Table") -> StagedRows:
    """The rows of a table and these, which take the place of its own of the same number, in order."""
    import pyarrow
    from pyarrow import compute

    instead = pyarrow.concat_tables(others)
    if instead.num_rows:
        kept = table.filter(compute.invert(compute.is_in(table["row_no"], value_set=instead["row_no"])))
        both = pyarrow.concat_tables([kept, instead])
        table = both.take(compute.sort_indices(both["row_no"]))
    return StagedRows(table, _rules(table))


def _table(verdicts: Iterable[Verdict]) -> "pyarrow.Table":
    rows = ((row_of(one), problems_json(problems_of(one))) for one in verdicts)
    return _staged((row.row_no, row.verdict, row.key, row.values, told) for row, told in rows)


def _staged(rows: Iterable[tuple[int, str, str | None, str | None, str]]) -> "pyarrow.Table":
    """Row number, verdict, key, values and problems of each row, as they are staged."""
    import pyarrow

    schema = staged_schema()
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    made = [pyarrow.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pyarrow.Table.from_arrays(made, schema=schema)


def _rules(table: "pyarrow.Table") -> Counter[str]:
    from pyarrow import compute

    found: Counter[str] = Counter()
    for told in compute.value_counts(table["problems"]).to_pylist():
        for problem in json.loads(told["values"]):
            found[problem["rule"]] += told["counts"]
    return found
