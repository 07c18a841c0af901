"""A campus-day of a ledger from the journal to its published snapshot.

Belongs here: the order (fold, expectations, counts, publish) and what blocks publishing. Not here: Dagster (defs/),
how entries become columns (ledger/snapshots), what is expected (validate/expectations).
A snapshot is replaced by a rename, under a lock on its row in the database. If a process dies between the two, the
day is folded again, to the same bytes.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.files import draft_of, sync
from hub_pipelines.common.store import Transaction, database_now
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import ledger_name
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.ledger.registry.listing import ListedRegistry
from hub_pipelines.ledger.snapshots import files
from hub_pipelines.ledger.snapshots import store as snapshots
from hub_pipelines.ledger.snapshots.model import Day, Draft, NotInShape, Snapshot
from hub_pipelines.rebuilding import Reproduction, reproduce
from hub_pipelines.validate.expectations.answers import Expected
from hub_pipelines.validate.expectations.entries import Surroundings
from hub_pipelines.validate.expectations.suites import run_suites
from hub_pipelines.validate.expectations.usual import History
from hub_pipelines.validate.model import RecordType

if TYPE_CHECKING:
    import pyarrow

_log = logging.getLogger(__name__)
_DAYS_OF_HISTORY = 60
_REASONS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class EntryCount:
    """Entries of a campus-day, each figure from its own source.

    `in_postings` is what the postings tell of which the journal has entries, `counted` what all of the day's postings
    counted as they posted: a posting whose entries are all gone is missing in the one and not in the other.
    """

    in_journal: int
    in_postings: int
    counted: int
    in_snapshot: int

    @property
    def balanced(self) -> bool:
        return self.in_journal == self.in_postings == self.counted == self.in_snapshot


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record type's campus-day.

    `published`: the file is new or changed; `confirmed`: it is published already, with the same content; `blocked`:
    what was published before stays; `overtaken`: another run judged a newer version meanwhile.
    """

    record_type: str
    campus: str
    ledger_date: date
    entries: int
    state: Literal["published", "confirmed", "blocked", "overtaken"]
    blocked: str | None
    content_digest: str
    path: Path
    counts: EntryCount
    expected: tuple[Expected, ...]
    reproduction: Reproduction | None
    is_accounted_for: bool


def due(hub: Hub, *, at_rest: bool = True) -> list[Day]:
    """Campus-days to fold now: all that have new postings, once the ledgers are quiet or the oldest has waited long.

    With `at_rest=False` nothing is waited for.
    """
    limits = hub.settings.ledger
    with hub.db.read() as tx:
        new = [one for one in snapshots.unjudged(tx) if _has_a_partition(hub, one)]
        if not new or not at_rest:
            return new
        oldest = min(snapshots.waiting_since(tx, one) for one in new)
        now = database_now(tx)
    quiet = now - max(one.changed_at for one in new) >= timedelta(seconds=limits.quiet_s)
    waited = now - oldest >= timedelta(seconds=limits.at_latest_s)
    return new if quiet or waited else []


def _has_a_partition(hub: Hub, day: Day) -> bool:
    """False for what the settings no longer name: it stays in the journal and waits until they do again."""
    feed = day.ledger.partition(".")[0]
    return day.campus in hub.campuses and feed in hub.feeds and day.ledger_date >= hub.settings.ledger.first_day


def touched(hub: Hub) -> list[tuple[str, str, date]]:
    """(feed, campus, day) of everything that has new postings, at rest or not, in order."""
    return sorted(
        {(one.ledger.partition(".")[0], one.campus, one.ledger_date) for one in due(hub, at_rest=False)},
        key=lambda one: (one[2], one[1], one[0]),
    )


def publish(hub: Hub, feed: str, campus: str, day: date, *, actor: str, from_archive: bool) -> list[Outcome]:
    """Fold, judge and publish each record type of a feed that has entries on this campus-day.

    With `from_archive` the day's postings are also read from the archive again and compared; a difference
    is told and changes nothing. Raises OSError when files can't be written; whoever runs it tries again.
    """
    outcomes = []
    for record in hub.feeds[feed].record_types:
        with hub.db.read() as tx:
            found = snapshots.find_day(tx, ledger_name(record.name, campus, shared=record.shared), campus, day)
        if found is not None:
            outcomes.append(_publish_record(hub, record, found, actor, from_archive))
    return outcomes


def _publish_record(hub: Hub, record: RecordType, day: Day, actor: str, from_archive: bool) -> Outcome:
    path = files.path_of(hub.settings.ledgers, record.name, day.campus, day.ledger_date)
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft_of(path) as place:
        with hub.db.read() as tx:
            # asked again inside: entries and version must be of one moment
            day = snapshots.find_day(tx, day.ledger, day.campus, day.ledger_date) or day
            draft, misshapen = _fold(tx, record, day, place)
            counts = _count(tx, day, draft)
        if misshapen is None:
            expected = _judge(hub, record, day, place)
            fault = _miscount(day, draft, _published_before(hub, day), counts)
        else:
            expected, fault = (_not_in_shape(misshapen),), None
        reason = fault or _broken_contract(expected)
        state = _settle(hub, day, draft, path, reason, actor)
    _tell(record, day, draft, state, reason)
    return Outcome(
        record_type=record.name,
        campus=day.campus,
        ledger_date=day.ledger_date,
        entries=draft.entries,
        state=state,
        blocked=reason,
        content_digest=draft.content_digest,
        path=path,
        counts=counts,
        expected=expected,
        reproduction=reproduce(hub, record, day.campus, day.ledger_date) if from_archive else None,
        is_accounted_for=fault is None,
    )


