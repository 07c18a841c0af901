"""The hub's own database: engine, transactions, clock and column types for SQLite and PostgreSQL.

Belongs here: what every stage's store.py needs alike. Not here: any table; each stage owns its own.
Writing transactions on SQLite are BEGIN IMMEDIATE, so that a writer waits at the start and never
fails half-way with 'database is locked'. Errors that a second try may cure leave as `Transient`.
"""

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    ARRAY,
    DDL,
    JSON,
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    PoolProxiedConnection,
    String,
    Table,
    TypeDecorator,
    any_,
    bindparam,
    cast,
    create_engine,
    event,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.schema import ExecutableDDLElement

from hub_pipelines.common.beside import at_best
from hub_pipelines.common.clock import iso
from hub_pipelines.common.errors import SettingsError, Transient
from hub_pipelines.common.files import flushed_meanwhile
from hub_pipelines.common.short import Meanwhile, OnPostgres, OnSqlite, ShortTransaction

if TYPE_CHECKING:
    pass

Transaction = Connection
_T = TypeVar("_T")
metadata = MetaData()
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode

_log = logging.getLogger(__name__)

SCHEMA_VERSION = "0028"
"""The newest step in common/schema/versions."""
SCHEMA_TABLE = "hub_schema_version"
"""Not Alembic's usual one: Dagster's tables may be in the same database and have theirs there."""
_UNNUMBERED_SCHEMA_VERSION = "0001"
"""Homes of the first release carry no version; they are of this one."""
SQLITE_BUSY_TIMEOUT_S = 30
_MANY_WRITES = ("wal_autocheckpoint=16000", "cache_size=-32000", "temp_store=MEMORY")
"""A log of at most 64 MB, where nobody writes it back; pages that are written again and again at hand (32 MB); and no
file for what undoes a statement of many rows."""
_WAL_KEPT_BYTES = 64 * 1024 * 1024
_WRITE = "hub_write"
_FILE = "hub_file"
_VALUES_PER_QUERY = 5_000
_NO_TEXT = "Could not decode to UTF-8"
"""How Python's driver of SQLite tells of a text whose bytes are none, which no attempt will read."""
_READ_ONLY = "25006"
"""PostgreSQL's code, read_only_sql_transaction."""
_TAKES_NO_CHANGES = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean"
_BAD_ADDRESS = (
    "HUB_DATABASE_URL (or [database] url in hub.toml) is not a database address. Write for example "
    "sqlite:////var/lib/hub/hub.db or postgresql://user:password@host/database."
)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in and out: timestamptz on PostgreSQL, sortable RFC 3339 text on SQLite."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        kind = DateTime(timezone=True) if dialect.name == "postgresql" else String(27)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: Any) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return iso(value)

    def process_result_value(self, value: Any, _dialect: Any) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        moment: datetime = value
        return moment.astimezone(UTC)


