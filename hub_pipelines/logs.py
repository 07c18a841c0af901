"""The hub's one log, `hub.log` in the home: one event a line, written by every process of the hub.

    2026-11-24T03:22:03.123Z INFO  code-server north-inventory-… received file=lab.csv size_bytes=2048

Time, level, process, the submission at work (or `-`), what happened. Further lines of an event, such as
those of a traceback, are indented. Belongs here: the form of a line, the file and its rotation, and
how a child's output is read. Not here: what is worth a line. Logging never fails its caller: lines that
can't be written are counted; the count, and the process's own last warnings among them, follow when it can.
"""

import json
import logging
import multiprocessing
import os
import re
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

ROOT = "hub_pipelines"
ROTATE_AT_BYTES = 50_000_000
KEPT = 3
_READ_BYTES = 1 << 16
_PAUSE_S = 0.2
_EVENT_LINES = 500
_KEPT_LINES = 50
_LOOKS_AT_END = 5
_WRITING_S = 0.002

_request: ContextVar[str] = ContextVar("hub_request_id", default="-")


def configure(path: Path, process: str, level: str) -> None:
    """Let everything that the hub logs in this process go to `path`, and nowhere else. May be called again."""
    hub = logging.getLogger(ROOT)
    for handler in [one for one in hub.handlers if isinstance(one, HubLog)]:
        hub.removeHandler(handler)
        handler.close()
    hub.addHandler(HubLog(path, process))
    hub.setLevel(level.upper())
    hub.propagate = False  # the supervisor reads the root logger's output too; a line would come twice


def process_name() -> str:
    """This process in the log: as `hub up` named it, `run` for a run's own process, else the command."""
    if multiprocessing.parent_process() is not None:
        return "run"  # Dagster spawns one for each
    words = [Path(sys.argv[0]).stem, *sys.argv[1:2]]
    command = words[-1] if words[0] in {"hub", "__main__"} else words[0]
    return os.environ.get("HUB_PROCESS") or re.sub(r"\W+", "-", command) or "python"


@contextmanager
def working_on(request_id: str | None) -> Iterator[None]:
    """Every line inside names this submission."""
    before = _request.get()
    _request.set(request_id or "-")
    try:
        yield
    finally:
        _request.set(before)  # no reset by token: Dagster may leave a generator in another context


def pairs(**values: object) -> str:
    """`key=value …` for the end of a line; None is left out, what is not one plain word is quoted."""
    return " ".join(f"{name}={_word(str(value))}" for name, value in values.items() if value is not None)


def _word(text: str) -> str:
    plain = re.fullmatch(r'[^\s"=]+', text) and text.isprintable()
    return text if plain else json.dumps(text)


def end_process(log: logging.Logger, why: str, error: BaseException | None = None) -> NoReturn:
    """Of one that can't do its work any more: at once, with nothing put in order; its supervisor starts it again."""
    log.critical("%s", why, exc_info=error)
    logging.shutdown()
    os._exit(1)


class Standing:
    """Troubles that last: each is logged once when it begins and once when it is over, however often it is seen."""

    def __init__(self, log: logging.Logger, level: int) -> None:
        self._log, self._level = log, level
        self._known: dict[str, dict[str, str]] = {}

    def are_now(self, troubles: Mapping[str, str], scope: str = "") -> list[str]:
        """`troubles` are all that there are now in this scope: what it is about, and the sentence to log. Returns what
        was logged."""
        before = self._known.get(scope, {})
        begun = [troubles[about] for about in sorted(troubles.keys() - before.keys())]
        over = [f"over: {before[about]}" for about in sorted(before.keys() - troubles.keys())]
        for level, told in ((self._level, begun), (logging.INFO, over)):
            for one in told:
                self._log.log(level, "%s", one)
        self._known[scope] = dict(troubles)
        return begun + over


class Recurring:
    """What each of many requests may meet: logged when it begins, and then at most once in a while, with how often."""

    def __init__(self, log: logging.Logger, *, every_s: float = 60.0) -> None:
        self._log, self._every_s = log, every_s
        self._untold, self._told_at = 0, float("-inf")

    def seen(self, what: str, error: Exception) -> None:
        self._untold += 1
        if time.monotonic() - self._told_at >= self._every_s:
            self._log.warning("%s %s", what, pairs(times=self._untold, reason=error))
            self._untold, self._told_at = 0, time.monotonic()


# ---- the file


