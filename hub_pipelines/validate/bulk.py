"""The verdicts on a table's rows, column by column: what validate.service says of each row, said of many at once.

Belongs here: the second execution of the contracts. Not here: what a value must be like (feeds), how a file writes it
(conventions), what is said of a row that is not good (service).
Of each column the different cells are looked at once, by the contract's own function; of what is certain of a type
(model.Certain) not even that is needed. A row of which anything is not simply good goes the way of single rows, and so
do the repeats of a key. What comes out is what is staged, byte for byte.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Protocol, cast, runtime_checkable

from pydantic import TypeAdapter, ValidationError

from hub_pipelines.validate.batches import Batch, Gathered, gathered
from hub_pipelines.validate.columns import ColumnMap, map_columns
from hub_pipelines.validate.conventions.applying import ReadRows, Together
from hub_pipelines.validate.feeds.types import campus_names, is_blank
from hub_pipelines.validate.model import (
    Beside,
    Cell,
    Certain,
    Feed,
    Problem,
    RecordType,
    Registry,
    Restored,
    Table,
    Unclear,
    Verdict,
)
from hub_pipelines.validate.service import JudgedRow, RowCheck, TagCheck, TagColumn, problem_of, shown, verdict_of
from hub_pipelines.validate.staging import StagedRows, canonical_json, problems_json, problems_of, row_of, staged_schema

if TYPE_CHECKING:
    import numpy
    import pyarrow

_log = logging.getLogger(__name__)

_KEPT = 50_000
"""Different cells of a column whose values are remembered from one batch to the next."""
FEW_TAGS = 2_000
"""So many tags are asked for one by one rather than compared with the whole registry."""
_REST = object()
"""In place of the value of a cell that is not simply good."""
_CONTROL = r"[\x00-\x1f]"


@runtime_checkable
class Listed(Protocol):
    """A registry that can be had as a whole."""

    def listed(self) -> "pyarrow.Table":
        """Each tag once with its campus, in columns of these names."""


def in_bulk(
    table: Table,
    feed: Feed,
    *,
    campus: str,
    campuses: Collection[str],
    registry: Registry,
    time_zone: str | None = None,
) -> Iterator[StagedRows] | None:
    """As `service.validate`, for staging. None for a table whose rows are had one by one only."""
    rows = table.rows
    batches = rows.unread() if isinstance(rows, ReadRows) else None
    if batches is None:
        return None
    columns = map_columns(table.header, feed)
    context: dict[str, object] = {**campus_names(campuses), "time_zone": time_zone}
    return _Bulk(table, columns, context, campus, registry).judge(batches)


# -- cells of one or several columns ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Type:
    """A column's values: of text or None, or an error. `name` is that of the column in the file where the contract
    does not know it, and then `is_known` is False."""

    name: str
    certain: Certain | None
    value_of: Callable[[Cell], object]
    is_known: bool = True

    def of(self, cell: Cell) -> object:
        """_REST where the contract refuses the cell, or conventions have marked it."""
        if isinstance(cell, Restored | Unclear):
            return _REST
        try:
            return self.value_of(cell)
        except ValidationError:
            return _REST

    def problem(self, cell: Cell) -> Problem | None:
        try:
            self.value_of(cell)
        except ValidationError as error:
            (found,) = error.errors(include_url=False)
            return problem_of({**found, "loc": (self.name,)})
        return None


class _Columns:
    """Columns that are read together, and the values of their cells."""

    def __init__(self, together: Together, types: Sequence[_Type]) -> None:
        self.together = together
        self.types = types
        self._known: dict[tuple[object, ...], tuple[object, ...]] = {}
        self._refused: dict[tuple[object, ...], list[Problem] | None] = {}
        self._single: list[dict[str | None, object]] = [{} for _ in types]

    def values(self, columns: Sequence[Any], count: int) -> tuple[list["pyarrow.StringArray"], "pyarrow.BooleanArray"]:
        """Each column's values, and which rows are good in all of them."""
        import pyarrow
        from pyarrow import compute

        nothing = pyarrow.nulls(count, pyarrow.string())
        values = [nothing] * len(columns)
        if all(isinstance(one, pyarrow.StringArray) for one in columns):
            good = None
            for at, texts in enumerate(columns):
                values[at], certain = self._at_once(at, texts)
                good = certain if good is None else compute.and_(good, certain)
            rest = compute.invert(good)
            if not compute.any(rest).as_py():
                return values, good
            if len(columns) == 1:
                found = self._of_different(columns[0].filter(rest))
            else:
                found = self._of_rows([one.filter(rest).to_pylist() for one in columns])
        else:
            rest = pyarrow.repeat(True, count)
            good = pyarrow.repeat(False, count)
            found = self._of_rows([one if isinstance(one, list) else one.to_pylist() for one in columns])
        taken = pyarrow.array([one[0] is not _REST for one in found])
        good = compute.replace_with_mask(good, rest, taken)
        for at in range(len(columns)):
            made = pyarrow.array([None if one[0] is _REST else one[at] for one in found], pyarrow.string())
            values[at] = compute.replace_with_mask(values[at], rest, made)
        return values, good

    def _at_once(self, at: int, texts: "pyarrow.StringArray") -> tuple["pyarrow.StringArray", "pyarrow.BooleanArray"]:
        """The values of blank cells and of what is certain, and which they are."""
        import pyarrow
        from pyarrow import compute

        blank = self._blank(at)
        is_null = compute.is_null(texts)
        known = is_null if blank is not _REST else pyarrow.repeat(False, len(texts))
        certain, keeps = self.types[at].certain, self.together.keeps
        if keeps and certain is not None:
            covered = covered_by(certain, texts)
            values = certain.then(texts) if certain.then else texts
            known = compute.or_(known, covered)
        elif keeps and len(self.types) > 1:
            values, covered = self._named(at, texts)
            known = compute.or_(known, covered)
        else:
            values = texts
        if isinstance(blank, str):
            values = compute.if_else(is_null, blank, values)
        return values, known

    def _blank(self, at: int) -> object:
        single = self._single[at]
        if None not in single:
            single[None] = self.types[at].of(None) if self.together.keeps else _REST
        if len(self.types) == 1:
            return self._of((None,))[0]
        return single[None]

    def _named(self, at: int, texts: "pyarrow.StringArray") -> tuple["pyarrow.StringArray", "pyarrow.BooleanArray"]:
        """Of a column that repeats few words: those that stay as they are where all beside them does."""
        import pyarrow
        from pyarrow import compute

        given = self.together.given.get(self.together.positions[at])
        words = texts.dictionary_encode()
        single = self._single[at]
        found = []
        for word in words.dictionary.to_pylist():
            if word not in single:
                _make_room(single)
                single[word] = self.types[at].of(word) if given is None or given(word) else _REST
            found.append(single[word])
        values = pyarrow.array([one if isinstance(one, str) else None for one in found], pyarrow.string())
        covered = pyarrow.array([one is not _REST for one in found], pyarrow.bool_())
        return values.take(words.indices), compute.fill_null(covered.take(words.indices), False)

    def _of_different(self, texts: "pyarrow.StringArray") -> list[tuple[object, ...]]:
        words = texts.dictionary_encode()
        found = [self._of((word,)) for word in words.dictionary.to_pylist()]
        return [self._of((None,)) if code is None else found[code] for code in words.indices.to_pylist()]

    def _of_rows(self, columns: list[list[Cell]]) -> list[tuple[object, ...]]:
        return [self._of(cells) for cells in zip(*columns, strict=True)]

    def _of(self, cells: tuple[Cell, ...]) -> tuple[object, ...]:
        # equal cells of two kinds, such as 1, 1.0 and TRUE, are several
        key = tuple([cell if cell.__class__ is str else (cell.__class__, repr(cell)) for cell in cells])
        found = self._known.get(key)
        if found is None:
            _make_room(self._known)
            read = self.together.read(list(cells))
            values = [one.of(cell) for one, cell in zip(self.types, read, strict=True)]
            found = self._known[key] = (_REST,) * len(cells) if _REST in values else tuple(values)
        return found

    def refused(self, cells: tuple[Cell, ...]) -> list[Problem] | None:
        """What is wrong with cells that are not simply good; None where only their whole row tells."""
        key = tuple([cell if cell.__class__ is str else (cell.__class__, repr(cell)) for cell in cells])
        if key not in self._refused:
            _make_room(self._refused)
            read = self.together.read(list(cells))
            is_marked = any(isinstance(cell, Restored | Unclear) for cell in read)
            problems = (one.problem(cell) for one, cell in zip(self.types, read, strict=True))
            self._refused[key] = None if is_marked else [found for found in problems if found is not None]
        return self._refused[key]


