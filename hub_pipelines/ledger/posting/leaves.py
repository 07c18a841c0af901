"""The digest over all entries of a posting, made while they are written: here, or of many by a program beside this one.

Belongs here: where that happens, and the program. Not here: what a leaf covers (ledger/digests.py), the tree over them
(audit/tree.py). A million leaves take a processor some two seconds, in which the database could be given entries. The
program is told all of each entry but its values, in order, and says at the end what came of it. It reads no file and
knows no database; when it ends early the posting fails, is rolled back and is tried again without it.
"""

import fcntl
import json
import logging
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from hub_pipelines.audit.tree import Tree
from hub_pipelines.common.errors import Transient
from hub_pipelines.common.programs import bare_environment
from hub_pipelines.ledger.digests import ChangeColumns, around, leaves_of_columns

if TYPE_CHECKING:
    import pyarrow

_log = logging.getLogger(__name__)
MANY = 100_000
"""Rows of a file from which on a program may be worth its start."""
ENOUGH = 10_000
"""Entries from which on it is: of a file that is sent again most rows may make none."""
PROGRAM = "hub_pipelines.ledger.posting.leaves"
_AROUND = b"around"
_PIPE_BYTES = 1024 * 1024
_MOST_HELD = 16 * 1024 * 1024
"""Bytes for a program that does not take them yet: while it starts, entries are written to the database."""
_LONGEST_S = 60.0
"""It takes what it is told within milliseconds; one that does not take it in this time is stuck."""


class Leaves:
    """Of one posting. Used as a context, within which its entries are told. With `beside` a program may be started."""

    def __init__(self, ledger: str, version: int, of_posting: Mapping[Any, Any], *, beside: bool) -> None:
        self._around = around(ledger, version, of_posting)
        self._leaves_of = leaves_of_columns(*self._around)
        self._tree = Tree()
        self._beside = beside
        self._held: list[ChangeColumns] = []
        """The first ones, until there are enough of them for the program."""
        self._program: _Program | None = None

    def __enter__(self) -> "Leaves":
        return self

    def __exit__(self, *raised: object) -> None:
        if self._program is not None:
            self._program.end()

    def take(self, changes: ChangeColumns) -> None:
        """Entries that follow those before. Raises Transient."""
        if self._program is not None:
            self._program.tell(changes)
        elif self._beside:
            self._held.append(changes)
            if sum(map(len, self._held)) >= ENOUGH:
                self._start()
        else:
            self._tree.extend_leaves(self._leaves_of(changes))

    def root(self) -> str:
        """Over all that was taken, in hexadecimal; nothing more is taken. Raises Transient."""
        if self._program is not None:
            return self._program.answer()
        self._beside = False
        self._take_held()
        return self._tree.root().hex()

    def _start(self) -> None:
        try:
            self._program = _Program(*self._around)
        except OSError as error:
            self._beside = False
            _log.warning("entries are digested here, as no program could be started: %s", error)
        self._take_held()

    def _take_held(self) -> None:
        held, self._held = self._held, []
        for one in held:
            self.take(one)


class _Program:
    """Raises OSError when it can't be started."""

    def __init__(self, head: str, tail: str) -> None:
        import pyarrow

        self._taken = 0
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            process_group=0,  # who interrupts the hub from a terminal means the hub, which ends this
            env=bare_environment(),
        )
        assert self._process.stdin is not None
        with suppress(OSError):  # more than this user may have: the usual size does too
            fcntl.fcntl(self._process.stdin, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        told = {_AROUND: json.dumps([head, tail]).encode()}
        self._pipe = _Patient(self._process.stdin)
        self._to = pyarrow.ipc.new_stream(self._pipe, _schema().with_metadata(told))

    def tell(self, changes: ChangeColumns) -> None:
        self._taken += len(changes)
        try:
            self._to.write_batch(_without_values(changes))
            self._pipe.send(_MOST_HELD)
        except OSError as error:
            raise self._failed(error) from error

    def answer(self) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._to.close()
            self._pipe.send()
            self._process.stdin.close()
            number, _, root = _read_patiently(self._process.stdout).decode("ascii").partition(" ")
        except OSError as error:
            raise self._failed(error) from error
        if number != str(self._taken):
            raise self._failed(f"it has {number or 'no'} entries of {self._taken}")
        return root

    def end(self) -> None:
        """Whatever it is at."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _failed(self, why: object) -> Transient:
        self._process.kill()
        ended = self._process.wait()
        assert self._process.stderr is not None
        said = self._process.stderr.read().decode("utf-8", errors="replace").strip().rpartition("\n")[2]
        return Transient(f"The program that digests entries did not come to its end ({ended}): {said or why}")


class _Patient:
    """A pipe to write to; what is written goes in one piece (`send`), since each piece wakes who reads."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._held: list[Any] = []
        """Bytes, or buffers of Arrow's."""
        os.set_blocking(pipe.fileno(), False)
        self.closed = False

    def write(self, data: Any) -> int:
        self._held.append(data)
        return len(data)

    def flush(self) -> None:
        """`send` does."""

    def send(self, most_held: int = 0) -> None:
        """At most so many bytes are held back rather than waited for. Raises TimeoutError when nobody reads for long,
        OSError when nobody is there."""
        left = memoryview(b"".join(self._held))
        self._held.clear()
        while left:
            if len(left) <= most_held and not _is_ready(self._pipe, select.POLLOUT):
                self._held.append(left)
                return
            _wait(self._pipe, select.POLLOUT)
            left = left[os.write(self._pipe.fileno(), left) :]


def _read_patiently(pipe: IO[bytes]) -> bytes:
    """To its end. Raises TimeoutError."""
    parts: list[bytes] = []
    while True:
        _wait(pipe, select.POLLIN)
        part = os.read(pipe.fileno(), 1024)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _wait(pipe: IO[bytes], event: int) -> None:
    if not _is_ready(pipe, event, _LONGEST_S):
        raise TimeoutError("it has been stuck for long")


def _is_ready(pipe: IO[bytes], event: int, within_s: float = 0) -> bool:
    ready = select.poll()
    ready.register(pipe, event)
    return bool(ready.poll(within_s * 1_000))


def _schema() -> "pyarrow.Schema":
    import pyarrow

    kinds = {"row_no": pyarrow.int64(), "key": pyarrow.string(), "operation": pyarrow.string()}
    kinds |= {"digest": pyarrow.string(), "previous_version": pyarrow.int64(), "previous_row_no": pyarrow.int64()}
    return pyarrow.schema(kinds)


def _without_values(changes: ChangeColumns) -> "pyarrow.RecordBatch":
    import pyarrow

    schema = _schema()

    def column(field: "pyarrow.Field") -> "pyarrow.Array":
        part = getattr(changes, field.name)
        if part is None:
            return pyarrow.nulls(len(changes), field.type)
        return pyarrow.repeat(part, len(changes)) if isinstance(part, str) else part

    return pyarrow.RecordBatch.from_arrays([column(field) for field in schema], schema=schema)


# ---- the program


def main() -> None:
    import pyarrow

    tree = Tree()
    with pyarrow.ipc.open_stream(sys.stdin.buffer) as told:
        leaves = leaves_of_columns(*json.loads(told.schema.metadata[_AROUND]))
        for batch in told:
            parts = {name: batch[name] for name in batch.schema.names}
            tree.extend_leaves(leaves(ChangeColumns(values="", **parts)))
    sys.stdout.write(f"{tree.size} {tree.root().hex()}")


if __name__ == "__main__":
    main()
