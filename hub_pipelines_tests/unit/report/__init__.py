"""Tests of hub_pipelines.report."""