class JsonText(TypeDecorator[Any]):
    """A JSON document kept as text, readable by a person with any SQL client, in both databases."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Any) -> str | None:
        return None if value is None else _encode(value)

    def process_result_value(self, value: Any, _dialect: Any) -> Any:
        return None if value is None else json.loads(value)


# ---- statements


def _insert(tx: Transaction, table: Table) -> Any:
    """Only the dialect in use is imported: each command pays for what it loads."""
    if tx.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


def insert_or_ignore(tx: Transaction, table: Table) -> Any:
    """INSERT … ON CONFLICT DO NOTHING in the dialect of the transaction."""
    return _insert(tx, table).on_conflict_do_nothing()


def upsert(tx: Transaction, table: Table, *, keys: list[str], update: list[str]) -> Any:
    """INSERT … ON CONFLICT (keys) DO UPDATE of the named columns."""
    statement = _insert(tx, table)
    return statement.on_conflict_do_update(
        index_elements=keys, set_={name: statement.excluded[name] for name in update}
    )


def text_in(tx: Transaction, document: ColumnElement[str], name: str) -> ColumnElement[str]:
    """A member of a JSON object that a column holds as text; the member is a text itself."""
    if tx.dialect.name == "postgresql":
        return func.json_extract_path_text(cast(document, JSON), name)
    return func.json_extract(document, f"$.{name}")


def holdable(told: str) -> str:
    """What is told of a file's cells, as both databases keep it: PostgreSQL has no NUL in a text, and a workbook's cell
    may hold one."""
    return told.replace("\0", "\ufffd")


def among(tx: Transaction, column: ColumnElement[str], values: Collection[str]) -> ColumnElement[bool]:
    """`column IN (values)` with one parameter, however many texts there are: SQLAlchemy names and binds each of an
    `in_`, which costs more than looking it up."""
    if tx.dialect.name == "postgresql":
        return column == any_(bindparam(None, list(values), ARRAY(String), unique=True))
    each = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(each.c.value))


def per_query(values: Iterable[_T]) -> Iterator[list[_T]]:
    """The values in lists that are short enough for one query."""
    rest = iter(values)
    while some := list(islice(rest, _VALUES_PER_QUERY)):
        yield some


# ---- past SQLAlchemy


@contextmanager
def by_driver(tx: Transaction) -> Iterator[Any]:
    """The driver's own connection in this transaction. What the driver raises leaves as SQLAlchemy's."""
    connection = tx.connection
    with _sqlalchemys_errors(tx.dialect, connection):
        yield connection.driver_connection


@contextmanager
def _sqlalchemys_errors(dialect: Dialect, connection: PoolProxiedConnection | None) -> Iterator[None]:
    refused: Any = dialect.loaded_dbapi
    try:
        yield
    except refused.Error as error:
        driver: Any = connection.driver_connection if connection is not None else None
        broken = dialect.is_disconnect(error, driver, None)
        raise DBAPIError.instance(
            None, None, error, refused.Error, connection_invalidated=broken, dialect=dialect
        ) from error


@contextmanager
def short_in(tx: Transaction) -> Iterator[ShortTransaction]:
    """Statements of a transaction as those of a short one are executed (short.py); all of them are when this ends."""
    connection = tx.connection
    with _sqlalchemys_errors(tx.dialect, connection):
        statements = _short(tx.dialect, connection, 0, keeps=False)
        try:
            yield statements
        finally:  # no other statement may come while these are under way
            statements.wait()


def _short(dialect: Dialect, connection: PoolProxiedConnection, idle_s: int, *, keeps: bool) -> ShortTransaction:
    driver: Any = connection.driver_connection
    return OnPostgres(driver, idle_s, keeps=keeps) if dialect.name == "postgresql" else OnSqlite(driver)


# ---- tables that only grow


def _ddl(statement: str) -> ExecutableDDLElement:
    return DDL(statement)  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


APPEND_ONLY = "append_only"


def refuse_changes(table: Table) -> None:
    """Install triggers that refuse UPDATE and DELETE (and TRUNCATE) of an append-only table."""
    table.info[APPEND_ONLY] = True
    for dialect, statements in refusing_triggers(table.name).items():
        for statement in statements:
            event.listen(table, "after_create", _ddl(statement).execute_if(dialect=dialect))


def refusing_triggers(name: str) -> dict[str, list[str]]:
    """By dialect, the statements that make a table append-only."""
    message = f"{name} is append-only"
    sqlite = [
        f"CREATE TRIGGER {name}_refuses_{verb.lower()} BEFORE {verb} ON {name} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        for verb in ("UPDATE", "DELETE")
    ]
    function = (
        f"CREATE OR REPLACE FUNCTION {name}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"'BEGIN RAISE EXCEPTION ''{message}''; END'"
    )
    trigger = (
        f"CREATE TRIGGER {name}_refuses_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_refuse()"
    )
    return {"sqlite": sqlite, "postgresql": [function, trigger]}


# ---- connecting


def _use_psycopg(url: str) -> str:
    """`postgresql://` and `postgres://` mean psycopg 3 here, whatever SQLAlchemy's default is."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg{separator}{rest}" if scheme in {"postgres", "postgresql"} else url


class DamagedDatabase(Transient):
    """The database, or a text in it, can't be read as one. Trying again helps once the operator has put a backup in its
    place; until then whoever goes on without the database does so."""


