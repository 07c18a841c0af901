"""What a run needs to know to read a sender's own columns: what people have confirmed, what to ask, what to keep.

Belongs here: the way between the run and the tables, and the order mapping → drift. Not here: how a column is
recognised (deciding), what people do (answering), how values are written (validate/conventions, called by judging).
"""

from collections.abc import Collection, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.errors import HubError
from hub_pipelines.drift.comparing import heading_at
from hub_pipelines.drift.migrating import plan
from hub_pipelines.drift.model import BadMigration, Drifted, Held, Migration, ShapesMoved, Source, Unfit
from hub_pipelines.drift.service import Reading, Shapes, source_of
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.model import REGISTRY_LEDGER
from hub_pipelines.mapping import store as mappings
from hub_pipelines.mapping.content import tags_perhaps
from hub_pipelines.mapping.deciding import decide
from hub_pipelines.mapping.decision import Decision
from hub_pipelines.mapping.earlier import named_before, taken_back
from hub_pipelines.mapping.model import Asked, Confirmed, Mapping
from hub_pipelines.mapping.remembered import Remembered, questions_of
from hub_pipelines.mapping.spellings import known_headings
from hub_pipelines.submission.model import Submission
from hub_pipelines.validate.columns import located_columns, normalise_header
from hub_pipelines.validate.conventions import deciding as conventions
from hub_pipelines.validate.difference import Headings
from hub_pipelines.validate.model import Cell, Feed, RecordType, Table, Undecided, Unreadable
from hub_pipelines.validate.parsing.layout.rules import RULES

SAMPLE_ROWS = 5_000
"""So many rows from the beginning of a file are looked at to recognise its columns."""


@dataclass(frozen=True, slots=True)
class Columns:
    """A table whose header is the contract's, and how that came about.

    `feed` has only the record type that the columns were recognised as, where there is no doubt. `remembered` is what
    people had confirmed for the source when this was decided; `origins` tells of a contract's column the sender's
    heading, where that is another.
    """

    table: Table
    feed: Feed
    sent: tuple[str, ...]
    mapping: Mapping | None
    remembered: Remembered
    origins: Map[str, str]
    facts: Map[str, object]
    judged: tuple[str, ...] | None = None
    """The header that was compared with those of the source's earlier files."""


