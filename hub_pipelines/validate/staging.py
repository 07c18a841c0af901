"""Verdicts as one file that is named by its content.

Belongs here: writing and reading the staged Parquet file. Not here: how verdicts come about, where the file goes next.
Equal verdicts give equal bytes, so staging the same submission again gives the same name.
"""

import hashlib
import uuid
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import orjson

from hub_pipelines.common.ahead import taken_ahead
from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.columns import listed
from hub_pipelines.common.errors import Permanent
from hub_pipelines.common.files import sync
from hub_pipelines.validate.model import (
    PART_ROWS,
    AcceptedRow,
    AdjustingRow,
    Problem,
    RecordType,
    SupersededRow,
    Verdict,
)

if TYPE_CHECKING:
    import pyarrow

_ROW_GROUP = 20_000
_GROUPS_AHEAD = 2
_SUMMARY_KEY = "hub.summary"
_BLOCK = 1024 * 1024
_NO_PROBLEMS = "[]"
_COLUMNS = ["row_no", "verdict", "key", "values", "problems"]


def staged_path(folder: Path, digest: str) -> Path:
    """Where verdicts of this digest are."""
    return folder / f"{digest}.parquet"


class StagedFileChanged(Permanent):
    """The staged file is not the one that was written."""

    cause = "integrity"