def _make_room(known: dict[Any, Any]) -> None:
    if len(known) >= _KEPT:
        known.clear()


def covered_by(certain: Certain, texts: "pyarrow.StringArray") -> "pyarrow.BooleanArray":
    from pyarrow import compute

    covered = compute.fill_null(compute.match_substring_regex(texts, f"^(?:{certain.pattern})$"), False)
    if certain.longest is not None and (compute.max(compute.binary_length(texts)).as_py() or 0) > certain.longest:
        short = compute.less_equal(compute.utf8_length(texts), certain.longest)
        covered = compute.and_(covered, compute.fill_null(short, False))
    if certain.also is not None and compute.any(covered).as_py():
        covered = compute.replace_with_mask(covered, covered, certain.also(texts.filter(covered)))
    return covered


# -- what spans columns ----------------------------------------------------------------------------------------------


class _Check:
    """A rule of one column that looks at others of its row: each different set of values is looked at once."""

    def __init__(self, name: str, check: Beside) -> None:
        self._names = (name, *check.columns)
        self._check = cast(Callable[[object, object], object], check.func)
        self._known: dict[tuple[object, ...], bool] = {}

    def good(self, values: dict[str, Any], good: Any) -> Any:
        import pyarrow

        rows = zip(*(values[name].to_pylist() for name in self._names), strict=True)
        found = [is_good and self._of(row) for is_good, row in zip(good.to_pylist(), rows, strict=True)]
        return pyarrow.array(found, pyarrow.bool_())

    def _of(self, row: tuple[object, ...]) -> bool:
        known = self._known.get(row)
        if known is None:
            _make_room(self._known)
            beside = SimpleNamespace(data=dict(zip(self._names[1:], row[1:], strict=True)))
            try:
                known = self._check(row[0], beside) == row[0]
            except ValueError:
                known = False
            self._known[row] = known
        return known


