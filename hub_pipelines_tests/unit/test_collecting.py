"""Python looks for cycles less often while files are worked on, and as usual once the last of them is through."""

import gc
import threading

import pytest

from hub_pipelines.common.collecting import seldom_collected


def test_objects_are_looked_through_less_often_until_the_last_file_is_through() -> None:
    usual = gc.get_threshold()
    both_at_work = threading.Barrier(2)
    first_is_through = threading.Event()

    def other() -> None:
        with seldom_collected():
            both_at_work.wait(timeout=30)
            first_is_through.wait(timeout=30)
            seen.append(gc.get_threshold()[0])

    seen: list[int] = []
    thread = threading.Thread(target=other)
    thread.start()
    with seldom_collected():
        both_at_work.wait(timeout=30)
    first_is_through.set()
    thread.join(timeout=30)
    assert seen[0] > 10 * usual[0]
    assert gc.get_threshold() == usual


def test_an_error_leaves_things_as_usual() -> None:
    usual = gc.get_threshold()
    with pytest.raises(KeyboardInterrupt), seldom_collected():
        raise KeyboardInterrupt
    assert gc.get_threshold() == usual
