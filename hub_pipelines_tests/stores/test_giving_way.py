"""A process that has a large file lets others go first, in processes of their own: it can't be taken back."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

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


@pytest.mark.parametrize(("large_mb", "given"), [(1.0, "0"), (0.000_001, "10")], ids=["a small file", "large files"])
def test_who_works_on_a_large_file_gives_way_to_others_once(tmp_path: Path, large_mb: float, given: str) -> None:
    home = tmp_path / "home"
    assert finish(fork(partial(work, home, large_mb))) == 0
    assert (home / "gave_way").read_text() == given
