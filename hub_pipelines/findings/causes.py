"""What made the difference to a finding: the newest change of what its rule reads, since awards were judged before.

Belongs here: choosing it and putting it in words. Not here: what a change of an award means (validate/feeds/grants).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from hub_pipelines.common.store import Transaction
from hub_pipelines.findings.awards import Touched, ledger_of
from hub_pipelines.findings.model import RULES_VERSION, Cause, Mark, Rule
from hub_pipelines.findings.terms import OFFICE, REGISTRATIONS, SPENT
from hub_pipelines.ledger.changes import store as ledger_changes
from hub_pipelines.ledger.changes.model import Changed
from hub_pipelines.validate.feeds.grants.news import award_news, registration_news

_OF_LINES = frozenset({"award_id", "amount", "currency", "incurred_on", "posted_on"})
_LINKS = frozenset({"award_id", "fain"})
_SAM = "SAM.gov"
_EVENTS = {
    "award_extended": "the extension",
    "award_shortened": "the shorter period",
    "award_funded": "the new funds",
    "award_deobligated": "the deobligation",
    "registration_renewed": "the renewal",
    "registration_excluded": "the exclusion",
    "exclusion_lifted": "the end of the exclusion",
}
_EXTENDED, _OF_FUNDS = "award_extended", {"award_funded", "award_deobligated"}


@dataclass(frozen=True, slots=True)
class Causes:
    """Of one look at a campus's ledgers, in the transaction of that look."""

    tx: Transaction
    mark: Mark
    touched: Touched
    newest: Mapping[str, str]
    """By an award's number the key of the line that was posted last."""
    day: date

    def of(self, rule: Rule, subject: str, numbers: Iterable[str], ueis: Iterable[str]) -> Cause:
        """`numbers` and `ueis` are all of the award's and its recipients', before and now."""
        numbers = set(numbers)
        records = [one for number in numbers for one in self.touched.records.get(number, ())]
        records += [one for uei in set(ueis) for one in self.touched.registrations.get(uei, ())]
        lines = [(ledger_of(SPENT, self.mark.campus), key) for key in self._lines(rule, subject, numbers)]
        changes = [*self._changes(lines, _OF_LINES), *self._changes(records, rule.reads)]
        newest = max(changes, key=lambda one: (one.posted_at, one.version), default=None)
        if newest is not None:
            return Cause(_told(newest, rule), newest.request_id, newest.posted_at)
        if self.mark.rules_version not in (0, RULES_VERSION):
            return Cause(f"the rules as of version {RULES_VERSION}")
        return Cause(f"the day {self.day}")

    def _lines(self, rule: Rule, subject: str, numbers: Iterable[str]) -> list[str]:
        """Keys of the expenditures that matter."""
        if rule.judges == "line":
            return [subject]
        if rule.judges == "award":
            return []
        return [key for one in numbers if (key := self.touched.lines.get(one) or self.newest.get(one)) is not None]

    def _changes(self, items: Iterable[tuple[str, str]], reads: frozenset[str]) -> Iterator[Changed]:
        """Of each item the newest change of what matters."""
        for name, key in items:
            for one in ledger_changes.changes_of_item(self.tx, name, key, self.mark.versions.get(name, 0)):
                if one.columns & (reads | _LINKS):
                    yield one
                    break


def _told(change: Changed, rule: Rule) -> str:
    record_type = change.ledger.partition("@")[0]
    on = f"{change.posted_at:%Y-%m-%d}"
    if record_type == SPENT:
        if change.before is None:
            return f"the posting of line {change.key} on {on}"
        if change.after is None:
            return f"the removal of line {change.key} on {on}"
        return f"the correction of line {change.key} on {on} ({_columns(change, _OF_LINES)})"
    teller = {OFFICE: "the office's award list", REGISTRATIONS: _SAM}.get(record_type)
    teller = teller or str((change.after or {}).get("portal"))
    if change.before is None or change.after is None:
        return f"what {teller} told first on {on}"
    told = (registration_news if record_type == REGISTRATIONS else award_news)(change.before, change.after)
    news = [one for one in told if one.column in rule.reads and one.rule in _EVENTS]
    if record_type == OFFICE or not news:
        return f"what {teller} told on {on} ({_columns(change, rule.reads | _LINKS)})"
    without_cost = not any(one.rule in _OF_FUNDS for one in told)
    named = " and ".join(
        "the no-cost extension" if one.rule == _EXTENDED and without_cost else _EVENTS[one.rule] for one in news
    )
    return f"{named} told by {teller} on {on}: {' '.join(one.reason for one in news)}"


def _columns(change: Changed, which: frozenset[str]) -> str:
    was, now = change.before or {}, change.after or {}
    some = sorted(change.columns & which)
    return ", ".join(f"{one} {was.get(one) or 'empty'} → {now.get(one) or 'empty'}" for one in some)
