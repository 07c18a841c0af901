"""The receiver: its addresses, what each answers, and the writer that runs beside them.

Each refusal is counted (tally.py). How messages are taken is in taking.py; what is here is asked more seldom, and goes
by Starlette's routes.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hub_pipelines.common.errors import HubError, Transient
from hub_pipelines.health import no_room
from hub_pipelines.hub import Hub
from hub_pipelines.logs import Recurring, Standing, end_process
from hub_pipelines.messaging import MessageOutcome, outcome_of
from hub_pipelines.metrics import exposition
from hub_pipelines.web.connection import AtOnce
from hub_pipelines.web.guard import Refused, require_host
from hub_pipelines.web.limits import BoundedRequests, SafeHeaders
from hub_pipelines.web.measuring import Measuring
from hub_pipelines.web.openapi import document
from hub_pipelines.web.page import page
from hub_pipelines.web.problems import Problem, problem_of
from hub_pipelines.web.reading import headers_of
from hub_pipelines.web.taking import Taking
from hub_pipelines.web.tally import EVERY_S, Tally

_log = logging.getLogger(__name__)
_NAME_SHOWN = 80
_Answering = Callable[[Request], Awaitable[Response]]
_WATCH_EVERY_S = 2.0
_WRITE_BACK_EVERY_S = 0.5


def build_app(hub: Hub) -> ASGIApp:
    """A fresh app of a hub."""
    receiver = _Receiver(hub)
    others = Starlette(
        routes=[
            *(
                Route(path, _under(hub.settings.page_hosts, answer), methods=["GET"])
                for path, answer in (
                    ("/", receiver.home),
                    ("/health", receiver.health),
                    ("/metrics", receiver.metrics),
                    ("/openapi.json", receiver.openapi),
                )
            ),
            Route("/v1/requests/{request_id}", receiver.outcome, methods=["GET"]),
            Route("/v1/{campus}/{feed}/messages", receiver.nowhere, methods=["POST"]),
        ],
        exception_handlers=dict.fromkeys((Problem, HTTPException, HubError, Exception), receiver.refused),
        lifespan=receiver.at_work,
    )
    others.router.redirect_slashes = False  # it would name a plain http address, with the body or the token to follow
    body_bytes = hub.settings.messages.body_kb * 1024
    bounded = BoundedRequests(_Inside(receiver.taking, others), body_bytes=body_bytes, refused=receiver.count_refused)
    return _Door(receiver.taking.at_once, SafeHeaders(bounded))


def _under(hosts: Collection[str], answer: _Answering) -> _Answering:
    """What asks for neither signature nor token is answered under these names and the machine's own only."""

    async def answering(request: Request) -> Response:
        try:
            require_host(request.headers, hosts)
        except Refused as no:
            raise Problem("wrong-host", str(no)) from no
        return await answer(request)

    return answering


@dataclass(frozen=True, slots=True)
class _Door:
    """All requests, but those which the connection has taken at once."""

    at_once: AtOnce
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Inside:
    """Messages without the routing of Starlette."""

    taking: Taking
    others: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.taking if self.taking.is_for(scope) else self.others)(scope, receive, send)


