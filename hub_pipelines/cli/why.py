"""`hub why`: where a file, a submission or a number in a ledger came from, and what happens next."""

from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from hub_pipelines.cli.output import AsJson, Failed, print_document, this_hub

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from hub_pipelines.messaging import Effect, MessageOutcome
    from hub_pipelines.timeline.model import (
        Answer,
        AwardStanding,
        Came,
        Change,
        Charged,
        FileMatch,
        Item,
        MissedBy,
        OfAward,
        RejectedRow,
        Story,
    )


def why(
    what: Annotated[
        str,
        typer.Argument(
            help="A request_id or its beginning, a file or its name, a webhook-id, an asset tag or an award."
        ),
    ],
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The longest that any list may be.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Tell the history of a submission, a file or a tag, and what happens next."""
    hub = this_hub()
    from hub_pipelines.messaging import messages_named, outcome_of
    from hub_pipelines.timeline.service import explain

    sent = messages_named(hub, what)
    messages = [outcome_of(hub, one) for one in sent[:limit]]
    batch = sent[0].submission if sent and sent[0].request_id == what else None
    answer = explain(hub, batch or what, limit=limit)
    found = answer.found or bool(messages)
    document = {"ok": found, "messages": [asdict(one) for one in messages], **asdict(answer)}
    if not found:
        raise Failed(_nothing_found(answer), document)
    if as_json:
        print_document(document)
        return
    pages = [_message(one) for one in messages]
    if len(messages) < len(sent):
        pages.append([f"… {len(sent) - len(messages):,} more messages came under this webhook-id; --limit shows more."])
    if answer.found:
        pages.append(_page(answer))
    print("\n\n".join("\n".join(page) for page in pages))


def _message(outcome: "MessageOutcome") -> list[str]:
    """One message's own lines, before those of its batch."""
    one = outcome.message
    place = (
        f"row {one.row_no} of {one.submission or 'a batch that is being sealed'}" if one.batch_id else "in no batch yet"
    )
    return [
        f"== message {one.request_id}",
        f"  {one.source} sent {one.webhook_id} for {one.scope.campus}/{one.scope.feed}, {_utc(one.received_at)}",
        f"  {outcome.fate}: {place}",
        *(f"  {effect.kind} {effect.key}: {_told(effect)}" for effect in outcome.effects),
        *(f"  {'not taken' if each.blocks else 'note'}: {each.reason}" for each in outcome.reasons),
    ]


def _told(effect: "Effect") -> str:
    unit = f" {effect.unit}" if effect.unit else ""
    short = f", {effect.short_by}{unit} more taken than was known to be there" if effect.short_by else ""
    return f"{_value(effect.before)} → {_value(effect.after)}{unit}{short}"


def _nothing_found(answer: "Answer") -> str:
    near = [f"Known and alike: {', '.join(answer.near)}."] if answer.near else []
    return "\n".join([*answer.notes, *near])


def _page(answer: "Answer") -> list[str]:
    parts = [list(answer.notes)] if answer.notes else []
    if answer.candidates:
        parts.append([f"Several submissions begin with {answer.asked}; write more of it:", *_indent(answer.candidates)])
    parts += [_file(match) for match in answer.files]
    parts += [_story(story) for story in answer.stories]
    parts += [_award(award) for award in answer.awards]
    parts += [_charged(one) for one in answer.charged]
    parts += [_item(item) for item in answer.items]
    if answer.rejected:
        parts.append(_rejected(answer))
    return [line for part in parts for line in (*part, "")][:-1]


def _file(match: "FileMatch") -> list[str]:
    left = ["(older ones are left out; --limit shows more)"] if match.more else []
    return [f"== {match.heading}", *_indent([*left, *(line for came in match.came for line in _came(came))])]


def _came(came: "Came") -> list[str]:
    lines = [f"{_utc(came.at)}  {came.source_name}  {came.campus}/{came.feed}  {came.what}"]
    if came.request_id:
        lines.append(f"    submission {came.request_id}")
    if came.receipt:
        lines.append(f"    receipt {came.receipt}")
    return lines


def _story(story: "Story") -> list[str]:
    width = max(map(len, story.facts))
    lines = [f"{name:<{width}}  {value}" for name, value in story.facts.items()]
    lines.append("")
    for position, moment in enumerate(story.moments):
        by = f" ({moment.by})" if moment.by else ""
        lines.append(f"{_utc(moment.at)}{_local(moment.at, story.time_zone)}  {moment.what}{by}")
        if position == 0 and story.left_out:
            lines.append(f"… {story.left_out:,} later ones are left out here; --limit shows more …")
    return [f"== Submission {story.request_id}", *_indent([*lines, "", f"Now: {story.now}"])]


def _award(award: "AwardStanding") -> list[str]:
    lines = [
        f"{one.portal}: {one.starts_on or '?'} to {one.ends_on or '?'}, {_dollars(one.obligated)} obligated, "
        f"{one.records} {'record' if one.records == 1 else 'records'}"
        for one in award.said
    ]
    lines += [
        f"the office's list: {_value(one.get('starts_on'))} to {_value(one.get('ends_on'))}, "
        f"{_dollars(one.get('obligated_amount'))} obligated, as {one.get('award_id')}"
        for one in award.office
    ]
    lines.append(f"spent: {award.spent_lines:,} lines, {_dollars(award.spent)}")
    if award.judged_by:
        lines.append(f"  its period is the one that {award.judged_by} tells")
    if award.without_day:
        lines.append(f"  {award.without_day:,} lines do not tell when their cost was incurred (incurred_on)")
    if award.others:
        lines.append(f"  {award.others:,} lines are in another currency and in no sum")
    lines += [
        f"registration of {one['uei']} at SAM.gov: until {_value(one.get('expires_on'))}, "
        f"{_value(one.get('registration_status'))} when it was read last"
        for one in award.registrations
    ]
    lines.append("findings:")
    lines += [f"  {line}" for one in award.findings for line in _finding(one)] or ["  none"]
    if award.left_out:
        lines.append(f"  … and {award.left_out:,} more; --limit shows them …")
    lines.append(_evaluated(award))
    return [f"== Award {award.award_id} of {award.campus}, as it is told now", *_indent(lines)]


def _charged(one: "Charged") -> list[str]:
    listed = f"only {' and '.join(one.listed_by)} lists it" if one.listed_by else "no list and no portal tells it"
    lines = [
        f"{one.campus} does not list this award ({listed}), so that what it was charged is not judged.",
        f"{one.ledger}: {one.lines:,} {'line charges' if one.lines == 1 else 'lines charge'} it",
        *(
            f"  {each.line}, {each.amount}, posted on {each.posted_on}: row {each.row} of {each.request_id}"
            for each in one.first
        ),
    ]
    if one.lines > len(one.first):
        lines.append(f"  … and {one.lines - len(one.first):,} more; --limit shows them …")
    return [f"== Award {one.award_id}, charged by {one.campus}", *_indent(lines)]


def _finding(one: "OfAward") -> list[str]:
    from hub_pipelines.findings.model import money

    place = f", row {one.row} of {one.request_id}" if one.row is not None else ""
    state = "closed" if one.closed_at else "open" if one.is_found else "no longer found"
    amount = f", {money(one.amount, one.currency)}" if one.amount else ""
    lines = [f"{state}: {one.rule_id} ({one.citation}) {one.subject}{amount}{place}: {one.told}"]
    if one.opened_at is None:
        return [*lines, "  the next evaluation opens it"]
    lines.append(f"  opened {_utc(one.opened_at)} by {one.opened_by}")
    if one.closed_at is not None:
        lines.append(f"  closed {_utc(one.closed_at)} by {one.closed_by}")
    elif not one.is_found:
        lines.append("  the next evaluation closes it")
    return lines


def _evaluated(award: "AwardStanding") -> str:
    if award.evaluated_at is None:
        return "findings were not evaluated yet: `hub findings evaluate`"
    as_of = ", ".join(f"{name} version {version}" for name, version in sorted(award.versions.items()))
    behind = "" if award.is_current else "; ledgers or day have changed since, and what is told here is of now"
    return f"findings evaluated {_utc(award.evaluated_at)} as of {as_of}{behind}"


def _dollars(amount: object) -> str:
    return "nothing told" if amount is None else f"${Decimal(str(amount)):,.2f}"


def _item(item: "Item") -> list[str]:
    width = max(map(len, item.current), default=0)
    closed = item.current.get("replaced_by")
    lines = [f"closed, not in the ledger any more: {closed} has its place"] if closed else []
    lines.append("values at last:" if closed else "values now:")
    lines += [f"  {column:<{width}}  {_value(value)}" for column, value in item.current.items()]
    lines.append("changes:")
    if item.left_out:
        lines.append(f"  … {item.left_out:,} older ones are left out; --limit shows more …")
    only = len(item.changes) == 1 and not item.left_out  # then its values are the ones above
    lines += [f"  {line}" for change in item.changes for line in _change(change, with_values=not only)]
    if item.missed:
        lines.append("complete counts that missed it:")
        lines += [f"  {line}" for one in item.missed for line in _missed(one)]
    return [f"== {item.key} in the ledger {item.ledger}", *_indent(lines)]


def _missed(one: "MissedBy") -> list[str]:
    what = "not found" if one.row is None else f"listed in row {one.row}, which was rejected"
    lines = [
        f"{_utc(one.counted_at)}  {what} at {one.location} by {one.source_name}",
        f"    submission {one.request_id}",
    ]
    if one.found_at is not None:
        lines.append(f"    found again {_utc(one.found_at)} by {one.found_in}")
    return lines


def _change(change: "Change", *, with_values: bool) -> list[str]:
    what = "first entry" if change.first else "changed" if change.operation == "set" else change.operation
    where = f"{change.source_name} row {_place(change.row, change.sheet)}"
    again = f", revision {change.revision}" if change.revision > 1 else ""
    lines = [
        f"{_utc(change.at)}  {what} by {where}, ledger version {change.ledger_version}",
        f"    submission {change.request_id}{again}",
    ]
    lines += [f"    event: {one}" for one in change.news]
    for column, (old, new) in change.changed.items() if with_values else ():
        lines.append(f"    {column}: {_value(new)}" if change.first else f"    {column}: {_value(old)} → {_value(new)}")
    return lines


def _rejected(answer: "Answer") -> list[str]:
    return [
        f"== Rows in which {answer.asked} was written and something was wrong",
        *_indent(line for row in answer.rejected for line in _rejected_row(row)),
    ]


def _rejected_row(row: "RejectedRow") -> list[str]:
    verdict = "not taken" if row.severity == "block" else "taken with a warning"
    suggestion = f" {row.suggestion}" if row.suggestion else ""
    where = f"{row.source_name} row {_place(row.row, row.sheet)}, {row.column or 'whole row'}"
    return [
        f"{_utc(row.at)}  {where}  {row.campus}/{row.feed}  {verdict}",
        f"    {row.reason}{suggestion}",
        f"    submission {row.request_id}",
    ]


def _place(row: int, sheet: str | None) -> str:
    return str(row) if sheet is None else f'{row} of sheet "{sheet}"'


def _indent(lines: "Iterable[str]") -> list[str]:
    return [f"  {line}" if line else "" for line in lines]


def _value(value: object) -> str:
    return "(empty)" if value is None or value == "" else str(value)


def _utc(at: "datetime") -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _local(at: "datetime", zone: str) -> str:
    return "" if zone == "UTC" else f" ({at.astimezone(ZoneInfo(zone)):%H:%M:%S %Z})"
