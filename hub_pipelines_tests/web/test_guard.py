"""What the guard before Dagster's page lets through and what it refuses. Real requests: defs/test_page.py."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Scope

from hub_pipelines.web.guard import OwnPageOnly, Refused, require_own

OWN = "127.0.0.1:3000"
NAMED = "hub.uni.edu"
JSON = {"content-type": "application/json"}
EVIL = {"origin": "http://evil.example"}


def scope(method: str, path: str = "/", host: str | None = OWN, **headers: str) -> Scope:
    """A request; `method` is `WEBSOCKET` for one of those. `_` is `-` in names of headers."""
    named = {"host": host, **headers} if host is not None else headers
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in named.items()]
    if method == "WEBSOCKET":
        return {"type": "websocket", "path": path, "headers": raw}
    return {"type": "http", "method": method, "path": path, "headers": raw}


def asks(**headers: str) -> Scope:
    """The page's own way to ask a question or to change something."""
    return scope("POST", "/graphql", **{"content_type": "application/json", **headers})


OWN_REQUESTS = {
    "the page": scope("GET"),
    "the page by the name localhost and another port, as through a tunnel": scope("GET", host="localhost:8080"),
    "the page by its address of IPv6": scope("GET", host="[::1]:3000"),
    "the page without a port": scope("GET", host="localhost"),
    "the page through a proxy that passes its name": scope("GET", host="Hub.uni.edu"),
    "the page, by a link on another site": scope("GET", "/assets", sec_fetch_site="cross-site", **EVIL),
    "a file of the page": scope("GET", "/_next/static/chunks/main.js", sec_fetch_site="same-origin"),
    "the head of the page": scope("HEAD"),
    "a question by a program": asks(),
    "a question with its character set": asks(content_type="Application/JSON; charset=utf-8"),
    "a question by the page": asks(origin=f"http://{OWN}", sec_fetch_site="same-origin"),
    "a question through a tunnel": asks(host="localhost:8080", origin="http://localhost:8080"),
    "a question through a proxy that passes its name": asks(host=NAMED, origin=f"https://{NAMED}"),
    "a question through a proxy that passes no name": asks(origin=f"https://{NAMED}"),
    "a question through a proxy with a port of its own": asks(host=NAMED, origin=f"https://{NAMED}:8443"),
    "the page on which one writes questions": scope("GET", "/graphql", accept="text/html,*/*"),
    "a websocket of a program": scope("WEBSOCKET", "/graphql"),
    "a websocket of the page": scope("WEBSOCKET", "/graphql", origin=f"http://{OWN}"),
    "a websocket through a proxy": scope("WEBSOCKET", "/graphql", host=NAMED, origin=f"https://{NAMED}"),
}

HOST = (421, "is not served under the name")
ORIGIN = (403, "Another web page (")
SITE = (403, "A page of another site")
REPORT = (403, "Nobody reports assets or checks here")
BODY = (403, "with a body of type application/json, and with no other")
GET = (403, "and not by GET")
NOWHERE = (403, "Nothing is taken at this address")
NO_ADDRESS = (403, "There is no such address")

