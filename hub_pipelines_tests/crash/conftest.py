"""The crash tests use the same home and the same real Dagster instance as the tests of the definitions."""

from hub_pipelines_tests.defs.conftest import home, opened, runner

__all__ = ["home", "opened", "runner"]
