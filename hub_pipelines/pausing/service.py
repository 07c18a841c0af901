"""Pausing and resuming, each audited with its actor. Of two who do the same at once one wins.

A pause stops launches only: files are taken in, archived and signed as always, and a run that was launched before
goes on to its end.
"""

from dataclasses import dataclass

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.common.store import Database, Transaction
from hub_pipelines.pausing import store as pauses
from hub_pipelines.pausing.model import EVERY, AlreadyPaused, NotPaused, Pause, pause_of, scope_text
from hub_pipelines.submission.receipting import store as receipting


@dataclass(frozen=True, slots=True)
class Pausing:
    """`campus` and `feed` are EVERY (empty) when all are meant."""

    db: Database

    def standing(self) -> list[Pause]:
        with self.db.read() as tx:
            return pauses.standing(tx)

    def pause(self, campus: str = EVERY, feed: str = EVERY, *, actor: str, reason: str) -> Pause:
        """Raises AlreadyPaused."""
        with self.db.write() as tx:
            added = pauses.add(tx, campus, feed, by=actor, reason=reason)
            current = _exactly(tx, campus, feed)
            if not added or current is None:
                raise AlreadyPaused(f"Nothing was changed: {current.sentence if current else scope_text(campus, feed)}")
            receipting.make_receipts_due(tx, campus=campus or None, feed=feed or None)
            _audit(tx, campus, feed, actor, "feed:paused", reason)
        return current

    def resume(self, campus: str = EVERY, feed: str = EVERY, *, actor: str, reason: str = "") -> list[Pause]:
        """Lift exactly this pause; the pauses that still stop a part of its scope. Raises NotPaused."""
        with self.db.write() as tx:
            before = pauses.standing(tx)
            if not pauses.remove(tx, campus, feed):
                told = "; ".join(one.sentence for one in before) or "nothing is"
                raise NotPaused(f"{scope_text(campus, feed)}: no such pause. Paused now: {told}.")
            _audit(tx, campus, feed, actor, "feed:resumed", reason)
            return [one for one in pauses.standing(tx) if _overlap(one, campus, feed)]

    def covering(self, campus: str, feed: str) -> Pause | None:
        return pause_of(self.standing(), campus, feed)


def _exactly(tx: Transaction, campus: str, feed: str) -> Pause | None:
    return next((one for one in pauses.standing(tx) if (one.campus, one.feed) == (campus, feed)), None)


def _overlap(one: Pause, campus: str, feed: str) -> bool:
    return (EVERY in {one.campus, campus} or one.campus == campus) and (EVERY in {one.feed, feed} or one.feed == feed)


def _audit(tx: Transaction, campus: str, feed: str, actor: str, event: str, reason: str) -> None:
    detail: dict[str, object] = {"campus": campus or "every", "feed": feed or "every", "reason": reason}
    audit.append(tx, Event(campus or RESERVED_CAMPUS, actor, event, scope_text(campus, feed), None, detail))
