"""A finding about an award, what opened and closed it, and as of which ledgers awards were judged. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from hub_pipelines.common.canonical import digest_of
from hub_pipelines.common.clock import iso
from hub_pipelines.common.errors import HubError
from hub_pipelines.validate.model import excel_row

RULES_VERSION = 4
"""Of the rules as a whole (rules.py): raise it with each change of what they find, and all awards are judged anew."""

DOLLARS = "USD"


class Overtaken(HubError):
    """Another process judges this campus's awards now; this one writes nothing more, and nobody need try again."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`reads` are the columns of an award's records that it goes by. It judges each line of expenditure, what was spent
    on an award in all, or the award alone."""

    rule_id: str
    citation: str
    title: str
    reads: frozenset[str]
    judges: Literal["line", "spending", "award"]
    by_day: bool = False
    """What it finds, or says of it, changes without a change of the award or its lines, too: it is judged each day."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a rule finds now. `subject` is what it is about, once for each rule of a campus: a line's transaction_id,
    or the award's number. `facts` name the amount's `currency` where it is not in US dollars. `request_id` and `row_no`
    are of the expenditure, where there is one: the newest one of an award as a whole."""

    rule: Rule
    subject: str
    award: str
    told: str
    facts: Mapping[str, str] = field(default_factory=dict)
    amount: str | None = None
    request_id: str | None = None
    row_no: int | None = None

    @property
    def name(self) -> tuple[str, str]:
        return self.rule.rule_id, self.subject


@dataclass(frozen=True, slots=True)
class Cause:
    """What opened or closed a finding, in words; `request_id` of the posting that did, None where a day did."""

    what: str
    request_id: str | None = None
    at: datetime | None = None

    def document(self) -> dict[str, str | None]:
        return {"what": self.what, "request_id": self.request_id, "at": self.at.isoformat() if self.at else None}

    @staticmethod
    def from_document(told: Mapping[str, str | None]) -> "Cause":
        at = told["at"]
        return Cause(told["what"] or "", told["request_id"], datetime.fromisoformat(at) if at else None)


@dataclass(frozen=True, slots=True)
class Finding:
    """One that was opened. `told` and `facts` are what the rule read, and `rules_version` its rules, when it was judged
    last while it was open. `number` counts the openings for the same rule and subject.

    Each digest is told by the audit chain at the time of what it is of, and of nothing that stood there before: who
    changes a record does not have it vouched for by what is written later.
    """

    finding_id: str
    campus: str
    rule_id: str
    citation: str
    subject: str
    number: int
    award: str
    told: str
    facts: Mapping[str, str]
    amount: str | None
    request_id: str | None
    row_no: int | None
    rules_version: int
    opened_at: datetime
    opened_by: Cause
    closed_at: datetime | None = None
    closed_by: Cause | None = None

    @property
    def name(self) -> tuple[str, str]:
        return self.rule_id, self.subject

    @property
    def opening_digest(self) -> str:
        """Of what never changes."""
        return digest_of(
            {
                "finding_id": self.finding_id,
                "campus": self.campus,
                "rule_id": self.rule_id,
                "citation": self.citation,
                "subject": self.subject,
                "number": self.number,
                "opened_at": iso(self.opened_at),
                "opened_by": self.opened_by.document(),
            }
        )

    @property
    def content_digest(self) -> str:
        """Of what it says; each judging may say it anew."""
        return digest_of(
            {
                "award": self.award,
                "told": self.told,
                "facts": dict(self.facts),
                "amount": self.amount,
                "request_id": self.request_id,
                "row_no": self.row_no,
                "rules_version": self.rules_version,
            }
        )

    @property
    def closing_digest(self) -> str:
        return digest_of(
            {
                "closed_at": iso(self.closed_at) if self.closed_at else None,
                "closed_by": self.closed_by.document() if self.closed_by else None,
            }
        )

    @property
    def currency(self) -> str:
        """Of the amount."""
        return currency_in(self.facts)

    @property
    def money(self) -> str | None:
        """The amount as people read it."""
        return None if self.amount is None else money(self.amount, self.currency)

    @property
    def row(self) -> int | None:
        """The number that Excel shows for the row of the expenditure."""
        return None if self.row_no is None else excel_row(self.row_no)

    def saying(self, judged: Judged) -> "Finding":
        """What the rule finds now."""
        return replace(
            self,
            award=judged.award,
            told=judged.told,
            facts=dict(judged.facts),
            amount=judged.amount,
            request_id=judged.request_id,
            row_no=judged.row_no,
            rules_version=RULES_VERSION,
        )


def currency_in(facts: Mapping[str, str]) -> str:
    """Of a finding's amount."""
    return facts.get("currency", DOLLARS)


def money(amount: str, currency: str) -> str:
    """As people read it: `$1,250.00`, `1,250.00 EUR`."""
    number = f"{Decimal(amount):,.2f}"
    return f"${number}" if currency == DOLLARS else f"{number} {currency}"


@dataclass(frozen=True, slots=True)
class Mark:
    """As of what a campus's awards were judged last: the version of each ledger, the campus's day, the rules.

    `token` fences: who began to judge before another one did writes nothing more.
    """

    campus: str
    token: int
    versions: Mapping[str, int]
    day: date | None
    rules_version: int
    evaluated_at: datetime | None

    def is_of(self, versions: Mapping[str, int], day: date) -> bool:
        """Whether nothing that findings depend on has changed since."""
        return (dict(self.versions), self.day, self.rules_version) == (dict(versions), day, RULES_VERSION)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What judging a campus's awards came to. `opened` and `closed` are named once each; `stay` counts the open ones
    that were there before, of all awards; `awards` were judged."""

    campus: str
    mark: Mark
    awards: int
    opened: tuple[Finding, ...]
    closed: tuple[Finding, ...]
    stay: int

    @property
    def open(self) -> int:
        return self.stay + len(self.opened)
