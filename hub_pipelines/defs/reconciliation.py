"""The reconciler in Dagster: an asset with its checks, and the sensor that looks and reports what a look found.

A look costs milliseconds and a run seconds, so the sensor looks itself and reports without a run (decisions/0020);
materialising the asset by hand does the same look as a run, thoroughly.
"""

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from hub_pipelines.common.canonical import sha256_hex
from hub_pipelines.defs import metadata
from hub_pipelines.defs.cursors import kept_in
from hub_pipelines.defs.lost_runs import dagster_runs
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.defs.waiting import let_through
from hub_pipelines.recovery.model import CHECKS, Finding, Kind, Position, Report

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub

RECONCILIATION = "reconciliation"
_INTERVAL_S = 30
_THOROUGH_EVERY_S = 600
_REPORT_AT_LEAST_EVERY_S = 3_600
_LINES_SHOWN = 50
_DESCRIPTIONS = {
    "no_run_died_unseen": "Every run that Dagster counts has a living process or waits in its queue.",
    "no_lease_is_past_due": "Every submission whose worker fell silent was taken over or tried again.",
    "every_submission_was_launched": "Whatever is due gets its run within minutes.",
    "every_failure_is_in_review": "Every submission in review has an open review item.",
    "every_archived_file_is_registered": "Every signed envelope in the archive has its record in the database.",
    "every_envelope_is_archived": "Every submission and every page of a portal has its signed envelope in the archive.",
    "every_row_is_accounted_for": (
        "Per campus, feed and day: received = waiting + posted + unchanged + rejected + held + superseded + dismissed."
    ),
}


def reconciliation_asset(deps: Iterable[str]) -> dg.AssetsDefinition:
    @dg.asset(
        name=RECONCILIATION,
        deps=list(deps),
        check_specs=[
            dg.AssetCheckSpec(check, asset=RECONCILIATION, description=_DESCRIPTIONS[check]) for check in CHECKS
        ],
        group_name="evidence",
        owners=["team:research-data"],
        kinds={"sql"},
        description=(
            "What had lost its way (dead runs, leases past due, launches in vain, missing review items, files without "
            "a record, half files) and what was done about it. Materialise it to have everything looked at now."
        ),
    )
    def reconciliation(context: dg.AssetExecutionContext, hub: HubResource) -> Iterator[Any]:
        opened = hub.open()
        report = look(opened, context.instance, Position(), thorough=True)
        yield dg.MaterializeResult(metadata=_told(opened, report))
        for one in _evaluations(report):
            yield dg.AssetCheckResult(
                check_name=one.check_name, passed=one.passed, metadata=one.metadata, severity=one.severity
            )

    return reconciliation


def look(hub: "Hub", instance: dg.DagsterInstance, position: Position, *, thorough: bool) -> Report:
    from hub_pipelines.recovery.service import Reconciler

    return Reconciler(hub, dagster_runs(hub, instance)).look(position, thorough=thorough)


def reconciliation_sensor() -> dg.SensorDefinition:
    """Looks twice a minute, thoroughly every ten; reports when something was found, changed, or an hour has gone. Runs
    that have waited long go first from then on."""

    @dg.sensor(
        name="reconciliation_sensor",
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Finds what has lost its way, whatever Dagster believes, mends what is safe and reports it.",
    )
    def sensor(context: dg.SensorEvaluationContext, hub: HubResource) -> dg.SensorResult:
        opened = hub.open()
        now = opened.intake.now().timestamp()
        cursor: dict[str, Any] = kept_in(context.cursor)
        thorough = now - cursor.get("thorough_at", 0.0) >= _THOROUGH_EVERY_S
        report = look(opened, context.instance, Position.from_document(cursor.get("position", {})), thorough=thorough)
        known = cursor.get("left", {})
        news = _is_news(report, known)
        if news and not thorough:  # what is reported answers every check
            report = _followed_by(report, look(opened, context.instance, report.position, thorough=True))
        context.log.info(f"{len(report.mended)} mended, {len(report.left)} left")
        let_through(context.instance, now)
        due = thorough and now - cursor.get("reported_at", 0.0) >= _REPORT_AT_LEAST_EVERY_S
        events: list[Any] = [dg.AssetMaterialization(RECONCILIATION, metadata=_told(opened, report))]
        events += _evaluations(report)
        cursor |= {"position": report.position.document(), "left": {**known, **_mark(report)}}
        cursor |= {"thorough_at": now} if report.thorough else {}
        cursor |= {"reported_at": now} if news or due else {}
        return dg.SensorResult(cursor=json.dumps(cursor), asset_events=events if news or due else [])

    return sensor


def _is_news(report: Report, known: dict[str, str]) -> bool:
    mended = any(one.kind is not Kind.NOBODYS_BYTES for one in report.mended)
    return mended or any(known.get(check) != mark for check, mark in _mark(report).items())


def _followed_by(first: Report, second: Report) -> Report:
    """Both as one: what the first has mended and what the second still finds."""
    return Report((*first.mended, *second.findings), second.thorough, second.position)


def _mark(report: Report) -> dict[str, str]:
    """For each check that was answered, what is left in short: equal marks are no news."""
    return {
        check: sha256_hex("\n".join(sorted(one.subject for one in found)).encode())[:16]
        for check, found in report.checks().items()
    }


def _evaluations(report: Report) -> list[dg.AssetCheckEvaluation]:
    told = []
    for check, left in report.checks().items():
        mended = [one for one in report.mended if one.kind in CHECKS[check] and one.kind is not Kind.NOBODYS_BYTES]
        facts: dict[str, Any] = {"left": len(left), "mended_by_this_look": len(mended)}
        if left or mended:
            facts["found"] = metadata.records([_line(one) for one in [*left, *mended][:_LINES_SHOWN]])
        told.append(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(RECONCILIATION),
                check_name=check,
                passed=not left,
                metadata=facts,
                severity=dg.AssetCheckSeverity.ERROR,
            )
        )
    return told


def _line(one: Finding) -> dict[str, Any]:
    return {
        "kind": str(one.kind),
        "campus": one.campus,
        "what": one.what,
        "done": one.done or "nothing: see what it says",
    }


def _told(hub: "Hub", report: Report) -> dict[str, Any]:
    from hub_pipelines.recovery import store

    policy = hub.processing.policy
    with hub.db.read() as tx:
        retrying = store.retrying(tx, limit=_LINES_SHOWN)
        figures = store.retry_figures(tx)
    told: dict[str, Any] = {
        "dagster/row_count": len(report.findings),
        "retries": dg.MetadataValue.json({**figures, "next_retry_at": str(figures["next_retry_at"] or "none")}),
    }
    if report.findings:
        told["found"] = metadata.records([_line(one) for one in report.findings[:_LINES_SHOWN]])
    if retrying:
        told["waiting_for_a_retry"] = metadata.records(
            [
                {
                    "submission": row["request_id"],
                    "file": row["source_name"],
                    "attempt": f"{row['attempts']} of {policy.allowed(row['attempts'], in_all=row['attempts_in_all'])}",
                    "next at": f"{row['retry_at']:%Y-%m-%d %H:%M:%S} UTC",
                    "reason": row["reason"],
                }
                for row in retrying
            ]
        )
    return told
