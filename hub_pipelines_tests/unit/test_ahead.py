import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from hub_pipelines.common.ahead import made_ahead, taken_ahead


def test_what_is_made_of_each_item_comes_in_order() -> None:
    def slower_at_first(number: int) -> int:
        time.sleep(0.002 * (5 - number))
        return number * number

    assert list(made_ahead(range(5), slower_at_first, "squares")) == [0, 1, 4, 9, 16]
    assert list(made_ahead([], slower_at_first, "squares")) == []


def test_the_next_is_made_while_the_one_before_is_used() -> None:
    begun = threading.Semaphore(0)

    def make(number: int) -> int:
        begun.release()
        return number

    made = made_ahead(range(3), make, "numbers")
    assert next(made) == 0
    assert begun.acquire(timeout=5)
    assert begun.acquire(timeout=5)  # the second one, which nobody has asked for yet
    made.close()


def test_an_error_comes_where_its_result_would_have() -> None:
    made = made_ahead([1, 0, 2], lambda number: 1 // number, "halves")
    assert next(made) == 1
    with pytest.raises(ZeroDivisionError):
        next(made)


def test_items_are_taken_one_ahead_by_a_thread_and_none_is_lost_or_taken_twice() -> None:
    by: list[str] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            by.append(threading.current_thread().name)
            yield number

    assert list(taken_ahead(numbers(), "taken")) == list(range(100))
    assert {name.partition("_")[0] for name in by[2:]} == {"taken"}


def test_of_one_item_alone_no_thread_is_begun() -> None:
    def thread_of(_: object) -> str:
        return threading.current_thread().name

    own = threading.current_thread().name
    assert list(made_ahead(["only"], thread_of, "made")) == [own]
    assert list(map(thread_of, taken_ahead(iter(["only"]), "taken"))) == [own]
    assert list(taken_ahead(iter(()), "taken")) == []


@pytest.mark.parametrize(
    "ahead", [lambda items: taken_ahead(items, "taken"), lambda items: made_ahead(items, repr, "made")]
)
def test_items_are_let_go_when_they_were_used(ahead: Callable[[Iterator[object]], Iterator[object]]) -> None:
    kept: list[weakref.ref[Item]] = []

    def items() -> Iterator[Item]:
        for _ in range(20):
            one = Item()
            kept.append(weakref.ref(one))
            yield one

    for number, _ in enumerate(ahead(items())):
        assert number < 10 or not any(one() for one in kept[:5])


class Item:
    """Of which is known whether somebody has it."""


def test_who_stops_early_leaves_no_thread_behind() -> None:
    taken = taken_ahead(iter(range(100)), "stopped")
    assert next(taken) == 0
    taken.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("stopped")]
