"""Tests of hub_pipelines.submission."""
