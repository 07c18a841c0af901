"""The child process that opens one file.

Belongs here: speaking with it, watching its clock, saying in words how it ended. Not here: how it gets its process
(starting), what it does with the file (parsing), and the limits that it sets itself (parsing/limits).
"""

import contextlib
import os
import signal
import tempfile
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Self, TypeVar

from hub_pipelines.common.errors import Transient
from hub_pipelines.validate.batches import Batch, Column, Texts, damaged
from hub_pipelines.validate.model import Unreadable
from hub_pipelines.validate.reading.ahead import Ahead
from hub_pipelines.validate.reading.starting import start

Columns = Callable[[list[str]], list[str | None]]
T = TypeVar("T")

_AHEAD, _MOST_AHEAD = 3, 6
"""Batches of rows that are asked for before they are needed, so that both processes work at once: first few, since who
looks at the beginning needs no more, then as many as are judged together."""
_BYTES_AHEAD = 4 * 1024 * 1024
_NO_MEMORY = b"memory allocation of"
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Limits:
    """Seconds. `silent_s` without a word from a child that works; `starved_s` from one that gets no processor."""

    silent_s: float = 30
    starved_s: float = 300


class Parser:
    """A child that has one file open. To be used in a `with` statement; the child ends with it."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._iterations = 0
        self._waiting: dict[int, Callable[[dict[str, Any]], None]] = {}
        self._asked: deque[int] = deque()
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        # msgpack is needed only where a file is read
        from hub_pipelines.validate.parsing import wire

        self._wire = wire
        self._unpack = wire.Unpacker()
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # closed with the child
        self._child = start(self._file, self._errors)
        assert self._child.stdout is not None
        self._from_child = Ahead(self._child.stdout.fileno(), _BYTES_AHEAD)
        self._buffer = bytearray()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._from_child.close()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                # what was not sent yet is for nobody any more
                with contextlib.suppress(OSError):
                    pipe.close()
        self._child.wait()
        self._errors.close()

    def open(self, ending: str, columns: Columns, rules: int) -> dict[str, Any]:
        """What the child says of the file's table. Raises Unreadable and Transient."""
        self._send({"open": ending, "rules": rules})
        while True:
            message = self._receive()
            if "ask" in message:
                self._send({"known": columns(message["ask"])})
            elif "table" in message:
                table: dict[str, Any] = message["table"]
                return table

    def batches(self) -> Iterator[Batch]:
        """All rows from the first. Several such iterations, and counts, may go on at once."""
        return self._answers("next", batch_of, lambda batch: bool(batch.numbers))

    def counts(self) -> Iterator[int]:
        """How many rows there are, so many at a time: they are cut by the child and not told."""
        return self._answers("count", _count_of, bool)

    def _answers(self, what: str, made_of: Callable[[dict[str, Any]], T], goes_on: Callable[[T], bool]) -> Iterator[T]:
        self._iterations += 1
        number = self._iterations
        answers: deque[T] = deque()
        self._waiting[number] = lambda message: answers.append(made_of(message))
        try:
            for _ in range(_AHEAD):
                self._ask_for(what, number)
            ahead = _AHEAD
            while True:
                while not answers:
                    self._keep(self._receive())
                answer = answers.popleft()
                if not goes_on(answer):
                    return
                more = min(2, _MOST_AHEAD - ahead + 1)
                for _ in range(more):
                    self._ask_for(what, number)
                ahead += more - 1
                yield answer
        finally:
            self._forget(number)

    def _ask_for(self, what: str, number: int) -> None:
        self._asked.append(number)
        self._send({what: number})

    def _keep(self, message: dict[str, Any]) -> None:
        """For the iteration that has asked for it; what is no answer is a sign of life."""
        if "numbers" not in message and "rows" not in message:
            return
        if not self._asked:
            self._fail(damaged("its reader answered what nobody had asked"))
        number = self._asked.popleft()
        if number in self._waiting:
            try:
                self._waiting[number](message)
            except (ValueError, KeyError, TypeError, OverflowError) as error:
                self._fail(damaged(f"its reader answered nonsense: {error}"))

    def _forget(self, number: int) -> None:
        del self._waiting[number]
        if self._child.poll() is None and self._failure is None:
            with contextlib.suppress(OSError, Unreadable, Transient):
                self._send({"forget": number})

    # -- messages

    def _send(self, message: dict[str, Any]) -> None:
        if self._failure is not None:
            raise self._failure
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(self._wire.pack(message))
            self._child.stdin.flush()
        except (BrokenPipeError, ConnectionError):
            self._fail(self._ended())

    def _receive(self) -> dict[str, Any]:
        if self._failure is not None:
            raise self._failure
        try:
            length = self._wire.length_of(self._read(self._wire.HEAD))
            message = self._unpack(self._read(length))
        except self._wire.BrokenFrame as error:
            self._fail(damaged(f"its reader answered nonsense: {error}"))
        if "refused" in message:
            reason, fix = message["refused"]
            self._fail(Unreadable(str(reason), str(fix)))
        return message

    def _fail(self, error: Exception) -> Any:
        self._failure = error
        self._child.kill()
        raise error

    def _read(self, size: int) -> bytes:
        begun, used = time.monotonic(), None
        while len(self._buffer) < size:
            data = self._from_child.take(_LOOK_EVERY_S)
            if data is None:
                # not before: a child that answers at once is asked for nothing
                used = _processor_time(self._child.pid) if used is None else used
                self._refuse_silence(time.monotonic() - begun, used)
                continue
            if not data:
                self._fail(self._ended())
            self._buffer += data
            begun, used = time.monotonic(), None
        with memoryview(self._buffer) as view:
            taken = bytes(view[:size])
        del self._buffer[:size]
        return taken

    def _refuse_silence(self, silent_s: float, used: float) -> None:
        """A child that works on without a word is stuck in its file; one that can't work waits for the machine."""
        if silent_s < self._limits.silent_s:
            return
        worked_s = _processor_time(self._child.pid) - used
        if worked_s >= self._limits.silent_s / 3:
            self._fail(_too_long(self._limits.silent_s))
        if silent_s >= self._limits.starved_s:
            self._fail(Transient("The hub's machine was too busy to open the file; it will be tried again."))

    def _ended(self) -> Exception:
        """Why the child is no more."""
        code = self._child.wait()
        self._errors.seek(0)
        said = self._errors.read(64 * 1024)
        if _NO_MEMORY in said or b"MemoryError" in said:
            return _too_large()
        if code == -signal.SIGXCPU:
            return _too_long(self._limits.silent_s)
        if code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP):
            return Transient("The program that opens files was ended from outside; the file will be tried again.")
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"its reader ended with {code}"]
        return damaged(last[0])


