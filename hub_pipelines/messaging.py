"""What became of one message: told by the inbox, its batch's submission and its row of the posting."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from itertools import islice
from typing import Any

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.strict_json import BadJson, parse_object
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.model import Message
from hub_pipelines.ledger.adjusting.algebra import in_unit
from hub_pipelines.ledger.comparing.model import SET, SHORT_BY
from hub_pipelines.ledger.entries import store as ledger_entries
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.portals.model import source_of
from hub_pipelines.review.model import ReviewItem
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import UNSETTLED, State, Submission
from hub_pipelines.validate.feeds.quantities import without_trailing_zeros
from hub_pipelines.validate.messages import contents_of, types_of
from hub_pipelines.validate.model import SUPERSEDED, Adjusted, RecordType

NO_COLUMN, VALUE_GONE = "not_a_column", "value_gone"
"""Rules by which a sender is told what he may not have meant; nothing is refused by them."""
_TOLD = 20
_SHOWN = 200
_LIKENESS = 0.75


class Fate(StrEnum):
    """What a message is told to have come to."""

    WAITING = "waiting"  # durable, in no batch yet
    SEALED = "sealed"  # in a batch that is on its way
    POSTED = "posted"  # its item was changed in the ledger
    UNCHANGED = "unchanged"  # the ledger held all of it already
    SUPERSEDED = "superseded"  # what occurred later had been told of its item
    REJECTED = "rejected"  # it has problems, and changed nothing
    IN_REVIEW = "in_review"  # its batch waits for a person
    DISMISSED = "dismissed"  # a person has closed its batch without effect


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is told of a message's row. `blocks` is False where it was taken all the same."""

    rule: str
    column: str | None
    value: str | None
    reason: str
    suggestion: str | None
    blocks: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """What a message that adjusts has done to one item: how much was there before and after in `unit`, None where that
    is not known; `short_by` tells by how much more was taken than was known to be there."""

    key: str
    kind: str
    before: str | None
    after: str | None
    unit: str | None
    short_by: str | None


@dataclass(frozen=True, slots=True)
class MessageOutcome:
    message: Message
    fate: Fate
    reasons: tuple[Reason, ...] = ()
    settled_at: datetime | None = None
    effects: tuple[Effect, ...] = ()


def outcome_of(hub: Hub, message: Message) -> MessageOutcome:
    """As it stands now."""
    if message.batch_id is None:
        return MessageOutcome(message, Fate.WAITING)
    if message.submission is None or message.row_no is None:
        return MessageOutcome(message, Fate.SEALED)
    row_no = message.row_no
    with hub.db.read() as tx:
        current = submissions.get(tx, message.submission)
        if current.state is not State.POSTED:
            return MessageOutcome(message, _of_batch(current), settled_at=current.settled_at)
        told = ledger_problems.of_row(tx, current.request_id, current.revision, row_no)
        entries = ledger_entries.of_rows(tx, current.request_id, current.revision, [row_no])[row_no]
    reasons = tuple(
        Reason(
            one["rule"],
            one["column_name"],
            one["value"],
            one["reason"],
            one["suggestion"],
            one["severity"] == "block",
        )
        for one in told
    )
    fate, effects = _of_row(reasons, bool(entries)), _effects(hub, message, entries)
    gone = (note for one in entries if one["operation"] == SET for note in _values_gone(hub, message, one))
    notes = (*_no_columns(hub, message), *gone)
    return MessageOutcome(message, fate, (*reasons, *notes), current.posted_at, effects)


def messages_named(hub: Hub, text: str) -> list[Message]:
    """The message of this request_id, or those that came under this webhook-id, or this version of a portal's record;
    behind a slash may stand the line of one of them, as receipts name it."""
    message = hub.inbox.find(text)
    if message is not None:
        return [message]
    sources = [*(one.name for one in hub.sources.listing()), *map(source_of, hub.portals.adapters)]
    webhook_id, _, line = text.rpartition("/")
    in_lines = (one for one in hub.inbox.sent_under(sources, webhook_id) if str(one.line) == line)
    return hub.inbox.sent_under(sources, text) or list(in_lines)


def body_of(hub: Hub, message: Message) -> bytes:
    """As it came: from the inbox, or the archive once that has it. Empty between the two, and where it is lost."""
    body = hub.inbox.body_of(message.request_id)
    if body or message.submission is None or message.row_no is None:
        return body
    with hub.db.read() as tx:
        path = hub.archive.object_path(submissions.get(tx, message.submission).envelope.content_digest)
    if not path.exists():
        return b""
    return next((found for _, found in islice(contents_of(path), message.row_no - 1, None)), b"")


