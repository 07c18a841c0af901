"""Decisions of people, each audited with its actor: replay or dismiss a review item, apply a submission again."""

from dataclasses import dataclass
from typing import Any

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.scope import RESERVED_FEED
from hub_pipelines.review import store as reviews
from hub_pipelines.review.model import ItemState, ReasonCode, ReviewItem
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Cause, IllegalMove, State, Submission


@dataclass(frozen=True, slots=True)
class Review:
    """Raises IllegalMove (plain text) when an item is unknown or closed already; nothing is changed then."""

    db: Any

    def listing(self, *, everything: bool = False) -> list[ReviewItem]:
        with self.db.read() as tx:
            return reviews.items(tx, state=None if everything else ItemState.OPEN)

    def show(self, item_id: str) -> tuple[ReviewItem, list[dict[str, Any]]]:
        """The item and all attempts of its submission."""
        with self.db.read() as tx:
            item = _get(tx, item_id)
            return item, submissions.attempts_of(tx, item.request_id)

    def replay(self, item_id: str, *, actor: str) -> ReviewItem:
        """Send the submission through again, same request_id, next revision. Twice at once: one wins."""
        with self.db.write() as tx:
            item = _get(tx, item_id)
            if item.cause == Cause.CONFLICT:
                raise IllegalMove(
                    "A conflict can't be replayed: its key belongs to another submission. "
                    "Submit the file again under a key of its own, then dismiss this item."
                )
            if item.feed == RESERVED_FEED:
                raise IllegalMove(
                    "A file from a folder that names no campus and feed can't be replayed: there is nobody's rule to "
                    "read it by. Submit its archived copy with `hub submit`, then dismiss this item."
                )
            self._close(tx, item, ItemState.REPLAYED, actor, "replayed")
            again = submissions.reopen(tx, item.request_id, come_from=State.IN_REVIEW)
            _audit(tx, item, actor, "review:replayed", {"revision": again.revision})
            return _get(tx, item_id)

    def dismiss(self, item_id: str, *, actor: str, reason: ReasonCode, note: str = "") -> ReviewItem:
        """Close an item for good; bytes, envelope and history stay."""
        with self.db.write() as tx:
            item = _get(tx, item_id)
            text = f"{reason}: {note}" if note else str(reason)
            self._close(tx, item, ItemState.DISMISSED, actor, text)
            if item.cause != Cause.CONFLICT:
                submissions.dismiss(tx, item.request_id, text)
            _audit(tx, item, actor, "review:dismissed", {"reason": reason, "note": note})
            return _get(tx, item_id)

    def apply_again(self, request_id: str, *, actor: str) -> Submission:
        """Apply a posted submission once more on purpose, as its next revision. Raises IllegalMove."""
        with self.db.write() as tx:
            again = submissions.reopen(tx, request_id, come_from=State.POSTED)
            detail: dict[str, object] = {"revision": again.revision}
            envelope = again.envelope
            audit.append(
                tx,
                Event(envelope.campus, actor, "submission:applied_again", envelope.source_name, request_id, detail),
            )
        return again

    def _close(self, tx: Any, item: ReviewItem, state: ItemState, actor: str, resolution: str) -> None:
        if not reviews.resolve(tx, item.item_id, state, by=actor, resolution=resolution):
            raise IllegalMove(f"{item.item_id} was {item.state} already by {item.resolved_by}.")


def _get(tx: Any, item_id: str) -> ReviewItem:
    item = reviews.find(tx, item_id)
    if item is None:
        raise IllegalMove(f"There is no review item {item_id}. `hub review list` shows the open ones.")
    return item


def _audit(tx: Any, item: ReviewItem, actor: str, event: str, detail: dict[str, object]) -> None:
    audit.append(tx, Event(item.campus, actor, event, item.item_id, item.request_id, {"cause": item.cause, **detail}))
