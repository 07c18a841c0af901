"""The reconciler: looks at what is, whatever Dagster believes, and brings back on its way what has lost it.

Belongs here: what is wrong, what is safe to do about it, and the audit entry that says so. Not here: when to look
(defs/reconciliation.py, `hub reconcile`) and what Dagster believes of its runs (defs/lost_runs.py, as `Runs`).

Everything may run twice at once and be killed anywhere: each repair is one transaction that asks again, under the
row's lock, whether there still is something to repair. A look does a bounded amount of work and goes on where the
last one stopped.
"""

import heapq
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Protocol

from hub_pipelines.archive.objects import envelope_in
from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.errors import Permanent
from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.common.store import Transaction, per_query
from hub_pipelines.ending import RECOVERY
from hub_pipelines.evidence import conservation
from hub_pipelines.hub import Hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.launching import choose, due_of, waiting_for_taken
from hub_pipelines.logs import pairs
from hub_pipelines.pausing.model import EVERY, AlreadyPaused, NotPaused, scope_text
from hub_pipelines.portals import holding
from hub_pipelines.portals import store as portals
from hub_pipelines.recovery import store
from hub_pipelines.recovery.envelopes import Envelopes
from hub_pipelines.recovery.model import Finding, Kind, LostRun, Position, Report, Told
from hub_pipelines.retention import store as retention
from hub_pipelines.review import store as reviews
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Cause, Envelope, Failure, State, Submission

_log = logging.getLogger(__name__)
GRACE_S = 20.0
"""A lease may be past due for so long: the campus's sensor has it taken over within two ticks, with a run at once."""
STANDS_STILL_S = 300.0
_WITHOUT_RECORD = "{} is signed and archived, and there is no record of it"
_AT_ONCE = 100
_NAMES_AT_ONCE = 50_000
UNREGISTERED_S = 600.0
BUDGET_S = 20.0
"""A sensor must answer in time."""
_HOLDING = "files without a record are being registered in the order in which they came; this ends by itself"
_LEFT_S = 86_400.0
_NAMED = 50


class Runs(Protocol):
    """What Dagster believes of its runs."""

    def lost(self) -> list[LostRun]: ...

    def report_failed(self, lost: LostRun) -> bool: ...

    def alive(self, request_ids: list[str]) -> set[str]: ...


