"""Many rows at once: how they come into tables and out of them, and how the database goes about it.

Belongs here: what a posting of a million rows needs of either database. Not here: single statements and transactions
(common/store.py), any table.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, Select, Table

from hub_pipelines.common.clock import iso
from hub_pipelines.common.columns import copied, copied_values, listed
from hub_pipelines.common.errors import Transient
from hub_pipelines.common.store import Database, Transaction, by_driver

if TYPE_CHECKING:
    import pyarrow

_COUNTED = {"preserve_rowcount": True}
_ROWS_A_STATEMENT = 100
"""With at most nine columns SQLite takes so many before 3.32, too."""


def moment_as_written(tx: Transaction) -> Callable[[datetime], object]:
    """How a moment is given to `insert_many` and `upsert_many`, where nobody looks at a column's type."""
    return (lambda moment: moment) if tx.dialect.name == "postgresql" else iso


def insert_many(
    tx: Transaction,
    table: Table,
    columns: Sequence[str],
    rows: Iterable[tuple[Any, ...]],
    *,
    of_all: Mapping[str, str | int] | None = None,
) -> None:
    """Insert text and integers as fast as the database takes them: by COPY on PostgreSQL, by one prepared statement on
    SQLite. `of_all` are the columns that have the same value in all rows, which SQLite then takes but once.

    Rows that are made as they are asked for are made while the server takes those before them. A COPY must not wait for
    anything else (end_stalled_copies). Raises Transient when the connection breaks.
    """
    same = of_all or {}
    source = iter(rows)
    first = next(source, None)
    if first is None:
        return
    source = chain([first], source)
    names = ", ".join(f'"{name}"' for name in (*same, *columns))
    if tx.dialect.name != "postgresql":
        values = ", ".join([*map(_literal, same.values()), *("?" * len(columns))])
        tx.exec_driver_sql(f'INSERT INTO "{table.name}" ({names}) VALUES ({values})', list(source))
        return
    front = tuple(same.values())
    with _copying(tx, f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
        for row in source:
            copy.write_row(front + row)


def insert_columns(
    tx: Transaction,
    table: Table,
    columns: Sequence[str],
    batches: Iterable[Sequence["pyarrow.Array"]],
    *,
    of_all: Mapping[str, str | int | None],
) -> None:
    """Insert rows that stand in columns of text and integers, some at a time: as `insert_many` does, but on SQLite by
    statements of many rows. Columns without nulls are the faster ones; `of_all` are those that have the same value in
    all rows.

    Batches that are made as they are asked for are made while the server takes those before them. Raises Transient when
    the connection breaks.
    """
    names = ", ".join(f'"{name}"' for name in (*of_all, *columns))
    if tx.dialect.name != "postgresql":
        row = ", ".join([*map(_literal, of_all.values()), *("?" * len(columns))])
        with by_driver(tx) as connection:
            for batch in batches:
                _insert_rows(connection, f'INSERT INTO "{table.name}" ({names}) VALUES', f"({row})", batch)
        return
    before = copied_values(list(of_all.values()))
    with _copying(tx, f'COPY "{table.name}" ({names}) FROM STDIN', beside=True) as copy:
        for batch in batches:
            copy.write(copied(batch, before))


def _insert_rows(connection: Any, statement: str, row: str, columns: Sequence["pyarrow.Array"]) -> None:
    """SQLite's driver gives the interpreter's lock away for each statement, and gets it back late where another thread
    works: so a statement has many rows."""
    at_once = _ROWS_A_STATEMENT * len(columns)
    cells: list[Any] = [None] * (len(columns) * len(columns[0]))
    for at, column in enumerate(columns):
        cells[at :: len(columns)] = listed(column)
    whole = len(cells) - len(cells) % at_once
    many = (cells[at : at + at_once] for at in range(0, whole, at_once))
    connection.executemany(f"{statement} {', '.join([row] * _ROWS_A_STATEMENT)}", many)
    if whole < len(cells):
        rest = (len(cells) - whole) // len(columns)
        connection.execute(f"{statement} {', '.join([row] * rest)}", cells[whole:])


def upsert_many(
    tx: Transaction, table: Table, columns: Sequence[str], rows: Iterable[tuple[Any, ...]], *, keys: Sequence[str]
) -> None:
    """INSERT … ON CONFLICT (keys) DO UPDATE of the other columns, of many rows. Values as the driver takes them."""
    names = ", ".join(f'"{name}"' for name in columns)
    taken = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in keys)
    rest = f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {taken}"
    if tx.dialect.name != "postgresql":
        marks = ", ".join("?" * len(columns))
        tx.exec_driver_sql(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}) {rest}', list(rows))
        return
    coming = Table(f"coming_{table.name}", MetaData())
    tx.exec_driver_sql(f'CREATE TEMPORARY TABLE "{coming.name}" (LIKE "{table.name}") ON COMMIT DROP')
    insert_many(tx, coming, columns, rows)
    tx.exec_driver_sql(f'INSERT INTO "{table.name}" ({names}) SELECT {names} FROM "{coming.name}" {rest}')
    tx.exec_driver_sql(f'DROP TABLE "{coming.name}"')


