"""Decisions of people, each audited with its actor: replay or dismiss a review item, apply a submission again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.scope import RESERVED_FEED
from hub_pipelines.review import store as reviews
from hub_pipelines.review.model import ItemState, ReasonCode, ReviewItem, Selection, dismissal, replacement
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.decisions import store as decided
from hub_pipelines.submission.model import Cause, IllegalMove, State, Submission


@dataclass(frozen=True, slots=True)
class Review:
    """Raises IllegalMove (plain text) when an item is unknown or closed already; nothing is changed then."""

    db: Any

    def listing(self, *, everything: bool = False, limit: int = 1_000) -> list[ReviewItem]:
        with self.db.read() as tx:
            return reviews.items(tx, Selection(state=None if everything else ItemState.OPEN), limit=limit)

    def show(self, item_id: str) -> tuple[ReviewItem, list[dict[str, Any]]]:
        """The item and all attempts of its submission."""
        with self.db.read() as tx:
            item = _get(tx, item_id)
            return item, submissions.attempts_of(tx, item.request_id)

    def replay(self, item_id: str, *, actor: str) -> ReviewItem:
        """Send the submission through again, same request_id, next revision. Twice at once: one wins."""
        with self.db.write() as tx:
            item = _get(tx, item_id)
            if reason := why_not_replayed(item.cause, item.feed):
                raise IllegalMove(reason)
            self._close(tx, item, ItemState.REPLAYED, actor, "replayed")
            again = decided.reopen(tx, item.request_id, come_from=State.IN_REVIEW)
            _audit(tx, item, actor, "review:replayed", {"revision": again.revision})
            return _get(tx, item_id)

    def replay_all(self, tx: Any, items: Sequence[ReviewItem], *, actor: str, because: str) -> list[ReviewItem]:
        """In the transaction of a decision that lets these items go on; those that are still open, as they were.

        All rows are taken before the first audit entry: whoever writes one holds the chain's head until commit.
        """
        sent = []
        for item in items:
            if reviews.resolve(tx, item.item_id, ItemState.REPLAYED, by=actor, resolution=because):
                sent.append((item, decided.reopen(tx, item.request_id, come_from=State.IN_REVIEW)))
        for item, again in sent:
            _audit(tx, item, actor, "review:replayed", {"revision": again.revision})
        return [item for item, _ in sent]

    def close_as_superseded(self, tx: Any, item: ReviewItem, *, actor: str, replaced_by: str) -> bool:
        """In the transaction that registers a returned copy of the file; False when the item was closed before.

        The caller audits it.
        """
        told = replacement(replaced_by)
        if not reviews.resolve(
            tx, item.item_id, ItemState.RESUBMITTED, by=actor, resolution=told, replaced_by=replaced_by
        ):
            return False
        decided.dismiss(tx, item.request_id, f"A returned copy was sent in its place: {replaced_by}.")
        return True

    def dismiss(self, item_id: str, *, actor: str, reason: ReasonCode, note: str = "") -> ReviewItem:
        """Close an item for good; bytes, envelope and history stay. A person decides this, never the hub."""
        _require_a_person(actor)
        with self.db.write() as tx:
            item = _get(tx, item_id)
            text = dismissal(reason, note)
            self._close(tx, item, ItemState.DISMISSED, actor, text, reason_code=reason)
            if item.cause != Cause.CONFLICT:
                decided.dismiss(tx, item.request_id, text)
            _audit(tx, item, actor, "review:dismissed", {"reason": reason, "note": note})
            return _get(tx, item_id)

    def close_as_resubmitted(
        self, tx: Any, item_id: str, *, actor: str, replaced_by: str, difference: dict[str, Any]
    ) -> None:
        """In the transaction that registers the corrected copy: both happen, or neither. Raises IllegalMove."""
        _require_a_person(actor)
        item = _get(tx, item_id)
        if reason := why_not_resubmitted(item):
            raise IllegalMove(reason)
        told = replacement(replaced_by)
        self._close(tx, item, ItemState.RESUBMITTED, actor, told, replaced_by=replaced_by, difference=difference)
        if item.cause != Cause.CONFLICT:
            decided.dismiss(tx, item.request_id, f"A corrected copy was sent in its place: {replaced_by}.")
        counts = {name: difference[name] for name in ("rows_before", "rows_after", "changed", "added", "removed")}
        _audit(tx, item, actor, "review:resubmitted", {"replaced_by": replaced_by, **counts})

    def try_now(self, request_id: str, *, actor: str) -> Submission:
        """Let a submission that waits for its next attempt have it at once. Raises IllegalMove."""
        with self.db.write() as tx:
            current = decided.make_due(tx, request_id)
            envelope = current.envelope
            detail: dict[str, object] = {"revision": current.revision, "state": current.state}
            event = Event(envelope.campus, actor, "submission:requeued", envelope.source_name, request_id, detail)
            audit.append(tx, event)
        return current

    def apply_again(self, request_id: str, *, actor: str) -> Submission:
        """Apply a posted submission once more on purpose, as its next revision. Raises IllegalMove."""
        with self.db.write() as tx:
            again = decided.reopen(tx, request_id, come_from=State.POSTED)
            detail: dict[str, object] = {"revision": again.revision}
            envelope = again.envelope
            audit.append(
                tx,
                Event(envelope.campus, actor, "submission:applied_again", envelope.source_name, request_id, detail),
            )
        return again

    def _close(self, tx: Any, item: ReviewItem, state: ItemState, actor: str, resolution: str, **told: Any) -> None:
        if not reviews.resolve(tx, item.item_id, state, by=actor, resolution=resolution, **told):
            raise IllegalMove(already_closed(tx, item))


def why_not_replayed(cause: str, feed: str) -> str | None:
    """Some items wait for another decision than a replay; None when it may be replayed."""
    if cause == Cause.CONFLICT:
        return (
            "A conflict can't be replayed: its key belongs to another submission. "
            "Submit the file again under a key of its own, then dismiss this item."
        )
    if feed == RESERVED_FEED:
        return (
            "A file from a folder that names no campus and feed can't be replayed: there is nobody's rule to "
            "read it by. Submit its archived copy with `hub submit`, then dismiss this item."
        )
    return None


def why_not_resubmitted(item: ReviewItem) -> str | None:
    if item.feed == RESERVED_FEED:
        return (
            "This file came in a folder that names no campus and feed, so a corrected copy would not have one either. "
            "Send it with `hub submit --campus … --feed …`, then dismiss this item."
        )
    return None


def already_closed(tx: Any, item: ReviewItem) -> str:
    """Who was first, and what the submission has come to since."""
    current = submissions.get(tx, item.request_id)
    told = f"{item.item_id} was {item.state} already by {item.resolved_by}. {item.request_id} is {current.state}"
    if current.state is State.POSTED:
        rows = current.counts
        told += f": {rows.posted} rows posted, {rows.unchanged} unchanged, {rows.rejected} rejected"
    return f"{told}; nothing was changed."


def _require_a_person(actor: str) -> None:
    kind, separator, name = actor.rpartition("/")
    if not name.strip() or (separator and kind != "person"):
        raise IllegalMove(f"A person must decide this, and {actor!r} names none. Say who with --by.")


def _get(tx: Any, item_id: str) -> ReviewItem:
    item = reviews.find(tx, item_id)
    if item is None:
        raise IllegalMove(f"There is no review item {item_id}. `hub review list` shows the open ones.")
    return item


def _audit(tx: Any, item: ReviewItem, actor: str, event: str, detail: dict[str, object]) -> None:
    audit.append(tx, Event(item.campus, actor, event, item.item_id, item.request_id, {"cause": item.cause, **detail}))
