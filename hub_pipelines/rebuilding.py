"""A campus-day of a ledger once more, from the archive: what an auditor would do by hand.

Each posting's bytes are verified, read and judged again, under the contract, the registry's version, the decision about
columns and values and the version of a migration that were recorded with it, and the journal entries that follow are
compared with the ones that were written. Nothing is written here: history that can't be reproduced is told, never
mended.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Any

from hub_pipelines.audit import store as audit
from hub_pipelines.common.canonical import sha256_hex
from hub_pipelines.common.errors import HubError
from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.judging import Judged, counting_of
from hub_pipelines.ledger.adjusting import store as movements
from hub_pipelines.ledger.adjusting.algebra import Adjusting
from hub_pipelines.ledger.comparing.keeping import completed
from hub_pipelines.ledger.comparing.model import REPLACED, SET, Corrected, Seen, entry_row
from hub_pipelines.ledger.comparing.replacing import (
    closings,
    replaced_in_part,
    replaced_lines,
    rows_by_number,
    under_own_keys,
)
from hub_pipelines.ledger.counting import store as counts
from hub_pipelines.ledger.counting.model import Missed, Tally
from hub_pipelines.ledger.digests import Change, Digests, digester, rows_digest
from hub_pipelines.ledger.entries import store as ledger_entries
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.model import CHAIN, ledger_name
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.ledger.posting.sparing import Sparing
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.ledger.registry.store import LedgerRegistry
from hub_pipelines.ledger.snapshots import store as snapshots
from hub_pipelines.mapping.decision import rules_of
from hub_pipelines.report.corrections import made_of_one
from hub_pipelines.report.workbook.store import return_of
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import MESSAGES, Submission
from hub_pipelines.submission.versions import store as versions
from hub_pipelines.validate.model import OTHER_ROW, SUPERSEDED, RecordType
from hub_pipelines.validate.staging import StagedRow, row_of

_CHUNK_ROWS = 5_000
_DIFFERENCES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Reproduction:
    """Postings of a campus-day that were done again; `differences` tells what did not come out the same."""

    postings: int
    entries: int
    differences: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        return not self.differences


@dataclass(frozen=True, slots=True)
class _Record:
    """What the audit chain says of a posting."""

    request_id: str
    revision: int
    version: int
    contract_version: int
    registry_version: int | None
    migration: str | None
    decision: str | None
    rows_digest: str
    digest_version: int
    corrects: tuple[str, int] | None
    keeps: bool
    """Its items kept what they had in columns that the file does not have."""
    seen: Seen | None
    """Rows that nobody had changed since then were left alone."""


@dataclass(slots=True)
class _Again:
    """A posting as it comes out now: by row, in their order, the digest of the values and of the entry."""

    rows: dict[int, tuple[str, bytes]] = field(default_factory=dict)

    def add(self, entries: Iterable[Change], digests_of: Digests) -> None:
        some = list(entries)
        self.rows.update((one.row_no, (one.digest, digest)) for one, digest in zip(some, digests_of(some), strict=True))

    def digest(self, digest_version: int) -> str:
        return rows_digest((digest for _, digest in self.rows.values()), digest_version)


def reproduce(hub: Hub, record: RecordType, campus: str, day: date) -> Reproduction:
    """Read a campus-day's postings from the archive again and compare."""
    name = ledger_name(record.name, campus, shared=record.shared)
    with hub.db.read() as tx:
        postings = snapshots.postings(tx, name, campus, day)
    differences: list[str] = []
    entries = 0
    for request_id, revision, version in postings:
        try:
            found, told = _compare(hub, record, day, request_id, revision, version)
        except HubError as error:
            found, told = 0, [f"{request_id}: {error}"]
        entries += found
        differences += told
    return Reproduction(len(postings), entries, tuple(differences[:_DIFFERENCES_SHOWN]))


