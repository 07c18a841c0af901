"""Portals in Dagster: an asset with its checks for each, and the sensor that has the due ones polled.

Belongs here: what is launched and what is told. Not here: asking a portal (portals/service.py). A poll whose portal
can't be read ends well and materialises nothing: it goes on by itself when the portal is back, and the checks say so
meanwhile (decisions/0010).
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from hub_pipelines.common.errors import SettingsError, Transient
from hub_pipelines.defs import metadata
from hub_pipelines.defs.assets import OWNERS
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.defs.sensors import LIVING
from hub_pipelines.portals.pacing import late_after

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub
    from hub_pipelines.portals.model import Adapter
    from hub_pipelines.portals.service import Outcome

PORTALS_JOB = "portals_job"
PORTAL_TAG = "hub/portal"
READ = "portal_is_read"
PAGES = "pages_are_as_they_were_read"
SHAPES = "records_have_the_shape_that_is_read"
_DESCRIPTIONS = {
    READ: "It was read to its end within three intervals (an hour at least), and nothing keeps the hub from asking it.",
    PAGES: "The archived pages of the newest poll have the bytes that were signed when they were read.",
    SHAPES: "No record waits in review because a field is gone or of another kind.",
}
_INTERVAL_S = 15
_POLL_FOR_S = 600.0
_PAGES_CHECKED = 200


def asset_name(portal: str) -> str:
    return f"{portal}_portal"


def portals_of(adapters: "Mapping[str, Adapter]", feed: str) -> list[str]:
    """The assets of the portals that records of a feed come from."""
    return [asset_name(name) for name, one in adapters.items() if any(scope.feed == feed for scope, _ in one.scopes)]


def portal_asset(adapter: "Adapter") -> dg.AssetsDefinition:
    """Materialised by each poll that read all; late when none did for long."""
    name = adapter.name

    @dg.asset(
        name=asset_name(name),
        group_name="sources",
        owners=OWNERS,
        kinds={"json"},
        output_required=False,
        description=f"What the portal {name} ({adapter.origin}) says; each record is taken once for each content.",
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=late_after(adapter.every)),
    )
    def portal(context: dg.AssetExecutionContext, hub: HubResource) -> Iterator[dg.MaterializeResult[Any]]:
        opened = hub.open()
        try:
            outcome = opened.portals.poll(name, for_s=_POLL_FOR_S)
        except Transient as error:
            context.log.warning(f"{name}: {error} The next poll goes on.")
            return
        context.log.info(f"{name}: {outcome.end}; {outcome.reason or 'no trouble'}")
        told = _told(opened, outcome)
        if outcome.end == "complete":
            yield dg.MaterializeResult(metadata=told)
            return
        log = context.op_execution_context.log_event
        log(dg.AssetObservation(asset_name(name), metadata=told))
        for check in (READ, PAGES, SHAPES):  # no check runs of what was not materialised
            result = _answer(opened, name, check)
            log(
                dg.AssetCheckEvaluation(  # type: ignore[arg-type]  # it takes check results too
                    asset_key=dg.AssetKey(asset_name(name)),
                    check_name=check,
                    passed=result.passed,
                    severity=result.severity,
                    metadata=result.metadata,
                )
            )

    return portal


def portal_checks(portal: str) -> list[dg.AssetChecksDefinition]:
    return [_check(portal, name) for name in _DESCRIPTIONS]


def _check(portal: str, name: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset_name(portal), name=name, description=_DESCRIPTIONS[name])
    def check(hub: HubResource) -> dg.AssetCheckResult:
        return _answer(hub.open(), portal, name)

    return check


def _answer(hub: "Hub", portal: str, check: str) -> dg.AssetCheckResult:
    """Asked of the database and the archive as they are now."""
    passed, facts = {READ: _is_read, PAGES: _pages_verify, SHAPES: _shapes_are_known}[check](hub, portal)
    severity = dg.AssetCheckSeverity.ERROR if check == PAGES else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(passed=passed, severity=severity, metadata=facts)


def _is_read(hub: "Hub", portal: str) -> tuple[bool, dict[str, Any]]:
    state = hub.portals.state(portal)
    now = hub.portals.now()
    completed = state.completed_at if state else None
    lately = completed is not None and now - completed <= late_after(hub.portals.adapters[portal].every)
    breaker = state.health.breaker(now) if state else "closed"
    facts: dict[str, Any] = {
        "read_to_its_end_at": str(completed or "never"),
        "failures_in_a_row": state.health.failures if state else 0,
        "breaker": str(breaker),
        "last_error": (state.last_error if state else None) or "none",
    }
    return lately and breaker == "closed", facts


def _pages_verify(hub: "Hub", portal: str) -> tuple[bool, dict[str, Any]]:
    from hub_pipelines.common.errors import Permanent
    from hub_pipelines.portals import store
    from hub_pipelines.submission.model import Envelope

    with hub.db.read() as tx:
        newest = store.newest_polls(tx, portal, limit=1)
        pages = store.pages_of(tx, newest[0]["poll_id"])[-_PAGES_CHECKED:] if newest else []
    for one in pages:
        try:
            envelope = Envelope.from_document(one.envelope)
            hub.keys.verify(envelope)
            hub.archive.verify(envelope.content_digest)
        except Permanent as error:
            return False, {"pages": len(pages), "first_bad": f"page {one.number} of {one.poll_id}: {error.reason}"}
    return True, {"pages": len(pages)}


def _shapes_are_known(hub: "Hub", portal: str) -> tuple[bool, dict[str, Any]]:
    from hub_pipelines.portals import store

    with hub.db.read() as tx:
        held = store.count_held(tx, portal)
        shapes = [one for one in store.shapes(tx, portal) if one.accepted_at is None]
    facts: dict[str, Any] = {"records_held": held}
    lines = [
        {"shape": one.fingerprint, "field": each.path, "before": each.before, "now": each.now}
        for one in shapes
        for each in one.deviations
    ]
    if lines:
        facts["old_and_new"] = metadata.records(lines)
    return not held, facts


def _told(hub: "Hub", outcome: "Outcome") -> dict[str, Any]:
    from dataclasses import asdict

    state = hub.portals.state(outcome.portal)
    told: dict[str, Any] = {
        "outcome": str(outcome.end),
        "poll": outcome.poll_id or "none",
        "read_up_to": str(state.cursor if state and state.cursor else "nothing yet"),
        "requests_so_far": state.requests if state else 0,
        **asdict(outcome.tally),
    }
    if outcome.reason:
        told["reason"] = outcome.reason
    if outcome.until:
        told["not_before"] = dg.MetadataValue.timestamp(outcome.until)
    return told


def portals_job(names: list[str]) -> "dg.UnresolvedAssetJobDefinition":
    return dg.define_asset_job(
        PORTALS_JOB,
        selection=dg.AssetSelection.assets(*map(asset_name, names)),
        description="Polls portals: those of its run. What was read in part goes on where it was.",
    )


def portals_sensor(job: "dg.UnresolvedAssetJobDefinition", names: list[str]) -> dg.SensorDefinition:
    @dg.sensor(
        name="portals_sensor",
        job=job,
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Has each portal polled when it is due: its interval is over, or a poll under way may go on.",
    )
    def sensor(context: dg.SensorEvaluationContext, hub: HubResource) -> dg.SensorResult | dg.SkipReason:
        from hub_pipelines.intake.inbox.model import NEARLY_FULL
        from hub_pipelines.portals.service import NO_ROOM

        opened = hub.open()
        due = [name for name in names if opened.portals.is_due(name)]
        due = [name for name in due if not _is_at_work(context.instance, name) and _has_key(context, opened, name)]
        if not due:
            return dg.SkipReason("No portal is due.")
        if opened.inbox.filling().share >= NEARLY_FULL:
            return dg.SkipReason(NO_ROOM)
        at = int(opened.portals.now().timestamp())
        return dg.SensorResult(run_requests=[_request(name, at) for name in due])

    return sensor


def _has_key(context: dg.SensorEvaluationContext, hub: "Hub", portal: str) -> bool:
    """Without its key no run is worth its while; `hub doctor` says so too."""
    try:
        hub.portals.key_of(portal)
    except SettingsError as error:
        context.log.error(str(error))
        return False
    return True


def _is_at_work(instance: dg.DagsterInstance, portal: str) -> bool:
    return bool(instance.get_runs(dg.RunsFilter(tags={PORTAL_TAG: portal}, statuses=LIVING), limit=1))


def _request(portal: str, at: int) -> dg.RunRequest:
    key = dg.AssetKey(asset_name(portal))
    return dg.RunRequest(
        run_key=f"portal:{portal}:{at}",
        asset_selection=[key],
        asset_check_keys=[dg.AssetCheckKey(key, check) for check in _DESCRIPTIONS],
        tags={PORTAL_TAG: portal},
    )
