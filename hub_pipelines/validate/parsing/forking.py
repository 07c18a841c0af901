"""The process that readers are forked from: it has loaded what they need, and nothing else (decisions/0079).

Belongs here: forking, telling how each child ended, ending those that nobody waits for. Not here: asking for a child
(reading/nursery), what a child does (child). It has one thread, opens no file and speaks with none of its children.
"""

import os
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

WORDS = 16
"""The longest word of the conversation: a process's number, or how it ended."""
GIVEN = 5
"""Descriptors of a request: the child's standard three, its file, and where to tell what becomes of it."""
_LOADED = ("child", "workbook", "cutting")
_LIBRARIES = ("python_calamine", "numpy")
"""Not pyarrow: it begins a thread when it is loaded."""
_MOST_DESCRIPTORS = 1 << 20


def serve(asked: int) -> None:
    """Fork a child for each request at this descriptor, until nobody can ask any more."""
    for name in _LOADED:
        import_module(f"hub_pipelines.validate.parsing.{name}")
    for name in _LIBRARIES:
        import_module(name)
    # Ctrl-C is for who asks: without them this ends too
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=asked) as asking:
        _Parent(asking).run()


class _Parent:
    def __init__(self, asking: socket.socket) -> None:
        self._asking = asking
        self._told: dict[int, socket.socket] = {}
        """By a child's number, where to tell how it ended."""
        self._ready = selectors.DefaultSelector()
        self._woken, waking = os.pipe()
        for end in (self._woken, waking):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waking)

    def run(self) -> None:
        self._ready.register(self._asking, selectors.EVENT_READ)
        self._ready.register(self._woken, selectors.EVENT_READ)
        try:
            while self._turn():
                pass
        finally:
            for child in self._told:
                os.kill(child, signal.SIGKILL)

    def _turn(self) -> bool:
        for key, _ in self._ready.select():
            if key.fileobj is self._asking:
                word, given, _, _ = socket.recv_fds(self._asking, WORDS, GIVEN)
                if not word:
                    return False
                self._begin(given)
            elif key.fileobj == self._woken:
                os.read(self._woken, 4096)
                self._reap()
            elif key.data in self._told:
                self._end(key.data)
        return True

    def _begin(self, given: list[int]) -> None:
        """Who asked sees it by the closed descriptors where no child could be made."""
        if len(given) == GIVEN:
            telling = socket.socket(fileno=given.pop())
            try:
                child = os.fork()
            except OSError:
                telling.close()
            else:
                if not child:
                    _read(given)
                self._told[child] = telling
                self._ready.register(telling, selectors.EVENT_READ, child)
                _tell(telling, child)
        for each in given:
            os.close(each)

    def _end(self, child: int) -> None:
        """Nobody waits for it any more. It has its number until it is reaped."""
        self._ready.unregister(self._told[child])
        os.kill(child, signal.SIGKILL)

    def _reap(self) -> None:
        while self._told:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            with self._told.pop(child) as telling:
                with suppress(KeyError):
                    self._ready.unregister(telling)
                _tell(telling, os.waitstatus_to_exitcode(status))


def _tell(telling: socket.socket, number: int) -> None:
    with suppress(OSError):  # who asked has ended
        telling.send(str(number).encode())


def _read(given: list[int]) -> NoReturn:
    """What `python -m hub_pipelines.validate.parsing` does."""
    from hub_pipelines.validate.parsing.child import main

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    *standard, file = given
    for number, each in enumerate(standard):
        os.dup2(each, number)
    # what other children and who asked for them are told by
    os.closerange(len(standard), file)
    os.closerange(file + 1, _MOST_DESCRIPTORS)
    sys.argv = ["parsing", str(file)]
    code = 1
    try:
        main()
        sys.stdout.flush()
        code = 0
    except SystemExit:
        code = 0
    except BaseException:  # noqa: BLE001  # said and told, as Python does at the end of a program
        traceback.print_exc()
    finally:
        os._exit(code)
