"""Recounts for auditors: the statements behind the asset checks and `hub audit verify`.

Nothing here trusts a stored total: rows are counted in the archived bytes, in the journal and among the
rejections; digests and hashes are computed again.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from hub_pipelines import vouching
from hub_pipelines.archive.objects import envelope_in
from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import MEND, ChainReport, Event
from hub_pipelines.common.canonical import sha256_hex
from hub_pipelines.common.errors import Permanent
from hub_pipelines.common.misfits import store as misfits
from hub_pipelines.drift.judging import Judged
from hub_pipelines.drift.model import Kind
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.counting import store as counting
from hub_pipelines.ledger.entries import store as ledger_entries
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.model import CHAIN, REGISTRY_LEDGER
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.ledger.proofs import RowProof, digest_version_of, entries_of, is_when_entered
from hub_pipelines.ledger.registry.store import count_tags
from hub_pipelines.ledger.snapshots import store as snapshots
from hub_pipelines.mapping.decision import Decision
from hub_pipelines.portals import store as portals
from hub_pipelines.review import store as reviews
from hub_pipelines.review.model import ItemState, dismissal, replacement
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import MESSAGES, Envelope, State, Submission
from hub_pipelines.validate.messages import contents_of
from hub_pipelines.validate.model import SUPERSEDED, excel_row

_HEADINGS_SHOWN = 50
_MISSED_SHOWN = 50
_OPENINGS = ("submission:applied_again", "review:replayed")
"""What opens a submission's next revision."""
_CLOSINGS = {
    "review:replayed": ItemState.REPLAYED,
    "review:dismissed": ItemState.DISMISSED,
    "review:resubmitted": ItemState.RESUBMITTED,
}
"""What closes a review item, and as what."""


@dataclass(frozen=True, slots=True)
class Account:
    """Rows of one posted submission, each figure from its own source."""

    in_archived_file: int
    journal_entries: int
    unchanged: int
    rejected_rows: int
    superseded_rows: int

    @property
    def balanced(self) -> bool:
        rest = self.unchanged + self.rejected_rows + self.superseded_rows
        return self.in_archived_file == self.journal_entries + rest

    def document(self) -> dict[str, int]:
        return asdict(self)


def account_for(hub: Hub, request_id: str) -> Account:
    with hub.db.read() as tx:
        current = submissions.get(tx, request_id)
        entries = ledger_entries.count_rows(tx, request_id, current.revision)
        rejected = ledger_problems.count_rejected_rows(tx, request_id, current.revision)
        superseded = len(ledger_problems.rows_of_rules(tx, request_id, current.revision, SUPERSEDED))
    return Account(
        in_archived_file=hub.recounts.of(current, last=True).rows,
        journal_entries=entries,
        unchanged=current.counts.unchanged,
        rejected_rows=rejected,
        superseded_rows=superseded,
    )


@dataclass(frozen=True, slots=True)
class Tags:
    """Tags of one posted submission, asked of the registry as it is now."""

    posted: int
    posted_unregistered: int
    rejected_as_unknown: int
    registry_version: int

    @property
    def all_registered(self) -> bool:
        return self.posted_unregistered == 0 and self.rejected_as_unknown == 0

    def document(self) -> dict[str, int]:
        return asdict(self)


def tags_of(hub: Hub, request_id: str) -> Tags:
    """A submission of a record type without tags has none."""
    with hub.db.read() as tx:
        current = submissions.get(tx, request_id)
        posting = ledger_outcomes.find_posting(tx, request_id, current.revision)
        unknown = ledger_problems.count_of_rule(tx, request_id, current.revision, "tag_not_in_registry")
        version, _ = ledger_items.current_version(tx, REGISTRY_LEDGER)
        record = hub.feeds[current.envelope.feed].record_type(posting.ledger.partition("@")[0]) if posting else None
        posted = unregistered = 0
        if record is not None and record.tag_column is not None:
            is_whole_key = len(record.key_columns) == 1
            posted, unregistered = count_tags(tx, request_id, current.revision, is_whole_key=is_whole_key)
    return Tags(posted, unregistered, unknown, version)


