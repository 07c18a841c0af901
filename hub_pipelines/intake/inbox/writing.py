"""The process that writes groups of deliveries beside the one that reads requests.

In one process the two would wait for each other at each step, since one thread at a time holds the interpreter. The
writer is forked before its parent listens or has threads, gets one group at a time over a socket of their own, and
answers when that is durable. While the database commits a group it prepares the next one. It ends when the other end of
the socket is closed, however that came about. When it ends by itself its parent does so too: nobody could tell whether
the group that was at work is kept, and its senders, who get no answer, send again.
"""

import asyncio
import logging
import os
import pickle
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from hub_pipelines.common.errors import HubError
from hub_pipelines.common.scope import Scope
from hub_pipelines.common.short import Meanwhile
from hub_pipelines.intake.inbox.model import Answer, Answered, Delivery, Group, Incoming
from hub_pipelines.logs import end_process

_log = logging.getLogger(__name__)
_LENGTH_BYTES = 8
HANGS_AFTER_S = 20.0
"""A writer that has a group for longer is taken for one that hangs. To wait for another's lock takes less, mostly."""
_WITH_IT = "and the receiver with it; it is started again"


Prepare = Callable[[Sequence[Delivery]], Group]
"""Does all for a group that needs no database."""
Accept = Callable[[Group, Meanwhile], list[Answered]]
"""Takes a group in one transaction; the second argument is called when all that is left is to hear that it is
committed."""


@dataclass(slots=True)
class _Begun:
    handed_over_at: float
    next_may_come: asyncio.Future[None]
    answers: asyncio.Future[list[Answered]]


class Writer:
    """A process that runs `prepare` and `accept` for each group. Their errors, which must be picklable, are raised
    here."""

    def __init__(self, prepare: Prepare, accept: Accept) -> None:
        """Forks. Connections to a database must not be open, nor a thread be at work."""
        self._ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            self._ours.close()
            _write_groups(_Groups(theirs, prepare), accept)
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


class _Groups:
    """What its parent hands to the writer, at the writer's end of their socket."""

    def __init__(self, channel: socket.socket, prepare: Prepare) -> None:
        self._channel = channel
        self._prepare = prepare
        self._ahead: Group | Exception | None = None

    def close(self) -> None:
        self._channel.close()

    def next(self) -> Group | Exception | None:
        """What is to be written next, or what has kept it from being prepared; None when the parent has ended."""
        ahead, self._ahead = self._ahead, None
        return self._read() if ahead is None else ahead

    def answer(self, told: object) -> None:
        self._channel.sendall(_framed(told))

    def prepare_ahead(self, answer: int | None) -> None:
        """Have the next group handed over, and prepare it if it comes before what is to be read at `answer`."""
        with suppress(OSError):  # nobody listens any more, and the group is committed all the same
            self._channel.sendall(bytes(_LENGTH_BYTES))
            if answer is None:
                return
            waiting = select.poll()
            waiting.register(answer, select.POLLIN)
            waiting.register(self._channel, select.POLLIN)
            if all(which != answer for which, _ in waiting.poll()):
                self._ahead = self._read()

    def _read(self) -> Group | Exception | None:
        """An error is told to those who wait, in its turn."""
        length = int.from_bytes(self._whole(_LENGTH_BYTES))
        if not (told := self._whole(length)):
            return None
        try:
            return self._prepare([_delivery(*one) for one in pickle.loads(told)])
        except Exception as error:  # noqa: BLE001  # as it says
            return error

    def _whole(self, length: int) -> bytes:
        """Nothing when the other end has closed, be it amid what it had to say."""
        told = bytearray()
        while len(told) < length:
            if not (more := self._channel.recv(length - len(told))):
                return b""
            told += more
        return bytes(told)


def _write_groups(groups: _Groups, accept: Accept) -> NoReturn:
    """The process's life. What ends its parent must not end it amid a group: it sees the socket close."""
    code = 1
    try:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN)
        with closing(groups):
            while (group := groups.next()) is not None:
                groups.answer(_answered(accept, group, groups.prepare_ahead))
        code = 0
    except ConnectionError:  # its parent has been killed, and says so by that
        code = 0
    except Exception:  # noqa: BLE001  # nobody above it could tell
        _log.exception("the process that writes messages ends")
    finally:
        os._exit(code)


def _answered(accept: Accept, group: Group | Exception, meanwhile: Meanwhile) -> object:
    try:
        if isinstance(group, Exception):
            raise group
        return [(one.answer.value, one.request_ids, one.received_at) for one in accept(group, meanwhile)]
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
