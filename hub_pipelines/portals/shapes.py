"""How a record's fields differ from those that its adapter reads. Pure.

Numbers count as text: they are taken as they were written, so `"500"` and `500` mean the same to the hub.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.portals.model import Field

ABSENT = "absent"
NULL = "null"


@dataclass(frozen=True, slots=True)
class Deviation:
    """One field that is not as it was: `before` and `now` are kinds, or `absent`."""

    path: str
    before: str
    now: str


def deviations_of(raw: Any, fields: Sequence[Field]) -> tuple[Deviation, ...]:
    """Where a record is not as the adapter expects; empty when it can be read. In the fields' order."""
    found: list[Deviation] = []
    for field in fields:
        seen = sorted(set(kinds_at(raw, field.path.split("."))))
        for kind in seen:
            if kind == ABSENT and field.optional:
                continue
            if kind not in (*field.kinds, NULL):
                found.append(Deviation(field.path, " or ".join(field.kinds), kind))
    return tuple(found)


def fingerprint_of(deviations: Iterable[Deviation]) -> str:
    """Equal for records that differ in the same way, 12 characters."""
    told = [[one.path, one.before, one.now] for one in sorted(deviations, key=lambda one: (one.path, one.now))]
    return sha256_hex(canonical_text(told).encode("utf-8"))[:12]


def at(value: Any, path: str) -> Any:
    """What is at a path of names with dots between, the value itself where it is empty; None where there is nothing."""
    for name in path.split(".") if path else ():
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def kinds_at(value: Any, steps: Sequence[str]) -> Iterator[str]:
    """The kinds that are found at a path: of a list (`name[]`) those of each of its elements.

    What is below a null, or in an empty list, says nothing.
    """
    if not steps:
        yield kind_of(value)
        return
    name, rest = steps[0], steps[1:]
    each = name.endswith("[]")
    if not isinstance(value, Mapping) or name.removesuffix("[]") not in value:
        yield ABSENT
        return
    inner = value[name.removesuffix("[]")]
    if inner is None:
        yield NULL
    elif not each:
        yield from kinds_at(inner, rest)
    elif isinstance(inner, list):
        for one in inner:
            yield from kinds_at(one, rest)
    else:
        yield kind_of(inner)


def kind_of(value: Any) -> str:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, list):
        return "list"
    return "object" if isinstance(value, Mapping) else "text"
