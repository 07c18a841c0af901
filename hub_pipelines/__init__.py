"""The data platform of a University Research Automation Hub: see ARCHITECTURE.md beside this file."""

import os

__version__ = "0.1.0"

# before Arrow is loaded: its own allocator keeps as much again as a large file needs (decisions/0115)
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
