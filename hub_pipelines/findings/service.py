"""Judging a campus's awards again where something has changed, and keeping what is found: opened once, closed once.

A look reads all ledgers in one transaction and names their versions; what it finds is written in steps that can be
repeated, and the mark last. After a crash the next look finds the same differences, less those that were written.
Nothing is written by whom another look has overtaken, so that no finding is older than the award.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import cast

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import MEND, Event
from hub_pipelines.common.canonical import canonical_text, digest_of
from hub_pipelines.common.scope import Campus
from hub_pipelines.common.store import Database, Transaction, database_now
from hub_pipelines.findings import store
from hub_pipelines.findings.awards import awards_of, awards_of_recipients, judge, ledger_of, touched_since
from hub_pipelines.findings.causes import Causes
from hub_pipelines.findings.model import RULES_VERSION, Cause, Evaluation, Finding, Judged, Mark
from hub_pipelines.findings.rules import RULES
from hub_pipelines.findings.terms import RECORDS
from hub_pipelines.ledger.items import store as ledger_items

ACTOR = "hub/findings"
_OPENED, _CLOSED, _RESTATED = "finding:opened", "finding:closed", "findings:restated"
_RESTATED_IN_ONE = 1_000
"""So many findings one entry tells of at most."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Raises Overtaken when another process judges the same campus meanwhile, Transient when the database does not
    answer; both leave what a later look goes on with."""

    db: Database
    campuses: Mapping[str, Campus]
    now: Callable[[], datetime]
    at_once: int = 100
    """So many are opened or closed in one transaction, while which others wait."""

    def due(self, *, quiet: timedelta, at_latest: timedelta) -> dict[str, str]:
        """Campuses whose awards are to be judged again, each with what they would be judged by: a day has begun, or
        something was posted and the ledgers are quiet, or it has waited long."""
        found = {}
        with self.db.read() as tx:
            now = database_now(tx)
            for campus in self.campuses:
                mark, versions, day = store.mark_of(tx, campus), _versions(tx, campus), self.day_of(campus)
                if not versions or mark.is_of(versions, day):
                    continue
                is_quiet = versions == dict(mark.versions) or now - _changed_at(tx, versions) >= quiet
                if is_quiet or mark.evaluated_at is None or now - mark.evaluated_at >= at_latest:
                    found[campus] = f"{campus} {day} {canonical_text(versions)}"
        return found

    def evaluate(self, campus: str, *, actor: str = ACTOR) -> Evaluation:
        """Judge what was touched since the last look; all awards at the first one and under new rules."""
        with self.db.write() as tx:
            mark = store.begin(tx, campus)
        with self.db.read() as tx:
            seen = self._look(tx, mark)
        steps = [*((_CLOSED, one) for one in seen.closed), *((_OPENED, one) for one in seen.opened)]
        for first in range(0, len(steps), self.at_once):
            with self.db.write() as tx:
                store.keep(tx, mark)  # first: who was overtaken writes nothing
                _write(tx, steps[first : first + self.at_once], actor, seen.mark)
        with self.db.write() as tx:
            store.keep(tx, seen.mark)
            _restate(tx, campus, seen.restated, actor)
        return Evaluation(campus, seen.mark, seen.awards, seen.opened, seen.closed, seen.stay)

    def first_astray(self) -> str | None:
        """The first finding whose record is not what the audit chain tells of it, in words. What chains of earlier
        releases do not tell, which is all but the opening and the closing as such, is held against nothing."""
        with self.db.read() as tx:
            told = _Told.by(tx)
            for finding_id, one in store.everything(tx):
                if (what := told.astray(finding_id, one)) is not None:
                    name = f"{finding_id} ({one.rule_id} on {one.subject}, {one.campus})" if one else finding_id
                    return f"{name}: the record of this finding is not what the audit log tells of {what}. {MEND}"
        lost = min(told.opened, default=None)
        return f"{lost}: the audit log tells of this finding, and its record is missing. {MEND}" if lost else None

    def is_current(self, tx: Transaction, mark: Mark) -> bool:
        """Whether nothing that findings depend on has changed since."""
        return mark.is_of(_versions(tx, mark.campus), self.day_of(mark.campus))

    def _look(self, tx: Transaction, mark: Mark) -> "_Seen":
        campus, day, now = mark.campus, self.day_of(mark.campus), self.now()
        touched = touched_since(tx, mark, campus, day)
        named = touched.ids | awards_of_recipients(tx, campus, touched.registrations)
        if mark.day != day:
            named |= store.awards_judged_by_day(tx, campus, [one.rule_id for one in RULES.values() if one.by_day])
        awards = awards_of(tx, campus, None if touched.everything else named)
        found, spending = judge(tx, campus, awards, day, self.campuses)
        ids = {terms.number: terms.ids for terms in awards}
        ueis = {terms.number: terms.ueis for terms in awards}
        numbers = {*named, *(one for some in ids.values() for one in some)}
        open_ = {one.name: one for one in store.open_of_awards(tx, campus, None if touched.everything else numbers)}
        newest = {number: one.newest.key for number, one in spending.items() if one.newest is not None}
        causes = Causes(tx, mark, touched, newest, day)
        new = [one for name, one in found.items() if name not in open_]
        before = store.numbers_of(tx, campus, [one.name for one in new])
        opened = tuple(
            _opened(
                one,
                campus,
                before.get(one.name, 0) + 1,
                now,
                causes.of(one.rule, one.subject, ids[one.award], ueis[one.award]),
            )
            for one in new
        )
        closed = tuple(
            replace(one, closed_at=now, closed_by=_why_closed(causes, one, ids.get(one.award, ())))
            for name, one in open_.items()
            if name not in found
        )
        still = ((one, one.saying(found[name])) for name, one in open_.items() if name in found)
        restated = tuple(now_says for one, now_says in still if now_says != one)
        stay = store.count_open(tx, campus) - len(closed)
        judged = replace(mark, versions=_versions(tx, campus), day=day, rules_version=RULES_VERSION, evaluated_at=now)
        return _Seen(judged, len(awards), opened, closed, restated, stay)

    def day_of(self, campus: str) -> date:
        """Today, where the campus is."""
        return self.campuses[campus].day_of(self.now())


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look has found, and the mark of it. `restated` ones are open and say something else now."""

    mark: Mark
    awards: int
    opened: tuple[Finding, ...]
    closed: tuple[Finding, ...]
    restated: tuple[Finding, ...]
    stay: int