def _fold(tx: Transaction, record: RecordType, day: Day, place: Path) -> tuple[Draft, NotInShape | None]:
    """The day's entries as a draft; an empty one when an entry can't be kept in the columns of its contract."""
    try:
        return files.write(snapshots.entries(tx, day.ledger, day.campus, day.ledger_date), record, place), None
    except NotInShape as error:
        return Draft(place, day.entries, "", ""), error


def _not_in_shape(error: NotInShape) -> Expected:
    return Expected(
        suite="contract",
        expectation="expect_column_values_to_be_of_type",
        column=error.column,
        severity="block",
        success=False,
        judged=True,
        observed=error.value,
        unexpected_count=1,
        unexpected_percent=None,
        examples=(error.value,),
        sentence=str(error),
    )


def _count(tx: Transaction, day: Day, draft: Draft) -> EntryCount:
    place = (day.ledger, day.campus, day.ledger_date)
    postings = [ledger_outcomes.find_posting(tx, *one[:2]) for one in snapshots.postings(tx, *place)]
    return EntryCount(
        in_journal=snapshots.count_entries(tx, *place),
        in_postings=sum(one.entries for one in postings if one is not None),
        counted=day.entries,
        in_snapshot=files.count_rows(draft.path) if draft.content_digest else 0,
    )


def _judge(hub: Hub, record: RecordType, day: Day, draft: Path) -> tuple[Expected, ...]:
    with hub.db.read() as tx:
        earlier = snapshots.entries_per_day(tx, day.ledger, day.campus, day.ledger_date, limit=_DAYS_OF_HISTORY)
    around = Surroundings(day.campus, History(tuple(earlier)), _known_keys(hub, record, day.campus, draft))
    return run_suites(record, files.entries_in(draft, record), around)


def _known_keys(hub: Hub, record: RecordType, campus: str, draft: Path) -> Mapping[str, "pyarrow.Array"]:
    """For each column that refers to something, the values that refer to something known."""
    import pyarrow

    known: dict[str, pyarrow.Array] = {}
    for reference in record.references:
        name = ledger_name(reference.record_type, campus, shared=False)
        values = files.different(draft, reference.column).to_pylist()
        with hub.db.read() as tx:
            known[reference.column] = pyarrow.array(snapshots.known_keys(tx, name, values), pyarrow.string())
    if record.tag_column:
        registry = ListedRegistry(hub.db, "UTC", hub.settings.staged)
        known[record.tag_column] = registry.known(files.different(draft, record.tag_column))
    return known


def _published_before(hub: Hub, day: Day) -> Snapshot | None:
    with hub.db.read() as tx:
        return snapshots.find(tx, day.ledger, day.campus, day.ledger_date)


def _miscount(day: Day, draft: Draft, before: Snapshot | None, counts: EntryCount) -> str | None:
    """What is wrong when journal, postings and snapshot do not agree, or a day without new postings has changed."""
    if before is not None and before.version == day.version and before.content_digest != draft.content_digest:
        return "The journal gives other content than was published of this day, though nothing was posted since."
    if counts.balanced:
        return None
    return (
        f"The journal has {counts.in_journal} entries of this day, its postings tell of {counts.in_postings}, "
        f"{counts.counted} were counted as they posted, and the snapshot holds {counts.in_snapshot}."
    )


def _broken_contract(expected: tuple[Expected, ...]) -> str | None:
    failed = [one.sentence for one in expected if not one.success and one.severity == "block"]
    return " ".join(failed[:_REASONS_SHOWN]) or None


def _settle(
    hub: Hub, day: Day, draft: Draft, path: Path, reason: str | None, actor: str
) -> Literal["published", "confirmed", "blocked", "overtaken"]:
    """Publish the draft, or record why not, under the lock of the snapshot's row."""
    sync(draft.path)
    if reason is None:
        with hub.db.write() as tx:
            snapshots.announce(tx, day, draft)
    with hub.db.write() as tx:
        now = snapshots.lock(tx, day)
        if max(now.version, now.judged_version) > day.version:
            return "overtaken"
        if reason is not None:
            snapshots.record_blocked(tx, day, reason)
            if (now.judged_version, now.blocked) != (day.version, reason):
                audit.append(tx, _event(day, actor, "ledger:blocked", {"reason": reason}))
            return "blocked"
        published = (draft.content_digest, draft.file_digest)
        unchanged = (now.version, now.content_digest, now.file_digest) == (day.version, *published)
        draft.path.replace(path)
        sync(path.parent)
        snapshots.record_published(tx, day, draft)
        if unchanged:
            return "confirmed"
        digests = dict(zip(("content_digest", "file_digest"), published, strict=True))
        audit.append(tx, _event(day, actor, "ledger:published", {"entries": draft.entries, **digests}))
    return "published"


def _tell(record: RecordType, day: Day, draft: Draft, state: str, reason: str | None) -> None:
    what = f"ledger {state} type={record.name} campus={day.campus} day={day.ledger_date} entries={draft.entries}"
    if reason is None:
        _log.info(what)
    else:
        _log.error('%s reason="%s"', what, reason)


def _event(day: Day, actor: str, event: str, detail: dict[str, object]) -> Event:
    return Event(
        campus=day.campus,
        actor=actor,
        event=event,
        subject=day.ledger,
        request_id=None,
        detail={"ledger_date": day.ledger_date.isoformat(), "version": day.version, **detail},
    )