def _compare(
    hub: Hub, record: RecordType, day: date, request_id: str, revision: int, version: int
) -> tuple[int, list[str]]:
    with hub.db.read() as tx:
        current = submissions.get(tx, request_id)
        kept = _record_of(tx, request_id, revision, version)
    if kept is None:
        return 0, [f"{request_id}: the audit log does not know of this posting (revision {revision})"]
    contract = record.under(kept.contract_version)
    if contract is None:
        return 0, [
            f"{request_id}: it was posted under version {kept.contract_version} of the contract {record.name}; "
            f"this release has version {' and '.join(_versions(record))}"
        ]
    hub.keys.verify(current.envelope)
    hub.archive.verify(current.envelope.content_digest)
    again = _post_again(hub, contract, day, current, kept)
    missed = _count_again(hub, contract, current, kept) if current.envelope.complete_count else []
    with hub.db.read() as tx:
        written = ledger_entries.digest_of(tx, request_id, revision, kept.digest_version)
    if again.digest(kept.digest_version) == kept.rows_digest == written:
        return len(again.rows), missed
    return len(again.rows), _differences(hub, kept, again) + missed


def _count_again(hub: Hub, record: RecordType, current: Submission, kept: _Record) -> list[str]:
    """What a complete count misses by its archived bytes and the journal up to its version, where other was kept."""
    counting = counting_of(record)
    if counting is None:
        return [f"{current.request_id}: a complete count of {record.name}, which has no locations in this release"]
    tally = Tally(counting)
    tally.add(_rows(hub, record, current, kept))
    name = ledger_name(record.name, current.envelope.campus, shared=record.shared)
    with hub.db.read() as tx:
        now = {one.key: one for one in tally.missed(ledger_items.items_as_of(tx, name, kept.version))}
        then = {one.missed.key: one.missed for one in counts.of_count(tx, current.request_id, kept.revision)}
    return [
        f"{current.request_id}: of {key} the count says {_said(then.get(key))}; from the archive it is "
        f"{_said(now.get(key))}"
        for key in sorted(now.keys() | then.keys())
        if now.get(key) != then.get(key)
    ]


def _said(missed: Missed | None) -> str:
    if missed is None:
        return "nothing"
    return f"not found at {missed.location}" if missed.row_no is None else f"listed in rejected row {missed.row_no}"


def _versions(record: RecordType) -> list[str]:
    return [str(one.contract_version) for one in (*record.former, record)]


def _record_of(tx: Any, request_id: str, revision: int, version: int) -> _Record | None:
    for entry in audit.entries_of(tx, request_id):
        detail = entry.event.detail
        if entry.event.event == "submission:posted" and detail["revision"] == revision:
            registry, migration, decision = detail["registry_version"], detail.get("migration"), detail.get("decision")
            return _Record(
                request_id=request_id,
                revision=revision,
                version=version,
                contract_version=int(str(detail["contract_version"])),
                registry_version=None if registry is None else int(str(registry)),
                migration=None if migration is None else str(migration),
                decision=None if decision is None else str(decision),
                rows_digest=str(detail["rows_digest"]),
                digest_version=int(str(detail.get("digest_version", CHAIN))),
                corrects=_corrects(detail.get("corrects")),
                keeps=bool(detail.get("keeps", False)),
                seen=Seen.from_document(detail.get("seen")),
            )
    return None


def _corrects(told: Any) -> tuple[str, int] | None:
    return None if told is None else (str(told[0]), int(told[1]))


