"""The composition root: one Hub per process, built from settings, handed to whoever needs it.

Belongs here: which part is wired to which. Not here: anything that a part does.
"""

import os
import socket
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hub_pipelines.archive.damage import audited_in
from hub_pipelines.archive.objects import Archive, Stored
from hub_pipelines.audit.checkpoints.files import CheckpointFiles
from hub_pipelines.audit.checkpoints.keys import CampusKeys
from hub_pipelines.audit.checkpoints.service import Checkpoints
from hub_pipelines.common.clock import utc_now
from hub_pipelines.common.errors import SettingsError, Transient
from hub_pipelines.common.memory import give_back_soon
from hub_pipelines.common.scope import RESERVED_CAMPUS, Campus, Scope
from hub_pipelines.common.store import Database
from hub_pipelines.drift.decisions import ColumnDecisions
from hub_pipelines.drift.service import Shapes
from hub_pipelines.ending import Ending
from hub_pipelines.findings.service import Findings
from hub_pipelines.health import no_room
from hub_pipelines.intake.drop_folder import DropFolder, display_name
from hub_pipelines.intake.inbox import store as inbox_store
from hub_pipelines.intake.inbox.conflicts import Conflicts
from hub_pipelines.intake.inbox.model import Capacity, Load
from hub_pipelines.intake.inbox.service import Inbox
from hub_pipelines.intake.model import FOLDER_OF, Arrival, Outcome, Payload, Purpose
from hub_pipelines.intake.sealing.bodies import Bodies
from hub_pipelines.intake.sealing.service import Sealing
from hub_pipelines.intake.sealing.splitting import Splitting
from hub_pipelines.intake.service import Intake
from hub_pipelines.intake.signing import KeyRing
from hub_pipelines.intake.sources import store as source_store
from hub_pipelines.intake.sources.service import Sources
from hub_pipelines.judging import Judge
from hub_pipelines.ledger.snapshots.service import Snapshots
from hub_pipelines.logs import configure, process_name
from hub_pipelines.mapping.answering import Answers
from hub_pipelines.mapping.service import Mappings
from hub_pipelines.pausing.service import Pausing
from hub_pipelines.portals import store as portal_store
from hub_pipelines.portals.client import http_client
from hub_pipelines.portals.holding import Holding
from hub_pipelines.portals.keys import key_headers
from hub_pipelines.portals.kinds import adapters_of
from hub_pipelines.portals.service import Polling, start_of
from hub_pipelines.portals.shaping import PortalShapes
from hub_pipelines.previewing import Previews
from hub_pipelines.processing import Processing
from hub_pipelines.recounting import Recounts
from hub_pipelines.report.facts import Facts
from hub_pipelines.report.findings.service import FindingsPage
from hub_pipelines.report.places import Places
from hub_pipelines.report.previews.model import Preview
from hub_pipelines.report.service import Receipts
from hub_pipelines.report.weekly.service import WeeklyReviews
from hub_pipelines.report.workbook.service import Workbooks
from hub_pipelines.resting import Resting
from hub_pipelines.retention.service import Holds
from hub_pipelines.returning import Returns
from hub_pipelines.review.service import Review
from hub_pipelines.review.store import Desk
from hub_pipelines.settings import Settings, load
from hub_pipelines.settings.portals import RestPortalSettings, SamPortalSettings
from hub_pipelines.submission.progress import ProgressFiles
from hub_pipelines.submission.receipting.store import make_receipts_due
from hub_pipelines.submission.retry import RetryPolicy
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Feed
from hub_pipelines.validate.staging import ChunkLimits

KNOWN_FEEDS = tuple(sorted(FEEDS, key=lambda name: FEEDS[name].priority))