@dataclass(frozen=True, slots=True)
class Mappings:
    """The columns of files, for runs."""

    db: Any
    shapes: Shapes

    def read(self, source: Source, feed: Feed, table: Table, time_zone: str) -> Columns:
        """A source's table as the contract is to see it, by all that is known of the source. `time_zone` (IANA) is the
        campus's.

        Raises Asked, Drifted or Unfit when a person must say something first, Unreadable when it does not do at all.
        """
        with self.db.read() as tx:
            known = mappings.remembered(tx, source)
            before = self._before(tx, source, feed, table)
        under = self.shapes.under_migration(source, feed, table)
        if under is not None:
            return _columns(under, feed, table, None, known)
        mapping = self._decided(source, feed, table, known.confirmed, before)
        if mapping is None:
            return _columns(self.shapes.read(source, feed, table), feed, table, None, known)
        return self._mapped(source, feed, table, mapping, known, time_zone)

    def _mapped(
        self, source: Source, feed: Feed, table: Table, mapping: Mapping, known: Remembered, time_zone: str
    ) -> Columns:
        """What the header lacks may stand in the cells of another column, such as the unit in those of the quantity."""
        mapped = rehead(table, mapping)
        narrow = _narrowed(feed, mapping)
        try:
            return _columns(self.shapes.read(source, narrow, mapped, table.header), narrow, table, mapping, known)
        except Unreadable:
            added = _added(mapped, feed.record_type(mapping.record_type), known, mapping, time_zone)
            if not added:
                raise
            narrow = feed.only(mapping.record_type)
            wider = replace(mapped, header=[*mapped.header, *added])
            reading = replace(self.shapes.read(source, narrow, wider, table.header), table=mapped)
            return _columns(reading, narrow, table, mapping, known, added)

    def _before(self, tx: Any, source: Source, feed: Feed, table: Table) -> dict[str, dict[str, int]]:
        """Which columns named the rows in the source's earlier files, unless people have taken back since that they
        do."""
        return named_before(
            table.header, feed, self.shapes.accepted(tx, source), taken_back(mappings.history(tx, source))
        )

    def _decided(
        self, source: Source, feed: Feed, table: Table, confirmed: Confirmed, before: dict[str, dict[str, int]]
    ) -> Mapping | None:
        """None when the header is refused and what the source had before is to tell why."""
        sample = sample_of(table)
        try:
            return decide(table.header, sample, feed, confirmed, table.parts, before, self._tags(feed, sample))
        except Asked as asked:
            held = self._held_without_answers(source, feed, table, asked)
            if isinstance(held, Drifted):
                raise held from asked
            raise asked from held
        except Unreadable as refused:
            raise self._refused(source, feed, table, refused) from refused

    def _tags(self, feed: Feed, sample: Sequence[list[Cell]]) -> Collection[str]:
        """Of the values that may be tags, those that the procurement list has now. The decision keeps what came of
        it."""
        if not any(one.tag_column for one in feed.lists):
            return ()
        with self.db.read() as tx:
            return ledger_items.versions_of(tx, REGISTRY_LEDGER, sorted(tags_perhaps(sample))).keys()

    def _refused(self, source: Source, feed: Feed, table: Table, refused: Unreadable) -> Unreadable:
        """What is to be told to someone who has sent such a list before; to others why it was refused, though a
        migration may still help, and not what the contract's own headings would lack."""
        try:
            self.shapes.read(source, feed, table)
        except Drifted as drifted:
            return drifted
        except Unfit as held:
            return Unfit(refused.reason, refused.fix, held.seen, held.change, held.compared_with)
        except Unreadable:
            return refused  # the same in the words of the contract's own headings
        return refused

    def _held_without_answers(self, source: Source, feed: Feed, table: Table, asked: Asked) -> Held | None:
        """What a file in question would be held for if nothing but the certain was taken.

        Drifted: a column in question is gone that the source had before. Unfit: the source is new and required columns
        are lacking, for which people may rather write a migration. Both are told beside the questions.
        """
        named = {column for record in feed.lists for column in _named(table.header, record)}
        if asked.mapping is None or any(one.column is None or one.column in named for one in asked.questions):
            return None
        try:
            narrow = feed.only(asked.mapping.record_type)
            self.shapes.read(source, narrow, rehead(table, asked.mapping), table.header)
        except Held as held:
            return held
        except Unreadable:
            pass
        return None

    def under(self, migration: Migration, source: Source, feed: Feed, table: Table) -> Columns:
        """Read under a migration that need not be in force. Raises BadMigration, or what `decide` raises."""
        with self.db.read() as tx:
            known = mappings.remembered(tx, source)
            before = self._before(tx, source, feed, table)
        try:
            planned = Reading.planned(table, plan(migration.steps, table.header, feed))
            return _columns(planned, feed, table, None, known)
        except BadMigration as error:
            sample = sample_of(table)
            tags = self._tags(feed, sample)
            mapping = decide(table.header, sample, feed, known.confirmed, table.parts, before, tags)
            mapped = rehead(table, mapping)
            try:
                made = plan(migration.steps, mapped.header, feed, table.header)
            except BadMigration:
                raise error from None
            return _columns(Reading.planned(mapped, made), feed, table, mapping, known)

    def as_recorded(
        self, decision: Decision, migration: str | None, source: Source, feed: Feed, table: Table
    ) -> Columns:
        """Read by the decision that a posting recorded, never by a new one.

        Raises NotTheSameHeader when the file's header is not the one that was decided about, and BadMigration.
        """
        if tuple(table.header) != decision.header:
            raise NotTheSameHeader(
                "The file is read with another header than when it was posted, so the decision about its columns "
                "does not fit."
            )
        mapping = decision.mapping
        mapped = rehead(table, mapping) if mapping else table
        reading = Reading.plain(mapped)
        if migration is not None:
            reading = Reading.planned(mapped, self.shapes.plan_of(migration, mapped.header, feed, table.header))
        narrow = feed.only(mapping.record_type) if mapping and migration is None else feed
        return _columns(reading, narrow, table, mapping, Remembered(source))

    # ---- what is kept

    def keep(self, tx: Any, decision: Decision) -> None:
        mappings.add_decision(tx, decision)

    def decision_of(self, tx: Any, digest: str | None) -> Decision | None:
        """None for what was read before decisions were kept. Raises DecisionLost."""
        return mappings.find_decision(tx, digest)

    def hold(self, tx: Any, current: Submission, error: BaseException, *, actor: str) -> None:
        """Keep the questions for which a submission goes into review; nothing when there are none."""
        questions = questions_of(error)
        if not questions:
            return
        source = source_of(current.envelope)
        mappings.add_questions(tx, current.request_id, current.revision, source, questions)
        asked = [{"kind": one.kind, "column": one.column, "heading": one.heading} for one in questions]
        detail: dict[str, object] = {"revision": current.revision, "source": source.key, "questions": asked}
        audit.append(
            tx,
            Event(source.campus, actor, "mapping:asked", current.envelope.source_name, current.request_id, detail),
        )

    def require_unchanged(self, tx: Any, source: Source, version: int) -> None:
        """Raises ShapesMoved when people have answered otherwise for a source since its columns were decided."""
        if mappings.remembered(tx, source).version != version:
            raise ShapesMoved("What people have confirmed of this list's columns has changed meanwhile.")


