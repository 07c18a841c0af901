"""What came of each expectation, in plain words.

Belongs here: Great Expectations' results as people read them, with examples. Not here: the words for what must hold
(promises), where results are shown (defs/ledgers).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub_pipelines.validate.expectations.entries import ALL_ROWS, Entries
from hub_pipelines.validate.expectations.promises import (
    EQUAL,
    NOT_NULL,
    ROW_COUNT,
    UNIQUE,
    Promise,
    Severity,
    Suite,
    counted,
    spoken,
)

if TYPE_CHECKING:
    import pandas

_EXAMPLES = 5
_EXAMPLE_CHARACTERS = 80


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


def not_judged(promise: Promise, why: str) -> Expected:
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


def expected(promise: Promise, result: Mapping[str, Any], entries: Entries) -> Expected:
    examples = () if result["success"] else _examples(promise, result, entries)
    observed, found = _count_found(result) if promise.expectation == ROW_COUNT else _found(result, examples)
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
    observed = counted(int(result["observed_value"]), "entry", "entries")
    return observed, f"this day has {observed}"


def _found(result: Mapping[str, Any], examples: tuple[str, ...]) -> tuple[str, str]:
    """What was observed, and the same as the end of a sentence."""
    missing = int(result.get("missing_count") or 0)
    judged = int(result["element_count"]) - missing
    entries = counted(judged, "entry", "entries")
    if missing:
        entries += f" that {'has' if judged == 1 else 'have'} one"
    if judged == 0:
        return "no values", "no entry has one"
    broken = int(result["unexpected_count"])
    if not broken:
        return f"0 of {entries}", f"true of {'the' if judged == 1 else 'all'} {entries}"
    observed = f"{broken:,} of {entries} ({_percent(100 * broken / judged)})"
    return observed, f"not true of {observed}, such as {', '.join(examples)}"


def _examples(promise: Promise, result: Mapping[str, Any], entries: Entries) -> tuple[str, ...]:
    """Some of the values that broke the promise, each with an item that has it; for empty cells the items alone."""
    if promise.expectation == NOT_NULL:
        frame = _with_keys(entries, promise.column)
        items = frame.loc[frame[promise.column].isna(), "key"].head(_EXAMPLES)
        return tuple(dict.fromkeys(f"item {_value_text(item)}" for item in items))
    broken = result.get("partial_unexpected_list") or ()
    if promise.expectation == UNIQUE:
        told = [", ".join(f"{spoken(name)} {_value_text(value)}" for name, value in one.items()) for one in broken]
    elif promise.expectation == EQUAL and promise.suite == "contract":
        told = [" instead of ".join(_value_text(value) for value in pair) for pair in broken]
    else:
        values = dict.fromkeys(one[0] if promise.expectation == EQUAL else one for one in broken)
        frame = _with_keys(entries, promise.column)
        told = [_value_with_item(frame, promise.column, value) for value in list(values)[:_EXAMPLES]]
    return tuple(dict.fromkeys(told))[:_EXAMPLES]


def _with_keys(entries: Entries, column: str | None) -> "pandas.DataFrame":
    return entries.columns(list(dict.fromkeys(["key", *([column] if column else [])])), ALL_ROWS)


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
