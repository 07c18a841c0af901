"""From a request to a delivery: who sent it, whether it is genuine, what it holds. Blocks where it asks for a source.

Not here: limits on size and time (limits.py), what becomes of it (taking.py).
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hub_pipelines.common.scope import Scope
from hub_pipelines.common.strict_json import BadJson, parse_object
from hub_pipelines.intake.inbox.model import Delivery, Incoming
from hub_pipelines.intake.sources.service import Recognised, Sources
from hub_pipelines.intake.sources.signatures import (
    ID,
    SIGNATURE_HEADERS,
    TIMESTAMP,
    NotGenuine,
    NotSigned,
    Stale,
    signed,
)
from hub_pipelines.validate.messages import record_type_for
from hub_pipelines.validate.model import Feed
from hub_pipelines.web.problems import Problem

MESSAGE_BYTES = 64 * 1024
"""One message is no longer than this."""
MOST_MESSAGES = 1_000
"""One request brings no more than this."""
JSON, LINES = "application/json", "application/x-ndjson"
_THAT_MATTER = {name.encode(): name for name in (*SIGNATURE_HEADERS, "content-type", "authorization")}
_KEPT_S = 1.0
_ERRORS_SHOWN = 20


@dataclass(slots=True)
class KnownSources:
    """Sources as they were a second ago at most, so that a burst does not ask the database for each message."""

    sources: Sources
    clock: Callable[[], float] = time.monotonic
    _kept: dict[str, tuple[float, Recognised]] = field(default_factory=dict)

    def is_kept(self, name: str) -> bool:
        """Recognising it asks nobody."""
        kept = self._kept.get(name)
        return kept is not None and self.clock() - kept[0] < _KEPT_S

    def is_due(self, name: str) -> bool:
        """It was known lately and is to be asked for again."""
        return name in self._kept and not self.is_kept(name)

    def recognise(self, name: str) -> Recognised | None:
        """None for a name that is no source's; such names are not kept."""
        if self.is_kept(name):
            return self._kept[name][1]
        now = self.clock()
        found = self.sources.recognise(name)
        if found is None:
            self._kept.pop(name, None)
        else:
            self._kept[name] = (now, found)
        return found


class Request(NamedTuple):
    """What of an HTTP request matters. `headers` are those of `headers_of`."""

    scope: Scope
    source: str
    headers: Mapping[str, str]
    body: bytes


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Those that matter, by name; ASGI has the names in lower case. Raises Problem when one is there twice: nobody
    could say which one counts."""
    found: dict[str, str] = {}
    for raw_name, value in raw:
        name = _THAT_MATTER.get(raw_name)
        if name is None:
            continue
        if name in found:
            raise Problem("malformed", f"The header {name} is there more than once.")
        found[name] = value.decode("latin-1")
    return found


def require_genuine(request: Request, known: KnownSources, now: float) -> None:
    """Raises Problem unless its source has signed it just now and may send it: unsigned, bad-signature, stale,
    no-right."""
    try:
        signature = signed(request.headers)
    except NotSigned as no:
        raise Problem("unsigned", str(no)) from no
    found = known.recognise(request.source)
    try:
        if found is None:
            raise NotGenuine("None of the signatures was made with a key of this source that is valid now.")
        signature.verify(request.body, found.shared_secrets, found.public_keys)
    except NotGenuine as no:
        raise Problem("bad-signature", str(no)) from no
    try:
        signature.require_fresh(now)
    except Stale as no:
        raise Problem("stale", str(no), source=request.source) from no
    assert found is not None
    if request.scope not in found.source.rights:
        may = ", ".join(f"{one.campus}/{one.feed}" for one in found.source.rights)
        raise Problem("no-right", f"{request.source} may send for {may}.", source=request.source)


def delivery_of(request: Request, feed: Feed) -> Delivery:
    """What it holds. Raises Problem: wrong-type, not-json, too-large."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (JSON, LINES):
        raise Problem("wrong-type", f"The content type is {kind[:80] or 'not given'}; {JSON} or {LINES} is taken.")
    messages = (_incoming(request.body, feed, None),) if kind == JSON else _lines(request.body, feed)
    # each message keeps these: of the content type not what a sender may write behind it
    headers = {ID: request.headers[ID], TIMESTAMP: request.headers[TIMESTAMP], "content-type": kind}
    return Delivery(request.source, request.headers[ID], request.scope, request.body, messages, headers)


def _lines(body: bytes, feed: Feed) -> tuple[Incoming, ...]:
    lines = [(number, line.rstrip(b"\r")) for number, line in enumerate(body.split(b"\n"), start=1)]
    lines = [(number, line) for number, line in lines if line.strip()]
    if not lines:
        raise Problem("not-json", "The body has no lines.")
    if len(lines) > MOST_MESSAGES:
        raise Problem("too-large", f"It has {len(lines):,} messages; at most {MOST_MESSAGES:,} are taken at once.")
    found: list[Incoming] = []
    errors: list[dict[str, object]] = []
    for number, line in lines:
        try:
            found.append(_incoming(line, feed, number))
        except Problem as no:
            if no.code != "not-json":
                raise
            errors.append({"line": number, "detail": no.detail})
    if errors:
        first = errors[0]
        told = f"Line {first['line']}: {first['detail']} Nothing of this request was taken."
        raise Problem("not-json", told, where=errors[:_ERRORS_SHOWN])
    return tuple(found)


def _incoming(body: bytes, feed: Feed, line: int | None) -> Incoming:
    if len(body) > MESSAGE_BYTES:
        where = "It" if line is None else f"Line {line}"
        raise Problem("too-large", f"{where} has {len(body):,} bytes; one message has at most {MESSAGE_BYTES:,}.")
    try:
        found = parse_object(body)
    except BadJson as error:
        raise Problem("not-json", f"The text {error}.") from error
    return Incoming(body, record_type_for(found.get("type"), feed).name, line)
