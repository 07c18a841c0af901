"""Lines of expenditure that the rules do not judge, or not in full, and why: counted, and the first few named.

Belongs here: counting them as the ledgers stand, in one reading of each campus's expenditures that the database does,
and telling it in words. They are no findings: nothing is wrong with a cost of which the hub knows too little.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hub_pipelines.common.store import Transaction
from hub_pipelines.findings.awards import awards_of, ledger_of, listed_too
from hub_pipelines.findings.model import DOLLARS
from hub_pipelines.findings.terms import SPENT
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.items.model import Group

MOST_LINES = 200_000
"""Of a campus's expenditures at most so many are looked at whenever the page is written or the list is asked for."""
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Why:
    """`one` and `many` go on from the number of lines."""

    name: str
    one: str
    many: str

    def of(self, lines: int) -> str:
        return f"1 {self.one}" if lines == 1 else f"{lines:,} {self.many}"


UNLISTED = Why("award_unlisted", "charges an award that no list has", "charge awards that no list has")
ELSEWHERE = Why(
    "award_of_another_campus",
    "charges an award that only another campus lists",
    "charge awards that only another campus lists",
)
SHARED = Why(
    "award_of_several_campuses",
    "charges an award that another campus lists, too, whose spending is not in the sum",
    "charge awards that another campus lists, too, whose spending is not in the sum",
)
FOREIGN = Why(
    "other_currency",
    "is in another currency than US dollars and in no sum",
    "are in another currency than US dollars and in no sum",
)
UNDATED = Why(
    "without_day",
    "does not tell the day on which its cost was incurred",
    "do not tell the day on which their cost was incurred",
)


@dataclass(frozen=True, slots=True)
class Named:
    """A line of an award; `listed_by` are other campuses that list the award, where that is the reason."""

    award: str
    line: str
    listed_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        listed = f", listed by {' and '.join(self.listed_by)}" if self.listed_by else ""
        return f"award {self.award}{listed}, line {self.line}"


@dataclass(slots=True)
class ForReason:
    """The lines of a campus that one reason keeps from being judged. `first` has one of each award, at most a few."""

    why: Why
    lines: int = 0
    first: list[Named] = field(default_factory=list)
    has_more: bool = False
    """There are more awards than are named."""

    def take(self, group: Group, listed_by: tuple[str, ...] = ()) -> None:
        award = str(group.said[0])
        self.lines += group.items
        if any(one.award == award for one in self.first):
            return
        if len(self.first) < _NAMED:
            self.first.append(Named(award, group.first, listed_by))
        else:
            self.has_more = True

    @property
    def told(self) -> str:
        more = "; …" if self.has_more else ""
        return f"{self.why.of(self.lines)} ({'; '.join(map(str, self.first))}{more})"


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Of one campus. A line may have several reasons; `lines` counts it once. `only_first` where the campus has more
    expenditures than are looked at."""

    campus: str
    lines: int
    reasons: tuple[ForReason, ...]
    only_first: int | None = None

    @property
    def told(self) -> str:
        """A sentence."""
        bound = f" (of the first {self.only_first:,} lines; more were not looked at)" if self.only_first else ""
        if not self.reasons:
            return f"{self.campus}: none{bound}."
        return f"{self.campus}: {', '.join(one.told for one in self.reasons)}{bound}."

    def document(self) -> dict[str, object]:
        return {
            "campus": self.campus,
            "lines": self.lines,
            "only_first": self.only_first,
            "reasons": [
                {
                    "reason": one.why.name,
                    "lines": one.lines,
                    "first": [{"award": a.award, "line": a.line, "listed_by": list(a.listed_by)} for a in one.first],
                }
                for one in self.reasons
            ],
        }


def headline_of(unjudged: Iterable[Unjudged]) -> str | None:
    """How many there are in all; None where there are none."""
    total = sum(one.lines for one in unjudged)
    if not total:
        return None
    lines = "1 line" if total == 1 else f"{total:,} lines"
    return f"{lines} could not be judged, or not in full"


def unjudged_lines(
    tx: Transaction,
    campuses: Collection[str],
    *,
    of: str | None = None,
    awards: Collection[str] | None = None,
    at_most: int = MOST_LINES,
) -> list[Unjudged]:
    """Of each campus that has such lines; of this one with `of`. With `awards` those that charge one of these numbers,
    however many lines there are."""
    found = []
    for campus in campuses if of is None else [of]:
        name = ledger_of(SPENT, campus)
        bound = at_most if awards is None else None
        # the period is not held against a credit, whatever its day (rules.py)
        groups = ledger_items.groups_of(
            tx, name, ("award_id", "currency"), "incurred_on", unless_below_zero="amount", first=awards, at_most=bound
        )
        cut = at_most if bound is not None and ledger_items.has_more_than(tx, name, at_most) else None
        one = _of_campus(tx, campus, campuses, groups, cut)
        if one.reasons or one.only_first:
            found.append(one)
    return found


def _of_campus(
    tx: Transaction, campus: str, campuses: Collection[str], groups: Sequence[Group], cut: int | None
) -> Unjudged:
    charged = {str(one.said[0]) for one in groups}
    number_of = _numbers_of(tx, campus, charged)
    others = [one for one in campuses if one != campus]
    elsewhere = listing_campuses(tx, charged - number_of.keys(), others)
    too = listed_too(tx, set(number_of.values()), others)
    by_reason = {one.name: ForReason(one) for one in (UNLISTED, ELSEWHERE, SHARED, FOREIGN, UNDATED)}
    lines = 0
    for group in groups:
        charges = str(group.said[0])
        is_known = charges in number_of
        listed_by = too.get(number_of[charges], ()) if is_known else elsewhere.get(charges, ())
        reasons = list(_reasons(group, is_known=is_known, is_elsewhere=bool(listed_by)))
        lines += group.items if reasons else 0
        for why in reasons:
            by_reason[why.name].take(group, listed_by if why in (ELSEWHERE, SHARED) else ())
    return Unjudged(campus, lines, tuple(one for one in by_reason.values() if one.lines), cut)


def _reasons(group: Group, *, is_known: bool, is_elsewhere: bool) -> Iterator[Why]:
    if not is_known:
        yield ELSEWHERE if is_elsewhere else UNLISTED
        return
    if (group.said[1] or DOLLARS) != DOLLARS:
        yield FOREIGN
    elif is_elsewhere:
        yield SHARED
    if group.is_lacking:
        yield UNDATED


def listed_by(tx: Transaction, campus: str, numbers: Collection[str]) -> set[str]:
    """Those of these numbers that are an award's, as the campus's office or a portal tells."""
    return set(_numbers_of(tx, campus, numbers))


def _numbers_of(tx: Transaction, campus: str, numbers: Collection[str]) -> dict[str, str]:
    """Of those of these numbers that are an award's, the award's own."""
    terms = awards_of(tx, campus, set(numbers)) if numbers else ()
    return {number: one.number for one in terms for number in one.ids & set(numbers)}


def listing_campuses(
    tx: Transaction, numbers: Collection[str], campuses: Iterable[str]
) -> Mapping[str, tuple[str, ...]]:
    """By each of these numbers which of these campuses list it; without those that none lists."""
    found: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for campus in campuses if numbers else ():
        for number in listed_by(tx, campus, numbers):
            found[number] += (campus,)
    return found
