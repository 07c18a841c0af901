"""The receiver: its addresses, what each answers, and the writer that runs beside them.

An answer 202 is given when the message is durable and not before. Each refusal is counted (tally.py).
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import lru_cache, partial
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hub_pipelines.common.errors import HubError, SettingsError, Transient
from hub_pipelines.common.scope import Scope
from hub_pipelines.health import no_room
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.grouping import Full, GroupCommit
from hub_pipelines.intake.inbox.model import Answer, Answered, Delivery
from hub_pipelines.intake.sources.signatures import SIGNATURE_HEADERS
from hub_pipelines.logs import Standing, pairs
from hub_pipelines.messaging import MessageOutcome, outcome_of
from hub_pipelines.metrics import exposition
from hub_pipelines.web import reading
from hub_pipelines.web.limits import BoundedRequests, SafeHeaders
from hub_pipelines.web.openapi import document
from hub_pipelines.web.page import page
from hub_pipelines.web.problems import Problem
from hub_pipelines.web.tally import EVERY_S, Tally

_log = logging.getLogger(__name__)
_ONCE = (*SIGNATURE_HEADERS, "content-type", "authorization")
_WATCH_EVERY_S = 2.0
_QUERIES_KEPT = 64
_AT_HAND_BYTES = 8_192
"""What is no longer is looked at faster than it is handed to a thread."""


def build_app(hub: Hub) -> Starlette:
    """A fresh app of a hub."""
    receiver = _Receiver(hub)
    return Starlette(
        routes=[
            Route("/v1/{campus}/{feed}/messages", receiver.take, methods=["POST"]),  # first: what is asked for most
            Route("/", receiver.home, methods=["GET"]),
            Route("/health", receiver.health, methods=["GET"]),
            Route("/metrics", receiver.metrics, methods=["GET"]),
            Route("/openapi.json", receiver.openapi, methods=["GET"]),
            Route("/v1/requests/{request_id}", receiver.outcome, methods=["GET"]),
        ],
        middleware=[
            Middleware(SafeHeaders),
            Middleware(
                BoundedRequests, body_bytes=hub.settings.messages.body_kb * 1024, refused=receiver.count_refused
            ),
        ],
        exception_handlers={
            Problem: receiver.refused,
            HTTPException: receiver.refused,
            HubError: receiver.failed,
            Exception: receiver.failed,
        },
        lifespan=receiver.at_work,
    )


class _NoRoom(Exception):
    """Nothing more may be written to the hub's disk; the message says why."""