@dataclass(frozen=True, slots=True)
class Reconciler:
    """One look at one hub. With `dry_run` nothing is changed and everything found is left.

    Younger than `unregistered_s` nothing is registered: somebody may be about to. `budget_s` is the time for that.
    """

    hub: Hub
    runs: Runs
    dry_run: bool = False
    grace_s: float = GRACE_S
    stands_still_s: float = STANDS_STILL_S
    unregistered_s: float = UNREGISTERED_S
    budget_s: float = BUDGET_S
    now: Callable[[], float] = time.time

    def look(self, position: Position, *, thorough: bool) -> Report:
        """Find and mend. A thorough look also walks a stretch of the archive and counts all rows."""
        findings = [*self._runs_lost(), *self._leases_past_due(), *self._launched_in_vain(), *self._items_missing()]
        heads = self._heads(position)
        findings += self._standing_still(heads)
        position = replace(position, heads=heads)
        if thorough:
            found, position = self._archive(position)
            lost, position = Envelopes(self.hub, self.budget_s, self.dry_run).lost(position)
            findings += [*found, *lost, *self._leftovers(), *self._rows()]
        elif self._held_since() is not None:
            findings += self._unregistered()
        for one in findings:
            if one.done and one.kind is not Kind.NOBODYS_BYTES:
                _log.warning("mended: %s %s", one.what, pairs(kind=one.kind, campus=one.campus, done=one.done))
        return Report(tuple(findings), thorough, position)

    # ---- runs, leases, launches

    def _runs_lost(self) -> Iterator[Finding]:
        for lost in self.runs.lost():
            current = self._submission(lost.request_id)
            campus = current.envelope.campus if current else RESERVED_CAMPUS
            finding = Finding(Kind.RUN_LOST, campus, lost.run_id, f"run {lost.run_id} of {lost.job}: {lost.why}")
            if not self.dry_run and self.runs.report_failed(lost):
                finding = replace(finding, done=self._tell_of_lost(lost, current, campus))
            yield finding

    def _tell_of_lost(self, lost: LostRun, current: Submission | None, campus: str) -> str:
        after = None
        if current is not None:
            failure = Failure("RunLost", f"The run ended without a word: {lost.why}", "", "", lost.run_id)
            after = self.hub.ending.run_died(current.request_id, lost.run_id, failure)
        with self.hub.db.write() as tx:
            self._audit(tx, campus, "run_failed", lost.job, lost.request_id, {"run_id": lost.run_id, "why": lost.why})
        return "reported to Dagster as failed" + (f"; its submission is {after}" if after else "")

    def _leases_past_due(self) -> Iterator[Finding]:
        for one in self.hub.ending.end_expired(overdue_s=self.grace_s, dry_run=self.dry_run):
            what = f"{one.request_id}: the lease of run {one.lease_owner} ran out and nobody took it over"
            done = None
            if not self.dry_run:
                after = self._submission(one.request_id)
                done = f"attempt {one.attempts} ended; it is {after.state if after else 'gone'}"
            yield Finding(Kind.LEASE_PAST_DUE, one.envelope.campus, one.request_id, what, done)

    def _launched_in_vain(self) -> Iterator[Finding]:
        with self.hub.db.read() as tx:
            candidates = [submissions.get(tx, one) for one in store.launched_in_vain(tx, limit=_AT_ONCE)]
        for one in choose(candidates, self.runs.alive):
            what = f"{one.request_id}: launched {one.launches_in_vain} times, and no run began to work on it"
            given_up = not self.dry_run and self.hub.ending.give_up_launching(one.request_id)
            done = "brought to review" if given_up else None
            yield Finding(Kind.LAUNCHED_IN_VAIN, one.envelope.campus, one.request_id, what, done)

    def _heads(self, before: Position) -> dict[str, tuple[str, float]]:
        """The launch that each campus should make next, and since when it should."""
        limits = self.hub.settings.limits
        after = timedelta(seconds=limits.relaunch_after_s)
        heads = {}
        for campus in self.hub.campuses:
            with self.hub.db.read() as tx:
                taken = waiting_for_taken(tx, campus)
                most = limits.launches_per_tick
                due = due_of(tx, campus, self.hub.feeds, taken=taken, limit=most, relaunch_after=after)
            for one in choose(due, self.runs.alive)[:1]:
                known = before.heads.get(campus)
                heads[campus] = known if known and known[0] == one.run_key else (one.run_key, self.now())
        return heads

    def _standing_still(self, heads: dict[str, tuple[str, float]]) -> Iterator[Finding]:
        full = self.hub.drop_folder.no_room(0)
        for campus, (run_key, since) in heads.items():
            if self.now() - since < self.stands_still_s:
                continue
            why = full or f"is {campus}_drop_folder_sensor switched off, or the daemon down? `hub drain` works it off"
            request_id = run_key.split(":")[0]
            what = f"{request_id} is due for {self.now() - since:.0f} s and has not been launched: {why}"
            yield Finding(Kind.CAMPUS_STANDS_STILL, campus, request_id, what)

    # ---- review

    def _items_missing(self) -> Iterator[Finding]:
        with self.hub.db.read() as tx:
            missing = store.in_review_unseen(tx, limit=_AT_ONCE)
        for request_id in missing:
            current = self._submission(request_id)
            assert current is not None
            what = f"{request_id} is in review ({current.cause}), and no open item tells of it"
            done = None if self.dry_run else self._file(request_id)
            yield Finding(Kind.ITEM_MISSING, current.envelope.campus, request_id, what, done)

    def _file(self, request_id: str) -> str | None:
        with self.hub.db.write() as tx:
            current = submissions.get(tx, request_id)
            if current.state is not State.IN_REVIEW:
                return "decided meanwhile"
            self.hub.processing.desk.file_submission(
                tx, current, _failure_of(current, submissions.attempts_of(tx, request_id))
            )
            open_items = [one for one in reviews.open_items_of(tx, request_id) if one.cause != Cause.CONFLICT]
            if not open_items:
                return None  # an item of this revision and cause was closed and its submission was not: a person's case
            detail: dict[str, object] = {"item_id": open_items[0].item_id, "cause": str(current.cause)}
            self._audit(tx, current.envelope.campus, "item_filed", current.envelope.source_name, request_id, detail)
        return f"filed as {open_items[0].item_id}"

    # ---- the archive

    def _archive(self, position: Position) -> tuple[list[Finding], Position]:
        archive = self.hub.archive
        names = _stretch(archive.request_ids(), position.envelopes_after)
        position = replace(position, envelopes_after=_end(names, []))
        unknown = next(self._unknown_ids(names), None)
        findings = [] if unknown is None and self._held_since() is None else self._unregistered()
        folders = self.hub.drop_folder
        if any(folders.claimed(campus) for campus in folders.scopes()):  # their bytes may be archived already
            return findings, position
        digests = _stretch(archive.digests(), position.objects_after)
        nobodys = list(islice(self._unknown_digests(digests), _AT_ONCE))
        findings += [self._nobodys(digest) for digest in nobodys]
        return findings, replace(position, objects_after=_end(digests, nobodys))

    def _unknown_ids(self, names: Iterable[str]) -> Iterator[str]:
        for some in per_query(names):
            with self.hub.db.read() as tx:
                known = store.known(tx, some)
            yield from (one for one in some if one not in known)

    # ---- envelopes without a record

    def hold_launches(self) -> None:
        """Until all that the archive holds is registered: what came later, or asks the registry, must not go first."""
        with suppress(AlreadyPaused):
            self.hub.pausing.pause(actor=RECOVERY, reason=_HOLDING)

    def _held_since(self) -> datetime | None:
        pauses = self.hub.pausing.standing()
        own = (one.paused_at for one in pauses if (one.scope, one.paused_by) == (scope_text(EVERY, EVERY), RECOVERY))
        return next(own, None)

    def _unregistered(self) -> list[Finding]:
        """Register what is signed and archived and has no record, in the order in which it came.

        Of several nothing is launched until all are registered. What there is no time for is left to the next look.
        """
        until = time.monotonic() + self.budget_s
        told = Told("more are signed and archived, and there is no record of them")
        ready = self._ready(told)
        first = list(islice(ready, 2))
        if len(first) > 1 and not self.dry_run:
            self.hold_launches()
        for envelopes in chain(first, ready):
            if time.monotonic() > until:
                return told.all
            told.add(self._register(*envelopes))
        self._end_hold()
        return told.all

    def _end_hold(self) -> None:
        """Unless somebody may be about to register what came before the hold: that goes first too."""
        since = self._held_since()
        if since is None or self.dry_run:
            return
        young = self.now() - self.unregistered_s
        if any(young < archived_at < since.timestamp() for archived_at, _ in self._archived_at()):
            return
        with suppress(NotPaused):
            self.hub.pausing.resume(actor=RECOVERY, reason="all that the archive holds is registered")

    def _in_order_of_arrival(self) -> Iterator[str]:
        """What has no record, by the signed moment of its arrival. In memory are ids and moments of a part only."""
        after = (0.0, "")
        while True:
            later = (one for one in self._moments() if one > after)
            some = heapq.nsmallest(_NAMES_AT_ONCE, later)
            yield from (request_id for _, request_id in some)
            if len(some) < _NAMES_AT_ONCE:
                return
            after = some[-1]

    def _moments(self) -> Iterator[tuple[float, str]]:
        """When what has no record came, by its envelopes, in seconds; infinity when none can be read."""
        for archived_at, request_id in self._archived_at():
            if self.now() - archived_at >= self.unregistered_s:
                paths = self.hub.archive.envelopes_of(request_id)
                came = [one.received_at.timestamp() for path in paths if (one := envelope_in(path)) is not None]
                yield min(came, default=math.inf), request_id

    def _archived_at(self) -> Iterator[tuple[float, str]]:
        for request_id in self._unknown_ids(self.hub.archive.request_ids()):
            if paths := self.hub.archive.envelopes_of(request_id):
                yield max(path.stat().st_mtime for path in paths), request_id

    def _ready(self, told: Told) -> Iterator[list[Envelope]]:
        """The genuine envelopes of what can be registered now; what can't be is told. What a claim may bring is left to
        the next look at its folder."""
        for request_id in self._in_order_of_arrival():
            campus = request_id.partition("-")[0]
            try:
                envelopes = self._genuine(request_id)
                self.hub.archive.verify(envelopes[0].content_digest)
            except Permanent as error:
                what = f"{_WITHOUT_RECORD.format(request_id)}; it can't be registered: {error.reason}"
                told.add(Finding(Kind.NOT_REGISTERED, campus, request_id, what))
                continue
            if envelopes[0].channel != "drop_folder" or not self.hub.drop_folder.claimed(campus):
                yield envelopes

    def _register(self, envelope: Envelope, *others: Envelope) -> Finding:
        request_id, campus = envelope.request_id, envelope.campus
        done = None
        if not self.dry_run:
            held = partial(holding.remember, request_id=request_id, headers=envelope.headers, at=envelope.received_at)
            arrived = self.hub.intake.register_archived(envelope, others, held)
            with self.hub.db.write() as tx:
                for one in arrived:
                    detail: dict[str, object] = {"arrival_id": one.arrival_id, "outcome": one.outcome}
                    self._audit(tx, campus, "registered", one.source_name, request_id, detail)
            done = f"registered as it came then ({', '.join(one.outcome for one in arrived)})"
        return Finding(Kind.NOT_REGISTERED, campus, request_id, _WITHOUT_RECORD.format(request_id), done)

    def _genuine(self, request_id: str) -> list[Envelope]:
        """The envelopes that are signed and are this request's, of each content the first, in the order in which they
        came: what came first is the submission, the others were in conflict with it. Raises Permanent without any."""
        fault = Permanent("no envelope can be read")
        found: list[Envelope] = []
        for envelope in filter(None, map(envelope_in, self.hub.archive.envelopes_of(request_id))):
            try:
                self.hub.keys.verify(envelope)
            except Permanent as error:
                fault = error
                continue
            if envelope.request_id == request_id:
                found.append(envelope)
            else:
                fault = Permanent("its envelope belongs to another submission")
        if not found:
            raise fault
        of_each: dict[str, Envelope] = {}
        for envelope in sorted(found, key=lambda one: one.received_at):
            of_each.setdefault(envelope.content_digest, envelope)
        return list(of_each.values())

    def _unknown_digests(self, digests: list[str]) -> Iterator[str]:
        for some in per_query(digests):
            with self.hub.db.read() as tx:
                known = arrivals.known_digests(tx, some) | portals.known_digests(tx, some)
            for one in some:
                if one not in known and self._age_s(self.hub.archive.object_path(one)) > UNREGISTERED_S:
                    yield one

    def _nobodys(self, digest: str) -> Finding:
        what = (
            f"the archived object {digest} belongs to no arrival: its sender's program ended before the hub had "
            "answered, or the database is older than the archive. It does no harm; the sender sends it again"
        )
        return Finding(Kind.NOBODYS_BYTES, RESERVED_CAMPUS, digest, what, "kept as it is")

    # ---- leftovers and rows

    def _leftovers(self) -> list[Finding]:
        """Half files of killed processes, which nobody will ever read. All that a look removes is told beforehand in
        one entry, and looked at once more while holds keep still (decisions/0034)."""
        settings = self.hub.settings
        with self.hub.db.read() as tx:
            old = self._not_held(tx, self._half_files())
        done = None
        if old and not self.dry_run:
            names = [str(path.relative_to(settings.home)) for path in old[:_NAMED]]
            with self.hub.db.write() as tx:
                self._audit(tx, RESERVED_CAMPUS, "removed", "half files", None, {"count": len(old), "names": names})
            with self.hub.db.write() as tx:
                retention.keep_holds_still(tx)
                old = self._not_held(tx, old)
                for path in old:
                    path.unlink(missing_ok=True)
            done = "removed"
        return [
            Finding(
                Kind.LEFTOVER, RESERVED_CAMPUS, path.name, f"{path.relative_to(settings.home)} was never finished", done
            )
            for path in old
        ]

    def _half_files(self) -> list[Path]:
        settings = self.hub.settings
        checkpoints = [folder for one in settings.checkpoints.values() for folder in one.glob("*")]
        drafts = [
            settings.home,
            settings.keys,
            *settings.campus_keys.glob("*"),
            settings.staged,
            *settings.receipts.glob("*"),
            *settings.receipts.glob("*/*"),
            *settings.ledgers.glob("*/*"),
            *checkpoints,
        ]
        return [
            *_old(self.hub.archive.incoming, "", self.now()),
            *_old(settings.staged, ".staging-", self.now()),
            *(path for folder in drafts for path in _old(folder, ".draft-", self.now())),
        ]

    def _not_held(self, tx: Transaction, paths: list[Path]) -> list[Path]:
        """Half a copy of what somebody sent does not tell whose it is, so any hold that stands may be about it. The
        other half files are drafts of what the hub writes itself: no hold is about them."""
        if not self.hub.holds.any_stands(tx):
            return paths
        return [path for path in paths if path.parent != self.hub.archive.incoming]

    def _rows(self) -> Iterator[Finding]:
        for line in conservation(self.hub):
            if not line["balanced"]:
                scope = f"{line['campus']} {line['feed']} {line['received_day']}"
                what = f"{scope}: rows received are not the sum of what became of them: {json.dumps(line)}"
                yield Finding(Kind.ROWS_UNACCOUNTED, str(line["campus"]), scope, what)

    # ---- small things

    def _submission(self, request_id: str | None) -> Submission | None:
        if request_id is None:
            return None
        with self.hub.db.read() as tx:
            return submissions.find(tx, request_id)

    def _age_s(self, path: Path) -> float:
        try:
            return self.now() - path.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    @staticmethod
    def _audit(
        tx: Transaction,
        campus: str,
        verb: str,
        subject: str,
        request_id: str | None,
        detail: dict[str, object],
    ) -> None:
        audit.append(tx, Event(campus, RECOVERY, f"recovery:{verb}", subject, request_id, detail))