def batch_of(message: dict[str, Any]) -> Batch:
    """Raises ValueError, KeyError, TypeError or OverflowError when it is none."""
    numbers: list[int] = message["numbers"]
    columns = [_column(one) for one in message["columns"]]
    if {len(numbers)} != {len(numbers), *map(len, columns)} or not {int}.issuperset(map(type, numbers)):
        raise ValueError("columns of different length")
    return Batch(numbers, columns, {int(at): list(cells) for at, cells in message["beyond"]})


def _count_of(message: dict[str, Any]) -> int:
    rows = message["rows"]
    if type(rows) is not int or rows < 0:
        raise ValueError("a number of rows that is none")
    return rows


def _column(told: Any) -> Column:
    if not isinstance(told, dict):
        return list(told)
    if "days" in told:
        return [date.fromordinal(number) if number else None for number in array("i", told["days"])]
    if not isinstance(told["texts"], bytes):
        raise TypeError("texts that are no bytes")
    return Texts.of(told["texts"], told["ends"]) if "ends" in told else Texts(told["texts"])


def _processor_time(pid: int) -> float:
    """Seconds, user and system; 0 where the machine does not tell, so that such a child counts as waiting."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _too_large() -> Unreadable:
    return Unreadable(
        "The file needs more memory than the hub gives for one file, so it is too large to open.",
        "Look for a stray value far below or right of the table (Ctrl+End), delete it and save again; "
        "or save the table alone as CSV UTF-8 and send that file.",
    )


def _too_long(seconds: float) -> Unreadable:
    return Unreadable(
        f"Opening the file took more than {seconds:.0f} seconds without getting on, so it is too large to open, "
        "or damaged.",
        "Copy only the table into a new workbook, or save it as CSV UTF-8, and send that file.",
    )
