"""Sensors: one per campus's drop folders, one for what names no campus, one for failed runs, one for the audit walk.

A sensor reads, calls a plain function and returns its answer as requests. What decides is launching.py
(what to launch) and processing.py (what a failure leads to).
"""

import json
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.defs import metadata
from hub_pipelines.defs.cursors import kept_in
from hub_pipelines.defs.jobs import AUDIT_JOB, PREVIEW_JOB, SIZE_TAG, job_name
from hub_pipelines.defs.last_word import say_last_word
from hub_pipelines.defs.partitions import requests_of
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.defs.sources import source_name

if TYPE_CHECKING:
    from hub_pipelines.drift.model import Source
    from hub_pipelines.hub import Hub
    from hub_pipelines.launching import PreviewLaunch, Tick
    from hub_pipelines.submission.model import Failure, Submission
    from hub_pipelines.validate.model import Feed

REQUEST_TAG = "hub/request_id"
LIST_TAG = "hub/list"
PRIORITY_TAG = "dagster/priority"
PREVIEW_TAG = "hub/previews"
_INTERVAL_S = 5
_PER_TURN, _TURNS = 10, 99
_URGENT, SMALL, GOES_FIRST = 1_000, 10_000, 20_000
"""The second is above every small file that is not urgent, and below the urgent ones but the last in their turn."""
_FAILURES_PER_TICK = 1_000
_FAILURES_BUDGET_S = 20.0
_SURPLUS = "hub/partitions"
_AUDIT_WALK_EVERY_S = 600
_AUDIT_WALK_AT_LEAST_EVERY_S = 3_600
_AUDIT_WALK_WHEN_QUIET_EVERY_S = 86_400
LIVING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def drop_folder_sensor(campus: str, jobs: Sequence["dg.UnresolvedAssetJobDefinition"]) -> dg.SensorDefinition:
    """Take complete files of a campus and launch what is due, each with the run_key of its launch."""

    @dg.sensor(
        name=f"{campus}_drop_folder_sensor",
        jobs=list(jobs),
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=_what_it_watches(campus),
    )
    def sensor(context: dg.SensorEvaluationContext, hub: HubResource) -> dg.SensorResult | dg.SkipReason:
        from hub_pipelines.launching import tick

        opened = hub.open()
        found = tick(
            opened, campus, alive=runs_alive(context.instance), previewing=previews_alive(context.instance, campus)
        )
        register_partitions(context.instance, opened, found.launches)
        written = opened.receipts.write_due(campus)
        context.log.info(f"{found.summary}; {len(written)} receipts written")
        if not found.launches and not found.previews:
            return dg.SkipReason(found.summary)
        previews = [preview_request(campus, found.previews)] if found.previews else []
        return dg.SensorResult(
            run_requests=[*previews, *_run_requests(opened, found)],
            asset_events=[
                dg.AssetMaterialization(
                    f"{one.envelope.feed}_received",
                    partition=one.request_id,
                    metadata=metadata.of_arrival(one.envelope),
                )
                for one in found.launches
                if one.launch == 1
            ]
            + _from_campus(found.launches),
        )

    return sensor


def _run_requests(hub: "Hub", found: "Tick") -> list[dg.RunRequest]:
    from hub_pipelines.drift.service import source_of

    last: dict[Source, dg.RunRequest] = {}
    requests = []
    for turn, one in enumerate(found.launches, start=found.ahead):
        source = source_of(one.envelope)
        last[source] = run_request(hub, one, turn=turn, after=last.get(source))
        requests.append(last[source])
    return requests


def _from_campus(launches: Sequence["Submission"]) -> list[dg.AssetMaterialization]:
    """A sign of life for each feed of the campus that something has come for: its newest file."""
    newest = {one.envelope.feed: one.envelope for one in launches if one.launch == 1}
    return [
        dg.AssetMaterialization(source_name(one.campus, feed), metadata=metadata.of_arrival(one))
        for feed, one in newest.items()
    ]


def _what_it_watches(campus: str) -> str:
    if campus == RESERVED_CAMPUS:
        return "Takes files from folders that name no campus and feed; they go to review."
    return f"Takes files from drop/{campus}/ and gives each its run."


def runs_alive(instance: dg.DagsterInstance) -> Callable[[list[str]], set[str]]:
    """Which of these submissions have a run that is queued or at work, as Dagster sees it."""

    def ask(request_ids: list[str]) -> set[str]:
        runs = instance.get_runs(dg.RunsFilter(tags={REQUEST_TAG: request_ids}, statuses=LIVING))
        return {run.tags[REQUEST_TAG] for run in runs}

    return ask


