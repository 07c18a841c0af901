"""Sources: for each campus and feed where its files come from, and when it is late."""

from datetime import timedelta

import dagster as dg

from hub_pipelines.settings import Settings


def source_name(campus: str, feed: str) -> str:
    return f"{feed}_from_{campus}"


def source(settings: Settings, campus: str, feed: str) -> dg.AssetSpec:
    """An external asset that each arrival renews; it turns late by the settings' freshness."""
    late = settings.freshness(campus, feed)
    return dg.AssetSpec(
        source_name(campus, feed),
        description=f"What {campus} sends for {feed}. Late when nothing came for {late.fail_after_days:g} days.",
        group_name="sources",
        owners=["team:research-data"],
        kinds={"file"},
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(days=late.fail_after_days), warn_window=timedelta(days=late.warn_after_days)
        ),
    )
