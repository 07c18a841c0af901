"""The data platform of a University Research Automation Hub: see ARCHITECTURE.md beside this file."""

from hub_pipelines.common.memory import use_one_allocator

__version__ = "0.1.0"

use_one_allocator()
