"""The pages that list receipts: `receipts/index.html` for all campuses, `receipts/<campus>/index.html` for one.

Belongs here: which receipts a page lists, and when it must be written again. Not here: words and layout (`render`).
A receipt that is written marks its campus as changed; the next tick writes the pages once for all of them.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from hub_pipelines.common.clock import utc_now
from hub_pipelines.common.errors import HubError
from hub_pipelines.common.files import write_replacing
from hub_pipelines.common.scope import RESERVED_CAMPUS, Campus
from hub_pipelines.common.store import Database, Transaction
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.intake.service import source_key
from hub_pipelines.ledger.counting import store as missed
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.report import outcomes
from hub_pipelines.report.corrections import is_part, left_by_parts
from hub_pipelines.report.model import Counts, FeedIndex, Index, IndexLine, PreviewLine
from hub_pipelines.report.places import Places
from hub_pipelines.report.workbook import store as workbooks
from hub_pipelines.review import store as reviews
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import MESSAGES, Cause, State, Submission
from hub_pipelines.submission.versions import store as versions

_log = logging.getLogger(__name__)
_COUNTED_AT_MOST = 100_000
_REPLACED = "a newer copy was sent in its place"
_COPIES = 20
_NO_ROWS = Counts(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class ReceiptIndex:
    """Writes the pages. Raises OSError when a folder can't be written and Transient; `refresh` logs them instead."""

    db: Database
    places: Places
    campuses: dict[str, Campus]
    rows_elsewhere: Callable[[Submission], int]
    """Of tables in a file that were not read."""
    lines_per_feed: int = 200
    lines_per_feed_of_all: int = 25
    """On the page of all campuses."""
    previews: int = 25

    def path(self, campus: str | None = None) -> Path:
        """The page of a campus, or of all."""
        return (self.places.root / campus if campus else self.places.root) / "index.html"

    def mark(self, campus: str) -> None:
        """A receipt of this campus was written: its pages are behind."""
        marker = self._marker(campus)
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        now = time.time_ns()  # finer than the time that the file system gives by itself
        os.utime(marker, ns=(now, now))

    def refresh(self, campus: str | None = None) -> list[Path]:
        """Write the pages that are behind, of one campus or of all; cheap when none is."""
        known = [campus] if campus else self._campuses()
        behind = [one for one in known if self._is_behind(self.path(one), one)]
        written = [page for one in behind if (page := self._tried(one))]
        if any(self._is_behind(self.path(), one) for one in known) and (page := self._tried(None)):
            written.append(page)
        return written

    def write(self, campus: str | None = None) -> Path:
        """Write the page of a campus, or of all, as things stand now."""
        from hub_pipelines.report.index_page import to_index_html

        path = self.path(campus)
        seen_ns = time.time_ns()
        html = to_index_html(self.gather(campus))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_replacing(path, html)
        os.utime(path, ns=(seen_ns, seen_ns))  # what is marked from here on is not on the page
        return path

    def gather(self, campus: str | None = None) -> Index:
        """What a page tells; the page of all campuses shows fewer lines of each feed, and knows of as many."""
        with self.db.read() as tx:
            feeds = [
                self._feed(tx, one, feed, self.path(campus).parent)
                for one in ([campus] if campus else self._campuses())
                for feed in arrivals.feeds_of(tx, one)
            ]
            feeds = [feed for feed in feeds if feed.lines or feed.older or feed.of_messages]
            previews = [
                line
                for one in ([campus] if campus else self._campuses())
                for feed in arrivals.feeds_of(tx, one)
                for line in self._previews(tx, one, feed, self.path(campus).parent)
            ]
        attention = [line for feed in feeds for line in feed.lines if line.needs_attention]
        return Index(
            campus=campus,
            written_at=utc_now(),
            time_zone=self._time_zone(campus or feeds[0].campus if feeds else campus),
            attention=tuple(sorted(attention, key=lambda line: line.at, reverse=True)),
            feeds=tuple(feeds),
            shown_per_feed=self.lines_per_feed if campus else self.lines_per_feed_of_all,
            previews=tuple(sorted(previews, key=lambda line: line.at, reverse=True)[: self.previews]),
        )

    def _campuses(self) -> list[str]:
        return [*sorted(self.campuses), RESERVED_CAMPUS]

    def _marker(self, campus: str) -> Path:
        return self.places.root / campus / ".changed"

    def _is_behind(self, page: Path, campus: str) -> bool:
        with suppress(FileNotFoundError):
            marked = self._marker(campus).stat().st_mtime_ns
            with suppress(FileNotFoundError):
                return marked >= page.stat().st_mtime_ns
            return True
        return False

    def _tried(self, campus: str | None) -> Path | None:
        try:
            return self.write(campus)
        except (OSError, HubError):
            _log.exception("The index of receipts could not be written; the next tick tries again.")
            return None

    def _feed(self, tx: Transaction, campus: str, feed: str, folder: Path) -> FeedIndex:
        most = self.lines_per_feed
        sent = submissions.files_of(tx, campus, feed, limit=most)
        waiting = submissions.in_review(tx, campus, feed, limit=most)
        again = arrivals.unprocessed(tx, campus, feed, limit=most)
        undecided = reviews.open_conflicts(tx, campus)
        all_sent = {one.request_id: one for one in (*waiting, *sent)}.values()
        # what replaces a file is newer, so it is listed when the file is
        corrections = [one for one in all_sent if one.revises and outcomes.corrects(tx, one)]
        parts = {one.request_id for one in all_sent if one.revises and is_part(tx, one)}
        revised = {one.revises for one in corrections if one.request_id not in parts or one.revises in parts}
        gave_parts = workbooks.files_of_parts(tx, [one.request_id for one in all_sent if one.counts.rejected])
        by_parts = {one.request_id: left_by_parts(tx, one) for one in all_sent if one.request_id in gave_parts}
        left = {request_id: rows for request_id, rows in by_parts.items() if rows is not None}
        revised |= {request_id for request_id, rows in left.items() if not rows}
        counted_again = {one.revises for one in corrections if one.envelope.complete_count}
        overtaken = versions.overtaken(tx, [one.request_id for one in all_sent if one.state is State.IN_REVIEW])
        zone = self._time_zone(campus)
        postings = ledger_outcomes.find_postings(tx, {one.request_id: one.revision for one in all_sent})
        lines = [
            self._line(
                one,
                postings.get(one.request_id),
                folder,
                zone,
                missing=missing,
                places=places,
                registry=outcomes.waits_for_registry(tx, one),
                replaced=one.request_id in (counted_again if missing else revised),
                overtaken=elsewhere or one.request_id in overtaken,
                left=None if one.request_id in revised else left.get(one.request_id),
                is_part=one.request_id in parts,
            )
            for one in all_sent
            for missing in [_still_missing(tx, one)]
            for places in [_places(tx, one)]
            for elsewhere in [_taken_elsewhere(tx, one)]
        ]
        lines += [
            self._line_of_arrival(
                one,
                folder,
                zone,
                undecided=(one.request_id, one.content_digest) in undecided,
                still_open=outcomes.still_open_of_copy(tx, one),
            )
            for one in again
        ]
        lines.sort(key=lambda line: line.at, reverse=True)
        lines = [*lines[:most], *(line for line in lines[most:] if line.outcome in ("in_review", "question"))]
        files = submissions.count_files(tx, campus, feed, at_most=_COUNTED_AT_MOST)
        total = files + arrivals.count_unprocessed(tx, campus, feed, at_most=_COUNTED_AT_MOST)
        listed = len(lines) - sum(one.envelope.channel == MESSAGES for one in waiting)
        return FeedIndex(
            campus,
            feed,
            tuple(_without_mended(lines)),
            max(0, total - listed),
            total >= _COUNTED_AT_MOST,
            _link(self.places.folder_of_messages(campus, feed), folder),
        )

    def _line(
        self,
        current: Submission,
        posting: Posting | None,
        folder: Path,
        zone: str,
        *,
        missing: int,
        places: tuple[int | None, int],
        registry: outcomes.Registry,
        replaced: bool,
        overtaken: bool,
        left: int | None,
        is_part: bool,
    ) -> IndexLine:
        counts = replace(outcomes.counts(current, posting), elsewhere=self.rows_elsewhere(current))
        nothing = current.state is State.POSTED and not (counts.posted or counts.unchanged)
        waits = current.state is State.IN_REVIEW
        # a file that its sender had to mend is nobody's concern once it was; any other waits for a person's decision
        is_done = overtaken and current.cause is Cause.UNREADABLE if waits else replaced
        set_aside = replaced and current.state is State.DISMISSED
        return IndexLine(
            source_name=current.envelope.source_name,
            campus=current.envelope.campus,
            feed=current.envelope.feed,
            outcome=outcomes.shown(current),
            headline_reason=_REPLACED if set_aside else outcomes.headline_reason(current, registry),
            cause=str(current.cause) if current.state is State.IN_REVIEW else None,
            complete_count=current.envelope.complete_count,
            replaced=overtaken if current.state is State.IN_REVIEW else replaced,
            only_registry=registry.is_all,
            no_list=registry.waiting,
            to_correct=registry.other if registry else counts.rejected if left is None else left,
            rows_left=left,
            is_part=is_part,
            list_has_come=registry.has_come,
            counts=counts,
            at=current.envelope.received_at,
            time_zone=zone,
            page=_link(self.places.page_of(current), folder),
            needs_attention=not is_done
            and (
                waits
                or bool(counts.rejected or counts.elsewhere or counts.worth_a_look or missing)
                or nothing
                or places[0] == 0
                or places[1] > 0
            ),
            still_missing=missing,
            places_counted=places[0],
            places_left=places[1],
        )

    def _line_of_arrival(
        self, arrival: Arrival, folder: Path, zone: str, *, undecided: bool, still_open: tuple[str, ...]
    ) -> IndexLine:
        return IndexLine(
            source_name=arrival.source_name,
            campus=arrival.scope.campus,
            feed=arrival.scope.feed,
            outcome=outcomes.shown_arrival(arrival.outcome),
            headline_reason=outcomes.clause(arrival.reason),
            fix=arrival.fix,
            still_open=still_open,
            counts=_NO_ROWS,
            at=arrival.arrived_at,
            time_zone=zone,
            page=_link(self.places.page_of_arrival(arrival), folder),
            needs_attention=undecided or arrival.outcome is Outcome.REFUSED,
        )

    def _previews(self, tx: Transaction, campus: str, feed: str, folder: Path) -> list[PreviewLine]:
        zone = self._time_zone(campus)
        return [
            PreviewLine(
                source_name=arrival.source_name,
                campus=campus,
                feed=feed,
                at=arrival.arrived_at,
                time_zone=zone,
                page=_link(self.places.page_of_preview(arrival), folder),
                told=told,
            )
            for arrival, told in arrivals.previews(tx, campus, feed, limit=self.previews)
        ]

    def _time_zone(self, campus: str | None) -> str:
        known = self.campuses.get(campus or "") or next(iter(self.campuses.values()))
        return known.time_zone


