"""The object store: bytes named by their SHA-256, written once, made durable before anyone hears of them.

A half-written object never has its final name: bytes go to a temporary file, are fsynced, made
read-only and only then linked to `objects/ab/cdef…`, whose folder is fsynced too.
"""

import errno
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.common.errors import Transient
from hub_pipelines.common.files import sync
from hub_pipelines.submission.model import Envelope, Integrity

_CHUNK_BYTES = 1 << 20
_TRANSIENT_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE}
_WRITTEN_AGAIN = "`hub reconcile` writes it again from the database."

TellDamage = Callable[[str, str], None]
"""Told, before damaged bytes are replaced by good ones: the digest they should have, and the one they have."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in the archive: `digest` is the SHA-256 of its bytes in hexadecimal."""

    digest: str
    size_bytes: int


class Archive:
    """Writes are durable when they return. Raises Transient when the disk is full or failing (the hub retries)."""

    def __init__(self, root: Path, tell_damage: TellDamage = lambda _digest, _found: None) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._tell_damage = tell_damage

    def object_path(self, digest: str) -> Path:
        return self._root / "objects" / digest[:2] / digest[2:]

    def put(self, source: IO[bytes]) -> Stored:
        """Copy a stream into the archive in one pass."""
        with _disk_errors(), self._temporary() as temporary:
            digest, size = hashlib.sha256(), 0
            with temporary.open("xb") as target:
                while chunk := source.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    size += len(chunk)
                    target.write(chunk)
                _make_durable(target)
            self._link(temporary, self.object_path(digest.hexdigest()), digest.hexdigest())
        return Stored(digest.hexdigest(), size)

    def put_envelope(self, envelope: Envelope) -> Path:
        """Keep the envelope beside the bytes, so that a lost database can be rebuilt from the archive."""
        return self._put_document(envelope, self.envelope_path(envelope))

    def put_page(self, envelope: Envelope) -> Path:
        """Keep the envelope of a page that the hub has read itself. It is no submission's, so it has a place apart."""
        return self._put_document(envelope, self.page_path(envelope))

    def envelope_path(self, envelope: Envelope) -> Path:
        return self._document_path(envelope, "envelopes", envelope.campus, envelope.feed, envelope.request_id)

    def page_path(self, envelope: Envelope) -> Path:
        return self._document_path(envelope, "pages", envelope.feed)

    def _document_path(self, envelope: Envelope, *folders: str) -> Path:
        return self._root.joinpath(*folders, f"{sha256_hex(_document(envelope))}.json")

    def _put_document(self, envelope: Envelope, final: Path) -> Path:
        with _disk_errors(), self._temporary() as temporary:
            with temporary.open("xb") as target:
                target.write(_document(envelope))
                _make_durable(target)
            self._link(temporary, final, final.stem)
        return final

    def verify_document(self, path: Path) -> None:
        """An archived envelope is named by what it says, so that its name tells whether it says it still. Raises
        Integrity when it does not."""
        told = f"archive/{path.relative_to(self._root)}"
        try:
            found = _digest_of(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Integrity(f"The archived envelope {told} is missing.", _WRITTEN_AGAIN) from error
        if found != path.stem:
            raise Integrity(f"The archived envelope {told} is not what was signed.", _WRITTEN_AGAIN)

    def envelopes(self) -> Iterator[Path]:
        yield from (self._root / "envelopes").glob("*/*/*/*.json")

    def request_ids(self) -> Iterator[str]:
        """Whatever has an envelope here, known to the database or not. Names only: nothing is opened."""
        for campus in _folders(self._root / "envelopes"):
            for feed in _folders(campus):
                yield from (one.name for one in _folders(feed))

    def envelopes_of(self, request_id: str) -> list[Path]:
        """All that came under a request_id: the first, and those that were in conflict with it."""
        campus, feed = request_id.split("-", 2)[:2]
        return sorted((self._root / "envelopes" / campus / feed / request_id).glob("*.json"))

    def digests(self) -> Iterator[str]:
        """The name of every object. Names only: nothing is opened."""
        for first in _folders(self._root / "objects"):
            with os.scandir(first) as entries:
                yield from (first.name + entry.name for entry in entries)

    @property
    def incoming(self) -> Path:
        """Where copies are made; what a killed process leaves here is never read."""
        return self._incoming

    def has(self, digest: str) -> bool:
        return self.object_path(digest).is_file()

    def verify(self, digest: str, keep_alive: Callable[[], None] = lambda: None) -> Path:
        """The path of an object whose bytes still have its digest. Raises Integrity when they have not."""
        path = self.object_path(digest)
        try:
            found = _digest_of(path, keep_alive)
        except FileNotFoundError as error:
            raise Integrity(
                "The archived copy of this file is missing.", "Ask the hub's operator to restore it from a backup."
            ) from error
        if found != digest:
            raise Integrity(
                "The archived copy of this file is not what was sent: its fingerprint has changed.",
                "Ask the hub's operator to restore it from a backup and to find out who changed it.",
            )
        return path

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        self._incoming.mkdir(parents=True, exist_ok=True)
        path = self._incoming / uuid.uuid4().hex
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _link(self, temporary: Path, final: Path, digest: str) -> None:
        """Give durable bytes their final name. What has it already stays, unless it was damaged since it was put there:
        the sender's copy is forgotten after this."""
        make_folder(final.parent)
        try:
            os.link(temporary, final)
        except FileExistsError:
            found = _digest_of(final)
            if found != digest:
                self._tell_damage(digest, found)
                temporary.replace(final)
        sync(final.parent)  # who has put it there may have died before this


def envelope_in(path: Path) -> Envelope | None:
    """An archived envelope; None when it can't be read as one."""
    try:
        return Envelope.from_document(json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError):
        return None


def _document(envelope: Envelope) -> bytes:
    return canonical_text(envelope.document()).encode("utf-8")


def _digest_of(path: Path, keep_alive: Callable[[], None] = lambda: None) -> str:
    seen = hashlib.sha256()
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK_BYTES):
            seen.update(chunk)
            keep_alive()
    return seen.hexdigest()


def _folders(parent: Path) -> Iterator[Path]:
    try:
        with os.scandir(parent) as entries:
            yield from (Path(one.path) for one in entries if one.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, each durable in its own parent."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def _make_durable(target: IO[bytes]) -> None:
    target.flush()
    os.fchmod(target.fileno(), 0o444)
    os.fsync(target.fileno())


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _TRANSIENT_ERRNOS:
            raise Transient(f"The archive can't be written: {error.strerror}.") from error
        raise
