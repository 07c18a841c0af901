"""Adding, changing, rotating and revoking sources, each audited with its actor; and a source with its keys, for whoever
receives from it.

A shared secret must be known to verify with it, so it is kept as it is, in a file of its own with mode 0600 beside the
hub's signing key. It is durable before the database knows its key: after a crash between the two a file is left that
nobody asks for.
"""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.scope import RESERVED_CAMPUS, Scope
from hub_pipelines.intake.sources import store
from hub_pipelines.intake.sources.model import (
    SOURCE_NAME,
    TOKEN_PREFIX,
    BadSource,
    Key,
    Kind,
    Source,
    UnknownSource,
)
from hub_pipelines.intake.sources.signatures import new_secret, public_key_bytes, secret_bytes, token_digest

_SECRET_BYTES = 32


class Transactions(Protocol):
    def write(self) -> Any: ...

    def read(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Issued:
    """What is shown once, to whoever sets the sending system up. `secret` is None where it signs with its own key."""

    source: Source
    secret: str | None
    token: str


@dataclass(frozen=True, slots=True)
class Recognised:
    """A source with all that its messages may be signed with at the moment of asking."""

    source: Source
    shared_secrets: tuple[bytes, ...]
    public_keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """`folder` holds the shared secrets, `<source>/<key id>` each."""

    db: Transactions
    folder: Path
    now: Callable[[], datetime]

    def add(self, name: str, rights: tuple[Scope, ...], *, actor: str, public_key: str | None = None) -> Issued:
        """Raises BadSource when the name is no name or was given before."""
        if not SOURCE_NAME.fullmatch(name):
            raise BadSource(f"{name!r} is no name for a source: write lower-case letters, digits and hyphens.")
        with self.db.read() as tx:
            if store.find(tx, name) is not None:
                raise _name_is_taken(name)
        new = self._new_keys(name, public_key)
        with self.db.write() as tx:
            if not store.add(tx, name, rights, by=actor, at=self.now()):
                raise _name_is_taken(name)
            self._add_keys(tx, name, new)
            detail: dict[str, object] = {"may": _told(rights), "keys": new.told}
            _audit(tx, actor, "source:added", name, detail)
            return Issued(_get(tx, name), new.secret, new.token)

    def rotate(self, name: str, *, actor: str, keep_h: float, public_key: str | None = None) -> Issued:
        """New keys; the ones before stay valid for so many hours beside them. Raises UnknownSource, BadSource."""
        with self.db.read() as tx:
            _get(tx, name)
        new = self._new_keys(name, public_key)
        with self.db.write() as tx:
            _get(tx, name)
            ends_at = self.now() + timedelta(hours=keep_h)
            store.end_keys(tx, name, at=ends_at)
            self._add_keys(tx, name, new)
            _audit(tx, actor, "source:rotated", name, {"keys": new.told, "earlier_keys_end_at": ends_at.isoformat()})
            return Issued(_get(tx, name), new.secret, new.token)

    def permit(self, name: str, rights: tuple[Scope, ...], *, actor: str) -> Source:
        """Rights in place of those that it had. What it has sent stays. Raises UnknownSource."""
        with self.db.write() as tx:
            before = _get(tx, name)
            store.set_rights(tx, name, rights)
            _audit(tx, actor, "source:permitted", name, {"may": _told(rights), "before": _told(before.rights)})
            return _get(tx, name)

    def revoke(self, name: str, *, actor: str, reason: str) -> Source:
        """Nothing more is taken from it. What it has sent stays. Raises UnknownSource."""
        with self.db.write() as tx:
            source = _get(tx, name)
            store.revoke(tx, name, at=self.now())
            _audit(tx, actor, "source:revoked", name, {"reason": reason})
            return source

    def listing(self) -> list[Source]:
        with self.db.read() as tx:
            return store.everything(tx)

    def recognise(self, name: str) -> Recognised | None:
        """None for a name that is no source's, or a revoked one's. Raises SettingsError when a secret is lost."""
        if not SOURCE_NAME.fullmatch(name):
            return None
        with self.db.read() as tx:
            source = store.find(tx, name)
        if source is None or source.revoked_at is not None:
            return None
        valid = source.valid_keys(self.now())
        return Recognised(
            source,
            tuple(self._secret(name, one) for one in valid if one.kind is Kind.HMAC),
            tuple(public_key_bytes(str(one.material)) for one in valid if one.kind is Kind.ED25519),
        )

    def of_token(self, token: str) -> Source | None:
        """Who asks with a reading token; None when it is not valid."""
        digest = token_digest(token)
        with self.db.read() as tx:
            source = store.of_token(tx, digest)
        if source is None or digest not in {one.material for one in source.valid_keys(self.now())}:
            return None
        return source

    def _new_keys(self, name: str, public_key: str | None) -> "_New":
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token_key = self._key(Kind.TOKEN, token_digest(token))
        if public_key is not None:
            public_key_bytes(public_key)
            return _New((self._key(Kind.ED25519, public_key), token_key), None, token)
        secret = new_secret(secrets.token_bytes(_SECRET_BYTES))
        signing = self._key(Kind.HMAC, None)
        _write_secret(self.folder / name / signing.key_id, secret)
        return _New((signing, token_key), secret, token)

    def _key(self, kind: Kind, material: str | None) -> Key:
        return Key(secrets.token_hex(8), kind, material, self.now(), None)

    def _add_keys(self, tx: Any, name: str, new: "_New") -> None:
        for key in new.keys:
            store.add_key(tx, name, key)

    def _secret(self, name: str, key: Key) -> bytes:
        path = self.folder / name / key.key_id
        try:
            return secret_bytes(path.read_text(encoding="ascii"))
        except (OSError, ValueError, BadSource) as error:
            raise SettingsError(
                f"The secret of the source {name} can't be read ({path}). Restore it from a backup, "
                f"or give the source a new one: hub sources rotate {name}."
            ) from error


@dataclass(frozen=True, slots=True)
class _New:
    keys: tuple[Key, ...]
    secret: str | None
    token: str

    @property
    def told(self) -> list[dict[str, object]]:
        return [{"key_id": one.key_id, "kind": one.kind} for one in self.keys]


def _told(rights: tuple[Scope, ...]) -> list[str]:
    return [f"{one.campus}/{one.feed}" for one in rights]


def _name_is_taken(name: str) -> BadSource:
    return BadSource(
        f"There is, or was, a source {name}. A name is given once, since messages are known by it; "
        f"`hub sources rotate {name}` gives it new keys."
    )


def _get(tx: Any, name: str) -> Source:
    found = store.find(tx, name)
    if found is None:
        raise UnknownSource(f"There is no source {name!r}. `hub sources list` shows all.")
    if found.revoked_at is not None:
        raise UnknownSource(f"The source {name} was revoked on {found.revoked_at:%Y-%m-%d}. Add one of another name.")
    return found


def _write_secret(path: Path, secret: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, secret.encode("ascii"))
        os.fsync(handle)
    finally:
        os.close(handle)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _audit(tx: Any, actor: str, event: str, name: str, detail: dict[str, object]) -> None:
    audit.append(tx, Event(RESERVED_CAMPUS, actor, event, name, None, detail))
