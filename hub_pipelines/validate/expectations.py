"""The Great Expectations suites of a ledger: what a campus-day's journal entries must be like to be published.

Belongs here: which expectations follow from a record type's contract and surroundings, having Great Expectations
judge them, its answers in plain words. Not here: where entries, history and known keys come from, the checks on rows
before they post (service.py), what a failed suite stops, Dagster.
Great Expectations takes seconds to import: it and pandas are imported when a suite runs, never with this module.
"""

import gc
import logging
import math
import os
import uuid
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, cast

from hub_pipelines.common.errors import HubError
from hub_pipelines.validate.model import RecordType, Shape

if TYPE_CHECKING:
    import pandas
    import pyarrow

JOURNAL_COLUMNS = ("key", "version", "row_no", "operation", "request_id", "revision", "campus", "contract_version")
LEAST_HISTORY_DAYS = 5
_ONCE = ("set", "replaced")
"""Operations of which a posting has one for each item."""

# a day is unusual when its modified z-score on a logarithmic scale is above 3.5 (Iglewicz and Hoaglin 1993, "How to
# Detect and Handle Outliers"); counts are compared as ratios, because a lab's days differ by factors
_MOST_UNUSUAL_SCORE = 3.5
_SCORE_PER_DEVIATION = 0.6745
# a source that sends nearly the same number every day is still free to send a third or three times of it
_LEAST_FACTOR = 3.0

_EXAMPLES = 5
_EXAMPLE_CHARACTERS = 80
# without unexpected_index_column_names, which would name the items but takes 4 s for 100,000 broken rows
_RESULT_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": 4 * _EXAMPLES}

_NOT_NULL = "expect_column_values_to_not_be_null"
_IN_SET = "expect_column_values_to_be_in_set"
_BETWEEN = "expect_column_values_to_be_between"
_MATCHES = "expect_column_values_to_match_regex"
_LENGTH = "expect_column_value_lengths_to_be_between"
_EQUAL = "expect_column_pair_values_to_be_equal"
_UNIQUE = "expect_compound_columns_to_be_unique"
_ROW_COUNT = "expect_table_row_count_to_be_between"

_BUILT_KEY = "key by its columns"
_CELLS_AT_ONCE, _ROWS_AT_ONCE = 1_000_000, 500_000
"""So many are judged together: of a usual day all, of a million entries some columns of one half. Great Expectations
takes up to 300 bytes for each cell."""
_ALL = slice(None)

Suite = Literal["contract", "volume", "references"]
Severity = Literal["block", "warn"]


class NotJudgeable(HubError):
    """The entries could not be judged at all. A fault of the hub, not of the data; the operator is needed."""


@dataclass(frozen=True)
class History:
    """The source's own earlier days: entries per day that had any, newest first, bounded by the caller."""

    entries_per_day: tuple[int, ...]


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


@dataclass(frozen=True)
class Expected:
    """One expectation and what came of it. What was not judged is a success, and its sentence says why."""

    suite: Suite
    expectation: str
    """Great Expectations' name for its kind."""
    column: str | None
    severity: Severity
    success: bool
    judged: bool
    observed: str | None
    unexpected_count: int
    unexpected_percent: float | None
    """Of the entries that have a value; None when that makes no sense."""
    examples: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class _Promise:
    """One expectation before it is judged; `statement` is what holds when it is kept."""

    suite: Suite
    expectation: str
    column: str | None
    statement: str
    arguments: dict[str, object] = field(default_factory=dict)
    notes: str = ""
    """Great Expectations shows them with the expectation."""
    unjudged: str | None = None

    @property
    def severity(self) -> Severity:
        return "block" if self.suite == "contract" else "warn"


def run_suites(record: RecordType, entries: Entries, around: Surroundings) -> tuple[Expected, ...]:
    """Judges a campus-day's journal entries of one record type, one result per expectation and always the same ones.

    The entries have JOURNAL_COLUMNS and the contract's columns (named by `frame_column`), as pyarrow's `to_pandas`
    gives them: text, Decimal or float, date or datetime64, integers without or with (Int64) nulls. Raises NotJudgeable.
    """
    _require_columns(record, entries)
    promises = list(_promises(record, entries, around))
    if not entries.count:
        return tuple(_not_judged(promise, "not judged, because the day has no entries") for promise in promises)
    _require_known(record, around)
    answers = _judge(record, entries, promises, around)
    return tuple(
        _not_judged(promise, promise.unjudged) if promise.unjudged else _expected(promise, answers[number], entries)
        for number, promise in enumerate(promises)
    )


