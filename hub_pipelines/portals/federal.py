"""What the adapters for the federal portals have in common: settings, and from a page's list to records. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Generic, TypeVar

from hub_pipelines.common.scope import Scope
from hub_pipelines.portals.accounts import Account
from hub_pipelines.portals.model import Garbled, Pace, PageRead, Record, Request, Unread
from hub_pipelines.portals.rest import origin_of
from hub_pipelines.portals.values import BadValue
from hub_pipelines.settings import FederalPortalSettings

FEED = "grants"
AWARD = "grants.sponsor_award"
S = TypeVar("S", bound=FederalPortalSettings)


@dataclass(frozen=True, slots=True)
class Federal(Generic[S]):
    """What an adapter has from its settings: where, when and how fast."""

    name: str
    settings: S

    @property
    def origin(self) -> str:
        return origin_of(self.settings.url)

    @property
    def pace(self) -> Pace:
        told = self.settings
        return Pace(interval_s=told.interval_s, attempts=told.attempts, timeout_s=told.timeout_s)

    @property
    def every(self) -> timedelta:
        return timedelta(seconds=self.settings.every_s)

    @property
    def overlap(self) -> timedelta:
        return timedelta(hours=self.settings.overlap_h)


def page_of(
    found: Sequence[Any],
    account: Account,
    record_of: Callable[[Mapping[str, Any]], Record | None],
    waits_in: tuple[Scope, str],
    *,
    then: tuple[Request, ...] = (),
    total: int | None = None,
    remarks: Sequence[str] = (),
) -> PageRead:
    """A page from its list. `record_of` gives None for a record of somebody else, and raises BadValue for one that
    can't be read, which waits for a person in `waits_in`."""
    records: list[Record] = []
    unread: list[Unread] = []
    new: dict[str, int] = {}
    others = 0
    for raw in found:
        try:
            if not isinstance(raw, Mapping):
                raise BadValue("The record", raw, "object")
            one = record_of(raw)
            if one is None:
                others += 1
                continue
            for path in account.unknown(raw):
                new[path] = new.get(path, 0) + 1
            records.append(replace(one, needs=account.renamed(raw)))
        except BadValue as bad:
            unread.append(Unread(raw, str(bad), *waits_in))
    told = [*remarks]
    told += [f"{path} is new to the hub and was kept with {number} records" for path, number in new.items()]
    if others:
        told.append(f"{others} of {len(found)} records are of other institutions and were not taken")
    return PageRead(tuple(records), then, tuple(unread), total, tuple(told), others)


def list_at(document: Any, *path: str) -> list[Any]:
    """The list of records in an answer. Raises Garbled when there is none: a failed read is no empty one."""
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    if not isinstance(document, list):
        raise Garbled(f"There is no list {'.'.join(path)} in the answer.")
    return document


def number_at(document: Any, *path: str) -> int:
    """A whole number in an answer, where numbers are texts. Raises Garbled."""
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    if not isinstance(document, str) or not document.isdecimal():
        raise Garbled(f"There is no number {'.'.join(path)} in the answer.")
    return int(document)
