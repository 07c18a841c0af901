"""A sending system with its keys and rights. Pure.

Belongs here: what a source is and what it may do now. Not here: checking a signature (signatures.py), issuing and
ending keys (service.py).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hub_pipelines.common.errors import HubError
from hub_pipelines.common.scope import Scope

SOURCE_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
SECRET_PREFIX = "whsec_"
PUBLIC_KEY_PREFIX = "whpk_"
TOKEN_PREFIX = "hubr_"


class UnknownSource(HubError):
    """There is no such source, or it was revoked. The text says which; nobody retries."""


class BadSource(HubError):
    """A source can't be made as asked. The operator corrects the command."""


class Kind(StrEnum):
    """What a key is good for."""

    HMAC = "hmac"  # signs messages, shared secret (`v1` of Standard Webhooks)
    ED25519 = "ed25519"  # signs messages, the sender keeps the private half (`v1a`)
    TOKEN = "token"  # asks what became of the source's messages, and nothing else


@dataclass(frozen=True, slots=True)
class Key:
    """`material` is the public key (`whpk_…`) or a token's SHA-256; None for a shared secret, which is in a file.

    `ends_at` is set when a newer key has taken its place: until then both are valid.
    """

    key_id: str
    kind: Kind
    material: str | None
    added_at: datetime
    ends_at: datetime | None

    def is_valid(self, at: datetime) -> bool:
        return self.ends_at is None or at < self.ends_at


@dataclass(frozen=True, slots=True)
class Source:
    """`rights` are the campuses and feeds that it may send for."""

    name: str
    rights: tuple[Scope, ...]
    keys: tuple[Key, ...]
    added_at: datetime
    added_by: str
    revoked_at: datetime | None

    def valid_keys(self, at: datetime) -> tuple[Key, ...]:
        return () if self.revoked_at else tuple(one for one in self.keys if one.is_valid(at))


def rights_from(texts: Iterable[str], campuses: Iterable[str], feeds: Iterable[str]) -> tuple[Scope, ...]:
    """`north/inventory` each; a `*` stands for all campuses, or all feeds, of the settings now. Raises BadSource."""
    known_campuses, known_feeds = list(campuses), list(feeds)
    found: dict[Scope, None] = {}
    for text in texts:
        campus, _, feed = text.partition("/")
        if campus not in (*known_campuses, "*") or feed not in (*known_feeds, "*"):
            raise BadSource(
                f"{text!r} is no campus and feed of this hub. Write for example north/inventory or north/*. "
                f"Campuses: {', '.join(known_campuses)}; feeds: {', '.join(known_feeds)}."
            )
        for one in known_campuses if campus == "*" else [campus]:
            found.update(dict.fromkeys(Scope(one, name) for name in (known_feeds if feed == "*" else [feed])))
    if not found:
        raise BadSource("Name at least one campus and feed that it may send for: --may north/inventory.")
    return tuple(found)
