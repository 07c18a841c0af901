"""The crash tests use the same home and the same real Dagster instance as the tests of the definitions."""

import pytest

from hub_pipelines_tests.defs.conftest import home, opened, runner

__all__ = ["home", "opened", "runner"]


@pytest.fixture
def database_url(hub_database_url: str) -> str:
    """With the hub's tables; what a kill leaves of a first start, test_kills.py shows on homes of its own."""
    return hub_database_url
