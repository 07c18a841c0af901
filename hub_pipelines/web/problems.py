"""What the receiver answers when the answer is no: problem documents (RFC 9457) in plain words.

Each kind is told on the page at `/`, to which its `type` leads.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from hub_pipelines.common.errors import SettingsError, Transient
from hub_pipelines.logs import Recurring, pairs

_log = logging.getLogger(__name__)
RETRY_AFTER_S = {429: 10, 503: 2}
"""By status: what is full is emptied by a batch, what is busy is so for a moment."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`advice` is what whoever runs the sending system should do."""

    code: str
    status: int
    title: str
    advice: str


KINDS = {
    one.code: one
    for one in (
        Kind("not-json", 400, "The body is not the JSON that is taken", "Correct the sender; nothing was taken."),
        Kind("malformed", 400, "The request is not well formed", "Correct the sender; nothing was taken."),
        Kind("unsigned", 401, "The message is not signed", "Sign it as Standard Webhooks describes."),
        Kind(
            "bad-signature",
            401,
            "The signature is not one of this source's",
            "The signature covers the very bytes of the body: sign the text that you send, and do not write the JSON "
            "anew after that. Else look at the source's name in the address and at its secret. A revoked source, or a "
            "secret whose time has ended after a rotation, is refused in the same way.",
        ),
        Kind(
            "stale",
            401,
            "The signature is too old, or from the future",
            "Sign anew with each attempt, and set the sender's clock by a time server.",
        ),
        Kind("bad-token", 401, "The token is not valid", "Send the source's reading token: Authorization: Bearer …"),
        Kind(
            "no-right",
            403,
            "This source may not send for this campus and feed",
            "Ask the hub's operator for the right, or correct the address.",
        ),
        Kind("not-found", 404, "There is nothing at this address", "Look at campus and feed, or at the request_id."),
        Kind(
            "not-allowed", 405, "This address does not take this method", "Use the method that the header Allow names."
        ),
        Kind("too-slow", 408, "The request took too long to come", "Send it again; nothing was taken."),
        Kind(
            "conflict",
            409,
            "Other contents came under this webhook-id before",
            "Do not send it again. The first contents stand, and a person at the hub looks at these. New data need a "
            "webhook-id of their own.",
        ),
        Kind("too-large", 413, "The request is too large", "Send less at a time; nothing was taken."),
        Kind(
            "wrong-host",
            421,
            "This page is not served under this name",
            "Ask under 127.0.0.1 or localhost, or have the hub's operator name the host in hub.toml. Messages are "
            "taken under any name.",
        ),
        Kind(
            "wrong-type",
            415,
            "The content type is not taken",
            "Send application/json, or application/x-ndjson for one message a line.",
        ),
        Kind(
            "inbox-full",
            429,
            "As many messages wait at the hub as it keeps waiting",
            "Send it again after the time in Retry-After, under the same webhook-id with a new timestamp and "
            "signature. Nothing of it was taken; what was acknowledged before is not touched. If it stays so, tell the "
            "hub's operator.",
        ),
        Kind(
            "failed", 500, "The hub met an error of its own", "Send it again later; the operator's log has the cause."
        ),
        Kind(
            "busy",
            503,
            "The hub can't take messages now",
            # a database that did not answer may have taken it
            "Send it again after the time in Retry-After, under the same webhook-id: whatever became of it, it counts "
            "once.",
        ),
    )
}


@dataclass
class Problem(Exception):
    """Ends a request. `where` are places in the body, `last` closes the connection, since its rest was not read.

    `source` is set once the request has proved to be that source's.
    """

    code: str
    detail: str
    where: Sequence[Mapping[str, object]] = ()
    last: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None

    def response(self) -> Response:
        kind = KINDS[self.code]
        document: dict[str, object] = {
            "type": f"/#{kind.code}",
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail,
            "advice": kind.advice,
        }
        if self.where:
            document["errors"] = list(self.where)
        headers = dict(self.headers)
        if kind.status in RETRY_AFTER_S:
            headers["Retry-After"] = str(RETRY_AFTER_S[kind.status])
        if kind.status == 401:
            headers["WWW-Authenticate"] = "Bearer" if kind.code == "bad-token" else "Webhook-Signature"
        if self.last:
            headers["Connection"] = "close"
        return JSONResponse(document, kind.status, headers, media_type="application/problem+json")


not_taken = Recurring(_log)
"""A disk that is full ends requests as fast as they come."""


def problem_of(error: Exception, path: str) -> Problem:
    """What is answered to a request that ended with this error; what nobody foresaw goes to the log."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, Transient | SettingsError):
        not_taken.seen("not taken", error)
        return Problem("busy", "The hub's database, disk or keys did not answer.")
    _log.error("failed %s", pairs(path=path), exc_info=error)
    return Problem("failed", "The hub met an unexpected error.")


def _of_http(error: HTTPException) -> Problem:
    if error.status_code == 405:
        return Problem("not-allowed", "This address does not take this method.", headers=error.headers or {})
    return Problem("not-found" if error.status_code == 404 else "malformed", "There is no such address.")
