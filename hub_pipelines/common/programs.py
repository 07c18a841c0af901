"""Programs that the hub starts for a piece of its own work. Not here: the child that opens files, which has less
(validate/reading/starting.py), and the processes of `hub up` (deployment.py)."""

import os
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "ARROW_DEFAULT_MEMORY_POOL")


def bare_environment() -> dict[str, str]:
    """What such a program needs to find Python, this package and those that it needs, and nothing secret."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    places = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": places, "PYTHONUTF8": "1"}
