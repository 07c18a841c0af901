"""From a submission's archived bytes to a verdict on each row: the one way that all who judge go.

Belongs here: the order reader → columns → how values are written → contract, and by what the columns are read. A run,
a preview of a replay, a rehearsal of a migration and a backfill differ in nothing else. Not here: staging, posting,
what failure leads to. Nothing is written. The caller verifies signature and digest first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from hub_pipelines.archive.objects import Archive
from hub_pipelines.common.errors import Permanent
from hub_pipelines.common.scope import Campus
from hub_pipelines.drift.migrating import named_as_sent
from hub_pipelines.drift.model import Migration, Source, Unfit
from hub_pipelines.drift.service import Reading, source_of
from hub_pipelines.intake.sealing.service import RECORD_TYPE
from hub_pipelines.intake.service import source_key
from hub_pipelines.ledger.comparing.keeping import columns_said
from hub_pipelines.ledger.counting.model import Counting
from hub_pipelines.mapping.decision import Decision, rules_of
from hub_pipelines.mapping.model import Asked, Question
from hub_pipelines.mapping.opening import numbers_in, open_list
from hub_pipelines.mapping.remembered import Remembered, questions_of
from hub_pipelines.mapping.service import Columns, Mappings, units_of
from hub_pipelines.submission.model import MESSAGES, Envelope
from hub_pipelines.validate.batches import Batch, batches_of
from hub_pipelines.validate.bulk.judging import in_bulk
from hub_pipelines.validate.bulk.messages import messages_in_bulk
from hub_pipelines.validate.columns import ColumnsMissing, fits, located_columns, record_type_of
from hub_pipelines.validate.conventions.applying import apply
from hub_pipelines.validate.conventions.deciding import decide
from hub_pipelines.validate.conventions.model import Conventions
from hub_pipelines.validate.messages import Messages, read_batch
from hub_pipelines.validate.model import Feed, OpenQuestion, RecordType, Registry, Row, Table, Unreadable, Verdict
from hub_pipelines.validate.parsing.layout.rules import RULES
from hub_pipelines.validate.reading.former import as_one_table
from hub_pipelines.validate.returned import holds_only_rows_to_fix, no_count, without_row_numbers
from hub_pipelines.validate.service import Circumstances, describe, validate
from hub_pipelines.validate.staging import StagedRows

_ROWS_BETWEEN_SIGNS = 1_000


class Blocked(Permanent):
    """The settings no longer name the submission's campus or feed. The operator replays it."""

    cause = "blocked"


@dataclass(frozen=True, slots=True)
class Read:
    """A file's table as the contract is to see it. `decision` is None where it is read as before there were any."""

    columns: Columns
    table: Table
    decision: Decision | None


Way = Callable[[Envelope, Feed, Table], Read]
"""By what a file's table is read."""


@dataclass(frozen=True, slots=True)
class Judged:
    """`verdicts` can be read once, while the file is open. `document` is what a staged file records of the rest.
    `said` are the columns that the file has, normalised; None where each row says all about its item.

    `at_once` are the same verdicts as they are staged, made many at once; None where a migration changes the rows one
    by one. Either of the two is read, never both.
    """

    verdicts: Iterator[Verdict]
    at_once: Iterator[StagedRows] | None
    record: RecordType
    document: dict[str, object]
    decision: Decision | None
    occurred_at: Mapping[int, datetime] = field(default_factory=dict)
    """Of a batch of messages: when each of its rows occurred."""
    rows: int | None = None
    """How many the file has, where they were counted while it was found out how it is written."""

    @property
    def said(self) -> frozenset[str] | None:
        return said_of(self.document)


