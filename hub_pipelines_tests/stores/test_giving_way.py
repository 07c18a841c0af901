"""A process that has a large file lets others go first and keeps little memory, in processes of their own: it can't be
taken back."""

import os
import resource
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow
import pytest

from hub_pipelines_tests.crash.faults import finish, fork
from hub_pipelines_tests.support import asset, lease_and_validate, open_test_hub, send_assets


def work(home: Path, large_mb: float) -> None:
    before = os.nice(0)
    hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}")
    hub = replace(hub, processing=replace(hub.processing, large_mb=large_mb))
    request_ids = [send_assets(hub, name, asset(tag)) for name, tag in (("one.csv", "NC-0001"), ("two.csv", "NC-0002"))]
    for request_id in request_ids:
        lease_and_validate(hub, request_id)
    (home / "gave_way").write_text(str(os.nice(0) - before))
    (home / "kept").write_text(str(kept_mb()))
    (home / "allocator").write_text(pyarrow.default_memory_pool().backend_name)


def kept_mb() -> int:
    """What this process has more than before, once it has freed a hundred megabytes that lay below what it needs."""
    before = resident_mb()
    for _ in range(2):  # glibc keeps blocks of a size at hand once such a one was freed
        blocks = [bytearray(2_000_000) for _ in range(50)]
        needed = bytearray(2_000_000)
        del blocks
    assert needed
    return resident_mb() - before


def resident_mb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1_000_000


@pytest.mark.parametrize(("large_mb", "given"), [(1.0, "0"), (0.000_001, "10")], ids=["a small file", "large files"])
def test_who_works_on_a_large_file_gives_way_to_others_once(tmp_path: Path, large_mb: float, given: str) -> None:
    home = tmp_path / "home"
    assert finish(fork(partial(work, home, large_mb))) == 0
    assert (home / "gave_way").read_text() == given


def test_who_works_on_a_large_file_keeps_nothing_of_what_it_has_freed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert finish(fork(partial(work, home, 0.000_001))) == 0
    assert int((home / "kept").read_text()) < 20
    assert (home / "allocator").read_text() == "system"
