"""The verdicts on a table's rows, column by column: what validate.service says of each row, said of many at once.

Belongs here: the second execution of the contracts. Not here: what a value must be like (feeds), how a file writes it
(conventions), what is said of a row that is not good (service).
Of each column the different cells are looked at once, by the contract's own function; of what is certain of a type
(model.Certain) not even that is needed. A row of which anything is not simply good goes the way of single rows, and so
do the repeats of a key. What comes out is what is staged, byte for byte.
"""

import json
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from hub_pipelines.common.ahead import made_ahead
from hub_pipelines.validate.batches import Batch, Gathered, gathered
from hub_pipelines.validate.bulk.columns import Check, Columns, ColumnType, Parse, unknown_column
from hub_pipelines.validate.bulk.keys import BadKeys, Keys, Lines, Taken
from hub_pipelines.validate.bulk.staged import json_of, staged_rows
from hub_pipelines.validate.bulk.tags import BatchTags, Tags
from hub_pipelines.validate.columns import ColumnMap, map_columns
from hub_pipelines.validate.conventions.applying import InColumns, Together
from hub_pipelines.validate.feeds.types import campus_names, is_blank
from hub_pipelines.validate.judged import JudgedRow
from hub_pipelines.validate.model import MISSING_VALUE, Beside, Feed, Problem, Registry, Table, Verdict
from hub_pipelines.validate.repeats import Repeats
from hub_pipelines.validate.service import RowCheck, TagCheck, verdict_of
from hub_pipelines.validate.staging import StagedRows, problems_of

if TYPE_CHECKING:
    import numpy

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Found:
    """What is found of a batch's cells, column by column: the values of the contract's columns and of the others, which
    rows are good as far as that tells, which columns are not good in which rows, and what the registry says."""

    values: dict[str, Any]
    others: dict[str, Any]
    good: Any
    wrong: Sequence[tuple[Columns, Any]]
    tags: BatchTags | None


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """A batch of which all is decided: rows that are good `at_once`, and the verdicts on the others in order."""

    batch: Gathered
    found: _Found
    at_once: "numpy.ndarray[Any, Any]"
    keys: Any
    singly: Sequence[Verdict]


def in_bulk(
    table: Table,
    feed: Feed,
    *,
    campus: str,
    campuses: Collection[str],
    registry: Registry,
    time_zone: str | None = None,
    each_alone: bool = False,
) -> Iterator[StagedRows] | None:
    """As `service.validate`, for staging. None for a table whose rows are had one by one only."""
    rows = table.rows
    batches = rows.unread() if isinstance(rows, InColumns) else None
    if batches is None:
        return None
    columns = map_columns(table.header, feed)
    context: dict[str, object] = {**campus_names(campuses), "time_zone": time_zone}
    return _Bulk(table, columns, context, campus, registry, each_alone).judge(batches)


# -- cells of one or several columns ---------------------------------------------------------------------------------


