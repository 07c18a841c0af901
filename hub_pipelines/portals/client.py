"""Asking a portal over HTTP: one request, one bounded answer, and for everything else an error that says who retries.

An answer is bounded in bytes as they come, in bytes unpacked and in time from the first connecting to its last byte:
a portal that sends a header a second, or nothing but promises, ends with the rest. Not here: when to ask, and again
(service.py), what the answer holds (the adapters). Redirects are not followed: a POST would become a GET, and a key
would go to whoever is named.
"""

import json
import logging
import socket
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hub_pipelines.portals.model import Answer, Garbled, Pace, Rejected, Request, Throttled, Unreachable
from hub_pipelines.portals.pacing import failure_of, next_access_s

if TYPE_CHECKING:
    import httpx

_AGENT = "hub-pipelines (research data hub)"
_GZIP = 31
"""What zlib calls a gzip stream with its header and its checksum."""
_AGAIN_S = 0.1
_OF_A_REFUSAL = 4_096


@dataclass(frozen=True, slots=True)
class Client:
    """Asks one portal, one request at a time; connections are kept between requests."""

    http: "httpx.Client"
    now: Callable[[], datetime]
    sockets: list[socket.socket] = field(default_factory=list)

    def ask(self, request: Request, key: Mapping[str, str], pace: Pace) -> Answer:
        """Raises PortalError for whatever is not a whole 200. `key` are the headers that carry the credentials."""
        import httpx

        content = None if request.body is None else json.dumps(request.body).encode("utf-8")
        headers = {"accept": "application/json", "user-agent": _AGENT, **request.headers, **key}
        headers["accept-encoding"] = "gzip, identity"
        if content is not None:
            headers["content-type"] = "application/json"
        late = Unreachable(f"The answer did not come to its end within {pace.timeout_s:g} s.")
        with self._cut_after(pace.timeout_s) as is_late:
            try:
                with self.http.stream(
                    request.method,
                    request.url,
                    params=list(request.params) or None,
                    content=content,
                    headers=headers,
                    timeout=pace.timeout_s,
                    extensions={"trace": self._note},
                ) as response:
                    told = {name.lower(): value for name, value in response.headers.items()}
                    error = failure_of(response.status_code, told, self.now())
                    if isinstance(error, Throttled) and error.retry_after_s is None:
                        error.retry_after_s = next_access_s(_beginning(response.iter_raw()), self.now())
                    if error is not None:
                        raise error
                    raw = _bounded(response.iter_raw(), pace, is_late, late)
                    body = b"".join(_bounded(_unpacked(raw, told, pace), pace, is_late, late))
            except httpx.InvalidURL as error:
                raise Rejected(f"The portal's address is no address: {error}.") from error
            except httpx.HTTPError as error:  # its text may hold an address, with a key in it
                if is_late():
                    raise late from error
                raise Unreachable(f"The portal did not answer ({type(error).__name__}).") from error
            if is_late():  # a connection that was cut may look like an answer at its end
                raise late
        return Answer(body, told, self.now())

    def _note(self, event: str, info: Mapping[str, Any]) -> None:
        """Keep the sockets of new connections, so that they can be cut."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self.sockets[:] = [one for one in self.sockets if one.fileno() >= 0]
            self.sockets.append(info["return_value"].get_extra_info("socket"))

    @contextmanager
    def _cut_after(self, seconds: float) -> Iterator[Callable[[], bool]]:
        """Cut every connection when so much time has gone by, also those that are made later. Whether it was so."""
        done, late = threading.Event(), threading.Event()

        def watch() -> None:
            wait_s = seconds
            while not done.wait(wait_s):
                late.set()
                wait_s = _AGAIN_S
                for one in list(self.sockets):
                    with suppress(OSError):  # it is closed already
                        socket.socket.shutdown(one, socket.SHUT_RDWR)

        watcher = threading.Thread(target=watch, name="portal-deadline", daemon=True)
        watcher.start()
        try:
            yield late.is_set
        finally:
            done.set()
            watcher.join()


def _beginning(parts: Iterable[bytes]) -> bytes:
    """The first bytes of an answer that is no page."""
    return next(iter(parts), b"")[:_OF_A_REFUSAL]


def _bounded(parts: Iterable[bytes], pace: Pace, is_late: Callable[[], bool], late: Unreachable) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > pace.most_bytes:
            raise Rejected(f"The answer is longer than {pace.most_bytes:,} bytes: ask for smaller pages.")
        if is_late():
            raise late
        yield part


def _unpacked(parts: Iterable[bytes], headers: Mapping[str, str], pace: Pace) -> Iterator[bytes]:
    """Never more at once than one byte beyond what is taken. Packed once, by gzip, or not at all: Garbled else."""
    told = headers.get("content-encoding", "")
    names = [name for one in told.split(",") if (name := one.strip().lower()) not in ("", "identity")]
    if not names:
        yield from parts
        return
    if names not in (["gzip"], ["x-gzip"]):
        raise Garbled(f"The answer is packed as {told[:80]!r}, and the hub asks for gzip, once.")
    unpacking = zlib.decompressobj(wbits=_GZIP)
    try:
        for part in parts:
            yield unpacking.decompress(part, pace.most_bytes + 1)
            if unpacking.unused_data:
                raise Garbled("The answer has something behind the end of what is packed.")
    except zlib.error as error:
        raise Garbled("The answer can't be unpacked.") from error
    if not unpacking.eof:
        raise Garbled("The answer breaks off before the end of what is packed.")


@contextmanager
def http_client(now: Callable[[], datetime]) -> Iterator[Client]:
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log addresses, some of which hold keys
    with httpx.Client(follow_redirects=False) as http:
        yield Client(http, now)