@dataclass(frozen=True, slots=True)
class Hub:
    """Everything that the definitions, the command line and the tests work with."""

    settings: Settings
    db: Database
    keys: KeyRing
    checkpoints: Checkpoints
    archive: Archive
    intake: Intake
    drop_folder: DropFolder
    sources: Sources
    inbox: Inbox
    bodies: Bodies
    conflicts: Conflicts
    sealing: Sealing
    portals: Polling
    portal_shapes: PortalShapes
    judge: Judge
    processing: Processing
    recounts: Recounts
    receipts: Receipts
    previews: Previews
    review: Review
    columns: ColumnDecisions
    answers: Answers
    weekly: WeeklyReviews
    findings: Findings
    findings_page: FindingsPage
    snapshots: Snapshots
    pausing: Pausing
    holds: Holds
    feeds: dict[str, Feed]
    campuses: dict[str, Campus]

    @property
    def ending(self) -> Ending:
        """Made anew: whoever has another `processing` put in has its limits here too."""
        return Ending(self.processing)

    def submit(
        self, path: Path, scope: Scope, *, actor: str, sender_key: str | None = None, complete_count: bool = False
    ) -> Arrival:
        """Take a file from the command line; it stays where it is. Raises OSError when it can't be read.

        Raises Transient when there is no room for it.
        """
        payload = self._uploaded(path, scope, actor, sender_key=sender_key, complete_count=complete_count)
        arrival = self.intake.receive(payload)
        if arrival.outcome is Outcome.RECEIVED and self.pausing.covering(scope.campus, scope.feed):
            with self.db.write() as tx:
                make_receipts_due(tx, request_ids=[str(arrival.request_id)])
        return arrival

    def preview(self, path: Path, scope: Scope, *, actor: str, complete_count: bool = False) -> Preview:
        """What a file would do, now and in this process; its receipt is written. Raises as `submit` does."""
        payload = self._uploaded(path, scope, actor, complete_count=complete_count)
        arrival = self.intake.preview(payload, in_hand=True)
        return self.previews.make(arrival.arrival_id)

    def _uploaded(
        self, path: Path, scope: Scope, actor: str, *, sender_key: str | None = None, complete_count: bool = False
    ) -> Payload:
        """A file from the command line, archived."""
        if full := self.drop_folder.no_room(path.stat().st_size):
            raise Transient(f"{path.name} was not taken: {full}.")
        with path.open("rb") as source:
            stored: Stored = self.archive.put(source)
        name = display_name(path.name)
        return Payload(
            arrival_id=uuid.uuid4().hex,
            scope=scope,
            channel="upload",
            source_system=f"{actor}@{socket.gethostname()}",
            source_name=name,
            content_digest=stored.digest,
            size_bytes=stored.size_bytes,
            headers={"file_name": name, "submitted_by": actor},
            sender_key=sender_key,
            complete_count=complete_count,
        )


def open_hub(settings: Settings | None = None, *, new_database: bool = False) -> Hub:
    """Build a hub; on an empty home its folders, keys and tables are created. Raises SettingsError, Transient.

    Beside an archive that holds submissions a database without tables is a lost or a wrong one: it is taken only with
    `new_database`.
    """
    give_back_soon()
    settings = settings or load(KNOWN_FEEDS)
    feeds = {name: FEEDS[name] for name in settings.feeds}
    campuses = {name: settings.campus(name) for name in settings.campuses}
    keys = KeyRing(settings.keys)
    begins = not any(Archive(settings.archive).request_ids())
    try:
        _make_folders(settings)
        keys.ensure(begins=begins)
        CampusKeys(settings.campus_keys).ensure([*campuses, RESERVED_CAMPUS])
    except OSError as error:
        raise SettingsError(
            f"HUB_HOME: {error.filename} can't be made ({error.strerror}). "
            "Remove what is in its place, or set HUB_HOME to a folder that this user may write to."
        ) from error
    configure(settings.log_path, process_name(), settings.log_level)
    # below the lease time, so that a paused worker's transaction is gone before its lease is taken over
    db = Database(settings.database_url, idle_when_writing_s=max(1, int(settings.limits.lease_s * 0.75)))
    archive = Archive(settings.archive, audited_in(db))
    db.create_schema(begin=new_database or begins)
    inbox_db = _inbox_of(settings, db)
    desk = Desk()
    intake = Intake(
        db=db,
        signer=keys,
        archive=archive,
        review=desk,
        campuses=campuses,
        priority_of=lambda feed: feeds[feed].priority if feed in feeds else 0,
        now=utc_now,
    )
    bodies = Bodies(inbox_db, archive)
    inbox = Inbox(inbox_db, keys, utc_now, capacity_of(settings))
    judge = Judge(archive, feeds, campuses, Mappings(db, Shapes(db)))
    review = Review(db)
    answers = Answers(db, review, feeds)
    progress = ProgressFiles(settings.progress)
    workbooks = Workbooks(db, archive, keys, settings.staged, feeds, campuses, settings.limits.large_mb)
    places = Places(settings.receipts)
    facts = Facts(archive, settings.staged, feeds, campuses, workbooks, settings.contact, progress, places)
    receipts = Receipts(db, places, facts, workbooks)
    resting = Resting(settings.limits.large_mb, inbox.taken, settings.limits.lease_s)
    processing = Processing(
        db=db,
        archive=archive,
        keys=keys,
        staged=settings.staged,
        judge=judge,
        returns=Returns(db, keys, archive, answers),
        desk=desk,
        policy=RetryPolicy(max_attempts=settings.limits.max_attempts),
        lease_s=settings.limits.lease_s,
        chunks=ChunkLimits(settings.limits.posting_chunk_rows, settings.limits.posting_chunk_mb * 1_000_000),
        progress=progress,
        large_mb=settings.limits.large_mb,
        resting=resting,
        tell=receipts.write_progress,
    )
    return Hub(
        settings=settings,
        db=db,
        keys=keys,
        checkpoints=checkpoints_of(settings, db),
        archive=archive,
        intake=intake,
        drop_folder=DropFolder(
            root=settings.drop,
            campuses=frozenset(campuses),
            feeds=settings.feeds,
            archive=archive,
            receiver=intake,
            stable_s=settings.limits.stable_s,
            no_room=partial(no_room, settings.home, settings.limits.keep_free_mb),
            purposes={name: tuple(purposes_of(feed)) for name, feed in feeds.items()},
        ),
        sources=Sources(db, settings.source_keys, utc_now),
        inbox=inbox,
        bodies=bodies,
        conflicts=Conflicts(db, archive, keys, desk, utc_now),
        sealing=Sealing(
            inbox=inbox_db,
            db=db,
            archive=archive,
            intake=intake,
            splitting=Splitting(inbox_db, db, desk, bodies, utc_now),
            bodies=bodies,
            now=utc_now,
            after_s=settings.messages.seal_after_s,
            messages=settings.messages.seal_messages,
            size_bytes=settings.messages.seal_kb * 1024,
            urgent=urgent_feeds(settings),
        ),
        portals=Polling(
            db=db,
            inbox=inbox,
            archive=archive,
            signer=keys,
            holding=Holding(archive, keys, intake),
            adapters=adapters_of(settings, feeds),
            first_days={
                name: start_of(one.first_day) for name, one in settings.portals.items() if one.first_day is not None
            },
            key_of=partial(portal_key, settings),
            client=partial(http_client, utc_now),
            now=utc_now,
        ),
        portal_shapes=PortalShapes(db, review),
        judge=judge,
        processing=processing,
        recounts=Recounts(db, judge, resting),
        receipts=receipts,
        previews=Previews(db, judge, receipts, keys, utc_now),
        review=review,
        weekly=WeeklyReviews(db, settings.reports / "weekly", utc_now),
        findings=Findings(db, campuses, utc_now),
        findings_page=FindingsPage(db, settings.reports / "findings", campuses, utc_now),
        columns=ColumnDecisions(db, review, feeds),
        answers=answers,
        snapshots=Snapshots(db, settings.ledgers),
        pausing=Pausing(db),
        holds=Holds(db, FEEDS),
        feeds=feeds,
        campuses=campuses,
    )