def previews_alive(instance: dg.DagsterInstance, campus: str) -> Callable[[], bool]:
    """Whether a run that makes a campus's previews is queued or at work, as Dagster sees it."""

    def ask() -> bool:
        return bool(instance.get_runs(dg.RunsFilter(tags={PREVIEW_TAG: campus}, statuses=LIVING), limit=1))

    return ask


def preview_request(campus: str, launch: "PreviewLaunch") -> dg.RunRequest:
    return dg.RunRequest(run_key=launch.run_key, job_name=PREVIEW_JOB, tags={PREVIEW_TAG: campus, "hub/campus": campus})


def register_partitions(instance: dg.DagsterInstance, hub: "Hub", launches: Sequence["Submission"]) -> None:
    """Add the partitions of what is launched and retire the oldest settled ones beyond the limit."""
    from hub_pipelines.defs.retiring import retire
    from hub_pipelines.launching import surplus_partitions

    for feed in sorted({one.envelope.feed for one in launches}):
        keys = [one.request_id for one in launches if one.envelope.feed == feed]
        instance.add_dynamic_partitions(str(requests_of(feed).name), keys)
        retire(instance, hub, [(feed, key) for key in surplus_partitions(hub, feed)], actor=_SURPLUS)


def run_request(hub: "Hub", one: "Submission", *, turn: int = 0, after: dg.RunRequest | None = None) -> dg.RunRequest:
    """A large submission's run waits for a place among its like, so that small ones do not wait for it. One of the same
    source as another one's waits until that has ended (`tag_concurrency_limits` in dagster.yaml).

    `turn`: so many runs of its campus are before it. `after`: the request of the file before it of the same source,
    which it must not overtake in the queue. What is launched again waits for no run of an earlier attempt, which may
    hang.
    """
    from hub_pipelines.drift.service import source_of

    large = one.envelope.is_large(hub.settings.limits.large_mb)
    priority = priority_of(hub.feeds.get(one.envelope.feed), large=large, turn=turn)
    source = source_of(one.envelope)
    return dg.RunRequest(
        run_key=one.run_key,
        job_name=job_name(one.envelope.feed),
        partition_key=one.request_id,
        tags={
            REQUEST_TAG: one.request_id,
            "hub/campus": one.envelope.campus,
            "hub/feed": one.envelope.feed,
            "hub/source": one.envelope.source_name[:200],
            LIST_TAG: after.tags[LIST_TAG]
            if after
            else f"{source.campus}/{source.feed}/{source.key}"[:200] + f"#{one.token}",
            SIZE_TAG: "large" if large else "small",
            PRIORITY_TAG: str(min(priority, int(after.tags[PRIORITY_TAG])) if after else priority),
        },
    )


def priority_of(feed: "Feed | None", *, large: bool, turn: int = 0) -> int:
    """Dagster starts the highest first: small before large, among them what is urgent, then campuses by turns, then by
    the feed's priority."""
    of_feed = 0 if feed is None else (_URGENT if feed.urgent else 0) - feed.priority
    return of_feed - _PER_TURN * min(turn, _TURNS) + (0 if large else SMALL)


def review_queue_sensor() -> dg.SensorDefinition:
    """Reads run failures in bulk. Idempotent: a failure seen twice, or one that the hub knows, changes nothing."""

    @dg.sensor(
        name="review_queue_sensor",
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Brings failed and cancelled runs to the hub's attention and reports the review queue.",
    )
    def sensor(context: dg.SensorEvaluationContext, hub: HubResource) -> dg.SensorResult:
        opened = hub.open()
        cursor: dict[str, Any] = kept_in(context.cursor)
        for kind in (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED):
            cursor[kind.value] = settle_dead_runs(context.instance, opened, kind, cursor.get(kind.value))
        opened.receipts.write_due()
        queue = _queue(opened)
        events = [] if queue == cursor.get("queue") else [_review_queue(opened, queue)]
        cursor["queue"] = queue
        return dg.SensorResult(cursor=json.dumps(cursor), asset_events=events)

    return sensor