@dataclass(frozen=True, slots=True)
class CountedItems:
    """What a submission says as a complete count; one that is none misses nothing. `first` of what was not found."""

    is_count: bool
    locations: int = 0
    not_found: int = 0
    still_missing: int = 0
    listed_in_rejected_rows: int = 0
    first: tuple[str, ...] = ()

    @property
    def all_found(self) -> bool:
        return self.still_missing == 0

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "first": list(self.first)} if self.is_count else {"complete_count": "no"}


def count_of(hub: Hub, request_id: str) -> CountedItems:
    """Of the submission's newest posting; each figure is counted in the table of what counts have missed."""
    with hub.db.read() as tx:
        current = submissions.get(tx, request_id)
        posting = ledger_outcomes.find_posting(tx, request_id, current.revision)
        if posting is None or posting.counted is None:
            return CountedItems(is_count=False)
        missed = counting.of_count(tx, request_id, current.revision)
    not_found = [one for one in missed if one.missed.row_no is None]
    missing = [one for one in not_found if one.found_at is None]
    return CountedItems(
        is_count=True,
        locations=len(posting.counted),
        not_found=len(not_found),
        still_missing=len(missing),
        listed_in_rejected_rows=len(missed) - len(not_found),
        first=tuple(f"{one.missed.key} at {one.missed.location}" for one in missing[:_MISSED_SHOWN]),
    )


@dataclass(frozen=True, slots=True)
class Headers:
    """The header of one submission beside what its source had before it came."""

    judged: Judged

    @property
    def as_before(self) -> bool:
        return self.judged.kind in (Kind.FIRST, Kind.SAME, Kind.MIGRATED)

    @property
    def _gone(self) -> list[str]:
        change = self.judged.change
        lost = [one.heading or one.column for one in change.lost] if self.judged.kind is Kind.NARROWED else []
        return [*lost, *change.gone]

    def document(self) -> dict[str, str]:
        change = self.judged.change
        return {
            "headers": str(self.judged.kind),
            "shape": self.judged.shape.fingerprint,
            "shape_before": self.judged.compared_with or "none",
            "new_headings": ", ".join(one.heading for one in change.gained[:_HEADINGS_SHOWN]) or "none",
            "headings_gone": ", ".join(self._gone[:_HEADINGS_SHOWN]) or "none",
            "migration": self.judged.migration.reference if self.judged.migration else "none",
        }


def decision_of(hub: Hub, request_id: str) -> Decision | None:
    """By what a submission was read; None when it was read before decisions were kept. Raises DecisionLost."""
    with hub.db.read() as tx:
        return hub.judge.mappings.decision_of(tx, submissions.get(tx, request_id).decision)


def headers_of(hub: Hub, request_id: str) -> Headers:
    """Read from the archived file. Raises Unreadable when its header does not do by itself."""
    with hub.db.read() as tx:
        current = submissions.get(tx, request_id)
    decision = decision_of(hub, request_id)
    feed = hub.feeds[current.envelope.feed]
    shapes = hub.judge.mappings.shapes
    header = hub.recounts.of(current, last=False).header
    if decision is None or decision.mapping is None:
        return Headers(shapes.judged_without(current, feed, header))
    narrow = feed.only(decision.mapping.record_type)
    return Headers(shapes.judged_without(current, narrow, header, decision.judged))


def conservation(hub: Hub) -> list[dict[str, Any]]:
    """The conservation equation per campus, feed and received day; posted rows are counted in the journal."""
    with hub.db.read() as tx:
        lines = submissions.rows_by_scope(tx)
        recounted = ledger_entries.count_by_scope(tx)
    found = []
    for campus, feed, day, counts in lines:
        entries = recounted.get((campus, feed, day), 0)
        found.append(
            {
                "campus": campus,
                "feed": feed,
                "received_day": day.isoformat(),
                **counts.document(),
                "journal_entries": entries,
                "balanced": counts.accounted and entries == counts.posted,
            }
        )
    return found


def verify_all(hub: Hub, copy: Path | None = None) -> ChainReport:
    """Walk the audit chains beside their checkpoints (and a copy of these), then what they vouch for: journal digests,
    archived bytes, signatures, decisions, pages of portals, snapshots, records beside the ledgers, findings, legal
    holds. What can't even be read comes first.
    """
    report = hub.checkpoints.verify(copy)
    if not report.ok:
        return report
    looks = (
        _first_misfit,
        _first_bad_posting,
        _first_bad_object,
        _first_bad_standing,
        _first_bad_decision,
        _first_bad_conflict,
        _first_bad_page,
        _first_bad_snapshot,
        first_bad_record,
    )
    fault = next((fault for look in looks if (fault := look(hub)) is not None), None)
    fault = fault or hub.findings.first_astray()
    fault = fault or next((f"{one}. {MEND}" for one in hub.holds.astray()), None)
    return replace(report, first_bad=fault)