class HubLog(logging.Handler):
    """Appends each record in one write; follows the file when another process has rotated it."""

    def __init__(self, path: Path, process: str) -> None:
        super().__init__()
        self._path, self._process = path, process
        self._handle = -1
        self._lost, self._why = 0, ""
        self._kept: deque[str] = deque(maxlen=_KEPT_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self._text(record)
        except (TypeError, ValueError):
            self.handleError(record)
            return
        if not self._append(text) and record.levelno >= logging.WARNING and not hasattr(record, "hub_process"):
            self._kept.append(text)

    def close(self) -> None:
        with self.lock or threading.RLock():
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1
        super().close()

    def _text(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        process = getattr(record, "hub_process", self._process)
        return event(record.created, record.levelname, process, _request.get(), text)

    def _append(self, text: str) -> bool:
        if self._lost:
            told = f"{self._lost} lines could not be written here ({self._why})"
            now = event(datetime.now(UTC).timestamp(), "WARNING", self._process, "-", told)
            text = "".join([*self._kept, now, text])
        data = text.encode("utf-8", "backslashreplace")
        try:
            handle = self._opened()
            written = os.write(handle, data if _ends_in_a_line(handle) else b"\n" + data)
        except OSError as error:
            self._lost, self._why = self._lost + 1, error.strerror or type(error).__name__
            return False
        if written < len(data):
            self._lost, self._why = self._lost + 1, "no space left"
            return False
        self._lost, self._why = 0, ""
        self._kept.clear()
        return True

    def _opened(self) -> int:
        """The file now at the path; one that was rotated away is let go."""
        if self._handle >= 0:
            with suppress(FileNotFoundError):
                if os.path.samestat(self._path.stat(), os.fstat(self._handle)):
                    return self._handle
            os.close(self._handle)
            self._handle = -1
        self._handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return self._handle


def _ends_in_a_line(handle: int) -> bool:
    """False when a full disk cut somebody's last line short; another process in the middle of a write is waited for."""
    for _ in range(_LOOKS_AT_END):
        size = os.fstat(handle).st_size
        if size == 0 or os.pread(handle, 1, size - 1) == b"\n":
            return True
        time.sleep(_WRITING_S)
    return False


def event(at: float, level: str, process: str, request_id: str, text: str) -> str:
    """One event as it stands in the log."""
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    first, *more = _CONTROL.sub("?", text).splitlines() or [""]
    lines = [f"{moment}Z {level:<5} {process} {request_id} {first}", *(f"    {line}" for line in more if line.strip())]
    return "\n".join(lines) + "\n"


_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def rotate(path: Path, *, at_bytes: int = ROTATE_AT_BYTES) -> bool:
    """Rename a log that has grown too long to `.1`, what was `.1` to `.2` and so on. Only the supervisor does."""
    try:
        if path.stat().st_size < at_bytes:
            return False
        for number in range(KEPT - 1, 0, -1):
            with suppress(FileNotFoundError):
                _numbered(path, number).rename(_numbered(path, number + 1))
        path.rename(_numbered(path, 1))
    except OSError:
        return False  # tried again at the next look
    return True


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


# ---- a child's output

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_DAGSTER = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} - (\S+) - (DEBUG|INFO|WARNING|ERROR|CRITICAL) - (.*)")
_UVICORN = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL):\s+(.*)")
_BASIC = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL):([\w.-]+):(.*)")
"""Python's own form. Once a library has warned through the root logger, Dagster's lines come a second time so."""
_TRACE = re.compile(r"(Traceback \(most recent|Stack Trace:|The above exception|During handling of)")
_ROUTINE = re.compile(
    r"dagster\.daemon\.SensorDaemon: (Checking for|Sensor \S+ skipped|Creating new run|Launching run|Completed launch)"
    r"|dagster\.daemon\.QueuedRunCoordinatorDaemon: (Priority sorting|Launched \d+ runs|\d+ runs are currently)"
    r"|dagster\.daemon\.MonitoringDaemon: (Collected|Checking)"
    r"|dagster: \w+ - "  # what sensors and runs tell Dagster's page; the hub logs what happened itself
)
"""Informing lines that would bury the others."""


class Output:
    """Reads what a child prints and logs it under the child's name, until the last process that holds it ends."""

    def __init__(self, process: str, readable: int) -> None:
        self._log = logging.getLogger(f"{ROOT}.output")
        self._process, self._readable = process, readable
        self._level, self._in_trace = logging.INFO, False
        self._event: list[str] = []
        self.thread = threading.Thread(target=self._read, name=f"output of {process}", daemon=True)
        self.thread.start()

    def _read(self) -> None:
        rest = b""
        while data := self._more():
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > _READ_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._take(line)
        self._take(rest)
        self._flush()
        os.close(self._readable)

    def _more(self) -> bytes:
        """What comes next; an event's lines come close together, so a pause ends it."""
        if self._event and not select.select([self._readable], [], [], _PAUSE_S)[0]:
            self._flush()
        return os.read(self._readable, _READ_BYTES)

    def _take(self, raw: bytes) -> None:
        line = _COLOUR.sub("", raw.decode("utf-8", "backslashreplace")).rstrip()
        if line:
            self._line(line)
        if len(self._event) >= _EVENT_LINES:
            self._flush()

    def _line(self, line: str) -> None:
        if found := _DAGSTER.fullmatch(line):
            self._begin(found[2], f"{found[1]}: {found[3]}")
        elif found := _BASIC.fullmatch(line):
            again = found[2].startswith("dagster")
            self._begin("DEBUG" if again else found[1], f"{found[2]}: {found[3]}")
            self._in_trace = again and found[1] in {"ERROR", "CRITICAL"}  # its trace comes a second time too
        elif found := _UVICORN.fullmatch(line):
            self._begin(found[1], found[2])
        elif _TRACE.match(line):
            if self._level < logging.WARNING and not self._in_trace:
                self._begin("ERROR", line)  # nobody has announced it
            else:
                self._event.append(line)
            self._in_trace = True
        elif self._in_trace or line[0].isspace() or (self._event and self._level >= logging.WARNING):
            self._event.append(line)
        else:
            self._begin("INFO", line)

    def _begin(self, level: str, text: str) -> None:
        self._flush()
        routine = level == "INFO" and _ROUTINE.match(text)
        self._level = logging.DEBUG if routine else logging.getLevelNamesMapping()[level]
        self._in_trace = False
        self._event = [text]

    def _flush(self) -> None:
        if self._event:
            self._log.log(self._level, "%s", "\n".join(self._event), extra={"hub_process": self._process})
            self._event = []