def _opened(one: Judged, campus: str, number: int, at: datetime, by: Cause) -> Finding:
    name = digest_of({"campus": campus, "rule": one.rule.rule_id, "subject": one.subject, "number": number})
    return Finding(
        finding_id=f"finding-{name[:16]}",
        campus=campus,
        rule_id=one.rule.rule_id,
        citation=one.rule.citation,
        subject=one.subject,
        number=number,
        award=one.award,
        told=one.told,
        facts=one.facts,
        amount=one.amount,
        request_id=one.request_id,
        row_no=one.row_no,
        rules_version=RULES_VERSION,
        opened_at=at,
        opened_by=by,
    )


def _why_closed(causes: Causes, one: Finding, ids: Iterable[str]) -> Cause:
    recipients = [uei] if (uei := one.facts.get("uei")) else []
    return causes.of(RULES[one.rule_id], one.subject, {one.award, *ids}, recipients)


def _write(tx: Transaction, steps: Sequence[tuple[str, Finding]], actor: str, mark: Mark) -> None:
    for event, one in steps:
        (store.add if event == _OPENED else store.change)(tx, one)
    for event, one in steps:
        cause = one.closed_by or one.opened_by
        detail: dict[str, object] = {
            "rule": one.rule_id,
            "citation": one.citation,
            "award": one.award,
            "subject": one.subject,
            "told": one.told,
            "because_of": cause.what,
            "spent_by": one.request_id,
            "row": one.row_no,
            "versions": dict(mark.versions),
            **_vouched(event, one),
        }
        audit.append(tx, Event(one.campus, actor, event, one.finding_id, cause.request_id, detail))


def _vouched(event: str, one: Finding) -> dict[str, str]:
    if event == _CLOSED:
        return {"closing_digest": one.closing_digest}
    return {"opening_digest": one.opening_digest, "content_digest": one.content_digest}


def _restate(tx: Transaction, campus: str, restated: Sequence[Finding], actor: str) -> None:
    """Findings that say something else now: one entry for all of them."""
    for one in restated:
        store.change(tx, one)
    for first in range(0, len(restated), _RESTATED_IN_ONE):
        some = restated[first : first + _RESTATED_IN_ONE]
        digests: dict[str, object] = {one.finding_id: one.content_digest for one in some}
        audit.append(tx, Event(campus, actor, _RESTATED, f"{len(some)} findings", None, {"content_digests": digests}))


@dataclass(slots=True)
class _Told:
    """What the audit chain tells of findings, by their id."""

    opened: dict[str, Event] = field(default_factory=dict)
    """Those whose records were not looked at yet."""
    closed: dict[str, Event] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    """The digest of what each says, as it was told last."""

    @staticmethod
    def by(tx: Transaction) -> "_Told":
        told = _Told()
        for entry in audit.entries_named(tx, _OPENED, _CLOSED, _RESTATED):
            event = entry.event
            if event.event == _RESTATED:
                told.contents |= cast(dict[str, str], event.detail["content_digests"])
                continue
            (told.opened if event.event == _OPENED else told.closed)[event.subject] = event
            if digest := event.detail.get("content_digest"):
                told.contents[event.subject] = str(digest)
        return told

    def astray(self, finding_id: str, one: Finding | None) -> str | None:
        """What a record has otherwise."""
        if one is None:
            return "it: it can't be read"
        opened, closed = self.opened.pop(finding_id, None), self.closed.get(finding_id)
        if opened is None or not _is_opened_as(opened, one):
            return "its opening"
        by = one.closed_by.request_id if one.closed_by else None
        if (closed is not None) != (one.closed_at is not None) or (closed and closed.request_id) != by:
            return "its closing"
        if closed is not None and closed.detail.get("closing_digest") not in (None, one.closing_digest):
            return "its closing"
        if self.contents.get(finding_id) not in (None, one.content_digest):
            return "what it says: its award, words, facts, amount or the line"
        return None


def _is_opened_as(event: Event, one: Finding) -> bool:
    told = (event.campus, event.detail["rule"], event.detail["subject"], event.request_id)
    is_told = told == (one.campus, one.rule_id, one.subject, one.opened_by.request_id)
    return is_told and event.detail.get("opening_digest") in (None, one.opening_digest)


def _versions(tx: Transaction, campus: str) -> dict[str, int]:
    """Of the ledgers that hold something."""
    names = (ledger_of(one, campus) for one in RECORDS)
    return {name: version for name in names if (version := ledger_items.current_version(tx, name)[0])}


def _changed_at(tx: Transaction, names: Iterable[str]) -> datetime:
    """When the newest of them was changed last."""
    return max(at for name in names if (at := ledger_items.current_version(tx, name)[1]) is not None)
