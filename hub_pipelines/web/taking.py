"""The way of a message through the receiver, from its request to its answer: nearly all that is asked of it.

An ASGI app of one address, without the routing and the requests of Starlette, which would cost as much as all that is
done here. An answer 202 is given when the message is durable and not before. Not here: limits (limits.py), what a
request must hold (reading.py), what is asked more seldom (app.py).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.errors import HubError
from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.grouping import Full, GroupCommit
from hub_pipelines.intake.inbox.model import Answer, Answered, Delivery
from hub_pipelines.intake.inbox.writing import Writer
from hub_pipelines.web import reading
from hub_pipelines.web.problems import Problem, not_taken, problem_of
from hub_pipelines.web.tally import Tally

_QUERIES_KEPT = 64
_AT_HAND_BYTES = 8_192
"""What is no longer is looked at faster than it is handed to a thread."""
_JSON = (b"content-type", b"application/json")


class NoRoom(HubError):
    """Nothing more may be written to the hub's disk; the message says why."""


class Taking:
    """`POST /v1/<campus>/<feed>/messages?source=…`."""

    def __init__(
        self,
        hub: Hub,
        tally: Tally,
        no_room: Callable[[int], str | None],
        patiently: Callable[..., Awaitable[None]],
    ) -> None:
        """`patiently` does what may wait for the hub's own database, in a thread."""
        self._hub = hub
        self._tally = tally
        self._no_room = no_room
        self._patiently = patiently
        self._scopes = {
            f"/v1/{campus}/{feed}/messages": Scope(campus, feed) for campus in hub.campuses for feed in hub.feeds
        }
        self._sources = reading.KnownSources(hub.sources)
        self._asking: dict[str, asyncio.Task[object]] = {}
        for db in (hub.db, hub.inbox.db):
            db.dispose()  # no connection may be open when the writer is forked
        self.writer = Writer(self._accept)
        self._group = GroupCommit(self.writer.begin)
        self.write_groups = self._group.run

    def is_for(self, connection: Connection) -> bool:
        """Whether this request brings messages for a campus and feed of this hub."""
        return connection["type"] == "http" and connection["method"] == "POST" and connection["path"] in self._scopes

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        scope = self._scopes[connection["path"]]
        try:
            told = await self._answer(scope, connection, (await receive())["body"])
        except Exception as error:  # noqa: BLE001  # the sender is told, and what was not foreseen goes to the log
            problem = problem_of(error, connection["path"])
            self._tally.add(scope.campus, problem.source, problem.code)
            await problem.response()(connection, receive, send)
            return
        body = canonical_text(told).encode("utf-8")
        headers = [_JSON, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, connection: Connection, body: bytes) -> dict[str, Any]:
        source = _source_name(connection["query_string"])
        if source is None:
            told = "The address must name the sending system, and nothing else: …/messages?source=erp"
            raise Problem("malformed", told)
        sent = reading.Request(scope, source, reading.headers_of(connection["headers"]), body)
        if self._sources.is_due(source):
            await self._ask_once(source)
        at_hand = len(body) <= _AT_HAND_BYTES and self._sources.is_kept(source)
        checked = self._checked(sent) if at_hand else await asyncio.to_thread(self._checked, sent)
        return await self._taken(checked)

    async def _taken(self, checked: Delivery) -> dict[str, Any]:
        try:
            answered = await self._group.take(checked)
        except Full as full:
            raise Problem("busy", "More messages wait to be written than are taken in at a time.") from full
        except NoRoom as full:
            not_taken.seen("not taken", full)
            raise Problem("busy", "The hub has no room on its disk.") from full
        if answered.answer is Answer.FULL:
            raise self._full(checked)
        if answered.answer is Answer.CONFLICT:
            await self._patiently(self._hub.conflicts.file, checked, answered)
            came = f"{answered.received_at:%Y-%m-%d %H:%M:%S} UTC"
            told = f"Under {checked.webhook_id!r} other contents, or another address, came at {came}."
            raise Problem("conflict", told, source=checked.source)
        if answered.answer is Answer.DUPLICATE:
            self._tally.add(checked.scope.campus, checked.source, "duplicate")
        return _acknowledged(checked, answered)

    async def _ask_once(self, name: str) -> None:
        """All requests of a source that come while it is asked for wait for the same answer."""
        if name not in self._asking:
            asking = asyncio.create_task(asyncio.to_thread(self._sources.recognise, name))
            asking.add_done_callback(lambda _: self._asking.pop(name))
            self._asking[name] = asking
        await asyncio.shield(self._asking[name])

    def _full(self, refused: Delivery) -> Problem:
        capacity = self._hub.inbox.capacity
        most = capacity.most
        if not capacity.takes(refused.scope, refused.load, {}):
            told = (
                f"It has {len(refused.messages):,} messages of {len(refused.body):,} bytes, and of "
                f"{refused.scope.campus} so many are not taken at once, however few wait: at most {most.messages:,} "
                f"messages and {most.size_bytes // 1_000_000:,} MB wait at the hub, of all campuses together."
            )
            return Problem("too-large", told, source=refused.source)
        told = (
            f"At most {most.messages:,} messages and {most.size_bytes // 1_000_000:,} MB wait at the hub, the last "
            f"tenth of it for campuses with little waiting. For {refused.scope.campus} there is no room now."
        )
        return Problem("inbox-full", told, source=refused.source)

    def _checked(self, sent: reading.Request) -> Delivery:
        reading.require_genuine(sent, self._sources, self._hub.intake.now().timestamp())
        try:
            return reading.delivery_of(sent, self._hub.feeds[sent.scope.feed])
        except Problem as no:
            no.source = sent.source
            raise

    def _accept(self, deliveries: Sequence[Delivery], before_commit: Callable[[], None]) -> list[Answered]:
        """Raises NoRoom; asked once for a group, by the process that writes it."""
        if (full := self._no_room(sum(len(one.body) for one in deliveries))) is not None:
            raise NoRoom(full)
        return self._hub.inbox.accept(deliveries, before_commit=before_commit)


@lru_cache(_QUERIES_KEPT)
def _source_name(query: bytes) -> str | None:
    """None where the query does not name a source, and nothing else."""
    found = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return found[0][1] if len(found) == 1 and found[0][0] == "source" else None


def _acknowledged(delivery: Delivery, answered: Answered) -> dict[str, Any]:
    told: dict[str, Any] = {
        "duplicate": answered.answer is Answer.DUPLICATE,
        "received_at": answered.received_at.isoformat(),
    }
    if delivery.messages[0].line is None:
        return {"request_id": answered.request_ids[0], **told}
    lines = zip(delivery.messages, answered.request_ids, strict=True)
    return {"messages": [{"line": one.line, "request_id": request_id} for one, request_id in lines], **told}
