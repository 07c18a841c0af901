"""Tests of hub_pipelines.validate. Every input is built here; none is read from elsewhere."""
