"""Ledger assets: a feed's journal by campus and day, folded, judged and published as snapshots.

One asset per feed, partitioned by campus × day, for backfills and by hand; a run that belongs to a backfill reads the
archive again as well. What postings touch is folded by one job for all feeds and campus-days, which reports exactly
these (decisions/0013). What happens to a campus-day is publishing.py; here it is told to Dagster.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from hub_pipelines.defs import metadata
from hub_pipelines.defs.assets import OWNERS
from hub_pipelines.defs.cursors import kept_in
from hub_pipelines.defs.jobs import LARGE
from hub_pipelines.defs.partitions import campus_days
from hub_pipelines.defs.relaunching import launch_of
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.defs.sensors import LIVING
from hub_pipelines.settings import Settings
from hub_pipelines.validate.model import Feed

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub
    from hub_pipelines.publishing import Outcome
    from hub_pipelines.validate.expectations.answers import Expected

FROM_ARCHIVE_TAG = "hub/from_archive"
LEDGERS_JOB = "ledgers_job"
_BACKFILL_TAG = "dagster/backfill"
_RANGE_TAG = "dagster/asset_partition_range_start"
_RANGE_END_TAG = "dagster/asset_partition_range_end"
_PARTITION_TAG = "dagster/partition/"

_INTERVAL_S = 10
_LINES_SHOWN = 50

CONTRACT = "values_meet_the_contract"
VOLUME = "volume_is_usual"
REFERENCES = "references_are_known"
COUNTS = "every_row_is_accounted_for"
REPRODUCIBLE = "history_is_reproducible"
_CHECKS = {
    CONTRACT: "What the contracts promise of each column, by Great Expectations. A failure keeps the snapshot back.",
    COUNTS: "Entries in the journal = what the postings tell = rows in the file, and an unchanged day has unchanged "
    "content. A failure keeps the snapshot back.",
    VOLUME: "About as many entries as this campus usually has on a day.",
    REFERENCES: "Tags, containers and awards that rows refer to are known.",
    REPRODUCIBLE: "In a backfill: the archived files, judged again under the recorded versions, give the same entries.",
}
_BLOCKING = {CONTRACT, COUNTS}


def ledger_name_of(feed: str) -> str:
    return f"{feed}_ledger"


def ledger_asset(feed: Feed, settings: Settings) -> dg.AssetsDefinition:
    name = ledger_name_of(feed.name)

    @dg.asset(
        name=name,
        deps=[dg.AssetDep(f"{feed.name}_posted", partition_mapping=dg.AllPartitionMapping())],
        partitions_def=campus_days(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[
            dg.AssetCheckSpec(check, asset=name, description=text, blocking=check in _BLOCKING)
            for check, text in _CHECKS.items()
        ],
        group_name=feed.name,
        owners=OWNERS,
        kinds={"parquet", "duckdb", "greatexpectations"},
        output_required=False,
        description=(
            f"{feed.title}: journal entries by campus and day, as published snapshots. "
            "Backfill it for a campus and a range of days to have them confirmed from the archive."
        ),
    )
    def ledger(context: dg.AssetExecutionContext, hub: HubResource) -> Iterator[dg.AssetCheckResult]:
        tags = context.run.tags
        from_archive = _BACKFILL_TAG in tags or FROM_ARCHIVE_TAG in tags
        outcomes = []
        for key in _keys(context):
            outcomes += _publish(context, hub.open(), feed.name, key, from_archive=from_archive)
        yield from _check_results(outcomes)

    return ledger


def _keys(context: dg.AssetExecutionContext) -> Sequence[str]:
    """The run's campus-days. Raises dg.Failure where Dagster would silently run a part of them."""
    tags = context.run.tags
    if _RANGE_TAG in tags and any(tag.startswith(_PARTITION_TAG) for tag in tags):
        # a backfill that was started from a job's page; see decisions/0013
        raise dg.Failure(
            "This backfill was started from a job's page, where Dagster runs only the first day of each range. "
            "Start it from the asset's page: Materialize, then choose campus and days.",
            allow_retries=False,
        )
    return [str(key) for key in context.partition_keys]


def _publish(
    context: dg.OpExecutionContext | dg.AssetExecutionContext, hub: "Hub", feed: str, key: str, *, from_archive: bool
) -> "list[Outcome]":
    """Publish a campus-day, and report it as materialised unless something of it was blocked."""
    from hub_pipelines.publishing import publish

    campus, day = key.split("|")
    actor = f"run/{context.run.run_id}"
    found = publish(hub, feed, campus, date.fromisoformat(day), actor=actor, from_archive=from_archive)
    context.log.info(f"{feed} {key}: " + ("; ".join(f"{one.record_type} {one.state}" for one in found) or "no entries"))
    if not any(one.blocked for one in found):
        name = ledger_name_of(feed)
        context.log_event(dg.AssetMaterialization(name, partition=key, metadata=metadata.of_ledger(found)))
    return found


def ledgers_job() -> dg.JobDefinition:
    """Folds every campus-day that has new postings; red when one of them could not be published."""

    @dg.op(out={}, description="Fold, judge and publish every campus-day with new postings, of all feeds.")
    def fold_ledgers(context: dg.OpExecutionContext, hub: HubResource) -> Iterator[dg.AssetCheckEvaluation]:
        from hub_pipelines.publishing import touched

        outcomes: dict[str, list[Outcome]] = {}
        for feed, campus, day in touched(hub.open()):
            found = _publish(context, hub.open(), feed, f"{campus}|{day}", from_archive=False)
            outcomes.setdefault(feed, []).extend(found)
        for feed, found in outcomes.items():
            for result in _check_results(found):
                if result.check_name != REPRODUCIBLE:  # its last answer stays that of the last backfill
                    yield _evaluation(ledger_name_of(feed), result)
        blocked = [one for found in outcomes.values() for one in found if one.blocked]
        if blocked:
            days = ", ".join(f"{one.record_type} {one.campus} {one.ledger_date}" for one in blocked)
            raise dg.Failure(f"Not published, what was published before stays: {days}.", allow_retries=False)

    @dg.job(
        name=LEDGERS_JOB,
        description="Folds and publishes the campus-days that have new postings.",
        tags=LARGE,
    )
    def job() -> None:
        fold_ledgers()

    return job


