"""`grants_findings`: what the rules find in awards, judged again when an award or an expenditure was posted, and daily.

Belongs here: what is launched and what is told. Not here: the rules and what is kept of them (findings).
"""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from hub_pipelines.defs import metadata
from hub_pipelines.defs.assets import OWNERS
from hub_pipelines.defs.cursors import kept_in
from hub_pipelines.defs.jobs import LARGE
from hub_pipelines.defs.relaunching import launch_of
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.defs.sensors import LIVING

if TYPE_CHECKING:
    from hub_pipelines.findings.model import Evaluation, Finding
    from hub_pipelines.findings.unjudged import Unjudged
    from hub_pipelines.hub import Hub

FEED = "grants"
FINDINGS = "grants_findings"
FINDINGS_JOB = "grants_findings_job"
CHECK = "no_finding_is_open"
_INTERVAL_S = 15
_SHOWN = 50


def findings_asset() -> dg.AssetsDefinition:
    @dg.asset(
        name=FINDINGS,
        deps=[dg.AssetDep(f"{FEED}_posted", partition_mapping=dg.AllPartitionMapping())],
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=FINDINGS,
                description=(
                    "Nothing that was spent on an award is outside its period or beyond its funds; a warning. Tells "
                    "how many lines were not judged, and why."
                ),
            )
        ],
        group_name=FEED,
        owners=OWNERS,
        kinds={"sql", "html"},
        description=(
            "What the rules of 2 CFR 200 find in awards and expenditures: opened and closed by what is posted about "
            "them. Only awards that were touched since the last evaluation are judged."
        ),
    )
    def grants_findings(context: dg.AssetExecutionContext, hub: HubResource) -> Iterator[Any]:
        from hub_pipelines.findings.model import Overtaken

        opened = hub.open()
        done: list[Evaluation] = []
        for campus in opened.campuses:
            try:
                done.append(opened.findings.evaluate(campus, actor=f"run/{context.run.run_id}"))
            except Overtaken as overtaken:  # it does what was to be done here
                context.log.warning(str(overtaken))
        written = opened.findings_page.write()
        yield dg.MaterializeResult(metadata={**_told(done), "page": dg.MetadataValue.path(str(written.page))})
        yield _check(opened, written.unjudged)

    return grants_findings


def _told(done: "Sequence[Evaluation]") -> metadata.Metadata:
    opened = [one for each in done for one in each.opened]
    closed = [one for each in done for one in each.closed]
    told: dict[str, Any] = {
        "dagster/row_count": sum(one.open for one in done),
        "opened": len(opened),
        "closed": len(closed),
        "stay": sum(one.stay for one in done),
        "awards_judged": sum(one.awards for one in done),
        "as_of": dg.MetadataValue.json({one.campus: dict(one.mark.versions) for one in done}),
    }
    for name, some in (("what_was_opened", opened), ("what_was_closed", closed)):
        if some:
            told[name] = metadata.records([_line(one) for one in some[:_SHOWN]])
    return told


def _line(one: "Finding") -> dict[str, Any]:
    cause = one.closed_by or one.opened_by
    return {
        "campus": one.campus,
        "award": one.award,
        "rule": f"{one.rule_id} ({one.citation})",
        "subject": one.subject,
        "what": one.told,
        "caused by": cause.what,
        "request_id": cause.request_id or "none",
    }


def _check(hub: "Hub", unjudged: "Sequence[Unjudged]") -> dg.AssetCheckResult:
    """Lines that were not judged do not fail it, and are told where it passes."""
    from hub_pipelines.findings import store
    from hub_pipelines.findings.unjudged import headline_of

    with hub.db.read() as tx:
        by_rule = store.open_by_rule(tx)
        first, _ = store.listing(tx, limit=_SHOWN)
    facts: dict[str, Any] = {
        "open": sum(by_rule.values()),
        "by_campus_and_rule": dg.MetadataValue.json({f"{campus} {rule}": n for (campus, rule), n in by_rule.items()}),
    }
    if first:
        facts["oldest"] = metadata.records([_line(one) for one in first])
    not_judged = headline_of(unjudged)
    facts["lines_not_judged"] = sum(one.lines for one in unjudged)
    if unjudged:
        facts["not_judged"] = metadata.records([line for one in unjudged for line in _not_judged(one)])
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=not facts["open"],
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{not_judged}." if not_judged else None,
        metadata=facts,
    )


def _not_judged(campus: "Unjudged") -> Iterator[dict[str, Any]]:
    bound = {"campus": campus.campus, "looked at": campus.only_first or "all"}
    for one in campus.reasons:
        yield {**bound, "lines": one.lines, "reason": one.why.many, "first": "; ".join(map(str, one.first))}
    if not campus.reasons:
        yield {**bound, "lines": 0, "reason": "none among these", "first": ""}


def findings_job() -> "dg.UnresolvedAssetJobDefinition":
    return dg.define_asset_job(
        FINDINGS_JOB,
        selection=dg.AssetSelection.assets(FINDINGS),
        description="Judges awards that were touched since they were judged last.",
        tags=LARGE,
    )


def findings_sensor(job: "dg.UnresolvedAssetJobDefinition") -> dg.SensorDefinition:
    @dg.sensor(
        name="grants_findings_sensor",
        job=job,
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Has awards judged again when something about them was posted, and when a day has begun.",
    )
    def sensor(context: dg.SensorEvaluationContext, hub: HubResource) -> dg.SensorResult | dg.SkipReason:
        opened = hub.open()
        limits = opened.settings.ledger
        due = opened.findings.due(
            quiet=timedelta(seconds=limits.quiet_s), at_latest=timedelta(seconds=limits.at_latest_s)
        )
        if not due:
            return dg.SkipReason("Nothing was posted about awards, or it has not come to rest yet.")
        if context.instance.get_runs(dg.RunsFilter(job_name=FINDINGS_JOB, statuses=LIVING), limit=1):
            return dg.SkipReason("A run judges awards now.")
        launch = launch_of(due.values(), kept_in(context.cursor), opened.intake.now().timestamp(), _INTERVAL_S)
        if launch is None:
            return dg.SkipReason("The last run for the same did not finish; trying again after a pause.")
        key = f"findings:{launch['what'][:16]}:{launch['tries']}"
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=key)], cursor=json.dumps(launch))

    return sensor
