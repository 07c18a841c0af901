"""Placing and lifting legal holds, each audited with its actor."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.common.store import Database, Transaction
from hub_pipelines.retention import store as retention
from hub_pipelines.retention.model import COLUMN_OF, BadHold, Hold, HoldKind
from hub_pipelines.validate.model import Feed, RecordType


@dataclass(frozen=True, slots=True)
class Holds:
    """Raises BadHold with a text that says what to write."""

    db: Database
    feeds: dict[str, Feed]

    @property
    def feeds_of(self) -> dict[str, list[str]]:
        """Of each column that a hold may be about, the feeds whose rows have it."""
        columns = COLUMN_OF.values()
        return {column: [name for name, feed in self.feeds.items() if _record(feed, column)] for column in columns}

    def on(self, kind: HoldKind, subject: str, *, actor: str, reason: str) -> tuple[Hold, int]:
        """Hold all that names an award or a container; with how many submissions that covers now."""
        column = COLUMN_OF[kind]
        record = next((found for feed in self.feeds.values() if (found := _record(feed, column))), None)
        if record is None:
            raise BadHold(f"No feed of this hub has {column}.")
        return self._place({"kind": kind, "subject": _as_in_ledgers(record, column, subject)}, actor, reason)

    def on_scope(
        self, campus: str | None, feed: str | None, first: date, last: date, *, actor: str, reason: str
    ) -> tuple[Hold, int]:
        """Hold what a campus and feed (or one of them) received or posted on these days."""
        if first > last:
            raise BadHold(f"--from {first} is after --to {last}.")
        fields = {"kind": "scope", "campus": campus, "feed": feed, "first_day": first, "last_day": last}
        return self._place(fields, actor, reason)

    def _place(self, fields: dict[str, Any], actor: str, reason: str) -> tuple[Hold, int]:
        if not reason.strip():
            raise BadHold("Say with --reason why it is held: the matter, and who asked for it.")
        with self.db.write() as tx:
            hold = retention.place(tx, {**fields, "reason": reason, "placed_by": actor})
            count = retention.count_covered(tx, hold, self.feeds_of)
            _audit(tx, hold, actor, "hold:placed", {"reason": reason, "covers_now": count})
        return hold, count

    def named(self, hold: Hold) -> int:
        """Of the submissions that a hold covers, those whose ledger entries say so; of the others nothing tells."""
        with self.db.read() as tx:
            return retention.count_covered(tx, hold, self.feeds_of, by_name_only=True)

    def lift(self, hold_id: str, *, actor: str, reason: str) -> Hold:
        if not reason.strip():
            raise BadHold("Say with --reason why it is lifted: the decision, and whose it is.")
        with self.db.write() as tx:
            if not retention.lift(tx, hold_id, by=actor, reason=reason):
                found = retention.find(tx, hold_id)
                raise BadHold(
                    f"{hold_id} was lifted already by {found.lifted_by}."
                    if found
                    else f"There is no hold {hold_id}. `hub hold list` shows them."
                )
            hold = retention.find(tx, hold_id)
            assert hold is not None
            _audit(tx, hold, actor, "hold:lifted", {"reason": reason})
        return hold

    def listing(self, *, lifted_too: bool = False) -> list[tuple[Hold, int]]:
        """Holds, each with how many submissions it covers now."""
        with self.db.read() as tx:
            return [
                (hold, retention.count_covered(tx, hold, self.feeds_of))
                for hold in retention.holds(tx, lifted_too=lifted_too)
            ]


def _record(feed: Feed, column: str) -> RecordType | None:
    return next((one for one in feed.record_types if column in one.columns), None)


def _as_in_ledgers(record: RecordType, column: str, subject: str) -> str:
    """The identifier as its contract writes it, whatever way it was typed."""
    field = record.row_model.model_fields[column]
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[(field.annotation, *field.metadata)])  # type: ignore[arg-type]  # made here
    try:
        return str(adapter.validate_python(subject))
    except ValidationError as error:
        raise BadHold(f"{subject!r}: {error.errors()[0]['msg']}") from error


def _audit(tx: Transaction, hold: Hold, actor: str, event: str, detail: dict[str, object]) -> None:
    about: dict[str, object] = {
        "kind": hold.kind,
        "subject": hold.subject,
        "campus": hold.campus,
        "feed": hold.feed,
        "from": hold.first_day.isoformat() if hold.first_day else None,
        "to": hold.last_day.isoformat() if hold.last_day else None,
    }
    audit.append(tx, Event(hold.campus or RESERVED_CAMPUS, actor, event, hold.hold_id, None, {**about, **detail}))
