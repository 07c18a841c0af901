"""What the hub is compared with: `python -m hub_pipelines_tests.bench.bulk.peers NAME CSV REGISTRY URL REJECTS`.

Belongs here: importers of the same file into one table, as most would write them, and the load without any check.
None but `journal by hand` (by_hand.py) keeps a journal or a copy, none an audit chain or a receipt; none but `limit`
takes a bad row.
"""

import csv
import json
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, EmailStr, Field, StringConstraints, ValidationError

from hub_pipelines_tests.bench.bulk.by_hand import journal_by_hand
from hub_pipelines_tests.bench.bulk.data import CATEGORIES, COLUMNS, UNITS

_CHUNK = 10_000
_CAS = re.compile(r"[0-9]{2,7}-[0-9]{2}-[0-9]")
_UPDATE = ", ".join(f"{name}=excluded.{name}" for name in COLUMNS[1:])
_UPSERT = f" on conflict (asset_tag) do update set {_UPDATE}"
_TYPED = {"quantity": "numeric(14,3)", "unit_cost": "numeric(14,2)", "acquired_on": "date"}


def main() -> None:
    name, source, registry, url, rejects = sys.argv[1:]
    found = PEERS[name](Path(source), Path(registry), url)
    with Path(rejects).open("w", encoding="utf-8") as file:
        json.dump(sorted(found), file)


def limit(source: Path, registry: Path, url: str) -> list[tuple[int, str]]:
    """The file as it is into a table of texts, the last of repeated tags wins: no check, no registry."""
    del registry
    names = ",".join(COLUMNS)
    texts = ",".join(f"{name} text{' primary key' if name == 'asset_tag' else ''}" for name in COLUMNS)
    if not url.startswith("postgresql"):
        with _sqlite(url) as plain, source.open(newline="", encoding="utf-8") as file:
            plain.execute(f"create table items ({texts})")
            plain.execute("begin")
            rows = csv.reader(file)
            next(rows)
            plain.executemany(f"insert into items values ({','.join('?' * len(COLUMNS))}){_UPSERT}", rows)
            plain.execute("commit")
        return []
    import psycopg

    with psycopg.connect(url) as connection, source.open("rb") as raw:
        connection.execute(f"create table items ({texts})".encode())
        connection.execute(b"create temp table sent (row bigint generated always as identity)")
        for name in COLUMNS:
            connection.execute(f"alter table sent add {name} text".encode())
        copy = f"copy sent ({names}) from stdin (format csv, header, force_not_null (asset_tag))".encode()
        with connection.cursor().copy(copy) as target:
            while block := raw.read(1 << 20):
                target.write(block)
        connection.execute("set work_mem = '256MB'")
        newest = f"select distinct on (asset_tag) {names} from sent order by asset_tag, row desc"
        connection.execute(f"insert into items {newest}{_UPSERT}".encode())
    return []


def pandas_pydantic(source: Path, registry: Path, url: str) -> list[tuple[int, str]]:
    """Chunks by pandas, a model for each row, SQLAlchemy's executemany: what most teams write."""
    import pandas
    from sqlalchemy import Column, Date, MetaData, Numeric, String, Table, create_engine, event
    from sqlalchemy.dialects import postgresql, sqlite

    plain = not url.startswith("postgresql")
    engine = create_engine(url if plain else url.replace("postgresql://", "postgresql+psycopg://"))
    if plain:
        event.listen(engine, "connect", lambda connection, _: connection.execute("pragma journal_mode=wal"))
    kinds: dict[str, Any] = {} if plain else {"quantity": Numeric, "unit_cost": Numeric, "acquired_on": Date}
    names = (*COLUMNS, "campus")
    items = Table(
        "items",
        MetaData(),
        *(Column(name, kinds.get(name, String), primary_key=name == "asset_tag") for name in names),
    )
    items.metadata.create_all(engine)
    insert = (sqlite.insert if plain else postgresql.insert)(items)
    upsert = insert.on_conflict_do_update(
        index_elements=["asset_tag"], set_={name: insert.excluded[name] for name in names[1:]}
    )
    known = pandas.read_csv(registry, dtype=str)
    rows = _Checked(dict(zip(known.asset_tag.tolist(), known.campus.tolist(), strict=True)))
    for chunk in pandas.read_csv(source, chunksize=_CHUNK, dtype=str, keep_default_na=False):
        good = list(rows.good(chunk.to_dict("records")))
        if plain:
            good = [{name: None if value is None else str(value) for name, value in one.items()} for one in good]
        with engine.begin() as connection:
            connection.execute(upsert, good)
    return rows.defects


