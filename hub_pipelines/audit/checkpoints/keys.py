"""The campuses' Ed25519 keys that sign checkpoints, and verifying with public keys alone.

Belongs here: key files, signing, verifying. Not here: which key must sign what (verifying.py), the key of envelopes
(intake/signing.py): whoever can forge an arrival must not be able to forge a checkpoint by that.

A private key is `keys/campuses/<campus>/signing.pem`, mode 0600; public ones stay for ever in `public/` beside it.
The next key waits in `next.pem` from before its introduction is signed until after it is recorded.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hub_pipelines.audit.checkpoints.model import Checkpoint, PublicKey, Signature, key_id_of
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.files import is_open, make_once, write_replacing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PRIVATE = "signing.pem"
NEXT = "next.pem"
_PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Signer:
    """A campus's private key, read once: what it signs carries the id that it told."""

    public: PublicKey
    private: "Ed25519PrivateKey"

    def sign(self, message: bytes) -> Signature:
        return Signature(self.public.campus, self.public.key_id, self.private.sign(message))


@dataclass(frozen=True, slots=True)
class CampusKeys:
    """Raises SettingsError when a key is missing, can't be read, or may be read by others: the operator mends it."""

    folder: Path

    def path(self, campus: str, name: str = PRIVATE) -> Path:
        return self.folder / campus / name

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else signs or changes keys meanwhile; a process that dies lets go."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def ensure(self, campuses: Iterable[str]) -> None:
        """Make the first key of each campus that has none yet. Many processes may try at once; one key wins.

        Where public keys are and the private one is not, it was lost: nothing is made in its place.
        """
        for campus in campuses:
            if not self.path(campus).exists() and not self.public_of(campus):
                self._make(self.path(campus))
                self._publish(campus, self._load(self.path(campus)))

    def new_key(self, campus: str) -> PublicKey:
        """The key that waits to be introduced; made when none waits."""
        path = self.path(campus, NEXT)
        if not path.exists():
            self._make(path)
        return self._publish(campus, self._load(path))

    def current(self, campus: str) -> PublicKey:
        return self.signer(campus).public

    def signer(self, campus: str, *, name: str = PRIVATE) -> Signer:
        private = self._load(self.path(campus, name))
        return Signer(self._publish(campus, private), private)

    def in_place(self, campus: str, key_id: str) -> None:
        """Make the introduced key the signing one, should a crash have come between. Raises SettingsError when neither
        key here is that one."""
        if self._is(campus, PRIVATE, key_id):
            return
        if self._is(campus, NEXT, key_id):
            self.path(campus, NEXT).replace(self.path(campus))
            return
        raise SettingsError(
            f"{self.path(campus)} is not the key {key_id} that {campus}'s newest checkpoint names. Restore it from a "
            f"backup; if it is lost, `hub audit rotate-key --campus {campus} --lost` begins with a new one."
        )

    def holds(self, campus: str, key_id: str) -> bool:
        """Whether the private key of this id is here, signing or waiting."""
        return self._is(campus, PRIVATE, key_id) or self._is(campus, NEXT, key_id)

    def _is(self, campus: str, name: str, key_id: str) -> bool:
        path = self.path(campus, name)
        return path.exists() and _public(self._load(path), campus).key_id == key_id

    def public_of(self, campus: str) -> list[PublicKey]:
        """Every key that this campus has or had. A file that is not the key it is named after is none."""
        return [key for path in sorted((self.folder / campus / _PUBLIC).glob("*.pem")) if (key := _read(path, campus))]

    def public(self) -> dict[tuple[str, str], PublicKey]:
        """All public keys of this hub by campus and key id."""
        campuses = [one.name for one in self.folder.iterdir() if one.is_dir()] if self.folder.is_dir() else []
        return {(campus, key.key_id): key for campus in sorted(campuses) for key in self.public_of(campus)}

    def _make(self, path: Path) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        for folder in (self.folder, path.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        make_once(path, pem, mode=0o600)

    def _load(self, path: Path) -> "Ed25519PrivateKey":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            if is_open(path):
                raise SettingsError(f"The key {path} may be read by others, so it proves nothing: chmod 600 {path}")
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path} can't be read as a signing key. Restore it from a backup.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SettingsError(f"{path} is not an Ed25519 key. Restore the right one from a backup.")
        return key

    def _publish(self, campus: str, private: "Ed25519PrivateKey") -> PublicKey:
        key = _public(private, campus)
        path = self.folder / campus / _PUBLIC / f"{key.key_id}.pem"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_replacing(path, pem_of(key), durable=True)
        return key


def pem_of(key: PublicKey) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = Ed25519PublicKey.from_public_bytes(key.raw)
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def read_public(path: Path, campus: str = "") -> PublicKey:
    """A public key from a PEM file. Raises SettingsError when it is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        pem = path.read_bytes()
        if b"PRIVATE KEY" in pem:
            raise SettingsError(
                f"{path} is a private key. Nobody but the hub itself may have it, and it verifies nothing: ask for the "
                "public one, keys/campuses/<campus>/public/<key id>.pem."
            )
        key = load_pem_public_key(pem)
    except OSError as error:
        raise SettingsError(f"{path} can't be opened ({error.strerror}), so there is no public key.") from error
    except ValueError as error:
        raise SettingsError(
            f"{path} can't be read as a public key (PEM). Such a file begins with -----BEGIN PUBLIC KEY-----."
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise SettingsError(f"{path} is not an Ed25519 public key.")
    return PublicKey(campus, key.public_bytes_raw())


def _read(path: Path, campus: str) -> PublicKey | None:
    try:
        key = read_public(path, campus)
    except SettingsError:
        return None
    return key if key.key_id == path.stem else None


def _public(private: "Ed25519PrivateKey", campus: str) -> PublicKey:
    return PublicKey(campus, private.public_key().public_bytes_raw())


def signature_fault(one: Checkpoint, keys: Mapping[tuple[str, str], PublicKey]) -> str | None:
    """Why a checkpoint's signatures do not stand; None when its campus and all its countersigners have signed it."""
    wanted = {one.campus: one.key_id, **one.countersigners}
    there = {signature.campus: signature for signature in one.signatures}
    if not one.countersigners:
        return "is countersigned by nobody"
    for campus, key_id in wanted.items():
        signature = there.get(campus)
        if signature is None or signature.key_id != key_id:
            return f"lacks the signature of {campus}"
        key = keys.get((campus, key_id))
        if key is None:
            return f"is signed with a key of {campus} that is not known here ({key_id})"
        if not verifies(key, signature, one.message()):
            return f"carries a signature of {campus} that does not fit: it was changed"
    return None


def verifies(key: PublicKey, signature: Signature, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if key_id_of(key.raw) != signature.key_id:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signature.signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
