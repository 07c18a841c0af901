"""Archived envelopes that are missing, or are not what was signed, while the database still has them.

Belongs here: which are looked at, and writing them again. Not here: envelopes without a record (service.py), and
whether what the database says is what the audit log tells (evidence.py). What is not signed is never written.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.errors import Permanent, Transient
from hub_pipelines.ending import RECOVERY
from hub_pipelines.hub import Hub
from hub_pipelines.recovery import store
from hub_pipelines.recovery.model import Finding, Kind, Position, Told
from hub_pipelines.submission.model import Envelope, Integrity

_AT_ONCE = 500
_SHARE = 0.1
"""Of the time that a look has, for submissions and for pages: each envelope is a file to be read."""

_Name = TypeVar("_Name", str, tuple[str, int])


@dataclass(frozen=True, slots=True)
class Envelopes:
    """Looks at a stretch of submissions and at one of pages of portals, each as long as there is time."""

    hub: Hub
    budget_s: float
    dry_run: bool

    def lost(self, position: Position) -> tuple[list[Finding], Position]:
        """What is not as it was signed, mended where that can be, and where the next look goes on."""
        archive = self.hub.archive
        told = Told("more envelopes were missing in the archive, or not what was signed")
        of_submission = partial(self._look_at, told, archive.envelope_path, archive.put_envelope)
        of_page = partial(self._look_at, told, archive.page_path, archive.put_page)
        submission = self._walk(store.envelopes_after, position.submissions_after, of_submission)
        page = self._walk(store.pages_after, position.pages_after, of_page)
        return told.all, replace(position, submissions_after=submission or "", pages_after=page or ("", 0))

    def _walk(
        self,
        ask: Callable[..., list[tuple[_Name, dict[str, Any]]]],
        after: _Name,
        look_at: Callable[[Envelope], None],
    ) -> _Name | None:
        """The last that was looked at; None after the end."""
        until = time.monotonic() + self.budget_s * _SHARE
        while True:
            with self.hub.db.read() as tx:
                some = ask(tx, after, limit=_AT_ONCE)
            for name, document in some:
                look_at(Envelope.from_document(document))
                after = name
            if len(some) < _AT_ONCE:
                return None
            if time.monotonic() > until:
                return after

    def _look_at(
        self, told: Told, path_of: Callable[[Envelope], Path], put: Callable[[Envelope], object], envelope: Envelope
    ) -> None:
        try:
            self.hub.archive.verify_document(path_of(envelope))
        except Integrity as error:
            what, done = f"{envelope.request_id}: {error.reason}", None
            if not self.dry_run:
                try:
                    done = self._write(put, envelope)
                except (Permanent, Transient, OSError) as fault:
                    what = f"{what} It can't be written again: {fault}"
            told.add(Finding(Kind.ENVELOPE_LOST, envelope.campus, envelope.request_id, what, done))

    def _write(self, put: Callable[[Envelope], object], envelope: Envelope) -> str:
        """The entry comes after the file: the archive writes one of its own before it replaces what was damaged."""
        self.hub.keys.verify(envelope)
        put(envelope)
        detail: dict[str, object] = {"content_digest": envelope.content_digest}
        told = (RECOVERY, "recovery:envelope_written", envelope.source_name, envelope.request_id, detail)
        with self.hub.db.write() as tx:
            audit.append(tx, Event(envelope.campus, *told))
        return "written again from the database, where it is as it was signed"
