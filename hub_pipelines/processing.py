"""One submission through its run: lease, archive check, validation, posting, and what failure leads to.

Belongs here: the order of the stages and the decision between retry and review. Not here: Dagster
(defs/ calls these steps), SQL (the stores), rules (validate), attempts that ended without a word (ending.py).
"""

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from hub_pipelines.archive.objects import Archive
from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.clock import utc_now
from hub_pipelines.common.collecting import seldom_collected
from hub_pipelines.common.errors import HubError, Permanent, Transient, may_pass
from hub_pipelines.common.giving_way import give_way
from hub_pipelines.common.store import Database, Transaction, holdable
from hub_pipelines.drift.model import Held, ShapesMoved
from hub_pipelines.intake.signing import KeyRing
from hub_pipelines.judging import Judge, Judged
from hub_pipelines.ledger.locking import store as locking
from hub_pipelines.ledger.model import (
    REGISTRY_LEDGER,
    LedgerTaken,
    OccurrencesMoved,
    Posting,
    RegistryMoved,
    ledger_name,
)
from hub_pipelines.ledger.ordering import store as ordering
from hub_pipelines.ledger.posting import store as postings
from hub_pipelines.ledger.registry.listing import ListedRegistry
from hub_pipelines.logs import pairs, working_on
from hub_pipelines.mapping.decision import Decision
from hub_pipelines.mapping.remembered import questions_of
from hub_pipelines.preparing import Preparing
from hub_pipelines.resting import Rest, Resting, no_rest
from hub_pipelines.returning import CorrectsAnother, Returns
from hub_pipelines.review.store import Desk
from hub_pipelines.rows_to_fix import RowsToFix
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.leases import store as leases
from hub_pipelines.submission.model import (
    Busy,
    Cause,
    Failure,
    Integrity,
    Lease,
    LeaseLost,
    Repeat,
    State,
    Submission,
)
from hub_pipelines.submission.progress import Progress, ProgressFiles, Stage
from hub_pipelines.submission.receipting import store as receipting
from hub_pipelines.submission.retry import RetryPolicy
from hub_pipelines.validate.bulk import tags
from hub_pipelines.validate.bulk.messages import without_late
from hub_pipelines.validate.model import Table, Unreadable, Verdict, row_place
from hub_pipelines.validate.returned import require_mark
from hub_pipelines.validate.staging import (
    ChunkLimits,
    StagedHandle,
    StagedRows,
    accepted_keys,
    give_memory_back,
    problems_in,
    stage,
    staged_path,
)

_VALIDATIONS = 3
_TRIES_TO_BEGIN = 4
"""On SQLite each takes as long as it waits for another writer."""
_BETWEEN_TRIES_S = 0.5
_TELL_EVERY_S = 5.0
_GIVES_WAY_AT_MOST = 10
"""So often a submission's runs give their place to others; after that they wait for their ledger."""
_log = logging.getLogger(__name__)


class AttemptFailed(HubError):
    """The attempt failed and the hub has recorded what follows: `state` is retrying or in_review."""

    def __init__(self, failure: Failure, state: State) -> None:
        super().__init__(failure.reason)
        self.failure = failure
        self.state = state

    @property
    def is_the_senders(self) -> bool:
        """The file as sent is the reason: no operator can help, the sender and the reviewer can."""
        return isinstance(self.__cause__, Unreadable) or bool(questions_of(self.__cause__))


@dataclass(slots=True)
class _Alive:
    """Extends a lease when a third of its time has gone; raises LeaseLost once it is outdated."""

    db: Database
    lease: Lease
    lease_s: float
    extended_at: float = field(default_factory=time.monotonic)

    def __call__(self) -> None:
        if time.monotonic() - self.extended_at < self.lease_s / 3:
            return
        with self.db.write() as tx:
            leases.extend_lease(tx, self.lease, lease_s=self.lease_s)
        self.extended_at = time.monotonic()


@dataclass(slots=True)
class _Telling:
    """Tells the log, and whoever asks, how far a run is with a file; at most every few seconds."""

    files: ProgressFiles
    lease: Lease
    page: Callable[[str], None]
    stage: Stage
    of: int | None = None
    told_at: float = field(default_factory=time.monotonic)

    def __call__(self, rows: int) -> None:
        if time.monotonic() - self.told_at < _TELL_EVERY_S:
            return
        self.told_at = time.monotonic()
        now = Progress(self.lease.token, self.stage, rows, self.of, utc_now())
        _log.info("%s", now)
        self.files.tell(self.lease.request_id, now)
        self.page(self.lease.request_id)