def _first_misfit(hub: Hub) -> str | None:
    with hub.db.read() as tx:
        return misfits.first_misfit(tx, besides={audit.audit_entry.name})  # the chain's walk tells of those


def _first_bad_posting(hub: Hub) -> str | None:
    """Postings as the audit chain tells them, against journal, idempotency records and ledger as they are now."""
    entries = 0
    with hub.db.read() as tx:
        for entry in list(audit.entries_named(tx, "submission:posted")):
            detail, request_id = entry.event.detail, str(entry.event.request_id)
            revision = int(str(detail["revision"]))
            entries += entries_of(entry)
            made = digest_version_of(entry)
            if ledger_entries.digest_of(tx, request_id, revision, made) != detail["rows_digest"]:
                return f"{request_id}: its journal rows are not the ones that were posted"
            if not all(is_when_entered(entry, one) for one in ledger_entries.posted_at(tx, request_id, revision)):
                return f"{request_id}: the journal has another moment of its posting than the audit log"
            stored = ledger_outcomes.stored_outcome(tx, request_id, revision)
            if stored is None or not stored.items() <= detail.items():
                return f"{request_id}: the record of its posting is missing or was changed"
            if ledger_problems.count_rejected_rows(tx, request_id, revision) != int(str(detail["rejected"])):
                return f"{request_id}: rows that its posting rejected are missing, or others were added"
            superseded = ledger_problems.rows_of_rules(tx, request_id, revision, SUPERSEDED)
            if len(superseded) != int(str(detail.get("superseded", 0))):
                return f"{request_id}: rows that gave way to newer ones are missing, or others were added"
        if ledger_entries.journal_size(tx) != entries:
            return "journal: it holds entries that no posting vouches for"
        misfold = ledger_entries.first_misfold(tx)
        miscount = snapshots.first_miscount(tx)
    if miscount:
        return f"{miscount}: the count of this day's entries is not what its journal says"
    return f"{misfold}: the ledger is not what its journal says" if misfold else None


def _first_bad_standing(hub: Hub) -> str | None:
    """Where submissions stand, against the last posting and the last opening that the audit chain tells of each."""
    posted: dict[str, tuple[int, datetime]] = {}
    opened: dict[str, int] = {}
    with hub.db.read() as tx:
        for entry in audit.entries_named(tx, "submission:posted", *_OPENINGS):
            detail, request_id = entry.event.detail, str(entry.event.request_id)
            revision = int(str(detail["revision"]))
            if entry.event.event in _OPENINGS:
                opened[request_id] = max(opened.get(request_id, 0), revision)
            else:
                posted[request_id] = revision, datetime.fromisoformat(str(detail["posted_at"]))
        for request_id, state, revision, posted_at in submissions.standings(tx):
            told, at_told = posted.get(request_id, (0, None))
            if (state == State.POSTED) != (revision == told):
                return f"{request_id}: it is {state}, and the audit log tells otherwise of its posting"
            if revision != told and told and opened.get(request_id) != revision:
                return f"{request_id}: the audit log does not tell that it was opened again after its posting"
            if posted_at != at_told:
                return f"{request_id}: its record has another moment of its posting than the audit log"
    return None


def _first_bad_decision(hub: Hub) -> str | None:
    """What people have decided about review items, as the audit chain tells it, against the items as they are now."""
    with hub.db.read() as tx:
        told = {entry.event.subject: entry.event for entry in audit.entries_named(tx, *_CLOSINGS)}
        for item_id, (state, by, words, replaced_by) in reviews.closings(tx):
            event = told.pop(item_id, None)
            if event is not None and not _is_as_decided(event, state, by, words, replaced_by):
                return f"{item_id}: what was decided about it is not what the audit log tells"
    if told:
        return f"{next(iter(told))}: the audit log tells of a decision about it, and its record is missing or open"
    return None