@dataclass(frozen=True, slots=True)
class StagedHandle:
    digest: str
    path: Path
    summary: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StagedRow:
    """`values` is canonical JSON text, so that it can be hashed as it stands. `problems` includes warnings.

    A rejected row has no key; its `values` are those that are sound, if any (RejectedRow). A superseded one has none.
    Those of an adjusting one are AdjustingRow's.
    """

    row_no: int
    verdict: Literal["accepted", "rejected", "superseded", "adjusting"]
    key: str | None
    values: str | None
    problems: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class StagedChunk:
    """Some rows of a staged file, as they lie in it: by columns."""

    batch: "pyarrow.RecordBatch"

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    @property
    def superseded(self) -> int:
        """How many rows a newer message had made void."""
        from pyarrow import compute

        return int(compute.sum(compute.equal(self.batch["verdict"], "superseded")).as_py() or 0)

    @property
    def adjusts(self) -> bool:
        """Whether there is a row that adjusts a quantity."""
        from pyarrow import compute

        return bool(compute.any(compute.equal(self.batch["verdict"], "adjusting")).as_py())

    def accepted_columns(
        self, numbers: Collection[int] | None = None
    ) -> tuple["pyarrow.Array", "pyarrow.Array", "pyarrow.Array"]:
        """Row number, key and values of each accepted row, or of those among them that are told, as columns."""
        import pyarrow
        from pyarrow import compute

        wanted = self._is_accepted
        if numbers is not None:
            told = pyarrow.array(list(numbers), pyarrow.int64())
            wanted = compute.and_(wanted, compute.is_in(self.batch["row_no"], value_set=told))
        row_nos, keys, values = (self.batch[name].filter(wanted) for name in ("row_no", "key", "values"))
        if keys.null_count or values.null_count:
            raise ValueError("a row was staged as accepted without key or values")
        return row_nos, keys, values

    @property
    def accepted_count(self) -> int:
        from pyarrow import compute

        return int(compute.sum(self._is_accepted).as_py() or 0)

    def accepted_numbers(self) -> list[int]:
        """Row number of each accepted row."""
        return listed(self.batch["row_no"].filter(self._is_accepted))

    def accepted(self, numbers: Collection[int] | None = None) -> list[tuple[int, str, str]]:
        """Row number, key and values of each accepted row, or of those among them that are told."""
        return list(zip(*map(listed, self.accepted_columns(numbers)), strict=True))

    @property
    def _is_accepted(self) -> "pyarrow.BooleanArray":
        from pyarrow import compute

        return compute.equal(self.batch["verdict"], "accepted")

    def found(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Row number, position and content of each problem."""
        return _problems_in(self.batch)

    def rows(self) -> Iterator[StagedRow]:
        for row in self.batch.to_pylist():
            yield StagedRow(**{**row, "problems": orjson.loads(row["problems"])})


def _problems_in(batch: "pyarrow.RecordBatch") -> Iterator[tuple[int, int, dict[str, Any]]]:
    from pyarrow import compute

    told = compute.not_equal(batch["problems"], _NO_PROBLEMS)
    columns = (listed(batch[name].filter(told)) for name in ("row_no", "problems"))
    for row_no, problems in zip(*columns, strict=True):
        yield from ((row_no, position, one) for position, one in enumerate(orjson.loads(problems)))


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """So much of a staged file is in memory at once: at most so many rows, and about so many bytes of values."""

    rows: int = 20_000
    size_bytes: int = 16_000_000


class Staged(Protocol):
    """Staged rows in the order of their numbers, which can be read several times."""

    def chunks(self, limits: ChunkLimits) -> Iterator[StagedChunk]: ...

    def __len__(self) -> int:
        """All rows, whatever their verdict."""


@dataclass(frozen=True, slots=True)
class StagedFile:
    path: Path

    def __len__(self) -> int:
        import pyarrow.parquet

        return int(pyarrow.parquet.read_metadata(self.path).num_rows)

    def accepted_keys(self) -> dict[int, str]:
        """By row number the key of each accepted row; of files that fit into memory."""
        import pyarrow.parquet

        return accepted_keys(pyarrow.parquet.read_table(self.path, columns=["row_no", "verdict", "key"]))

    def rows_numbered(self, numbers: Collection[int]) -> Iterator[StagedRow]:
        """The rows that have one of these numbers as Excel shows them, on whichever sheet."""
        import numpy

        wanted = numpy.array(sorted(numbers), numpy.int64)
        for batch in self._batches(_COLUMNS):
            is_wanted = numpy.isin(batch["row_no"].to_numpy() % PART_ROWS, wanted)
            yield from StagedChunk(batch.filter(is_wanted)).rows()

    def rows_of_lines(self, lines: Collection[str], record: RecordType) -> dict[str, list[int]]:
        """By these lines, each told by the key of the first that is like it, the numbers of their accepted rows; of a
        list without such lines by keys."""
        first_of = record.lines.first_of if record.lines is not None else str
        found: dict[str, list[int]] = {}
        for batch in self._batches(["row_no", "key"]):
            for row_no, key in zip(*(batch[name].to_pylist() for name in ("row_no", "key")), strict=True):
                if key is not None and (line := first_of(key)) in lines:
                    found.setdefault(line, []).append(row_no)
        return found

    def _batches(self, columns: Sequence[str]) -> "Iterator[pyarrow.RecordBatch]":
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(self.path, pre_buffer=False) as file:
            yield from file.iter_batches(columns=columns)

    def chunks(self, limits: ChunkLimits) -> Iterator[StagedChunk]:
        import pyarrow.parquet

        # with buffers all of the file, packed, would be read before its first rows are needed
        with pyarrow.parquet.ParquetFile(self.path, pre_buffer=False) as file:
            batches = file.iter_batches(batch_size=limits.rows, columns=_COLUMNS)
            for batch in taken_ahead(batches, "staged"):
                yield from _within(batch, limits.size_bytes)


def accepted_keys(rows: "pyarrow.Table") -> dict[int, str]:
    """By row number the key of each accepted row of a staged table."""
    from pyarrow import compute

    accepted = rows.filter(compute.equal(rows["verdict"], "accepted"))
    numbers, keys = (accepted[name].to_numpy().tolist() for name in ("row_no", "key"))
    return dict(zip(numbers, keys, strict=True))


def _within(batch: "pyarrow.RecordBatch", size_bytes: int) -> Iterator[StagedChunk]:
    """A batch as one chunk, or in halves of halves where its rows are large."""
    if batch.num_rows > 1 and batch.nbytes > size_bytes:
        half = batch.num_rows // 2
        yield from _within(batch.slice(0, half), size_bytes)
        yield from _within(batch.slice(half), size_bytes)
        return
    yield StagedChunk(batch)


def row_of(verdict: Verdict) -> StagedRow:
    """A verdict as it is staged, without its problems."""
    if isinstance(verdict, AcceptedRow):
        return StagedRow(verdict.row_no, "accepted", verdict.key, canonical_text(verdict.values), [])
    if isinstance(verdict, AdjustingRow):
        return StagedRow(verdict.row_no, "adjusting", verdict.key, canonical_text(verdict.values), [])
    if isinstance(verdict, SupersededRow):
        return StagedRow(verdict.row_no, "superseded", verdict.key, None, [])
    sound = canonical_text(dict(verdict.sound)) if verdict.sound else None
    return StagedRow(verdict.row_no, "rejected", None, sound, [])


_PROBLEM = tuple(field.name for field in fields(Problem))


def problems_of(verdict: Verdict) -> tuple[Problem, ...]:
    return verdict.findings if isinstance(verdict, AcceptedRow) else verdict.problems


def problems_json(problems: Sequence[Problem]) -> str:
    return canonical_text([{name: getattr(one, name) for name in _PROBLEM} for one in problems]) if problems else "[]"


@dataclass(frozen=True, slots=True)
class StagedRows:
    """Rows as they are staged (`staged_schema`), and how often which rule was broken in them."""

    table: "pyarrow.Table"
    rules: Counter[str]


def stage(
    verdicts: Iterable[Verdict | StagedRows], directory: Path, summary_base: Mapping[str, object]
) -> StagedHandle:
    """Verdicts one by one or many at once, in order: equal ones give the same file."""
    writer = StagedWriter(directory)
    try:
        for some in verdicts:
            writer.add(some)
        return writer.finish(summary_base)
    finally:
        writer.discard()


def give_memory_back() -> None:
    """What Arrow keeps for later goes to whoever needs it: once a table is judged, the posting does."""
    import pyarrow

    pyarrow.default_memory_pool().release_unused()


class StagedWriter:
    """Writes verdicts as they come, in a thread of its own: packing them takes one processor while others are judged on
    another. `finish` gives the file its name; `discard` removes an unfinished one."""

    def __init__(self, directory: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        self._directory = directory
        self._temporary = directory / f".staging-{uuid.uuid4().hex}"
        self._schema = staged_schema()
        # keys and values hardly repeat: a dictionary of them costs time and room
        self._writer = pyarrow.parquet.ParquetWriter(
            self._temporary, self._schema, compression="zstd", use_dictionary=["verdict", "problems"]
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="staging")
        self._written: deque[Future[None]] = deque()
        self._rows: list[dict[str, object]] = []
        self._waiting = self._schema.empty_table()
        self._counts: Counter[str] = Counter()
        self._rules: Counter[str] = Counter()

    def add(self, some: Verdict | StagedRows) -> None:
        if isinstance(some, StagedRows):
            self._take(some)
            return
        row = row_of(some)
        problems = problems_of(some)
        told = {"row_no": row.row_no, "verdict": row.verdict, "key": row.key, "values": row.values}
        self._rows.append({**told, "problems": problems_json(problems)})
        self._rules.update(problem.rule for problem in problems)
        if len(self._rows) == _ROW_GROUP:
            self._take_single()

    def _take_single(self) -> None:
        import pyarrow

        rows, self._rows = self._rows, []
        self._take(StagedRows(pyarrow.Table.from_pylist(rows, schema=self._schema), Counter()))

    def _take(self, some: StagedRows) -> None:
        import pyarrow

        self._rules.update(some.rules)
        self._waiting = pyarrow.concat_tables([self._waiting, some.table])
        while self._waiting.num_rows >= _ROW_GROUP:
            self._write(self._waiting.slice(0, _ROW_GROUP))
            self._waiting = self._waiting.slice(_ROW_GROUP)

    def _write(self, rows: "pyarrow.Table", *, alone: bool = False) -> None:
        """`alone`: there are no others, before or after, beside which they could be packed."""
        from pyarrow import compute

        for verdict in compute.value_counts(rows["verdict"]).to_pylist():
            self._counts[verdict["values"]] += verdict["counts"]
        while len(self._written) > _GROUPS_AHEAD:
            self._written.popleft().result()
        if alone:
            self._writer.write_table(rows.combine_chunks())
            return
        # in one piece, so that the bytes do not tell how the rows came
        self._written.append(self._thread.submit(lambda: self._writer.write_table(rows.combine_chunks())))

    def finish(self, summary_base: Mapping[str, object]) -> StagedHandle:
        self._take_single()
        if self._waiting.num_rows:
            self._write(self._waiting, alone=not self._written)
        while self._written:
            self._written.popleft().result()
        summary: dict[str, Any] = {
            **summary_base,
            "received": self._counts.total(),
            "accepted": self._counts["accepted"] + self._counts["adjusting"],
            "rejected": self._counts["rejected"],
            **({"superseded": superseded} if (superseded := self._counts["superseded"]) else {}),
            "rules": dict(sorted(self._rules.items())),
        }
        self._writer.add_key_value_metadata({_SUMMARY_KEY: canonical_text(summary)})
        self._writer.close()
        sync(self._temporary)
        digest = _digest(self._temporary)
        path = staged_path(self._directory, digest)
        self._temporary.rename(path)
        sync(self._directory)
        return StagedHandle(digest, path, summary)

    def discard(self) -> None:
        self._thread.shutdown()
        self._writer.close()
        self._temporary.unlink(missing_ok=True)


def staged_schema() -> "pyarrow.Schema":
    import pyarrow

    return pyarrow.schema(
        [
            pyarrow.field("row_no", pyarrow.int64(), nullable=False),
            pyarrow.field("verdict", pyarrow.string(), nullable=False),
            pyarrow.field("key", pyarrow.string()),
            pyarrow.field("values", pyarrow.string()),
            pyarrow.field("problems", pyarrow.string(), nullable=False),
        ]
    )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def problems_in(path: Path) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Row number, position and content of each problem in a staged file; nothing else of it is read."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["row_no", "problems"]):
            yield from _problems_in(batch)


def read_staged(path: Path, *, digest: str | None = None) -> tuple[dict[str, Any], Iterator[StagedRow]]:
    """The summary and the rows, one row group in memory at a time. With `digest`, the bytes are compared first."""
    import pyarrow.parquet

    if digest is not None and _digest(path) != digest:
        raise StagedFileChanged(
            f"The staged file {path.name} has changed since it was written.", "Validate the submission again."
        )
    with pyarrow.parquet.ParquetFile(path) as file:
        summary: dict[str, Any] = orjson.loads(file.metadata.metadata[_SUMMARY_KEY.encode()])
    return summary, _rows(path)


def _rows(path: Path) -> Iterator[StagedRow]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            for row in file.read_row_group(group).to_pylist():
                yield StagedRow(**{**row, "problems": orjson.loads(row["problems"])})
