"""Intake: from bytes to a registered, signed, durable submission, and only then an acknowledgement.

Order, each step safe to repeat after a crash: bytes into the archive, envelope signed, one transaction that
registers submission, arrival and audit entry and archives the envelope before its commit. Whoever delivers
(the drop folder, an upload) forgets its copy only when this has returned.
"""

import logging
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.common.scope import RESERVED, Campus, Scope
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.model import REVISES, Arrival, Outcome, Payload, held_for, request_id_for
from hub_pipelines.logs import pairs, working_on
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.leases import store as leases
from hub_pipelines.submission.model import Cause, Envelope, Failure, State, Submission
from hub_pipelines.submission.versions import store as versions

ACTOR = "hub/intake"
_log = logging.getLogger(__name__)


class Transactions(Protocol):
    """What intake needs of the database: a writing and a reading transaction."""

    def write(self) -> Any: ...

    def read(self) -> Any: ...


class Signer(Protocol):
    def sign(self, envelope: Envelope) -> Envelope: ...


class EnvelopeArchive(Protocol):
    def put_envelope(self, envelope: Envelope) -> Any: ...


class ReviewDesk(Protocol):
    """Files a review item in the transaction of the arrival that needs it."""

    def file_submission(self, tx: Any, submission: Submission, failure: Failure) -> None: ...

    def file_conflict(self, tx: Any, arrival: Arrival, revision: int, envelope: Envelope) -> None: ...


