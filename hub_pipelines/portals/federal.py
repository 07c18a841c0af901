"""What the adapters for the federal portals have in common: settings, and from a page's list to records. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from hub_pipelines.common.scope import Scope
from hub_pipelines.portals.accounts import Account
from hub_pipelines.portals.configured import Configured
from hub_pipelines.portals.institutions import Institutions
from hub_pipelines.portals.model import Field, Garbled, PageRead, Record, Request, Unread
from hub_pipelines.portals.shapes import at
from hub_pipelines.portals.values import BadValue
from hub_pipelines.settings.portals import AwardPortalSettings, FederalPortalSettings

FEED = "grants"
AWARD = "grants.sponsor_award"
S = TypeVar("S", bound=FederalPortalSettings)
A = TypeVar("A", bound=AwardPortalSettings)


@dataclass(frozen=True, slots=True)
class Federal(Configured[S]):
    """An adapter that accounts for every field of its records."""

    account: ClassVar[Account]

    @property
    def fields(self) -> tuple[Field, ...]:
        return self.account.read


@dataclass(frozen=True)
class Awards(Federal[A]):
    """An adapter that brings the awards of the hub's institutions."""

    @property
    def scopes(self) -> tuple[tuple[Scope, str], ...]:
        return tuple((Scope(campus, FEED), AWARD) for campus in self.settings.institutions)

    @cached_property
    def institutions(self) -> Institutions:
        return Institutions.of(self.settings.institutions)

    def campus_of(self, name: str | None, uei: str | None) -> str | None:
        """None: another institution's. Raises BadValue where the record does not say whose it is."""
        campus = self.institutions.campus_of(name, uei)
        if campus is None and name is None:
            raise BadValue("The recipient", name, "name of an institution")
        return campus


def page_of(
    found: Sequence[Any],
    account: Account,
    record_of: Callable[[Mapping[str, Any]], Record | None],
    waits_in: tuple[Scope, str],
    *,
    then: tuple[Request, ...] = (),
    total: int | None = None,
    remarks: Sequence[str] = (),
    is_detail: bool = False,
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
            come = account.unknown(raw)
            for path in come:
                new[path] = new.get(path, 0) + 1
            records.append(replace(one, needs=account.renamed(raw, come)))
        except BadValue as bad:
            unread.append(Unread(raw, str(bad), *waits_in))
    told = [*remarks]
    told += [f"{path} is new to the hub and was kept with {number} records" for path, number in new.items()]
    if others:
        told.append(f"{others} of {len(found)} records are of other institutions and were not taken")
    return PageRead(tuple(records), then, tuple(unread), total, tuple(told), others, is_detail)


def list_at(document: Any, path: str) -> list[Any]:
    """The list of records in an answer. Raises Garbled when there is none: a failed read is no empty one."""
    found = at(document, path)
    if not isinstance(found, list):
        raise Garbled(f"There is no list {path} in the answer.")
    return found


def number_at(document: Any, path: str) -> int:
    """A whole number in an answer, where numbers are texts. Raises Garbled."""
    found = at(document, path)
    if not isinstance(found, str) or not found.isdecimal():
        raise Garbled(f"There is no number {path} in the answer.")
    return int(found)