def _failure_of(current: Submission, attempts: list[dict[str, object]]) -> Failure:
    """The failure as the submission and its last attempt tell it."""
    last = attempts[-1] if attempts else {}
    return Failure(
        error_type=str(last.get("error_type") or "Unknown"),
        reason=current.reason or "The reason was not recorded.",
        fix=current.fix or "",
        trace=str(last.get("trace") or ""),
        run_id=current.run_id,
    )


def _stretch(names: Iterable[str], after: str) -> list[str]:
    """The next names in order; from the first one again when the last stretch reached the end."""
    return heapq.nsmallest(_NAMES_AT_ONCE, (name for name in names if name > after))


def _end(names: list[str], worked_on: list[str]) -> str:
    """Where the next stretch begins: after what there was time for, or at the first name again."""
    if len(worked_on) == _AT_ONCE:
        return worked_on[-1]
    return names[-1] if len(names) == _NAMES_AT_ONCE else ""


def _old(folder: Path, prefix: str, now: float) -> Iterator[Path]:
    """Files of a folder that nobody has written to for a day."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                named = entry.name.startswith(prefix) and entry.is_file(follow_symlinks=False)
                if named and now - entry.stat(follow_symlinks=False).st_mtime > _LEFT_S:
                    yield Path(entry.path)
    except (FileNotFoundError, NotADirectoryError):
        return
