"""An account of every field of a portal's record: read into a column, kept with the item, or left with a reason. Pure.

A portal that gets a new field has not become another one: what is new is kept with the item, unchecked, and told. But
where one has come while a steady one is gone beside it, it may be that one under a new name, and the record is held: a
value would be lost without a sign (decisions/0069).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from hub_pipelines.portals.model import Field
from hub_pipelines.portals.shapes import ABSENT, at, kinds_at


@dataclass(frozen=True)
class Account:
    """Paths as in Field. One of `kept` or `left` speaks for all that is below it.

    `read` is what becomes columns (also for comparing shapes), `kept` goes into the item's other values under its own
    path, `left` is in the archived page only, for the reason that stands beside it.
    """

    read: tuple[Field, ...]
    kept: tuple[str, ...] = ()
    left: Mapping[str, str] | None = None
    steady: tuple[str, ...] = ()
    """Of the optional ones that are read those which are nearly always there."""

    def others(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """What is kept with the item, by path; of unknown fields too. Nothing that is null."""
        paths = dict.fromkeys([*self.kept, *self.unknown(raw)])
        found = ((path, at(raw, path)) for path in paths)
        return {path: value for path, value in found if value not in (None, "", [], {})}

    def unknown(self, raw: Mapping[str, Any]) -> tuple[str, ...]:
        """Fields that nobody has accounted for, each once: the highest unknown member, not what is below it."""
        return tuple(dict.fromkeys(_unknown(raw, "", self._known, self._inner)))

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset((*(one.path for one in self.read), *self.kept, *(self.left or {})))

    @cached_property
    def _inner(self) -> frozenset[str]:
        """What known paths lead through."""
        return frozenset(path[:at] for path in self._known for at, sign in enumerate(path) if sign == ".")

    def renamed(self, raw: Mapping[str, Any], come: Sequence[str]) -> tuple[Field, ...]:
        """What makes a record strange in which fields have `come` (unknown) and a steady one beside them is gone: the
        ones must not be there, and the other must. Nothing where only one of the two has happened."""
        beside = {_parent(path) for path in come}
        gone = [
            one
            for one in self.read
            if one.path in self.steady
            and _parent(one.path) in beside
            and set(kinds_at(raw, one.path.split("."))) == {ABSENT}
        ]
        if not gone:
            return ()
        return (*(replace(one, optional=False) for one in gone), *(Field(path, (ABSENT,)) for path in come))


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _unknown(value: Any, path: str, known: frozenset[str], inner: frozenset[str]) -> Iterator[str]:
    if path in known or path.removesuffix("[]") in known:
        return
    if path and path not in inner:
        yield path.removesuffix("[]")
    elif isinstance(value, Mapping):
        for name, one in value.items():
            below = f"{path}.{name}" if path else str(name)
            if isinstance(one, list) and below not in known:
                for each in one:
                    yield from _unknown(each, f"{below}[]", known, inner)
            else:
                yield from _unknown(one, below, known, inner)
