"""What a run is forked from has made all that follows from the contracts alone."""

from importlib import import_module

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