@dataclass(frozen=True, slots=True)
class Tried:
    """How a file would be read. `decision` is as far as it goes; `stopped_by` tells what a person must do first."""

    decision: Decision | None
    questions: tuple[Question | OpenQuestion, ...] = ()
    stopped_by: str | None = None


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges archived bytes by what the hub takes and knows of its sources."""

    archive: Archive
    feeds: dict[str, Feed]
    campuses: dict[str, Campus]
    mappings: Mappings
    _last_batch: dict[tuple[object, ...], Messages] = field(default_factory=dict, compare=False, repr=False)
    """The batch of messages that was read last, by its digest: a run asks for it twice."""

    @contextmanager
    def judged(
        self,
        envelope: Envelope,
        registry: Registry,
        way: Way | None = None,
        alive: Callable[[int], None] | None = None,
        contract: RecordType | None = None,
        opened: Callable[[Table], None] | None = None,
        rules: int = RULES,
    ) -> Iterator[Judged]:
        """The verdicts on a submission's rows; its columns are read by what is in force, or as `way` says.

        `alive` is called now and then while rows are read, with how many are through; they are read more than once.
        With `contract` it is of that record type, and judged by that version of it. `opened` is shown the table before
        its columns are looked at, for what must be known of a file that is held too. `rules` are those by which its
        tables are found.
        Raises Unreadable when the file as a whole can't be taken, Drifted, Asked or Undecided when a person must say
        something first, Blocked.
        """
        feed = self.feed_of(envelope)
        if contract is not None:
            feed = replace(feed, record_types=(contract,), foreign=())
        campus = self.campus_of(envelope)
        if envelope.channel == MESSAGES:
            yield self._messages_judged(envelope, feed, registry, alive or _nobody_waits)
            return
        with self.open(envelope, rules) as sent:
            if opened is not None:
                opened(sent)
            watched = _Watched(sent.rows, alive) if alive else None
            table = replace(sent, rows=watched) if watched else sent
            try:
                read = (way or self.by_what_is_known)(envelope, feed, table)
            except (ColumnsMissing, Unfit) as error:
                error.fix = self._or_elsewhere(error.fix, feed, table.header)
                raise
            circumstances: Circumstances = {
                "campus": campus.name,
                "campuses": tuple(self.campuses),
                "registry": registry,
                "time_zone": campus.time_zone,
            }
            verdicts = validate(read.table, read.columns.feed, **circumstances)
            origins = read.columns.origins
            at_once = None if origins else in_bulk(read.table, read.columns.feed, **circumstances)
            document = {
                **describe(read.table, read.columns.feed, registry),
                **read.columns.facts,
                "decision": read.decision.digest if read.decision else None,
                "rows_judged": "one by one" if at_once is None else "at once",
            }
            record = feed.record_type(str(document["record_type"]))
            document["said"] = sorted(columns_said(read.table.header, record))
            if envelope.complete_count and record.location_column is None:
                raise Unreadable(
                    f"It was sent as a complete count of a location, and a {record.title} has no locations to count.",
                    f"Drop it into the folder {envelope.feed} itself.",
                )
            rows = watched.counted if watched else None
            yield Judged(named_as_sent(verdicts, origins), at_once, record, document, read.decision, rows=rows)

    def _or_elsewhere(self, fix: str, feed: Feed, header: Sequence[str]) -> str:
        """What the sender of a list does that lacks columns, behind the folders into which it could go as it is."""
        others = [
            (one.name, found.title) for one in self.feeds.values() if one is not feed and (found := fits(header, one))
        ]
        if not others:
            return fix
        where = " or ".join(f"into the folder {name} (as {title})" for name, title in others)
        return (
            f"As it is, this list can go {where}: drop it there, and nothing is to do here. Or, if it belongs here, "
            f"{fix[:1].lower()}{fix[1:]}"
        )

    def _messages_judged(
        self, envelope: Envelope, feed: Feed, registry: Registry, alive: Callable[[int], None]
    ) -> Judged:
        """A batch of messages: its columns are the contract's own and its values are written in the contract's way, so
        that nothing need be found out about either."""
        batch = self.messages(envelope, feed, alive)
        narrow = replace(feed, record_types=(batch.record,), foreign=())
        reading = self.mappings.shapes.read(source_of(envelope), narrow, batch.table)
        campus = self.campus_of(envelope)
        circumstances: Circumstances = {
            "campus": campus.name,
            "campuses": tuple(self.campuses),
            "registry": registry,
            "time_zone": campus.time_zone,
        }
        document = {
            **describe(batch.table, narrow, registry),
            **reading.facts,
            "mapped": batch.table.header,
            "confirmed": 0,
            "decision": None,
            "rows_judged": "at once",
        }
        at_once = (messages_in_bulk(batch, narrow, circumstances, alive) for _ in (None,))  # not before it is asked for
        verdicts = self.verdicts_on(batch, narrow, circumstances)
        return Judged(verdicts, at_once, batch.record, document, None, batch.occurred_at)

    @staticmethod
    def verdicts_on(batch: Messages, feed: Feed, circumstances: Circumstances) -> Iterator[Verdict]:
        """One by one. `feed` has the batch's record type alone."""
        judged = [validate(batch.table, feed, **circumstances, each_alone=True)]
        for data, table in batch.adjusting:
            judged.append(validate(table, replace(feed, record_types=(data,)), **circumstances, each_alone=True))
        return batch.verdicts(chain.from_iterable(judged))

    def messages(self, envelope: Envelope, feed: Feed, alive: Callable[[int], None] | None = None) -> Messages:
        """A batch's messages under the feed's contract. Raises Unreadable, Blocked."""
        name = envelope.headers[RECORD_TYPE]
        record = next((one for one in feed.record_types if one.name == name), None)
        if record is None:
            raise Blocked(
                f"This hub knows no {name} in the feed {feed.name}.",
                "Ask the hub's operator to start the release that took these messages, then replay this batch.",
            )
        known = (envelope.content_digest, name, *((one.name, one.contract_version) for one in feed.record_types))
        found = self._last_batch.get(known)
        if found is None:
            found = read_batch(self.archive.object_path(envelope.content_digest), feed, record, alive or _nobody_waits)
            self._last_batch.clear()
            self._last_batch[known] = found
        return found

    @contextmanager
    def open(self, envelope: Envelope, rules: int = RULES) -> Iterator[Table]:
        """The table in the archived bytes, as it was sent and as `rules` find it. Raises Unreadable, Blocked."""
        feed = self.feed_of(envelope)
        if envelope.channel == MESSAGES:
            yield self.messages(envelope, feed).whole
            return
        path = self.archive.object_path(envelope.content_digest)
        with open_list(path, envelope.source_name, feed, rules) as table:
            if envelope.complete_count and holds_only_rows_to_fix(table):
                raise no_count(envelope.feed)
            yield without_row_numbers(table)

    def numbers_in(self, envelope: Envelope, decision: Decision | None) -> dict[int, int]:
        """What the archived workbook, which holds only the rows to be fixed, says of its rows (mapping/opening.py)."""
        path = self.archive.object_path(envelope.content_digest)
        return numbers_in(path, envelope.source_name, self.feed_of(envelope), rules_of(decision))

    def try_out(self, path: Path, campus: str, feed_name: str) -> Tried:
        """A file on this machine read as a run would read it, were it sent under its name; without effect."""
        feed = self.feeds[feed_name]
        source = Source(campus, feed_name, source_key(path.name))
        return self._tried(lambda: open_list(path, path.name, feed), source, feed)

    def try_again(self, envelope: Envelope) -> Tried:
        """An archived file read as a run would read it now; without effect. Raises Blocked."""
        return self._tried(lambda: self.open(envelope), source_of(envelope), self.feed_of(envelope))

    def _tried(self, opened: Callable[[], AbstractContextManager[Table]], source: Source, feed: Feed) -> Tried:
        header: tuple[str, ...] = ()
        try:
            with opened() as sent:
                header = tuple(sent.header)
                zone = self.campuses[source.campus].time_zone
                return Tried(decided(self.mappings.read(source, feed, sent, zone), zone).decision)
        except Permanent as error:
            asked = next((one for one in (error, error.__cause__) if isinstance(one, Asked)), None)
            certain = Decision(header, asked.mapping, {}, rules=RULES) if asked and asked.mapping else None
            return Tried(certain, tuple(questions_of(error)), error.reason)

    def feed_of(self, envelope: Envelope) -> Feed:
        """Raises Blocked when the settings no longer name its campus or feed."""
        feed = self.feeds.get(envelope.feed)
        if feed is None or envelope.campus not in self.campuses:
            raise Blocked(
                f"This hub no longer takes {envelope.feed} from {envelope.campus}.",
                "Ask the hub's operator to enable it in hub.toml, then replay this file.",
            )
        return feed

    def campus_of(self, envelope: Envelope) -> Campus:
        """Raises Blocked as `feed_of` does."""
        self.feed_of(envelope)
        return self.campuses[envelope.campus]

    # ---- ways to read

    def by_what_is_known(self, envelope: Envelope, feed: Feed, table: Table) -> Read:
        """As a run reads: by all that is known of the source."""
        zone = self.campus_of(envelope).time_zone
        return decided(self.mappings.read(source_of(envelope), feed, table, zone), zone)

    def under(self, migration: Migration) -> Way:
        """Under a migration that need not be in force. Raises BadMigration."""
        return lambda envelope, feed, table: decided(
            self.mappings.under(migration, source_of(envelope), feed, table), self.campus_of(envelope).time_zone
        )

    def as_recorded(self, migration: str | None, decision: Decision | None) -> Way:
        """By the decision and the migration that a posting recorded, never by new ones. Raises BadMigration."""

        def read(envelope: Envelope, feed: Feed, table: Table) -> Read:
            source = source_of(envelope)
            if decision is None:
                return self._as_before(migration, feed, as_one_table(table), Remembered(source))
            columns = self.mappings.as_recorded(decision, migration, source, feed, table)
            return Read(columns, as_written(columns, Conventions.from_document(decision.conventions)), decision)

        return read

    def _as_before(self, migration: str | None, feed: Feed, table: Table, known: Remembered) -> Read:
        """As releases read that kept no decisions: by the contract's own headings, values as they stand."""
        reading = Reading.plain(table)
        if migration is not None:
            reading = Reading.planned(table, self.mappings.shapes.plan_of(migration, table.header, feed))
        columns = Columns(reading.table, feed, tuple(table.header), None, known, reading.origins, {})
        return Read(columns, columns.table, None)