class _Receiver:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._sources = reading.KnownSources(hub.sources)
        self._group = GroupCommit(self._accept)
        self._asking: dict[str, asyncio.Task[object]] = {}
        self._key_id = hub.keys.current_key_id()
        self._standing = Standing(_log, logging.WARNING)
        self._tally = Tally(hub.db, frozenset(hub.campuses), hub.intake.now)
        # what writes the hub's own database waits for long postings, and must not hold up what does not
        self._patient = ThreadPoolExecutor(2, "patient")
        self._no_room = partial(no_room, hub.settings.home, hub.settings.limits.keep_free_mb)

    @contextlib.asynccontextmanager
    async def at_work(self, _app: Starlette) -> AsyncIterator[None]:
        """The writer and the counting, for as long as the app is served."""
        tasks = [asyncio.create_task(one()) for one in (self._group.run, self._keep_counting, self._keep_watching)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._patiently(self._count_now)

    async def _patiently(self, work: Callable[..., None], *given: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(self._patient, work, *given)

    async def _keep_counting(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self._patiently(self._count_now)

    def _count_now(self) -> None:
        try:
            self._tally.write()
        except Transient as error:
            _log.warning("what was not taken can't be audited now: %s", error)

    async def _keep_watching(self) -> None:
        while True:
            await asyncio.to_thread(self._watch_now)
            await asyncio.sleep(_WATCH_EVERY_S)

    def _watch_now(self) -> None:
        """How full the inbox is goes to the log when a threshold is reached, and when it is so no more."""
        try:
            self._standing.are_now(self._hub.inbox.filling().troubles)
        except Transient as error:
            _log.warning("the inbox can't be asked how full it is: %s", error)

    # ---- taking messages

    async def take(self, request: Request) -> Response:
        scope = self._scope(request)
        source = _source_name(request.scope["query_string"])
        if source is None:
            told = "The address must name the sending system, and nothing else: …/messages?source=erp"
            raise Problem("malformed", told)
        sent = reading.Request(scope, source, _headers(request), await request.body())
        if self._sources.is_due(sent.source):
            await self._ask_once(sent.source)
        at_hand = len(sent.body) <= _AT_HAND_BYTES and self._sources.is_kept(sent.source)
        checked = self._checked(sent) if at_hand else await asyncio.to_thread(self._checked, sent)
        try:
            answered = await self._group.take(checked)
        except Full as full:
            raise Problem("busy", "More messages wait to be written than are taken in at a time.") from full
        except _NoRoom as full:
            _log.warning("not taken: %s", full)
            raise Problem("busy", "The hub has no room on its disk.") from full
        if answered.answer is Answer.FULL:
            raise self._full(checked)
        if answered.answer is Answer.CONFLICT:
            await self._patiently(self._hub.conflicts.file, checked, answered)
            came = f"{answered.received_at:%Y-%m-%d %H:%M:%S} UTC"
            told = f"Under {checked.webhook_id!r} other contents, or another address, came at {came}."
            raise Problem("conflict", told, source=checked.source)
        if answered.answer is Answer.DUPLICATE:
            self._tally.add(scope.campus, checked.source, "duplicate")
        return JSONResponse(_acknowledged(checked, answered), 202)

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

    def _scope(self, request: Request) -> Scope:
        scope = Scope(request.path_params["campus"], request.path_params["feed"])
        if scope.campus not in self._hub.campuses or scope.feed not in self._hub.feeds:
            raise Problem("not-found", "This hub has no such campus and feed.")
        return scope

    def _checked(self, sent: reading.Request) -> Delivery:
        reading.require_genuine(sent, self._sources, self._hub.intake.now().timestamp())
        try:
            delivery = reading.delivery_of(sent, self._hub.feeds[sent.scope.feed])
        except Problem as no:
            no.source = sent.source
            raise
        return delivery

    def _accept(self, deliveries: Sequence[Delivery]) -> list[Answered]:
        """Raises _NoRoom; asked once for a group, by the thread that writes it."""
        if (full := self._no_room(sum(len(one.body) for one in deliveries))) is not None:
            raise _NoRoom(full)
        return self._hub.inbox.accept(deliveries)

    # ---- telling

    async def outcome(self, request: Request) -> Response:
        told = await asyncio.to_thread(self._outcome, _token(request), request.path_params["request_id"])
        return JSONResponse(told)

    def _outcome(self, token: str, request_id: str) -> dict[str, Any]:
        source = self._hub.sources.of_token(token)
        if source is None:
            raise Problem("bad-token", "This is not the reading token of a source, or its time has ended.")
        message = self._hub.inbox.find(request_id)
        if message is None or message.source != source.name:
            raise Problem("not-found", f"{source.name} has sent no message with this request_id.")
        return _told(outcome_of(self._hub, message))

    async def home(self, _request: Request) -> Response:
        return HTMLResponse(page(self._hub.campuses, self._hub.feeds))

    async def openapi(self, _request: Request) -> Response:
        return JSONResponse(document(self._hub.campuses, self._hub.feeds, self._hub.settings.messages))

    async def health(self, _request: Request) -> Response:
        """Whether messages would be taken now and by which hub, for `hub up` and whoever watches it."""
        reason = await asyncio.to_thread(self._unwell)
        told = {"ok": reason is None, "reason": reason, "key_id": self._key_id}
        return JSONResponse(told, 200 if reason is None else 503)

    async def metrics(self, _request: Request) -> Response:
        """For Prometheus on this machine; they tell counts, and nothing of what was sent."""
        return PlainTextResponse(await asyncio.to_thread(exposition, self._hub), media_type=CONTENT_TYPE_LATEST)

    def _unwell(self) -> str | None:
        try:
            with self._hub.inbox.db.read() as tx:
                tx.exec_driver_sql("SELECT 1")
        except Transient as error:
            return str(error)
        return self._no_room(0)

    # ---- refusing

    async def refused(self, request: Request, error: Exception) -> Response:
        problem = error if isinstance(error, Problem) else _of_http(error)
        self._tally.add(request.path_params.get("campus", ""), problem.source, problem.code)
        return problem.response()

    def count_refused(self, problem: Problem) -> None:
        """Of a request that ended before anybody looked at where it was for."""
        self._tally.add("", None, problem.code)

    async def failed(self, request: Request, error: Exception) -> Response:
        if isinstance(error, Transient | SettingsError):
            _log.warning("not taken: %s", error)
            return await self.refused(request, Problem("busy", "The hub's database or disk did not answer."))
        _log.error("failed %s", pairs(path=request.url.path), exc_info=error)
        return await self.refused(request, Problem("failed", "The hub met an unexpected error."))


def _of_http(error: Exception) -> Problem:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        allowed = (error.headers or {}) if isinstance(error, HTTPException) else {}
        return Problem("not-allowed", "This address does not take this method.", headers=allowed)
    return Problem("not-found" if status == 404 else "malformed", "There is no such address.")


@lru_cache(_QUERIES_KEPT)
def _source_name(query: bytes) -> str | None:
    """None where the query does not name a source, and nothing else."""
    found = QueryParams(query).multi_items()
    return found[0][1] if len(found) == 1 and found[0][0] == "source" else None


def _headers(request: Request) -> dict[str, str]:
    """By lower-case name. Raises Problem when one that matters is there twice: nobody could say which one counts."""
    found: dict[str, str] = {}
    for raw, value in request.headers.raw:  # ASGI has the names in lower case
        name = raw.decode("latin-1")
        if name in found and name in _ONCE:
            raise Problem("malformed", f"The header {name} is there more than once.")
        found.setdefault(name, value.decode("latin-1"))
    return found


def _token(request: Request) -> str:
    scheme, _, token = _headers(request).get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem("bad-token", "There is no bearer token.")
    return token


def _acknowledged(delivery: Delivery, answered: Answered) -> dict[str, Any]:
    told: dict[str, Any] = {
        "duplicate": answered.answer is Answer.DUPLICATE,
        "received_at": answered.received_at.isoformat(),
    }
    if delivery.messages[0].line is None:
        return {"request_id": answered.request_ids[0], **told}
    lines = zip(delivery.messages, answered.request_ids, strict=True)
    return {"messages": [{"line": one.line, "request_id": request_id} for one, request_id in lines], **told}


def _told(outcome: MessageOutcome) -> dict[str, Any]:
    message = outcome.message
    return {
        "request_id": message.request_id,
        "webhook_id": message.webhook_id,
        "received_at": message.received_at.isoformat(),
        "state": outcome.fate,
        "reasons": [asdict(one) for one in outcome.reasons],
        "effects": [asdict(one) for one in outcome.effects],
        "settled_at": outcome.settled_at.isoformat() if outcome.settled_at else None,
        "batch": message.submission,
    }
