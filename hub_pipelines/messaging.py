"""What became of one message: told by the inbox, its batch's submission and its row of the posting."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.model import Message
from hub_pipelines.ledger.comparing.model import SET, SHORT_BY
from hub_pipelines.ledger.entries import store as ledger_entries
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import UNSETTLED, State, Submission
from hub_pipelines.validate.model import SUPERSEDED, Adjusted


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
    """What a message that adjusts has done to one item: how much was there before and after, None where that is not
    known; `short_by` tells by how much more was taken than was known to be there."""

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
    with hub.db.read() as tx:
        current = submissions.get(tx, message.submission)
        if current.state is State.POSTED:
            told = ledger_problems.of_row(tx, current.request_id, current.revision, message.row_no)
            row_no = message.row_no
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
            return MessageOutcome(message, fate, reasons, current.posted_at, effects)
    return MessageOutcome(message, _of_batch(current), settled_at=current.settled_at)


def _of_row(reasons: tuple[Reason, ...], changed: bool) -> Fate:
    if any(one.rule == SUPERSEDED for one in reasons):
        return Fate.SUPERSEDED
    if any(one.blocks for one in reasons):
        return Fate.REJECTED
    return Fate.POSTED if changed else Fate.UNCHANGED


def _effects(hub: Hub, message: Message, entries: Sequence[Mapping[str, Any]]) -> tuple[Effect, ...]:
    return tuple(
        _effect(one, adjusted)
        for one in entries
        if one["operation"] != SET and (adjusted := _adjusted(hub, message, one["ledger"])) is not None
    )


def _adjusted(hub: Hub, message: Message, ledger: str) -> Adjusted | None:
    return hub.feeds[message.scope.feed].record_type(ledger.partition("@")[0]).adjusted


def _effect(entry: Mapping[str, Any], adjusted: Adjusted) -> Effect:
    after = json.loads(entry["values"])
    before = json.loads(entry["before"]) if entry["before"] is not None else {}
    return Effect(
        key=entry["key"],
        kind=entry["operation"],
        before=before.get(adjusted.quantity),
        after=after[adjusted.quantity],
        unit=after[adjusted.unit],
        short_by=after.get(SHORT_BY),
    )


def _of_batch(current: Submission) -> Fate:
    if current.state in UNSETTLED:
        return Fate.SEALED
    return Fate.DISMISSED if current.state is State.DISMISSED else Fate.IN_REVIEW
