"""What became of a submission or an arrival, in the terms of a receipt: one mapping for receipts and their index.

Belongs here: from states and intake's answers to a receipt's outcome and reason. Not here: wording (`render`).
"""

from dataclasses import dataclass, replace
from typing import Literal

from hub_pipelines.common.store import Transaction
from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.model import REGISTRY_LEDGER, Posting
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.mapping import store as mappings
from hub_pipelines.report.corrections import is_part, rows_left
from hub_pipelines.report.model import Counts
from hub_pipelines.report.model import Outcome as Shown
from hub_pipelines.report.words import still_not_taken, things_told
from hub_pipelines.report.workbook.store import return_of
from hub_pipelines.review import store as reviews
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.leases.store import NO_WORD
from hub_pipelines.submission.model import MESSAGES, Cause, State, Submission
from hub_pipelines.submission.versions import store as versions

TAG_RULE = "tag_not_in_registry"


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


@dataclass(frozen=True, slots=True)
class Registry:
    """Rows of a submission that lacked the procurement list, for there was none, and those that have something else to
    correct; a row may be both."""

    waiting: int = 0
    other: int = 0
    has_come: bool = False
    """There is a list by now; the submission was not judged again since."""

    def __bool__(self) -> bool:
        return self.waiting > 0

    @property
    def rule(self) -> str:
        """The rule whose problems are nobody's to correct; none where no row waits."""
        return TAG_RULE if self else ""

    @property
    def is_all(self) -> bool:
        """Nothing else is wrong with it."""
        return self.waiting > 0 and not self.other


def waits_for_registry(tx: Transaction, current: Submission) -> Registry:
    if current.state is not State.POSTED or current.registry_version != 0 or not current.counts.rejected:
        return Registry()
    unknown = ledger_problems.count_of_rule(tx, current.request_id, current.revision, TAG_RULE)
    if not unknown:
        return Registry()
    other = ledger_problems.count_rejected_rows(tx, current.request_id, current.revision, besides=TAG_RULE)
    has_come = ledger_items.current_version(tx, REGISTRY_LEDGER)[0] > 0
    return Registry(unknown, other, has_come)


def corrects(tx: Transaction, current: Submission) -> bool:
    """Whether it was sent in place of another file, and has not merely the same name: that may be another list."""
    came = return_of(tx, current.request_id, current.revision)
    return (came is not None and came.original is not None) or reviews.corrected_by(tx, current.request_id) is not None


def newest_in_place_of(tx: Transaction, first: Submission) -> Submission | None:
    """The last of what was sent in place of a submission, one after the other. What merely has its name counts once it
    is taken and has no fewer rows, as on the pages that list receipts: a shorter list may not name what is open.
    A workbook with only rows to fix counts once none of them is left."""
    last, known, rows = None, first, first.counts.received
    seen = {first.request_id}
    while (following := _following(tx, known)) is not None and following.request_id not in seen:
        taken = following.state is State.POSTED and following.counts.received >= max(1, rows)
        if not (taken or corrects(tx, following)):
            break
        seen.add(following.request_id)
        known = following
        if not is_part(tx, following):
            last, rows = following, following.counts.received
        elif is_part(tx, first) or not rows_left(tx, first):
            last = following
    return last


def _following(tx: Transaction, known: Submission) -> Submission | None:
    """What was sent in place of a submission last. One with only rows to fix counts where nothing else was."""
    found = versions.revising(tx, known)
    return next((one for one in found if not is_part(tx, one)), found[0] if found else None)


def still_open(tx: Transaction, first: Submission) -> tuple[str, ...]:
    """What somebody has yet to do about a submission, a clause each; nothing once something was sent in its place."""
    if newest_in_place_of(tx, first) is not None:
        return ()
    if first.state is State.DISMISSED:
        return ("it was set aside, so nothing was taken from it",)
    if first.state is State.IN_REVIEW:
        asked = mappings.questions_about(tx, first.request_id, first.revision)
        number = sum(one.answer is None for one in asked)
        if number:
            return ("1 question is still open" if number == 1 else f"{number:,} questions are still open",)
        return ("a person at the hub has yet to look at it",)
    left = rows_left(tx, first)
    return (still_not_taken(left),) if left else ()


def still_open_of_copy(tx: Transaction, arrival: Arrival) -> tuple[str, ...]:
    """The same of what a duplicate is a copy of; nothing of other arrivals."""
    known = arrival.outcome is Outcome.DUPLICATE and arrival.request_id is not None
    first = submissions.find(tx, str(arrival.request_id)) if known else None
    return still_open(tx, first) if first else ()


def headline_reason(current: Submission, registry: Registry | None = None) -> str | None:
    """`registry` is what `waits_for_registry` says, where it was asked."""
    if current.state is State.POSTED:
        if current.counts.received == 0:
            return "the file has headings but no rows below them"
        if registry and not registry.is_all and not current.counts.posted:
            corrections = things_told(registry.other, _thing(current)) + (" has" if registry.other == 1 else " have")
            wait = "wait" if registry.waiting > 1 else "waits"
            waiting = things_told(registry.waiting, _thing(current))
            waiting += " came before" if registry.has_come else f" {wait} for"
            return f"{waiting} the procurement list, {corrections} something to correct"
        is_all = shown(current) == "nothing_posted" and not current.counts.superseded
        return f"every {_thing(current)} has something to correct" if is_all else None
    if shown(current) == "question":  # the questions stand below, one by one
        return None
    if current.state is State.LEASED and current.attempts > 1:
        return current.reason or NO_WORD
    return current.reason if current.state in {State.RETRYING} else clause(current.reason)


def _thing(current: Submission) -> Literal["row", "message"]:
    return "message" if current.envelope.channel == MESSAGES else "row"


def clause(sentence: str | None) -> str | None:
    """A sentence as the second half of a headline: lower-case first letter unless it is a name or a code."""
    if not sentence or sentence[:2].isupper():
        return sentence
    return sentence[0].lower() + sentence[1:]


def counts(current: Submission, posting: Posting | None) -> Counts:
    """`posting` is the outcome of the submission's own revision, where it has posted."""
    rows = current.counts
    told = Counts(
        rows.received,
        rows.posted,
        rows.unchanged,
        rows.rejected,
        rows.held,
        superseded=rows.superseded,
        thing=_thing(current),
    )
    if posting is None:
        return told
    return replace(told, new=posting.new, worth_a_look=posting.worth_a_look, spared=posting.spared)
