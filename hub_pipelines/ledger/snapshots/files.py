"""Snapshots as Parquet files, and DuckDB over them.

Belongs here: how entries become columns, and reading them back. Not here: which entries, what is published.
Equal entries give equal bytes under one version of the Parquet library; the content digest, which is over the
entries themselves, stays equal under any. Columns of the contract are typed after their shapes; the journal's own
begin with `hub_`, since contracts may use any other name. `hub_values` is the whole row as it was posted, the sender's
own columns and those of earlier contract versions included.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hub_pipelines.ledger.digests import entry_digests
from hub_pipelines.ledger.model import LedgerRow
from hub_pipelines.ledger.snapshots.model import Draft, NotInShape
from hub_pipelines.validate.expectations.entries import JOURNAL_COLUMNS, Entries, frame_column
from hub_pipelines.validate.model import RecordType, Shape

if TYPE_CHECKING:
    import pandas
    import pyarrow

_ROW_GROUP = 20_000
_SHOWN_CHARACTERS = 80
_KINDS = {
    "text": "text",
    "integer": "a whole number",
    "decimal": "a number that its column can hold",
    "date": "a date",
}
_HUB_COLUMNS = (
    "key",
    "version",
    "row_no",
    "operation",
    "request_id",
    "revision",
    "campus",
    "ledger_date",
    "contract_version",
    "posted_at",
    "digest",
    "values",
)


def path_of(folder: Path, record_type: str, campus: str, day: date) -> Path:
    return folder / record_type / campus / f"{day.isoformat()}.parquet"


def write(entries: Iterable[Mapping[str, Any]], record: RecordType, path: Path) -> Draft:
    """Write journal entries, in their order, to `path`. Raises NotInShape when one has not its contract's."""
    import pyarrow.parquet

    shapes = record.shapes
    schema = _schema(shapes)
    digest = hashlib.sha256()
    count = 0
    source = iter(entries)
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd", compression_level=3) as writer:
        while chunk := list(islice(source, _ROW_GROUP)):
            for one in entry_digests(chunk):
                digest.update(one)
            writer.write_table(_table(chunk, shapes, schema))
            count += len(chunk)
    return Draft(path, count, digest.hexdigest(), _file_digest(path))


def is_written_from(path: Path, entries: Iterable[Mapping[str, Any]], record: RecordType) -> bool:
    """Whether a snapshot has these entries of its campus-day up to some version, byte for byte."""
    import pyarrow.parquet

    try:
        versions = pyarrow.parquet.ParquetFile(path).read(columns=["hub_version"]).column(0).to_pylist()
        newest = max(versions, default=0)
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, IndexError):
        return False
    with TemporaryDirectory() as folder:
        again = write((one for one in entries if one["version"] <= newest), record, Path(folder) / path.name)
    return again.file_digest == _file_digest(path)