# -- a table ---------------------------------------------------------------------------------------------------------


class _Bulk:
    """The state of judging one table."""

    def __init__(
        self,
        table: Table,
        columns: ColumnMap,
        context: dict[str, object],
        campus: str,
        registry: Registry,
    ) -> None:
        self._record = record = columns.record
        self._read = read = cast(ReadRows, table.rows)
        self._rows = RowCheck(columns, len(table.header), context)
        self._context = context
        self._columns = [self._columns_of(one, columns) for one in read.together()]
        fields = record.row_model.model_fields
        self._checks = [
            _Check(name, kind)
            for name, field in fields.items()
            for kind in field.metadata
            if isinstance(kind, Beside) and (name in columns.positions or field.validate_default)
        ]
        self._absent = {name: field.get_default() for name, field in fields.items() if name not in columns.positions}
        self._tags = (
            _Tags(self._rows.tag, record, self._columns, TagCheck(table, self._rows.tag, campus, registry), registry)
            if self._rows.tag
            else None
        )
        self._sound = dict.fromkeys([*record.counted_columns, *([record.tag_column] if record.tag_column else [])])
        self._keys = _Lines(record) if record.lines else _Keys(record)

    def _columns_of(self, together: Together, columns: ColumnMap) -> _Columns:
        names = {at: name for name, at in columns.positions.items()}
        unknown = dict(columns.unknown)
        return _Columns(
            together,
            [self._type(names[at]) if at in names else _unknown(unknown[at]) for at in together.positions],
        )

    def _type(self, name: str) -> _Type:
        field = self._record.row_model.model_fields[name]
        # what looks at other columns is checked when all values are known
        own = [kind for kind in field.metadata if not isinstance(kind, Beside)]
        return _Type(name, self._record.certain.get(name), _Parse(field.annotation, own, self._context))

    def judge(self, batches: Iterator[Batch]) -> Iterator[StagedRows]:
        singly = rows = 0
        for batch in gathered(batches):
            staged, rest = self._batch(batch)
            singly += rest
            rows += len(batch)
            yield staged
        _log.info("rows judged rows=%d one_by_one=%d", rows, singly)

    def _batch(self, batch: Gathered) -> tuple[StagedRows, int]:
        """The batch's rows as they are staged, and how many of them went the way of single rows."""
        import numpy

        values, others, good, wrong = self._values(batch)
        if self._tags is not None:
            good = self._tags.known(values, good)
        at_once = good.to_numpy(zero_copy_only=False).copy()
        at_once[[at for at, cells in batch.beyond.items() if not all(map(is_blank, cells))]] = False
        rest = numpy.flatnonzero(~at_once)
        rows = self._rest(batch, values, wrong, rest)
        judged = dict(zip(rest.tolist(), rows, strict=True))
        taken = self._keys.take(values, at_once, judged, numpy.array(batch.numbers, numpy.int64))
        again = self._rest(batch, values, [], taken.again, taken.keys)
        judged.update(zip(taken.again.tolist(), again, strict=True))
        at_once[taken.again] = False
        verdicts = [verdict_of(judged[at], self._record, int(taken.by[at])) for at in sorted(judged)]
        problems, moved = self._tags.problems(batch, at_once) if self._tags else (None, 0)
        texts = _json_of(values, others, at_once, self._record.added)
        made = _merged(batch.numbers, at_once, taken.keys, texts, problems, verdicts)
        rules = Counter(found.rule for one in verdicts for found in problems_of(one))
        if moved:
            rules["tag_of_another_campus"] += moved
        return StagedRows(made, rules), len(verdicts)

    def _values(self, batch: Gathered) -> tuple[dict[str, Any], dict[str, Any], Any, list[tuple[_Columns, Any]]]:
        """By column the values of the contract's and of the others, which rows are good as far as that tells, and
        which columns are not good in which rows."""
        import pyarrow
        from pyarrow import compute

        count = len(batch)
        values: dict[str, Any] = {
            name: pyarrow.nulls(count, pyarrow.string()) if value is None else pyarrow.repeat(value, count)
            for name, value in self._absent.items()
        }
        others: dict[str, Any] = {}
        wrong: list[tuple[_Columns, Any]] = []
        good: Any = pyarrow.repeat(True, count)
        for one in self._columns:
            found, is_good = one.values([batch.column(at) for at in one.together.positions], count)
            good = compute.and_(good, is_good)
            wrong.append((one, is_good))
            for kind, column in zip(one.types, found, strict=True):
                (values if kind.is_known else others)[kind.name] = column
        for check in self._checks:
            good = check.good(values, good)
        return values, others, good, wrong

    def _rest(
        self,
        batch: Gathered,
        values: dict[str, Any],
        wrong: Sequence[tuple[_Columns, Any]],
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
        columns = {name: values[name].take(places).to_pylist() for name in self._sound}
        shown_tags = self._tags.shown(batch).take(places).to_pylist() if self._tags else []
        own = keys.take(places).to_pylist() if keys is not None else None
        for number, at in enumerate(places.tolist()):
            problems = told[at]
            if problems is None:
                continue
            row = JudgedRow(batch.numbers[at], problems=problems)
            spoilt = {found.column for found in problems}
            row.sound = {name: cells[number] for name, cells in columns.items() if name not in spoilt}
            if self._tags and self._tags.column not in spoilt:
                row.tag, row.tag_cell = columns[self._tags.column][number], shown_tags[number]
            if own is not None:
                row.key, row.values = own[number], dict(row.sound)
            rows[at] = row
        made = [rows[at] for at in places.tolist()]
        if self._tags is not None:
            self._tags.check(made)
        return made

    def _told(
        self, batch: Gathered, wrong: Sequence[tuple[_Columns, Any]], places: "numpy.ndarray[Any, Any]"
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
        lacking = [at for at, some in found.items() if any(one.rule == "missing_value" for one in some)]
        # what is advised where a value is missing depends on the other cells
        rows = {at: self._read.read(sent) for at, (_, sent) in zip(lacking, batch.rows(lacking), strict=True)}
        for at, problems in found.items():
            told[at] = [self._rows.with_way_out(one, rows.get(at, [])) for one in problems]
        return told


class _Parse:
    """A column's own function, made when it is first needed."""

    def __init__(self, annotation: Any, own: Sequence[object], context: dict[str, object]) -> None:
        self._annotation = annotation
        self._own = own
        self._context = context

    @cached_property
    def _validate(self) -> Callable[..., object]:
        adapter: TypeAdapter[object] = TypeAdapter(Annotated[(self._annotation, *self._own)])  # type: ignore[arg-type]
        return adapter.validate_python

    def __call__(self, cell: Cell) -> object:
        return self._validate(cell, context=self._context)


def _unknown(name: str) -> _Type:
    """A column outside the contract: its cells are kept as they are, but for blank ones."""
    certain = Certain("(?s:.*[!-~].*)")
    return _Type(name, certain, lambda cell: None if is_blank(cell) else str(cell), is_known=False)


# -- tags ------------------------------------------------------------------------------------------------------------


class _Tags:
    """Tags against the registry."""

    def __init__(
        self, tag: TagColumn, record: RecordType, made: Sequence[_Columns], check: TagCheck, registry: Registry
    ) -> None:
        self.column = tag.column
        self._at = tag.position
        together = next(one.together for one in made if self._at in one.together.positions)
        self._as_shown = _Columns(together, [_Type(self.column, record.certain.get(self.column), shown)])
        self._check = check
        self._registry = registry
        self._different: Any = None
        """The tags of the batch, each once, and in the same order their campuses."""
        self._campus_of: Any = None
        self._owners: Any = None
        """Of each row its tag's campus, coded; null where it has no tag or an unknown one."""

    def known(self, values: dict[str, Any], good: Any) -> Any:
        """Which rows are good and have a registered tag."""
        from pyarrow import compute

        coded = values[self.column].dictionary_encode()
        self._different = coded.dictionary
        self._campus_of = self._campuses_of(coded.dictionary)
        self._owners = self._campus_of.take(coded.indices)
        return compute.and_(good, compute.is_valid(self._owners))

    def _campuses_of(self, different: Any) -> Any:
        """Coded; null where a tag is not registered."""
        import numpy
        import pyarrow
        from pyarrow import compute

        if len(different) <= FEW_TAGS or not isinstance(self._registry, Listed):
            known = self._registry.campuses(set(different.to_pylist()))
            owners = pyarrow.array([known.get(tag) for tag in different.to_pylist()], pyarrow.string())
            return owners.dictionary_encode()
        listed = self._listed
        at = compute.index_in(listed["tag"], value_set=different)
        campuses = listed["campus"]
        codes = numpy.full(len(different), -1, numpy.int32)
        found = compute.is_valid(at)
        codes[at.drop_null().to_numpy(zero_copy_only=False)] = campuses.indices.filter(found).to_numpy()
        return pyarrow.DictionaryArray.from_arrays(pyarrow.array(codes, mask=codes < 0), campuses.dictionary)

    def check(self, rows: list[JudgedRow]) -> None:
        """As TagCheck does with single rows; what is known of the batch's tags is not asked again."""
        self._check.check(rows, self._campuses)

    def _campuses(self, tags: Collection[str]) -> Mapping[str, str]:
        import pyarrow
        from pyarrow import compute

        asked = pyarrow.array(list(tags), pyarrow.string())
        at = compute.index_in(asked, value_set=self._different)
        owners = zip(asked.to_pylist(), self._campus_of.take(at).to_pylist(), strict=True)
        found = {tag: owner for tag, owner in owners if owner is not None}
        # the tag of a row that is judged by itself need not be one of the column's
        others = asked.filter(compute.is_null(at)).to_pylist()
        return {**self._registry.campuses(others), **found} if others else found

    @cached_property
    def _listed(self) -> dict[str, Any]:
        table = cast(Listed, self._registry).listed()
        campuses = table["campus"].combine_chunks().dictionary_encode()
        return {"tag": table["tag"].combine_chunks(), "campus": campuses}

    def shown(self, batch: Gathered) -> Any:
        """Each tag's cell as a report shows it."""
        (tags,), _ = self._as_shown.values([batch.column(self._at)], len(batch))
        return tags

    def problems(self, batch: Gathered, at_once: "numpy.ndarray[Any, Any]") -> tuple[Any, int]:
        """What is told of tags of other campuses, as it is staged; null where nothing is. How many rows that is."""
        import pyarrow
        from pyarrow import compute

        fronts = [
            problems_json([self._check.elsewhere(owner, "")]).removesuffix(_BEHIND_VALUE)
            if self._check.is_elsewhere(owner)
            else None
            for owner in self._owners.dictionary.to_pylist()
        ]
        if not any(fronts):
            return None, 0
        front = pyarrow.array(fronts, pyarrow.string()).take(self._owners.indices)
        front = compute.if_else(pyarrow.array(at_once), front, None)
        told = compute.binary_join_element_wise(front, escaped(self.shown(batch)), _BEHIND_VALUE, "")
        return told, len(told) - told.null_count


# -- keys ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Taken:
    """`by` is what service.verdict_of takes. `again` are rows, judged at once, whose key an earlier row has."""

    keys: Any
    by: "numpy.ndarray[Any, Any]"
    again: "numpy.ndarray[Any, Any]"


class _Keys:
    """Which rows took which keys; of each the memory holds its bytes and a number."""

    def __init__(self, record: RecordType) -> None:
        self._record = record
        self._before: list[tuple[Any, numpy.ndarray[Any, Any]]] = []

    def take(
        self,
        values: dict[str, Any],
        at_once: "numpy.ndarray[Any, Any]",
        judged: dict[int, JudgedRow],
        numbers: "numpy.ndarray[Any, Any]",
    ) -> _Taken:
        import numpy
        import pyarrow
        from pyarrow import compute

        columns = [compute.fill_null(values[name], "None") for name in self._record.key_columns]
        keys = columns[0] if len(columns) == 1 else compute.binary_join_element_wise(*columns, "|")
        mask = pyarrow.array(~at_once)
        own = [row.key if row.is_good() else None for row in judged.values()]
        keys = compute.replace_with_mask(keys, mask, pyarrow.array(own, pyarrow.string()))
        is_there = compute.is_valid(keys).to_numpy(zero_copy_only=False)
        by = numpy.zeros(len(numbers), numpy.int64)
        by[is_there] = self._first(keys.drop_null(), numbers[is_there])
        return _Taken(keys, by, numpy.flatnonzero(is_there & at_once & (by != numbers)))

    def _first(self, keys: Any, numbers: "numpy.ndarray[Any, Any]") -> "numpy.ndarray[Any, Any]":
        """For each key the number of the row that took it first."""
        import numpy
        from pyarrow import compute

        coded = keys.dictionary_encode()
        codes = coded.indices.to_numpy(zero_copy_only=False)
        takers = numpy.empty(len(coded.dictionary), numpy.int64)
        # of several the last assignment stays
        takers[codes[::-1]] = numbers[::-1]
        is_new = numpy.ones(len(takers), bool)
        for earlier, rows in self._before:
            at = compute.index_in(earlier, value_set=coded.dictionary)
            hits = compute.is_valid(at).to_numpy(zero_copy_only=False)
            where = at.drop_null().to_numpy(zero_copy_only=False)
            takers[where] = rows[hits]
            is_new[where] = False
        self._before.append((coded.dictionary.filter(is_new), takers[is_new]))
        first: numpy.ndarray[Any, Any] = takers[codes]
        return first


class _Lines:
    """Keys of lines that may be alike: each further one has its number."""

    def __init__(self, record: RecordType) -> None:
        self._record = record
        self._counts: dict[str, int] = {}

    def take(
        self,
        values: dict[str, Any],
        at_once: "numpy.ndarray[Any, Any]",
        judged: dict[int, JudgedRow],
        numbers: "numpy.ndarray[Any, Any]",
    ) -> _Taken:
        import numpy
        import pyarrow

        names = self._record.key_columns
        columns = [values[name].to_pylist() for name in names]
        keys: list[str | None] = []
        by = numpy.zeros(len(numbers), numpy.int64)
        for at, (is_simple, row) in enumerate(zip(at_once.tolist(), zip(*columns, strict=True), strict=True)):
            key = self._record.key_of(made := dict(zip(names, row, strict=True))) if is_simple else None
            if not is_simple and judged[at].is_good():
                key = judged[at].key
            if key is not None:
                number = by[at] = self._counts[key] = self._counts.get(key, 0) + 1
                key = self._record.key_of(made, number) if number > 1 and is_simple else key
            keys.append(key)
        return _Taken(pyarrow.array(keys, pyarrow.string()), by, numpy.array([], numpy.int64))


# -- as it is staged -------------------------------------------------------------------------------------------------

_BEHIND_VALUE = '"}]'
"""The end of a list of one problem in canonical JSON: its value comes last."""


def _merged(
    numbers: Sequence[int],
    at_once: "numpy.ndarray[Any, Any]",
    keys: Any,
    texts: Any,
    problems: Any,
    verdicts: Sequence[Verdict],
) -> "pyarrow.Table":
    import pyarrow
    from pyarrow import compute

    rest = pyarrow.array(~at_once)
    rows = [row_of(one) for one in verdicts]

    def merged(column: Any, own: Sequence[str | None]) -> Any:
        return compute.replace_with_mask(column, rest, pyarrow.array(own, pyarrow.string()))

    told = pyarrow.repeat("[]", len(numbers)) if problems is None else compute.fill_null(problems, "[]")
    return pyarrow.Table.from_arrays(
        [
            pyarrow.array(numbers, pyarrow.int64()),
            merged(pyarrow.repeat("accepted", len(numbers)), [row.verdict for row in rows]),
            merged(keys, [row.key for row in rows]),
            merged(texts, [row.values for row in rows]),
            merged(told, [problems_json(problems_of(one)) for one in verdicts]),
        ],
        schema=staged_schema(),
    )


def _json_of(
    values: dict[str, Any], others: dict[str, Any], at_once: "numpy.ndarray[Any, Any]", added: Collection[str]
) -> Any:
    """As canonical_json of each row's values; of rows that are not judged at once it means nothing."""
    from pyarrow import compute

    pieces = {name: _piece(name, column, at_once, "" if name in added else f",{_quoted(name)}:null")
              for name, column in values.items()}  # fmt: skip
    if others:
        pieces["other"] = [_other(others, at_once)]
    parts: list[Any] = []
    for part in (part for name in sorted(pieces) for part in pieces[name]):
        if parts and isinstance(part, str) and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    whole = compute.binary_join_element_wise(*_broadcast([*parts, "}"], len(at_once)), "")
    return compute.utf8_replace_slice(whole, 0, 1, "{")


def _broadcast(parts: list[Any], count: int) -> list[Any]:
    import pyarrow

    if any(not isinstance(part, str) for part in parts):
        return parts
    return [pyarrow.repeat("".join(parts), count)]


def _piece(name: str, column: Any, at_once: "numpy.ndarray[Any, Any]", nothing: str) -> list[Any]:
    """A member of the object behind a comma; `nothing` stands for null."""
    from pyarrow import compute

    front = f',{_quoted(name)}:"'
    empty = compute.is_null(column).to_numpy(zero_copy_only=False) & at_once
    if not empty.any():
        return [front, escaped(compute.fill_null(column, "")), '"']
    if column.null_count == len(column):
        return [nothing]
    return [compute.fill_null(compute.binary_join_element_wise(front, escaped(column), '"', ""), nothing)]


def _other(others: dict[str, Any], at_once: "numpy.ndarray[Any, Any]") -> Any:
    import pyarrow
    from pyarrow import compute

    pieces = [part for name in sorted(others) for part in _piece(name, others[name], at_once, "")]
    inner = compute.binary_join_element_wise(*_broadcast(pieces, len(at_once)), "")
    inner = compute.utf8_replace_slice(inner, 0, 1, "{")
    return compute.if_else(
        compute.equal(inner, "{"), "", compute.binary_join_element_wise(pyarrow.scalar(',"other":'), inner, "}", "")
    )


def _quoted(text: str) -> str:
    return canonical_json(text)


def _is_plain(texts: Any) -> bool:
    """Whether no byte that they lie among needs escaping: one look at all of them, the usual answer."""
    import numpy

    data = texts.buffers()[2]
    if data is None:
        return True
    letters = numpy.frombuffer(data, numpy.uint8)
    return not ((letters < ord(" ")).any() or (letters == ord('"')).any() or (letters == ord("\\")).any())


def escaped(texts: Any) -> Any:
    """As JSON has them between quotation marks."""
    import pyarrow
    from pyarrow import compute

    if _is_plain(texts):
        return texts
    if compute.any(compute.match_substring_regex(texts, _CONTROL)).as_py():
        return pyarrow.array(
            [None if text is None else _quoted(text)[1:-1] for text in texts.to_pylist()], pyarrow.string()
        )
    for sign, escaped in (("\\", "\\\\"), ('"', '\\"')):
        if compute.any(compute.match_substring(texts, sign)).as_py():
            texts = compute.replace_substring(texts, sign, escaped)
    return texts
