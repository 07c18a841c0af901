"""Short transactions on both databases: what they write is as it was told, whole or not at all."""

import select
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from hub_pipelines.common.errors import Transient
from hub_pipelines.common.short import Into, ShortTransaction, Statement
from hub_pipelines.common.store import Database, short_in
from hub_pipelines.hub import Hub

ROWS = Into("short_rows", {"number": "int4", "said": "text", "size": "int8", "body": "bytea", "at": "timestamptz"})
AT = datetime(1969, 7, 20, 20, 17, 40, 123456, timezone(timedelta(hours=-5)))
FIND = "SELECT said, number FROM short_rows WHERE number = "
OF_NUMBER = Statement(f"{FIND}?", f"{FIND}$1", takes=("int4",), gives=(str, int))
AMONG = Statement(
    "SELECT number FROM short_rows WHERE said IN (SELECT value FROM json_each(?)) ORDER BY number",
    "SELECT number FROM short_rows WHERE said = ANY($1) ORDER BY number",
    takes=("text[]",),
    gives=(int,),
)
NO_TABLE = Statement("SELECT 1 FROM nowhere", "SELECT 1 FROM nowhere", gives=(int,))
PID = Statement("", "SELECT pg_backend_pid()", gives=(int,))


def row(number: int, said: str = "", size: int = 0, body: bytes = b"", at: datetime = AT) -> tuple[object, ...]:
    return (number, said, size, body, at)


@pytest.fixture
def db(hub: Hub) -> Iterator[Database]:
    db = hub.inbox.db
    kinds = "said VARCHAR, size BIGINT, body BYTEA, at TIMESTAMPTZ" if db.is_postgres else "said, size, body, at"
    with db.write() as tx:
        tx.execute(text(f"CREATE TABLE short_rows (number INTEGER PRIMARY KEY, {kinds})"))
    yield db
    db.dispose()


def do(db: Database, *steps: Callable[[ShortTransaction], object]) -> None:
    """A short transaction of these steps."""
    with db.short() as short:
        for step in steps:
            step(short)


def insert(number: int) -> Callable[[ShortTransaction], None]:
    return lambda short: short.insert(ROWS, [row(number)])


def insert_and_wait(short: ShortTransaction, number: int) -> None:
    insert(number)(short)
    short.wait()


def numbers(db: Database) -> list[int]:
    with db.read() as tx:
        return list(tx.execute(text("SELECT number FROM short_rows ORDER BY number")).scalars())


def test_what_is_written_is_as_it_was_told(db: Database) -> None:
    said = ["", "Käse", "ends with \\", "{NULL,\"'", "a\nb\t", "\N{MICROSCOPE}"]
    rows = [row(at, one, at - 2**40, bytes(range(256)) * at, AT + timedelta(days=at)) for at, one in enumerate(said)]
    with db.short() as short:
        short.insert(ROWS, rows)
        assert short.put(OF_NUMBER, 1).rows == [("Käse", 1)]
        assert short.put(AMONG, ["a\nb\t", "Käse", "nobody"]).rows == [(1,), (4,)]
    with db.read() as tx:
        found = tx.execute(text("SELECT number, said, size, body, at FROM short_rows ORDER BY number")).all()
    moments = [datetime.fromisoformat(one.at) if isinstance(one.at, str) else one.at for one in found]
    assert [(*one[:3], bytes(one.body), at) for one, at in zip(found, moments, strict=True)] == rows


def test_many_rows_and_long_ones_are_written_in_their_order(db: Database) -> None:
    """So much at once that the server must read, and answer, before all is sent."""
    with db.short() as short:
        short.insert(ROWS, [row(at, body=b"x" * 10_000) for at in range(2_500)])
        short.put(OF_NUMBER, 7)
    assert numbers(db) == list(range(2_500))


def test_an_exception_undoes_all_and_the_next_transaction_is_not_concerned(db: Database) -> None:
    def fail(short: ShortTransaction) -> None:
        short.wait()
        raise fault

    for at, fault in enumerate((KeyError, KeyboardInterrupt)):
        with pytest.raises(fault):
            do(db, insert(at), fail)
        do(db, insert(10 + at))
    assert numbers(db) == [10, 11]


def test_a_statement_that_fails_undoes_those_before_it_and_none_behind_it_is_executed(db: Database) -> None:
    do(db, insert(1))
    with pytest.raises(IntegrityError):
        do(db, insert(2), insert(1), insert(3))
    with pytest.raises((ProgrammingError, Transient), match="nowhere"):
        do(db, insert(4), lambda short: short.put(NO_TABLE))
    do(db, insert(5))
    assert numbers(db) == [1, 5]


