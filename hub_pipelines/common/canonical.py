"""One way to turn a value into bytes, so that a digest or signature can be recomputed by anyone.

JSON with sorted keys, no blanks, UTF-8 (the subset of RFC 8785 that holds without floats: money and
quantities travel as strings).
"""

import hashlib
import json
from collections.abc import Mapping

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
# one for all: JSONEncoder.encode makes a new one each time, which costs as much as encoding an audit entry
_pieces = json.encoder.c_make_encoder(  # type: ignore[attr-defined]
    None, _ENCODER.default, json.encoder.encode_basestring, None, ":", ",", True, False, False
)


def canonical_text(value: object) -> str:
    return "".join(_pieces(value, 0))


def digest_of(value: Mapping[str, object]) -> str:
    """SHA-256 of the canonical bytes, in hexadecimal."""
    return sha256_hex(canonical_text(value).encode("utf-8"))


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
