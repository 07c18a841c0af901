"""What a pipe brings, read while its reader is busy with what came before.

A pipe holds 64 KB, a batch of rows is larger: without this a child would wait with each batch until the hub has judged
the one before, and only one of the two would work at a time.
Not here: what the bytes mean (process).
"""

import os
import select
import threading
from collections import deque

_AT_ONCE = 1024 * 1024
_LOOK_EVERY_MS = 1_000


class Ahead:
    """Reads a pipe in a thread of its own, at most about so many bytes ahead."""

    def __init__(self, descriptor: int, most_bytes: int) -> None:
        self._descriptor = descriptor
        self._most_bytes = most_bytes
        self._came: deque[bytes] = deque()
        self._held = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="reading-ahead", daemon=True)
        self._thread.start()

    def take(self, wait_s: float) -> bytes | None:
        """What came next; nothing of it, b"", for ever after the pipe's end. None when nothing came in this time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._came, wait_s):
                return None
            if not self._came[0]:
                return b""
            data = self._came.popleft()
            self._held -= len(data)
            self._changed.notify_all()
            return data

    def close(self) -> None:
        """The descriptor may be closed after this."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        # not select(): it knows no descriptor above 1,023
        ready = select.poll()
        ready.register(self._descriptor, select.POLLIN)
        try:
            while self._has_room():
                if ready.poll(_LOOK_EVERY_MS):
                    data = self._read()
                    if not data:
                        break
                    self._tell(data)
        finally:
            self._tell(b"")  # whatever ended it: who takes must not wait for more

    def _tell(self, data: bytes) -> None:
        with self._changed:
            self._came.append(data)
            self._held += len(data)
            self._changed.notify_all()

    def _has_room(self) -> bool:
        """Waits until there is; False when nobody reads on."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._held < self._most_bytes)
            return not self._closed

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, _AT_ONCE)
        except OSError:  # what it was read for ends as when the child has ended
            return b""
