"""Tests of hub_pipelines.audit."""
