"""Real small disks for tests that fill one up or take one away. They need the right to mount; others are skipped."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(where: Path, size: str) -> Iterator[Path]:
    """A disk in memory of this size (`3m`), mounted while inside."""
    where.mkdir(parents=True, exist_ok=True)
    mount(where, size)
    try:
        yield where
    finally:
        unmount(where)


def mount(where: Path, size: str) -> None:
    answer = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(where)], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        pytest.skip(f"this user may not mount: {answer.stderr.strip()}")


def unmount(where: Path) -> None:
    """At once for whoever asks next, though a process may still have something open there."""
    subprocess.run(["umount", "--lazy", str(where)], capture_output=True, check=False)


def fill(disk: Path, *, leave_bytes: int = 0) -> Path:
    """Use up the disk; the file that does."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            file.truncate(max(0, file.tell() - leave_bytes))
    return filler