class _Bulk:
    """The state of judging one table."""

    def __init__(
        self,
        table: Table,
        columns: ColumnMap,
        context: dict[str, object],
        campus: str,
        registry: Registry,
        each_alone: bool,
    ) -> None:
        self._record = record = columns.record
        self._read = read = cast(InColumns, table.rows)
        self._rows = RowCheck(columns, len(table.header), context)
        self._context = context
        self._columns = [self._columns_of(one, columns) for one in read.together()]
        fields = record.row_model.model_fields
        self._checks = [
            Check(name, kind)
            for name, field in fields.items()
            for kind in field.metadata
            if isinstance(kind, Beside) and (name in columns.positions or field.validate_default)
        ]
        self._absent = {name: field.get_default() for name, field in fields.items() if name not in columns.positions}
        self._tags = self._tags_of(table, campus, registry, each_alone) if self._rows.tag else None
        self._parts = table.parts
        self._repeats = Repeats(record, table.parts)
        self._bad_keys = BadKeys()
        self._each_alone = each_alone
        self._sound = dict.fromkeys(
            [*record.key_columns, *record.counted_columns, *([record.tag_column] if record.tag_column else [])]
        )
        self._keys = (Lines if record.lines else Keys)(record, each_alone=each_alone)

    def _tags_of(self, table: Table, campus: str, registry: Registry, each_alone: bool) -> Tags:
        assert self._rows.tag is not None
        check = TagCheck(table, self._rows.tag, campus, registry, each_alone=each_alone)
        return Tags(self._rows.tag, self._record, self._columns, check, registry)

    def _columns_of(self, together: Together, columns: ColumnMap) -> Columns:
        names = {at: name for name, at in columns.positions.items()}
        unknown = dict(columns.unknown)
        return Columns(
            together,
            [self._type(names[at]) if at in names else unknown_column(unknown[at]) for at in together.positions],
        )

    def _type(self, name: str) -> ColumnType:
        parse = Parse(self._record.row_model, name, self._context)
        return ColumnType(name, self._record.certain.get(name), parse)

    def judge(self, batches: Iterator[Batch]) -> Iterator[StagedRows]:
        """Three batches are in hand at a time: of the first the rows are put together, the second is judged, of the
        third the values are found. Two of these are mostly Arrow's work, each in a thread of its own. What several of
        them use is read only, or may be used by several (conventions remember by lru_cache, the registry is asked by
        connections from a pool); Columns.values and Tags.of are the first thread's own, Columns.refused this one's."""
        singly = rows = 0
        found = made_ahead(gathered(batches), lambda batch: (batch, self._found(batch)), "values")
        for staged, rest in made_ahead((self._batch(*one) for one in found), self._staged, "rows"):
            singly += rest
            rows += staged.table.num_rows
            yield staged
        _log.info("rows judged rows=%d one_by_one=%d", rows, singly)

    def _batch(self, batch: Gathered, found: _Found) -> _Verdicts:
        import numpy

        at_once = found.good.to_numpy(zero_copy_only=False).copy()
        at_once[[at for at, cells in batch.beyond.items() if not all(map(is_blank, cells))]] = False
        rest = numpy.flatnonzero(~at_once)
        rows = self._rest(batch, found, found.wrong, rest)
        judged = dict(zip(rest.tolist(), rows, strict=True))
        places = found.tags.places if found.tags is not None else None
        taken = self._keys.take(found.values, at_once, judged, numpy.array(batch.numbers, numpy.int64), places)
        again = self._rest(batch, found, [], taken.again, taken.keys)
        judged.update(zip(taken.again.tolist(), again, strict=True))
        at_once[taken.again] = False
        if not self._each_alone:
            self._tell_repeats(batch, found, judged, at_once, taken)
        for at, row in judged.items():
            if row.values is not None and batch.others and (beside := batch.others[at]) is not None:
                row.values = {**row.values, "other": json.loads(beside)}
        verdicts = [verdict_of(judged[at], self._repeats, int(taken.by[at])) for at in sorted(judged)]
        return _Verdicts(batch, found, at_once, taken.keys, verdicts)

    def _staged(self, made: _Verdicts) -> tuple[StagedRows, int]:
        """The batch's rows as they are staged, and how many of them went the way of single rows."""
        batch, at_once = made.batch, made.at_once
        problems, moved = None, 0
        if self._tags is not None and made.found.tags is not None:
            problems, moved = self._tags.problems(made.found.tags, at_once)
        texts = json_of(made.found.values, made.found.others, batch.others, at_once, self._record.added)
        table = staged_rows(batch.numbers, at_once, made.keys, texts, problems, made.singly)
        rules = Counter(found.rule for one in made.singly for found in problems_of(one))
        if moved:
            rules["tag_of_another_campus"] += moved
        return StagedRows(table, rules), len(made.singly)

    def _tell_repeats(
        self,
        batch: Gathered,
        found: _Found,
        judged: dict[int, JudgedRow],
        at_once: "numpy.ndarray[Any, Any]",
        taken: Taken,
    ) -> None:
        """As service does row by row, for the few keys that a row which is not good has; a good row that has one of
        them is judged by itself, so that it can be told."""
        import numpy
        import pyarrow
        from pyarrow import compute

        if not isinstance(self._keys, Keys):
            return
        bad = {at: key for at, row in judged.items() if not row.is_good() and (key := self._repeats.key_of_bad(row))}
        earlier = self._bad_keys.among(taken.keys, pyarrow.array(list(bad.values()), pyarrow.string()))
        keys = {*bad.values(), *earlier}
        if not keys:
            return
        self._repeats = Repeats(self._record, self._parts, earlier)
        hits = compute.fill_null(
            compute.is_in(taken.keys, value_set=pyarrow.array(list(keys), pyarrow.string())), False
        )
        takes = hits.to_numpy(zero_copy_only=False) & (taken.by == numpy.array(batch.numbers, numpy.int64))
        good = set(numpy.flatnonzero(takes).tolist()) - bad.keys()
        first_bad = {bad[at]: at for at in sorted(bad, reverse=True)} | dict.fromkeys(earlier, -1)
        single = [at for at in sorted(good) if at_once[at] and first_bad[taken.keys[at].as_py()] < at]
        rows = [self._rows.judge(number, self._read.read(cells)) for number, cells in batch.rows(single)]
        self._check_tags(rows, found)
        judged.update(zip(single, rows, strict=True))
        at_once[single] = False
        holders = self._keys.holders(set(bad.values()))
        for at in sorted({*bad, *(good & judged.keys())}):
            row = judged[at]
            if at not in bad:
                self._repeats.tell_good(row)
                continue
            first = holders.get(bad[at])
            self._repeats.tell_bad(row, bad[at], first if first is not None and first < row.row_no else None)
        self._bad_keys.add({key: row_no for key, row_no in self._repeats.bad.items() if key not in earlier})

    def _check_tags(self, rows: list[JudgedRow], found: _Found) -> None:
        if self._tags is not None and found.tags is not None:
            self._tags.check(rows, found.tags)

    def _found(self, batch: Gathered) -> _Found:
        import pyarrow
        from pyarrow import compute

        count = len(batch)
        values: dict[str, Any] = {
            name: pyarrow.nulls(count, pyarrow.string()) if value is None else pyarrow.repeat(value, count)
            for name, value in self._absent.items()
        }
        others: dict[str, Any] = {}
        wrong: list[tuple[Columns, Any]] = []
        good: Any = pyarrow.repeat(True, count)
        for one in self._columns:
            found, is_good = one.values([batch.column(at) for at in one.together.positions], count)
            good = compute.and_(good, is_good)
            wrong.append((one, is_good))
            for kind, column in zip(one.types, found, strict=True):
                (values if kind.is_known else others)[kind.name] = column
        for check in self._checks:
            good = check.good(values, good)
        tags = self._tags.of(batch, values) if self._tags is not None else None
        if tags is not None:
            good = compute.and_(good, compute.is_valid(tags.owners))
        return _Found(values, others, good, wrong, tags)

    def _rest(
        self,
        batch: Gathered,
        found: _Found,
        wrong: Sequence[tuple[Columns, Any]],
        places: "numpy.ndarray[Any, Any]",
        keys: Any = None,
    ) -> list[JudgedRow]:
        """Rows that are not simply good. Where single cells tell all that is wrong, only these are looked at again."""
        told = self._told(batch, wrong, places)
        alone = [at for at in places.tolist() if told[at] is None]
        rows = {
            at: self._rows.judge(number, self._read.read(cells))
            for at, (number, cells) in zip(alone, batch.rows(alone), strict=True)
        }
        columns = {name: found.values[name].take(places).to_pylist() for name in self._sound}
        shown_tags = found.tags.shown.take(places).to_pylist() if found.tags is not None else []
        own = keys.take(places).to_pylist() if keys is not None else None
        for number, at in enumerate(places.tolist()):
            problems = told[at]
            if problems is None:
                continue
            row = JudgedRow(batch.numbers[at], problems=problems)
            spoilt = {one.column for one in problems}
            row.sound = {name: cells[number] for name, cells in columns.items() if name not in spoilt}
            if self._tags and self._tags.column not in spoilt:
                row.tag, row.tag_cell = columns[self._tags.column][number], shown_tags[number]
            if own is not None:
                row.key, row.values = own[number], dict(row.sound)
            rows[at] = row
        made = [rows[at] for at in places.tolist()]
        self._check_tags(made, found)
        return made

    def _told(
        self, batch: Gathered, wrong: Sequence[tuple[Columns, Any]], places: "numpy.ndarray[Any, Any]"
    ) -> dict[int, list[Problem] | None]:
        """By place what is wrong with its row's cells; None where that must be asked of the whole row."""
        import numpy

        told: dict[int, list[Problem] | None] = {at: [] for at in places.tolist()}
        for at in [*batch.beyond, *(told if self._checks else ())]:
            if at in told:
                told[at] = None
        for columns, is_good in wrong:
            bad = numpy.flatnonzero(~is_good.to_numpy(zero_copy_only=False)).tolist()
            cells = zip(*(batch.cells_at(at, bad) for at in columns.together.positions), strict=True)
            for at, some in zip(bad, cells, strict=True):
                before, more = told[at], columns.refused(some)
                told[at] = None if before is None or more is None else [*before, *more]
        order = {name: number for number, name in enumerate(self._record.columns)}
        found = {at: sorted(some, key=lambda one: order[str(one.column)]) for at, some in told.items() if some}
        lacking = [at for at, some in found.items() if any(one.rule == MISSING_VALUE for one in some)]
        # what is advised where a value is missing depends on the other cells
        rows = {at: self._read.read(sent) for at, (_, sent) in zip(lacking, batch.rows(lacking), strict=True)}
        for at, problems in found.items():
            told[at] = [self._rows.with_way_out(one, rows.get(at, [])) for one in problems]
        return told
