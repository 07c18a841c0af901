"""A sealed batch of messages as a table: one message is one row, its place in the batch is the row's number.

A message is the object that https://www.standardwebhooks.com advises: `type`, `timestamp`, `data`. The type is a record
type and what is to be done with it, `inventory.stock.set`; the members of `data` are the contract's own columns, by
their exact names. Of some record types a message may also adjust a quantity: `inventory.stock.consumed`.
Belongs here: what a message means, and which of several sets of one item counts. Not here: the contract (feeds,
service), what an adjustment comes to (ledger/adjusting), how batches come about (intake/sealing).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.clock import EARLIEST, iso
from hub_pipelines.common.strict_json import BadJson, parse_object
from hub_pipelines.validate.batches import Batch
from hub_pipelines.validate.feeds.quantities import EVERYTHING
from hub_pipelines.validate.model import (
    MISSING_VALUE,
    SUPERSEDED,
    AcceptedRow,
    AdjustingRow,
    Cell,
    Feed,
    Kind,
    Problem,
    RecordType,
    RejectedRow,
    Row,
    SupersededRow,
    Table,
    Unclear,
    Unreadable,
    Verdict,
)

SET = ".set"
"""What follows the record type in the type of a message that sets an item."""
_AHEAD = timedelta(minutes=5)
_FARTHEST_OFF = timedelta(hours=14)
_SHOWN_CHARACTERS = 200
_BETWEEN_SIGNS = 1_000
_LACKS = "The message does not say it, and it must."
_NAMES_SHOWN = 8
_PLAIN = frozenset({str, bool, type(None)})


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a batch. `occurred_at` is its own `timestamp`, or when it came, where it has none.

    `kind` is how it adjusts; None of one that sets. `problem` says why it can't be a row; `data` is empty then.
    """

    row_no: int
    request_id: str
    data: Mapping[str, Any]
    occurred_at: datetime
    kind: Kind | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Messages:
    """A batch as it is judged: a batch is bounded, so all of it is in memory."""

    record: RecordType
    messages: tuple[Message, ...]

    @property
    def table(self) -> Table:
        """Those that set and can be rows, under the contract's columns; each in the contract's own way of writing."""
        rows = (one for one in self.messages if one.problem is None and one.kind is None)
        return _table(self.record, tuple(rows))

    @property
    def adjusting(self) -> Iterator[tuple[RecordType, Table]]:
        """Those that adjust, for each kind the contract of its data and the rows under it."""
        for kind in self.record.adjusted.kinds if self.record.adjusted else ():
            rows = tuple(one for one in self.messages if one.problem is None and one.kind is kind)
            if rows:
                yield kind.data, _table(kind.data, rows)

    @property
    def whole(self) -> Table:
        """All of them, for those who count: of one that can't be a row the cells are empty."""
        return _table(self.record, self.messages)

    @property
    def occurred_at(self) -> dict[int, datetime]:
        """When each row occurred."""
        return {one.row_no: one.occurred_at for one in self.messages if one.problem is None}

    def verdicts(self, judged: Iterable[Verdict]) -> Iterator[Verdict]:
        """One for each message, in their order: `judged` with the members that the contract does not know, what is no
        row, and those sets that a newer one in the batch has made void."""
        by_row: dict[int, Verdict] = {one.row_no: one for one in judged}
        newest = newest_of(
            (verdict.key, one)
            for one in self.messages
            if one.kind is None and isinstance(verdict := by_row.get(one.row_no), AcceptedRow)
        )
        columns = frozenset(self.record.columns)
        for one in self.messages:
            verdict = by_row.get(one.row_no)
            if verdict is None:
                yield no_row(one)
            elif isinstance(verdict, AcceptedRow) and one.kind is not None:
                yield adjusting(verdict, one, one.kind)
            elif isinstance(verdict, AcceptedRow):
                winner = newest[verdict.key]
                if winner is one:
                    yield with_others(verdict, one, columns)
                else:
                    yield superseded(one.row_no, verdict.key, winner)
            elif isinstance(verdict, RejectedRow):
                yield lacking(verdict, one, self.record if one.kind is None else one.kind.data)
            else:
                yield verdict


def newest_of(sets: Iterable[tuple[str, Message]]) -> dict[str, Message]:
    """By item the message whose set counts: it occurred last, or of those that did at once it came last. `sets` are
    right messages behind their item's key, in the order in which they came."""
    found: dict[str, Message] = {}
    for key, one in sets:
        before = found.get(key)
        if before is None or one.occurred_at >= before.occurred_at:
            found[key] = one
    return found