def frame_column(column: str) -> str:
    """The name of a contract's column in the frame, where the journal's own columns keep theirs."""
    return f"row_{column}" if column in JOURNAL_COLUMNS else column


def usual_entries(history: History) -> tuple[int, int] | None:
    """The least and the most entries of a usual day; None with too little history."""
    days = [max(1, entries) for entries in history.entries_per_day]
    if len(days) < LEAST_HISTORY_DAYS:
        return None
    middle = median(days)
    deviation = median(abs(math.log(entries / middle)) for entries in days)
    factor = max(_LEAST_FACTOR, math.exp(deviation * _MOST_UNUSUAL_SCORE / _SCORE_PER_DEVIATION))
    return max(1, math.floor(middle / factor)), math.ceil(middle * factor)


# -- what is promised ------------------------------------------------------------------------------------------------


def _promises(record: RecordType, entries: Entries, around: Surroundings) -> Iterator[_Promise]:
    operations = entries.columns(["operation"], _ALL)["operation"]
    yield from _journal_promises(record, around.campus, adjusts=bool((~operations.isin(_ONCE)).any()))
    for column, shape in record.shapes.items():
        yield from _column_promises(record, column, shape)
    yield _volume_promise(around.history)
    yield from _reference_promises(record)


def _journal_promises(record: RecordType, campus: str, *, adjusts: bool) -> Iterator[_Promise]:
    yield _filled("key", "The key")
    named = " and ".join(f'"{_spoken(column)}"' for column in record.key_columns)
    made_of = f"made of {named}" if len(record.key_columns) > 1 else named
    decimal = any(record.shapes[column].kind == "decimal" for column in record.key_columns)
    yield _Promise(
        "contract",
        _EQUAL,
        "key",
        f"The key is {'made of what tells one line from another' if record.lines else made_of}",
        _pair("key", _key_counterpart(record)),
        unjudged="not judged, because a number with decimals can be written in several ways" if decimal else None,
    )
    yield _unique(("version", "row_no"), "No two entries have the same place in the journal (version and row number)")
    once = _unique(("version", "key"), "No posting changes an item twice (version and key)")
    as_often = "not judged, because messages adjust an item as often as they come"
    yield replace(once, unjudged=as_often if adjusts else None)
    yield _Promise("contract", _IN_SET, "campus", f"The campus is {campus}", {"value_set": [campus]})


def _column_promises(record: RecordType, column: str, shape: Shape) -> Iterator[_Promise]:
    name, spoken, description = frame_column(column), _spoken(column), record.column_descriptions[column]
    if column in record.required:
        yield _filled(name, f'"{spoken}"', description)

    def promise(expectation: str, what: str, **arguments: object) -> _Promise:
        return _Promise("contract", expectation, name, f'"{spoken}" {what}', arguments, description)

    if shape.choices is not None:
        yield promise(_IN_SET, f"is one of {', '.join(shape.choices)}", value_set=list(shape.choices))
    if shape.longest is not None:
        yield promise(_LENGTH, f"has at most {shape.longest} characters", max_value=shape.longest)
    if shape.pattern is not None:
        yield promise(_MATCHES, f"has the form of its contract ({description or shape.pattern})", regex=shape.pattern)
    if shape.minimum is not None or shape.maximum is not None:
        bounds = {
            "min_value": _bound(shape.minimum, shape, -math.inf),
            "max_value": _bound(shape.maximum, shape, math.inf),
        }
        yield promise(_BETWEEN, _range_text(shape.minimum, shape.maximum), **bounds)


def _range_text(minimum: str | None, maximum: str | None) -> str:
    if minimum is None:
        return f"is at most {maximum}"
    return f"is at least {minimum}" if maximum is None else f"lies between {minimum} and {maximum}"


