"""What is decided about how a file's columns are written. Pure.

Belongs here: the decisions and their JSON. Not here: how they come about, how a cell is read by them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from hub_pipelines.common.errors import HubError

RULES_VERSION = 1
"""Raised when equal conventions would read some cell otherwise than before."""

LONGEST = 300
"""Characters. A longer cell is no day, number or identifier: it is neither read nor remembered."""

_WORDS_TOLD = 4
_YOUNGER = frozenset({"far_years", "as_shown", "twice", "noisy", "doubtful"})
"""Of conventions, what is younger than some decisions: it stands only where it says something."""

Order = Literal["DMY", "MDY", "YMD"]
Begins = Literal[1900, 1904]
Mark = Literal[".", ","]

ORDER_NAMES: dict[Order, str] = {"DMY": "day/month/year", "MDY": "month/day/year", "YMD": "year/month/day"}
MARK_NAMES: dict[Mark, str] = {".": "point", ",": "comma"}


class OtherRules(HubError):
    """These conventions were decided by another release, whose reading this one can't promise to repeat."""


@dataclass(frozen=True, slots=True)
class DateConvention:
    """`serials`: the year that Excel's day numbers begin with. `exchanged`: Excel took day and month of the date cells
    for each other. `confidence` from 0 to 1, `evidence` in plain words. `doubtful`: by a mark between their numbers the
    order in which dates with it seem to be written, another one than the column's: those that are other days in it are
    refused.
    """

    order: Order | None = None
    serials: Begins | None = None
    exchanged: bool = False
    confidence: float = 1.0
    evidence: tuple[str, ...] = ()
    doubtful: Mapping[str, Order] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NumberConvention:
    """`noisy`: a program has written 44.01 as 44.010000000000005; from the sixteenth on digits are noise."""

    mark: Mark
    confidence: float = 1.0
    evidence: tuple[str, ...] = ()
    noisy: bool = False


@dataclass(frozen=True, slots=True)
class IdentifierConvention:
    """`width`: all digits-only identifiers have so many digits, zeros in front included. `skeleton`: all are digits,
    one letter E and digits, in these numbers. `decimals`: codes such as 11566.36 stand there as text too.

    `zeros`: some have zeros in front, but not all the same width, so that a number cell may have lost some.
    `as_shown`: most codes are such as 7B.10, so that a number with decimals is one too, but for those in `twice`: one
    of them may have been 1.10.
    `only_made`: a text that Excel can't have made of the skeleton is no damage; earlier decisions doubted each.
    """

    width: int | None = None
    skeleton: tuple[int, int] | None = None
    decimals: int | None = None
    zeros: bool = False
    evidence: tuple[str, ...] = ()
    as_shown: bool = False
    twice: tuple[str, ...] = ()
    only_made: bool = False


@dataclass(frozen=True, slots=True)
class CasConvention:
    """`bare`: CAS numbers without hyphens may be trusted, because the check digits of (nearly) all of them fit.

    `far_years`: days of years that no list has (0112-02-07) are CAS numbers of which a program has made days.
    """

    bare: bool
    evidence: tuple[str, ...] = ()
    far_years: bool = False


@dataclass(frozen=True)
class Conventions:
    """How a file's columns are written. A column without an entry is taken as it stands.

    `units`: the unit of a quantity column's bare numbers, where no column tells it. `added`: contract columns that
    the file has not, and that its cells fill (`unit` from `500 g`). `time_zone` (IANA): where a moment's day is taken.
    `own_units`: of the columns in `units`, those in which some quantities have a unit behind them, which is theirs.
    `placeholders`: the words that stand for no value in a column, in normal form, and how many cells say each.
    """

    dates: Mapping[str, DateConvention] = field(default_factory=dict)
    numbers: Mapping[str, NumberConvention] = field(default_factory=dict)
    identifiers: Mapping[str, IdentifierConvention] = field(default_factory=dict)
    cas: Mapping[str, CasConvention] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    time_zone: str | None = None
    placeholders: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    own_units: tuple[str, ...] = ()

    def told(self) -> list[str]:
        """What was decided and why, one sentence a column, for people."""
        lines = []
        for column, date in self.dates.items():
            how = [ORDER_NAMES[date.order]] if date.order else []
            how += [f"Excel's day numbers from {date.serials}"] if date.serials else []
            how += ["day and month of date cells exchanged back"] if date.exchanged else []
            if how:
                lines.append(f"{column}: dates are read as {', '.join(how)} ({'; '.join(date.evidence)})")
        for column, number in self.numbers.items():
            lines.append(f"{column}: the decimal mark is a {MARK_NAMES[number.mark]} ({'; '.join(number.evidence)})")
        for column, code in self.identifiers.items():
            lines += [f"{column}: {one}" for one in code.evidence]
        lines += [f"{column}: {one}" for column, cas in self.cas.items() for one in cas.evidence]
        for column, unit in self.units.items():
            others = ", the others in the unit that is behind them" if column in self.own_units else ""
            lines.append(f"{column}: numbers without a unit are in {unit}{others}")
        lines += [f"{column}: {_no_value(words)}" for column, words in self.placeholders.items()]
        return lines

    def document(self) -> dict[str, Any]:
        """JSON without floats (common.canonical)."""
        document: dict[str, Any] = {
            "rules": RULES_VERSION,
            "dates": {name: _document(one) for name, one in self.dates.items()},
            "numbers": {name: _document(one) for name, one in self.numbers.items()},
            "identifiers": {name: _document(one) for name, one in self.identifiers.items()},
            "cas": {name: _document(one) for name, one in self.cas.items()},
            "units": dict(self.units),
            "added": list(self.added),
            "time_zone": self.time_zone,
        }
        # what is younger than some decisions stands only where it says something: theirs keep their digests
        if self.placeholders:
            document["placeholders"] = {column: dict(words) for column, words in self.placeholders.items()}
        if self.own_units:
            document["own_units"] = list(self.own_units)
        return document

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> "Conventions":
        """Raises OtherRules when a release wrote it that reads cells otherwise."""
        if document["rules"] != RULES_VERSION:
            raise OtherRules(
                f"This posting was read by version {document['rules']} of the rules for how values are written; "
                f"this release has version {RULES_VERSION}."
            )
        return Conventions(
            dates={name: DateConvention(**_known(one)) for name, one in document["dates"].items()},
            numbers={name: NumberConvention(**_known(one)) for name, one in document["numbers"].items()},
            identifiers={name: IdentifierConvention(**_known(one)) for name, one in document["identifiers"].items()},
            cas={name: CasConvention(**_known(one)) for name, one in document["cas"].items()},
            units=dict(document["units"]),
            added=tuple(document["added"]),
            time_zone=document["time_zone"],
            placeholders={column: dict(words) for column, words in document.get("placeholders", {}).items()},
            own_units=tuple(document.get("own_units", ())),
        )


def _no_value(words: Mapping[str, int]) -> str:
    cells = sum(words.values())
    told = " or ".join(f"“{one}”" for one in sorted(words, key=lambda one: (-words[one], one))[:_WORDS_TOLD])
    return f"1 cell says {told} and counts as empty" if cells == 1 else f"{cells:,} cells say {told} and count as empty"


def _document(one: Any) -> dict[str, Any]:
    found = asdict(one)
    if "confidence" in found:
        found["confidence"] = f"{found['confidence']:.2f}"
    for name in _YOUNGER & found.keys():
        if not found[name]:
            del found[name]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _known(found: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    confidence = {"confidence": float(found["confidence"])} if "confidence" in found else {}
    return {**values, **confidence}