def _evaluation(asset: str, result: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=str(result.check_name),
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
        blocking=result.check_name in _BLOCKING,
    )


def _check_results(outcomes: "Sequence[Outcome]") -> Iterator[dg.AssetCheckResult]:
    for check in (CONTRACT, VOLUME, REFERENCES):
        yield _of_suite(check, outcomes)
    yield _of_counts(outcomes)
    yield _of_reproduction(outcomes)


_SUITES = {CONTRACT: "contract", VOLUME: "volume", REFERENCES: "references"}


def _of_suite(check: str, outcomes: "Sequence[Outcome]") -> dg.AssetCheckResult:
    found = [(one, expected) for one in outcomes for expected in one.expected if expected.suite == _SUITES[check]]
    failed = [_line(one, expected) for one, expected in found if not expected.success]
    unjudged = [_line(one, expected) for one, expected in found if not expected.judged]
    facts: dict[str, Any] = {"expectations": len(found) - len(unjudged)}
    if unjudged:
        facts["not_judged"] = metadata.records(unjudged[:_LINES_SHOWN])
    severity = dg.AssetCheckSeverity.ERROR if check in _BLOCKING else dg.AssetCheckSeverity.WARN
    return _result(check, outcomes, failed, severity, facts)


def _line(one: "Outcome", expected: "Expected") -> Mapping[str, Any]:
    return {
        "campus and day": f"{one.campus} {one.ledger_date}",
        "record type": one.record_type,
        "column": expected.column,
        "what": expected.sentence,
        "rows": expected.unexpected_count,
    }


def _of_counts(outcomes: "Sequence[Outcome]") -> dg.AssetCheckResult:
    lines = [
        {
            "campus and day": f"{one.campus} {one.ledger_date}",
            "record type": one.record_type,
            "in the journal": one.counts.in_journal,
            "told by postings": one.counts.in_postings,
            "counted at posting": one.counts.counted,
            "in the snapshot": one.counts.in_snapshot,
            "what": one.blocked,
        }
        for one in outcomes
        if not one.is_accounted_for
    ]
    return _result(
        COUNTS, outcomes, lines, dg.AssetCheckSeverity.ERROR, {"entries": sum(one.entries for one in outcomes)}
    )


def _of_reproduction(outcomes: "Sequence[Outcome]") -> dg.AssetCheckResult:
    again = [(one, one.reproduction) for one in outcomes if one.reproduction is not None]
    lines = [
        {"campus and day": f"{one.campus} {one.ledger_date}", "record type": one.record_type, "not reproducible": text}
        for one, found in again
        for text in found.differences
    ]
    text = None if again else "Not asked: the archive is read again in a backfill only."
    facts = {
        "postings_read_again": sum(found.postings for _, found in again),
        "entries_compared": sum(found.entries for _, found in again),
    }
    return _result(REPRODUCIBLE, outcomes, lines, dg.AssetCheckSeverity.ERROR, facts, text)


def _result(
    check: str,
    outcomes: "Sequence[Outcome]",
    lines: Sequence[Mapping[str, Any]],
    severity: dg.AssetCheckSeverity,
    facts: Mapping[str, Any],
    text: str | None = None,
) -> dg.AssetCheckResult:
    judged = sorted({f"{one.campus} {one.ledger_date}" for one in outcomes})
    told: dict[str, Any] = {"campus_days": len(judged), "judged": ", ".join(judged[:50]) or "none had entries", **facts}
    if lines:
        told["failed"] = metadata.records(lines[:_LINES_SHOWN])
    return dg.AssetCheckResult(check_name=check, passed=not lines, severity=severity, metadata=told, description=text)


def ledgers_sensor(job: dg.JobDefinition) -> dg.SensorDefinition:
    """One run for all campus-days that postings have touched, once they are quiet."""

    @dg.sensor(
        name="ledgers_sensor",
        job=job,
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Folds and publishes the campus-days that have new postings, all in one run.",
    )
    def sensor(context: dg.SensorEvaluationContext, hub: HubResource) -> dg.SensorResult | dg.SkipReason:
        from hub_pipelines.publishing import due

        days = due(hub.open())
        if not days:
            return dg.SkipReason("No new postings, or they have not come to rest yet.")
        if context.instance.get_runs(dg.RunsFilter(job_name=LEDGERS_JOB, statuses=LIVING), limit=1):
            return dg.SkipReason("A run is folding ledgers now.")
        names = [f"{one.ledger}|{one.campus}|{one.ledger_date}|{one.version}" for one in days]
        now = hub.open().intake.now().timestamp()
        launch = launch_of(names, kept_in(context.cursor), now, _INTERVAL_S)
        if launch is None:
            return dg.SkipReason("The last run for these postings did not finish; trying again after a pause.")
        key = f"ledgers:{launch['what'][:16]}:{launch['tries']}"
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=key)], cursor=json.dumps(launch))

    return sensor


def range_tags(first: str, last: str) -> dict[str, str]:
    """A run over the box of campuses × days between two partitions."""
    return {_RANGE_TAG: first, _RANGE_END_TAG: last}