def _bound(text: str | None, shape: Shape, outwards: float) -> date | int | float | None:
    if text is None:
        return None
    if shape.kind == "date":
        return date.fromisoformat(text)
    return int(text) if shape.kind == "integer" else _float_beyond(Decimal(text), outwards)


def _float_beyond(bound: Decimal, outwards: float) -> float:
    """Great Expectations makes a bound a float; the nearest may exclude the bound itself, and the next one doesn't."""
    nearest = float(bound)
    excludes = bound < Decimal(nearest) if outwards < 0 else bound > Decimal(nearest)
    return math.nextafter(nearest, outwards) if excludes else nearest


def _volume_promise(history: History) -> _Promise:
    days = history.entries_per_day
    usual = usual_entries(history)
    if usual is None:
        unjudged = f"not judged yet, with {_counted(len(days), 'day')} of history and {LEAST_HISTORY_DAYS} needed"
        return _Promise("volume", _ROW_COUNT, None, "The number of entries is usual", unjudged=unjudged)
    least, most = usual
    return _Promise(
        "volume",
        _ROW_COUNT,
        None,
        f"A usual day has {least:,} to {most:,} entries "
        f"(the middle one of the last {len(days)} days with entries had {median(days):,.0f})",
        {"min_value": least, "max_value": most},
    )


def _reference_promises(record: RecordType) -> Iterator[_Promise]:
    for column, target in _targets(record).items():
        name = frame_column(column)
        yield _Promise(
            "references",
            _EQUAL,
            name,
            f'"{_spoken(column)}" {target}',
            _pair(name, _known_counterpart(name)),
            record.column_descriptions[column],
        )


def _targets(record: RecordType) -> dict[str, str]:
    """What the values of each referencing column are, when known."""
    targets = {one.column: f"is an item of {one.record_type}" for one in record.references}
    return targets | ({record.tag_column: "is in procurement's registry"} if record.tag_column else {})


def _filled(name: str, subject: str, description: str = "") -> _Promise:
    return _Promise("contract", _NOT_NULL, name, f"{subject} is never empty", notes=description)


def _unique(columns: tuple[str, ...], statement: str) -> _Promise:
    return _Promise("contract", _UNIQUE, None, statement, {"column_list": list(columns)})


def _pair(column: str, counterpart: str) -> dict[str, object]:
    return {"column_A": column, "column_B": counterpart, "ignore_row_if": "both_values_are_missing"}


def _spoken(column: str) -> str:
    return column.replace("_", " ")


# -- the frame -------------------------------------------------------------------------------------------------------


def _require_columns(record: RecordType, entries: Entries) -> None:
    needed = (*JOURNAL_COLUMNS, *(frame_column(column) for column in record.columns))
    missing = [column for column in needed if column not in entries.names]
    if missing:
        raise NotJudgeable(f"The entries of {record.name} lack the columns {', '.join(missing)}.")


def _require_known(record: RecordType, around: Surroundings) -> None:
    for column in _targets(record):
        if column not in around.known_keys:
            raise NotJudgeable(f"The known keys for {record.name}.{column} were not looked up.")


def _columns_of(promise: _Promise) -> tuple[str, ...]:
    """Those that it is about; of a number of entries any."""
    if promise.expectation == _EQUAL:
        return str(promise.arguments["column_A"]), str(promise.arguments["column_B"])
    if promise.expectation == _UNIQUE:
        return tuple(str(one) for one in cast(Sequence[object], promise.arguments["column_list"]))
    return (promise.column or "version",)


def _frame(
    record: RecordType, entries: Entries, names: Collection[str], around: Surroundings, rows: slice = _ALL
) -> "pandas.DataFrame":
    """These columns of the entries; beside each that must equal another what it must equal, as a join would give it.

    A set of 100,000 known keys as an expectation's argument takes Great Expectations 10 s, a column of them 0.1 s.
    """
    targets = {_known_counterpart(frame_column(one)): one for one in _targets(record)}
    read = dict.fromkeys(one for one in names if one in entries.names)
    read |= dict.fromkeys(frame_column(targets[one]) for one in names if one in targets)
    if _BUILT_KEY in names:
        read |= dict.fromkeys(("key", "contract_version", *map(frame_column, _columns_of_keys(record))))
    frame = entries.columns(list(read), rows)
    added: dict[str, Any] = {}
    for name in names:
        if name in targets:
            values = frame[frame_column(targets[name])]
            added[name] = values.where(_are_in(values, around.known_keys[targets[name]]))
    if _BUILT_KEY in names:
        added[_BUILT_KEY] = list(_built_keys(record, frame))
    return frame.assign(**added)