def _still_missing(tx: Transaction, current: Submission) -> int:
    if not current.envelope.complete_count or current.state is not State.POSTED:
        return 0
    return missed.still_missing(tx, current.request_id, current.revision)


def _taken_elsewhere(tx: Transaction, current: Submission) -> bool:
    """A file that did not fit its folder has posted from another one."""
    if current.state is not State.IN_REVIEW or current.cause is not Cause.UNREADABLE:
        return False
    same = submissions.of_digest(tx, current.envelope.content_digest, limit=_COPIES)
    return any(one.state is State.POSTED and one.envelope.campus == current.envelope.campus for one in same)


def _places(tx: Transaction, current: Submission) -> tuple[int | None, int]:
    """How many locations a complete count names, and how many more the same list had before."""
    if not current.envelope.complete_count or current.state is not State.POSTED:
        return None, 0
    posting = ledger_outcomes.find_posting(tx, current.request_id, current.revision)
    if posting is None or posting.counted is None:
        return None, 0
    return len(posting.counted), len(posting.uncounted)


def _without_mended(lines: Iterable[IndexLine]) -> Iterator[IndexLine]:
    """The lines, newest first; one that a newer file of the same name follows needs nobody's attention any more.

    The newer one must have been taken, and have at least as many rows: a shorter one may not list what is open in the
    older. A file in review needs attention until a person has decided or its sender has mended it; so do items that a
    count did not find, until a newer count.
    """
    newer: dict[tuple[str, bool], int] = {}
    for line in lines:
        key = (source_key(line.source_name), bool(line.still_missing))
        if key not in newer or line.replaced or line.outcome in ("in_review", "question"):
            yield line
        elif newer[key] >= line.counts.received:
            yield replace(line, needs_attention=False, replaced=True, rows_left=None)
        else:
            yield replace(line, shorter_came=True)
        if line.outcome in ("posted", "nothing_posted") and line.counts.received and not line.is_part:
            for one in {(key[0], False), (key[0], line.complete_count)}:
                newer[one] = max(newer.get(one, 0), line.counts.received)


def _link(page: Path, folder: Path) -> str | None:
    """The way to a receipt from the page that lists it; None while it is not written."""
    return quote(page.relative_to(folder).as_posix()) if page.exists() else None
