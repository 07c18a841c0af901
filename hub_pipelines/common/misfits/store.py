"""Values in the hub's tables that it never writes: whoever changes a table by hand need not leave a text a text.

SQLite keeps whatever it is given in any column, and in both databases a document is a text. Code that reads such a
value fails in its own way; a verification says first where it stands. Not here: whether values that can be read are the
ones that were written (evidence.py).
"""

import json
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Boolean, Column, Date, Integer, String, Table, Text, select, type_coerce

from hub_pipelines.common.store import JsonText, Transaction, UtcDateTime, metadata

_AT_ONCE = 2_000
_DAY = "date(substr({0}, 1, 10)) = substr({0}, 1, 10) AND {0} >= '0001'"
_TIME = "{0} GLOB '??????????T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]." + 6 * "[0-9]" + "Z' AND substr({0}, 12, 2) < '24'"
"""SQLite's own functions round to milliseconds, and into the next day."""
_FITS: dict[type, str] = {
    JsonText: "typeof({0}) = 'text' AND json_valid({0}) AND instr({0}, char(0)) = 0",
    UtcDateTime: f"typeof({{0}}) = 'text' AND {_DAY} AND {_TIME}",
    Date: f"typeof({{0}}) = 'text' AND length({{0}}) = 10 AND {_DAY}",
    Boolean: "typeof({0}) = 'integer'",
    Integer: "typeof({0}) = 'integer'",
    Text: "typeof({0}) = 'text'",
    String: "typeof({0}) = 'text'",
}
"""When SQLite's value is one of a column's type. The first type that fits counts."""


def first_misfit(tx: Transaction, *, besides: Collection[str] = ()) -> str | None:
    """The first value that can't be read as what its column holds, in any table but those `besides`: where it stands.
    None where there is none. Reads all tables."""
    look = _look_on_postgres if tx.dialect.name == "postgresql" else _look_on_sqlite
    found = (look(tx, table) for table in metadata.sorted_tables if table.name not in besides)
    return next((one for one in found if one), None)


def _look_on_sqlite(tx: Transaction, table: Table) -> str | None:
    wrong = [f"WHEN \"{one.name}\" IS NOT NULL AND ({_fits(one)}) IS NOT TRUE THEN '{one.name}'" for one in table.c]
    keys = ", ".join(f'"{one.name}"' for one in table.primary_key)
    found = f'SELECT {keys}, CASE {" ".join(wrong)} END AS wrong FROM "{table.name}"'
    row = tx.exec_driver_sql(f"SELECT * FROM ({found}) WHERE wrong IS NOT NULL LIMIT 1").first()
    return _told(table, row[:-1], row[-1]) if row else None


def _fits(column: Column[Any]) -> str:
    condition = next(told for kind, told in _FITS.items() if isinstance(column.type, kind))
    return condition.format(f'"{column.name}"')


def _look_on_postgres(tx: Transaction, table: Table) -> str | None:
    """Only a document can be something else there."""
    documents = [one for one in table.c if isinstance(one.type, JsonText)]
    keys = list(table.primary_key)
    for row in _rows(tx, table, documents) if documents else ():
        for column, text in zip(documents, row[len(keys) :], strict=True):
            if text is not None and not _is_document(text):
                return _told(table, row[: len(keys)], column.name)
    return None


def _rows(tx: Transaction, table: Table, documents: list[Column[Any]]) -> Iterator[Any]:
    query = select(*table.primary_key, *(type_coerce(one, String) for one in documents))
    return iter(tx.execute(query, execution_options={"yield_per": _AT_ONCE}))


def _is_document(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _told(table: Table, key: Collection[Any], column: str) -> str:
    return f"{table.name} {', '.join(map(str, key))}: its {column} is nothing that the hub writes"
