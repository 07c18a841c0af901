"""Placing and lifting legal holds, each audited with its actor."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Entry, Event
from hub_pipelines.common.clock import iso
from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.common.store import Database, Transaction
from hub_pipelines.retention import store as retention
from hub_pipelines.retention.model import COLUMN_OF, BadHold, Hold, HoldKind, HoldsAstray
from hub_pipelines.validate.model import Feed, RecordType

_WITHIN = timedelta(hours=1)
"""Placing a hold counts what it covers before its entry is written."""


@dataclass(frozen=True, slots=True)
class Holds:
    """Raises BadHold with a text that says what to write.

    `feeds` are all that there are, enabled or not: settings must not end a hold.
    """

    db: Database
    feeds: Mapping[str, Feed]

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
            told = {"reason": reason, "covers_now": count, "placed_at": iso(hold.placed_at)}
            _audit(tx, hold, actor, "hold:placed", told)
        return hold, count

    def knows(self, campus: str | None, feed: str | None) -> bool:
        """Whether anything has ever come for this campus and feed, or one of them."""
        with self.db.read() as tx:
            return retention.has_come(tx, campus, feed)

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
            assert hold.lifted_at is not None
            _audit(tx, hold, actor, "hold:lifted", {"reason": reason, "lifted_at": iso(hold.lifted_at)})
        return hold

    def told(self, tx: Transaction) -> dict[str, Hold]:
        """All holds by their id, standing and lifted, as the audit chain tells them."""
        return {hold_id: one.hold for hold_id, one in _told(tx).items()}

    def any_stands(self, tx: Transaction) -> bool:
        """By the table or by the audit chain: one whose record was deleted stands still."""
        return bool(retention.holds(tx)) or any(one.lifted_at is None for one in self.told(tx).values())

    def astray(self) -> list[str]:
        """What the table of holds has otherwise than the audit chain tells, in words."""
        with self.db.read() as tx:
            told = _told(tx)
            there = {one.hold_id: one for one in retention.holds(tx, lifted_too=True)}
        faults = [
            f"{one}: the audit log tells of this legal hold, and its record is missing" for one in told.keys() - there
        ]
        faults += [f"{one}: no audit entry tells of this legal hold" for one in there.keys() - told]
        faults += [
            f"{one}: the record of this legal hold is not what the audit log tells"
            for one in told.keys() & there
            if not told[one].is_of(there[one])
        ]
        return sorted(faults)

    def check(self) -> None:
        """Raises HoldsAstray. Whoever removes something asks first."""
        if astray := self.astray():
            raise HoldsAstray(
                f"Nothing was removed. {astray[0]}. Find out who changed it, place the hold again with `hub hold add` "
                "and have the record restored from a backup."
            )

    def listing(self, *, lifted_too: bool = False) -> list[tuple[Hold, int]]:
        """Holds, each with how many submissions it covers now."""
        with self.db.read() as tx:
            return [
                (hold, retention.count_covered(tx, hold, self.feeds_of))
                for hold in retention.holds(tx, lifted_too=lifted_too)
            ]


@dataclass(frozen=True, slots=True)
class _Told:
    """The entries about one hold."""

    placed: Entry
    lifted: Entry | None = None

    @property
    def hold(self) -> Hold:
        told = self.placed.event.detail
        first, last = (date.fromisoformat(str(told[name])) if told[name] else None for name in ("from", "to"))
        named: dict[str, Any] = {name: told[name] for name in ("kind", "subject", "campus", "feed", "reason")}
        hold = Hold(
            self.placed.event.subject,
            first_day=first,
            last_day=last,
            placed_at=_moment(self.placed, "placed_at"),
            placed_by=self.placed.event.actor,
            **named,
        )
        if self.lifted is None:
            return hold
        return replace(
            hold,
            lifted_at=_moment(self.lifted, "lifted_at"),
            lifted_by=self.lifted.event.actor,
            lift_reason=str(self.lifted.event.detail["reason"]),
        )

    def is_of(self, record: Hold) -> bool:
        hold = self.hold
        if not _is_at(record.placed_at, self.placed, "placed_at") or not _is_at(
            record.lifted_at, self.lifted, "lifted_at"
        ):
            return False
        return replace(record, placed_at=hold.placed_at, lifted_at=hold.lifted_at) == hold


def _told(tx: Transaction) -> dict[str, _Told]:
    found: dict[str, _Told] = {}
    for entry in audit.entries_named(tx, "hold:placed", "hold:lifted"):
        hold_id = entry.event.subject
        if entry.event.event == "hold:placed":
            found[hold_id] = _Told(entry)
        elif hold_id in found:
            found[hold_id] = replace(found[hold_id], lifted=entry)
    return found


def _moment(entry: Entry, name: str) -> datetime:
    """Earlier releases told none: then that of the entry, which was written some moments later."""
    told = entry.event.detail.get(name)
    return datetime.fromisoformat(str(told)) if told else entry.at


def _is_at(recorded: datetime | None, entry: Entry | None, name: str) -> bool:
    if recorded is None or entry is None:
        return recorded is None and entry is None
    return abs(_moment(entry, name) - recorded) <= (timedelta(0) if name in entry.event.detail else _WITHIN)


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
