"""From a submission's archived bytes to a verdict on each row: the one way that all who judge go.

Belongs here: the order reader → columns → contract, and under what the columns are read. A run, a preview of a replay,
a rehearsal of a migration and a backfill differ in nothing else. Not here: staging, posting, what failure leads to.
Nothing is written. The caller verifies signature and digest first.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from hub_pipelines.archive.objects import Archive
from hub_pipelines.common.errors import Permanent
from hub_pipelines.common.scope import Campus
from hub_pipelines.drift.migrating import plan
from hub_pipelines.drift.model import Migration
from hub_pipelines.drift.service import Reading, Shapes
from hub_pipelines.ledger.counting.model import Counting
from hub_pipelines.submission.model import Envelope
from hub_pipelines.validate.model import Feed, RecordType, Registry, Table, Unreadable, Verdict
from hub_pipelines.validate.readers import open_table
from hub_pipelines.validate.service import describe, validate

Columns = Callable[[Envelope, Feed, Table], Reading]
"""How a table's columns are read."""


class Blocked(Permanent):
    """The settings no longer name the submission's campus or feed. The operator replays it."""

    cause = "blocked"


@dataclass(frozen=True, slots=True)
class Judged:
    """`verdicts` can be read once, while the file is open. `document` is what a staged file records of the rest."""

    verdicts: Iterator[Verdict]
    record: RecordType
    document: dict[str, object]


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges archived bytes by what the hub takes and knows of its sources."""

    archive: Archive
    feeds: dict[str, Feed]
    campuses: dict[str, Campus]
    shapes: Shapes

    @contextmanager
    def judged(self, envelope: Envelope, registry: Registry, columns: Columns | None = None) -> Iterator[Judged]:
        """The verdicts on a submission's rows; its columns are read by what is in force, or as `columns` says.

        Raises Unreadable when the file as a whole can't be taken, Drifted when a person must decide first, Blocked.
        """
        feed = self.feed_of(envelope)
        campus = self.campus_of(envelope)
        with self.open(envelope) as sent:
            reading = (columns or self.shapes.read)(envelope, feed, sent)
            verdicts = validate(
                reading.table,
                feed,
                campus=campus.name,
                campuses=tuple(self.campuses),
                registry=registry,
                time_zone=campus.time_zone,
            )
            document = {**describe(reading.table, feed, registry), **reading.facts}
            record = feed.record_type(str(document["record_type"]))
            if envelope.complete_count and record.location_column is None:
                raise Unreadable(
                    f"It was sent as a complete count of a location, and a {record.title} has no locations to count.",
                    f"Drop it into the folder {envelope.feed} itself.",
                )
            yield Judged(reading.named_as_sent(verdicts), record, document)

    def open(self, envelope: Envelope) -> AbstractContextManager[Table]:
        """The table in the archived bytes, as it was sent."""
        feed = self.feed_of(envelope)
        path = self.archive.object_path(envelope.content_digest)
        return open_table(path, envelope.source_name, known=feed.aliases.get)

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

    def under(self, migration: Migration) -> Columns:
        """Columns read under a migration that need not be in force. They raise BadMigration."""
        return lambda _, feed, table: Reading.planned(table, plan(migration.steps, table.header, feed))

    def as_recorded(self, reference: str | None) -> Columns:
        """Columns read under the migration that a posting recorded, or under none. They raise BadMigration."""

        def read(_: Envelope, feed: Feed, table: Table) -> Reading:
            if reference is None:
                return Reading.plain(table)
            return Reading.planned(table, self.shapes.plan_of(reference, table.header, feed))

        return read


def counting_of(record: RecordType) -> Counting | None:
    """How a complete count of a record type is compared; None for one without locations."""
    if record.location_column is None:
        return None
    return Counting(record.location_column, record.key_columns, record.is_gone)
