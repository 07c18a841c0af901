"""`weekly_review`: one page and one table for each ISO week, written on Monday morning for the week that has ended."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from hub_pipelines.defs import metadata
from hub_pipelines.defs.assets import OWNERS
from hub_pipelines.defs.jobs import LARGE
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.settings import Settings

if TYPE_CHECKING:
    from hub_pipelines.report.weekly.model import Systemic, WeeklyReview

WEEKLY_JOB = "weekly_review_job"
_GROUPS_SHOWN = 20


def weeks(settings: Settings) -> dg.WeeklyPartitionsDefinition:
    """Weeks from Monday to Sunday in UTC, named by their Monday; the last one is the week that has ended."""
    return dg.WeeklyPartitionsDefinition(start_date=settings.ledger.first_day.isoformat(), day_offset=1)


def weekly_asset(settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        deps=["review_queue"],
        partitions_def=weeks(settings),
        group_name="evidence",
        owners=OWNERS,
        kinds={"html", "csv"},
        description=(
            "What came to review in a week and what was decided: groups by what they have in common, open items by "
            "age, cause, campus and feed, decisions with who and why."
        ),
    )
    def weekly_review(context: dg.AssetExecutionContext, hub: HubResource) -> dg.MaterializeResult[Any]:
        from hub_pipelines.report.weekly.model import Week

        opened = hub.open()
        week = Week.of(context.partition_time_window.start)
        review = opened.weekly.write(week)
        page, table = opened.weekly.paths(week)
        links = {
            "page": dg.MetadataValue.path(str(page)),
            "link": dg.MetadataValue.url(page.as_uri()),
            "table": dg.MetadataValue.path(str(table)),
        }
        return dg.MaterializeResult(metadata={**_told(review), **links})

    return weekly_review


def _told(review: "WeeklyReview") -> metadata.Metadata:
    told: dict[str, Any] = {
        "week": review.week.name,
        "opened": review.opened,
        "opened_the_week_before": review.opened_before,
        "resolved": review.resolved,
        "dagster/row_count": review.open,
        "open_by": dg.MetadataValue.json(review.open_by),
    }
    if review.systemic:
        told["in_common"] = metadata.records([_line(one) for one in review.systemic[:_GROUPS_SHOWN]])
    return told


def _line(one: "Systemic") -> dict[str, Any]:
    return {
        "group": one.group,
        "this week": one.count,
        "week before": one.before,
        "open": one.open,
        "cause": ", ".join(one.causes),
        "campus": ", ".join(one.campuses),
        "reason": one.reason,
    }


def weekly_job(asset: dg.AssetsDefinition) -> "dg.UnresolvedAssetJobDefinition":
    return dg.define_asset_job(
        WEEKLY_JOB,
        selection=dg.AssetSelection.assets(asset),
        description="Writes the review of one week.",
        tags=LARGE,
    )


def weekly_schedule(job: "dg.UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
    schedule = dg.build_schedule_from_partitioned_job(
        job,
        name="weekly_review_schedule",
        hour_of_day=5,
        minute_of_hour=30,
        day_of_week=1,
        description="Monday 05:30 UTC: the review of the week that has ended.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return schedule  # type: ignore[return-value]  # an unresolved one, which Definitions takes as well