@dataclass(frozen=True, slots=True)
class Intake:
    """Registers payloads. Raises Transient when database or disk fail; the deliverer tries again."""

    db: Transactions
    signer: Signer
    archive: EnvelopeArchive
    review: ReviewDesk
    campuses: dict[str, Campus]
    priority_of: Callable[[str], int]
    now: Callable[[], datetime]

    def receive(self, payload: Payload, together: Callable[[Any, Arrival], None] | None = None) -> Arrival:
        """Register an arrival. `together` runs in the same transaction: when it raises, nothing is registered.

        The envelope is archived last before the commit, so that what was refused is in no archive that the reconciler
        would register it from.
        """
        request_id = request_id_for(
            payload.scope, payload.content_digest, payload.sender_key, complete_count=payload.complete_count
        )
        with self.db.read() as tx:
            known = arrivals.find(tx, payload.arrival_id)
        if known is not None:
            return known
        envelope = self._envelope(payload, request_id)
        with self.db.write() as tx:
            new = self._register(tx, payload, envelope)
            if together is not None:
                together(tx, new)
            if new.outcome in (Outcome.RECEIVED, Outcome.CONFLICT):
                self.archive.put_envelope(envelope)
        _tell(new)
        return new

    def register_archived(
        self, envelope: Envelope, others: Sequence[Envelope] = (), together: Callable[[Any], None] | None = None
    ) -> list[Arrival]:
        """Register what was archived and signed before and has no record, as it came then: among the versions of its
        source by its time. Behind a later one that is posted, or worked on, already, it waits for a person.

        `others` came later under the same key with other contents: each is a conflict, as it was then. `together` runs
        in the same transaction. The caller has verified the signatures, and the archived bytes of the first.
        """
        with self.db.write() as tx:
            found = [self._register(tx, _archived(one), one, late=True) for one in (envelope, *others)]
            if together is not None:
                together(tx)
        for new in found:
            _tell(new)
        return found

    def preview(self, payload: Payload, *, in_hand: bool = False) -> Arrival:
        """Record a file whose sender asks what would happen. No submission and no request_id; a preview is due.

        `in_hand`: the caller makes it now, and a run is only asked for when that has come to nothing.
        """
        new = Arrival(
            arrival_id=payload.arrival_id,
            outcome=Outcome.PREVIEWED,
            request_id=None,
            scope=payload.scope,
            source_name=payload.source_name,
            content_digest=payload.content_digest,
            size_bytes=payload.size_bytes,
            arrived_at=self.now(),
        )
        with self.db.write() as tx:
            known = arrivals.find(tx, payload.arrival_id)
            if known is not None:
                return known
            self._record(tx, new, {"complete_count": payload.complete_count}, event="arrival:previewed")
            in_hand_since = new.arrived_at if in_hand else None
            arrivals.add_preview(tx, new.arrival_id, complete_count=payload.complete_count, in_hand_since=in_hand_since)
        _tell(new)
        return new

    def refuse(self, arrival_id: str, scope: Scope, source_name: str, reason: str, fix: str) -> Arrival:
        """Record something that has no bytes to take (a folder, a link). It stays where it is."""
        new = Arrival(
            arrival_id, Outcome.REFUSED, None, scope, source_name, None, 0, self.now(), reason=reason, fix=fix
        )
        with self.db.write() as tx:
            known = arrivals.find(tx, arrival_id)
            if known is not None:
                return known
            self._record(tx, new, {})
        _tell(new)
        return new

    def was_refused(self, arrival_id: str) -> bool:
        with self.db.read() as tx:
            return arrivals.find(tx, arrival_id) is not None

    def _envelope(self, payload: Payload, request_id: str) -> Envelope:
        return self.signer.sign(
            Envelope(
                request_id=request_id,
                campus=payload.scope.campus,
                feed=payload.scope.feed,
                channel=payload.channel,
                source_system=payload.source_system,
                source_name=payload.source_name,
                content_digest=payload.content_digest,
                size_bytes=payload.size_bytes,
                received_at=self.now(),
                headers=payload.headers,
                sender_key=payload.sender_key,
                complete_count=payload.complete_count,
            )
        )

    def _register(self, tx: Any, payload: Payload, envelope: Envelope, *, late: bool = False) -> Arrival:
        known = arrivals.find(tx, payload.arrival_id)
        if known is not None:
            return known
        if self._add(tx, envelope, payload.revises, late=late):
            return self._received(tx, payload, envelope, late=late)
        # adding waits for whoever registers the same, and that may have been another tick with this very arrival
        known = arrivals.find(tx, payload.arrival_id)
        if known is not None:
            return known
        first = submissions.get(tx, envelope.request_id)
        if first.envelope.content_digest != envelope.content_digest:
            return self._conflict(tx, payload, envelope, first)
        return self._duplicate(tx, payload, envelope, first)

    def _add(self, tx: Any, envelope: Envelope, revises: str | None, *, late: bool) -> bool:
        source = (envelope.campus, envelope.feed, source_key(envelope.source_name))
        previous, version = versions.newest_of_source(tx, *source, envelope.received_at if late else None)
        campus = self.campuses.get(envelope.campus)
        day = campus.day_of(envelope.received_at) if campus else envelope.received_at.date()
        added = submissions.add(
            tx,
            envelope,
            received_day=day,
            source_key=source[-1],
            source_version=version + 1,
            revises=revises or previous,
            priority=self.priority_of(envelope.feed),
        )
        if added and late:
            versions.move_on_versions(tx, *source, behind=version, but=envelope.request_id)
        return added

    def _received(self, tx: Any, payload: Payload, envelope: Envelope, *, late: bool) -> Arrival:
        new = _arrival(payload, envelope, Outcome.RECEIVED)
        if payload.scope == RESERVED:
            self._shelve(tx, envelope.request_id, Cause.UNREADABLE, _no_such_folder(payload))
        elif (held := held_for(envelope.headers)) is not None:
            self._shelve(tx, envelope.request_id, Cause.DRIFT, held)
        elif late and (overtaken := _overtaken(tx, envelope)):
            self._shelve(tx, envelope.request_id, Cause.BLOCKED, overtaken)
        self._record(tx, new, {"complete_count": True} if envelope.complete_count else {})
        return new

    def _shelve(self, tx: Any, request_id: str, cause: Cause, failure: Failure) -> None:
        leases.shelve(tx, request_id, cause, failure)
        self.review.file_submission(tx, submissions.get(tx, request_id), failure)

    def _duplicate(self, tx: Any, payload: Payload, envelope: Envelope, first: Submission) -> Arrival:
        new = _arrival(payload, envelope, Outcome.DUPLICATE)
        self._record(
            tx,
            new,
            {
                "first_received_at": first.envelope.received_at.isoformat(),
                "first_state": first.state,
            },
        )
        return new

    def _conflict(self, tx: Any, payload: Payload, envelope: Envelope, first: Submission) -> Arrival:
        new = _arrival(
            payload,
            envelope,
            Outcome.CONFLICT,
            reason=f"The key {payload.sender_key!r} came before with other contents ({first.envelope.source_name}).",
            fix="If this is new data, send it under a key of its own.",
        )
        self.review.file_conflict(tx, new, first.revision, envelope)
        self._record(tx, new, {"first_content_digest": first.envelope.content_digest})
        return new

    def _record(self, tx: Any, new: Arrival, detail: dict[str, object], *, event: str | None = None) -> None:
        arrivals.add(tx, new, receipt_due=new.outcome is not Outcome.RECEIVED)
        audit.append(
            tx,
            Event(
                campus=new.scope.campus,
                actor=ACTOR,
                event=event or f"submission:{new.outcome}",
                subject=new.source_name,
                request_id=new.request_id,
                detail={"arrival_id": new.arrival_id, "feed": new.scope.feed, **new.told, **detail},
            ),
        )


