"""Rows that are inserted as columns, on both databases: what is written is what was in them."""

import pyarrow
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, select
from sqlalchemy.exc import IntegrityError

from hub_pipelines.common.rows.store import insert_columns
from hub_pipelines.hub import Hub

TEXTS = ["", "a", "\\N", "\\", "a\tb", "a\nb\r\n", '"é\u2028"', "\\.", "null", "\x01\x7f", "試"]
NUMBERS = [0, -1, None, 2**40, 5, None, 7, 8, 9, 10, 11]
TABLE = Table(
    "of_columns",
    MetaData(),
    Column("number", Integer, primary_key=True),
    Column("said", String, nullable=False),
    Column("maybe", Integer),
    Column("alike", String, nullable=False),
    Column("absent", String),
)
ALIKE = {"alike": "it's\ta \\ and 5 %", "absent": None}


@pytest.fixture(autouse=True)
def _table(hub: Hub) -> None:
    with hub.db.write() as tx:
        tx.exec_driver_sql(
            "CREATE TABLE of_columns (number BIGINT PRIMARY KEY, said TEXT NOT NULL, maybe BIGINT, "
            "alike TEXT NOT NULL, absent TEXT)"
        )


def batch(first: int, last: int) -> list[pyarrow.Array]:
    """As slices, which begin somewhere in what Arrow holds."""
    columns = [pyarrow.array(range(len(TEXTS)), pyarrow.int64()), pyarrow.array(TEXTS), pyarrow.array(NUMBERS)]
    return [one[first:last] for one in columns]


def test_rows_in_columns_are_written_as_they_are_whatever_letters_they_have(hub: Hub) -> None:
    with hub.db.write() as tx:
        some = (batch(first, first + 3) for first in range(0, len(TEXTS), 3))
        insert_columns(tx, TABLE, ("number", "said", "maybe"), some, of_all=ALIKE)
    with hub.db.read() as tx:
        written = [tuple(row) for row in tx.execute(select(TABLE).order_by(TABLE.c.number))]
    assert written == [
        (number, said, maybe, *ALIKE.values()) for number, (said, maybe) in enumerate(zip(TEXTS, NUMBERS, strict=True))
    ]


@pytest.mark.parametrize("rows", [99, 100, 101, 250])
def test_rows_of_several_statements_and_of_a_part_of_one_are_all_written(hub: Hub, rows: int) -> None:
    """SQLite takes a hundred at once."""
    some = [
        [pyarrow.array(range(at, at + rows)), pyarrow.array([f"no. {at + n}" for n in range(rows)])]
        for at in (0, 1_000)
    ]
    with hub.db.write() as tx:
        insert_columns(tx, TABLE, ("number", "said"), some, of_all=ALIKE)
    with hub.db.read() as tx:
        written = tx.execute(select(TABLE.c.number, TABLE.c.said).order_by(TABLE.c.number)).all()
    numbers = [*range(rows), *range(1_000, 1_000 + rows)]
    assert [tuple(row) for row in written] == [(number, f"no. {number}") for number in numbers]


def test_columns_without_rows_write_none(hub: Hub) -> None:
    with hub.db.write() as tx:
        insert_columns(tx, TABLE, ("number", "said", "maybe"), [batch(0, 0)], of_all=ALIKE)
        insert_columns(tx, TABLE, ("number", "said", "maybe"), [], of_all=ALIKE)
    with hub.db.read() as tx:
        assert tx.execute(select(TABLE)).all() == []


def test_what_the_database_refuses_leaves_as_its_error_and_nothing_is_written(hub: Hub) -> None:
    with pytest.raises(Exception) as refused, hub.db.write() as tx:
        insert_columns(tx, TABLE, ("number", "said", "maybe"), [batch(0, 3), batch(0, 3)], of_all=ALIKE)
    assert isinstance(refused.value, IntegrityError) or "duplicate key" in str(refused.value)
    with hub.db.read() as tx:
        assert tx.execute(select(TABLE)).all() == []
