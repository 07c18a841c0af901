"""Records beside the ledgers against what the audit chains tell of them: what came and how it was answered, who worked
on it and how that ended, how files were read, which columns a source may have.

Belongs here: one look for each of these tables, which gives the first record that is otherwise, in words. Not here:
postings, archived bytes, what people decided about review items (evidence.py), findings, legal holds (their services).
What chains of earlier releases do not tell is held against nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import MEND, Entry, Event
from hub_pipelines.common.store import Transaction, per_query
from hub_pipelines.drift import store as shapes
from hub_pipelines.drift.model import Source
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.mapping import store as mappings
from hub_pipelines.submission import store as submissions

_CAME = {
    **{f"submission:{one}": one for one in (Outcome.RECEIVED, Outcome.DUPLICATE, Outcome.CONFLICT, Outcome.REFUSED)},
    "arrival:previewed": Outcome.PREVIEWED,
    "message:conflict": Outcome.CONFLICT,
}
"""What is told of each arrival, and what it was answered with."""
_LEASED, _POSTED = "submission:leased", "submission:posted"
_FAILED = {"submission:retrying": ("failed", "error"), "submission:in_review": ("in review", "reason")}
"""How the outcome of a failed attempt begins, and which part of the entry is its error."""
_ACCEPTED = "shape:accepted"
_WITHIN = timedelta(hours=1)
"""A moment of a record and its entry's are of one transaction, which may have waited in between."""
_OF_THE_HUB = "hub/"


def first_bad_arrival(tx: Transaction) -> str | None:
    """Arrivals and their entries, both ways."""
    if (unanswered := arrivals.first_without_answer(tx)) is not None:
        return f"arrival {unanswered}: its record has an answer that the hub does not give. {MEND}"
    told = 0
    for entries in per_query(audit.entries_named(tx, *_CAME)):
        there = arrivals.those(tx, [_arrival_id(one) for one in entries])
        for entry in entries:
            one = there.get(_arrival_id(entry))
            if one is None:
                name = f"arrival {_arrival_id(entry)} ({entry.event.subject}, {entry.event.campus})"
                return f"{name}: the audit log tells of it, and its record is missing. {MEND}"
            if not _is_as_told(one, entry.event):
                return f"{_named(one)}: the record of this arrival is not what the audit log tells. {MEND}"
        told += len(there)
    if arrivals.count_all(tx) == told:
        return None
    known = {_arrival_id(one) for one in audit.entries_named(tx, *_CAME)}
    stray = next((one for one in arrivals.every_id(tx) if one not in known), None)
    return f"arrival {stray}: no audit entry tells of it. {MEND}" if stray else None


def _arrival_id(entry: Entry) -> str:
    return str(entry.event.detail["arrival_id"])


def _named(one: Arrival) -> str:
    return f"arrival {one.arrival_id} ({one.source_name}, {one.scope.campus})"


def _is_as_told(one: Arrival, event: Event) -> bool:
    detail, record = event.detail, one.told
    came = (event.campus, detail["feed"], event.subject, event.request_id, _CAME[event.event])
    if came != (one.scope.campus, one.scope.feed, one.source_name, one.request_id, one.outcome):
        return False
    parts = ("content_digest", "size_bytes", "arrived_at", "reason", "fix")
    of_record = parts if "arrived_at" in detail else [name for name in parts if name in detail]
    return all(record.get(name) == detail.get(name) for name in of_record)


def first_bad_attempt(tx: Transaction) -> str | None:
    """Attempts and the entries of their beginning, both ways; those that posted or failed and what is told of it."""
    begun = posted = 0
    for entries in per_query(audit.entries_named(tx, _LEASED, _POSTED, *_FAILED)):
        there = submissions.attempts_by_token(tx, {str(one.event.request_id) for one in entries})
        for entry in entries:
            event = entry.event
            begun += event.event == _LEASED
            posted += event.event == _POSTED
            token = event.detail.get("token")
            if token is not None and not _is_attempt_of(entry, there.get((str(event.request_id), int(str(token))), {})):
                what = f"{event.request_id}: the record of attempt {token}"
                return f"{what} is missing or not what the audit log tells of it. {MEND}"
    ended = submissions.attempts_by_outcome(tx)
    is_all = (begun, posted) == (sum(ended.values()), ended.get("posted", 0))
    return None if is_all else _stray_attempt(tx)