def _post_again(hub: Hub, record: RecordType, day: date, current: Submission, kept: _Record) -> _Again:
    """The journal entries that the archived bytes lead to, with the ledger as it was before this posting."""
    campus = current.envelope.campus
    name = ledger_name(record.name, campus, shared=record.shared)
    again = _Again()
    of_posting = {
        "request_id": current.request_id,
        "revision": kept.revision,
        "campus": campus,
        "contract_version": kept.contract_version,
        "ledger_date": day,
    }
    digests_of = digester(name, kept.version, of_posting, kept.digest_version)
    if current.envelope.channel == MESSAGES and record.adjusted is not None:
        again.add(_adjusted_again(hub, record, name, current, kept), digests_of)
        return again
    before = _before(hub, record, current, kept)
    again.add(_closed_again(hub, record, name, current, kept, before), digests_of)
    with _judged(hub, record, current, kept) as judged:
        said = judged.said if kept.keeps else None
        rows = _staged(judged, _given_way(hub, current, kept))
        if before is not None and before.numbers is not None:
            rows = under_own_keys(rows, rows_by_number(before.rows(hub)), before.numbers, record)
        accepted = (row for row in rows if row.verdict == "accepted")
        while chunk := list(islice(accepted, _CHUNK_ROWS)):
            with hub.db.read() as tx:
                heads = snapshots.heads_before(tx, name, [str(row.key) for row in chunk], kept.version)
                spared = _spared(tx, name, chunk, heads, said, kept.seen)
            applied = (row for row in chunk if row.row_no not in spared)
            again.add(_changes(applied, heads, said), digests_of)
    return again


def _adjusted_again(hub: Hub, record: RecordType, name: str, current: Submission, kept: _Record) -> list[Change]:
    """The entries of a batch of messages that set and adjust, by what was known of their items before it."""
    with _judged(hub, record, current, kept) as judged:
        void = _given_way(hub, current, kept)
        # an adjustment that was void then is so again, and a set of the same batch may have counted it
        rows = [row for row in map(row_of, judged.verdicts) if row.verdict == "adjusting" or row.row_no not in void]
    occurred_at = hub.judge.messages(current.envelope, hub.judge.feed_of(current.envelope)).occurred_at
    with hub.db.read() as tx:
        posting = (current.request_id, kept.revision)
        before = movements.known_then(tx, name, rows, occurred_at, kept.version, posting)
    applied = Adjusting(record, before.known, before.done, kept.version).take(rows, occurred_at)
    return [Change._make(one) for one in applied.entries]


def _changes(rows: Iterable[StagedRow], heads: Mapping[str, Any], said: frozenset[str] | None) -> Iterator[Change]:
    """The entries of the rows that differ from their item's newest entry before the posting."""
    for row in rows:
        assert row.key is not None, "an accepted row has a key"
        assert row.values is not None, "an accepted row has values"
        head, values = heads.get(row.key), row.values
        if head is not None and said is not None and head.operation != REPLACED:
            values, _ = completed(values, head.values, said)
        digest = sha256_hex(values.encode("utf-8"))
        if head is None:
            yield Change(row.row_no, row.key, SET, values, digest, None, None)
        elif head.digest != digest:
            yield Change(row.row_no, row.key, SET, values, digest, head.version, head.row_no)


def _spared(
    tx: Transaction,
    name: str,
    rows: Sequence[StagedRow],
    heads: Mapping[str, Any],
    said: frozenset[str] | None,
    seen: Seen | None,
) -> Collection[int]:
    """Rows of a returned workbook that were left alone, since others had set their items and its sender had not."""
    if seen is None:
        return ()
    known = [(row, heads[str(row.key)].version) for row in rows if row.key in heads]
    return Sparing(tx, name, seen, said).among([(row.row_no, row.key, row.values, version) for row, version in known])


@dataclass(frozen=True, slots=True)
class _Before:
    """The file that a posting corrected, and how that one was posted. `numbers` are those that rows to be fixed have in
    it; None where all of its rows came back."""

    submission: Submission
    contract: RecordType
    record: _Record
    numbers: Mapping[int, int] | None

    def rows(self, hub: Hub) -> Iterator[StagedRow]:
        hub.archive.verify(self.submission.envelope.content_digest)
        return _rows(hub, self.contract, self.submission, self.record)


def _before(hub: Hub, record: RecordType, current: Submission, kept: _Record) -> _Before | None:
    if kept.corrects is None:
        return None
    with hub.db.read() as tx:
        before = submissions.get(tx, kept.corrects[0])
        posting = ledger_outcomes.find_posting(tx, *kept.corrects)
        then = _record_of(tx, *kept.corrects, posting.ledger_version) if posting else None
        came = return_of(tx, current.request_id, kept.revision)
        decision = hub.judge.mappings.decision_of(tx, kept.decision)
    contract = _contract_of(hub, record, then.contract_version) if then else None
    if then is None or contract is None:
        raise HubError(f"It corrects {before.request_id}, which can't be read again as it was posted.")
    numbers = hub.judge.numbers_in(current.envelope, decision) if came is not None and came.part else None
    return _Before(before, contract, then, numbers)


