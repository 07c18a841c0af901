"""The hub's settings: `hub.toml` in the home and a few environment variables, read once and validated.

Belongs here: names, defaults, units and error texts of settings. Not here: anything that acts on them.
"""

from hub_pipelines.settings.loading import DEFAULT_TOML, PROJECT, home_folder, load
from hub_pipelines.settings.sections import (
    Limits,
    MessageSettings,
    RetentionSettings,
    Settings,
)

__all__ = [
    "DEFAULT_TOML",
    "PROJECT",
    "Limits",
    "MessageSettings",
    "RetentionSettings",
    "Settings",
    "home_folder",
    "load",
]
