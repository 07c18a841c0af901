"""The mark by which the hub knows a workbook that it has returned: submission and revision, signed.

Belongs here: its text. Not here: where it stands in a workbook (marking), what follows from it (returning.py).
It says whose file this was and grants nothing: who may drop into a folder may send anything there.
"""

import base64
import json
from dataclasses import asdict, dataclass

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.intake.signing import KeyRing
from hub_pipelines.submission.model import Integrity

_PURPOSE = "returned-workbook"
_VERSION = "hub1"
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Token:
    """`part`: the workbook holds only the rows to be fixed."""

    request_id: str
    revision: int
    campus: str
    feed: str
    part: bool = False


def issue(keys: KeyRing, token: Token) -> str:
    text = canonical_text(asdict(token))
    key_id, signature = keys.sign_text(_PURPOSE, text)
    body = base64.urlsafe_b64encode(text.encode("utf-8")).decode("ascii")
    return f"{_VERSION}.{body}.{key_id}.{signature}"


def read(keys: KeyRing, text: str) -> Token:
    """Raises Integrity when it is not a token that this hub has signed, with its key of today or an earlier one."""
    try:
        if len(text) > _LONGEST:
            raise ValueError("too long for a token")
        version, body, key_id, signature = text.strip().split(".")
        if version != _VERSION:
            raise ValueError(f"unknown kind of token {version!r}")
        signed = base64.urlsafe_b64decode(body.encode("ascii")).decode("utf-8")
    except ValueError as error:
        raise Integrity(
            "The workbook's hidden mark is not one of this hub.", "Nothing need be done: it was taken as a new file."
        ) from error
    keys.verify_text(_PURPOSE, signed, key_id, signature)
    return Token(**json.loads(signed))
