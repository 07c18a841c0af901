"""What a process has freed goes back, in an interpreter of its own: a heap with holes in it would be filled first."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource
from pathlib import Path
from hub_pipelines.common.giving_back import give_back_early

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1_000_000

{begin}
before = resident_mb()
for _ in range(2):  # glibc keeps blocks of a size at hand once such a one was freed
    blocks = [bytearray(2_000_000) for _ in range(50)]
    needed = bytearray(2_000_000)  # above all of them
    del blocks
print(resident_mb() - before)
"""


def kept_mb(begin: str) -> int:
    """Of a hundred megabytes that were freed."""
    program = [sys.executable, "-c", PROGRAM.format(begin=begin)]
    return int(subprocess.run(program, check=True, stdout=subprocess.PIPE, timeout=60).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="asked of glibc")
def test_freed_memory_below_what_is_needed_goes_back() -> None:
    assert kept_mb("give_back_early()") < 20 < 80 < kept_mb("")