@dataclass(frozen=True, slots=True)
class Processing:
    """Steps of a run. `owner` is the run's id; the same owner asking again keeps its lease."""

    db: Database
    archive: Archive
    keys: KeyRing
    staged: Path
    judge: Judge
    returns: Returns
    desk: Desk
    policy: RetryPolicy
    lease_s: float
    chunks: ChunkLimits
    progress: ProgressFiles
    large_mb: float
    resting: Resting
    tell: Callable[[str], None]
    """Called with the request_id when there is news of how far its file is."""

    # ---- taking a lease, and what failure leads to

    def begin(self, request_id: str, owner: str) -> Lease | Busy | Repeat:
        """Take the lease; `Busy` and `Repeat` are audited and end the run well.

        A process that has a large file gives way to those that somebody waits for: receiver, pages, small files.
        Raises Transient where the database takes nothing in several tries. On SQLite a large posting has it for all of
        its time: that is waited for, since a run that ends without a lease is only missed after minutes.
        """
        for _ in range(_TRIES_TO_BEGIN - 1):
            with suppress(Transient):
                return self._begin(request_id, owner)
            _log.warning("the database takes nothing %s", pairs(submission=request_id, run=owner))
            time.sleep(_BETWEEN_TRIES_S)
        return self._begin(request_id, owner)

    def _begin(self, request_id: str, owner: str) -> Lease | Busy | Repeat:
        with self.db.write() as tx:
            before = submissions.get(tx, request_id)
            answer = leases.take_lease(tx, request_id, owner, lease_s=self.lease_s, policy=self.policy)
            if isinstance(answer, Lease):
                if answer.token != before.token:
                    self.enter(tx, before, owner, "submission:leased", {"token": answer.token})
            else:
                kind, behind = ("busy", answer.behind) if isinstance(answer, Busy) else ("repeat", None)
                detail: dict[str, object] = {"state": answer.state, **({"behind": behind} if behind else {})}
                self.enter(tx, before, owner, f"submission:{kind}", detail)
        with working_on(request_id):
            _tell_beginning(answer, before, owner)
        if isinstance(answer, Lease) and self._is_large(before):
            give_way()
        return answer

    @contextmanager
    def attempt(self, lease: Lease) -> Iterator[None]:
        """Work under a lease. Any error settles the submission (retry or review) and leaves as AttemptFailed.

        `LedgerTaken` leaves as it is, when the lease has been given back: the submission waits for its next launch.

        One that comes after this lease has posted (the commit's answer was lost) is logged and does not leave: there is
        nothing to be tried again, and `posting_of` tells what was posted. `LeaseLost` is audited and leaves as it is:
        the other run decides what becomes of the submission.
        """
        try:
            with working_on(lease.request_id), seldom_collected(), self._failures_settled(lease):
                yield
            self.progress.remove(lease.request_id)
        except LeaseLost as lost:
            with self.db.write() as tx:
                self.enter(
                    tx, submissions.get(tx, lease.request_id), lease.owner, "submission:fenced", {"token": lease.token}
                )
            with working_on(lease.request_id):
                told = pairs(token=lease.token, run=lease.owner)
                _log.warning("fenced: another run has taken over %s", told, exc_info=lost.__context__)
            raise

    @contextmanager
    def _failures_settled(self, lease: Lease) -> Iterator[None]:
        try:
            yield
        except LeaseLost:
            raise
        except LedgerTaken as taken:
            self._give_way(lease, taken)
            raise
        except Exception as error:
            failure = failure_of(error, lease.owner)
            try:
                state = self.fail(lease, error, failure)
            except LeaseLost:
                if self.posting_of(lease) is None:
                    raise
                _log.exception("posted, and then an error %s", pairs(error=failure.error_type), exc_info=error)
                return
            raise AttemptFailed(failure, state) from error

    def _give_way(self, lease: Lease, taken: LedgerTaken) -> None:
        with self.db.write() as tx:
            current = submissions.get(tx, lease.request_id)
            leases.give_back(tx, lease, taken.ledger)
            receipting.make_receipt_due(tx, lease.request_id)
            detail = {"token": lease.token, "ledger": taken.ledger}
            self.enter(tx, current, lease.owner, "submission:gave_way", detail)
        self.progress.remove(lease.request_id)
        _log.info("gave way %s", pairs(ledger=taken.ledger, run=lease.owner))

    def posting_of(self, lease: Lease) -> Posting | None:
        """What this lease has posted, whether or not its holder ever heard of it."""
        with self.db.read() as tx:
            return postings.own_posting(tx, lease)

    def fail(self, lease: Lease, error: BaseException, failure: Failure) -> State:
        """Record a failed attempt: permanent errors and last attempts go to review, others are tried again."""
        with self.db.write() as tx:
            current = submissions.get(tx, lease.request_id)
            if may_pass(error) and not self.policy.is_last(current.attempts, in_all=current.attempts_in_all):
                retry_at = leases.settle_retrying(tx, lease, failure, self.policy.wait(current.attempts))
                detail = {
                    "attempt": current.attempts,
                    "token": lease.token,
                    "error": failure.reason,
                    "retry_at": retry_at.isoformat(),
                }
                self.enter(tx, current, lease.owner, "submission:retrying", detail)
                after, cause = State.RETRYING, None
            else:
                cause = Cause(error.cause) if isinstance(error, Permanent) else Cause.EXHAUSTED
                leases.settle_in_review(tx, lease, cause, failure)
                self.file_for_review(tx, lease.request_id, lease.owner, failure, token=lease.token)
                for held in (one for one in (error, error.__cause__) if isinstance(one, Held)):
                    self.judge.mappings.shapes.hold(tx, current, held, actor=_actor(lease.owner))
                self.judge.mappings.hold(tx, current, error, actor=_actor(lease.owner))
                after, retry_at = State.IN_REVIEW, None
        self.progress.remove(lease.request_id)
        with working_on(lease.request_id):
            _tell_failure(error, failure, attempt=current.attempts, retry_at=retry_at, cause=cause)
        return after

    # ---- the stages

    def check_archive(self, lease: Lease) -> Submission:
        """Signature and digest as they were at arrival. Raises Integrity."""
        current = self._current(lease)
        self.keys.verify(current.envelope)
        if current.envelope.request_id != lease.request_id:
            raise Integrity(
                "The signed record belongs to another submission.", "Ask the hub's operator to look into it."
            )
        self.archive.verify(current.envelope.content_digest, self._alive(lease))
        return current

    def validate(self, lease: Lease) -> StagedHandle:
        """Judge every row and stage the verdicts. Raises Unreadable when the file as a whole can't be taken.

        Raises LedgerTaken when another posting to its ledger takes long.

        The table is read by what the hub knows of its source's columns, under a migration where there is one.
        """
        current = self._current(lease)
        alive = self._alive(lease)
        telling = _Telling(self.progress, lease, self.tell, "reading")
        registry = ListedRegistry(self.db, self.judge.campus_of(current.envelope).time_zone, self.staged)
        self.archive.verify(current.envelope.content_digest, alive)
        opened = partial(self._opened, lease, current)

        def through(rows: int) -> None:
            alive()
            telling(rows)
            rest()

        with (
            self.resting.of(current.envelope, "judging", alive) as rest,
            self.judge.judged(current.envelope, registry, alive=through, opened=opened) as judged,
        ):
            self._require_turn(current, judged)
            telling.stage, telling.of = "judging", judged.rows
            handle = stage(self._to_stage(current, judged), self.staged, judged.document)
        give_memory_back()
        with self.db.write() as tx:
            if judged.decision is not None:
                self.judge.mappings.keep(tx, judged.decision)
            leases.record_staged(
                tx,
                lease,
                staged=handle.digest,
                rows_received=int(handle.summary["received"]),
                registry_version=registry.version if judged.record.tag_column else None,
                decision=judged.decision.digest if judged.decision else None,
            )
        alive()
        self.returns.compare(lease, current, self.judge.feed_of(current.envelope), handle.path)
        with working_on(lease.request_id):
            _log.info("staged %s", _told_of_staged(handle))
        return handle

    def _opened(self, lease: Lease, current: Submission, table: Table) -> None:
        """Before a file is judged. Raises WaitsForOriginal, and Unreadable for what came back and can't be taken."""
        require_mark(table)
        self.returns.note(lease, current, table)
        of_rows = self.returns.file_of_rows(current)
        if of_rows is not None:
            RowsToFix(self.db, self.judge, self.staged).require_own_numbers(current.envelope, of_rows)

    def _to_stage(self, current: Submission, judged: Judged) -> Iterator[Verdict | StagedRows]:
        of_rows = self.returns.file_of_rows(current)
        if of_rows is not None:
            rows_to_fix = RowsToFix(self.db, self.judge, self.staged)
            yield from rows_to_fix.own_rows(current.envelope, of_rows, judged)
            return
        if judged.at_once is None:
            yield from judged.verdicts
            return
        for rows in judged.at_once:
            yield self._without_late_ones(current, judged, rows) if judged.occurred_at else rows

    def _require_turn(self, current: Submission, judged: Judged) -> None:
        """Raises LedgerTaken before a row is judged, where posting would have to wait."""
        if self._patience_s(current) is None:
            return
        name = _ledger_of(current, judged)
        with self.db.read() as tx:
            if locking.taken(tx, (name,)):
                raise LedgerTaken(name)

    def _without_late_ones(self, current: Submission, judged: Judged, rows: StagedRows) -> StagedRows:
        """A batch of messages; a set is void where a newer message of its item has posted."""
        name = _ledger_of(current, judged)
        keys = accepted_keys(rows.table)
        with self.db.read() as tx:
            newest = ordering.newest(tx, name, list(keys.values()))
        return without_late(rows, keys, judged.occurred_at, newest)

    def first_problems(self, handle: StagedHandle, limit: int = 25) -> list[dict[str, Any]]:
        """The first problems of a staged submission, each with its row's place in the file."""
        decision = self.decision_of(handle)
        parts = decision.parts if decision else ()
        found = problems_in(handle.path)
        return [{"row": row_place(row_no, parts), **problem} for row_no, _, problem in islice(found, limit)]

    def decision_of(self, handle: StagedHandle) -> Decision | None:
        """By what the file was read whose verdicts are staged."""
        with self.db.read() as tx:
            return self.judge.mappings.decision_of(tx, handle.summary["decision"])

    def post(self, lease: Lease) -> Posting:
        """Apply the staged rows in one transaction, or return the outcome if this lease has posted already.

        Validates again when the registry, or what is known of its source's columns, has moved meanwhile. Raises
        LedgerTaken when another posting to the ledger takes long.
        """
        for _ in range(_VALIDATIONS):
            stored = self.posting_of(lease)
            if stored is not None:
                return stored
            current = self._current(lease)
            if current.staged is None or not staged_path(self.staged, current.staged).exists():
                self.validate(lease)
                continue
            try:
                return self._post(lease, current, current.staged)
            except (RegistryMoved, ShapesMoved, OccurrencesMoved, CorrectsAnother):
                self.validate(lease)
        raise Transient("What this file is checked against keeps changing; it will be tried again.")

    def _post(self, lease: Lease, current: Submission, staged: str) -> Posting:
        prepared = self._preparing.prepare(current, staged)
        telling = _Telling(self.progress, lease, self.tell, "posting", prepared.received)

        def through(rows: int) -> None:
            telling(rows)
            rest()

        written = self.db.write_much() if self._is_large(current) else self.db.write()
        with self._resting_while_posting(current) as rest, written as tx:
            batch, patience_s = prepared.batch(tx), self._patience_s(current)
            beside = current.attempts <= 1  # what was wrong with a program costs one attempt
            posting = postings.post(
                tx, lease, batch, limits=self.chunks, progress=through, patience_s=patience_s, beside=beside
            )
            if not posting.repeat:
                self._preparing.require_unmoved(tx, prepared, actor=_actor(lease.owner))
        with working_on(lease.request_id):
            _log.info("posted %s", _told_of(posting))
            self._look_over_ledgers(posting)
            if posting.ledger == REGISTRY_LEDGER and posting.posted > tags.FEW_TAGS:
                self._list_registry()
        return posting

    def _resting_while_posting(self, current: Submission) -> AbstractContextManager[Rest]:
        """On SQLite nobody else writes while it posts: it must come to its end."""
        return self.resting.of(current.envelope, "posting") if self.db.is_postgres else nullcontext(no_rest)

    @property
    def _preparing(self) -> Preparing:
        return Preparing(self.db, self.judge, self.returns, self.staged)

    def _look_over_ledgers(self, posting: Posting) -> None:
        try:
            if self.db.is_postgres and postings.has_outgrown(self.db, posting):
                postings.look_over_ledgers(self.db)
        except Transient as error:
            _log.warning("the ledger was not looked over %s", pairs(error=str(error)))

    def _list_registry(self) -> None:
        """Now, so that the first large file after it need not. That file makes the list where it can't be made here."""
        try:
            ListedRegistry(self.db, "UTC", self.staged).listed()
        except (OSError, Transient) as error:
            _log.warning("the registry's list was not made %s", pairs(error=str(error)))

    # ---- what several of them need

    def _current(self, lease: Lease) -> Submission:
        with self.db.read() as tx:
            current = submissions.get(tx, lease.request_id)
        if current.token != lease.token or current.state is not State.LEASED:
            raise LeaseLost(f"{lease.request_id}: token {lease.token} is outdated; another run has taken over.")
        return current

    def _patience_s(self, current: Submission) -> float | None:
        """How long its run waits for its ledger; None for as long as it takes. A large file has a place of its own."""
        is_patient = self._is_large(current) or current.gave_way >= _GIVES_WAY_AT_MOST
        return None if is_patient else locking.PATIENCE_S

    def _is_large(self, current: Submission) -> bool:
        return current.envelope.is_large(self.large_mb)

    def _alive(self, lease: Lease) -> _Alive:
        return _Alive(self.db, lease, self.lease_s)

    def file_for_review(
        self, tx: Transaction, request_id: str, actor: str, failure: Failure, *, token: int | None
    ) -> None:
        """The item of a submission that has come to review, and its entry in the chain; `token` of the attempt that
        has ended so."""
        current = submissions.get(tx, request_id)
        self.desk.file_submission(tx, current, failure)
        detail: dict[str, object] = {
            "cause": str(current.cause),
            "reason": failure.reason,
            "attempts": current.attempts,
            **({"token": token} if token is not None else {}),
        }
        self.enter(tx, current, actor, "submission:in_review", detail)

    def enter(self, tx: Transaction, current: Submission, owner: str, event: str, detail: dict[str, object]) -> None:
        """An entry in the chain; `owner` is a run's id, or a part of the hub."""
        audit.append(
            tx,
            Event(
                campus=current.envelope.campus,
                actor=_actor(owner),
                event=event,
                subject=current.envelope.source_name,
                request_id=current.request_id,
                detail={"revision": current.revision, **detail},
            ),
        )