class Database:
    """Connections to the hub's database.

    `read()`, `write()` and `write_much()` yield a transaction; leaving one of the latter two normally commits, an
    exception rolls back. Raises `Transient` when the database is locked, away or restarting: the caller's caller
    retries.

    `idle_when_writing_s`: PostgreSQL ends a writing transaction whose client does nothing for so long, and with it its
    locks. One that reads holds none and may take its time.

    `many_writes`: short transactions follow each other for whose end somebody waits. On SQLite none of them then copies
    the log of all of them into the database's file, as every twentieth would by itself: `write_back` does, beside them.
    """

    def __init__(self, url: str, *, idle_when_writing_s: int = 45, many_writes: bool = False) -> None:
        try:
            parsed = make_url(_use_psycopg(url))
        except (ArgumentError, ValueError) as error:
            raise SettingsError(_BAD_ADDRESS) from error
        self.is_postgres = parsed.get_backend_name() == "postgresql"
        if not self.is_postgres and parsed.get_backend_name() != "sqlite":
            raise SettingsError(
                f"HUB_DATABASE_URL names {parsed.get_backend_name()}, which the hub can't use. "
                "Use a sqlite:/// or a postgresql:// address."
            )
        self.url = parsed
        if parsed.database and not self.is_postgres and not Path(parsed.database).parent.is_dir():
            raise SettingsError(
                f"HUB_DATABASE_URL: there is no folder {Path(parsed.database).parent}. Create it first."
            )
        self.idle_when_writing_s = idle_when_writing_s
        self._at_hand: list[tuple[PoolProxiedConnection, ShortTransaction]] = []
        """What the last short transaction has left for the next one."""
        try:
            if self.is_postgres:
                self.engine = create_engine(parsed, pool_pre_ping=True)
            else:
                self.engine = create_engine(parsed, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_S})
                _prepare_sqlite(self.engine, _MANY_WRITES if many_writes else ())
                self._place = _Place(Path(str(parsed.database)).resolve())
                self._place.watch(self.engine)
        except (ArgumentError, ValueError, ImportError) as error:  # an unknown driver
            raise SettingsError(_BAD_ADDRESS) from error

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        with self._transaction(write=False) as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        with self._transaction(write=True) as tx:
            if self.is_postgres:
                tx.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{self.idle_when_writing_s}s'")
            yield tx

    @contextmanager
    def write_much(self) -> Iterator[Transaction]:
        """As `write`, of hundreds of megabytes. On SQLite its end would wait until the log of it is on the disk and
        copied into the database's file; threads do that, the one while it is written, the other beside what follows."""
        if self.is_postgres:
            with self.write() as tx:
                yield tx
            return
        log = Path(f"{Path(str(self.url.database)).resolve()}-wal")
        with flushed_meanwhile(log), self._transaction(write=True, around=_log_left_alone) as tx:
            yield tx
        with at_best("writing the log back"):
            threading.Thread(target=self._write_back_at_best, name="write-back").start()

    def _write_back_at_best(self) -> None:
        try:
            self.write_back()
        except Exception as error:  # noqa: BLE001  # who commits next does it
            _log.warning("what was written stays in the log for now: %s", error)

    @contextmanager
    def short(self, meanwhile: Meanwhile = lambda _: None) -> Iterator[ShortTransaction]:
        """A writing transaction of few statements, for what happens hundreds of times a second (short.py).

        `meanwhile` is called when all that is left is to hear that it is committed. Its connection is kept for the next
        one. What ends it by an exception closes that, and so undoes all.
        """
        with self._errors_told():
            connection, tx = self._ready()
            try:
                with _sqlalchemys_errors(self.engine.dialect, connection):
                    tx.begin()
                    yield tx
                    tx.commit(meanwhile)
            except BaseException:
                connection.invalidate()
                raise
            if self._at_hand:  # another thread's
                connection.invalidate()
            else:
                self._at_hand.append((connection, tx))

    def _ready(self) -> tuple[PoolProxiedConnection, ShortTransaction]:
        """The one at hand, unless its server has closed it meanwhile, or its file is another one now."""
        with suppress(IndexError):
            connection, tx = self._at_hand.pop()
            if tx.is_quiet and (self.is_postgres or self._place.holds(connection)):
                return connection, tx
            connection.invalidate()
        with _sqlalchemys_errors(self.engine.dialect, None):
            connection = self.engine.raw_connection()
        return connection, _short(self.engine.dialect, connection, self.idle_when_writing_s, keeps=True)

    @contextmanager
    def _transaction(
        self, *, write: bool, around: Callable[[Connection], AbstractContextManager[object]] = nullcontext
    ) -> Iterator[Transaction]:
        with self._connection() as connection, around(connection):
            tx = connection.execution_options(**{_WRITE: write})
            if self.is_postgres and not write:
                # what is read together belongs together; SQLite reads from a snapshot anyway
                tx = tx.execution_options(isolation_level="REPEATABLE READ")
            with tx.begin():
                yield tx

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        with self._errors_told(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        """What the database does not do inside raises Transient or DamagedDatabase."""
        try:
            yield
        except OperationalError as error:
            if _NO_TEXT in str(error.orig):
                raise self._damaged(error, "The hub wrote no such text: compare it with a backup") from error
            raise Transient(f"The hub's database did not answer: {_first_line(error)}") from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise Transient(f"The connection to the hub's database broke: {_first_line(error)}") from error
            if getattr(error.orig, "sqlstate", None) == _READ_ONLY:  # a standby, or one that was set so
                raise Transient(f"The hub's database takes no changes now: {_first_line(error)}") from error
            if type(error) is DatabaseError:  # none of its kinds: SQLite says so of a file that it can't make out
                raise self._damaged(error, "`hub doctor` says how to restore it") from error
            raise

    def _damaged(self, error: DBAPIError, what_to_do: str) -> DamagedDatabase:
        address = self.url.render_as_string(hide_password=True)
        return DamagedDatabase(f"The hub's database {address} is damaged: {_first_line(error)}. {what_to_do}.")

    def require_writable(self) -> None:
        """Raises Transient where the database does not answer, or takes no changes."""
        with self.read() as tx:
            if not self.is_postgres:
                tx.exec_driver_sql("SELECT 1")
            elif tx.exec_driver_sql(_TAKES_NO_CHANGES).scalar_one():
                raise Transient("The hub's database takes no changes now: it is read-only.")

    def create_schema(self, *, begin: bool = True) -> None:
        """Make the tables of a new home, or bring an older home's to the present version. Safe to run from many
        processes at once. Raises SettingsError when a newer release has been here, and without `begin` when there
        are no tables."""
        if not begin and self._is_missing:
            raise self._lost()
        with self.read() as tx:
            version = schema_version(tx)
        if version == SCHEMA_VERSION:
            return
        if not begin and version is None:
            raise self._lost()
        with self._transaction(write=True) as tx:  # under no lease, and others wait for its end anyway
            if self.is_postgres:
                tx.execute(text("SELECT pg_advisory_xact_lock(7241959)"))
            version = schema_version(tx)
            if version is None:
                metadata.create_all(tx)
                _set_schema_version(tx, SCHEMA_VERSION)
            elif version > SCHEMA_VERSION:
                raise SettingsError(
                    f"The hub's database has schema version {version}, this release knows versions up to "
                    f"{SCHEMA_VERSION}: a newer release has worked with it. Start that one."
                )
            elif version < SCHEMA_VERSION:
                from hub_pipelines.common.schema import upgrade

                _set_schema_version(tx, version)
                upgrade(tx)

    @property
    def _is_missing(self) -> bool:
        """An SQLite file that opening would make, empty."""
        return not self.is_postgres and bool(self.url.database) and not Path(str(self.url.database)).exists()

    def _lost(self) -> SettingsError:
        return SettingsError(
            f"There are no tables of this hub in {self.url.render_as_string(hide_password=True)}, though its archive "
            "holds submissions. Is HUB_DATABASE_URL set here as it is for `hub up`? Else restore the database from a "
            "backup (`hub doctor` says how). Where there is none, `hub reconcile --new-database` begins an empty one "
            "and takes up what the archive holds."
        )

    def write_back(self) -> None:
        """Copy what SQLite's log holds into the database's file, as far as no reader needs the log. Holds nobody up.
        Raises Transient when there is no room for it."""
        if not self.is_postgres:
            with self._connection() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
                    "PRAGMA wal_checkpoint(PASSIVE)"
                )

    def dispose(self) -> None:
        while self._at_hand:
            self._at_hand.pop()[0].invalidate()
        self.engine.dispose()


