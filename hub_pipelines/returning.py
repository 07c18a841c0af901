"""A workbook that comes back: whose it was, what it corrects, how it differs.

Belongs here: what follows from the mark in a file, under the lease of the run that has read it. Not here: finding the
mark in a workbook (validate.returned), its text and signature (report.workbook.token), reading and judging the rows:
a returned workbook is a submission like any other.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from hub_pipelines.archive.objects import Archive
from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.errors import HubError, Transient
from hub_pipelines.common.store import Database, Transaction
from hub_pipelines.drift.service import source_of
from hub_pipelines.intake.signing import KeyRing
from hub_pipelines.ledger.comparing.lists import list_key
from hub_pipelines.ledger.comparing.model import Seen
from hub_pipelines.ledger.entries import store as ledger_entries
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.mapping import store as mappings
from hub_pipelines.mapping.answering import Answers
from hub_pipelines.mapping.decision import rules_of
from hub_pipelines.mapping.opening import all_numbers_in, open_list
from hub_pipelines.mapping.service import headings_of
from hub_pipelines.report.corrections import file_of_part, gone_on, is_part, sent_before
from hub_pipelines.report.outcomes import TAG_RULE
from hub_pipelines.report.workbook import store, token
from hub_pipelines.report.workbook.model import Returned, ReturnState
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.leases import store as leases
from hub_pipelines.submission.model import UNSETTLED, Envelope, Integrity, Lease, State, Submission
from hub_pipelines.submission.receipting import store as receipting
from hub_pipelines.submission.versions import store as versions
from hub_pipelines.validate.columns import normalise_header
from hub_pipelines.validate.difference import Difference, compare_files
from hub_pipelines.validate.model import Feed, Table, Unreadable
from hub_pipelines.validate.returned import no_count, without_row_numbers
from hub_pipelines.validate.staging import StagedFile

_CELLS_KEPT = 200
_FILES_LOOKED_AT = 50
_REVISIONS_LOOKED_AT = 20
_LARGEST_COMPARED = 16 * 1024 * 1024
_ACTOR = "sender/returned workbook"
_OWN = "This workbook carries the mark of the very file that it is, so it was taken as a new file."
_OTHER = (
    "This workbook was given back for {0}, and the list in it now is another one, so it was taken as a new file. "
    "{0} still waits."
)
_FORGED = "This workbook carries a hidden mark that is not this hub's or was changed, so it was taken as a new file."
_UNKNOWN = "This workbook was given back for a file that this hub does not have any more; it was taken as a new file."


class CorrectsAnother(HubError):
    """Another submission of the family has posted meanwhile. The caller compares again."""


@dataclass(frozen=True, slots=True)
class Corrects:
    """The submission that a workbook corrects, and how it has posted."""

    submission: Submission
    posting: Posting
    by_part: bool = False
    """The workbook holds only the rows to be fixed."""


class WaitsForOriginal(Transient):
    """What a returned workbook corrects is not settled. The link is kept, so that it is due when that one is."""


@dataclass(frozen=True, slots=True)
class Returns:
    """Each step is repeatable and writes only under a living lease; raises LeaseLost."""

    db: Database
    keys: KeyRing
    archive: Archive
    answers: Answers

    def note(self, lease: Lease, current: Submission, table: Table) -> None:
        """Record what the mark in a file says, and link it to the submission that it corrects.

        Raises WaitsForOriginal while that one is on its way again: whichever posts last stays. Raises Unreadable, and
        links nothing, when it came into the folder of another campus or feed, or holds only the rows to be fixed and
        came as a complete count.
        """
        if table.returned is None:
            return
        is_other = self._is_another_list(table)
        waits_for: Submission | None = None
        with self.db.write() as tx:
            leases.hold(tx, lease)
            if store.return_of(tx, current.request_id, current.revision) is not None:
                return
            came, original = self._read(tx, current, table.returned)
            if original is not None and original.state is State.IN_REVIEW and is_other:
                note = _OTHER.format(original.envelope.source_name)
                came, original = _came(current, ReturnState.FOREIGN, note=note), None
            if original is None:
                store.add_return(tx, came)
                _audit(tx, current, "submission:mark_not_taken", {"why": str(came.state)})
                return
            if came.part and current.envelope.complete_count:
                raise no_count(current.envelope.feed)
            if current.request_id not in versions.in_place_of(tx, original):  # else a circle
                leases.set_revises(tx, lease, original.request_id)
            if original.state in UNSETTLED:
                waits_for = original
            else:
                self._link(tx, current, original, came, table)
        if waits_for is not None:
            raise WaitsForOriginal(f"{waits_for.envelope.source_name} is worked on again; this file corrects it.")

    def _link(self, tx: Transaction, current: Submission, original: Submission, came: Returned, table: Table) -> None:
        troubles = self._answered(tx, current, original, came, table)
        store.add_return(tx, replace(came, note=" ".join(troubles) or None))
        told: dict[str, object] = {"revises": original.request_id, "its_revision": came.original_revision}
        _audit(tx, current, "submission:revises", told)
        receipting.make_receipt_due(tx, original.request_id)  # it leads on to this one's

    def _read(self, tx: Transaction, current: Submission, mark: str) -> tuple[Returned, Submission | None]:
        try:
            read = token.read(self.keys, mark)
        except Integrity:
            return _came(current, ReturnState.FORGED, note=_FORGED), None
        scope = (current.envelope.campus, current.envelope.feed)
        if (read.campus, read.feed) != scope:
            raise _elsewhere(read, *scope)
        if read.request_id == current.request_id:
            return _came(current, ReturnState.FOREIGN, note=_OWN), None
        original = submissions.find(tx, read.request_id)
        if original is None:
            return _came(current, ReturnState.FOREIGN, note=_UNKNOWN), None
        before = original if read.part else sent_before(tx, original, current.envelope)
        besides = TAG_RULE if before.registry_version == 0 else ""
        revision = read.revision if before == original else before.revision
        problems = ledger_problems.count_blocking(tx, before.request_id, revision, besides=besides)
        return _came(current, ReturnState.VALID, read, problems=problems), original

    def _is_another_list(self, table: Table) -> bool:
        """Whether a workbook was used for a list of other columns than the one that waits for it: that one would be
        set aside, and its rows are not in here."""
        try:
            read = token.read(self.keys, str(table.returned))
        except Integrity:
            return False
        with self.db.read() as tx:
            original = submissions.find(tx, read.request_id)
        if (
            original is None
            or original.state is not State.IN_REVIEW
            or original.envelope.feed not in self.answers.feeds
        ):
            return False
        path = self.archive.object_path(original.envelope.content_digest)
        feed = self.answers.feeds[original.envelope.feed]
        try:
            with open_list(path, original.envelope.source_name, feed) as before:
                then = set(map(normalise_header, without_row_numbers(before).header)) - {""}
        except Unreadable:
            return False
        now = set(map(normalise_header, table.header))
        return len(then & now) < len(then) / 2

    def _answered(
        self, tx: Transaction, current: Submission, original: Submission, came: Returned, table: Table
    ) -> list[str]:
        """What waits for a person because of the original is answered by this file, and by what its sender wrote."""
        known, own = source_of(original.envelope), source_of(current.envelope)
        # what was written into it is taken once: people may have answered otherwise when it is applied again
        before = store.came_before(tx, current.request_id, current.revision)
        asked_now = original.revision == came.original_revision and not before
        answers = table.answers if asked_now else ()
        troubles = self.answers.from_sheet(tx, original, answers, actor=_ACTOR, replaced_by=current.request_id)
        if own == known:
            return troubles
        # it came under another name: what is remembered of its columns goes with it
        remembered, at_own = mappings.remembered(tx, known), mappings.remembered(tx, own)
        if at_own.is_empty and not remembered.is_empty and not before:
            moved = replace(remembered, source=own, version=at_own.version)
            mappings.add_version(tx, moved, by=_ACTOR, request_id=current.request_id)
        return troubles

    def corrects(self, tx: Transaction, current: Submission, ledger: str) -> Corrects | None:
        """Of a workbook that came back whole: the newest posting to this ledger among those of the file for which it
        was given back and what was made of that. Of one with only the rows to be fixed: that of the file itself."""
        came = store.return_of(tx, current.request_id, current.revision)
        original = submissions.find(tx, came.original) if came and came.original else None
        if came is None or original is None:
            return None
        postings = []
        for one in [file_of_part(tx, original)] if came.part else gone_on(tx, original):
            posting = ledger_outcomes.find_posting(tx, one.request_id, one.revision)
            if one.request_id == current.request_id or posting is None or posting.ledger != ledger:
                continue
            if not is_part(tx, one):
                postings.append(Corrects(one, posting, by_part=came.part))
        return max(postings, key=lambda one: (one.posting.ledger_version, one.posting.posted_at), default=None)

    def seen(self, tx: Transaction, current: Submission, ledger: str) -> Seen | None:
        """What the sender of a workbook that came back had before them; None of any other file."""
        came = store.return_of(tx, current.request_id, current.revision)
        original = submissions.find(tx, came.original) if came and came.original else None
        if came is None or original is None:
            return None
        return seen_by_sender(tx, original, current.envelope, ledger, part=came.part, revision=current.revision)

    def file_of_rows(self, current: Submission) -> Submission | None:
        """Of a workbook that came back with only the rows to be fixed: for which file it was given back."""
        with self.db.read() as tx:
            came = store.return_of(tx, current.request_id, current.revision)
            return submissions.find(tx, came.original) if came and came.part and came.original else None

    def before(self, tx: Transaction, current: Submission, ledger: str) -> Corrects | None:
        """The newest posting to this ledger of the same list as it was sent before, whole; of the last few files."""
        envelope = current.envelope
        if is_part(tx, current):
            return None
        for one in submissions.files_of(tx, envelope.campus, envelope.feed, limit=_FILES_LOOKED_AT):
            earlier = one.envelope.received_at < envelope.received_at
            if not earlier or list_key(one.envelope.source_name) != list_key(envelope.source_name):
                continue
            posting = ledger_outcomes.find_posting(tx, one.request_id, one.revision)
            if posting is not None and posting.ledger == ledger and not is_part(tx, one):
                return Corrects(one, posting)
        return None

    def compare(self, lease: Lease, current: Submission, feed: Feed, staged: Path) -> None:
        """Once: how a workbook that came back differs from the file that it corrects, as it was sent last; and of one
        with only the rows to be fixed, which of that file's rows it brings in."""
        with self.db.read() as tx:
            came = store.return_of(tx, current.request_id, current.revision)
            original = submissions.find(tx, came.original) if came and came.original else None
            if came is None or original is None or came.difference is not None:
                return
            before = file_of_part(tx, original) if came.part else sent_before(tx, original, current.envelope)
        difference = self._difference(current, before, feed, part=came.part)
        rows = self._rows_of_file(current, feed, staged) if came.part else None
        with self.db.write() as tx:
            leases.hold(tx, lease)
            store.set_difference(tx, current.request_id, current.revision, difference.document(), rows)

    def _rows_of_file(self, current: Submission, feed: Feed, staged: Path) -> list[int]:
        """The numbers in their file of the rows that can be taken; one that has lost its number counts for none."""
        with self.db.read() as tx:
            decision = mappings.find_decision(tx, submissions.get(tx, current.request_id).decision)
        path = self.archive.object_path(current.envelope.content_digest)
        told = all_numbers_in(path, current.envelope.source_name, feed, rules_of(decision))
        return sorted(told[row_no] for row_no in StagedFile(staged).accepted_keys() if row_no in told)

    def _difference(self, current: Submission, before: Submission, feed: Feed, *, part: bool) -> Difference:
        if max(current.envelope.size_bytes, before.envelope.size_bytes) > _LARGEST_COMPARED:
            return Difference(None, None, note="The files are too large to be compared cell by cell.")
        first, second = (self.archive.object_path(one.envelope.content_digest) for one in (before, current))
        names = before.envelope.source_name, current.envelope.source_name
        with self.db.read() as tx:
            staged = submissions.get(tx, current.request_id)
            decisions = [mappings.find_decision(tx, one.decision) for one in (before, staged)]
        headings = headings_of(feed, *decisions)
        return compare_files(first, names[0], second, names[1], feed, cells=_CELLS_KEPT, part=part, headings=headings)


