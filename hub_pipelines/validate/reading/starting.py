"""How the child that opens a file gets its process: forked where there is a nursery, otherwise started anew.

Belongs here: both ways, and what a child has of its surroundings. Not here: speaking with it (process).
"""

import os
import subprocess
import sys
from compileall import compile_dir
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from hub_pipelines.validate.reading.nursery import Nursery

_ROOT = Path(__file__).resolve().parents[3]
_CHILD = "hub_pipelines.validate.parsing"
_nursery: Nursery | None = None


class Process(Protocol):
    """As subprocess.Popen has it."""

    @property
    def pid(self) -> int: ...
    @property
    def stdin(self) -> IO[bytes] | None: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...

    def poll(self) -> int | None: ...
    def wait(self) -> int: ...
    def kill(self) -> None: ...


def fork_readers() -> Nursery:
    """From now on, by this process and by those that are forked from it. Worth its start where many files are read."""
    global _nursery  # those that are forked have it so
    if _nursery is None:
        _nursery = Nursery(_environment())
    return _nursery


def start(file: BinaryIO, errors: IO[bytes]) -> Process:
    """A child that reads this file and writes its last words to `errors`."""
    if _nursery is not None:
        try:
            return _nursery.start(file, errors)
        except OSError:
            pass  # it was killed, or is stuck: what it would have spared is time
    return _started(file, errors)


def _started(file: BinaryIO, errors: IO[bytes]) -> "subprocess.Popen[bytes]":
    # -S: what packages do at each start of Python takes longer than all that the child loads;
    # -P: a module in the folder where the hub was started must not take the place of one of ours
    command = [sys.executable, "-S", "-P", "-m", _CHILD, str(file.fileno())]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        pass_fds=(file.fileno(),),
        env=_environment(),
        cwd="/",
    )


def _environment() -> dict[str, str]:
    """Bare: no credentials, and nothing that would load more than the reader needs."""
    return {
        "PYTHONPATH": places(),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        # what cuts lines of large files would else reserve more addresses than the child may have
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "OPENBLAS_NUM_THREADS": "1",
    }


@cache
def places() -> str:
    """Where the child finds our code and the packages that it needs. The child writes nothing: what it loads is
    compiled for it here, or each child of an installation that is only linked would compile it anew."""
    compile_dir(_ROOT / _CHILD.replace(".", "/"), quiet=2)
    packages = ("python_calamine", "msgpack", "numpy", "pyarrow")
    found = [spec.origin for name in packages if (spec := find_spec(name)) and spec.origin]
    return os.pathsep.join(dict.fromkeys([str(_ROOT), *(str(Path(each).parents[1]) for each in found)]))
