"""Readers that are forked from a process which has loaded what they need (decisions/0079).

Belongs here: asking for such a child, and knowing what became of it. Not here: forking (parsing/forking), when a child
is started anew (starting).
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import IO

from hub_pipelines.validate.parsing.forking import WORDS

_SERVE = "import sys; from hub_pipelines.validate.parsing.forking import serve; serve(int(sys.argv[1]))"
_LONGEST_S = 10.0
"""To fork takes some milliseconds, to tell of an end too; a nursery that can't in this time is stuck."""


class Nursery:
    """Of the process that makes it, and of all that are forked from that one; it ends with the last of them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._asked, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._asked.settimeout(_LONGEST_S)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-S", "-P", "-c", _SERVE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment,
                cwd="/",
            )

    @property
    def pid(self) -> int:
        return self._server.pid

    def close(self) -> None:
        """By the process that made it."""
        self._asked.close()
        self._server.terminate()
        self._server.wait()

    def start(self, file: IO[bytes], errors: IO[bytes]) -> "Forked":
        """A child that reads this file and writes its last words to `errors`. Raises OSError when the nursery is no
        more, or can't fork."""
        with ExitStack() as ours, ExitStack() as theirs:
            told, telling = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.callback(told.close)
            theirs.callback(telling.close)
            stdin, to_child = os.pipe()
            ours.callback(os.close, to_child)
            theirs.callback(os.close, stdin)
            from_child, stdout = os.pipe()
            ours.callback(os.close, from_child)
            theirs.callback(os.close, stdout)
            given = [stdin, stdout, errors.fileno(), file.fileno(), telling.fileno()]
            socket.send_fds(self._asked, [b"read"], given)
            theirs.close()  # else nobody sees that the nursery has dropped them
            told.settimeout(_LONGEST_S)
            number = told.recv(WORDS)
            if not number:
                raise ConnectionResetError("no child was forked")
            told.settimeout(None)
            ours.pop_all()
        if (niceness := os.nice(0)) > 0:  # a child has it from whoever asks for it
            with suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, int(number), niceness)
        return Forked(int(number), told, os.fdopen(to_child, "wb"), os.fdopen(from_child, "rb"))


class Forked:
    """What subprocess.Popen is for a child that was started."""

    def __init__(self, pid: int, told: socket.socket, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.pid = pid
        self.stdin: IO[bytes] | None = stdin
        self.stdout: IO[bytes] | None = stdout
        self._told = told
        self._ended: int | None = None

    def poll(self) -> int | None:
        with suppress(BlockingIOError):
            self._hear(socket.MSG_DONTWAIT)
        return self._ended

    def wait(self) -> int:
        """For a child that was killed, or has said its last: a nursery that is not stuck soon tells of its end."""
        if self._ended is None:
            self._told.settimeout(_LONGEST_S)
            self._hear(0)
        assert self._ended is not None
        return self._ended

    def kill(self) -> None:
        """By its parent, which knows whether the number is still this child's."""
        if self._ended is None:
            with suppress(OSError):  # it has ended
                self._told.shutdown(socket.SHUT_WR)

    def _hear(self, flags: int) -> None:
        if self._ended is not None:
            return
        try:
            said = self._told.recv(WORDS, flags)
        except TimeoutError:
            said = b""
        if said:
            self._ended = int(said)
        else:
            # the nursery is no more or stuck, and nobody knows how its child ended or whether it has
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._ended = -signal.SIGKILL
        self._told.close()