def _are_in(values: "pandas.Series[Any]", known: "pyarrow.Array") -> Any:
    import pyarrow
    from pyarrow import compute

    texts = pyarrow.array(values, pyarrow.string(), from_pandas=True)
    return compute.is_in(texts, value_set=known).to_numpy(zero_copy_only=False)


def _columns_of_keys(record: RecordType) -> list[str]:
    """Of which keys are made under any version of the contract."""
    return list(dict.fromkeys(column for one in (record, *record.former) for column in one.key_columns))


def _known_counterpart(name: str) -> str:
    return f"{name} if known"


def _key_counterpart(record: RecordType) -> str:
    first, *others = record.key_columns
    one_text = not others and not record.lines and record.shapes[first].kind == "text"
    return frame_column(first) if one_text else _BUILT_KEY


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


# -- judging ---------------------------------------------------------------------------------------------------------


@cache
def _context() -> Any:
    """Great Expectations' context of this process: nothing on disk, no progress bars, no usage statistics."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when it is imported
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python's sre_constants
        import great_expectations
        from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.NOTSET)  # it sets INFO by itself
    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _judge(
    record: RecordType, entries: Entries, promises: list[_Promise], around: Surroundings
) -> dict[int, Mapping[str, Any]]:
    """Great Expectations' result of each promise that is to be judged, by its position."""
    numbered = [(number, one) for number, one in enumerate(promises) if one.unjudged is None]
    answers: dict[int, Mapping[str, Any]] = {}
    for group in _groups(numbered, entries.count):
        names = dict.fromkeys(name for _, promise in group for name in _columns_of(promise))
        parts = [_judge_frame(part, group) for part in _parts(record, entries, names, around, group[0][1])]
        answers.update((number, _merged([part[number] for part in parts])) for number, _ in group)
    return answers


def _groups(numbered: Iterable[tuple[int, _Promise]], count: int) -> Iterator[list[tuple[int, _Promise]]]:
    """Promises that are judged together, so that the columns that they are about find room in memory."""
    for _, of_kind in groupby(numbered, key=lambda item: item[0] if item[1].expectation in _OF_ALL_ROWS else None):
        group: list[tuple[int, _Promise]] = []
        names: frozenset[str] = frozenset()
        for number, promise in of_kind:
            wider = names.union(_columns_of(promise))
            if group and len(wider) > len(names) and len(wider) * min(count, _ROWS_AT_ONCE) > _CELLS_AT_ONCE:
                yield group
                group, wider = [], frozenset(_columns_of(promise))
            group.append((number, promise))
            names = wider
        yield group


