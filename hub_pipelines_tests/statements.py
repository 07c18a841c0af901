"""SQL that is made of a statement once for all databases of one kind.

A hub's engine makes it once for its life of months; here each test has engines of its own, and making the same SQL
again took a seventh of all processor time. What goes to the databases is the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.util import LRUCache

_KEPT = 3_000


class _OfOneKind(LRUCache[Any, Any]):
    """SQLAlchemy's own keeps them by the dialect of one engine, this one by that of every engine of its kind."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_by_kind(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_by_kind(key), value)


def _by_kind(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *statement = key
    return type(dialect), *statement


@contextmanager
def made_once() -> Iterator[None]:
    kept = _OfOneKind(_KEPT)

    def share(connection: Connection) -> None:
        connection.execution_options(compiled_cache=kept)

    event.listen(Engine, "engine_connect", share)
    try:
        yield
    finally:
        event.remove(Engine, "engine_connect", share)
