"""That a process gives memory back as soon as it needs it no more.

Belongs here: how that is asked of Arrow and of the C library. Not here: which work takes so much that it matters
(processing).
"""

import ctypes
from contextlib import suppress

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""Names of glibc's mallopt(3)."""
_LARGE_BYTES = 1024 * 1024
_ARENAS = 2


def give_back_early() -> None:
    """For the rest of this process's life. A column of a batch is a block of its own that goes back to the system when
    it is freed, where Arrow's own allocator and glibc's heaps would keep it for the next one, each thread its own; what
    it costs to have it zeroed again is little beside what is done with it.

    Where the C library is not glibc nothing is asked of it.
    """
    import pyarrow

    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    with suppress(AttributeError):  # it has no such function
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)
