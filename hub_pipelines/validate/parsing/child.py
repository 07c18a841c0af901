"""The child's side of the conversation with the hub.

The file is the descriptor that the command line names; messages come on standard input and leave on standard output.
The hub sends `open` once, then `next` for rows or `count` for how many there are, both with the number of the iteration
that they belong to, and `forget` for an iteration that it no longer wants. While it opens the file, the child may send
`ask` with texts, which the hub answers with `known`, and `alive`. Answers to `next` and `count` come in the order of
asking.
Belongs here: messages. Not here: limits (limits), reading (opening).
"""

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from hub_pipelines.validate.parsing import wire
from hub_pipelines.validate.parsing.blocks import Block
from hub_pipelines.validate.parsing.columns import as_columns, block_as_columns
from hub_pipelines.validate.parsing.grid import NumberedRow
from hub_pipelines.validate.parsing.joining import Joined
from hub_pipelines.validate.parsing.limits import more_time, set_limits
from hub_pipelines.validate.parsing.opening import Opened, open_file
from hub_pipelines.validate.parsing.packed import Packed
from hub_pipelines.validate.parsing.refusal import Refusal, too_large
from hub_pipelines.validate.parsing.source import Source

_ALIVE_EVERY_S = 1.0
_MOST_ROWS = 5_000
_USUAL_FRAME = 1024 * 1024
_MOST_ANSWERS_KEPT = 50_000
_ASKED_AT_ONCE = 5_000
_COUNTED_AT_ONCE = 10_000


class Child:
    """One file's conversation."""

    def __init__(self, source: Source, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._source = source
        self._incoming = incoming
        self._outgoing = outgoing
        self._lock = threading.Lock()
        self._unpack = wire.Unpacker()
        self._told_at = time.monotonic()
        self._answers: dict[str, str | None] = {}
        self._opened: Opened | None = None
        self._iterations: dict[int, Iterator[wire.Message]] = {}
        self._batch = 200

    def run(self) -> None:
        """Until the hub closes its end."""
        while (message := self._receive()) is not None:
            try:
                answer = self._answer(message)
            except Refusal as refusal:
                answer = _refused(refusal)
            except MemoryError:
                answer = _refused(too_large("The file needs more memory than the hub gives for one file"))
            if answer is not None:
                self._send(answer)
            more_time()

    def _answer(self, message: wire.Message) -> wire.Message | None:
        if "open" in message:
            self._opened = open_file(self._source, message["open"], self._ask, self._alive, message["rules"])
            return _table(self._opened)
        if "next" in message:
            # what is asked for behind the last row is answered with nothing
            return next(self._iteration(message["next"], self._batches), as_columns([], 0))
        if "count" in message:
            return next(self._iteration(message["count"], self._counts), {"rows": 0})
        self._iterations.pop(message["forget"], None)
        return None

    def _iteration(self, number: int, begun: Callable[[Joined], Iterator[wire.Message]]) -> Iterator[wire.Message]:
        assert self._opened is not None
        if number not in self._iterations:
            self._iterations[number] = begun(self._opened.joined)
        return self._iterations[number]

    def _counts(self, table: Joined) -> Iterator[wire.Message]:
        """Each row is cut and looked at as when it is read."""
        rows = 0
        for one in table.rows():
            rows += len(one) if isinstance(one, Block | Packed) else 1
            if rows >= _COUNTED_AT_ONCE:
                yield {"rows": rows}
                rows = 0
        if rows:
            yield {"rows": rows}

    def _batches(self, table: Joined) -> Iterator[wire.Message]:
        width = len(table.header)
        waiting: list[NumberedRow] = []
        for one in table.rows():
            if isinstance(one, Block | Packed):
                if waiting:
                    yield as_columns(waiting, width)
                    waiting = []
                yield one.as_columns(width) if isinstance(one, Packed) else block_as_columns(one, width)
                continue
            waiting.append(one)
            if len(waiting) >= self._batch:
                yield as_columns(waiting, width)
                waiting = []
        if waiting:
            yield as_columns(waiting, width)

    def _receive(self) -> wire.Message | None:
        head = self._incoming.read(wire.HEAD)
        if len(head) < wire.HEAD:
            return None
        return self._unpack(self._incoming.read(wire.length_of(head)))

    def _send(self, message: wire.Message) -> None:
        frame = wire.pack(message)
        if "numbers" in message:
            frame = self._fitted(message, frame)
        self._write(frame)

    def _fitted(self, message: wire.Message, frame: bytes) -> bytes:
        """Batches are as large as their rows allow."""
        if len(frame) > wire.LARGEST_FRAME:
            refusal = too_large(f"Rows {message['numbers'][0]:,} and below hold very much text")
            return wire.pack(_refused(refusal))
        if len(frame) > _USUAL_FRAME:
            self._batch = max(1, self._batch * _USUAL_FRAME // (2 * len(frame)))
        elif len(frame) < _USUAL_FRAME // 2:
            self._batch = min(_MOST_ROWS, self._batch * 2)
        return frame

    def _write(self, frame: bytes) -> None:
        with self._lock:
            self._outgoing.write(frame)
            self._outgoing.flush()

    def _alive(self) -> None:
        now = time.monotonic()
        if now - self._told_at > _ALIVE_EVERY_S:
            self._told_at = now
            self._write(wire.pack({"alive": True}))
            more_time()

    def _ask(self, texts: Sequence[str]) -> list[str | None]:
        new = list(dict.fromkeys(text for text in texts if text not in self._answers))
        if len(self._answers) + len(new) > _MOST_ANSWERS_KEPT:
            self._answers.clear()
            new = list(dict.fromkeys(texts))
        for at in range(0, len(new), _ASKED_AT_ONCE):
            asked = new[at : at + _ASKED_AT_ONCE]
            self._write(wire.pack({"ask": asked}))
            answer = self._receive()
            if answer is None:
                raise SystemExit
            self._answers.update(zip(asked, answer["known"], strict=True))
        return [self._answers[text] for text in texts]


def _refused(refusal: Refusal) -> wire.Message:
    return {"refused": [refusal.reason, refusal.fix]}


def _table(opened: Opened) -> wire.Message:
    joined = opened.joined
    return {
        "table": {
            "header": joined.header,
            "parts": [
                [grid.name, table.header_row, grid.first_column + table.start, columns]
                for (grid, table), columns in zip(joined.tables, joined.columns(), strict=True)
            ],
            "facts": opened.facts,
            "left_out": [
                [one.sheet, one.first_row, one.last_row, one.why, one.shown, one.items, one.column]
                for one in joined.left_out
            ],
            "returned": opened.returned,
            "answers": opened.answers,
        }
    }


def main() -> None:
    """Speak with the hub about the file behind the descriptor named on the command line."""
    # cells are made and dropped by the million and form no cycles
    gc.disable()
    set_limits()
    Child(Source(int(sys.argv[1])), sys.stdin.buffer, sys.stdout.buffer).run()