def _tell(new: Arrival) -> None:
    """Log an arrival that is registered. What a sender or operator should look at is a warning."""
    to_look_at = new.outcome in (Outcome.CONFLICT, Outcome.REFUSED) or new.scope == RESERVED
    told = pairs(
        file=new.source_name,
        campus=new.scope.campus,
        feed=new.scope.feed,
        size_bytes=new.size_bytes,
        arrival_id=new.arrival_id,
        reason=new.reason,
    )
    with working_on(new.request_id):
        _log.log(logging.WARNING if to_look_at else logging.INFO, "%s %s", new.outcome, told)


def source_key(source_name: str) -> str:
    """Links versions of one source: a change of case or of Unicode form is the same name.

    So is the name under which the hub gave a file's workbook back.
    """
    return unicodedata.normalize("NFC", plain_name(source_name)).casefold()


def plain_name(source_name: str) -> str:
    """The name of the file that a returned workbook was made of (report.places), or the name itself."""
    found = _RETURNED.fullmatch(source_name)
    return found["name"] if found else source_name


# what programs add to the name of a copy may follow: "(1)", "- Copy"
_RETURNED = re.compile(r"(?P<name>.+\.\w{1,5})--[a-z2-7]{8}(?:-r\d+)?(?: ?\(\d+\)| - [^.]{1,20})?\.xls[xm]", re.I)


def _arrival(
    payload: Payload, envelope: Envelope, outcome: Outcome, reason: str | None = None, fix: str | None = None
) -> Arrival:
    return Arrival(
        arrival_id=payload.arrival_id,
        outcome=outcome,
        request_id=envelope.request_id,
        scope=payload.scope,
        source_name=payload.source_name,
        content_digest=envelope.content_digest,
        size_bytes=envelope.size_bytes,
        arrived_at=envelope.received_at,
        reason=reason,
        fix=fix,
    )


def _archived(envelope: Envelope) -> Payload:
    """The payload that an archived envelope was made of."""
    name = sha256_hex(canonical_text(envelope.document()).encode("utf-8"))
    return Payload(
        arrival_id=f"recovered-{name[:32]}",
        scope=Scope(envelope.campus, envelope.feed),
        channel=envelope.channel,
        source_system=envelope.source_system,
        source_name=envelope.source_name,
        content_digest=envelope.content_digest,
        size_bytes=envelope.size_bytes,
        headers=envelope.headers,
        sender_key=envelope.sender_key,
        revises=envelope.headers.get(REVISES),
        complete_count=envelope.complete_count,
    )


def _overtaken(tx: Any, envelope: Envelope) -> Failure | None:
    """Why what is found again may not go through by itself: others have gone before it."""
    key = source_key(envelope.source_name)
    newer = versions.gone_before(tx, envelope.campus, envelope.feed, key, envelope.received_at)
    corrected = submissions.find(tx, envelope.headers.get(REVISES, ""))
    if newer is not None:
        why = f"a newer one of its name ({newer}) was taken, whose values it would set back"
    elif corrected is not None and corrected.state is State.DISMISSED:
        why = f"it was decided otherwise about the file that it corrects ({corrected.request_id})"
    else:
        return None
    return Failure(
        error_type="Overtaken",
        reason=f"This file was found again after {why}.",
        fix="Nothing, if what was taken says all that is true now. Does this one hold rows that it lacks, tell the "
        "hub's operator, who can send it through on purpose.",
        trace="",
        run_id=None,
    )


def _no_such_folder(payload: Payload) -> Failure:
    folder = payload.headers.get("dropped_in", "")
    return Failure(
        error_type="UnknownFolder",
        reason=f"The folder {folder or 'drop'!r} belongs to no campus and feed of this hub.",
        fix="Drop the file again in the folder of your campus and kind of data, for example north/inventory.",
        trace=canonical_text(payload.headers),
        run_id=None,
    )
