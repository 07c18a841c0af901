"""The way of a message through the receiver, from its request to its answer: nearly all that is asked of it.

An ASGI app of one address, without the routing and the requests of Starlette, which would cost as much as all that is
done here. An answer 202 is given when the message is durable and not before. Not here: limits (limits.py), what a
request must hold (reading.py), what is asked more seldom (app.py).
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from urllib.parse import parse_qsl

from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from hub_pipelines.common.errors import HubError
from hub_pipelines.common.scope import Scope
from hub_pipelines.common.short import Meanwhile
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.grouping import Full, GroupCommit
from hub_pipelines.intake.inbox.model import Answer, Answered, Delivery, Group
from hub_pipelines.intake.inbox.writing import Writer
from hub_pipelines.web import reading
from hub_pipelines.web.connection import Reply, head_of
from hub_pipelines.web.limits import SAFE_HEADERS, SafeHeaders
from hub_pipelines.web.problems import Problem, not_taken, problem_of
from hub_pipelines.web.tally import Tally

_QUERIES_KEPT = 64
_AT_HAND_BYTES = 8_192
"""What is no longer is looked at faster than it is handed to a thread."""
_JSON = (b"content-type", b"application/json")
_ACCEPTED = head_of(202, [_JSON, *SAFE_HEADERS.items()])
# JSON with names in order; nothing that comes here needs an escape
_ONE = '{{"duplicate":{},"received_at":"{}","request_id":"{}"}}'
_MANY = '{{"duplicate":{},"messages":[{}],"received_at":"{}"}}'


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
        self._at_hand_bytes = min(_AT_HAND_BYTES, hub.settings.messages.body_kb * 1024)
        self._sources = reading.KnownSources(hub.sources)
        self._asking: dict[str, asyncio.Task[object]] = {}
        for db in (hub.db, hub.inbox.db):
            db.dispose()  # no connection may be open when the writer is forked
        self.writer = Writer(hub.inbox.prepare, self._accept)
        self._group = GroupCommit(self.writer.begin)
        self.write_groups = self._group.run

    def is_for(self, connection: Connection) -> bool:
        """Whether this request brings messages for a campus and feed of this hub."""
        return connection["type"] == "http" and connection["method"] == "POST" and connection["path"] in self._scopes

    def at_once(self, connection: Connection, body: bytes, reply: Reply) -> bool:
        """Take a request that is whole, and see to its answer; False, and nothing is done, where it must wait for
        anything but the writer."""
        scope = self._scopes.get(connection["raw_path"].decode("latin-1"))
        source = _source_name(connection["query_string"])
        if scope is None or source is None or connection["method"] != "POST" or not self._is_at_hand(body, source):
            return False
        try:
            checked = self._checked(reading.Request(scope, source, reading.headers_of(connection["headers"]), body))
            self._group.put(checked, partial(self._reply, checked, reply))
        except Exception as error:  # noqa: BLE001  # the sender is told
            self._leave(reply, partial(_raise, error))
        return True

    def _reply(self, checked: Delivery, reply: Reply, became: Answered | Exception) -> None:
        if isinstance(became, Exception):
            self._leave(reply, partial(_raise, became))
        elif became.answer is Answer.RECEIVED:
            reply.send(_ACCEPTED, _acknowledged(checked, became))
        else:
            self._leave(reply, partial(self._told, checked, became))

    def _leave(self, reply: Reply, work: Callable[[], Awaitable[bytes]]) -> None:
        reply.leave_to(SafeHeaders(partial(self._answer, work)))

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        await self._answer(partial(self._taken, connection, body), connection, receive, send)

    async def _answer(
        self, work: Callable[[], Awaitable[bytes]], connection: Connection, receive: Receive, send: Send
    ) -> None:
        try:
            body = await work()
        except Exception as error:  # noqa: BLE001  # the sender is told, and what was not foreseen goes to the log
            problem = _problem_of(error, connection["path"])
            self._tally.add(self._scopes[connection["path"]].campus, problem.source, problem.code)
            await problem.response()(connection, receive, send)
            return
        headers = [_JSON, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _taken(self, connection: Connection, body: bytes) -> bytes:
        source = _source_name(connection["query_string"])
        if source is None:
            told = "The address must name the sending system, and nothing else: …/messages?source=erp"
            raise Problem("malformed", told)
        scope = self._scopes[connection["path"]]
        sent = reading.Request(scope, source, reading.headers_of(connection["headers"]), body)
        if self._sources.is_due(source):
            await self._ask_once(source)
        at_hand = self._is_at_hand(body, source)
        checked = self._checked(sent) if at_hand else await asyncio.to_thread(self._checked, sent)
        return await self._told(checked, await self._group.take(checked))

    def _is_at_hand(self, body: bytes, source: str) -> bool:
        return len(body) <= self._at_hand_bytes and self._sources.is_kept(source)

    async def _told(self, checked: Delivery, became: Answered) -> bytes:
        """What is answered to a delivery that was taken, now or before. Raises Problem for one that was not."""
        if became.answer is Answer.FULL:
            raise self._full(checked)
        if became.answer is Answer.CONFLICT:
            await self._patiently(self._hub.conflicts.file, checked, became)
            came = f"{became.received_at:%Y-%m-%d %H:%M:%S} UTC"
            told = f"Under {checked.webhook_id!r} other contents, or another address, came at {came}."
            raise Problem("conflict", told, source=checked.source)
        if became.answer is Answer.DUPLICATE:
            self._tally.add(checked.scope.campus, checked.source, "duplicate")
        return _acknowledged(checked, became)

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

    def _accept(self, group: Group, meanwhile: Meanwhile) -> list[Answered]:
        """Raises NoRoom; asked once for a group, by the process that writes it."""
        if (full := self._no_room(sum(len(one.body) for one in group.deliveries))) is not None:
            raise NoRoom(full)
        return self._hub.inbox.accept(group, meanwhile=meanwhile)


@lru_cache(_QUERIES_KEPT)
def _source_name(query: bytes) -> str | None:
    """None where the query does not name a source, and nothing else."""
    found = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return found[0][1] if len(found) == 1 and found[0][0] == "source" else None


async def _raise(error: Exception) -> bytes:
    raise error


def _problem_of(error: Exception, path: str) -> Problem:
    if isinstance(error, Full):
        return Problem("busy", "More messages wait to be written than are taken in at a time.")
    if isinstance(error, NoRoom):
        not_taken.seen("not taken", error)
        return Problem("busy", "The hub has no room on its disk.")
    return problem_of(error, path)


def _acknowledged(delivery: Delivery, answered: Answered) -> bytes:
    duplicate = "true" if answered.answer is Answer.DUPLICATE else "false"
    at = answered.received_at.isoformat()
    if delivery.messages[0].line is None:
        return _ONE.format(duplicate, at, answered.request_ids[0]).encode("ascii")
    lines = zip(delivery.messages, answered.request_ids, strict=True)
    each = ",".join([f'{{"line":{one.line},"request_id":"{request_id}"}}' for one, request_id in lines])
    return _MANY.format(duplicate, each, at).encode("ascii")
