"""The words that several parts of an answer are written in."""

from datetime import datetime
from pathlib import Path

from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.submission.model import State, Submission


def outcome_told(arrival: Arrival) -> str:
    if arrival.outcome is Outcome.DUPLICATE:
        return f"duplicate, the same as {arrival.request_id}; no row was changed"
    if arrival.outcome is Outcome.PREVIEWED:
        return "a preview: nothing was changed, and it is no submission"
    return f"{arrival.outcome}: {arrival.reason}" if arrival.reason else str(arrival.outcome)


def state_told(state: State) -> str:
    return {State.IN_REVIEW: "in review", State.LEASED: "being worked on"}.get(state, str(state))


def rows_told(current: Submission) -> str:
    counts = current.counts
    told = [f"{counts.posted:,} posted", f"{counts.unchanged:,} unchanged", f"{counts.rejected:,} rejected"]
    for name in ("waiting", "held", "dismissed"):
        if number := getattr(counts, name):
            told.append(f"{number:,} {name}")
    return f"{number_of_rows(counts.received)}: {', '.join(told)}"


def number_of_rows(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def path_if_there(path: Path) -> str | None:
    return str(path) if path.exists() else None


def utc_told(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "an unknown time"


def as_sentence(text: str | None) -> str:
    """Ends with a full stop, so that another sentence can follow."""
    return f"{(text or 'no reason was recorded').rstrip(' .')}."
