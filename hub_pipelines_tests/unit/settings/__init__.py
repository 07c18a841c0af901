"""Tests of hub_pipelines.settings."""
