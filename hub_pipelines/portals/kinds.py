"""From a portal's settings to its adapter: the one place that knows all kinds."""

from hub_pipelines.portals.model import Adapter
from hub_pipelines.portals.rest import RestAdapter
from hub_pipelines.settings import AnyPortalSettings


def adapter_of(name: str, settings: AnyPortalSettings, campuses: tuple[str, ...]) -> Adapter:
    """`campuses` are those of the hub: nothing is taken for another one."""
    return RestAdapter(name, settings, campuses)
