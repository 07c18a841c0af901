"""The hub as a Dagster resource: opened at first use, once per process, so that loading definitions is free."""

from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub


class HubResource(dg.ConfigurableResource["HubResource"]):
    """Gives the process's hub. Settings come from HUB_HOME and hub.toml, not from run configuration."""

    def open(self) -> "Hub":
        with _opening:  # sensors tick in threads
            return _opened()


_opening = Lock()


@cache
def _opened() -> "Hub":
    from hub_pipelines.hub import open_hub

    return open_hub()


def forget_hub() -> None:
    """Let the next use open the hub anew, for a home that has changed."""
    _opened.cache_clear()
