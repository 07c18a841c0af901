"""What a run says of what it has posted, and who says it when the run can't: its end came between its commit and its
last word.

Not here: what becomes of a dead run's submission (sensors.py).
"""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg

from hub_pipelines.common.errors import Transient
from hub_pipelines.defs import metadata
from hub_pipelines.logs import pairs

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub
    from hub_pipelines.ledger.model import Posting
    from hub_pipelines.validate.model import Feed

_POSTED_AT = "posted_at"
_log = logging.getLogger(__name__)


def what_has_posted(hub: "Hub", feed: "Feed", posting: "Posting") -> metadata.Metadata:
    """The metadata of `<feed>_posted`: with what changes mean, of record types that tell."""
    from hub_pipelines.timeline.news import news_of

    record = feed.record_type(posting.ledger.partition("@")[0])
    news = news_of(hub.db, posting) if record.news is not None else []
    return {**metadata.of_posted(posting), **metadata.of_news(news)}


def say_last_word(instance: dg.DagsterInstance, hub: "Hub", request_id: str, run_id: str) -> None:
    """Report `<feed>_posted` of a submission that this run has posted, unless that is there.

    Raises Transient, and what Dagster's storage raises: the next tick says it. What can't be told at all is logged,
    since other runs' ends wait behind this one.
    """
    found = _posted_by(hub, request_id, run_id)
    if found is None or _is_told(instance, request_id, *found):
        return
    feed, posting = found
    try:
        told = what_has_posted(hub, feed, posting)
    except Transient:
        raise
    except Exception:  # noqa: BLE001  # as the docstring says
        _log.exception("what a run has posted can't be told %s", pairs(run=run_id, submission=request_id))
        return
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            f"{feed.name}_posted",
            partition=request_id,
            description=f"Told in place of run {run_id}, which has posted and ended before it could say so.",
            metadata=told,
        )
    )
    _log.warning("told what a run has posted, which ended before it could %s", pairs(run=run_id, submission=request_id))


def _posted_by(hub: "Hub", request_id: str, run_id: str) -> "tuple[Feed, Posting] | None":
    """The feed, and what the run has posted of the submission as it is now. None also for a feed without assets."""
    from hub_pipelines.ledger.outcomes.store import find_posting
    from hub_pipelines.submission import store as submissions
    from hub_pipelines.submission.model import State

    with hub.db.read() as tx:
        current = submissions.find(tx, request_id)
        if current is None or current.state is not State.POSTED or current.run_id != run_id:
            return None
        posting = find_posting(tx, request_id, current.revision)
    feed = hub.feeds.get(current.envelope.feed)
    return None if posting is None or feed is None else (feed, replace(posting, repeat=False))


def _is_told(instance: dg.DagsterInstance, request_id: str, feed: "Feed", posting: "Posting") -> bool:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(f"{feed.name}_posted"), asset_partitions=[request_id])
    records = instance.fetch_materializations(wanted, limit=1).records
    newest = records[0].asset_materialization if records else None
    return newest is not None and newest.metadata.get(_POSTED_AT) == dg.MetadataValue.timestamp(posting.posted_at)
