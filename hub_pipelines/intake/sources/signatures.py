"""Signatures of messages, as https://www.standardwebhooks.com defines them.

The signed text is `id.timestamp.body` over the bytes as they came. `webhook-signature` may hold several signatures,
separated by blanks, so that a sender can change its key without a pause. Not here: whose keys they are.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hub_pipelines.intake.sources.model import PUBLIC_KEY_PREFIX, SECRET_PREFIX, BadSource

TOLERANCE_S = 300
ID, TIMESTAMP, SIGNATURE = SIGNATURE_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_ID = re.compile(r"[!-~]{1,255}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES = 16
_FORM = f"A signature in {SIGNATURE} must read v1,<base64> or v1a,<base64>."
_SECRET_BYTES = range(24, 65)


class NotSigned(ValueError):
    """A header is missing or can't be read; the message says which."""


class NotGenuine(ValueError):
    """No signature was made with a key that is valid."""


class Stale(ValueError):
    """Signed by the right key, but too long ago or in the future; the message says how far off it is."""


class Signed(NamedTuple):
    """The three headers, well formed and not verified."""

    webhook_id: str
    timestamp: int
    signatures: tuple[tuple[str, bytes], ...]

    def verify(self, body: bytes, secrets: Iterable[bytes], public_keys: Iterable[bytes]) -> None:
        """Raises NotGenuine unless one of the signatures was made with one of the keys."""
        text = f"{self.webhook_id}.{self.timestamp}.".encode("ascii") + body
        for secret in secrets:
            right = hmac.digest(secret, text, "sha256")
            for version, one in self.signatures:
                if version == "v1" and hmac.compare_digest(one, right):
                    return
        for key in public_keys:
            for version, one in self.signatures:
                if version == "v1a" and _is_signed(key, one, text):
                    return
        raise NotGenuine("None of the signatures was made with a key of this source that is valid now.")

    def require_fresh(self, now: float) -> None:
        """Raises Stale when it was signed more than five minutes before or after `now` (seconds since 1970)."""
        off = now - self.timestamp
        if abs(off) > TOLERANCE_S:
            when = "ago" if off > 0 else "in the future"
            raise Stale(
                f"It was signed {abs(off):.0f} s {when}; at most {TOLERANCE_S} s are taken. "
                "Sign it anew when you send it again, and set the sender's clock by a time server."
            )


def signed(headers: Mapping[str, str]) -> Signed:
    """The signature's headers by their lower-case names. Raises NotSigned."""
    webhook_id, timestamp, signatures = found = [headers.get(name, "") for name in SIGNATURE_HEADERS]
    if "" in found:
        raise NotSigned(f"The header {SIGNATURE_HEADERS[found.index('')]} is missing.")
    if not _ID.fullmatch(webhook_id):
        raise NotSigned(f"The header {ID} must be 1 to 255 visible ASCII characters without blanks.")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise NotSigned(f"The header {TIMESTAMP} must be whole seconds since 1970-01-01 UTC.")
    parts = signatures.split(" ")
    if len(parts) > _MOST_SIGNATURES:
        raise NotSigned(f"{SIGNATURE} has {len(parts)} signatures; at most {_MOST_SIGNATURES} are looked at.")
    versioned = [part for part in parts if "," in part]
    if not versioned:
        raise NotSigned(_FORM)
    return Signed(webhook_id, int(timestamp), tuple([_signature(part) for part in versioned]))


def _signature(part: str) -> tuple[str, bytes]:
    version, _, encoded = part.partition(",")
    try:
        return version, _decoded(encoded)
    except ValueError as error:
        raise NotSigned(_FORM) from error


def _is_signed(public_key: bytes, signature: bytes, text: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text)
    except InvalidSignature:
        return False
    return True


# ---- keys as text


def secret_bytes(secret: str) -> bytes:
    """Of `whsec_…`. Raises BadSource."""
    found = _of_prefix(secret, SECRET_PREFIX)
    if len(found) not in _SECRET_BYTES:
        raise BadSource(f"A shared secret is {SECRET_PREFIX} and 24 to 64 bytes in base64.")
    return found


def public_key_bytes(public_key: str) -> bytes:
    """Of `whpk_…`. Raises BadSource."""
    found = _of_prefix(public_key, PUBLIC_KEY_PREFIX)
    if len(found) != 32:
        raise BadSource(f"An Ed25519 public key is {PUBLIC_KEY_PREFIX} and 32 bytes in base64.")
    return found


def new_secret(random: bytes) -> str:
    return SECRET_PREFIX + base64.b64encode(random).decode("ascii")


def token_digest(token: str) -> str:
    """What is kept of a reading token: it is random, so that a plain digest can't be turned back."""
    return hashlib.sha256(token.encode("utf-8")).hexdigest()


def _of_prefix(text: str, prefix: str) -> bytes:
    if not text.startswith(prefix):
        raise BadSource(f"A key of this kind begins with {prefix}.")
    try:
        return _decoded(text.removeprefix(prefix))
    except ValueError as error:
        raise BadSource(f"What follows {prefix} is no base64.") from error


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
