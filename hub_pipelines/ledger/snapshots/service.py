"""The state of a ledger at the end of a day, from its published snapshots; whether these are what was published.

Whoever reads a published file, or tells of one, asks here whether it is genuine.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from hub_pipelines.common.errors import HubError
from hub_pipelines.common.store import Database, Transaction
from hub_pipelines.ledger.model import LedgerRow, ledger_name
from hub_pipelines.ledger.snapshots import files
from hub_pipelines.ledger.snapshots import store as snapshots
from hub_pipelines.ledger.snapshots.model import Day, Snapshot
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import RecordType


class NotPublished(HubError):
    """Some of the days asked for have entries in no published snapshot; the text names the command that folds them."""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Published snapshots of one hub; `folder` is where their files are."""

    db: Database
    folder: Path

    def state(self, record: RecordType, campus: str, upto: date) -> Iterator[LedgerRow]:
        """Each item as it was at the end of a day, in the order of the keys. Raises NotPublished.

        A ledger that all campuses share is folded and given for all of them.
        """
        name = ledger_name(record.name, campus, shared=record.shared)
        with self.db.read() as tx:
            missing = snapshots.unpublished(tx, name, upto)
            published = snapshots.published(tx, name, upto)
            blocked = _blocked(tx, missing[0]) if missing else None
        if missing:
            raise NotPublished(_what_to_do(record, missing, blocked, upto))
        for one in published:
            if not self._is_genuine_still(one):
                raise NotPublished(
                    f"The ledger {record.name} can't be told as of {upto}: the published snapshot {self.path_of(one)} "
                    "is missing or was changed. "
                    f"Fold it again: {_command(record, one.campus, one.ledger_date, one.ledger_date)}"
                )
        return files.state([self.path_of(one) for one in published])

    def path_of(self, one: Snapshot) -> Path:
        return files.path_of(self.folder, one.ledger.partition("@")[0], one.campus, one.ledger_date)

    def is_genuine(self, one: Snapshot) -> bool:
        """Whether the published file has the digest that was recorded of it; or is the one that was about to take its
        place, and has what the journal had then: a fold put it there and died before it could record it."""
        digest = files.digest_of(self.path_of(one))
        if digest is None:
            return False
        return digest == one.file_digest or (digest == one.announced and self._is_of_the_journal(one))

    def _is_of_the_journal(self, one: Snapshot) -> bool:
        record_type = one.ledger.partition("@")[0]
        record = FEEDS[record_type.partition(".")[0]].record_type(record_type)
        with self.db.read() as tx:
            entries = snapshots.entries(tx, one.ledger, one.campus, one.ledger_date)
            return files.is_written_from(self.path_of(one), entries, record)

    def _is_genuine_still(self, one: Snapshot) -> bool:
        """The same, though the day is published anew meanwhile: then the record is another, and is asked once more."""
        if self.is_genuine(one):
            return True
        with self.db.read() as tx:
            now = snapshots.find(tx, one.ledger, one.campus, one.ledger_date)
        return now is not None and now != one and self.is_genuine(now)


def _blocked(tx: Transaction, day: Day) -> str | None:
    """Why the newest entries of a campus-day were not published; None when no run has judged them."""
    found = snapshots.find(tx, day.ledger, day.campus, day.ledger_date)
    return found.blocked if found is not None and found.judged_version == day.version else None


def _what_to_do(record: RecordType, missing: list[Day], blocked: str | None, upto: date) -> str:
    first = missing[0]
    last = max(one.ledger_date for one in missing if one.campus == first.campus)
    rest = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    where = f"what was posted on {first.ledger_date} for {first.campus}{rest}"
    if blocked:
        reason = f"{where} was not published, because its checks failed: {blocked} Mend that, then fold it"
    else:
        reason = f"{where} is in no published snapshot yet. Fold it"
    command = _command(record, first.campus, first.ledger_date, last)
    return f"The ledger {record.name} can't be told as of {upto}: {reason}: {command}"


def _command(record: RecordType, campus: str, first: date, last: date) -> str:
    feed = record.name.partition(".")[0]
    return f"hub backfill --campus {campus} --feed {feed} --from {first} --to {last}"
