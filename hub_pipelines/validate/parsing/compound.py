"""The container of old Office files (MS-CFB): the names of its streams, and a stream's bytes.

Belongs here: no more than telling what is inside and reading the workbook's stream. Not here: what the stream says.
"""

import struct
from collections.abc import Iterator

from hub_pipelines.validate.parsing.refusal import damaged
from hub_pipelines.validate.parsing.source import Source

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_END = 0xFFFFFFFA
_LARGEST_STREAM = 500 * 1024 * 1024


class Compound:
    """Raises Refusal when the container is damaged."""

    def __init__(self, source: Source) -> None:
        self._file = source.open()
        header = self._file.read(512)
        if len(header) < 512:
            raise damaged("its container is cut off")
        (shift, mini_shift) = struct.unpack_from("<HH", header, 30)
        if shift not in (9, 12) or mini_shift != 6:
            raise damaged("its container has an unknown layout")
        self._sector = 1 << shift
        self._sectors = source.size // self._sector + 1
        directory, self._cutoff, mini_fat = (
            *struct.unpack_from("<I", header, 48),
            *struct.unpack_from("<I", header, 56),
            *struct.unpack_from("<I", header, 60),
        )
        self._fat = self._allocation(header)
        raw = b"".join(self._chain(mini_fat))
        self._mini_fat = list(struct.unpack(f"<{len(raw) // 4}I", raw))
        self.streams: dict[str, tuple[int, int]] = {}
        self._root = (0, 0)
        self._read_directory(b"".join(self._chain(directory)))

    def _at(self, sector: int) -> bytes:
        self._file.seek((sector + 1) * self._sector)
        return self._file.read(self._sector).ljust(self._sector, b"\0")

    def _allocation(self, header: bytes) -> list[int]:
        sectors = [one for one in struct.unpack_from("<109I", header, 76) if one < _END]
        (following, count) = struct.unpack_from("<II", header, 68)
        for _ in range(min(count, self._sectors)):
            if following >= _END:
                break
            entries = struct.unpack(f"<{self._sector // 4}I", self._at(following))
            sectors += [one for one in entries[:-1] if one < _END]
            following = entries[-1]
        table: list[int] = []
        for sector in sectors[: self._sectors]:
            table += struct.unpack(f"<{self._sector // 4}I", self._at(sector))
        return table

    def _chain(self, sector: int) -> Iterator[bytes]:
        for _ in range(self._sectors):
            if sector >= len(self._fat):
                return
            yield self._at(sector)
            sector = self._fat[sector]

    def _read_directory(self, raw: bytes) -> None:
        for at in range(0, len(raw) - 127, 128):
            (length, kind) = struct.unpack_from("<HB", raw, at + 64)
            (start, size) = struct.unpack_from("<II", raw, at + 116)
            name = raw[at : at + min(max(length - 2, 0), 62)].decode("utf-16-le", "replace")
            if kind == 5:
                self._root = (start, size)
            elif kind == 2:
                self.streams.setdefault(name, (start, size))

    def place_of(self, name: str, at: int) -> int | None:
        """Where byte `at` of a stream lies in the file; None in one so small that it lies among others."""
        sector, size = self.streams[name]
        if size < self._cutoff:
            return None
        for _ in range(at // self._sector):
            if sector >= len(self._fat):
                return None
            sector = self._fat[sector]
        return int((sector + 1) * self._sector + at % self._sector)

    def stream(self, name: str) -> bytes:
        """The bytes of a stream. Raises KeyError when there is none of this name."""
        start, size = self.streams[name]
        if size > _LARGEST_STREAM:
            raise damaged("its container claims more than it can hold")
        if size >= self._cutoff:
            return b"".join(self._chain(start))[:size]
        small = b"".join(self._chain(self._root[0]))
        parts: list[bytes] = []
        for _ in range(size // 64 + 1):
            if start >= len(self._mini_fat):
                break
            parts.append(small[start * 64 : start * 64 + 64])
            start = self._mini_fat[start]
        return b"".join(parts)[:size]