def _closed_again(
    hub: Hub, record: RecordType, name: str, current: Submission, kept: _Record, before: _Before | None
) -> list[Change]:
    """The entries that close lines, where the posting corrected another: by the archived bytes of both."""
    if before is None:
        return []
    now = _rows(hub, record, current, kept)
    if before.numbers is not None:
        replaced = replaced_in_part(before.rows(hub), now, before.numbers, record)
    else:
        replaced, _ = replaced_lines(before.rows(hub), now, record)
    corrects, then = before.submission, before.record
    with hub.db.read() as tx:
        # releases before went by all that were ever sent in place of each other
        family = (
            frozenset(versions.family(tx, current)) if kept.seen is None else made_of_one(tx, current, kept.revision)
        )
        corrected = Corrected(
            corrects.request_id, then.revision, then.version, corrects.envelope.source_name, family, replaced
        )
        heads = ledger_items.heads_of_lines(tx, name, [one.old for one in replaced], kept.version)
    return closings(corrected, heads)[0]


def _contract_of(hub: Hub, record: RecordType, version: int) -> RecordType | None:
    """The record type as that version of its contract had it, though `record` may be an earlier one."""
    newest = hub.feeds[record.name.partition(".")[0]].record_type(record.name)
    return newest.under(version)


@contextmanager
def _judged(hub: Hub, record: RecordType, current: Submission, kept: _Record) -> Iterator[Judged]:
    """By the registry, the decision and the migration of that time."""
    registry = LedgerRegistry(hub.db, version=kept.registry_version)
    with hub.db.read() as tx:
        decision = hub.judge.mappings.decision_of(tx, kept.decision)
    way = hub.judge.as_recorded(kept.migration, decision)
    with hub.judge.judged(current.envelope, registry, way, contract=record, rules=rules_of(decision)) as judged:
        yield judged


def _rows(hub: Hub, record: RecordType, current: Submission, kept: _Record) -> Iterator[StagedRow]:
    """As they are staged, without their problems."""
    with _judged(hub, record, current, kept) as judged:
        yield from _staged(judged, _given_way(hub, current, kept))


def _given_way(hub: Hub, current: Submission, kept: _Record) -> set[int]:
    """Rows that gave way then: to newer messages that had come, or to another row of their file."""
    with hub.db.read() as tx:
        return ledger_problems.rows_of_rules(tx, current.request_id, kept.revision, SUPERSEDED, OTHER_ROW)


def _staged(judged: Judged, given_way: set[int]) -> Iterator[StagedRow]:
    return (row_of(verdict) for verdict in judged.verdicts if verdict.row_no not in given_way)


def _differences(hub: Hub, kept: _Record, again: _Again) -> list[str]:
    request_id = kept.request_id
    with hub.db.read() as tx:
        written = ledger_entries.digests_by_row(tx, request_id, kept.revision, kept.digest_version)
    told = []
    for row_no in sorted(written.keys() | again.rows.keys(), key=lambda one: (entry_row(one), one)):
        place = f"{request_id} row {entry_row(row_no)}" + (" (the line that it replaced)" if row_no < 0 else "")
        if row_no not in again.rows:
            told.append(f"{place}: it is in the journal and no longer follows from the file")
        elif row_no not in written:
            told.append(f"{place}: it follows from the file and is not in the journal")
        elif written[row_no][0] != again.rows[row_no][0]:
            told.append(f"{place}: the journal holds other values than the file gives now")
        elif written[row_no] != again.rows[row_no]:
            told.append(f"{place}: the journal holds the same values with another place or origin")
    return told or [f"{request_id}: its entries follow from the file and are not what the audit log tells of them"]
