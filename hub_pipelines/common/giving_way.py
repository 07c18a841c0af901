"""That a process lets others have a processor first.

Belongs here: how that is asked of the kernel. Not here: which work is so long that seconds do not matter (processing).
"""

import os

_NICENESS = 10
"""Where both want a processor, a process of the usual niceness gets nine tenths of it."""


def give_way() -> None:
    """For the rest of this process's life, and for those that it starts from now on: only the superuser may take it
    back."""
    os.nice(max(0, _NICENESS - os.nice(0)))