def insert_from(tx: Transaction, table: Table, chosen: Select[Any]) -> int:
    """INSERT … SELECT; all happens in the database. How many rows that were."""
    names = [column.name for column in chosen.selected_columns]
    return tx.execute(table.insert().from_select(names, chosen), execution_options=_COUNTED).rowcount


def update_from(tx: Transaction, table: Table, chosen: Select[Any], *, keys: list[str], update: list[str]) -> int:
    """UPDATE … FROM: rows of equal keys take the named columns, in the database. How many rows that were."""
    source = chosen.subquery()
    same = (table.c[name] == source.c[name] for name in keys)
    values = {name: source.c[name] for name in update}
    return tx.execute(table.update().where(*same).values(values), execution_options=_COUNTED).rowcount


def many_rows(tx: Transaction, query: Select[Any], at_once: int) -> Iterator[list[tuple[Any, ...]]]:
    """What a query of text and integers finds, so many rows at a time, as the database's driver has them: making its
    own rows of a million takes SQLAlchemy as long as the database takes to find them."""
    statement = str(query.compile(dialect=tx.dialect, compile_kwargs={"literal_binds": True}))
    name = ("many_rows",) if tx.dialect.name == "postgresql" else ()
    with by_driver(tx) as connection, closing(connection.cursor(*name)) as found:
        found.execute(statement)
        while rows := found.fetchmany(at_once):
            yield rows


@contextmanager
def _copying(tx: Transaction, statement: str, *, beside: bool = False) -> Iterator[Any]:
    """With `beside` a thread hands what is written to the server, while the next of it is made: a socket holds less
    than a batch. What was written and not yet taken is in memory, at most all of it."""
    from psycopg import OperationalError as Broken
    from psycopg.copy import LibpqWriter, QueuedLibpqWriter

    connection: Any = tx.connection.driver_connection
    try:
        with connection.cursor() as cursor:
            writer = QueuedLibpqWriter(cursor) if beside else LibpqWriter(cursor)
            with cursor.copy(statement, writer=writer) as copy:
                yield copy
    except Broken as error:
        raise Transient(f"The hub's database did not answer: {str(error).partition(chr(10))[0]}") from error
    except BaseException as stopped:
        if not isinstance(stopped, Exception):
            tx.invalidate()  # amid a copy it takes no ROLLBACK, and that error would hide that we are stopped
        raise


def _literal(value: str | int | None) -> str:
    """As SQL has it."""
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


# ---- how the database goes about it


@contextmanager
def room_to_sort(tx: Transaction, memory_mb: int) -> Iterator[None]:
    """Let the database use so much memory for what this transaction sorts, joins and keeps at hand."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql(f"SET LOCAL work_mem = '{memory_mb}MB'")
        # what is read by a cursor is read to its end: plan for that, not for its first rows
        tx.exec_driver_sql("SET LOCAL cursor_tuple_fraction = 1.0")
        yield
        return
    usual = tx.exec_driver_sql("PRAGMA cache_size").scalar_one()
    tx.exec_driver_sql(f"PRAGMA cache_size = -{memory_mb * 1024}")
    try:
        yield
    finally:
        tx.exec_driver_sql(f"PRAGMA cache_size = {usual}")


def look_over(db: Database, tables: Sequence[Table]) -> None:
    """Have PostgreSQL see anew what these tables hold, now that they have grown much. Until its own housekeeping comes
    by it takes what was written for nothing, and then searches a million rows once for each of thousands."""
    if not db.is_postgres:
        return
    with db.write() as tx:
        for table in tables:
            tx.exec_driver_sql(f'ANALYZE "{table.name}"')


def end_stalled_copies(tx: Transaction) -> None:
    """End sessions of the hub whose client has stopped in the middle of a COPY, as the server ends those that have
    stopped between two statements.

    To the server such a client is not idle, and it waits for it without any limit (its statement_timeout does not
    reach there either), while the transaction keeps its locks.
    """
    if tx.dialect.name != "postgresql":
        return
    limit = "current_setting('idle_in_transaction_session_timeout')::interval"
    tx.exec_driver_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() "
        "AND state = 'active' AND wait_event = 'ClientRead' AND query LIKE 'COPY %% FROM STDIN' "
        f"AND {limit} > interval '0' AND query_start < clock_timestamp() - {limit}"
    )
