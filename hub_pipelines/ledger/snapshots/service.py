"""The state of a ledger at the end of a day, from its published snapshots."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from hub_pipelines.common.errors import HubError
from hub_pipelines.common.store import Database
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
        if missing:
            raise NotPublished(_what_to_do(record, missing, upto))
        paths = [files.path_of(self.folder, record.name, one.campus, one.ledger_date) for one in published]
        return files.state(paths)


def _what_to_do(record: RecordType, missing: list[Day], upto: date) -> str:
    first = missing[0]
    rest = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return (
        f"The ledger {record.name} can't be told as of {upto}: what was posted on {first.ledger_date} for "
        f"{first.campus}{rest} is in no published snapshot yet. Fold it: hub backfill --campus {first.campus} "
        f"--feed {record.name.partition('.')[0]} --from {first.ledger_date} --to {upto}"
    )