@dataclass(frozen=True, slots=True)
class MessageRows:
    """Messages as rows of a record type."""

    messages: tuple[Message, ...]
    record: RecordType

    def __iter__(self) -> Iterator[Row]:
        columns = self.record.columns
        for one in self.messages:
            yield one.row_no, [_cell(one.data.get(name)) for name in columns]

    def in_columns(self, rows: int) -> Iterator[Batch]:
        """The same as columns, so many rows at a time."""
        known = frozenset(self.record.columns)
        for first in range(0, len(self.messages), rows):
            some = self.messages[first : first + rows]
            said = frozenset[str]().union(*(one.data for one in some))
            nothing: list[Any] = [None] * len(some)
            columns = [_column(name, some) if name in said else nothing for name in self.record.columns]
            others = nothing if said <= known else [_others_json(one, known) for one in some]
            yield Batch([one.row_no for one in some], columns, others=others)


def _column(name: str, messages: Sequence[Message]) -> list[Cell]:
    values = [one.data.get(name) for one in messages]
    return values if _PLAIN.issuperset(map(type, values)) else [_cell(one) for one in values]


def _table(record: RecordType, rows: tuple[Message, ...]) -> Table:
    return Table(list(record.columns), 0, MessageRows(rows, record), {"format": "messages", "messages": str(len(rows))})


def record_type_for(kind: object, feed: Feed) -> RecordType:
    """What a message of this type is sealed with. One of no known type goes with the feed's first, to be rejected."""
    text = str(kind)
    name = text.rpartition(".")[0]
    for one in feed.record_types:
        if one.name == name and (text == name + SET or text in types_of(one)):
            return one
    return feed.record_types[0]


def types_of(record: RecordType) -> dict[str, Kind | None]:
    """The types of messages about a record type, with how each adjusts; None for the one that sets."""
    kinds = record.adjusted.kinds if record.adjusted else ()
    return {record.name + SET: None, **{f"{record.name}.{kind.name}": kind for kind in kinds}}


def known_types(feed: Feed) -> list[str]:
    return [name for one in feed.record_types for name in types_of(one)]