def seen_by_sender(
    tx: Transaction, original: Submission, current: Envelope, ledger: str, *, part: bool, revision: int = 0
) -> Seen | None:
    """What whoever changed the workbook of a file had before them; None where nothing of that is in this ledger.
    `revision` is that of the workbook, whose own posting is none of those that others have made of the file."""
    before = original if part else sent_before(tx, original, current)
    postings = ledger_outcomes.postings_of(tx, before.request_id, limit=_REVISIONS_LOOKED_AT)
    posting = next((one for one in postings if one.ledger == ledger), None)
    if posting is None:
        return None
    made_of_it = [one.request_id for one in gone_on(tx, original)]
    own = ledger_entries.versions_by(tx, ledger, made_of_it, since=posting.ledger_version)
    own.pop((current.request_id, revision), None)
    its = posting.seen
    if its is not None and posting.entries:
        its = replace(its, own=(*its.own, posting.ledger_version))
    return Seen(posting.ledger_version, tuple(sorted(own.values())), its)


def _elsewhere(read: token.Token, campus: str, feed: str) -> Unreadable:
    """What is posted is not taken back: whoever took the wrong folder is asked before it is."""
    return Unreadable(
        f"This workbook was given back for a file of {read.campus} ({read.feed}), and it came into a folder of "
        f"{campus} ({feed}).",
        f"Drop it into the folder {read.feed} of {read.campus}. If it holds a list of {campus} now, save that list as "
        "a file of its own, CSV for example, and drop that here.",
    )


def _came(
    current: Submission,
    state: ReturnState,
    read: token.Token | None = None,
    *,
    note: str | None = None,
    problems: int | None = None,
) -> Returned:
    return Returned(
        request_id=current.request_id,
        revision=current.revision,
        state=state,
        original=read.request_id if read else None,
        original_revision=read.revision if read else None,
        part=read.part if read else False,
        note=note,
        problems_before=problems,
        difference=None,
    )


def _audit(tx: Transaction, current: Submission, event: str, detail: dict[str, object]) -> None:
    envelope = current.envelope
    told = {"revision": current.revision, **detail}
    audit.append(tx, Event(envelope.campus, _ACTOR, event, envelope.source_name, current.request_id, told))
