"""The file as it came, by its descriptor. Not here: what its bytes mean."""

import io
import os
from typing import Any, BinaryIO, cast


class _Bytes(io.RawIOBase):
    """Reads a descriptor from its beginning without moving it, so that several may read it at once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: os.fstat(self._descriptor).st_size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = os.pread(self._descriptor, len(view), self._at)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


class Source:
    """The bytes behind a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @property
    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def open(self) -> BinaryIO:
        """A stream of its own, at the beginning."""
        return cast("BinaryIO", io.BufferedReader(_Bytes(self._descriptor), 1024 * 1024))

    def start(self) -> bytes:
        return os.pread(self._descriptor, 8192, 0)
