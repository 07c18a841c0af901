"""The crash tests use the same home and the same real Dagster instance as the tests of the definitions."""

import gc
from importlib import import_module

import pytest

from hub_pipelines_tests.defs.conftest import home, opened, runner, scripts_loaded_once

__all__ = ["home", "opened", "runner", "scripts_loaded_once"]


@pytest.fixture(scope="session", autouse=True)
def _loaded() -> None:
    """What runs are forked from has loaded all that they need (decisions/0086), and so has what is forked here."""
    import_module("hub_pipelines.defs.warm")
    gc.collect()
    gc.freeze()  # or each child's own collections would copy the pages of everything


@pytest.fixture
def database_url(hub_database_url: str) -> str:
    """With the hub's tables; what a kill leaves of a first start, test_kills.py shows on homes of its own."""
    return hub_database_url
