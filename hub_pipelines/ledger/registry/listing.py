"""The registry as a whole, kept in a file until it changes.

Belongs here: making, finding and replacing that file. Not here: asking for a few tags (store).
A million rows are compared with a million tags in less time than the database takes to find ten thousand of them. The
file is named by the registry's version, so that it never needs to be told apart from an old one; it can be made again
at any time.
"""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hub_pipelines.common.columns import places_in
from hub_pipelines.common.store import Database
from hub_pipelines.ledger.registry.store import LedgerRegistry, tags_set_since
from hub_pipelines.validate.bulk.tags import FEW_TAGS

if TYPE_CHECKING:
    import pyarrow

_HALF = ".staging-"
"""As a staged file is called before it is whole, so that what a crash leaves is removed as such are."""
_ROWS = 50_000


class ListedRegistry(LedgerRegistry):
    """The registry at its current version, also as a whole; the list is kept in `folder`."""

    def __init__(self, db: Database, time_zone: str, folder: Path) -> None:
        super().__init__(db, time_zone)
        self._folder = folder

    def known(self, tags: "pyarrow.Array") -> "pyarrow.Array":
        """Those that are registered; of many tags the whole list is asked, not the database."""
        import pyarrow
        from pyarrow import compute

        if len(tags) <= FEW_TAGS:
            return pyarrow.array(self.campuses(tags.to_pylist()), pyarrow.string())
        return tags.filter(compute.is_valid(places_in(self.listed()["tag"].chunk(0), tags)))

    def listed(self) -> "pyarrow.Table":
        """Every tag with its campus, as validate.bulk.tags.Listed has it. When the registry moves meanwhile it is the
        newer one, which posting notices."""
        import pyarrow

        path = self._folder / f"registry-{self.version}.arrow"
        with suppress(FileNotFoundError, pyarrow.ArrowInvalid):
            return _read(path)
        version, made = self._made()
        half = self._folder / f"{_HALF}{uuid.uuid4().hex}"
        try:
            _write(half, made)
            # what is mapped stays, whoever replaces or removes the file
            table = _read(half)
            half.replace(self._folder / f"registry-{version}.arrow")
        finally:
            half.unlink(missing_ok=True)
        for other in self._folder.glob("registry-*.arrow"):
            if other.name != f"registry-{version}.arrow":
                other.unlink(missing_ok=True)
        return table

    def _made(self) -> tuple[int, "pyarrow.Table"]:
        """The registry's version and list: that of an earlier version with what was set since, else all that ever was.

        An earlier list may be of a database that is no more: it counts only where as many tags come out as there are.
        """
        with self._db.read() as tx:
            for before, earlier in [*self._earlier(), (0, None)]:
                version, size, rows = tags_set_since(tx, before, at_once=_ROWS)
                set_since = _as_set(rows)
                # as many as there are tags: each is there, and once
                made = set_since if earlier is None and len(set_since) == size else _newest(earlier, set_since)
                if len(made) == size:
                    break
        return version, made

    def _earlier(self) -> Iterator[tuple[int, "pyarrow.Table"]]:
        import pyarrow

        for path in self._folder.glob("registry-*.arrow"):
            before = path.stem.removeprefix("registry-")
            if before.isdecimal() and int(before) < self.version:
                with suppress(FileNotFoundError, pyarrow.ArrowInvalid):
                    yield int(before), _read(path)


def _as_set(rows: Iterator[Sequence[tuple[str, str]]]) -> "pyarrow.Table":
    """In the order in which they were set; a tag that was set twice is there twice."""
    import pyarrow

    tables = [_schema().empty_table()]
    for some in rows:
        tags, campuses = (pyarrow.array(column, pyarrow.string()) for column in zip(*some, strict=True))
        coded = campuses.dictionary_encode().cast(_schema().field("campus").type)
        tables.append(pyarrow.Table.from_arrays([tags, coded], schema=_schema()))
    return pyarrow.concat_tables(tables)


def _schema() -> "pyarrow.Schema":
    import pyarrow

    campus = pyarrow.dictionary(pyarrow.int16(), pyarrow.string())  # of which a hub has some dozens
    return pyarrow.schema([("tag", pyarrow.string()), ("campus", campus)], metadata={"order": "bytes of the tag"})


def _newest(earlier: "pyarrow.Table | None", since: "pyarrow.Table") -> "pyarrow.Table":
    """Each tag once, as it was set last."""
    import numpy
    import pyarrow

    table = _in_one_piece(pyarrow.concat_tables([since] if earlier is None else [earlier, since]))
    coded = table["tag"].combine_chunks().dictionary_encode()
    last = numpy.empty(len(coded.dictionary), numpy.int64)
    # of several the last assignment stays
    last[coded.indices.to_numpy()] = numpy.arange(len(table))
    return table.take(last)


def _write(path: Path, table: "pyarrow.Table") -> None:
    """In order and in one piece, so that what is mapped is asked as it lies there."""
    import pyarrow

    with path.open("wb") as file:
        with pyarrow.ipc.new_file(file, _schema()) as writer:
            writer.write_table(_in_one_piece(table).sort_by("tag").combine_chunks())
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> "pyarrow.Table":
    """Raises FileNotFoundError, ArrowInvalid."""
    import pyarrow

    with pyarrow.memory_map(str(path)) as file:
        table = pyarrow.ipc.open_file(file).read_all()
    if not table.schema.equals(_schema(), check_metadata=True):
        raise pyarrow.ArrowInvalid("a list of an earlier release is not in order")
    if not len(table):  # an empty one has no piece
        return pyarrow.Table.from_arrays([pyarrow.array([], one.type) for one in _schema()], schema=_schema())
    return table


def _in_one_piece(table: "pyarrow.Table") -> "pyarrow.Table":
    return table.unify_dictionaries().combine_chunks()
