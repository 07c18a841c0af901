"""Asset checks: true statements about what was materialised, each recomputed from other data than the step used."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from hub_pipelines.defs import metadata
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.validate.model import Feed

if TYPE_CHECKING:
    from hub_pipelines.drift.model import Drifted
    from hub_pipelines.hub import Hub
    from hub_pipelines.mapping.model import Question
    from hub_pipelines.validate.model import OpenQuestion


def feed_checks(feed: Feed) -> list[dg.AssetChecksDefinition]:
    checks = [_every_row_of_a_submission(feed), _headers(feed), _mapping(feed)]
    if feed.checks_tags:
        checks.append(_asset_tags(feed))
    if feed.takes_counts:
        checks.append(_counted_items(feed))
    return checks


def _every_row_of_a_submission(feed: Feed) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=f"{feed.name}_posted",
        name="every_row_is_accounted_for",
        description="Rows in the archived file = entries + unchanged + rejected + superseded, each counted anew.",
    )
    def every_row_is_accounted_for(context: dg.AssetCheckExecutionContext, hub: HubResource) -> dg.AssetCheckResult:
        from hub_pipelines.evidence import account_for

        account = account_for(hub.open(), _request_id(context))
        return dg.AssetCheckResult(
            passed=account.balanced, severity=dg.AssetCheckSeverity.ERROR, metadata=account.document()
        )

    return every_row_is_accounted_for


HEADERS_CHECK = "headers_are_as_before"


def _headers(feed: Feed) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=f"{feed.name}_validated",
        name=HEADERS_CHECK,
        description="The file has the columns that its source's earlier files had; a warning when it has others.",
    )
    def headers_are_as_before(context: dg.AssetCheckExecutionContext, hub: HubResource) -> dg.AssetCheckResult:
        from hub_pipelines.evidence import headers_of

        headers = headers_of(hub.open(), _request_id(context))
        return dg.AssetCheckResult(
            passed=headers.as_before, severity=dg.AssetCheckSeverity.WARN, metadata=headers.document()
        )

    return headers_are_as_before


def drifted(feed_asset: str, error: "Drifted") -> dg.AssetCheckEvaluation:
    """The check's result for a file that was held for its columns: its run materialises nothing to check."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(feed_asset),
        check_name=HEADERS_CHECK,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "headers": str(error.kind),
            "what": error.reason,
            "shape": error.seen.fingerprint,
            "shape_before": error.compared_with or "none",
            "columns_changed": dg.MetadataValue.json(error.change.summary()),
        },
    )


COLUMNS_CHECK = "columns_are_mapped_with_confidence"


def _mapping(feed: Feed) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=f"{feed.name}_validated",
        name=COLUMNS_CHECK,
        description=(
            "Each column was recognised by a name that the contract or a person gave it; a warning that lists those "
            "taken by a heading that is only like one, or by their values."
        ),
    )
    def columns_are_mapped_with_confidence(
        context: dg.AssetCheckExecutionContext, hub: HubResource
    ) -> dg.AssetCheckResult:
        from hub_pipelines.evidence import decision_of

        decision = decision_of(hub.open(), _request_id(context))
        guessed = decision.guessed if decision else ()
        told: dict[str, Any] = {"columns_guessed": len(guessed)}
        if decision and guessed:
            told["columns"] = metadata.records([metadata.column_line(one, decision.parts) for one in guessed])
        return dg.AssetCheckResult(passed=not guessed, severity=dg.AssetCheckSeverity.WARN, metadata=told)

    return columns_are_mapped_with_confidence


def asked(feed_asset: str, questions: "Sequence[Question | OpenQuestion]") -> dg.AssetCheckEvaluation:
    """The check's result for a file that is held for its questions: its run materialises nothing to check."""
    lines = [
        {
            "about": one.column or one.kind,
            "heading": one.heading or "",
            "question": one.text,
            "choices": "; ".join(f"{number} = {choice.label}" for number, choice in enumerate(one.choices, start=1)),
        }
        for one in questions
    ]
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(feed_asset),
        check_name=COLUMNS_CHECK,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"questions_open": len(lines), "questions": metadata.records(lines)},
    )


def _asset_tags(feed: Feed) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=f"{feed.name}_posted",
        name="asset_tags_are_registered",
        description="Every tag that was posted is in the procurement registry; a warning when the file held others.",
    )
    def asset_tags_are_registered(context: dg.AssetCheckExecutionContext, hub: HubResource) -> dg.AssetCheckResult:
        from hub_pipelines.evidence import tags_of

        tags = tags_of(hub.open(), _request_id(context))
        severity = dg.AssetCheckSeverity.ERROR if tags.posted_unregistered else dg.AssetCheckSeverity.WARN
        return dg.AssetCheckResult(passed=tags.all_registered, severity=severity, metadata=tags.document())

    return asset_tags_are_registered


def _counted_items(feed: Feed) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=f"{feed.name}_posted",
        name="counted_items_were_found",
        description="A complete count lists all that the ledger has at its locations; a warning when it does not.",
    )
    def counted_items_were_found(context: dg.AssetCheckExecutionContext, hub: HubResource) -> dg.AssetCheckResult:
        from hub_pipelines.evidence import count_of

        count = count_of(hub.open(), _request_id(context))
        return dg.AssetCheckResult(
            passed=count.all_found, severity=dg.AssetCheckSeverity.WARN, metadata=count.document()
        )

    return counted_items_were_found


def shared_checks() -> list[dg.AssetChecksDefinition]:
    @dg.asset_check(
        asset="audit_log",
        description="Each entry's hash follows from its content and the entry before; each posting matches its rows.",
    )
    def audit_chain_is_unbroken(hub: HubResource) -> dg.AssetCheckResult:
        from hub_pipelines.evidence import verify_all

        report = verify_all(hub.open())
        return dg.AssetCheckResult(
            passed=report.ok, metadata={"entries": report.entries, "first_bad": report.first_bad or "none"}
        )

    @dg.asset_check(
        asset="audit_log",
        description=(
            "Per campus and day: received = waiting + posted + unchanged + rejected + held + superseded + dismissed."
        ),
    )
    def every_row_is_accounted_for(hub: HubResource) -> dg.AssetCheckResult:
        return _conservation(hub.open())

    return [audit_chain_is_unbroken, every_row_is_accounted_for]


def _conservation(hub: "Hub") -> dg.AssetCheckResult:
    from hub_pipelines.evidence import conservation

    lines = conservation(hub)
    off = [line for line in lines if not line["balanced"]]
    return dg.AssetCheckResult(
        passed=not off,
        metadata={"campus_days": len(lines), "unbalanced": dg.MetadataValue.json(off[:100])},
    )


def _request_id(context: dg.AssetCheckExecutionContext) -> str:
    return context.op_execution_context.partition_key
