"""Children that read files, forked from one that has loaded what they need: a hub starts one for each file, in 50 ms of
processor time, and the tests read thousands of files.

Belongs here: `Nursery`, which takes the place of `reading.process._start`. A child of it has the same environment,
sets itself the same limits, speaks the same words and ends the same ways as one that is started. That a hub starts
them, and under which limits, is for unit/validate/reading/test_child.py to show: it uses `started_anew`.
This module is loaded by the nursery too: it imports the standard library only.
"""

import os
import signal
import socket
import subprocess
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from types import TracebackType
from typing import IO, BinaryIO, Self

_WORDS = 16
_SERVE = "import sys; from hub_pipelines_tests.nursery import serve; serve(int(sys.argv[1]))"


class Child:
    """What `subprocess.Popen` is for a child that was started."""

    def __init__(self, told: socket.socket, stdin: BinaryIO, stdout: BinaryIO) -> None:
        self._told = told
        self.stdin, self.stdout = stdin, stdout
        self.pid = int(told.recv(_WORDS))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        with suppress(BlockingIOError):
            self._end(socket.MSG_DONTWAIT)
        return self.returncode

    def wait(self) -> int:
        self._end(0)
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _end(self, flags: int) -> None:
        if self.returncode is None:
            self.returncode = int(self._told.recv(_WORDS, flags))
            self._told.close()


class Nursery:
    """Of one test process; the processes that this forks have it too. Ends with the last of them."""

    def __enter__(self) -> Self:
        from hub_pipelines.validate.reading import process

        self._asked, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server = subprocess.Popen(
            [sys.executable, "-S", "-P", "-c", _SERVE, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            env=process._environment(),
            cwd="/",
        )
        theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._asked.close()
        self._server.terminate()
        self._server.wait()

    def start(self, file: BinaryIO, errors: IO[bytes]) -> Child:
        """Like `reading.process._start`."""
        stdin, to_child = os.pipe()
        from_child, stdout = os.pipe()
        told, telling = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        given = [stdin, stdout, errors.fileno(), file.fileno(), telling.fileno()]
        socket.send_fds(self._asked, [b"read"], given)
        os.close(stdin)
        os.close(stdout)
        telling.close()
        return Child(told, os.fdopen(to_child, "wb"), os.fdopen(from_child, "rb"))


# ---- the nursery's side


def serve(asked: int) -> None:
    """Until nobody can ask any more. Each child has a parent of its own, which tells how it ended."""
    for name in ("hub_pipelines.validate.parsing.child", "hub_pipelines.validate.parsing.workbook", "python_calamine"):
        import_module(name)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=asked) as asking:
        while True:
            word, given, _, _ = socket.recv_fds(asking, _WORDS, 5)
            if not word:
                return
            if not os.fork():
                asking.close()
                _keep(given)
            for each in given:
                os.close(each)


def _keep(given: list[int]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    telling = socket.socket(fileno=given.pop())
    pid = os.fork()
    if not pid:
        telling.close()
        _read(given)
    for each in given:
        os.close(each)
    with suppress(BrokenPipeError):  # who asked was killed
        telling.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        telling.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _read(given: list[int]) -> None:
    """What `python -m hub_pipelines.validate.parsing` does."""
    from hub_pipelines.validate.parsing.child import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    *standard, file = given
    for number, each in enumerate(standard):
        os.dup2(each, number)
        os.close(each)
    sys.argv = ["parsing", str(file)]
    code = 1
    try:
        main()
        sys.stdout.flush()
        code = 0
    except SystemExit:
        code = 0
    except BaseException:  # noqa: BLE001 - said and told, as Python does at the end of a program
        traceback.print_exc()
    finally:
        os._exit(code)