def contents_of(path: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Of each message of a batch its envelope, as a document, and its body as it came."""
    with path.open("rb") as lines:
        for line in lines:
            found = orjson.loads(line)
            yield found["envelope"], found["body"].encode("utf-8")


def came_under(path: Path, rows: Collection[int]) -> dict[int, str]:
    """By row the webhook-id of each of these messages of a batch, with its line where several came together. Of a batch
    whose bytes are gone or damaged nothing: that is told elsewhere, and is no reason to tell no more of it."""
    wanted, last = frozenset(rows), max(rows, default=0)
    try:
        with path.open("rb") as lines:
            some = ((row_no, line) for row_no, line in enumerate(islice(lines, last), start=1) if row_no in wanted)
            return {row_no: str(orjson.loads(line)["envelope"]["source_name"]) for row_no, line in some}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def read_batch(
    path: Path, feed: Feed, record: RecordType, alive: Callable[[int], None] = lambda _messages: None
) -> Messages:
    """A batch's archived bytes. `alive` is called now and then, with how many messages are through.

    Raises Unreadable when they are none.
    """
    kinds = types_of(record)
    found: list[Message] = []
    try:
        for row_no, (envelope, body) in enumerate(contents_of(path), start=1):
            found.append(_message(row_no, envelope, body, feed, kinds))
            if row_no % _BETWEEN_SIGNS == 0:
                alive(row_no)
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(
            "These are not the bytes of a batch of messages.", "Ask the hub's operator to find out what happened."
        ) from error
    return Messages(record, tuple(found))


def _message(
    row_no: int, envelope: Mapping[str, Any], text: bytes, feed: Feed, kinds: Mapping[str, Kind | None]
) -> Message:
    received_at, request_id = datetime.fromisoformat(envelope["received_at"]), str(envelope["request_id"])
    try:
        body = parse_object(text)
        kind = str(body.get("type"))
        if kind not in kinds:
            raise _No(_unknown_type(body.get("type"), feed))
        data = body.get("data")
        if not isinstance(data, dict) or not data:
            raise _No(_missing_data(data))
        return Message(row_no, request_id, data, _occurred_at(body.get("timestamp"), received_at), kinds[kind])
    except _No as no:
        return Message(row_no, request_id, {}, received_at, problem=no.problem)
    except BadJson as error:
        problem = Problem("not_json", None, None, f"The message {error}.", "Send a JSON object")
        return Message(row_no, request_id, {}, received_at, problem=problem)


class _No(Exception):  # an answer on its way to the message that it is about
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


def _unknown_type(kind: object, feed: Feed) -> Problem:
    said = "The message has no `type`." if kind is None else "This feed knows no message of this type."
    return Problem("unknown_message_type", None, _shown(kind), said, f"Known are: {', '.join(known_types(feed))}")


def _missing_data(data: object) -> Problem:
    said = "The message has no `data`." if data is None else "The `data` of the message is no object with members."
    return Problem("missing_data", None, _shown(data), said, "Send an object of columns")


def _occurred_at(timestamp: object, received_at: datetime) -> datetime:
    if timestamp is None:
        return received_at
    try:
        moment = datetime.fromisoformat(str(timestamp))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _No(
            Problem(
                "bad_timestamp",
                None,
                _shown(timestamp),
                "The `timestamp` is no date that there is, with a time and its zone.",
                "Write it as 2026-03-02T14:05:00Z",
            )
        )
    offset = moment.utcoffset()
    if offset is not None and abs(offset) > _FARTHEST_OFF:
        raise _No(
            Problem(
                "bad_timestamp",
                None,
                _shown(timestamp),
                "No place on earth is so far from UTC.",
                "Write it in UTC, as 2026-03-02T14:05:00Z",
            )
        )
    if moment < EARLIEST:
        raise _No(
            Problem(
                "bad_timestamp",
                None,
                _shown(timestamp),
                "The `timestamp` is before 1970: it seems that the system knew none.",
                "Write when it occurred, or leave the `timestamp` out",
            )
        )
    if moment > received_at + _AHEAD:
        raise _No(
            Problem(
                "timestamp_in_the_future",
                None,
                _shown(timestamp),
                f"The `timestamp` is after the moment at which the message came ({received_at:%Y-%m-%dT%H:%M:%SZ}).",
                "Look at its time zone and at the clock that told it, and send the message anew under a webhook-id "
                "of its own",
            )
        )
    return moment.astimezone(UTC)  # databases differ in which offsets they take


def no_row(one: Message) -> RejectedRow:
    """The verdict on a message that can't be a row."""
    assert one.problem is not None, f"message {one.row_no} was not judged"
    return RejectedRow(one.row_no, (one.problem,))


def lacking(verdict: RejectedRow, one: Message, record: RecordType) -> RejectedRow:
    """As of a message, which has no cells, and with what came instead of a member that is missing: whoever has named it
    otherwise finds it so."""
    others = [name for name in one.data if name not in record.columns]
    came = f". What came is no column of it: {', '.join(others[:_NAMES_SHOWN])[:_SHOWN_CHARACTERS]}" if others else ""
    problems = (
        replace(found, reason=_LACKS, suggestion=f"Send it by this name, `{found.column}`{came}")
        if found.rule == MISSING_VALUE
        else found
        for found in verdict.problems
    )
    return replace(verdict, problems=tuple(problems))


def with_others(verdict: AcceptedRow, one: Message, columns: Collection[str]) -> AcceptedRow:
    """With the members of its message that the contract does not know."""
    others = _others(one, columns)
    return replace(verdict, values={**verdict.values, "other": others}) if others else verdict


def _others(one: Message, columns: Collection[str]) -> dict[str, str]:
    return {name: _text(value) for name, value in one.data.items() if name not in columns}


def _others_json(one: Message, columns: Collection[str]) -> str | None:
    others = _others(one, columns) if one.kind is None else None  # what adjusts an item says nothing else of it
    return canonical_text(others) if others else None


def adjusting(verdict: AcceptedRow, one: Message, kind: Kind) -> Verdict:
    """What a right message adjusts, as it is staged."""
    data = dict(verdict.values)
    quantity, unit = data.pop("quantity"), data.pop("unit")
    place = data.pop(kind.to_column) if kind.to_column else None
    values: dict[str, object] = {
        "kind": kind.name,
        "occurred_at": iso(one.occurred_at),
        "quantity": None if quantity == EVERYTHING else quantity,
        "unit": unit,
        "message": one.request_id,
        "item": data,
    }
    if kind.to_column:
        item = {**data, str(kind.data.location_column): place}
        key = kind.data.key_of(item)
        if key == verdict.key:
            reason = "It went to the place where it was."
            told = Problem("same_place", kind.to_column, str(place), reason, "Write where it went")
            return RejectedRow(one.row_no, (told,))
        values["to"] = {"key": key, "item": item}
    return AdjustingRow(one.row_no, verdict.key, values, verdict.findings)


def superseded(row_no: int, key: str, winner: Message) -> SupersededRow:
    """Void: a newer one came with it."""
    return _void(row_no, key, f"A newer message for the same item came with it: {winner.request_id}.")


def superseded_before(row_no: int, key: str, newest: datetime) -> SupersededRow:
    """Void: one that occurred at `newest` has posted."""
    return _void(row_no, key, f"A newer message for the same item, of {newest:%Y-%m-%dT%H:%M:%SZ}, has posted before.")


def _void(row_no: int, key: str, reason: str) -> SupersededRow:
    return SupersededRow(row_no, key, (Problem(SUPERSEDED, None, key, reason, None, "warn"),))


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, str | bool):
        return value
    return Unclear(_text(value), "not_a_plain_value", "A column holds one value, not a list or an object.")


def _text(value: object) -> str:
    return value if isinstance(value, str) else canonical_text(value)


def _shown(value: object) -> str | None:
    return None if value is None else _text(value)[:_SHOWN_CHARACTERS]
