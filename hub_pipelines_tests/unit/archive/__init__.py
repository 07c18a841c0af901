"""Tests of hub_pipelines.archive."""