class _Receiver:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._key_id = hub.keys.current_key_id()
        self._standing = Standing(_log, logging.WARNING)
        self._not_asked = Recurring(_log)
        self._tally = Tally(hub.db, frozenset(hub.campuses), hub.intake.now)
        # what writes the hub's own database waits for long postings, and must not hold up what does not
        self._patient = ThreadPoolExecutor(2, "patient")
        self._no_room = partial(no_room, hub.settings.home, hub.settings.limits.keep_free_mb)
        self._measuring = Measuring()
        self.taking = Taking(hub, self._tally, self._no_room, self._patiently)

    @contextlib.asynccontextmanager
    async def at_work(self, _app: Starlette) -> AsyncIterator[None]:
        """The writer and the counting, for as long as the app is served."""
        works = (self.taking.write_groups, self._keep_counting, self._keep_watching, self._keep_writing_back)
        tasks = [asyncio.create_task(one(), name=one.__name__) for one in works]
        for task in tasks:
            task.add_done_callback(_end_without)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.taking.writer.close()
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
        except HubError as error:
            _log.warning("what was not taken can't be audited now: %s", error)

    async def _keep_watching(self) -> None:
        while True:
            hangs = self.taking.writer.trouble
            self._standing.are_now({"writer": hangs} if hangs else {}, "writer")
            await asyncio.to_thread(self._watch_now)
            await asyncio.sleep(_WATCH_EVERY_S)

    async def _keep_writing_back(self) -> None:
        while True:
            await asyncio.sleep(_WRITE_BACK_EVERY_S)
            with contextlib.suppress(HubError):  # no room; /health and senders are told
                await asyncio.to_thread(self._hub.inbox.db.write_back)

    def _watch_now(self) -> None:
        """How full the inbox is goes to the log when a threshold is reached, and when it is so no more."""
        try:
            self._standing.are_now(self._hub.inbox.filling().troubles)
        except HubError as error:
            self._not_asked.seen("the inbox can't be asked how full it is", error)

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
        return HTMLResponse(self._page)

    async def openapi(self, _request: Request) -> Response:
        return Response(self._contract, media_type="application/json")

    @cached_property
    def _page(self) -> str:
        return page(self._hub.campuses, self._hub.feeds)

    @cached_property
    def _contract(self) -> str:
        return json.dumps(document(self._hub.campuses, self._hub.feeds, self._hub.settings.messages))

    async def health(self, _request: Request) -> Response:
        """Whether messages would be taken now and by which hub, for `hub up` and whoever watches it. Where the writer
        hangs a receiver that is started again would take them."""
        hangs = self.taking.writer.trouble
        reason = hangs or await asyncio.to_thread(self._unwell)
        told = {"ok": reason is None, "reason": reason, "writer_hangs": hangs is not None, "key_id": self._key_id}
        return JSONResponse(told, 200 if reason is None else 503)

    async def metrics(self, _request: Request) -> Response:
        """For Prometheus on this machine; they tell counts, and nothing of what was sent."""
        read = partial(exposition, self._hub, writer_silent_s=self.taking.writer.silent_s)
        return PlainTextResponse(await self._measuring.told(read), media_type=CONTENT_TYPE_LATEST)

    def _unwell(self) -> str | None:
        try:
            self._hub.inbox.db.require_writable()
        except Transient as error:
            return str(error)
        return self._no_room(0)

    # ---- refusing

    async def nowhere(self, request: Request) -> Response:
        raise Problem("not-found", self._lacks(**request.path_params))

    def _lacks(self, campus: str, feed: str) -> str:
        for what, name, known in (("campus", campus, self._hub.campuses), ("feed", feed, self._hub.feeds)):
            if name not in known:
                return f"This hub has no {what} {name[:_NAME_SHOWN]}; it has {', '.join(known)}."
        return "There is no such address."

    async def refused(self, request: Request, error: Exception) -> Response:
        problem = problem_of(error, request.url.path)
        self._tally.add(request.path_params.get("campus", ""), problem.source, problem.code)
        return problem.response()

    def count_refused(self, problem: Problem) -> None:
        """Of a request that ended before anybody looked at where it was for."""
        self._tally.add("", None, problem.code)


def _end_without(task: asyncio.Task[None]) -> None:
    """What is to go on for as long as the app is served has ended by an error: a receiver that answers all the same,
    and takes nothing, would not be started again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        end_process(_log, f"the receiver ends, since a part of it has ({task.get_name()}); it is started again", error)


def _token(request: Request) -> str:
    scheme, _, token = headers_of(request.headers.raw).get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem("bad-token", "There is no bearer token.")
    return token


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