# ---- in an open database


def schema_version(tx: Transaction) -> str | None:
    """The number of the newest schema step; None for a database without tables of the hub."""
    tables = set(inspect(tx).get_table_names())
    if SCHEMA_TABLE in tables:
        return str(tx.execute(text(f"SELECT version_num FROM {SCHEMA_TABLE}")).scalar_one())
    return _UNNUMBERED_SCHEMA_VERSION if "submission" in tables else None


def _set_schema_version(tx: Transaction, version: str) -> None:
    """In the table that Alembic keeps for the hub."""
    tx.execute(text(f"CREATE TABLE IF NOT EXISTS {SCHEMA_TABLE} (version_num VARCHAR(32) PRIMARY KEY)"))
    tx.execute(text(f"DELETE FROM {SCHEMA_TABLE}"))
    tx.execute(text(f"INSERT INTO {SCHEMA_TABLE} VALUES (:version)"), {"version": version})


def database_now(tx: Transaction) -> datetime:
    """The database's clock, which alone decides leases (on SQLite it is this machine's)."""
    if tx.dialect.name == "postgresql":
        moment: datetime = tx.execute(select(func.clock_timestamp())).scalar_one()
        return moment.astimezone(UTC)
    return datetime.now(UTC)


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__


@contextmanager
def _log_left_alone(connection: Connection) -> Iterator[None]:
    """Meanwhile no commit of this connection copies SQLite's log into the database's file."""
    driver: Any = connection.connection.driver_connection
    (usual,) = driver.execute("PRAGMA wal_autocheckpoint").fetchone()
    driver.execute("PRAGMA wal_autocheckpoint = 0")
    try:
        yield
    finally:
        if not connection.invalidated:  # else it is closed
            driver.execute(f"PRAGMA wal_autocheckpoint = {usual}")