def test_a_transaction_does_not_end_well_when_a_failure_in_it_was_passed_over(db: Database) -> None:
    if not db.is_postgres:
        pytest.skip("SQLite goes on after a statement that has failed")

    def pass_over(short: ShortTransaction) -> None:
        failed = short.put(NO_TABLE)
        with pytest.raises(Exception, match="nowhere"):
            short.wait()
        assert failed.found is None

    with pytest.raises(DBAPIError, match="has failed"):
        do(db, insert(1), pass_over)
    assert numbers(db) == []


def test_what_is_done_meanwhile_is_done_once_all_is_told_and_before_it_is_known_to_be_kept(db: Database) -> None:
    """On PostgreSQL the answer comes at the descriptor that was told, whatever is done before it is read."""
    told: list[int | None] = []

    def meanwhile(answer: int | None) -> None:
        told.append(answer)
        if answer is not None:
            assert select.select([answer], [], [], 60)[0] == [answer]
            assert numbers(db) == [1]

    with db.short(meanwhile) as short:
        short.insert(ROWS, [row(1)])
        assert told == []
    assert [one is None for one in told] == [not db.is_postgres]
    with pytest.raises(IntegrityError), db.short(meanwhile) as short:
        insert_and_wait(short, 1)
    assert len(told) == 1, "nothing is committed"
    assert numbers(db) == [1]


def test_statements_in_a_longer_transaction_share_its_end(db: Database) -> None:
    with db.write() as tx:
        with short_in(tx) as short:
            short.insert(ROWS, [row(1, "one")])
            short.insert(ROWS, [row(2, "two")])
            one, two, again = (short.put(OF_NUMBER, at) for at in (1, 2, 1))
            short.put(AMONG, ["two"])
            assert (one.rows, two.rows, again.rows) == ([("one", 1)], [("two", 2)], [("one", 1)])
        tx.execute(text("DELETE FROM short_rows WHERE number = 1"))
    with db.write() as tx:
        with short_in(tx) as short:
            short.insert(ROWS, [row(3)])
        tx.rollback()
    fault = KeyError("while the database looks")
    with pytest.raises(KeyError), db.write() as tx, short_in(tx) as short:
        fail_after(short, fault)
    with db.write() as tx, short_in(tx) as short:  # when it has rolled back, its connection knows no statement any more
        short.insert(ROWS, [row(4)])
    assert numbers(db) == [2, 4]


def fail_after(short: ShortTransaction, fault: Exception) -> None:
    short.insert(ROWS, [row(5)])
    short.send()
    raise fault


def terminate(db: Database, victim: int) -> None:
    with db.read() as tx:
        tx.execute(text(f"SELECT pg_terminate_backend({victim}, 5000)"))


def test_a_connection_that_the_server_has_closed_is_replaced_between_transactions_and_told_of_amid_one(
    db: Database,
) -> None:
    if not db.is_postgres:
        pytest.skip("SQLite has no server")
    pids: list[int] = []

    def note(short: ShortTransaction) -> None:
        pids.extend(pid for (pid,) in short.put(PID).rows)

    do(db, insert(1), note)
    do(db, insert(2), note)
    terminate(db, pids[-1])
    do(db, insert(3), note)
    assert pids[0] == pids[1] != pids[2]
    with pytest.raises(Transient):
        do(db, insert(4), note, lambda _: terminate(db, pids[-1]))
    do(db, insert(5))
    assert numbers(db) == [1, 2, 3, 5]


def is_connected(db: Database, pid: int) -> bool:
    with db.read() as tx:
        query = text("SELECT 1 FROM pg_stat_activity WHERE pid = :pid")
        return tx.execute(query, {"pid": pid}).first() is not None


def test_who_leaves_a_transaction_idle_too_long_is_told_to_come_again_and_nothing_of_it_is_kept(db: Database) -> None:
    if not db.is_postgres:
        pytest.skip("SQLite has no server")
    hasty = Database(db.url.render_as_string(hide_password=False), idle_when_writing_s=1)

    def idle_until_it_is_ended(short: ShortTransaction) -> None:
        ((pid,),) = short.put(PID).rows
        short.wait()
        until = time.monotonic() + 60
        while is_connected(db, pid):
            assert time.monotonic() < until, "the server lets it idle"
            time.sleep(0.1)

    with pytest.raises(Transient):
        do(hasty, insert(1), idle_until_it_is_ended)
    hasty.dispose()
    assert numbers(db) == []


def test_moments_are_told_in_utc(db: Database) -> None:
    do(db, insert(1))
    with db.read() as tx:
        found = tx.execute(text("SELECT at FROM short_rows")).scalar_one()
    assert found in ("1969-07-21T01:17:40.123456Z", AT)
