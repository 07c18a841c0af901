"""What became of a submission or an arrival, in the terms of a receipt: one mapping for receipts and their index.

Belongs here: from states and intake's answers to a receipt's outcome and reason. Not here: wording (`render`).
"""

from hub_pipelines.intake.model import Outcome
from hub_pipelines.report.model import Counts
from hub_pipelines.report.model import Outcome as Shown
from hub_pipelines.submission.model import Cause, State, Submission


def shown(current: Submission) -> Shown:
    if current.state is State.POSTED:
        return "posted" if current.counts.posted or current.counts.unchanged else "nothing_posted"
    if current.state is State.IN_REVIEW and current.cause is Cause.QUESTION:
        return "question"
    told: dict[State, Shown] = {
        State.RECEIVED: "received",
        State.IN_REVIEW: "in_review",
        State.DISMISSED: "dismissed",
    }
    return told.get(current.state, "waiting")


def shown_arrival(outcome: Outcome) -> Shown:
    told: dict[Outcome, Shown] = {Outcome.DUPLICATE: "duplicate", Outcome.CONFLICT: "conflict"}
    return told.get(outcome, "refused")


def headline_reason(current: Submission) -> str | None:
    if current.state is State.POSTED:
        if current.counts.received == 0:
            return "the file has headings but no rows below them"
        return "every row has something to correct" if shown(current) == "nothing_posted" else None
    if shown(current) == "question":  # the questions stand below, one by one
        return None
    return current.reason if current.state in {State.RETRYING} else clause(current.reason)


def clause(sentence: str | None) -> str | None:
    """A sentence as the second half of a headline: lower-case first letter unless it is a name or a code."""
    if not sentence or sentence[:2].isupper():
        return sentence
    return sentence[0].lower() + sentence[1:]


def counts(current: Submission) -> Counts:
    rows = current.counts
    return Counts(rows.received, rows.posted, rows.unchanged, rows.rejected, rows.held)