def _is_as_decided(event: Event, state: str, by: str | None, words: str | None, replaced_by: str | None) -> bool:
    if (state, by) != (_CLOSINGS[event.event], event.actor):
        return False
    detail = event.detail
    if state == ItemState.DISMISSED:
        return words == dismissal(str(detail["reason"]), str(detail.get("note", "")))
    if state == ItemState.RESUBMITTED:
        return replaced_by == detail["replaced_by"] and words == replacement(str(replaced_by))
    return True  # with which words a replay was asked for is told by what it was asked for


def first_bad_record(hub: Hub) -> str | None:
    """Records beside the ledgers against what the audit chains tell of them."""
    looks = (
        vouching.first_bad_arrival,
        vouching.first_bad_attempt,
        vouching.first_bad_reading,
        vouching.first_bad_shape,
    )
    with hub.db.read() as tx:
        return next((fault for look in looks if (fault := look(tx)) is not None), None)


class NoProof(Permanent):
    """A row that can't be proved; the text says why."""


def prove_row(hub: Hub, request_id: str, row: int) -> RowProof:
    """That a row of a submission's newest posting is in the journal; `row` is its number as Excel shows it.

    Reads all of the posting's entries once. Raises NoProof.
    """
    with hub.db.read() as tx:
        current = submissions.get(tx, request_id)
        audited = [
            entry
            for entry in audit.entries_of(tx, request_id)
            if entry.event.event == "submission:posted" and entry.event.detail["revision"] == current.revision
        ]
        digests: list[bytes] = []
        places: list[tuple[int, int]] = []
        made = digest_version_of(audited[-1]) if audited else CHAIN
        for entry, digest in ledger_entries.of_posting(tx, request_id, current.revision, made):
            if row in (entry.row_no, excel_row(entry.row_no)):
                places.append((len(digests), entry.row_no))
            digests.append(digest)
        exact = [place for place in places if place[1] == row] or places
        _require_one(row, exact, is_proved=made != CHAIN)
        (index, row_no), *_ = exact
        found = ledger_entries.of_row(tx, request_id, current.revision, row_no)
    return RowProof.of(found, index, digests, audited[-1])


def _require_one(row: int, places: list[tuple[int, int]], *, is_proved: bool) -> None:
    if not is_proved:
        raise NoProof(
            "The submission has not posted, or did so before the hub kept what is needed to prove single rows.",
            "`hub audit verify` compares all of its rows.",
        )
    if not places:
        raise NoProof(
            f"Row {row} has made no journal entry: it was already up to date, was rejected, or is not in the file.",
            "`hub why` tells what became of it.",
        )
    if len(places) > 1:
        numbers = ", ".join(str(row_no) for _, row_no in places)
        raise NoProof(f"There is a row {row} in several sheets.", f"Name one by its whole number: {numbers}.")


def _first_bad_snapshot(hub: Hub) -> str | None:
    """Published files against the digests that were recorded of them, and those against the audit chain."""
    with hub.db.read() as tx:
        published = snapshots.all_published(tx)
        told = {
            (entry.event.subject, entry.event.campus, entry.event.detail["ledger_date"]): entry.event.detail
            for entry in audit.entries_named(tx, "ledger:published")
        }
    for one in published:
        name = f"{one.ledger} {one.campus} {one.ledger_date}"
        detail = told.pop((one.ledger, one.campus, one.ledger_date.isoformat()), {})
        if (detail.get("content_digest"), detail.get("file_digest")) != (one.content_digest, one.file_digest):
            return f"{name}: the record of the published snapshot is not what the audit log tells"
        if not hub.snapshots.is_genuine(one):
            return f"{name}: the published snapshot is missing or was changed"
    gone = next(iter(told), None)
    return f"{' '.join(map(str, gone))}: the record of the published snapshot is missing" if gone else None