def dlt_merge(source: Path, registry: Path, url: str) -> list[tuple[int, str]]:
    """dlt with the same model in its resource, merged by upsert. Its own contract would not tell why a row is bad."""
    import dlt
    from dlt.destinations import postgres
    from sqlalchemy import make_url

    os.environ.update(
        RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="ERROR", DATA_WRITER__BUFFER_MAX_ITEMS="10000",
        NORMALIZE__WORKERS="2", NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS="100000", NORMALIZE__LOADER_FILE_FORMAT="csv",
    )  # fmt: skip
    with registry.open(newline="", encoding="utf-8") as file:
        rows = _Checked({line["asset_tag"]: line["campus"] for line in csv.DictReader(file)})
    kinds: Any = {
        "quantity": {"data_type": "decimal", "precision": 14, "scale": 3},
        "unit_cost": {"data_type": "decimal", "precision": 14, "scale": 2},
        "acquired_on": {"data_type": "date"},
    }

    def items() -> Iterator[list[dict[str, Any]]]:
        with source.open(newline="", encoding="utf-8") as file:
            sent = csv.DictReader(file)
            while chunk := list(islice(sent, _CHUNK)):
                yield list(rows.good(chunk))

    merged = dlt.resource(
        items,
        name="items",
        primary_key="asset_tag",
        write_disposition={"disposition": "merge", "strategy": "upsert"},
        columns=kinds,
    )
    where = Path(os.environ["BENCH_FOLDER"]) / "dlt"
    server = make_url(url)
    # of a server that is reached by a socket, its folder, as part of an address
    place = quote(str(server.query.get("host", server.host)), safe="")
    credentials = {"host": place, "port": server.port or 5432, "database": server.database}
    credentials |= {"username": server.username, "password": server.password or "none"}
    dlt.pipeline("bench", destination=postgres(credentials), dataset_name="peer", pipelines_dir=str(where)).run(merged)
    return rows.defects


PEERS: dict[str, Callable[[Path, Path, str], list[tuple[int, str]]]] = {
    "limit": limit,
    "journal by hand": journal_by_hand,
    "pandas + pydantic + SQLAlchemy": pandas_pydantic,
    "dlt": dlt_merge,
}


def _sqlite(url: str) -> sqlite3.Connection:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for setting in ("journal_mode=wal", "synchronous=full", "cache_size=-65536", "temp_store=file"):
        connection.execute(f"pragma {setting}")
    return connection


def _check_digit(text: str) -> str:
    if text:
        if not _CAS.fullmatch(text):
            raise ValueError("no CAS number")
        digits = text.replace("-", "")
        if sum(place * int(digit) for place, digit in enumerate(reversed(digits[:-1]), 1)) % 10 != int(digits[-1]):
            raise ValueError("check digit")
    return text


_Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class _Item(BaseModel):
    asset_tag: _Text
    item_name: _Text
    category: Literal[CATEGORIES]  # type: ignore[valid-type]  # the choices are data
    cas_number: Annotated[str, AfterValidator(_check_digit)]
    quantity: Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=3)]
    unit: Literal[UNITS]  # type: ignore[valid-type]
    location: _Text
    responsible_email: EmailStr
    acquired_on: date
    unit_cost: Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2)]
    po_number: Annotated[str, StringConstraints(pattern=r"^PO-[0-9]{6}$")]
    hazard_codes: Annotated[str, StringConstraints(pattern=r"^(H[0-9]{3}[A-Za-z]*(;H[0-9]{3}[A-Za-z]*)*)?$")]


class _Checked:
    """Rows against model and registry; a row with another defect does not take its tag."""

    def __init__(self, registry: dict[str, str]) -> None:
        self.defects: list[tuple[int, str]] = []
        self._registry = registry
        self._taken: set[str] = set()
        self._row_no = 0

    def good(self, rows: list[dict[Any, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            self._row_no += 1
            bad: set[str] = set()
            try:
                item = _Item.model_validate(row)
            except ValidationError as error:
                bad = {str(one["loc"][-1]) for one in error.errors(include_url=False)}
            tag = row["asset_tag"]
            if tag and (tag not in self._registry or tag in self._taken):
                bad.add("asset_tag")
            if bad:
                self.defects += [(self._row_no, column) for column in bad]
            else:
                self._taken.add(tag)
                yield {**item.model_dump(), "campus": self._registry[tag]}


if __name__ == "__main__":
    main()
