"""Asking a portal over HTTP: one request, one bounded answer, and for everything else an error that says who retries.

Not here: when to ask, and again (service.py), what the answer holds (the adapters). Redirects are not followed: a POST
would become a GET, and a key would go to whoever is named.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from hub_pipelines.portals.model import Answer, Garbled, Pace, Rejected, Request, Unreachable
from hub_pipelines.portals.pacing import failure_of

if TYPE_CHECKING:
    import httpx

_AGENT = "hub-pipelines (research data hub)"


@dataclass(frozen=True, slots=True)
class Client:
    """Asks one portal; connections are kept between requests."""

    http: "httpx.Client"
    now: Callable[[], datetime]

    def ask(self, request: Request, key: Mapping[str, str], pace: Pace) -> Answer:
        """Raises PortalError for whatever is not a whole 200. `key` are the headers that carry the credentials."""
        import httpx

        deadline = time.monotonic() + pace.timeout_s
        content = None if request.body is None else json.dumps(request.body).encode("utf-8")
        headers = {"accept": "application/json", "user-agent": _AGENT, **request.headers, **key}
        if content is not None:
            headers["content-type"] = "application/json"
        try:
            with self.http.stream(
                request.method,
                request.url,
                params=list(request.params) or None,
                content=content,
                headers=headers,
                timeout=pace.timeout_s,
            ) as response:
                told = {name.lower(): value for name, value in response.headers.items()}
                error = failure_of(response.status_code, told, self.now())
                if error is not None:
                    raise error
                body = b"".join(_bounded(response.iter_bytes(), pace, deadline))
        except httpx.InvalidURL as error:
            raise Rejected(f"The portal's address is no address: {error}.") from error
        except httpx.DecodingError as error:
            raise Garbled("The answer can't be unpacked.") from error
        except httpx.HTTPError as error:  # its text may hold an address, with a key in it
            raise Unreachable(f"The portal did not answer ({type(error).__name__}).") from error
        return Answer(body, told, self.now())


def _bounded(parts: Iterator[bytes], pace: Pace, deadline: float) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > pace.most_bytes:
            raise Rejected(f"The answer is longer than {pace.most_bytes:,} bytes: ask for smaller pages.")
        if time.monotonic() > deadline:
            raise Unreachable(f"The answer did not come to its end within {pace.timeout_s:g} s.")
        yield part


@contextmanager
def http_client(now: Callable[[], datetime]) -> Iterator[Client]:
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log addresses, some of which hold keys
    with httpx.Client(follow_redirects=False) as http:
        yield Client(http, now)
