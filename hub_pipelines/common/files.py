"""Writing a file so that a reader sees the old or the new one, never half of it, and so that it stays."""

import os
import stat
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_DRAFT = ".draft-"
_STALE_S = 3_600
_FLUSH_EVERY_S = 0.4


@contextmanager
def draft_of(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """A private empty file beside `path` to fill and then rename or link; it is removed if it is still there.

    What a killed process leaves behind is removed by the next one that writes in the same folder.
    """
    _remove_stale(path.parent)
    draft = path.with_name(f"{_DRAFT}{uuid.uuid4().hex}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def write_replacing(path: Path, text: str, *, mode: int = 0o644, durable: bool = False) -> None:
    """Write `text` (UTF-8) to `path` in one visible step. `durable`: what can't be made again is on the disk then."""
    with draft_of(path, mode=mode) as draft:
        draft.write_text(text, encoding="utf-8")
        if durable:
            sync(draft)
        draft.replace(path)
    if durable:
        sync(path.parent)


def make_once(path: Path, data: bytes, *, mode: int) -> None:
    """Make a file that is not there yet, whole and on the disk. Many processes may try at once; one wins."""
    with draft_of(path, mode=mode) as draft:
        draft.write_bytes(data)
        sync(draft)
        with suppress(FileExistsError):
            os.link(draft, path)
    sync(path.parent)


def is_open(path: Path) -> bool:
    """Whether others than its owner may read or write a file. Where modes tell nothing of others, nobody may."""
    return os.name == "posix" and bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def sync(path: Path) -> None:
    """Return when a file's bytes, or a folder's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def flushed_meanwhile(path: Path) -> Iterator[None]:
    """While much is written to a file, which may not be there yet, have the disk take what there is of it: whoever
    waits at the end until all is on the disk waits for the rest alone. Fails nobody."""
    ended = threading.Event()
    # no process waits for it at its end: who is stopped just here could not tell it
    thread = threading.Thread(target=_flush_now_and_then, args=(path, ended), name="flushing", daemon=True)
    try:
        with suppress(RuntimeError):  # no thread can be had: then the end takes longer
            thread.start()
        yield
    finally:
        ended.set()
        if thread.ident is not None:
            thread.join()


def _flush_now_and_then(path: Path, ended: threading.Event) -> None:
    flushed = 0
    while not ended.wait(_FLUSH_EVERY_S):
        with suppress(OSError):  # each descriptor is told of an error, so who makes it durable has it too
            changed = path.stat().st_mtime_ns
            if changed != flushed:
                sync(path)
                flushed = changed


def _remove_stale(folder: Path) -> None:
    oldest = time.time() - _STALE_S
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(_DRAFT):
                with suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime < oldest:
                        Path(entry.path).unlink()
