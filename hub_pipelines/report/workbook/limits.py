"""What the program that writes workbooks may use, whatever a hostile file makes of it.

Belongs here: the process's own limits. Not here: how long it is waited for (running).
"""

import resource

MEMORY_BYTES = 2 * 1024**3
CPU_S = 90
_FILE_BYTES = 512 * 1024**2


def apply() -> None:
    """For this process and for good; beyond them an allocation or a write fails, or the kernel ends the process."""
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, limit))