FOREIGN_REQUESTS = {
    "a name that leads to this machine": (scope("GET", host="evil.example"), HOST),
    "a name that leads to this machine, by a websocket": (scope("WEBSOCKET", "/graphql", host="evil.example"), HOST),
    "a name that begins as the machine's own": (scope("GET", host="127.0.0.1.evil.example"), HOST),
    "a name that ends as one that is allowed": (scope("GET", host=f"not{NAMED}"), HOST),
    "another address of this machine": (scope("GET", host="0.0.0.0:3000"), HOST),
    "no name": (scope("GET", host=None), HOST),
    "an empty name": (scope("GET", host=""), HOST),
    "what is no name": (scope("GET", host="127.0.0.1:3000@evil.example"), HOST),
    "another page": (asks(**EVIL), ORIGIN),
    "another page's port of this machine": (asks(origin="http://127.0.0.1:8888"), ORIGIN),
    "this machine's page, for what a proxy serves": (asks(host=NAMED, origin="http://127.0.0.1:8888"), ORIGIN),
    "a page that is not to be known": (asks(origin="null"), ORIGIN),
    "an empty origin": (asks(origin=""), ORIGIN),
    "a websocket of another page": (scope("WEBSOCKET", "/graphql", **EVIL), ORIGIN),
    "a websocket of another port": (scope("WEBSOCKET", "/graphql", origin="http://localhost:8888"), ORIGIN),
    "another site's page, whose name is held back": (asks(sec_fetch_site="cross-site"), SITE),
    "a page of the same site": (asks(sec_fetch_site="same-site"), SITE),
    "a question as text": (asks(content_type="text/plain"), BODY),
    "a question as text that also says JSON": (asks(content_type="text/plain; application/json"), BODY),
    "a question as a form": (asks(content_type="multipart/form-data; boundary=x"), BODY),
    "a question as GraphQL": (asks(content_type="application/graphql"), BODY),
    "a question in an address": (scope("POST", "/graphql"), BODY),
    "a question by GET": (scope("GET", "/graphql"), GET),
    "a question by GET, of any kind of answer": (scope("GET", "/graphql", accept="*/*"), GET),
    "a check that is reported": (scope("POST", "/report_asset_check/grants_findings", **JSON), REPORT),
    "an asset that is reported": (scope("POST", "/report_asset_materialization/inventory_ledger"), REPORT),
    "an observation that is reported": (scope("POST", "/report_asset_observation/inventory_ledger"), REPORT),
    "a report by GET": (scope("GET", "/report_asset_check/grants_findings"), REPORT),
    "anything sent elsewhere": (scope("POST", "/server_info"), NOWHERE),
    "anything put elsewhere": (scope("PUT", "/assets"), NOWHERE),
    "an address that Starlette takes for another": (scope("POST", "/graphql\n", **JSON), NO_ADDRESS),
    "an address that Starlette takes for another, by GET": (scope("GET", "/graphql\n"), NO_ADDRESS),
}


@pytest.mark.parametrize("request_", OWN_REQUESTS.values(), ids=OWN_REQUESTS.keys())
def test_what_the_page_or_a_program_asks_goes_through(request_: Scope) -> None:
    require_own(request_, [NAMED])


@pytest.mark.parametrize(("request_", "told"), FOREIGN_REQUESTS.values(), ids=FOREIGN_REQUESTS.keys())
def test_what_another_page_may_have_sent_is_refused_in_one_sentence(request_: Scope, told: tuple[int, str]) -> None:
    status, words = told
    with pytest.raises(Refused) as caught:
        require_own(request_, [NAMED])
    assert caught.value.status == status
    assert words in str(caught.value)
    assert str(caught.value).count(". ") == 0


def test_a_name_that_no_setting_tells_is_refused() -> None:
    with pytest.raises(Refused, match=r"hub.toml, \[hub\] page_hosts"):
        require_own(scope("GET", host=NAMED), [])
    with pytest.raises(Refused, match=r"hub.toml, \[hub\] page_hosts"):
        require_own(asks(origin=f"https://{NAMED}"), [])


@pytest.mark.parametrize(
    "twice",
    [
        [(b"host", b"127.0.0.1"), (b"host", b"evil.example")],
        [(b"host", b"127.0.0.1"), (b"origin", b"http://127.0.0.1"), (b"origin", b"http://evil.example")],
        [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"content-type", b"text/plain")],
    ],
)
def test_a_header_that_comes_twice_hides_nothing(twice: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Refused):
        require_own({"type": "http", "method": "POST", "path": "/graphql", "headers": twice}, [])


def answered(asked: Scope) -> tuple[list[Message], list[str]]:
    """What leaves, and what was told of refusals; behind the guard is an app that answers all."""
    sent: list[Message] = []
    refused: list[str] = []

    async def app(_scope: Scope, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("what is refused is not read")

    asyncio.run(OwnPageOnly(app, [], lambda no: refused.append(str(no)))(asked, receive, send))
    return sent, refused


def test_a_refusal_is_told_and_answered_without_a_look_at_the_body() -> None:
    (start, body), (told,) = answered(asks(**EVIL))
    assert (start["type"], start["status"]) == ("http.response.start", 403)
    assert body["body"].decode() == f"{told}\n"
    assert "http://evil.example" in told


def test_a_websocket_is_refused_before_it_is_one() -> None:
    (closed,), (told,) = answered(scope("WEBSOCKET", "/graphql", **EVIL))
    assert closed["type"] == "websocket.close"
    assert "http://evil.example" in told


def test_no_page_of_another_site_can_hold_this_one_in_a_frame() -> None:
    (start,), refused = answered(scope("GET"))
    assert (b"content-security-policy", b"frame-ancestors 'self'") in start["headers"]
    assert refused == []


def test_a_start_and_an_end_of_the_server_go_through() -> None:
    assert answered({"type": "lifespan"})[1] == []
