"""Retention in Dagster: a daily job that prunes and shows what was removed, what was kept back and why."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from hub_pipelines.defs import metadata
from hub_pipelines.defs.assets import OWNERS
from hub_pipelines.defs.jobs import LARGE
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.retention.model import HoldsAstray

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub
    from hub_pipelines.retention.model import Pruned

RETENTION = "storage_retention"
RETENTION_JOB = "retention_job"
BUDGET_S = 900.0
"""A prune ends after so long; the next one goes on."""


def prune(
    instance: dg.DagsterInstance, hub: "Hub", *, actor: str, dry_run: bool, budget_s: float = BUDGET_S
) -> "list[Pruned]":
    """Remove what is old, can be made again or is not needed, and is not held. Safe to run twice at once.

    Raises HoldsAstray.
    """
    from hub_pipelines.defs.dagster_storage import prune_partitions, prune_runs
    from hub_pipelines.pruning import prune_bodies, prune_staged

    deadline = time.monotonic() + budget_s
    return [
        prune_partitions(instance, hub, actor=actor, dry_run=dry_run, deadline=deadline),
        prune_runs(instance, hub, actor=actor, dry_run=dry_run, deadline=deadline),
        prune_staged(hub, actor=actor, dry_run=dry_run, deadline=deadline),
        prune_bodies(hub, actor=actor, dry_run=dry_run, deadline=deadline),
    ]


def retention_asset() -> dg.AssetsDefinition:
    @dg.asset(
        name=RETENTION,
        group_name="evidence",
        owners=OWNERS,
        kinds={"sql", "file"},
        description=(
            "What retention has removed of Dagster's storage, staged files and bodies of messages; what it kept, why."
        ),
    )
    def storage_retention(context: dg.AssetExecutionContext, hub: HubResource) -> dg.MaterializeResult[Any]:
        try:
            found = prune(context.instance, hub.open(), actor=f"run/{context.run.run_id}", dry_run=False)
        except HoldsAstray as refused:
            raise dg.Failure(description=str(refused), allow_retries=False) from refused
        return dg.MaterializeResult(metadata=_metadata(hub.open(), found))

    return storage_retention


def _metadata(hub: "Hub", found: "Sequence[Pruned]") -> dict[str, Any]:
    removed = [
        {"what": one.what, "removed": one.removed, "freed_bytes": one.freed_bytes, "complete": str(one.is_complete)}
        for one in found
    ]
    kept = [
        {"what": one.what, "why": why, "number": number, "for example": ", ".join(one.kept.examples[why])}
        for one in found
        for why, number in one.kept.by_reason.items()
    ]
    holds = [
        {"hold": hold.hold_id, "covers": hold.covers, "submissions": count, "reason": hold.reason}
        for hold, count in hub.holds.listing()
    ]
    told: dict[str, Any] = {
        "removed": metadata.records(removed),
        "kept_back_number": sum(one["number"] for one in kept),
        "freed_bytes": sum(one.freed_bytes for one in found),
    }
    told |= {"kept_back": metadata.records(kept)} if kept else {}
    told |= {"legal_holds": metadata.records(holds)} if holds else {}
    return told


def retention_checks() -> list[dg.AssetChecksDefinition]:
    @dg.asset_check(
        asset=RETENTION,
        description=(
            "By the audit chain: no hold was changed, and nothing that a standing one covers was removed after it was "
            "placed."
        ),
    )
    def nothing_held_was_removed(hub: HubResource) -> dg.AssetCheckResult:
        from hub_pipelines.removals import removed_though_held

        found = removed_though_held(hub.open())
        astray = hub.open().holds.astray()
        facts: dict[str, Any] = {"held_and_removed": len(found)}
        facts |= {"holds_changed": "; ".join(astray)} if astray else {}
        return dg.AssetCheckResult(
            passed=not found and not astray,
            metadata=facts | ({"failed": metadata.records(found[:50])} if found else {}),
        )

    @dg.asset_check(
        asset=RETENTION,
        description="Of each removed run of a submission the hub has an ended attempt, or the audit chain its end.",
    )
    def every_removed_run_left_its_record(hub: HubResource) -> dg.AssetCheckResult:
        from hub_pipelines.removals import removed_without_record

        found = removed_without_record(hub.open())
        facts: dict[str, Any] = {"without_record": len(found)}
        return dg.AssetCheckResult(
            passed=not found, metadata=facts | ({"failed": metadata.records(found[:50])} if found else {})
        )

    return [nothing_held_was_removed, every_removed_run_left_its_record]


def retention_job() -> "dg.UnresolvedAssetJobDefinition":
    return dg.define_asset_job(
        RETENTION_JOB,
        selection=dg.AssetSelection.assets(RETENTION),
        description=(
            "Removes old runs, partitions, staged files and bodies of messages that nothing needs and no hold covers."
        ),
        tags=LARGE,
    )


def retention_schedule(job: "dg.UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name="retention_schedule",
        job=job,
        cron_schedule="30 3 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Starts retention_job every night at 03:30 UTC.",
    )
