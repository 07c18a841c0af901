"""The registry as a whole, kept in a file until it changes.

Belongs here: making, finding and replacing that file. Not here: asking for a few tags (store).
A million rows are compared with a million tags in less time than the database takes to find ten thousand of them. The
file is named by the registry's version, so that it never needs to be told apart from an old one; it can be made again
at any time.
"""

import os
import uuid
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from hub_pipelines.common.errors import Transient
from hub_pipelines.common.store import Database
from hub_pipelines.ledger.registry.store import LedgerRegistry, every_tag
from hub_pipelines.validate.bulk import FEW_TAGS

if TYPE_CHECKING:
    import pyarrow

_HALF = ".staging-"
"""As a staged file is called before it is whole, so that what a crash leaves is removed as such are."""
_ROWS = 50_000
_TRIES = 3


class ListedRegistry(LedgerRegistry):
    """The registry at its current version, also as a whole; the list is kept in `folder`."""

    def __init__(self, db: Database, time_zone: str, folder: Path) -> None:
        super().__init__(db, time_zone)
        self._folder = folder

    def known(self, tags: Collection[str]) -> frozenset[str]:
        """Those that are registered; of many tags the whole list is asked, not the database."""
        import pyarrow
        from pyarrow import compute

        if len(tags) <= FEW_TAGS:
            return frozenset(self.campuses(tags))
        asked = pyarrow.array(list(tags), pyarrow.string())
        return frozenset(asked.filter(compute.is_in(asked, value_set=self.listed()["tag"])).to_pylist())

    def listed(self) -> "pyarrow.Table":
        """Every tag with its campus. When the registry moves meanwhile it is the newer one, which posting notices."""
        import pyarrow

        path = self._folder / f"registry-{self.version}.arrow"
        with suppress(FileNotFoundError, pyarrow.ArrowInvalid):
            return _read(path)
        half = self._folder / f"{_HALF}{uuid.uuid4().hex}"
        try:
            version = self._write(half)
            # what is mapped stays, whoever replaces or removes the file
            table = _read(half)
            half.replace(self._folder / f"registry-{version}.arrow")
        finally:
            half.unlink(missing_ok=True)
        for other in self._folder.glob("registry-*.arrow"):
            if other.name != f"registry-{version}.arrow":
                other.unlink(missing_ok=True)
        return table

    def _write(self, path: Path) -> int:
        """The version that was written. Raises Transient when the registry moved again and again meanwhile."""
        for _ in range(_TRIES):
            with self._db.read() as tx, path.open("wb") as file:
                before, rows = every_tag(tx)
                _write(file, rows)
            if LedgerRegistry(self._db).version == before:
                return before
        raise Transient("The registry changes faster than it can be read; it will be tried again.")


def _write(file: BinaryIO, rows: Iterator[tuple[str, str]]) -> None:
    import pyarrow

    schema = pyarrow.schema([("tag", pyarrow.string()), ("campus", pyarrow.string())])
    with pyarrow.ipc.new_file(file, schema) as writer:
        while some := list(islice(rows, _ROWS)):
            columns = [pyarrow.array(column, pyarrow.string()) for column in zip(*some, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
    file.flush()
    os.fsync(file.fileno())


def _read(path: Path) -> "pyarrow.Table":
    import pyarrow

    with pyarrow.memory_map(str(path)) as file:
        return pyarrow.ipc.open_file(file).read_all()
