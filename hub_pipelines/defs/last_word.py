"""What a run has posted and did not live to tell Dagster: its end came between its commit and its last word.

Belongs here: saying it in the run's place, once. Not here: what becomes of a dead run's submission (sensors.py).
"""

import logging
from typing import TYPE_CHECKING

import dagster as dg

from hub_pipelines.defs import metadata
from hub_pipelines.logs import pairs

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub
    from hub_pipelines.ledger.model import Posting

_POSTED_AT = "posted_at"
_log = logging.getLogger(__name__)


def say_last_word(instance: dg.DagsterInstance, hub: "Hub", request_id: str, run_id: str) -> bool:
    """Report `<feed>_posted` of a submission that this run has posted, unless that is there; True when it was not.

    An error is logged and does not leave: those who call have more runs to see to, and the posting stands.
    """
    try:
        found = _posted_by(hub, request_id, run_id)
        if found is None or _is_told(instance, request_id, *found):
            return False
        feed, posting = found
        told = dg.AssetMaterialization(
            f"{feed}_posted",
            partition=request_id,
            description=f"Told in place of run {run_id}, which has posted and ended before it could say so.",
            metadata=metadata.of_posted(posting),
        )
        instance.report_runless_asset_event(told)
    except Exception:  # noqa: BLE001  # it is logged, and what other runs have left is waiting
        _log.exception("what a run has posted can't be told to Dagster %s", pairs(run=run_id, submission=request_id))
        return False
    _log.warning("told what a run has posted, which ended before it could %s", pairs(run=run_id, submission=request_id))
    return True


def _posted_by(hub: "Hub", request_id: str, run_id: str) -> "tuple[str, Posting] | None":
    """The feed, and what the run has posted of the submission as it is now."""
    from hub_pipelines.ledger.outcomes.store import find_posting
    from hub_pipelines.submission import store as submissions
    from hub_pipelines.submission.model import State

    with hub.db.read() as tx:
        current = submissions.find(tx, request_id)
        if current is None or current.state is not State.POSTED or current.run_id != run_id:
            return None
        posting = find_posting(tx, request_id, current.revision)
    return None if posting is None else (current.envelope.feed, posting)


def _is_told(instance: dg.DagsterInstance, request_id: str, feed: str, posting: "Posting") -> bool:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(f"{feed}_posted"), asset_partitions=[request_id])
    records = instance.fetch_materializations(wanted, limit=1).records
    newest = records[0].asset_materialization if records else None
    return newest is not None and newest.metadata.get(_POSTED_AT) == metadata.of_posted(posting)[_POSTED_AT]