def _ledger_of(current: Submission, judged: Judged) -> str:
    return ledger_name(judged.record.name, current.envelope.campus, shared=judged.record.shared)


# ---- telling


def _actor(owner: str) -> str:
    return owner if owner.startswith("hub/") else f"run/{owner}"


def _tell_beginning(answer: Lease | Busy | Repeat, before: Submission, owner: str) -> None:
    if not isinstance(answer, Lease):
        behind = answer.behind if isinstance(answer, Busy) else None
        told = pairs(state=answer.state, run=owner, behind=behind)
        _log.info("%s: nothing to do %s", type(answer).__name__.lower(), told)
    elif answer.token != before.token:
        taken_over = before.lease_owner if before.state is State.LEASED else None
        told = pairs(token=answer.token, run=owner, attempt=before.attempts + 1, taken_over_from=taken_over)
        _log.log(logging.WARNING if taken_over else logging.INFO, "leased %s", told)


def _tell_failure(
    error: BaseException, failure: Failure, *, attempt: int, retry_at: datetime | None, cause: Cause | None
) -> None:
    """An unexpected error comes with its trace. What a sender can mend is a warning, the rest of review wakes us."""
    unexpected = error if not isinstance(error, HubError) and error.__traceback__ else None
    if cause is None:
        wait_s = round((retry_at - utc_now()).total_seconds(), 1) if retry_at else None
        told = pairs(attempt=attempt, wait_s=wait_s, error=failure.error_type, reason=str(error))
        _log.warning("retrying %s", told, exc_info=unexpected)
        return
    level = logging.WARNING if cause in (Cause.UNREADABLE, Cause.DRIFT, Cause.QUESTION) else logging.ERROR
    told = pairs(cause=cause, attempt=attempt, error=failure.error_type, reason=failure.reason)
    _log.log(level, "in_review %s", told, exc_info=unexpected)