def _first_bad_page(hub: Hub) -> str | None:
    """Pages of portals, as the audit chain tells of each poll, against their records, signatures and archived bytes."""
    with hub.db.read() as tx:
        polls = [entry.event.detail for entry in audit.entries_named(tx, "portal:polled")]
        pages = {str(one["poll_id"]): portals.pages_of(tx, str(one["poll_id"])) for one in polls}
    for poll in polls:
        found = pages[str(poll["poll_id"])]
        digests = [one.content_digest for one in found]
        if (len(found), portals.digest_of_pages(digests)) != (poll["pages"], poll["pages_digest"]):
            return f"{poll['poll_id']}: the records of its pages are not what the audit log tells"
        for page in found:
            envelope = Envelope.from_document(page.envelope)
            try:
                hub.keys.verify(envelope)
                hub.archive.verify(envelope.content_digest)
                hub.archive.verify_document(hub.archive.page_path(envelope))
            except Permanent as error:
                return f"{poll['poll_id']}, page {page.number}: {_said(error)}"
            if envelope.content_digest != page.content_digest:
                return f"{poll['poll_id']}, page {page.number}: its record is not the one that was signed"
    return None


def _first_bad_object(hub: Hub) -> str | None:
    """What came, as the audit chain tells it, against records, envelopes and archived bytes as they are now."""
    archived: dict[str, tuple[str, Path]] = {}
    with hub.db.read() as tx:
        told = {
            str(entry.event.request_id): entry.event.detail["content_digest"]
            for entry in audit.entries_named(tx, "submission:received")
        }
        batches: list[Submission] = []
        if without_state := submissions.first_without_state(tx):
            return f"{without_state}: it is in no state that there is"
        for current in submissions.everything(tx):
            digest = told.pop(current.request_id, None)
            if digest is None:
                return f"{current.request_id}: the audit log does not tell that it was received"
            if digest != current.envelope.content_digest:
                return f"{current.request_id}: its record tells of other bytes than the audit log"
            try:
                hub.keys.verify(current.envelope)
            except Permanent as error:
                return f"{current.request_id}: {error.reason}"
            archived[current.request_id] = str(digest), hub.archive.envelope_path(current.envelope)
            if current.envelope.channel == MESSAGES:
                batches.append(current)
    if told:
        return f"{next(iter(told))}: the audit log tells that it was received, and its record is missing"
    # outside of the transaction: PostgreSQL would end one that is idle while gigabytes are read
    for name, (digest, envelope) in archived.items():
        try:
            hub.archive.verify(digest)
            hub.archive.verify_document(envelope)
        except Permanent as error:
            return f"{name}: {_said(error)}"
    return next((fault for one in batches if (fault := _first_bad_message(hub, one)) is not None), None)


def _said(error: Permanent) -> str:
    """What is wrong, and what mends it where a command of the hub does."""
    return f"{error.reason} {error.fix}" if "`hub " in error.fix else error.reason


def _first_bad_conflict(hub: Hub) -> str | None:
    """Bytes that came under the key of something else. The database has no envelope of theirs: the archived one must
    be genuine, and a message has none."""
    with hub.db.read() as tx:
        conflicts = [entry.event for entry in audit.entries_named(tx, "submission:conflict", "message:conflict")]
    files = [one for one in conflicts if one.event == "submission:conflict"]
    for one in conflicts:
        try:
            hub.archive.verify(str(one.detail["content_digest"]))
        except Permanent as error:
            return f"{one.subject}, a conflict with {one.request_id}: {error.reason}"
    lost = next((one for one in files if not _has_envelope(hub, one)), None)
    what = "its archived envelope is missing or was changed. Restore it from a backup."
    return f"{lost.subject}, a conflict with {lost.request_id}: {what}" if lost else None


def _has_envelope(hub: Hub, conflict: Event) -> bool:
    for envelope in filter(None, map(envelope_in, hub.archive.envelopes_of(str(conflict.request_id)))):
        told = (envelope.request_id, envelope.source_name, envelope.content_digest)
        if told == (conflict.request_id, conflict.subject, conflict.detail["content_digest"]):
            try:
                hub.keys.verify(envelope)
            except Permanent:
                continue
            return True
    return False


def _first_bad_message(hub: Hub, batch: Submission) -> str | None:
    """Each message of a batch against the envelope that was signed when it came."""
    for row_no, (document, body) in enumerate(contents_of(hub.archive.object_path(batch.envelope.content_digest)), 1):
        envelope = Envelope.from_document(document)
        try:
            hub.keys.verify(envelope)
        except Permanent as error:
            return f"{batch.request_id}: message {row_no}: {error.reason}"
        if sha256_hex(body) != envelope.content_digest:
            return f"{batch.request_id}: message {row_no} is not the one that was signed"
    return None
