"""The process that writes groups of deliveries beside the one that reads requests.

In one process the two would wait for each other at each step, since one thread at a time holds the interpreter. The
writer is forked before its parent listens or has threads, gets one group at a time over a socket of their own, and
answers when that is durable. It ends when the other end of the socket is closed, however that came about. When it ends
by itself its parent does so too: nobody could tell whether the group that was at work is kept, and its senders, who get
no answer, send again.
"""

import asyncio
import logging
import os
import pickle
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from hub_pipelines.common.errors import HubError
from hub_pipelines.common.scope import Scope
from hub_pipelines.intake.inbox.model import Answer, Answered, Delivery, Incoming
from hub_pipelines.logs import end_process

_log = logging.getLogger(__name__)
_LENGTH_BYTES = 8
HANGS_AFTER_S = 20.0
"""A writer that has a group for longer is taken for one that hangs. To wait for another's lock takes less, mostly."""
_WITH_IT = "and the receiver with it; it is started again"


Accept = Callable[[Sequence[Delivery], Callable[[], None]], list[Answered]]
"""Takes a group in one transaction; the second argument is called before the commit."""


@dataclass(slots=True)
class _Begun:
    handed_over_at: float
    next_may_come: asyncio.Future[None]
    answers: asyncio.Future[list[Answered]]


class Writer:
    """A process that runs `accept` for each group. Its errors, which must be picklable, are raised here."""

    def __init__(self, accept: Accept) -> None:
        """Forks. Connections to a database must not be open, nor a thread be at work."""
        self._ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            self._ours.close()
            _write_groups(theirs, accept)
        theirs.close()
        self._sending: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._begun: deque[_Begun] = deque()

    async def begin(self, group: Sequence[Delivery]) -> "asyncio.Future[list[Answered]]":
        """Hands a group over. Returns when the next one may come, with what will have become of each of this one when
        it is durable, or what `accept` has raised."""
        if self._sending is None:
            reading, self._sending = await asyncio.open_connection(sock=self._ours)
            self._listening = asyncio.create_task(self._listen(reading))
        loop = asyncio.get_running_loop()
        begun = _Begun(time.monotonic(), loop.create_future(), loop.create_future())
        framed = _framed([_packed(one) for one in group])
        self._begun.append(begun)  # nothing may fail from here on: answers go to groups in this order
        self._sending.write(framed)
        await begun.next_may_come
        return begun.answers

    async def _listen(self, reading: asyncio.StreamReader) -> None:
        try:
            while True:
                length = int.from_bytes(await reading.readexactly(_LENGTH_BYTES))
                self._hear(pickle.loads(await reading.readexactly(length)) if length else None)
        except (asyncio.IncompleteReadError, ConnectionError):
            end_process(_log, f"the process that writes messages has ended, {_WITH_IT}")
        except Exception as error:  # noqa: BLE001  # what is not understood is as good as no answer
            end_process(_log, f"the process that writes messages is not understood: it is ended, {_WITH_IT}", error)

    def _hear(self, told: object) -> None:
        """Of the group that was handed over first and has no answer: None when it is being committed."""
        begun = self._begun[0]
        if not begun.next_may_come.done():
            begun.next_may_come.set_result(None)
        if told is None:
            return
        self._begun.popleft()
        if isinstance(told, Exception):
            begun.answers.set_exception(told)
        elif isinstance(told, list):
            begun.answers.set_result([Answered(Answer(answer), ids, at) for answer, ids, at in told])

    @property
    def silent_s(self) -> float:
        """For how long the oldest group that was handed over has had no answer; 0 when each has one."""
        return time.monotonic() - self._begun[0].handed_over_at if self._begun else 0.0

    @property
    def trouble(self) -> str | None:
        """That it hangs, as people are told."""
        if self.silent_s < HANGS_AFTER_S:
            return None
        return f"the process that writes messages has said nothing for {self.silent_s:.0f} s of those that it was given"

    def close(self) -> None:
        """What is at work is written to its end."""
        if self._listening is not None:
            self._listening.cancel()
        with suppress(OSError):  # it has ended before
            self._ours.shutdown(socket.SHUT_RDWR)
        self._ours.close()
        os.waitpid(self._pid, 0)


def _write_groups(channel: socket.socket, accept: Accept) -> NoReturn:
    """The process's life. What ends its parent must not end it amid a group: it sees the socket close."""
    code = 1
    try:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN)
        with channel, channel.makefile("rb") as asked:
            while told := _whole(asked):
                group = [_delivery(*one) for one in pickle.loads(told)]
                channel.sendall(_framed(_answered(accept, group, channel)))
        code = 0
    except ConnectionError:  # its parent has been killed, and says so by that
        code = 0
    except Exception:  # noqa: BLE001  # nobody above it could tell
        _log.exception("the process that writes messages ends")
    finally:
        os._exit(code)


def _whole(asked: BinaryIO) -> bytes:
    """What was handed over next; nothing when the other end has closed, be it amid what it had to say."""
    length = int.from_bytes(asked.read(_LENGTH_BYTES))
    told = asked.read(length)
    return told if len(told) == length else b""


def _answered(accept: Accept, group: Sequence[Delivery], channel: socket.socket) -> object:
    def say_that_it_commits() -> None:
        with suppress(OSError):  # nobody listens any more, and the group is committed all the same
            channel.sendall(bytes(_LENGTH_BYTES))

    try:
        return [(one.answer.value, one.request_ids, one.received_at) for one in accept(group, say_that_it_commits)]
    except HubError as error:
        return error
    except Exception as error:  # noqa: BLE001  # each of those who wait gets it; where it came from is told here
        _log.exception("a group of messages can't be written")
        return RuntimeError(f"{type(error).__name__}: {error}")


def _framed(document: object) -> bytes:
    told = pickle.dumps(document, pickle.HIGHEST_PROTOCOL)
    return len(told).to_bytes(_LENGTH_BYTES) + told


def _packed(one: Delivery) -> tuple[Any, ...]:
    """As plain values: a frozen class is pickled ten times as slowly."""
    messages = [(message.body, message.record_type, message.line) for message in one.messages]
    scope = (one.scope.campus, one.scope.feed)
    return (one.source, one.webhook_id, scope, one.body, messages, one.headers, one.channel)


def _delivery(
    source: str,
    webhook_id: str,
    scope: tuple[str, str],
    body: bytes,
    messages: Sequence[tuple[bytes, str, int | None]],
    headers: dict[str, str],
    channel: str,
) -> Delivery:
    each = tuple(Incoming(*one) for one in messages)
    return Delivery(source, webhook_id, Scope(*scope), body, each, headers, channel)
