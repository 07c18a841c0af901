"""kill -9 while the registry's list is made: the next one makes it whole.

What is left has the name of a half staged file, which stores/test_recovery.py sees removed after a day.
"""

from functools import partial
from pathlib import Path

import pytest

from hub_pipelines.hub import Hub
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.stores.test_registry_list import TAGS, fill, listed
from hub_pipelines_tests.support import assert_invariants, open_test_hub

pytestmark = pytest.mark.crash


def open_here(home: Path) -> Hub:
    return open_test_hub(home, f"sqlite:///{home / 'hub.db'}")


def make_list(home: Path, kill_at: int) -> None:
    hub = open_here(home)
    Boundaries(kill_at).watch_files()
    listed(hub)


def test_a_list_that_was_killed_amid_is_made_whole_by_the_next(tmp_path: Path) -> None:
    hub = open_here(tmp_path)
    fill(hub)
    staged = hub.settings.staged
    hub.db.dispose()
    left = 0
    for kill_at in range(1, 5):
        for path in staged.glob("registry-*"):
            path.unlink()
        finish(fork(partial(make_list, tmp_path, kill_at)))
        left += len(list(staged.glob(".staging-*")))
        again = open_here(tmp_path)
        assert listed(again) == TAGS
        assert_invariants(again)
        again.db.dispose()
    assert left >= 1, "no kill came amid the list, so nothing was tried"