def conflict_case(hub: Hub, item: ReviewItem, message: Message) -> dict[str, Any]:
    """All that is known of other contents under a webhook-id: the item, what came first, all of its request, with what
    became of it, and what came then."""
    kept = hub.archive.object_path(item.content_digest)
    came = hub.inbox.sent_under([message.source], message.webhook_id)
    first = b"\n".join(body_of(hub, one) for one in came)
    return {
        **asdict(item),
        "source": message.source,
        "first": {"messages": [asdict(outcome_of(hub, one)) for one in came], "body": _text(first)},
        "then": {"archived_copy": str(kept), "body": _text(kept.read_bytes() if kept.exists() else b"")},
    }


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _of_row(reasons: tuple[Reason, ...], changed: bool) -> Fate:
    if any(one.rule == SUPERSEDED for one in reasons):
        return Fate.SUPERSEDED
    if any(one.blocks for one in reasons):
        return Fate.REJECTED
    return Fate.POSTED if changed else Fate.UNCHANGED


def _no_columns(hub: Hub, message: Message) -> Iterator[Reason]:
    """Members by names that are no column, for as long as the inbox has what the message says."""
    said, data = _said(hub.inbox.body_of(message.request_id))
    kinds = ((one, types_of(one)) for one in hub.feeds[message.scope.feed].record_types)
    record, kind = next(((one, known[said]) for one, known in kinds if said in known), (None, None))
    if record is None:
        return
    columns = (record if kind is None else kind.data).columns
    left = [one for one in columns if data.get(one) in (None, "")]
    becomes = "it is kept with the item, unchecked" if kind is None else "nothing is done with it"
    for name in [one for one in data if one not in columns][:_TOLD]:
        like = _like(name.casefold(), left)
        advice = f"Perhaps `{like}` is meant" if like else None
        said_of_it = data[name]
        value = said_of_it if isinstance(said_of_it, str) else canonical_text(said_of_it)
        yield Reason(NO_COLUMN, name, value[:_SHOWN], f"This is no column of {said}: {becomes}.", advice, blocks=False)


def _said(body: bytes) -> tuple[str, Mapping[str, object]]:
    """A message's type and data."""
    with suppress(BadJson):
        found = parse_object(body)
        data = found.get("data")
        return str(found.get("type")), data if isinstance(data, dict) else {}
    return "", {}


def _values_gone(hub: Hub, message: Message, entry: Mapping[str, Any]) -> Iterator[Reason]:
    """A message that sets says all of its item."""
    record = _record_type(hub, message, entry["ledger"])
    after, before = json.loads(entry["values"]), json.loads(entry["before"] or "{}")
    gone = [name for name in record.columns if before.get(name) is not None and after.get(name) is None]
    for name in gone[:_TOLD]:
        reason = "The item had this value and has none now: a message that sets says all of its item."
        fix = "If it is still true, send it in each message that sets the item"
        yield Reason(VALUE_GONE, name, before[name], reason, fix, blocks=False)


def _like(name: str, columns: Collection[str]) -> str | None:
    """The column that may be meant: one's words are among the other's, or it is written nearly so."""
    words = {name: set(name.split("_"))} | {one: set(one.split("_")) for one in columns}
    within = (one for one in columns if words[name] <= words[one] or words[one] <= words[name])
    return next(within, None) or next(iter(get_close_matches(name, columns, 1, _LIKENESS)), None)


def _effects(hub: Hub, message: Message, entries: Sequence[Mapping[str, Any]]) -> tuple[Effect, ...]:
    return tuple(
        _effect(one, adjusted)
        for one in entries
        if one["operation"] != SET and (adjusted := _adjusted(hub, message, one["ledger"])) is not None
    )


def _adjusted(hub: Hub, message: Message, ledger: str) -> Adjusted | None:
    return _record_type(hub, message, ledger).adjusted


def _record_type(hub: Hub, message: Message, ledger: str) -> RecordType:
    return hub.feeds[message.scope.feed].record_type(ledger.partition("@")[0])


def _effect(entry: Mapping[str, Any], adjusted: Adjusted) -> Effect:
    after = json.loads(entry["values"])
    before = json.loads(entry["before"]) if entry["before"] is not None else {}
    was_in = before.get(adjusted.unit)
    unit = after[adjusted.unit] or was_in
    return Effect(
        key=entry["key"],
        kind=entry["operation"],
        before=_before(before.get(adjusted.quantity), was_in, unit),
        after=after[adjusted.quantity],
        unit=unit,
        short_by=after.get(SHORT_BY),
    )


def _before(quantity: str | None, was_in: str | None, unit: str | None) -> str | None:
    """A late message may tell of an item in which unit it is kept."""
    if quantity is None or was_in is None:
        return quantity
    told = in_unit(Decimal(quantity), was_in, unit)
    return None if told is None else without_trailing_zeros(told)


def _of_batch(current: Submission) -> Fate:
    if current.state in UNSETTLED:
        return Fate.SEALED
    return Fate.DISMISSED if current.state is State.DISMISSED else Fate.IN_REVIEW
