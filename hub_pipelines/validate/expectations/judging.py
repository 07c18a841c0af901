"""Having Great Expectations judge one frame.

Belongs here: all that knows Great Expectations. It takes seconds to import: it is imported when a suite runs, never
with this module. Not here: what it is given at once (pieces), what its results mean (answers).
"""

import logging
import os
import uuid
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from hub_pipelines.validate.expectations.entries import NotJudgeable
from hub_pipelines.validate.expectations.promises import BETWEEN, IN_SET, LENGTH, MATCHES, NOT_NULL, Promise, Suite

if TYPE_CHECKING:
    import pandas

EXAMPLES_ASKED = 20
"""Values that break a promise, of which a few different ones are shown."""
# without unexpected_index_column_names, which would name the items but takes 4 s for 100,000 broken rows
_RESULT_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES_ASKED}
_OF_ONE_COLUMN = frozenset({NOT_NULL, IN_SET, BETWEEN, MATCHES, LENGTH})


def judge_frame(frame: "pandas.DataFrame", numbered: list[tuple[int, Promise]]) -> dict[int, Mapping[str, Any]]:
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


def _as_typed(promise: Promise, frame: "pandas.DataFrame") -> Promise:
    """numpy's dates are compared with datetimes, the others with dates."""
    if promise.expectation != BETWEEN or frame[promise.column].dtype.kind != "M":
        return promise
    bounds = {
        name: datetime.combine(bound, datetime.min.time()) if isinstance(bound, date) else bound
        for name, bound in promise.arguments.items()
    }
    return replace(promise, arguments=bounds)


def _run_suite(batch: Any, suite: Suite, promises: dict[int, Promise]) -> Iterator[tuple[int, Mapping[str, Any]]]:
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


def _expectation(number: int, promise: Promise) -> Any:
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


def _cause(exception_info: Mapping[str, Any]) -> str:
    details = exception_info if "exception_message" in exception_info else next(iter(exception_info.values()), {})
    return str(details.get("exception_message", "")) if isinstance(details, Mapping) else ""
