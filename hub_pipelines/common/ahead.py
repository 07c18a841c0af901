"""Work on a stream whose steps overlap: the next of it is made in a thread while what is made is used.

Not here: what is done in the thread, which must not be what holds the caller's transaction or lease.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice, repeat
from typing import TypeVar

T = TypeVar("T")
Made = TypeVar("Made")


def made_ahead(items: Iterable[T], make: Callable[[T], Made], name: str) -> Iterator[Made]:
    """What is made of each item, in order; items are taken by the caller, two before the first is made and then one
    more than it has used. What `make` raises comes when its result is due; what `items` raises comes at once, and what
    was made last is lost. Of one item alone no thread is begun."""
    source = iter(items)
    first = deque(islice(source, 2))
    if len(first) < 2:
        yield from map(make, first)
        return
    with ThreadPoolExecutor(1, thread_name_prefix=name) as thread:
        before: Future[Made] | None = None
        for one in _and_then(first, source):
            coming = thread.submit(make, one)
            if before is not None:
                yield before.result()
            before = coming
        if before is not None:
            yield before.result()


def taken_ahead(items: Iterator[T], name: str) -> Iterator[T]:
    """The items themselves, of which the thread takes one more than the caller has used; not the first two, since there
    may be no more. These are taken before the first one is given."""
    first = deque(islice(items, 2))
    if len(first) < 2:
        yield from first
        return
    for some in made_ahead(repeat(_and_then(first, items)), lambda left: tuple(islice(left, 1)), name):
        if not some:
            return
        yield some[0]


def _and_then(first: deque[T], rest: Iterator[T]) -> Iterator[T]:
    """The first ones are let go as they are given: they may be large."""
    while first:
        yield first.popleft()
    yield from rest
