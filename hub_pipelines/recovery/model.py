"""What the reconciler looks for and what it says about it. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum


class Kind(StrEnum):
    """One kind of thing that should not be. Each says who mends it."""

    RUN_LOST = "run_lost"  # Dagster counts a run whose process is gone: reported as failed
    LEASE_PAST_DUE = "lease_past_due"  # nobody took the submission over: attempt ended, tried again or in review
    LAUNCHED_IN_VAIN = "launched_in_vain"  # many launches, no run began: in review
    CAMPUS_STANDS_STILL = "campus_stands_still"  # due for minutes and not launched: the operator
    ITEM_MISSING = "item_missing"  # in review, and no open item says so: filed
    NOT_REGISTERED = "not_registered"  # signed and archived, no record of it: registered from the envelope
    ENVELOPE_LOST = "envelope_lost"  # registered, and its signed envelope is not in the archive: written again
    NOBODYS_BYTES = "nobodys_bytes"  # archived, never signed: kept and told; no sender was answered
    LEFTOVER = "leftover"  # half a file of a killed process: removed after a day
    RECEIPT_LOST = "receipt_lost"  # written, and not where it was: asked for again, if a person wants it
    ROWS_UNACCOUNTED = "rows_unaccounted"  # the equation of rows does not hold: an operator, never mended here


CHECKS: dict[str, tuple[Kind, ...]] = {
    "no_run_died_unseen": (Kind.RUN_LOST,),
    "no_lease_is_past_due": (Kind.LEASE_PAST_DUE,),
    "every_submission_was_launched": (Kind.LAUNCHED_IN_VAIN, Kind.CAMPUS_STANDS_STILL),
    "every_failure_is_in_review": (Kind.ITEM_MISSING,),
    "every_archived_file_is_registered": (Kind.NOT_REGISTERED, Kind.NOBODYS_BYTES),
    "every_envelope_is_archived": (Kind.ENVELOPE_LOST,),
    "every_row_is_accounted_for": (Kind.ROWS_UNACCOUNTED,),
}
"""A check is a true statement: it fails while something of these kinds is there and was not mended."""

THOROUGH = frozenset(
    {Kind.NOT_REGISTERED, Kind.ENVELOPE_LOST, Kind.NOBODYS_BYTES, Kind.LEFTOVER, Kind.ROWS_UNACCOUNTED}
)
"""Kinds that only a thorough look can find."""

_NAMED = 100


@dataclass(frozen=True, slots=True)
class LostRun:
    """A run that Dagster still counts and that will never end by itself; `why` says how that is known."""

    run_id: str
    request_id: str | None
    job: str
    why: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. `done` says how it was mended; None: it was not."""

    kind: Kind
    campus: str
    subject: str
    what: str
    done: str | None = None


@dataclass(slots=True)
class Told:
    """The first findings that were mended, and that were not, each by name; of the others how many there are, and
    that they are `others`."""

    others: str
    named: list[Finding] = field(default_factory=list)
    more: dict[bool, Finding] = field(default_factory=dict)
    counts: Counter[bool] = field(default_factory=Counter)

    def add(self, one: Finding) -> None:
        mended = one.done is not None
        self.counts[mended] += 1
        if self.counts[mended] <= _NAMED:
            self.named.append(one)
            return
        number = self.counts[mended] - _NAMED
        self.more[mended] = replace(one, subject="more", what=f"{number:,} {self.others}")

    @property
    def all(self) -> list[Finding]:
        return [*self.named, *self.more.values()]


@dataclass(frozen=True, slots=True)
class Position:
    """Where the next look goes on: names in the archive and in the database, and since when the head of each campus's
    line has waited."""

    envelopes_after: str = ""
    objects_after: str = ""
    heads: dict[str, tuple[str, float]] = field(default_factory=dict)
    submissions_after: str = ""
    pages_after: tuple[str, int] = ("", 0)

    def document(self) -> dict[str, object]:
        return asdict(self)

    @staticmethod
    def from_document(document: dict[str, object]) -> "Position":
        heads = document.get("heads") or {}
        assert isinstance(heads, dict)
        return Position(
            str(document.get("envelopes_after", "")),
            str(document.get("objects_after", "")),
            {campus: (str(head[0]), float(head[1])) for campus, head in heads.items()},
            str(document.get("submissions_after", "")),
            _page(document.get("pages_after")),
        )


def _page(told: object) -> tuple[str, int]:
    poll_id, number = told if isinstance(told, list | tuple) else ("", 0)
    return str(poll_id), int(number)


@dataclass(frozen=True, slots=True)
class Report:
    """What one look found. A quick one says nothing about the kinds in THOROUGH."""

    findings: tuple[Finding, ...]
    thorough: bool
    position: Position

    @property
    def left(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.done is None)

    @property
    def mended(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.done is not None)

    def checks(self) -> dict[str, tuple[Finding, ...]]:
        """For each check that this look can answer, what makes it fail."""
        return {
            name: of_kinds(self.left, kinds)
            for name, kinds in CHECKS.items()
            if self.thorough or not THOROUGH.issuperset(kinds)
        }


def of_kinds(findings: Iterable[Finding], kinds: tuple[Kind, ...]) -> tuple[Finding, ...]:
    return tuple(one for one in findings if one.kind in kinds)
