"""The least that a posting with journal and reasons takes: by hand, for this one contract and this one format.

Belongs here: an importer with an archived copy, every fault with its column and value, the registry, a journal with a
digest of each entry, a root over all of them and a ledger, in one commit; checks as expressions of Polars, which work
in all threads without the interpreter. Nothing of what makes the hub: no other format, language or unit, no evidence
how a column is written, no comparing with an earlier list, no lease, no chain, no receipt, no memory limit. How long it
takes beside `limit` tells what of the hub's time is its own, and what anybody's would be.
"""

import hashlib
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub_pipelines_tests.bench.bulk.data import CATEGORIES, COLUMNS, UNITS

if TYPE_CHECKING:
    import polars

_AMOUNT = r"^[0-9]{1,11}(\.[0-9]{1,3})?$"
_COST = r"^[0-9]{1,12}(\.[0-9]{1,2})?$"
_EMAIL = r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$"
_HAZARDS = r"^(H[0-9]{3}[A-Za-z]*(;H[0-9]{3}[A-Za-z]*)*)?$"
_CAS = r"^[0-9]{2,7}-[0-9]{2}-[0-9]$"
_TABLES = {
    "rejection": "row_no integer, column_name text, value text",
    "journal": 'row_no integer, key text, "values" text, digest text',
    "items": "key text primary key, row_no integer, digest text",
    "posting": "root text, entries integer",
}


def journal_by_hand(source: Path, registry: Path, url: str) -> list[tuple[int, str]]:
    """The faults: data row, counted from 1, and column."""
    import polars as pl

    kept = Path(os.environ["BENCH_FOLDER"]) / "kept"
    _archive(source, kept)
    rows = pl.read_csv(
        kept, infer_schema=False, empty_string_is_null=False, row_index_name="row_no", row_index_offset=1
    )
    known = pl.read_csv(registry, infer_schema=False).select("asset_tag", known=True)
    rows = rows.join(known, on="asset_tag", how="left", maintain_order="left")
    del known
    told = rows.select(_is_bad(pl, name).fill_null(value=True).alias(name) for name in COLUMNS)
    sound = rows.filter(~told.select(pl.any_horizontal(COLUMNS)).to_series())
    sound = sound.unique("asset_tag", keep="first", maintain_order=True)
    taken = rows.join(sound.select("asset_tag", taken_by="row_no"), on="asset_tag", how="left", maintain_order="left")
    repeats = (taken["taken_by"] < taken["row_no"]).fill_null(value=False)
    faults = _faults(rows, told.with_columns(pl.col("asset_tag") | repeats))
    entries = sound.select("row_no", key="asset_tag", values=pl.struct(COLUMNS).struct.json_encode())
    digests = pl.Series([hashlib.sha256(values.encode()).hexdigest() for values in entries["values"]])
    entries = entries.with_columns(digest=digests)
    root = hashlib.sha256("".join(digests).encode()).hexdigest()
    _post(
        url,
        {
            "rejection": faults,
            "journal": entries,
            "items": entries.select("key", "row_no", "digest").sort("key"),
            "posting": pl.DataFrame({"root": [root], "entries": [len(entries)]}),
        },
    )
    return [(int(row_no), str(column)) for row_no, column, _ in faults.iter_rows()]


def _archive(source: Path, kept: Path) -> None:
    shutil.copyfile(source, kept)
    with kept.open("rb") as file:
        hashlib.file_digest(file, "sha256")
        os.fsync(file.fileno())


def _is_bad(pl: Any, name: str) -> "polars.Expr":
    column = pl.col(name)
    match name:
        case "asset_tag":
            return pl.col("known").is_null()
        case "category":
            return ~column.is_in(CATEGORIES)
        case "unit":
            return ~column.is_in(UNITS)
        case "cas_number":
            return (column != "") & (~column.str.contains(_CAS) | (_check_digit(pl, column) != column.str.slice(-1)))
        case "quantity":
            return ~column.str.contains(_AMOUNT)
        case "unit_cost":
            return ~column.str.contains(_COST)
        case "responsible_email":
            return ~column.str.contains(_EMAIL)
        case "acquired_on":
            return column.str.to_date("%Y-%m-%d", strict=False).is_null()
        case "po_number":
            return ~column.str.contains(r"^PO-[0-9]{6}$")
        case "hazard_codes":
            return ~column.str.contains(_HAZARDS)
        case _:
            return (column == "") | (column.str.len_chars() > 500)


def _check_digit(pl: Any, column: "polars.Expr") -> "polars.Expr":
    digits = column.str.replace_all("-", "").str.pad_start(10, "0")
    place = (digits.str.slice(at, 1).cast(pl.Int32, strict=False) * (9 - at) for at in range(9))
    return (pl.sum_horizontal(*place) % 10).cast(pl.String)


def _faults(rows: "polars.DataFrame", told: "polars.DataFrame") -> "polars.DataFrame":
    import polars as pl

    of_columns = (rows.filter(told[name]).select("row_no", column_name=pl.lit(name), value=name) for name in COLUMNS)
    return pl.concat(of_columns).sort("row_no")


def _post(url: str, tables: dict[str, "polars.DataFrame"]) -> None:
    if not url.startswith("postgresql"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as plain:
            for setting in ("journal_mode=wal", "synchronous=full", "cache_size=-65536", "temp_store=file"):
                plain.execute(f"pragma {setting}")
            plain.execute("begin immediate")
            for name, rows in tables.items():
                plain.execute(f"create table {name} ({_TABLES[name]})")
                plain.executemany(f"insert into {name} values ({','.join('?' * rows.width)})", rows.iter_rows())
            plain.execute("commit")
        return
    import psycopg

    with psycopg.connect(url) as connection:
        for name, rows in tables.items():
            connection.execute(f"create table {name} ({_TABLES[name]})".encode())
            with connection.cursor().copy(f"copy {name} from stdin (format csv)".encode()) as target:
                for some in rows.iter_slices(100_000):
                    target.write(some.write_csv(include_header=False, quote_style="non_numeric").encode())
