"""What a child may use, set by itself before it looks at its file.

Belongs here: the numbers and the calls. Not here: the clock, which the hub watches.
"""

import resource
from pathlib import Path

MEMORY = 1024 * 1024 * 1024
"""Bytes of address space above what the child has when it starts."""
CPU_S = 60
"""Seconds of processor time without telling that work goes on."""
_FILES = 32
_WRITTEN = 64 * 1024
"""Bytes of any file that it writes: enough for its last words."""


def set_limits() -> None:
    """Hardly anything can be written, no core is left, few descriptors, bounded memory and time."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, _WRITTEN)
    _lower(resource.RLIMIT_NOFILE, _FILES)
    _lower(resource.RLIMIT_AS, _address_space() + MEMORY)
    more_time()


def more_time() -> None:
    """Work went on: the processor time begins anew."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(usage.ru_utime + usage.ru_stime) + CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _lower(which: int, limit: int) -> None:
    _, hard = resource.getrlimit(which)
    allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(which, (allowed, allowed))


def _address_space() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        # not on Linux: what a child needs to start is well below this
        return 512 * 1024 * 1024
    return pages * resource.getpagesize()