def _inbox_of(settings: Settings, db: Database) -> Database:
    """On PostgreSQL the hub's own, on SQLite a file. Making that anew from an earlier release's takes as much memory as
    it is large where statements keep in memory what would undo them, so another connection does it."""
    if db.is_postgres:
        inbox_store.create(db)
        return db
    _require_inbox(settings.inbox_path, db)
    url = f"sqlite:///{settings.inbox_path}"
    making = Database(url)
    inbox_store.create(making)
    making.dispose()
    return Database(url, many_writes=True)


def _require_inbox(path: Path, db: Database) -> None:
    """Opening would make an empty one. Raises SettingsError."""
    if path.exists():
        return
    with db.read() as tx:
        is_lost = source_store.any_added(tx) or portal_store.any_polled(tx)
    if is_lost:
        raise SettingsError(
            f"The inbox of messages is missing, {path}, though systems send to this hub, or it asks portals: what it "
            "has taken may wait there. Put it back from the backup that the database is of. "
            f"{inbox_store.NO_COPY_OF_INBOX}"
        )


def capacity_of(settings: Settings) -> Capacity:
    """Of the inbox of messages."""
    most = Load(settings.messages.capacity_messages, settings.messages.capacity_mb * 1_000_000)
    return Capacity(most, len(settings.campuses), urgent_feeds(settings))


def urgent_feeds(settings: Settings) -> frozenset[str]:
    return frozenset(name for name in settings.feeds if FEEDS[name].urgent)


def purposes_of(feed: Feed) -> list[Purpose]:
    """What a file may be sent for by a folder in the feed's own."""
    return [one for one in FOLDER_OF if one is not Purpose.COUNT or feed.takes_counts]


def checkpoints_of(settings: Settings, db: Database) -> Checkpoints:
    """Checkpoints of a hub that need not be open otherwise. Makes nothing."""
    places = {name: CheckpointFiles(folder) for name, folder in settings.checkpoints.items()}
    return Checkpoints(db, CampusKeys(settings.campus_keys), places, tuple(settings.campuses))


def portal_key(settings: Settings, name: str) -> dict[str, str]:
    """The headers that carry a portal's key, read now. Raises SettingsError when it is not there."""
    told = settings.portals[name]
    auth = told.auth if isinstance(told, RestPortalSettings | SamPortalSettings) else None
    return key_headers(name, auth, settings.home, os.environ)


def _make_folders(settings: Settings) -> None:
    """Make what is missing, but a campus's drop folder only when the campus is new.

    Later a missing one is a share that is gone: an empty folder in its place would hide that. A campus that
    has its folder of receipts is not new. What is missing in a feed's folder, the next look at it makes.
    """
    settings.staged.mkdir(parents=True, exist_ok=True)
    for campus in settings.campuses:
        if not (settings.receipts / campus).is_dir():
            for feed in settings.feeds:
                for purpose in purposes_of(FEEDS[feed]):
                    (settings.drop / campus / feed / FOLDER_OF[purpose]).mkdir(parents=True, exist_ok=True)
        for feed in settings.feeds:
            (settings.receipts / campus / feed).mkdir(parents=True, exist_ok=True)
