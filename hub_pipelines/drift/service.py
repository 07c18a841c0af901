"""What a run needs to know of its source's columns: how to read a table, what to hold, what to remember.

Belongs here: the way between the run and the tables. Not here: the rules (judging), people's decisions (decisions).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.drift import store as shapes
from hub_pipelines.drift.judging import Judged, KnownBy, judge_header
from hub_pipelines.drift.migrating import Plan, plan
from hub_pipelines.drift.model import NARROWED_BY, BadMigration, Held, Kind, KnownShape, Migration, ShapesMoved, Source
from hub_pipelines.intake.sealing.service import RECORD_TYPE
from hub_pipelines.intake.service import source_key
from hub_pipelines.ledger.items import store as items
from hub_pipelines.ledger.model import ledger_name
from hub_pipelines.submission.model import MESSAGES, Envelope, State, Submission
from hub_pipelines.validate.columns import normalise_header
from hub_pipelines.validate.model import Feed, RecordType, Table, Unreadable

_ACCEPTED_BY = {
    Kind.FIRST: "hub/first of its source",
    Kind.EXTENDED: "hub/columns were only added",
    Kind.REDUCED: "hub/only unknown columns are gone",
    Kind.NARROWED: NARROWED_BY,
}
_MESSAGES_OF = "messages of "
_BY_ITSELF = frozenset(_ACCEPTED_BY.values())


@dataclass(frozen=True, slots=True)
class Reading:
    """A table as the contract is to see it, and how that came about.

    `origins` tells of a contract's column the sender's heading, where a migration reads it from another. `facts` is
    what a staged file records of its header: as it was sent, its shape, what changed, the migration.
    """

    table: Table
    origins: Mapping[str, str]
    facts: Mapping[str, object]

    @staticmethod
    def plain(table: Table) -> "Reading":
        return Reading(table, {}, {})

    @staticmethod
    def planned(table: Table, plan: Plan) -> "Reading":
        return Reading(plan.table(table), plan.origins, {})

    @staticmethod
    def judged(table: Table, judged: Judged) -> "Reading":
        facts = {
            "header": list(judged.shape.header),
            "shape": judged.shape.fingerprint,
            "headers": str(judged.kind),
            "columns_changed": judged.change.summary(),
            "migration": judged.migration.reference if judged.migration else None,
        }
        if judged.plan is None:
            return Reading(table, {}, facts)
        return Reading(judged.plan.table(table), judged.plan.origins, facts)


@dataclass(frozen=True, slots=True)
class Shapes:
    """The columns of sources, for runs."""

    db: Any

    def read(self, source: Source, feed: Feed, table: Table, sent: Sequence[str] | None = None) -> Reading:
        """The table as it is to be judged. Raises Drifted or Unfit when a person must decide first.

        `sent` is the header as it was sent, where the table has what its headings were recognised as.
        """
        with self.db.read() as tx:
            judged = _judge(tx, source, feed, table.header, table.header if sent is None else sent)
        return Reading.judged(table, judged)

    def accepted(self, tx: Any, source: Source) -> list[KnownShape]:
        """The shapes that a source may have, the one that posted last first. Their columns are told by the headings
        that stand for them as they are: not those that the steps of a migration make something else of."""
        return [_without_steps(tx, one) for one in shapes.accepted_shapes(tx, source)]

    def under_migration(self, source: Source, feed: Feed, table: Table) -> Reading | None:
        """The table under the migration that people have applied for its very headings; None when there is none."""
        with self.db.read() as tx:
            judged = _as_people_decided(tx, source, table.header, feed)
        return Reading.judged(table, judged) if judged else None

    def judged_without(
        self, current: Submission, feed: Feed, header: Sequence[str], mapped: Sequence[str] | None = None
    ) -> Judged:
        """How a header stands to what its source had, but for what this very submission has brought in itself.

        Of one that has posted it was settled then, by the ledger of that day, that no line becomes another one.
        `mapped` is what its headings were recognised as, where they were not read under a migration.
        """
        source = source_of(current.envelope)
        with self.db.read() as tx:
            known, migrations = _known(tx, source)
            own = [one for one in known if one.first_request_id == current.request_id and one.accepted_by in _BY_ITSELF]
            others = [one for one in known if one not in own]
            seen = header if mapped is None else mapped
            known_by = _none if current.state is State.POSTED else _known_by(tx, source)
            return judge_header(seen, feed, others, migrations, header, keeps=_keeps(source), known_by=known_by)

    def hold(self, tx: Any, current: Submission, held: Held, *, actor: str) -> None:
        """Keep what a submission that goes into review was held for, and alert the compliance officers."""
        source = source_of(current.envelope)
        first = shapes.add_shape(tx, source, held.seen, current.request_id)
        told = {"shape": held.seen, "compared_with": held.compared_with, "kind": held.kind, "change": held.change}
        shapes.add_change(tx, current.request_id, current.revision, source, told)
        if held.kind is Kind.DRIFTED:
            detail = {"compared_with": held.compared_with, "first_of_this_shape": first, **held.change.summary()}
            _tell(tx, current, "shape:drifted", held.seen.fingerprint, detail, actor)

    def remember(self, tx: Any, current: Submission, feed: Feed, summary: Mapping[str, Any], *, actor: str) -> None:
        """A submission has posted in this transaction: its shape is one that its source may have.

        Call it when the campus's audit head is held. Raises ShapesMoved when another submission of the source has
        changed the answer since the header was read.
        """
        source = source_of(current.envelope)
        try:
            judged = _judge_again(tx, source, summary, feed)
        except Unreadable as error:
            raise ShapesMoved(error.reason) from error
        reference = judged.migration.reference if judged.migration else None
        if reference != summary["migration"]:
            raise ShapesMoved("A migration for these columns was applied meanwhile.")
        if judged.kind is not Kind.SAME and str(judged.kind) != summary["headers"]:
            raise ShapesMoved("Another file of this list has posted meanwhile, which may have decided what is what.")
        shapes.add_shape(tx, source, judged.shape, current.request_id)
        by = reference or _ACCEPTED_BY.get(judged.kind, "hub/posted")
        new = shapes.accept_shape(tx, source, judged.shape.fingerprint, by=by)
        shapes.mark_posted(tx, source, judged.shape, migration=reference)
        if judged.kind in (Kind.EXTENDED, Kind.REDUCED, Kind.NARROWED, Kind.MIGRATED):
            told = {
                "shape": judged.shape,
                "compared_with": judged.compared_with,
                "kind": judged.kind,
                "change": judged.change,
            }
            shapes.add_change(tx, current.request_id, current.revision, source, told)
            if new and judged.kind is not Kind.MIGRATED:
                detail = {"compared_with": judged.compared_with, **judged.change.summary()}
                _tell(tx, current, f"shape:{judged.kind}", judged.shape.fingerprint, detail, actor)

    def plan_of(self, reference: str, header: Sequence[str], feed: Feed, sent: Sequence[str] | None = None) -> Plan:
        """The very version of a migration that a posting recorded, for a header. Raises BadMigration."""
        migration_id, _, version = reference.partition("@")
        with self.db.read() as tx:
            migration = shapes.migration_version(tx, migration_id, int(version))
        if migration is None:
            raise BadMigration(f"The migration {reference}, under which it was posted, is not there.")
        return plan(migration.steps, header, feed, sent)


def source_of(envelope: Envelope) -> Source:
    """What a campus sends again and again: the files of one name, or the messages of one record type."""
    if envelope.channel == MESSAGES:
        return Source(envelope.campus, envelope.feed, f"{_MESSAGES_OF}{envelope.headers[RECORD_TYPE]}")
    return Source(envelope.campus, envelope.feed, source_key(envelope.source_name))


def _keeps(source: Source) -> bool:
    """Whether what a header does not have stays in the ledger (decisions/0076). A message says all about its item."""
    return not source.key.startswith(_MESSAGES_OF)


def _known(tx: Any, source: Source) -> tuple[list[KnownShape], list[Migration]]:
    return shapes.accepted_shapes(tx, source), shapes.migrations_in_force(tx, source)


def _without_steps(tx: Any, known: KnownShape) -> KnownShape:
    if known.migration is None:
        return known
    migration_id, _, version = known.migration.partition("@")
    migration = shapes.migration_version(tx, migration_id, int(version))
    read = {normalise_header(step.column) for step in migration.steps.steps} if migration else set()
    columns = {name: text for name, text in known.shape.columns.items() if normalise_header(text) not in read}
    return replace(known, shape=replace(known.shape, columns=columns))


def _judge(tx: Any, source: Source, feed: Feed, header: Sequence[str], sent: Sequence[str]) -> Judged:
    known, migrations = _known(tx, source)
    known_by = _known_by(tx, source)
    return judge_header(header, feed, known, migrations, sent, keeps=_keeps(source), known_by=known_by)


def _known_by(tx: Any, source: Source) -> KnownBy:
    def count(record: RecordType, column: str) -> int:
        assert record.lines is not None
        name = ledger_name(record.name, source.campus, shared=record.shared)
        keys = items.keys_of_source(tx, name, source.campus, source.feed, source.key)
        return sum(record.lines.tells(key, column) for key in keys)

    return count


def _none(_record: RecordType, _column: str) -> int:
    return 0


def _as_people_decided(tx: Any, source: Source, header: Sequence[str], feed: Feed) -> Judged | None:
    migrations = shapes.migrations_in_force(tx, source)
    if not migrations:
        return None
    known = shapes.accepted_shapes(tx, source)
    try:
        judged = judge_header(header, feed, known, migrations, keeps=_keeps(source))
    except Unreadable:
        return None
    return judged if judged.plan else None


def _judge_again(tx: Any, source: Source, summary: Mapping[str, Any], feed: Feed) -> Judged:
    """A staged header once more. Raises ShapesMoved when a migration for it came or went."""
    header, mapped = summary["header"], summary["mapped"]
    decided = _as_people_decided(tx, source, header, feed)
    if decided is not None:
        return decided
    if mapped is None:
        raise ShapesMoved("The migration that it was read under is in force no more.")
    return _judge(tx, source, feed.only(summary["record_type"]), mapped, header)


def _tell(tx: Any, current: Submission, event: str, fingerprint: str, detail: Mapping[str, object], actor: str) -> None:
    told = {"revision": current.revision, "shape": fingerprint, **detail}
    envelope = current.envelope
    audit.append(tx, Event(envelope.campus, actor, event, envelope.source_name, current.request_id, told))
