"""How the hub and its parsing child speak: messages of msgpack, each behind its length.

Belongs here: framing, and cells as bytes. msgpack makes nothing but plain values, so that a child that a file has
taken over can lie, but not run code in the hub. Not here: who says what when.
"""

import datetime
import struct
from collections.abc import Callable
from typing import Any

import msgpack

Message = dict[str, Any]

LARGEST_FRAME = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")
_DATETIME, _DATE, _TIME, _DELTA, _BIG = 1, 2, 3, 4, 5
_READ: dict[int, Callable[[str], object]] = {
    _DATETIME: datetime.datetime.fromisoformat,
    _DATE: datetime.date.fromisoformat,
    _TIME: datetime.time.fromisoformat,
    _DELTA: lambda text: datetime.timedelta(*map(int, text.split())),
    _BIG: int,
}
_KEPT = 4096
_FORMS: dict[object, msgpack.ExtType] = {}
_MOMENTS = {datetime.datetime, datetime.date}


class BrokenFrame(Exception):
    """What came is no message."""


def _encode(value: object) -> msgpack.ExtType:
    if value.__class__ not in _MOMENTS:
        return _encoded(value)
    # a column holds few different days
    form = _FORMS.get(value)
    if form is None:
        form = _encoded(value)
        if len(_FORMS) < _KEPT:
            _FORMS[value] = form
    return form


def _encoded(value: object) -> msgpack.ExtType:
    if isinstance(value, datetime.datetime):
        return msgpack.ExtType(_DATETIME, value.isoformat().encode())
    if isinstance(value, datetime.date):
        return msgpack.ExtType(_DATE, value.isoformat().encode())
    if isinstance(value, datetime.time):
        return msgpack.ExtType(_TIME, value.isoformat().encode())
    if isinstance(value, datetime.timedelta):
        return msgpack.ExtType(_DELTA, f"{value.days} {value.seconds} {value.microseconds}".encode())
    if isinstance(value, int):
        return msgpack.ExtType(_BIG, str(value).encode())
    raise TypeError(f"A cell of kind {type(value).__name__} has no form for the wire.")


def pack(message: Message) -> bytes:
    """Texts that are no Unicode (half a surrogate pair) become a question mark each."""
    body: bytes = msgpack.packb(message, default=_encode, unicode_errors="replace")
    return _LENGTH.pack(len(body)) + body


def length_of(head: bytes) -> int:
    """Raises BrokenFrame when a frame claims to be larger than any."""
    (length,) = _LENGTH.unpack(head)
    if length > LARGEST_FRAME:
        raise BrokenFrame(f"a message of {length:,} bytes")
    return int(length)


HEAD = _LENGTH.size


class Unpacker:
    """Reads messages. Equal dates are made once: a column holds few different ones."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, bytes], object] = {}

    def __call__(self, body: bytes) -> Message:
        """Raises BrokenFrame."""
        try:
            message = msgpack.unpackb(body, ext_hook=self._decode, strict_map_key=True)
        except (ValueError, TypeError, OverflowError, msgpack.UnpackException, RecursionError) as error:
            raise BrokenFrame(str(error)) from error
        if not isinstance(message, dict):
            raise BrokenFrame("no message")
        return message

    def _decode(self, code: int, data: bytes) -> object:
        made = self._made.get((code, data))
        if made is None:
            if code not in _READ:
                raise ValueError(f"a value of the unknown kind {code}")
            made = _READ[code](data.decode())
            if len(self._made) < _KEPT:
                self._made[code, data] = made
        return made
