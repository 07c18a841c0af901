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
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from hub_pipelines.common.errors import HubError
from hub_pipelines.common.scope import Scope
from hub_pipelines.intake.inbox.model import Answer, Answered, Delivery, Incoming

_log = logging.getLogger(__name__)
_LENGTH_BYTES = 8


class Writer:
    """A process that runs `accept` for each group. Its errors, which must be picklable, are raised here."""

    def __init__(self, accept: Callable[[Sequence[Delivery]], list[Answered]]) -> None:
        """Forks. Connections to a database must not be open, nor a thread be at work."""
        self._ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            self._ours.close()
            _write_groups(theirs, accept)
        theirs.close()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def write(self, group: Sequence[Delivery]) -> list[Answered]:
        """What became of each, when it is durable. Raises what `accept` does."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(sock=self._ours)
        reader, writer = self._streams
        writer.write(_framed([_packed(one) for one in group]))
        try:
            length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES))
            told = pickle.loads(await reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            _log.critical("the process that writes messages has ended, and the receiver with it; it is started again")
            logging.shutdown()
            os._exit(1)
        if isinstance(told, Exception):
            raise told
        return [Answered(Answer(answer), request_ids, at) for answer, request_ids, at in told]

    def close(self) -> None:
        """What is at work is written to its end."""
        with suppress(OSError):  # it has ended before
            self._ours.shutdown(socket.SHUT_RDWR)
        self._ours.close()
        os.waitpid(self._pid, 0)


def _write_groups(channel: socket.socket, accept: Callable[[Sequence[Delivery]], list[Answered]]) -> NoReturn:
    """The process's life. What ends its parent must not end it amid a group: it sees the socket close."""
    code = 1
    try:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN)
        with channel, channel.makefile("rb") as asked:
            while length := asked.read(_LENGTH_BYTES):
                group = [_delivery(*one) for one in pickle.loads(asked.read(int.from_bytes(length)))]
                channel.sendall(_framed(_answered(accept, group)))
        code = 0
    except BrokenPipeError:
        code = 0
    except Exception:  # noqa: BLE001  # nobody above it could tell
        _log.exception("the process that writes messages ends")
    finally:
        os._exit(code)


def _answered(accept: Callable[[Sequence[Delivery]], list[Answered]], group: Sequence[Delivery]) -> object:
    try:
        return [(one.answer.value, one.request_ids, one.received_at) for one in accept(group)]
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