def _is_attempt_of(entry: Entry, one: Mapping[str, Any]) -> bool:
    event, detail = entry.event, entry.event.detail
    if not one or one["revision"] != detail["revision"]:
        return False
    if event.event == _LEASED:
        return _actor_of(one) == event.actor and _is_near(one["started_at"], entry.at)
    if event.event == _POSTED:
        moment = datetime.fromisoformat(str(detail["posted_at"]))
        return (_actor_of(one), one["outcome"], one["ended_at"]) == (event.actor, "posted", moment)
    began, words = _FAILED[event.event]
    is_ended_so = str(one["outcome"]).startswith(began) and one["error"] == detail[words]
    return is_ended_so and _is_near(one["ended_at"], entry.at)


def _actor_of(one: Mapping[str, Any]) -> str:
    owner = str(one["owner"])
    return owner if owner.startswith(_OF_THE_HUB) else f"run/{owner}"


def _is_near(recorded: datetime | None, told: datetime) -> bool:
    return recorded is not None and abs(told - recorded) <= _WITHIN


def _stray_attempt(tx: Transaction) -> str | None:
    """One that no entry tells of, or that posted as none does."""
    told: dict[str, set[tuple[str, object]]] = {_LEASED: set(), _POSTED: set()}
    for entry in audit.entries_named(tx, *told):
        told[entry.event.event].add((str(entry.event.request_id), entry.event.detail["token"]))
    for key, outcome in submissions.attempt_outcomes(tx):
        if key not in told[_LEASED] or (outcome == "posted" and key not in told[_POSTED]):
            return f"{key[0]}: no audit entry tells of its attempt {key[1]} as its record does. {MEND}"
    return None


def first_bad_reading(tx: Transaction) -> str | None:
    """By what files were read: each decision under its digest, and all of them that postings name."""
    kept = set()
    for digest, is_genuine in mappings.decisions(tx):
        if not is_genuine:
            return f"decision {digest}, by which files were read: it was changed after it was made. {MEND}"
        kept.add(digest)
    for entry in audit.entries_named(tx, _POSTED):
        named = entry.event.detail.get("decision")
        if named is not None and named not in kept:
            return f"{entry.event.request_id}: the decision {named}, by which it was read, is missing. {MEND}"
    return None


@dataclass(slots=True)
class _ToldShapes:
    """What the chains tell of columns: what people have accepted, by source and shape, and what has posted."""

    accepted: dict[tuple[Source, str], Entry] = field(default_factory=dict)
    posted: set[tuple[str, str, str | None]] = field(default_factory=set)
    """Campus, shape, and the migration under which it was read."""

    @staticmethod
    def by(tx: Transaction) -> "_ToldShapes":
        told = _ToldShapes()
        for entry in audit.entries_named(tx, _ACCEPTED, _POSTED):
            event, detail = entry.event, entry.event.detail
            if event.event == _ACCEPTED:
                shape = str(detail["shape"])
                source = shapes.source_of_change(tx, str(event.request_id), shape)
                told.accepted[source or Source(event.campus, "?", event.subject), shape] = entry
            elif detail.get("shape"):
                migration = detail.get("migration")
                told.posted.add((event.campus, str(detail["shape"]), str(migration) if migration else None))
        return told

    def is_as_told(self, source: Source, fingerprint: str, by: str | None, at: datetime | None) -> bool:
        if (entry := self.accepted.pop((source, fingerprint), None)) is not None:
            return by == entry.event.actor and _is_near(at, entry.at)
        if by is None or at is None:
            return by is None and at is None
        if by.startswith(_OF_THE_HUB):
            return any(told[:2] == (source.campus, fingerprint) for told in self.posted)
        return (source.campus, fingerprint, by) in self.posted


def first_bad_shape(tx: Transaction) -> str | None:
    """Who has accepted the columns of a source: a person, as the chain tells, or a posting that did so by itself."""
    told = _ToldShapes.by(tx)
    for source, fingerprint, by, at in shapes.acceptances(tx):
        if not told.is_as_told(source, fingerprint, by, at):
            what = "who has accepted these columns, and when, is not what the audit log tells"
            return f"{_columns(source, fingerprint)}: {what}. {MEND}"
    lost = next(iter(told.accepted), None)
    what = "the audit log tells who has accepted them, and their record is missing"
    return f"{_columns(*lost)}: {what}. {MEND}" if lost else None


def _columns(source: Source, fingerprint: str) -> str:
    return f"{source.campus}/{source.feed}, {source.key}, columns {fingerprint}"
