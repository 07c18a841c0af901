"""Checks of the home and its disk: who may read and write what, room, drop folders, keys."""

import os
import shlex
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from hub_pipelines.audit.checkpoints.keys import PRIVATE
from hub_pipelines.common.files import is_open
from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.doctor.model import Severity
from hub_pipelines.health import Shares, conditions, no_room
from hub_pipelines.intake.drop_folder import QUIET_TIMES, is_told_of_writers
from hub_pipelines.intake.signing import KeyRing
from hub_pipelines.settings import Settings
from hub_pipelines.submission.model import Envelope

Found = Iterator[tuple[Severity, str, str]]
_NETWORK = ("nfs", "cifs", "smb", "fuse.sshfs", "9p", "afs", "ceph", "glusterfs", "fuse.glusterfs", "lustre")


def permissions(settings: Settings) -> Found:
    """What others must not read or write, and what this user must."""
    home = settings.home
    for folder in (home, settings.archive, settings.staged, settings.receipts, settings.dagster_home):
        if folder.exists() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            yield "error", f"{folder} can't be read and written by this user.", f"chown -R $USER {quote(folder)}"
        if folder.exists() and _mode(folder) & stat.S_IWOTH:
            yield "error", f"Every user of this machine may write in {folder}.", f"chmod o-w {quote(folder)}"
    for private in (settings.keys / "signing.pem", *sorted(settings.campus_keys.glob("*/*.pem"))):
        if private.exists() and is_open(private):
            yield (
                "error",
                f"The signing key {private} may be read by others (mode {_mode(private):o}).",
                f"chmod 600 {quote(private)}",
            )
    for page in (home / "hub.toml", settings.dagster_home / "dagster.yaml"):
        if page.exists() and _mode(page) & 0o044 and _holds_a_password(page):
            yield "error", f"{page} holds a database password and may be read by others.", f"chmod 600 {quote(page)}"


def quote(path: Path | str) -> str:
    """A path as a shell takes it."""
    return shlex.quote(str(path))


def database_from_backup(path: Path) -> str:
    """Puts an SQLite file back, with the log that the backup has of it. What SQLite left beside the lost or damaged
    file would be worked into the restored one."""
    beside = " ".join(quote(f"{path}-{end}") for end in ("wal", "shm"))
    return f"rm -f {beside} && cp <backup>/{quote(path.name)}* {quote(path.parent)}"


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _holds_a_password(page: Path) -> bool:
    for line in page.read_text(encoding="utf-8", errors="replace").splitlines():
        address = line.partition("://")[2].partition("@")
        if "postgres" in line and address[1] and ":" in address[0] and not line.lstrip().startswith("#"):
            return True
    return False


def disk(settings: Settings) -> Found:
    keep = settings.limits.keep_free_mb
    if told := no_room(settings.home, keep):
        yield "error", f"{told[0].upper()}{told[1:]}.", f"df -h {quote(settings.home)}"
    elif no_room(settings.home, 2 * keep):
        yield (
            "warning",
            f"The disk of {settings.home} has less than {2 * keep} MB free.",
            f"df -h {quote(settings.home)}",
        )


def drop_folders(settings: Settings) -> Found:
    """Shares that are gone or can't be written, folders that belong to no campus and feed, and those whose files may
    be open unseen."""
    for about, told in conditions(settings, Shares()).items():
        if about != str(settings.home):
            yield "error", f"{told}.", f"ls -ld {quote(about)}"
    for folder in _orphans(settings):
        shown = folder.relative_to(settings.drop.parent)
        told = f"{shown} belongs to no campus and feed of hub.toml; what is dropped there goes to review."
        yield "warning", told, f"rmdir {quote(folder)}" if not any(folder.iterdir()) else f"ls -la {quote(folder)}"
    yield from _written_by_others(settings)


def _written_by_others(settings: Settings) -> Found:
    """Folders in which others may write, where nobody tells this user whether their files are still open."""
    if is_told_of_writers():
        return
    wait_s = settings.limits.stable_s * QUIET_TIMES
    for folder in (one for campus in _folders(settings.drop) for one in _folders(campus)):
        seen = folder.stat()
        if seen.st_uid != os.geteuid() or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            told = (
                f"Others may write in {folder.relative_to(settings.drop.parent)}. The kernel does not tell this user "
                f"whether another user's file is still open, so such files are taken after {wait_s:g} s of quiet. Give "
                "the hub the capability CAP_LEASE, or have files come under its own user."
            )
            yield "warning", told, f"ls -ld {quote(folder)}"


def _orphans(settings: Settings) -> Iterator[Path]:
    for campus in _folders(settings.drop):
        if campus.name not in settings.campuses:
            yield campus
        else:
            yield from (feed for feed in _folders(campus) if feed.name not in settings.feeds)


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(one for one in parent.iterdir() if one.is_dir() and not one.name.startswith("."))
    except OSError:  # told by conditions()
        return []


def keys(settings: Settings) -> Found:
    """The signing key is there, its public half too, and what it signs verifies."""
    private = settings.keys / "signing.pem"
    restore = f"cp <backup>/keys/signing.pem {quote(private)} && chmod 600 {quote(private)}"
    if not private.exists():
        told = f"The signing key {private} is missing: nothing can be signed, and the hub does not start."
        yield "error", f"{told} Restore it from a backup.", restore
        return
    ring = KeyRing(settings.keys)
    public = settings.keys / "public" / f"{ring.current_key_id()}.pem"
    if not public.exists():
        told = f"The public half of the signing key is missing ({public}): nobody can verify what is signed."
        make = f"openssl pkey -in {quote(private)} -pubout -out {quote(public)}"
        yield "error", told, f"mkdir -p {quote(public.parent)} && {make}"
        return
    ring.verify(ring.sign(_probe()))
    yield from _campus_keys(settings)


def _campus_keys(settings: Settings) -> Found:
    """Each campus can sign its checkpoints."""
    for campus in (*settings.campuses, RESERVED_CAMPUS):
        private = settings.campus_keys / campus / PRIVATE
        if private.exists():
            continue
        if any((private.parent / "public").glob("*.pem")):
            told = f"The key {private} is missing: nothing of {campus} is signed, and it countersigns nothing."
            restore = f"cp <backup>/keys/campuses/{campus}/{PRIVATE} {quote(private)} && chmod 600 {quote(private)}"
            yield "error", told, restore
        else:
            yield "warning", f"{campus} has no key for its checkpoints yet; the next start makes one.", "hub status"


def _probe() -> Envelope:
    return Envelope("probe", "hub", "unassigned", "upload", "doctor", "probe", "0" * 64, 0, datetime.now(UTC))


def file_system_of(path: Path, mounts: str) -> str:
    """The kind of file system that a path is on, by the lines of /proc/mounts; empty when it can't be told."""
    best, kind = "", ""
    resolved = str(path.resolve())
    for line in mounts.splitlines():
        fields = line.split(" ")
        point = fields[1].replace("\\040", " ")
        inside = resolved == point or resolved.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def is_network(kind: str) -> bool:
    return kind.startswith(_NETWORK)
