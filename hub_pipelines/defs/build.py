"""Builds the definitions from settings: the only place that knows all of them."""

import warnings
from collections.abc import Mapping

import dagster as dg

from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.defs.assets import feed_assets, shared_assets
from hub_pipelines.defs.checkpoints import checkpoints_asset, checkpoints_job, checkpoints_schedule
from hub_pipelines.defs.checks import feed_checks, shared_checks
from hub_pipelines.defs.findings import FEED, findings_asset, findings_job, findings_sensor
from hub_pipelines.defs.jobs import audit_job, preview_job, submission_job
from hub_pipelines.defs.ledgers import ledger_asset, ledgers_job, ledgers_sensor
from hub_pipelines.defs.portals import (
    portal_asset,
    portal_checks,
    portals_job,
    portals_of,
    portals_sensor,
)
from hub_pipelines.defs.previews import previews_asset
from hub_pipelines.defs.reconciliation import reconciliation_asset, reconciliation_sensor
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.defs.retention import retention_asset, retention_checks, retention_job, retention_schedule
from hub_pipelines.defs.sensors import audit_log_sensor, drop_folder_sensor, review_queue_sensor
from hub_pipelines.defs.sources import source, source_name
from hub_pipelines.defs.weekly import weekly_asset, weekly_job, weekly_schedule
from hub_pipelines.portals.kinds import adapters_of
from hub_pipelines.portals.model import Adapter
from hub_pipelines.settings import Settings
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Feed


def build_defs(settings: Settings) -> dg.Definitions:
    """Fresh definitions for the campuses and feeds of these settings."""
    # backfill policies are beta in the pinned minor version, and needed
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    feeds = [FEEDS[name] for name in settings.feeds]
    jobs = [submission_job(feed) for feed in feeds]
    audit = audit_job()
    previews = preview_job()
    ledgers = ledgers_job()
    weekly = weekly_asset(settings)
    review = weekly_job(weekly)
    retention = retention_job()
    checkpoints = checkpoints_job()
    adapters = adapters_of(settings, {feed.name: feed for feed in feeds})
    portals = portals_job(list(adapters)) if adapters else None
    findings = findings_job() if FEED in settings.feeds else None
    return dg.Definitions(
        assets=[
            *(source(settings, campus, feed.name) for campus in settings.campuses for feed in feeds),
            *(asset for feed in feeds for asset in feed_assets(feed, _sources(settings, feed, adapters))),
            *(portal_asset(one) for one in adapters.values()),
            *(ledger_asset(feed, settings) for feed in feeds),
            *shared_assets(feeds),
            reconciliation_asset(f"{feed.name}_posted" for feed in feeds),
            weekly,
            retention_asset(),
            previews_asset(settings),
            checkpoints_asset(),
            *([findings_asset()] if findings else []),
        ],
        asset_checks=[
            *(check for feed in feeds for check in feed_checks(feed)),
            *shared_checks(),
            *retention_checks(),
            *(check for name in adapters for check in portal_checks(name)),
        ],
        jobs=[
            *jobs,
            previews,
            audit,
            ledgers,
            review,
            retention,
            checkpoints,
            *(job for job in (portals, findings) if job),
        ],
        schedules=[weekly_schedule(review), retention_schedule(retention), checkpoints_schedule(checkpoints)],
        sensors=[
            *(drop_folder_sensor(campus, [*jobs, previews]) for campus in [*settings.campuses, RESERVED_CAMPUS]),
            review_queue_sensor(),
            audit_log_sensor(audit),
            ledgers_sensor(ledgers),
            reconciliation_sensor(),
            *([portals_sensor(portals, list(adapters))] if portals else []),
            *([findings_sensor(findings)] if findings else []),
        ],
        resources={"hub": HubResource()},
        executor=dg.in_process_executor,
    )


def _sources(settings: Settings, feed: Feed, adapters: Mapping[str, Adapter]) -> list[str]:
    """The assets that a feed's submissions come from: its campuses' folders, and portals."""
    return [*(source_name(campus, feed.name) for campus in settings.campuses), *portals_of(adapters, feed.name)]
