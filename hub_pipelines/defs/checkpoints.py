"""`audit_checkpoints`: every hour the ends of all chains are signed, and all of them held against what is signed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from hub_pipelines.common.errors import HubError
from hub_pipelines.defs import metadata
from hub_pipelines.defs.assets import OWNERS
from hub_pipelines.defs.jobs import LARGE
from hub_pipelines.defs.resources import HubResource

if TYPE_CHECKING:
    from hub_pipelines.audit.model import ChainReport

CHECKPOINTS = "audit_checkpoints"
CHECKPOINTS_JOB = "audit_checkpoints_job"
CHECK = "audit_chain_agrees_with_its_checkpoints"


def checkpoints_asset() -> dg.AssetsDefinition:
    @dg.asset(
        name=CHECKPOINTS,
        deps=["audit_log"],
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=CHECKPOINTS,
                description=(
                    "Every chain, recomputed from its first entry, is what the signed and countersigned checkpoints in "
                    "the database, the archive and the reports' folder tell."
                ),
            )
        ],
        group_name="evidence",
        owners=OWNERS,
        kinds={"sha256", "file"},
        description="The ends of all chains, signed by their campus, countersigned by the others, kept as files too.",
    )
    def audit_checkpoints(context: dg.AssetExecutionContext, hub: HubResource) -> Iterator[Any]:
        opened = hub.open().checkpoints
        try:
            made = opened.make()
        except HubError as refused:
            told = _evaluation(opened.verify(), str(refused))
            context.op_execution_context.log_event(told)  # type: ignore[arg-type]  # it takes check results too
            raise dg.Failure(description=str(refused), allow_retries=False) from refused
        report = opened.verify()
        lines = [
            {"campus": one.campus, "number": one.number, "entries up to": one.seq, "head": one.head}
            for one in made.checkpoints
        ]
        facts: dict[str, Any] = {
            "signed": len(made.checkpoints),
            "files_written": made.files,
            "signed_upto": dg.MetadataValue.json(report.signed),
        }
        facts |= {"checkpoints": metadata.records(lines)} if lines else {}
        facts |= {"not_written": ", ".join(made.trouble)} if made.trouble else {}
        yield dg.MaterializeResult(metadata=facts)
        evaluation = _evaluation(report)
        yield dg.AssetCheckResult(check_name=CHECK, passed=evaluation.passed, metadata=evaluation.metadata)

    return audit_checkpoints


def _evaluation(report: "ChainReport", refused: str = "") -> dg.AssetCheckEvaluation:
    facts: dict[str, Any] = {"entries": report.entries, "first_bad": report.first_bad or "none"}
    facts |= {"notes": "; ".join(report.notes)} if report.notes else {}
    facts |= {"not_signed": refused} if refused else {}
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(CHECKPOINTS), check_name=CHECK, passed=report.ok and not refused, metadata=facts
    )


def checkpoints_job() -> "dg.UnresolvedAssetJobDefinition":
    return dg.define_asset_job(
        CHECKPOINTS_JOB,
        selection=dg.AssetSelection.assets(CHECKPOINTS),
        description="Signs the ends of all audit chains and holds the chains against all checkpoints.",
        tags=LARGE,
    )


def checkpoints_schedule(job: "dg.UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
    @dg.schedule(
        name="audit_checkpoints_schedule",
        job=job,
        cron_schedule="7 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every hour, when something has happened since the last checkpoints.",
    )
    def schedule(hub: HubResource) -> dg.RunRequest | dg.SkipReason:
        if hub.open().checkpoints.is_due():
            return dg.RunRequest()
        return dg.SkipReason("Nothing has happened since the last checkpoints.")

    return schedule
