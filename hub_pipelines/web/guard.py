"""Who may ask Dagster's page for what, as pure ASGI middleware: other web pages in an operator's browser may not. By
which names the receiver's pages are asked for is looked at by the same code.

Dagster takes from anybody whatever a browser can be made to send, and that can be a page of any site: a form or a
`fetch` whose answer it can't read, a websocket, a name of its own that suddenly leads to this machine. Belongs here:
telling such requests by what they say of themselves, and the sentences that refuse them. Not here: who somebody is
(there is no sign-in yet), serving (dagster_ui.py), what strangers may cost (limits.py).
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]*)?")
_SHOWN = 80
_NAMED = "hub.toml, [hub] page_hosts"
_UNFRAMED = (b"content-security-policy", b"frame-ancestors 'self'")
"""No other page may show this one in a frame of its own, for its visitor to click into unawares."""


class Refused(Exception):
    """Ends a request, with one sentence for whoever sees it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class OwnPageOnly:
    """Lets through what the page itself, or a program, asks. `hosts` are names that it has beside the machine's own."""

    app: ASGIApp
    hosts: Collection[str]
    refused: Callable[[Refused], None]
    """Told of each request that ends here."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        try:
            require_own(scope, self.hosts)
        except Refused as no:
            self.refused(no)
            await _answer(no, scope, receive, send)
        else:
            await self.app(scope, receive, _unframed(send))


def require_own(scope: Scope, hosts: Collection[str]) -> None:
    """Raises Refused where another page may have sent it, or where it asks for what nobody needs here."""
    headers = Headers(scope=scope)
    host = require_host(headers, hosts)
    _require_plain_path(scope["path"])
    if scope["type"] == "websocket":
        _require_own_origin(headers, host, hosts)
    elif scope["method"] in _READING:
        _require_no_question(scope["path"], headers)
    else:
        _require_own_origin(headers, host, hosts)
        _require_question(scope["path"], headers)


def require_host(headers: Headers, hosts: Collection[str]) -> str:
    """As the request tells it, with its port. Raises Refused. A page whose name was made to lead to this machine (DNS
    rebinding) counts for a browser as the hub's own, but it must still tell its name."""
    told = headers.getlist("host")
    host = told[0].lower() if len(told) == 1 else ""
    if _name_of(host) not in {*LOCAL_HOSTS, *hosts}:
        raise Refused(
            421,
            f"The hub's page is not served under the name {host[:_SHOWN]!r}, but under 127.0.0.1 and localhost; "
            f"where a proxy passes another name, it is to be in {_NAMED}.",
        )
    return host


def _name_of(authority: str) -> str | None:
    """Without the port; None where it is no host at all."""
    found = _AUTHORITY.fullmatch(authority)
    return found[1] if found else None


def _require_plain_path(path: str) -> None:
    """Starlette takes `/graphql` with a newline behind it for `/graphql`; what follows here does not."""
    if not path.isprintable():
        raise Refused(403, "There is no such address.")


def _require_own_origin(headers: Headers, host: str, hosts: Collection[str]) -> None:
    """Browsers say whose page sends something; programs say nothing. A page of another port of this machine is another
    program's."""
    for origin in headers.getlist("origin"):
        authority = origin.lower().partition("://")[2]
        if authority != host and _name_of(authority) not in {*hosts}:
            raise Refused(
                403,
                f"Another web page ({origin[:_SHOWN]}) has sent this, and only the hub's own may; "
                f"where a proxy serves the page under that name, it is to be in {_NAMED}.",
            )
    if {"cross-site", "same-site"} & {*headers.getlist("sec-fetch-site")}:
        raise Refused(403, "A page of another site has sent this, and only the hub's own may.")


def _require_no_question(path: str, headers: Headers) -> None:
    """A GET is what any link or picture asks, and Dagster would run a mutation in it. It shows the page on which one
    writes questions to whoever accepts HTML, by the same look at this header, and runs nothing then."""
    _require_no_report(path)
    if path == "/graphql" and "text/html" not in headers.get("accept", ""):
        raise Refused(403, "GraphQL is asked here by POST with a body of type application/json, and not by GET.")


def _require_question(path: str, headers: Headers) -> None:
    """One in JSON: a page of another site can send text or a form without asking, and that not."""
    _require_no_report(path)
    if path != "/graphql":
        raise Refused(403, "Nothing is taken at this address; GraphQL is asked at /graphql.")
    types = headers.getlist("content-type")
    if len(types) != 1 or types[0].partition(";")[0].strip().lower() != "application/json":
        raise Refused(403, "GraphQL is asked here with a body of type application/json, and with no other.")


def _require_no_report(path: str) -> None:
    if path.startswith("/report_"):
        raise Refused(403, "Nobody reports assets or checks here: the hub tells Dagster itself what it has found.")


async def _answer(no: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    """A websocket that is refused is told 403 and no words: no page could read them, and uvicorn, which would send
    them, logs each time that the app has failed."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    else:
        await PlainTextResponse(f"{no}\n", no.status, {"X-Content-Type-Options": "nosniff"})(scope, receive, send)


def _unframed(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), _UNFRAMED]}
        await send(message)

    return sending
