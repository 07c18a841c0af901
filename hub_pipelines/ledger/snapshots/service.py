"""The state of a ledger at the end of a day, from its published snapshots."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from hub_pipelines.common.errors import HubError
from hub_pipelines.common.store import Database, Transaction
from hub_pipelines.ledger.model import LedgerRow, ledger_name
from hub_pipelines.ledger.snapshots import files
from hub_pipelines.ledger.snapshots import store as snapshots
from hub_pipelines.ledger.snapshots.model import Day
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
        paths = [files.path_of(self.folder, record.name, one.campus, one.ledger_date) for one in published]
        for one, path in zip(published, paths, strict=True):
            if not path.is_file():
                raise NotPublished(
                    f"The ledger {record.name} can't be told as of {upto}: the published snapshot {path} is missing. "
                    f"Fold it again: {_command(record, one.campus, one.ledger_date, one.ledger_date)}"
                )
        return files.state(paths)


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
