"""One submission's history and what holds of it now.

Belongs here: a sentence for each thing that happened. Not here: what happens next (next_step.py).
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Entry
from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.intake.service import source_key
from hub_pipelines.ledger.counting import store as counts
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.review import store as reviews
from hub_pipelines.review.model import ItemState, ReviewItem
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import State, Submission
from hub_pipelines.timeline.model import MOST_CANDIDATES, Moment, Story
from hub_pipelines.timeline.next_step import attempts_told, what_now
from hub_pipelines.timeline.words import number_of_rows, outcome_told, path_if_there, rows_told, state_told, utc_told
from hub_pipelines.validate.columns import column_letters

_COLUMNS_TOLD = 30
_NAMES_TOLD = 10
# told by the arrival, the attempt, the posting or the review item that they belong to
_SAID = frozenset(
    {
        *(f"submission:{outcome}" for outcome in Outcome),
        "submission:leased",
        "submission:retrying",
        "submission:in_review",
        "submission:posted",
        "review:replayed",
        "review:dismissed",
        "review:resubmitted",
    }
)


def story_of(hub: Hub, tx: Transaction, current: Submission, limit: int) -> Story:
    items = reviews.items_of(tx, current.request_id, limit=limit)
    moments, left_out = _moments(tx, current, items, limit)
    campus = hub.campuses.get(current.envelope.campus)
    return Story(
        request_id=current.request_id,
        state=current.state,
        time_zone=campus.time_zone if campus else "UTC",
        facts=_facts(hub, tx, current),
        moments=moments,
        left_out=left_out,
        now=what_now(hub, tx, current, items),
    )


def _facts(hub: Hub, tx: Transaction, current: Submission) -> dict[str, str]:
    envelope = current.envelope
    receipt = path_if_there(hub.receipts.places.page_of(current))
    facts = {
        "file": f"{envelope.source_name} (version {current.source_version} of this name)",
        "campus and feed": f"{envelope.campus} {envelope.feed}",
        "came through": _way(current),
        "sender's key": envelope.sender_key,
        "replaces": current.revises,
        "replaced by": _newer_version(tx, current),
        "state": f"{state_told(current.state)}, revision {current.revision}",
        "rows": rows_told(current) if current.counts.received else None,
        "attempts": _all_attempts(hub, current) if current.token else None,
        "launches": f"{current.launch}{_last_launch(current)}" if current.launch else None,
        "newest run": current.run_id,
        **_columns(hub, tx, current),
        "complete count": _count_told(tx, current) if envelope.complete_count else None,
        "registry version": str(current.registry_version) if current.registry_version is not None else None,
        "size": f"{envelope.size_bytes:,} bytes",
        "fingerprint": f"SHA-256 {envelope.content_digest}",
        "signed with key": envelope.key_id,
        "archived copy": str(hub.archive.object_path(envelope.content_digest)),
        "receipt": receipt or "not written yet",
    }
    return {name: value for name, value in facts.items() if value}


def _columns(hub: Hub, tx: Transaction, current: Submission) -> dict[str, str | None]:
    """How its columns were read: what was not taken by its own name, and what is kept as it is."""
    if migration := _migration_of(tx, current):
        return {"columns read under": f"{migration} (`hub migration show {migration}`)"}
    decision = hub.judge.mappings.decision_of(tx, current.decision)
    if decision is None:
        return {}
    read = [
        f'"{one.heading or column_letters(one.position)}" → {one.column} ({one.how})' for one in decision.recognised
    ]
    left = f" and {len(read) - _COLUMNS_TOLD} more" if len(read) > _COLUMNS_TOLD else ""
    return {
        "columns read as": ", ".join(read[:_COLUMNS_TOLD]) + left if read else None,
        "columns kept as they are": ", ".join(decision.unread[:_COLUMNS_TOLD]) or None,
        "values read as": "; ".join(decision.told) or None,
    }


def _migration_of(tx: Transaction, current: Submission) -> str | None:
    """What its present posting was read under. What its headings were recognised as does not count then."""
    posted = audit.newest_entry_named(tx, current.request_id, "submission:posted")
    if current.state is not State.POSTED or posted is None:
        return None
    return str(posted.event.detail["migration"]) if posted.event.detail.get("migration") else None


def _count_told(tx: Transaction, current: Submission) -> str:
    posting = ledger_outcomes.find_posting(tx, current.request_id, current.revision)
    if posting is None or posting.counted is None:
        return "yes; nothing is compared before it is posted"
    missing = counts.still_missing(tx, current.request_id, current.revision)
    told = f"of {_short_list(posting.counted)}: {posting.not_found} not found"
    if posting.not_found:
        told += f", {missing} still missing"
    if posting.listed_in_rejected_rows:
        told += f"; {posting.listed_in_rejected_rows} are listed in rejected rows"
    return told


def _short_list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_TOLD} more" if len(names) > _NAMES_TOLD else ""
    return (", ".join(names[:_NAMES_TOLD]) or "no location") + more


def _way(current: Submission) -> str:
    """Channel and sender; a drop folder is told by its path."""
    envelope = current.envelope
    return f"{envelope.channel} from {envelope.headers.get('dropped_in') or envelope.source_system}"


def _all_attempts(hub: Hub, current: Submission) -> str:
    """Those of this revision with their limit, and those of all revisions when there were others."""
    told = f"{attempts_told(hub, current)} for revision {current.revision}"
    if current.attempts_in_all > current.attempts:
        told += f", {current.attempts_in_all} over all revisions"
    return (
        f"{told}; the next one at {utc_told(current.retry_at)}"
        if current.state is State.RETRYING and not current.waits_for
        else told
    )


def _last_launch(current: Submission) -> str:
    vain = f"; {current.launches_in_vain} since a run last began to work" if current.launches_in_vain > 1 else ""
    return f", the last one at {utc_told(current.launched_at)}{vain}" if current.launched_at else vain


def _newer_version(tx: Transaction, current: Submission) -> str | None:
    envelope = current.envelope
    for one in submissions.of_source(tx, source_key(envelope.source_name), limit=MOST_CANDIDATES):
        if one.revises == current.request_id and one.envelope.campus == envelope.campus:
            return f"{one.request_id} (version {one.source_version})"
    return None


def _moments(
    tx: Transaction, current: Submission, items: list[ReviewItem], limit: int
) -> tuple[tuple[Moment, ...], int]:
    """What happened, in order. Of a long history the first arrival and the newest; how many are left out."""
    came, came_total = arrivals.of_request(tx, current.request_id, limit=limit)
    said, said_total = audit.newest_entries_of(tx, current.request_id, without=_SAID, limit=limit)
    found = [_arrival(current, one) for one in came] + [_entry(one) for one in said]
    found += [_attempt(one) for one in submissions.attempts_of(tx, current.request_id)]
    found += [_posting(one) for one in ledger_outcomes.postings_of(tx, current.request_id, limit=limit)]
    found += [moment for item in items for moment in _review(item)]
    if current.launched_at is not None:
        found.append(_launch(current, current.launched_at))
    found.sort(key=lambda moment: moment.at)
    total = len(found) + came_total - len(came) + said_total - len(said)
    if len(found) > limit:
        found = [found[0], *found[len(found) - max(limit - 1, 0) :]]
    return tuple(found), total - len(found)


def _arrival(current: Submission, arrival: Arrival) -> Moment:
    if arrival.outcome is Outcome.RECEIVED:
        what = f"{arrival.source_name} came through {_way(current)}: received, archived and signed"
        return Moment(arrival.arrived_at, what)
    return Moment(arrival.arrived_at, f"{arrival.source_name} came: {outcome_told(arrival)}")


def _launch(current: Submission, at: datetime) -> Moment:
    return Moment(at, f"launch {current.launch}: Dagster was asked for a run (run key {current.run_key})")


def _attempt(row: dict[str, object]) -> Moment:
    started, ended = row["started_at"], row["ended_at"]
    assert isinstance(started, datetime)
    what = f"an attempt of revision {row['revision']} began (token {row['token']})"
    if isinstance(ended, datetime):
        what += f" and ended after {(ended - started).total_seconds():.1f} s: {row['outcome']}"
    if row["error"]:
        what += f"; {row['error_type']}: {row['error']}"
    return Moment(started, what, f"run/{row['owner']}")


def _posting(posting: Posting) -> Moment:
    what = (
        f"posted to {posting.ledger} as its version {posting.ledger_version}: {number_of_rows(posting.received)}, "
        f"{posting.posted} posted, {posting.unchanged} unchanged, {posting.rejected} rejected "
        f"(revision {posting.revision})"
    )
    if posting.replaced:
        lines = "one line" if posting.replaced == 1 else f"{posting.replaced} lines"
        what += f"; {lines} of the file that it corrects closed, since its rows have their place"
    if posting.counted is not None:
        items = "one item" if posting.not_found == 1 else f"{posting.not_found} items"
        what += f"; as a complete count of {_short_list(posting.counted)} it did not find {items}"
    return Moment(posting.posted_at, what)


def _review(item: ReviewItem) -> list[Moment]:
    found = [Moment(item.opened_at, f"filed for review as {item.item_id} [{item.cause}]: {item.reason}")]
    if item.resolved_at is not None:
        words = {
            ItemState.REPLAYED: "sent through again",
            ItemState.RESUBMITTED: f"closed, because a corrected copy was sent in its place: {item.replaced_by}",
            ItemState.SPLIT: f"closed: {item.resolution}",
        }
        told = words.get(item.state, f"dismissed: {item.resolution}")
        found.append(Moment(item.resolved_at, f"{item.item_id} {told}", item.resolved_by))
    return found


def _asked(detail: dict[str, Any]) -> str:
    about = [str(one["column"] or one["kind"]) for one in detail.get("questions", [])]
    return f"asked what only a person can tell, about {', '.join(about)}"


def _answered(detail: dict[str, Any]) -> str:
    told = [f"{one['about']} = {one['answer']}" for one in detail.get("answers", [])]
    return f"answered: {'; '.join(told)}"


def _busy(detail: dict[str, Any]) -> str:
    if earlier := detail.get("behind"):
        return f"a run found that the earlier file of its name, {earlier}, posts first, and ended"
    return f"a run found that another works on it ({detail.get('state')}), and ended"


def _entry(entry: Entry) -> Moment:
    event, detail = entry.event, entry.event.detail
    shape = detail.get("shape")
    known = {
        "submission:busy": _busy(detail),
        "submission:repeat": f"a run found it settled ({detail.get('state')}), and ended",
        "submission:fenced": f"a run that had lost its lease was kept from writing (token {detail.get('token')})",
        "submission:gave_way": f"its run found another posting to {detail.get('ledger')}, and gave its place to others",
        "recovery:lease_ended": "the reconciler ended its attempt, whose lease had run out",
        "recovery:run_failed": f"the reconciler reported its run {detail.get('run_id')} as failed: {detail.get('why')}",
        "recovery:item_filed": f"the reconciler filed its missing review item {detail.get('item_id')}",
        "recovery:launches_ended": "the reconciler brought it to review: no launch led to work",
        "recovery:registered": "the reconciler registered it from the archive: no record of it was left",
        "recovery:envelope_written": "the reconciler wrote its archived envelope again: it was missing or changed",
        "shape:drifted": f"columns of its earlier files are gone; the compliance officers are told (shape {shape})",
        "shape:extended": f"it has more columns than its earlier files (shape {shape})",
        "mapping:asked": _asked(detail),
        "mapping:answered": _answered(detail),
        "mapping:remembered": f"remembered for {event.subject}, as version {detail.get('version')}",
        "shape:reduced": f"headings that the contract does not know are gone (shape {shape})",
        "shape:narrowed": f"it lacks columns of its earlier files, whose values stay in the ledger (shape {shape})",
        "finding:opened": f"{detail.get('rule')} opened on {detail.get('subject')}: {detail.get('told')}",
        "finding:closed": f"{detail.get('rule')} on {detail.get('subject')} closed by {detail.get('because_of')}",
        "submission:requeued": "asked to have its next attempt at once",
        "lease:released": f"the lease of run {detail.get('run')} (token {detail.get('token')}) was ended by hand",
        "submission:applied_again": f"applied again on purpose, as revision {detail.get('revision')}",
    }
    what = known.get(event.event) or f"{event.event} {json.dumps(detail, ensure_ascii=False, default=str)}"
    return Moment(entry.at, f"{what} (audit entry {event.campus}:{entry.seq})", event.actor)