def _prepare_sqlite(engine: Engine, more: Sequence[str]) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the hub begins its transactions itself
        cursor = connection.cursor()
        # what one large posting has written would else stay as large on the disk for good
        kept = f"journal_size_limit={_WAL_KEPT_BYTES}"
        # what is sorted in pieces, since it is large, is sorted by a thread while more of it is read
        for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "threads=1", kept, *more):
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(tx: Transaction) -> None:
        immediate = tx.get_execution_options().get(_WRITE, False)
        tx.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


class _Place:
    """Where SQLite's file is. One that somebody removes or replaces while it is open takes with it whatever is written
    to it from then on, and SQLite does not look: so its connections are compared with what is there whenever they are
    used, and none is made to a file that is gone, which would make an empty one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_known = False
        """Whether there is a file, or was one."""

    def watch(self, engine: Engine) -> None:
        event.listen(engine, "do_connect", self._require)
        event.listen(engine, "connect", self._remember)
        event.listen(engine, "checkout", self._compare)

    def holds(self, connection: PoolProxiedConnection) -> bool:
        """Whether it is a connection to the file that is there."""
        return bool(connection.info[_FILE] == self._file())

    def _require(self, *_: object) -> None:
        if self._is_known and self._file() is None:
            raise sqlite3.OperationalError(
                f"its file {self._path} is gone. Put it back as it was; where that can't be done, stop the hub and "
                "restore a backup"
            )

    def _remember(self, _connection: object, record: ConnectionPoolEntry) -> None:
        record.info[_FILE] = self._file()
        self._is_known = True

    def _compare(self, _connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
        if record.info[_FILE] != self._file():
            raise DisconnectionError  # the pool makes another one

    def _file(self) -> tuple[int, int] | None:
        with suppress(FileNotFoundError):
            found = self._path.stat()
            return found.st_dev, found.st_ino
        return None