def _parts(
    record: RecordType, entries: Entries, names: Collection[str], around: Surroundings, promise: _Promise
) -> "Iterator[pandas.DataFrame]":
    """The rows in as many parts as they need; of what must be unique, all that are equal in the same part."""
    parts: Iterable[pandas.DataFrame]
    if promise.expectation == _UNIQUE and entries.count > _ROWS_AT_ONCE:
        frame = _frame(record, entries, names, around)
        part_of = _equal_together(frame[_columns_of(promise)[-1]], -(-entries.count // _ROWS_AT_ONCE))
        parts = (frame[part_of == number] for number in part_of.unique())
    elif promise.expectation == _ROW_COUNT:
        parts = [_frame(record, entries, names, around)]
    else:
        parts = (
            _frame(record, entries, names, around, slice(first, first + _ROWS_AT_ONCE))
            for first in range(0, entries.count, _ROWS_AT_ONCE)
        )
    for part in parts:
        yield part
        del part
        _give_memory_back()


def _equal_together(values: "pandas.Series[Any]", count: int) -> "pandas.Series[Any]":
    """Of each value the number of its part."""
    codes = values if values.dtype.kind == "i" else values.str[-2:].astype("category").cat.codes
    return codes % count


def _merged(parts: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What Great Expectations would say of all rows, by what it says of some and the others."""
    if len(parts) == 1:
        return parts[0]
    sums = {name: sum(int(one.get(name) or 0) for one in parts) for name in _COUNTS}
    judged = sums["element_count"] - sums["missing_count"]
    examples = [value for one in parts for value in one.get("partial_unexpected_list") or ()]
    return {
        **sums,
        "success": all(one["success"] for one in parts),
        "unexpected_percent": sums["unexpected_count"] / judged * 100 if judged else None,
        "partial_unexpected_list": examples[: 4 * _EXAMPLES],
    }


_OF_ALL_ROWS = frozenset({_UNIQUE, _ROW_COUNT})
"""Each is judged alone, for it has its own parts; the others are true or not of each row."""
_COUNTS = ("element_count", "missing_count", "unexpected_count")


def _give_memory_back() -> None:
    """To the machine; Arrow and Python's cycles would keep it for later."""
    import pyarrow

    gc.collect()
    pyarrow.default_memory_pool().release_unused()


def _judge_frame(frame: "pandas.DataFrame", numbered: list[tuple[int, _Promise]]) -> dict[int, Mapping[str, Any]]:
    sources = _context().data_sources
    # a data source of its own, dropped at the end: otherwise the context holds on to the frame
    name = f"entries-{uuid.uuid4().hex}"
    asset = sources.add_pandas(name).add_dataframe_asset("entries")
    try:
        batch = asset.add_batch_definition_whole_dataframe("day").get_batch(batch_parameters={"dataframe": frame})
        answers: dict[int, Mapping[str, Any]] = {}
        for suite, group in groupby(numbered, key=lambda item: item[1].suite):
            answers.update(_run_suite(batch, suite, {number: _as_typed(one, frame) for number, one in group}))
        return answers
    finally:
        sources.delete(name)


def _as_typed(promise: _Promise, frame: "pandas.DataFrame") -> _Promise:
    """numpy's dates are compared with datetimes, the others with dates."""
    if promise.expectation != _BETWEEN or frame[promise.column].dtype.kind != "M":
        return promise
    bounds = {
        name: datetime.combine(bound, datetime.min.time()) if isinstance(bound, date) else bound
        for name, bound in promise.arguments.items()
    }
    return replace(promise, arguments=bounds)


def _run_suite(batch: Any, suite: Suite, promises: dict[int, _Promise]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import great_expectations

    expectations = [_expectation(number, promise) for number, promise in promises.items()]
    suite_of_them = great_expectations.ExpectationSuite(name=suite, expectations=expectations)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This pattern is interpreted as a regular expression, and has match groups")
        outcome = batch.validate(suite_of_them, result_format=_RESULT_FORMAT)
    for one in outcome.results:  # in an order of its own
        number = one.expectation_config.meta["promise"]
        # when judging breaks, there is no result, and one of two shapes of exception_info
        if not one.success and not one.result:
            raise NotJudgeable(
                f"Great Expectations could not judge: {promises[number].statement}. {_cause(one.exception_info)}"
            )
        yield number, {**one.result, "success": bool(one.success)}


def _expectation(number: int, promise: _Promise) -> Any:
    from great_expectations import expectations

    kind = getattr(expectations, promise.expectation.title().replace("_", ""))
    of_column = {"column": promise.column} if promise.expectation in _OF_ONE_COLUMN else {}
    return kind(
        **of_column,
        **promise.arguments,
        severity="critical" if promise.severity == "block" else "warning",
        notes=promise.notes or None,
        meta={"promise": number},
    )


_OF_ONE_COLUMN = frozenset({_NOT_NULL, _IN_SET, _BETWEEN, _MATCHES, _LENGTH})


def _cause(exception_info: Mapping[str, Any]) -> str:
    details = exception_info if "exception_message" in exception_info else next(iter(exception_info.values()), {})
    return str(details.get("exception_message", "")) if isinstance(details, Mapping) else ""


# -- the answers in words --------------------------------------------------------------------------------------------


def _not_judged(promise: _Promise, why: str) -> Expected:
    return Expected(
        suite=promise.suite,
        expectation=promise.expectation,
        column=promise.column,
        severity=promise.severity,
        success=True,
        judged=False,
        observed=None,
        unexpected_count=0,
        unexpected_percent=None,
        examples=(),
        sentence=f"{promise.statement}: {why}.",
    )


def _expected(promise: _Promise, result: Mapping[str, Any], entries: Entries) -> Expected:
    examples = () if result["success"] else _examples(promise, result, entries)
    observed, found = _count_found(result) if promise.expectation == _ROW_COUNT else _found(result, examples)
    return Expected(
        suite=promise.suite,
        expectation=promise.expectation,
        column=promise.column,
        severity=promise.severity,
        success=result["success"],
        judged=True,
        observed=observed,
        unexpected_count=int(result.get("unexpected_count", 0)),
        unexpected_percent=result.get("unexpected_percent"),
        examples=examples,
        sentence=f"{promise.statement}: {found}.",
    )


def _count_found(result: Mapping[str, Any]) -> tuple[str, str]:
    observed = _counted(int(result["observed_value"]), "entry", "entries")
    return observed, f"this day has {observed}"


def _found(result: Mapping[str, Any], examples: tuple[str, ...]) -> tuple[str, str]:
    """What was observed, and the same as the end of a sentence."""
    missing = int(result.get("missing_count") or 0)
    judged = int(result["element_count"]) - missing
    entries = _counted(judged, "entry", "entries")
    if missing:
        entries += f" that {'has' if judged == 1 else 'have'} one"
    if judged == 0:
        return "no values", "no entry has one"
    broken = int(result["unexpected_count"])
    if not broken:
        return f"0 of {entries}", f"true of {'the' if judged == 1 else 'all'} {entries}"
    observed = f"{broken:,} of {entries} ({_percent(100 * broken / judged)})"
    return observed, f"not true of {observed}, such as {', '.join(examples)}"


def _examples(promise: _Promise, result: Mapping[str, Any], entries: Entries) -> tuple[str, ...]:
    """Some of the values that broke the promise, each with an item that has it; for empty cells the items alone."""
    if promise.expectation == _NOT_NULL:
        frame = _with_keys(entries, promise.column)
        items = frame.loc[frame[promise.column].isna(), "key"].head(_EXAMPLES)
        return tuple(dict.fromkeys(f"item {_value_text(item)}" for item in items))
    broken = result.get("partial_unexpected_list") or ()
    if promise.expectation == _UNIQUE:
        told = [", ".join(f"{_spoken(name)} {_value_text(value)}" for name, value in one.items()) for one in broken]
    elif promise.expectation == _EQUAL and promise.suite == "contract":
        told = [" instead of ".join(_value_text(value) for value in pair) for pair in broken]
    else:
        values = dict.fromkeys(one[0] if promise.expectation == _EQUAL else one for one in broken)
        frame = _with_keys(entries, promise.column)
        told = [_value_with_item(frame, promise.column, value) for value in list(values)[:_EXAMPLES]]
    return tuple(dict.fromkeys(told))[:_EXAMPLES]


def _with_keys(entries: Entries, column: str | None) -> "pandas.DataFrame":
    return entries.columns(list(dict.fromkeys(["key", *([column] if column else [])])), _ALL)


def _value_with_item(frame: "pandas.DataFrame", column: str | None, value: object) -> str:
    items = frame.loc[frame[column] == value, "key"].head(1).tolist()
    text = _value_text(value)
    return text if items in ([], [value]) else f"{text} (item {_value_text(items[0])})"


def _value_text(value: object) -> str:
    # pandas has three ways to say that there is none
    missing = value is None or value != value or str(value) in {"<NA>", "NaT"}
    return "empty" if missing else str(value)[:_EXAMPLE_CHARACTERS]


def _percent(percent: float) -> str:
    return "under 0.1 %" if percent < 0.1 else f"{percent:.1f}".removesuffix(".0") + " %"


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
