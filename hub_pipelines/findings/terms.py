"""An award as the office and its sponsors' portals tell it: its period, what is obligated, and by whom. Pure.

The office's number of an award and the sponsor's (the FAIN) mean the same award where the office's list says so: an
award here is all that the sponsor's number names. Which of several tellers counts: the agency's own portal, then
USAspending, which repeats agencies later, then the office's own list (decisions/0068, 0082).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from hub_pipelines.ledger.items.model import Placed

OFFICE, SPONSORS, SPENT = "grants.award", "grants.sponsor_award", "grants.expenditure"
REGISTRATIONS = "grants.registration"
RECORDS = (OFFICE, SPONSORS, SPENT, REGISTRATIONS)
"""The record types whose ledgers findings depend on."""
THE_OFFICE = "the office's list"
_REPEATS = "USASPENDING"
_IN_PARTS = "NIH"
"""It has a record for each year and supplement, and its poll asks for the newest years only."""


@dataclass(frozen=True, slots=True)
class Period:
    """From the earliest beginning to the latest end that records tell; None where none of them tells."""

    starts_on: date | None
    ends_on: date | None

    @staticmethod
    def of(records: Iterable[Mapping[str, Any]]) -> "Period":
        told = [(day_of(one.get("starts_on")), day_of(one.get("ends_on"))) for one in records]
        starts, ends = zip(*told, strict=True) if told else ((), ())
        return Period(min(filter(None, starts), default=None), max(filter(None, ends), default=None))


@dataclass(frozen=True, slots=True)
class Terms:
    """What counts of an award. `number` is the sponsor's, or the office's where it tells no other."""

    number: str
    office: tuple[Placed, ...]
    told: tuple[Placed, ...]
    period: Period
    period_by: str | None
    obligated: Decimal | None
    obligated_by: str | None
    registrations: tuple[Placed, ...]
    """At SAM.gov, of who has it."""

    @property
    def ids(self) -> frozenset[str]:
        """All numbers under which something is spent on it."""
        return frozenset((self.number, *(str(one.values["award_id"]) for one in self.office)))

    @property
    def ueis(self) -> frozenset[str]:
        """Who has it, as its sponsors' portals tell."""
        return ueis_in(self.told)


def ueis_in(told: Iterable[Placed]) -> frozenset[str]:
    """Recipients that sponsors' records name."""
    return frozenset(str(one.values["recipient_uei"]) for one in told if one.values.get("recipient_uei"))


def terms_of(
    number: str, office: Sequence[Placed], told: Sequence[Placed], registrations: Mapping[str, Sequence[Placed]]
) -> Terms:
    """`registrations` by UEI."""
    by_teller = [
        (portal, [one.values for one in told if one.values["portal"] == portal]) for portal in portals_of(told)
    ]
    by_teller += [(THE_OFFICE, [one.values for one in office])] if office else []
    period, period_by = next(
        ((found, name) for name, some in by_teller if (found := Period.of(some)) != Period(None, None)),
        (Period(None, None), None),
    )
    obligated, obligated_by = next(
        ((whole, name) for name, some in by_teller if (whole := _whole(name, some)) is not None), (None, None)
    )
    held = tuple(one for uei in sorted(ueis_in(told)) for one in registrations.get(uei, ()))
    return Terms(number, tuple(office), tuple(told), period, period_by, obligated, obligated_by, held)


def portals_of(told: Iterable[Placed]) -> list[str]:
    """Those that tell of an award, the one that counts first."""
    return sorted({str(one.values["portal"]) for one in told}, key=lambda name: (name == _REPEATS, name))


def obligated_of(records: Iterable[Mapping[str, Any]]) -> Decimal | None:
    """The sum of what records tell; None where none tells an amount."""
    amounts = [Decimal(one["obligated_amount"]) for one in records if one.get("obligated_amount") is not None]
    return sum(amounts, Decimal(0)) if amounts else None


def _whole(teller: str, records: Sequence[Mapping[str, Any]]) -> Decimal | None:
    """What is obligated in all. NIH's records are a sum only where that of the award's first year is among them."""
    if teller == _IN_PARTS:
        first = Period.of(records).starts_on
        years = [day for one in records if (day := day_of(one.get("budget_starts_on"))) is not None]
        if first is None or not years or min(years) > first:
            return None
    return obligated_of(records)


def day_of(told: Any) -> date | None:
    return date.fromisoformat(told) if isinstance(told, str) else None
