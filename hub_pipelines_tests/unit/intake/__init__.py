"""Tests of hub_pipelines.intake."""
