"""How this process keeps memory that it no longer uses: hardly (decisions/0115).

Belongs here: what is set once for a process, before it allocates much. Not here: which allocator Arrow uses (the
package's __init__), when Arrow is told to give back what it keeps (validate/staging.py).
"""

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's mallopt(3)."""
_SAID_BY_OPERATOR = frozenset({"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"})
_MAPPED_FROM_BYTES = 2 * 1024 * 1024
_KEPT_BYTES = 8 * 1024 * 1024


def give_back_soon() -> None:
    """Have the C library give large blocks back as soon as they are free. Without it each size that was freed once is
    kept from then on. Other libraries than glibc go their own way, and so does an operator who has set this."""
    if not _SAID_BY_OPERATOR.isdisjoint(os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