def _told_of_staged(handle: StagedHandle) -> str:
    return pairs(**{name: handle.summary[name] for name in ("received", "accepted", "rejected")})


def _told_of(posting: Posting) -> str:
    return pairs(
        ledger=posting.ledger,
        version=posting.ledger_version,
        posted=posting.posted,
        unchanged=posting.unchanged,
        rejected=posting.rejected,
        repeat=posting.repeat or None,
    )


def failure_of(error: BaseException, run_id: str | None) -> Failure:
    """An error as it is kept for the reviewer; only reason and fix are shown to the sender."""
    known = isinstance(error, HubError)
    reason = str(error) if known else "The hub met an unexpected error while it worked on this file."
    if isinstance(error, MemoryError):  # Arrow's is one
        reason = "The hub's machine had too little memory to work on this file."
        fix = "This is not your fault: the hub's operator gives it more memory; nothing of the file is lost."
    elif not known:
        fix = "This is the hub's fault, not yours. Its operator has been told; nothing of the file is lost."
    else:
        fix = error.fix if isinstance(error, Permanent) else ""
    return Failure(
        error_type=type(error).__name__,
        reason=holdable(reason),
        fix=holdable(fix),
        trace=holdable("".join(traceback.format_exception(error))),
        run_id=run_id,
    )