def _nobody_waits(_rows: int) -> None:
    """For a sign of life."""


@dataclass(slots=True)
class _Watched:
    """Rows that tell now and then that they are still being read."""

    rows: Iterable[Row]
    alive: Callable[[int], None]
    counted: int | None = None
    """How many there are, once they were read to the end."""

    def __iter__(self) -> Iterator[Row]:
        number = -1
        for number, row in enumerate(self.rows):
            if number % _ROWS_BETWEEN_SIGNS == 0:
                self.alive(number)
            yield row
        self.counted = number + 1

    def batches(self) -> Iterator[Batch] | None:
        batches = batches_of(self.rows)
        return None if batches is None else self._watched(batches)

    def _watched(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        through = 0
        for batch in batches:
            self.alive(through)
            yield batch
            through += len(batch.numbers)
        self.counted = through


def decided(columns: Columns, time_zone: str) -> Read:
    """The table with its columns recognised, as its values are written. Raises Undecided."""
    conventions = decide(
        columns.table,
        located_columns(columns.table.header, _record(columns)),
        answers=columns.remembered.values,
        units=units_of(columns.mapping),
        time_zone=time_zone,
        headings=columns.origins,
    )
    table = columns.table
    decision = Decision(columns.sent, columns.mapping, conventions.document(), columns.judged, table.parts, table.rules)
    return Read(columns, as_written(columns, conventions), decision)


def as_written(columns: Columns, conventions: Conventions) -> Table:
    return apply(columns.table, located_columns(columns.table.header, _record(columns)), conventions)


def _record(columns: Columns) -> RecordType:
    return record_type_of(columns.table.header, columns.feed)


def said_of(document: Mapping[str, Any]) -> frozenset[str] | None:
    """The columns of a file, by what a staged file records of it; None for messages, and for files that were staged by
    a release that recorded none."""
    said = document.get("said")
    return None if said is None else frozenset(said)


def counting_of(record: RecordType) -> Counting | None:
    """How a complete count of a record type is compared; None for one without locations."""
    if record.location_column is None:
        return None
    return Counting(record.location_column, record.key_columns, record.is_gone)