class NotTheSameHeader(HubError):
    """A posting's file no longer gives the header that was decided about. History can't be reproduced then."""


def _named(header: Sequence[str], record: RecordType) -> set[str]:
    """The contract's columns that some heading names as the contract knows them."""
    return {record.aliases[form] for form in map(normalise_header, header) if form in record.aliases}


def rehead(table: Table, mapping: Mapping) -> Table:
    """The table with the contract's names in place of the headings that were recognised."""
    return replace(table, header=list(mapping.header))


def sample_of(table: Table) -> list[list[Cell]]:
    return [cells for _, cells in islice(table.rows, SAMPLE_ROWS)]


def _narrowed(feed: Feed, mapping: Mapping) -> Feed:
    """Only the record type that was recognised; all of them while columns that it requires are lacking."""
    record = feed.record_type(mapping.record_type)
    return feed.only(record.name) if set(record.required) <= mapping.positions.keys() else feed


def _added(mapped: Table, record: RecordType, known: Remembered, mapping: Mapping, time_zone: str) -> tuple[str, ...]:
    """Contract columns that the file has not and its cells fill. Raises Undecided when only their unit is in doubt."""
    try:
        columns = located_columns(mapped.header, record)
        return conventions.decide(
            mapped, columns, answers=known.values, units=units_of(mapping), time_zone=time_zone
        ).added
    except Undecided as undecided:
        if all(one.kind == "unit" for one in undecided.questions):
            raise
        return ()


def headings_of(feed: Feed, before: Decision | None, after: Decision | None) -> Headings:
    """How the columns of two files are named that were read by these decisions, for comparing them."""
    both = (before, after)
    read = [(one.header, one.mapping.header) for one in both if one and one.mapping]
    rules = [one.rules if one else RULES for one in both]
    return Headings(known_headings(feed).get, dict(read), (rules[0], rules[1]))


def units_of(mapping: Mapping | None) -> dict[str, str]:
    """By column the unit that its heading tells."""
    return {one.column: one.unit for one in (mapping.assigned if mapping else ()) if one.unit}


def _columns(
    reading: Reading,
    feed: Feed,
    table: Table,
    mapping: Mapping | None,
    known: Remembered,
    added: tuple[str, ...] = (),
) -> Columns:
    sent = tuple(table.header)
    by_mapping = _origins(sent, mapping, feed.record_type(mapping.record_type)) if mapping else {}
    judged = [*mapping.header, *added] if mapping else None
    facts = {
        **reading.facts,
        "mapped": judged,
        "confirmed": known.version,
    }
    origins = {**by_mapping, **reading.origins}
    return Columns(reading.table, feed, sent, mapping, known, origins, facts, tuple(judged) if judged else None)


def _origins(sent: Sequence[str], mapping: Mapping, record: RecordType) -> dict[str, str]:
    """The sender's heading of each column that the contract does not know by it."""
    return {
        one.column: heading_at(sent, one.position)
        for one in mapping.assigned
        if one.column not in _named([sent[one.position]], record)
    }
