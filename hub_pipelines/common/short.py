"""Short transactions that run hundreds of times a second, on the driver's own connection.

Belongs here: how their statements reach SQLite, and PostgreSQL. Not here: which these are (each stage's store.py), the
connection and its transaction (store.py: `Database.short`, `short_in`).

To PostgreSQL statements go together: one waits for the server when an answer is asked for, or at the transaction's end,
and not for each of them. They are prepared once for each connection, and their values are sent in binary. The driver's
own way of doing this costs the client four times as much, which was half of what taking a message cost.
"""

import json
import select
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from hub_pipelines.common.clock import iso

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.pq.abc import PGconn, PGresult

Row = tuple[Any, ...]
Meanwhile = Callable[[int | None], None]
"""Is called once all has been told to the server, with the descriptor at which its answer can be read; None where it
answers at once, or has nearly answered, and one should not begin anything else."""
_ROWS_AT_ONCE = 1_000
"""So many rows are one statement: SQLite bounds how many values it has, PostgreSQL how long it is."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement in both dialects.

    `takes`: the kinds of its values, of `KINDS`; with `[]` a list of them, which is an array on PostgreSQL and the text
    of one in JSON on SQLite. `gives`: what makes each column of its rows of a text, `str` or `int`.
    """

    sqlite: str
    postgresql: str
    takes: tuple[str, ...] = ()
    gives: tuple[Callable[[Any], Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Into:
    """A table, and the kind of each of its columns that rows are inserted with."""

    table: str
    columns: Mapping[str, str]


class Answer:
    """The rows that a statement has found."""

    def __init__(self, transaction: "ShortTransaction") -> None:
        self._transaction = transaction
        self.found: list[Row] | None = None

    @property
    def rows(self) -> list[Row]:
        """Waits for the server. Raises what the driver raises, also of a statement before this one."""
        if self.found is None:
            self._transaction.wait()
        assert self.found is not None, "the statement has failed"
        return self.found


class ShortTransaction(Protocol):
    """Raises what the driver raises, at once or at the next `wait`."""

    def put(self, statement: Statement, *values: Any) -> Answer: ...

    def insert(self, into: Into, rows: Sequence[Row]) -> None:
        """In their order."""

    def take_turns(self, lock: int) -> None:
        """No other that takes the lock of this number goes on before this one's end. SQLite has one writer anyway."""

    def send(self) -> None:
        """Have the server begin with what was put, while one does something else."""

    def wait(self) -> None:
        """Until all statements have been executed."""

    @property
    def is_quiet(self) -> bool:
        """Between two transactions: the server has said nothing since its last answer. When it closes a connection it
        speaks unasked."""

    def begin(self) -> None: ...

    def commit(self, meanwhile: Meanwhile) -> None: ...


class OnSqlite:
    """Everything happens at once."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    is_quiet = True

    def begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self, meanwhile: Meanwhile) -> None:
        meanwhile(None)
        self._connection.execute("COMMIT")

    def send(self) -> None:
        return

    def wait(self) -> None:
        return

    def take_turns(self, lock: int) -> None:
        del lock

    def put(self, statement: Statement, *values: Any) -> Answer:
        told = [_ON_SQLITE.get(kind, _as_it_is)(value) for kind, value in zip(statement.takes, values, strict=True)]
        answer = Answer(self)
        answer.found = self._connection.execute(statement.sqlite, told).fetchall()
        return answer

    def insert(self, into: Into, rows: Sequence[Row]) -> None:
        """One statement for many rows, since each has a price of its own."""
        marks = f"({', '.join('?' * len(into.columns))})"
        moments = [at for at, kind in enumerate(into.columns.values()) if kind == "timestamptz"]
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[first : first + _ROWS_AT_ONCE]
            values = list(chain.from_iterable(some))
            for at in moments:
                values[at :: len(into.columns)] = map(iso, values[at :: len(into.columns)])
            text = f"INSERT INTO {into.table} ({', '.join(into.columns)}) VALUES {', '.join([marks] * len(some))}"
            self._connection.execute(text, values)


_LOOKING_UP = ("enable_seqscan = off", "jit = off")
"""A plan is kept for as long as the connection. One that was made when there was hardly anything reads all there is for
each row, once there is much."""


@dataclass(slots=True)
class _Call:
    text: str
    oids: Sequence[int]
    values: Sequence[bytes]
    gives: tuple[Callable[[Any], Any], ...]
    answer: Answer


class OnPostgres:
    """`keeps`: the connection is used for nothing else while it lives, and statements stay prepared there. Else each is
    prepared anew: the driver has the server forget them when it rolls back."""

    def __init__(self, connection: "Connection[Any]", idle_s: int, *, keeps: bool) -> None:
        self._pg: PGconn = connection.pgconn
        self._encoding = connection.info.encoding
        self._idle_s = idle_s
        self._keeps = keeps
        self._names: dict[str, bytes] = {}
        """Of the statements that are prepared, by their texts."""
        self._calls: list[_Call] = []
        self._sent: list[_Call | None] = []
        """What is under way; None for a statement that is only prepared."""

    @property
    def is_quiet(self) -> bool:
        return not self._polled(select.POLLIN, 0)

    def begin(self) -> None:
        self._put("BEGIN ISOLATION LEVEL READ COMMITTED")  # what another wrote before its turn was over is seen
        if not self._names:
            for setting in (f"idle_in_transaction_session_timeout = '{self._idle_s}s'", *_LOOKING_UP):
                self._put(f"SET {setting}")

    def commit(self, meanwhile: Meanwhile) -> None:
        """Raises too when a statement has failed and nobody was told: the server would end the transaction, and say
        that all is well."""
        from psycopg import InternalError
        from psycopg.pq import TransactionStatus

        if self._pg.transaction_status == TransactionStatus.INERROR:
            raise InternalError("a statement of this transaction has failed")
        self._put("COMMIT")
        self.send()
        # what has been read of the answer by now can't be seen at the socket
        meanwhile(self._pg.socket if self._pg.is_busy() else None)
        self.wait()

    def take_turns(self, lock: int) -> None:
        self._put(f"SELECT pg_advisory_xact_lock({lock})")

    def put(self, statement: Statement, *values: Any) -> Answer:
        return self._put(statement.postgresql, statement.takes, values, statement.gives)

    def insert(self, into: Into, rows: Sequence[Row]) -> None:
        """Each column as one array: a statement for each row has a price of its own, in the server too."""
        takes = [f"{kind}[]" for kind in into.columns.values()]
        marks = ", ".join(f"${at}" for at in range(1, len(takes) + 1))
        text = f"INSERT INTO {into.table} ({', '.join(into.columns)}) SELECT * FROM unnest({marks})"
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            self._put(text, takes, list(zip(*rows[first : first + _ROWS_AT_ONCE], strict=True)))

    def _put(
        self,
        text: str,
        takes: Sequence[str] = (),
        values: Sequence[Any] = (),
        gives: tuple[Callable[[Any], Any], ...] = (),
    ) -> Answer:
        told = [self._told(kind, value) for kind, value in zip(takes, values, strict=True)]
        oids = [KINDS[kind.removesuffix("[]")].oid_of(kind) for kind in takes]
        call = _Call(text, oids, told, gives, Answer(self))
        self._calls.append(call)
        return call.answer

    def _told(self, kind: str, value: Any) -> bytes:
        each = KINDS[kind.removesuffix("[]")]
        return _array(each, value, self._encoding) if kind.endswith("[]") else each.told(value, self._encoding)

    def send(self) -> None:
        if not self._calls:
            return
        if self._sent:
            self.wait()
        calls, self._calls = self._calls, []
        self._pg.enter_pipeline_mode()
        for call in calls:
            if call.text not in self._names:
                if not self._keeps:  # one without a name lasts until the next one
                    self._names.clear()
                self._names[call.text] = self._prepare(call, len(self._names))
                self._sent.append(None)
            self._pg.send_query_prepared(self._names[call.text], call.values, [_BINARY] * len(call.values))
            self._sent.append(call)
        self._pg.pipeline_sync()
        self._flush()

    def wait(self) -> None:
        while self._calls or self._sent:
            if not self._sent:
                self.send()
            sent, self._sent = self._sent, []
            for each, result in zip(sent, self._results(), strict=True):
                if each is not None:
                    each.answer.found = list(self._rows(result, each.gives))

    def _prepare(self, call: _Call, number: int) -> bytes:
        name = b"hub_%d" % number if self._keeps else b""
        self._pg.send_prepare(name, call.text.encode(self._encoding), call.oids)
        return name

    def _flush(self) -> None:
        """Send all, and take what comes meanwhile: a server that can't tell reads no more."""
        while self._pg.flush():
            if self._polled(select.POLLIN | select.POLLOUT) & select.POLLIN:
                self._pg.consume_input()

    def _results(self) -> "list[PGresult]":
        """One of each that was sent, in their order. Raises the error of the first that has failed; those behind it
        were not executed."""
        from psycopg import OperationalError
        from psycopg.errors import error_from_result
        from psycopg.pq import ConnStatus, ExecStatus

        found: list[PGresult] = []
        while (result := self._next()) is None or result.status != ExecStatus.PIPELINE_SYNC:
            if result is not None:
                found.append(result)
            if self._pg.status == ConnStatus.BAD:
                break
        else:
            self._pg.exit_pipeline_mode()
        for one in found:
            if one.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
                raise error_from_result(one, self._encoding)
        if self._pg.status == ConnStatus.BAD:
            raise OperationalError("the connection is lost")
        return found

    def _next(self) -> "PGresult | None":
        """Waits by `poll`: what waits in the driver's `get_result` keeps Python's interpreter from all threads."""
        while self._pg.is_busy():
            self._polled(select.POLLIN)
            self._pg.consume_input()
        return self._pg.get_result()

    def _polled(self, events: int, timeout_ms: int | None = None) -> int:
        """Which of these events there are; 0 for none in time."""
        waiting = select.poll()
        waiting.register(self._pg.socket, events)
        return next((found for _, found in waiting.poll(timeout_ms)), 0)

    def _rows(self, result: "PGresult", gives: tuple[Callable[[Any], Any], ...]) -> Iterator[Row]:
        for row in range(result.ntuples):
            yield tuple(
                make((result.get_value(row, at) or b"").decode(self._encoding)) for at, make in enumerate(gives)
            )


# ---- values


_BINARY = 1
_LENGTH = struct.Struct(">i").pack
_INT8 = struct.Struct(">q").pack
_ARRAY = struct.Struct(">iiIii").pack
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A type of PostgreSQL's, its array's, and how it has a value in binary."""

    oid: int
    array_oid: int
    told: Callable[[Any, str], bytes]

    def oid_of(self, kind: str) -> int:
        return self.array_oid if kind.endswith("[]") else self.oid


def _microseconds(moment: datetime, _encoding: str) -> bytes:
    since = moment - _EPOCH
    return _INT8((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


KINDS = {
    "text": _Kind(25, 1009, str.encode),
    "bytea": _Kind(17, 1001, lambda value, _: value),
    "int4": _Kind(23, 1007, lambda value, _: _LENGTH(value)),
    "int8": _Kind(20, 1016, lambda value, _: _INT8(value)),
    "timestamptz": _Kind(1184, 1185, _microseconds),
}
"""Those that are in use. Their numbers are the same in every PostgreSQL."""


def _array(kind: _Kind, values: Sequence[Any], encoding: str) -> bytes:
    """An array of one dimension. Most columns of a group have one value in all rows."""
    parts = [_ARRAY(1, 0, kind.oid, len(values), 1)]
    if values and values.count(values[0]) == len(values):
        told = kind.told(values[0], encoding)
        parts.append((_LENGTH(len(told)) + told) * len(values))
    else:
        each = [kind.told(value, encoding) for value in values]
        parts += chain.from_iterable(zip(map(_LENGTH, map(len, each)), each, strict=True))
    return b"".join(parts)


def _as_it_is(value: Any) -> Any:
    return value


_ON_SQLITE: Mapping[str, Callable[[Any], Any]] = {"text[]": json.dumps, "timestamptz": iso}
