"""The composition root: one Hub per process, built from settings, handed to whoever needs it.

Belongs here: which part is wired to which. Not here: anything that a part does.
"""

import socket
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hub_pipelines.archive.objects import Archive, Stored
from hub_pipelines.audit.checkpoints.files import CheckpointFiles
from hub_pipelines.audit.checkpoints.keys import CampusKeys
from hub_pipelines.audit.checkpoints.service import Checkpoints
from hub_pipelines.common.clock import utc_now
from hub_pipelines.common.errors import SettingsError, Transient
from hub_pipelines.common.scope import RESERVED_CAMPUS, Campus, Scope
from hub_pipelines.common.store import Database
from hub_pipelines.drift.decisions import ColumnDecisions
from hub_pipelines.drift.service import Shapes
from hub_pipelines.health import no_room
from hub_pipelines.intake.drop_folder import DropFolder, display_name
from hub_pipelines.intake.model import Arrival, Outcome, Payload
from hub_pipelines.intake.service import Intake
from hub_pipelines.intake.signing import KeyRing
from hub_pipelines.judging import Judge
from hub_pipelines.ledger.snapshots.service import Snapshots
from hub_pipelines.logs import configure, process_name
from hub_pipelines.mapping.answering import Answers
from hub_pipelines.mapping.service import Mappings
from hub_pipelines.pausing.service import Pausing
from hub_pipelines.processing import Processing
from hub_pipelines.report.service import Receipts
from hub_pipelines.report.weekly.service import WeeklyReviews
from hub_pipelines.retention.service import Holds
from hub_pipelines.review.service import Review
from hub_pipelines.review.store import Desk
from hub_pipelines.settings import Settings, load
from hub_pipelines.submission.retry import RetryPolicy
from hub_pipelines.submission.store import make_receipts_due
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Feed

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
    judge: Judge
    processing: Processing
    receipts: Receipts
    review: Review
    columns: ColumnDecisions
    answers: Answers
    weekly: WeeklyReviews
    snapshots: Snapshots
    pausing: Pausing
    holds: Holds
    feeds: dict[str, Feed]
    campuses: dict[str, Campus]

    def submit(self, path: Path, scope: Scope, *, actor: str, sender_key: str | None = None) -> Arrival:
        """Take a file from the command line; it stays where it is. Raises OSError when it can't be read.

        Raises Transient when there is no room for it.
        """
        if full := self.drop_folder.no_room(path.stat().st_size):
            raise Transient(f"{path.name} was not taken: {full}.")
        with path.open("rb") as source:
            stored: Stored = self.archive.put(source)
        name = display_name(path.name)
        arrival = self.intake.receive(
            Payload(
                arrival_id=uuid.uuid4().hex,
                scope=scope,
                channel="upload",
                source_system=f"{actor}@{socket.gethostname()}",
                source_name=name,
                content_digest=stored.digest,
                size_bytes=stored.size_bytes,
                headers={"file_name": name, "submitted_by": actor},
                sender_key=sender_key,
            )
        )
        if arrival.outcome is Outcome.RECEIVED and self.pausing.covering(scope.campus, scope.feed):
            with self.db.write() as tx:
                make_receipts_due(tx, request_ids=[str(arrival.request_id)])
        return arrival


def open_hub(settings: Settings | None = None) -> Hub:
    """Build a hub; on an empty home its folders, keys and tables are created. Raises SettingsError, Transient."""
    settings = settings or load(KNOWN_FEEDS)
    feeds = {name: FEEDS[name] for name in settings.feeds}
    campuses = {name: settings.campus(name) for name in settings.campuses}
    keys = KeyRing(settings.keys)
    try:
        _make_folders(settings)
        keys.ensure()
        CampusKeys(settings.campus_keys).ensure([*campuses, RESERVED_CAMPUS])
    except OSError as error:
        raise SettingsError(
            f"HUB_HOME: {error.filename} can't be made ({error.strerror}). "
            "Remove what is in its place, or set HUB_HOME to a folder that this user may write to."
        ) from error
    configure(settings.log_path, process_name(), settings.log_level)
    db = Database(settings.database_url, idle_in_transaction_timeout_s=max(1, int(settings.limits.lease_s * 0.75)))
    db.create_schema()
    archive = Archive(settings.archive)
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
    judge = Judge(archive, feeds, campuses, Mappings(db, Shapes(db)))
    processing = Processing(
        db=db,
        archive=archive,
        keys=keys,
        staged=settings.staged,
        judge=judge,
        desk=desk,
        policy=RetryPolicy(max_attempts=settings.limits.max_attempts),
        lease_s=settings.limits.lease_s,
    )
    review = Review(db)
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
        ),
        judge=judge,
        processing=processing,
        receipts=Receipts(db, settings.receipts, archive, settings.staged, feeds, campuses),
        review=review,
        weekly=WeeklyReviews(db, settings.reports / "weekly", utc_now),
        columns=ColumnDecisions(db, review, feeds),
        answers=Answers(db, review, feeds),
        snapshots=Snapshots(db, settings.ledgers),
        pausing=Pausing(db),
        holds=Holds(db, feeds),
        feeds=feeds,
        campuses=campuses,
    )


def checkpoints_of(settings: Settings, db: Database) -> Checkpoints:
    """Checkpoints of a hub that need not be open otherwise. Makes nothing."""
    places = {name: CheckpointFiles(folder) for name, folder in settings.checkpoints.items()}
    return Checkpoints(db, CampusKeys(settings.campus_keys), places, tuple(settings.campuses))


def _make_folders(settings: Settings) -> None:
    """Make what is missing, but a campus's drop folder only when the campus is new.

    Later a missing one is a share that is gone: an empty folder in its place would hide that. A campus that
    has its folder of receipts is not new.
    """
    settings.staged.mkdir(parents=True, exist_ok=True)
    for campus in settings.campuses:
        if not (settings.receipts / campus).is_dir():
            for feed in settings.feeds:
                (settings.drop / campus / feed).mkdir(parents=True, exist_ok=True)
        for feed in settings.feeds:
            (settings.receipts / campus / feed).mkdir(parents=True, exist_ok=True)
