"""What a run is forked from has made all that follows from the contracts alone."""

import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from hub_pipelines.mapping import likeness
from hub_pipelines.mapping.likeness import taken_apart
from hub_pipelines.validate.feeds import FEEDS


def test_a_run_need_not_prepare_the_headings_that_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    import_module("hub_pipelines.defs.warm")

    def made(_: object) -> None:
        raise AssertionError("made in the run")

    monkeypatch.setattr(likeness, "_made_index", made)
    for record in (record for feed in FEEDS.values() for record in feed.record_types):
        likeness.likeness(taken_apart(["Asset Tag"]), record)


def test_a_run_finds_a_nursery_of_readers_that_ends_with_it() -> None:
    script = (
        "import hub_pipelines.defs.warm\nfrom hub_pipelines.validate.reading import starting\n"
        "print(starting._nursery.pid)\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{int(told.stdout)}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