def settle_dead_runs(
    instance: dg.DagsterInstance, hub: "Hub", kind: dg.DagsterEventType, after: int | None
) -> int | None:
    """Tell the hub of runs that ended badly since `after`, for so long as a tick may take; returns the new position."""
    deadline = time.monotonic() + _FAILURES_BUDGET_S
    records = instance.fetch_run_status_changes(
        dg.RunStatusChangeRecordsFilter(event_type=kind, after_storage_id=after),  # type: ignore[arg-type]  # one of the two kinds it takes
        limit=_FAILURES_PER_TICK,
        ascending=True,
    ).records
    if not records:
        return after
    ids = [record.event_log_entry.run_id for record in records]
    runs = {run.run_id: run for run in instance.get_runs(dg.RunsFilter(run_ids=ids))}
    for record in records:
        run = runs.get(record.event_log_entry.run_id)
        request_id = run and (run.tags.get(REQUEST_TAG) or run.tags.get("dagster/partition"))
        if run and request_id:
            hub.ending.run_died(request_id, run.run_id, _failure(instance, run.run_id, kind))
            say_last_word(instance, hub, request_id, run.run_id)
        if time.monotonic() > deadline:
            return record.storage_id
    return records[-1].storage_id


def _failure(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> "Failure":
    from hub_pipelines.submission.model import Failure

    steps = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    traces = [
        entry.dagster_event.step_failure_data.error_display_string
        for entry in (record.event_log_entry for record in steps)
        if entry.dagster_event is not None
    ]
    canceled = kind is dg.DagsterEventType.RUN_CANCELED
    return Failure(
        error_type="RunCanceled" if canceled else "RunFailed",
        reason="The run was cancelled." if canceled else "The run ended without finishing its work.",
        fix="",
        trace="\n".join(traces),
        run_id=run_id,
    )


def _queue(hub: "Hub") -> dict[str, Any]:
    from hub_pipelines.review import store as reviews

    with hub.db.read() as tx:
        newest = reviews.newest(tx)
        return {"open": reviews.open_by_cause(tx), "newest": newest.isoformat() if newest else None}


def _review_queue(hub: "Hub", queue: dict[str, Any]) -> dg.AssetMaterialization:
    from hub_pipelines.review import store as reviews

    with hub.db.read() as tx:
        lately = reviews.opened_lately(tx, within=timedelta(hours=1))
        groups, _ = reviews.groups(tx, limit=20)
    lines = [
        f"| {item.item_id} | {item.campus} | {item.feed} | {metadata.cell(item.source_name)} | {item.cause} "
        f"| {metadata.cell(item.reason)} | {f'[run](/runs/{item.run_id})' if item.run_id else ''} |"
        for item in hub.review.listing(limit=50)
    ]
    table = "\n".join(
        ["| item | campus | feed | file | cause | reason | run |", "|---|---|---|---|---|---|---|", *lines]
    )
    return dg.AssetMaterialization(
        "review_queue",
        metadata={
            "dagster/row_count": sum(queue["open"].values()),
            "open_by_cause": dg.MetadataValue.json(queue["open"]),
            "opened_last_hour": lately,
            "groups": dg.MetadataValue.json({one.group: one.count for one in groups}),
            "oldest_open": dg.MetadataValue.md(table),
        },
    )


def audit_log_sensor(job: "dg.UnresolvedAssetJobDefinition") -> dg.SensorDefinition:
    """Walks the chain when it has grown, or shrunk: at most every ten minutes, and then preferably when nothing waits;
    once a day when it has not. A repeated number of entries, after a restore for example, is a run of its own."""

    @dg.sensor(
        name="audit_log_sensor",
        jobs=[job],
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a walk over the audit chain after its length has changed, and once a day.",
    )
    def sensor(context: dg.SensorEvaluationContext, hub: HubResource) -> dg.SensorResult | dg.SkipReason:
        from hub_pipelines.audit.store import head_position
        from hub_pipelines.submission import store as submissions

        opened = hub.open()
        last: dict[str, float] = {"entries": 0, "at": 0.0, **kept_in(context.cursor)}
        entries = head_position(opened.db)
        now = opened.intake.now().timestamp()
        with opened.db.read() as tx:
            waiting = submissions.unsettled_count(tx)
        if not walk_is_due(entries, last, waiting=waiting, now=now):
            return dg.SkipReason("Nothing new in the audit log, or it was walked a short while ago.")
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=f"audit:{entries}:{now:.0f}", job_name=AUDIT_JOB)],
            cursor=json.dumps({"entries": entries, "at": now}),
        )

    return sensor


def walk_is_due(entries: int, last: dict[str, float], *, waiting: int, now: float) -> bool:
    """True when the chain has another length and was not walked lately; while submissions wait, only once an hour. One
    of equal length is walked once a day. What was walked in the future was so by a clock that was wrong."""
    if entries == last["entries"] == 0:
        return False
    if entries == last["entries"]:
        pause = _AUDIT_WALK_WHEN_QUIET_EVERY_S
    else:
        pause = _AUDIT_WALK_AT_LEAST_EVERY_S if waiting else _AUDIT_WALK_EVERY_S
    return not 0 <= now - last["at"] < pause
