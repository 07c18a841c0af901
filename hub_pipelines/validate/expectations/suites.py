"""A campus-day's journal entries of one record type against all that is expected of them.

Belongs here: the way from entries to results. Where to read on: promises (what is expected), frames (columns as they
are compared), pieces and judging (Great Expectations), answers (its results in words).
"""

from hub_pipelines.validate.expectations.answers import Expected, expected, not_judged
from hub_pipelines.validate.expectations.entries import Entries, Surroundings
from hub_pipelines.validate.expectations.frames import require_columns, require_known
from hub_pipelines.validate.expectations.pieces import judge_in_pieces
from hub_pipelines.validate.expectations.promises import promises_of
from hub_pipelines.validate.model import RecordType


def run_suites(record: RecordType, entries: Entries, around: Surroundings) -> tuple[Expected, ...]:
    """Judges a campus-day's journal entries of one record type, one result per expectation and always the same ones.

    The entries have JOURNAL_COLUMNS and the contract's columns (named by `frame_column`), as pyarrow's `to_pandas`
    gives them: text, Decimal or float, date or datetime64, integers without or with (Int64) nulls. Raises NotJudgeable.
    """
    require_columns(record, entries)
    promises = list(promises_of(record, entries, around))
    if not entries.count:
        return tuple(not_judged(promise, "not judged, because the day has no entries") for promise in promises)
    require_known(record, around)
    answers = judge_in_pieces(record, entries, promises, around)
    return tuple(
        not_judged(promise, promise.unjudged) if promise.unjudged else expected(promise, answers[number], entries)
        for number, promise in enumerate(promises)
    )
