import os
import platform
import subprocess
import sys

import pytest

_ASK = """
import hub_pipelines, pyarrow
from pyarrow import compute
from hub_pipelines.common.memory import give_back_soon
if {soon}:
    give_back_soon()
def resident():
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * 4096
numbers = pyarrow.array(range(400_000))
bytearray(24 * 1024 * 1024)  # from now on blocks of this size are kept, if the C library goes its own way
before = resident()
held = [compute.add(numbers, one) for one in range(30)]
del held[:-1]
print(pyarrow.default_memory_pool().backend_name, (resident() - before) // (1024 * 1024))
"""


def asked(*, soon: bool, **environment: str) -> tuple[str, int]:
    """Arrow's allocator, and how many megabytes of 90 that it no longer uses a process keeps."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ARROW_", "MALLOC_", "GLIBC_"))}
    told = subprocess.run(
        [sys.executable, "-c", _ASK.format(soon=soon)],
        env={**kept, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    name, kept_mb = told.stdout.split()
    return name, int(kept_mb)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries go their own way")
def test_memory_that_arrow_no_longer_uses_goes_back_to_the_system() -> None:
    name, kept_mb = asked(soon=True)
    assert name == "system"
    assert kept_mb < 10
    assert asked(soon=False)[1] > kept_mb + 20, "the C library gives it back by itself: nothing need be told to it"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries go their own way")
def test_an_operator_may_set_the_c_library_otherwise() -> None:
    assert asked(soon=True, MALLOC_MMAP_THRESHOLD_="33554432", MALLOC_TRIM_THRESHOLD_="1000000000")[1] > 50


def test_an_operator_may_name_another_allocator() -> None:
    assert asked(soon=True, ARROW_DEFAULT_MEMORY_POOL="mimalloc")[0] == "mimalloc"