def digest_of(path: Path) -> str | None:
    """Of a file as it is now; None when it is missing."""
    try:
        return _file_digest(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _schema(shapes: Mapping[str, Shape]) -> "pyarrow.Schema":
    import pyarrow

    own = {
        "version": pyarrow.int64(),
        "row_no": pyarrow.int64(),
        "revision": pyarrow.int64(),
        "ledger_date": pyarrow.date32(),
        "contract_version": pyarrow.int64(),
        "posted_at": pyarrow.timestamp("us", "UTC"),
    }
    fields = [pyarrow.field(f"hub_{name}", own.get(name, pyarrow.string()), nullable=False) for name in _HUB_COLUMNS]
    fields += [pyarrow.field(name, _type(shape)) for name, shape in shapes.items()]
    return pyarrow.schema(fields)


def _type(shape: Shape) -> "pyarrow.DataType":
    import pyarrow

    if shape.kind == "decimal":
        return pyarrow.decimal128(18, shape.scale)
    return {"text": pyarrow.string(), "integer": pyarrow.int64(), "date": pyarrow.date32()}[shape.kind]


def _table(
    entries: Sequence[Mapping[str, Any]], shapes: Mapping[str, Shape], schema: "pyarrow.Schema"
) -> "pyarrow.Table":
    import pyarrow

    own = {f"hub_{name}": [entry[name] for entry in entries] for name in _HUB_COLUMNS}
    typed = _all_typed(own["hub_values"], shapes, schema) or _each_typed(entries, shapes, schema)
    arrays = [
        typed[field.name] if field.name in typed else pyarrow.array(own[field.name], field.type) for field in schema
    ]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _all_typed(
    values: Sequence[str], shapes: Mapping[str, Shape], schema: "pyarrow.Schema"
) -> "Mapping[str, pyarrow.Array] | None":
    """The contract's columns by Arrow's reader of JSON lines, in a tenth of the time. None where one is not as it
    should be: which one and why is found entry by entry."""
    import pyarrow
    from pyarrow import json as json_lines

    lines = "\n".join(values).encode("utf-8")
    # one object for each line, so that no entry gets the columns of another
    if lines.count(b"\n") != len(values) - 1 or not all(one.startswith("{") for one in values):
        return None
    options = json_lines.ParseOptions(
        explicit_schema=pyarrow.schema([(name, pyarrow.string()) for name in shapes]),
        unexpected_field_behavior="ignore",
    )
    whole = json_lines.ReadOptions(use_threads=False, block_size=len(lines) + 1)
    try:
        table = json_lines.read_json(pyarrow.BufferReader(lines), whole, options)
        if len(table) != len(values):
            return None
        return {name: table[name].combine_chunks().cast(schema.field(name).type) for name in shapes}
    except (pyarrow.ArrowException, ValueError, OverflowError):
        return None


def _each_typed(
    entries: Sequence[Mapping[str, Any]], shapes: Mapping[str, Shape], schema: "pyarrow.Schema"
) -> "Mapping[str, pyarrow.Array]":
    """The contract's columns. Raises NotInShape."""
    values = [_values_of(entry) for entry in entries]
    return {
        name: _typed([one.get(name) for one in values], name, shape, schema.field(name).type, entries)
        for name, shape in shapes.items()
    }


def _values_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    try:
        values = json.loads(entry["values"])
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise NotInShape(None, _shown(entry["values"]), entry["key"], "The row is a JSON object")
    return values


def _typed(
    cells: Sequence[Any], column: str, shape: Shape, kind: "pyarrow.DataType", entries: Sequence[Mapping[str, Any]]
) -> "pyarrow.Array":
    import pyarrow

    def convert(some: Sequence[Any]) -> "pyarrow.Array":
        return pyarrow.array(some, pyarrow.string()).cast(kind)

    try:
        return convert(cells)
    except (pyarrow.ArrowException, ValueError):
        for cell, entry in zip(cells, entries, strict=True):
            try:
                convert([cell])
            except (pyarrow.ArrowException, ValueError) as error:
                promise = f'"{column.replace("_", " ")}" is {_KINDS[shape.kind]}'
                raise NotInShape(column, _shown(cell), entry["key"], promise) from error
        raise


def _shown(value: object) -> str:
    return str(value)[:_SHOWN_CHARACTERS]


def entries_in(path: Path, record: RecordType) -> Entries:
    """A snapshot's entries under the names by which the expectations know their columns."""
    import pyarrow.parquet

    names = {frame_column(name): name for name in record.columns} | {name: f"hub_{name}" for name in JOURNAL_COLUMNS}
    known = {own: name for name, own in names.items()}

    def columns(wanted: Sequence[str], rows: slice) -> "pandas.DataFrame":
        table = pyarrow.parquet.read_table(path, columns=[names[one] for one in wanted])[rows]
        found: pandas.DataFrame = table.rename_columns([known[one] for one in table.column_names]).to_pandas()
        return found

    return Entries(pyarrow.parquet.read_metadata(path).num_rows, names, columns)


def different(path: Path, column: str) -> "pyarrow.Array":
    """Each value of a column of text once, without empty cells."""
    import pyarrow.parquet

    found: pyarrow.Array = pyarrow.parquet.read_table(path, columns=[column])[column].unique().drop_null()
    return found


def count_rows(path: Path) -> int:
    """Rows of a snapshot, counted by DuckDB: another reader than the one that wrote them."""
    import duckdb

    with duckdb.connect() as connection:
        row = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchone()
    return int(row[0]) if row else 0


def state(paths: Sequence[Path]) -> Iterator[LedgerRow]:
    """The newest entry of each item in these snapshots of one ledger, in the order of the keys, streamed; without the
    lines that others have replaced."""
    import duckdb

    if not paths:
        return
    query = """
        SELECT hub_key, hub_values, hub_request_id, epoch_us(hub_posted_at) FROM (
            SELECT * FROM read_parquet(?, union_by_name = true)
            QUALIFY row_number() OVER (PARTITION BY hub_key ORDER BY hub_version DESC, hub_row_no DESC) = 1
        )
        WHERE hub_operation <> 'replaced'
        ORDER BY hub_key
    """
    with duckdb.connect() as connection:
        answer = connection.execute(query, [[str(path) for path in paths]])
        while rows := answer.fetchmany(5_000):
            for key, values, request_id, posted_us in rows:
                posted_at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=posted_us)
                yield LedgerRow(key, json.loads(values), request_id, posted_at)
