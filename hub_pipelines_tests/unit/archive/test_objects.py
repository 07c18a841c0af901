"""The archive keeps what it is given, once, and tells when it no longer does."""

import errno
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub_pipelines.archive.objects import Archive
from hub_pipelines.common.errors import Transient
from hub_pipelines.submission.model import Envelope, Integrity

SEVERAL_CHUNKS = os.urandom(1 << 20) * 2 + b"rest"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def put(archive: Archive, content: bytes) -> str:
    return archive.put(io.BytesIO(content)).digest


def half_written(root: Path) -> list[Path]:
    return list((root / "incoming").iterdir())


@pytest.mark.parametrize("content", [b"", b"x", SEVERAL_CHUNKS], ids=["empty", "one byte", "several chunks"])
def test_an_object_is_named_by_the_sha_256_of_its_bytes(archive: Archive, tmp_path: Path, content: bytes) -> None:
    stored = archive.put(io.BytesIO(content))
    assert (stored.digest, stored.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert archive.has(stored.digest)
    assert archive.verify(stored.digest).read_bytes() == content
    assert archive.object_path(stored.digest).relative_to(tmp_path / "archive" / "objects").parts == (
        stored.digest[:2],
        stored.digest[2:],
    )
    assert half_written(tmp_path / "archive") == []


def test_the_same_bytes_again_leave_the_first_object_as_it_is(archive: Archive) -> None:
    digest = put(archive, b"same")
    before = archive.object_path(digest).stat()
    assert put(archive, b"same") == digest
    after = archive.object_path(digest).stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_nlink) == (before.st_ino, before.st_mtime_ns, 1)


@pytest.mark.parametrize("damaged", [b"samf", b"sam", b""], ids=["changed", "cut off", "empty"])
def test_a_damaged_object_is_told_and_replaced_when_its_bytes_come_again(tmp_path: Path, damaged: bytes) -> None:
    told: list[tuple[str, str]] = []
    archive = Archive(tmp_path / "archive", lambda digest, found: told.append((digest, found)))
    digest = put(archive, b"same")
    path = archive.object_path(digest)
    path.chmod(0o644)
    path.write_bytes(damaged)
    assert put(archive, b"same") == digest
    assert archive.verify(digest).read_bytes() == b"same"
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert told == [(digest, hashlib.sha256(damaged).hexdigest())]
    assert half_written(tmp_path / "archive") == []


def test_a_name_that_stands_already_is_made_durable_too(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has put it there may have died before its folder was on the disk."""
    digest = put(archive, b"same")
    synced: list[Path] = []
    monkeypatch.setattr("hub_pipelines.archive.objects.sync", synced.append)
    put(archive, b"same")
    assert synced == [archive.object_path(digest).parent]


def test_an_object_is_read_only(archive: Archive) -> None:
    assert stat.S_IMODE(archive.object_path(put(archive, b"x")).stat().st_mode) == 0o444


def test_one_flipped_bit_is_found(archive: Archive) -> None:
    digest = put(archive, SEVERAL_CHUNKS)
    path = archive.object_path(digest)
    path.chmod(0o644)
    with path.open("r+b") as target:
        target.seek(-1, os.SEEK_END)
        target.write(bytes([SEVERAL_CHUNKS[-1] ^ 1]))
    with pytest.raises(Integrity) as caught:
        archive.verify(digest)
    assert "not what was sent" in caught.value.reason
    assert "backup" in caught.value.fix


def test_a_cut_off_object_is_found(archive: Archive) -> None:
    digest = put(archive, b"whole")
    path = archive.object_path(digest)
    path.chmod(0o644)
    os.truncate(path, 3)
    with pytest.raises(Integrity):
        archive.verify(digest)


def test_a_missing_object_is_an_integrity_error_and_not_a_crash(archive: Archive) -> None:
    with pytest.raises(Integrity) as caught:
        archive.verify("a" * 64)
    assert "missing" in caught.value.reason
    assert not archive.has("a" * 64)


def test_verifying_keeps_the_lease_alive_while_it_reads(archive: Archive) -> None:
    calls: list[int] = []
    archive.verify(put(archive, SEVERAL_CHUNKS), lambda: calls.append(1))
    assert len(calls) == 3


class FailingSource(io.RawIOBase):
    """A source whose disk fails after some bytes (a fake port: archives read from any stream)."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._first = True

    def read(self, _size: int = -1) -> bytes:
        if self._first:
            self._first = False
            return b"half"
        raise OSError(self._number, os.strerror(self._number))


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EIO", "ESTALE", "EMFILE", "ENFILE"])
def test_a_full_or_failing_disk_is_transient_and_leaves_nothing_behind(
    archive: Archive, tmp_path: Path, name: str
) -> None:
    with pytest.raises(Transient) as caught:
        archive.put(FailingSource(getattr(errno, name)))  # type: ignore[arg-type]
    assert "archive" in str(caught.value)
    assert half_written(tmp_path / "archive") == []
    assert not (tmp_path / "archive" / "objects").exists()


def test_another_error_stays_what_it_is(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(PermissionError):
        archive.put(FailingSource(errno.EACCES))  # type: ignore[arg-type]
    assert half_written(tmp_path / "archive") == []


FILL_THE_DISK = """
import io, os, sys
from pathlib import Path
from hub_pipelines.archive.objects import Archive
from hub_pipelines.common.errors import Transient
root = Path(sys.argv[1]) / "archive"
archive = Archive(root)
kept = archive.put(io.BytesIO(b"small")).digest
try:
    archive.put(io.BytesIO(os.urandom(200_000)))
except Transient as error:
    print("Transient:", error)
print("left behind:", len(list((root / "incoming").iterdir())), "objects:", len(list(root.glob("objects/*/*"))))
print("kept:", archive.verify(kept).read_bytes())
print("room again:", archive.put(io.BytesIO(b"another")).size_bytes)
"""


def test_a_disk_that_is_really_full_is_transient_and_harms_nothing(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare here: a tiny file system can't be mounted")
    mount = [unshare, "--mount", "sh", "-c", 'mount -t tmpfs -o size=64k none "$1" && shift && exec "$@"', "sh"]
    if subprocess.run([*mount, str(tmp_path), "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a tiny file system (needs root)")
    told = subprocess.run(
        [*mount, str(tmp_path), sys.executable, "-c", FILL_THE_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.splitlines() == [
        "Transient: The archive can't be written: No space left on device.",
        "left behind: 0 objects: 1",
        "kept: b'small'",
        "room again: 7",
    ], told.stderr


def test_an_envelope_is_kept_beside_the_bytes_and_reads_back(archive: Archive) -> None:
    envelope = Envelope(
        request_id="north-inventory-abc",
        campus="north",
        feed="inventory",
        channel="upload",
        source_system="test",
        source_name="lab é.csv",
        content_digest="a" * 64,
        size_bytes=1,
        received_at=datetime(2026, 3, 2, 12, 0, tzinfo=UTC),
        headers={"x": "y"},
        signature="s",
    )
    path = archive.put_envelope(envelope)
    assert archive.put_envelope(envelope) == path
    assert list(archive.envelopes()) == [path]
    assert path.stem == hashlib.sha256(path.read_bytes()).hexdigest()
    assert Envelope.from_document(json.loads(path.read_text(encoding="utf-8"))) == envelope
