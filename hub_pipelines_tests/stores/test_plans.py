"""How much of the ledgers PostgreSQL reads for a posting, whatever its statistics say: they know nothing of ledgers
that have come since, and never anything of the version that a posting makes.

Not here: what a posting does (test_postings). SQLite plans by its indexes alone.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.changes import store as changes
from hub_pipelines.ledger.items import store as items
from hub_pipelines.ledger.posting import store as postings
from hub_pipelines.ledger.registry.store import LedgerRegistry
from hub_pipelines.retention import store as retention
from hub_pipelines_tests.messages import STOCK, body_of, message, moved, settle, stock, take
from hub_pipelines_tests.support import NORTH_LEDGER, asset, make_registry, open_test_hub, process_all, send_assets

REGISTERED, ITEMS = 4_000, 1_500
ROWS_FOR_EACH = 100
"""A posting of n entries that is joined with itself, or with its ledger, reads n for each."""


@pytest.fixture
def hub(postgres_database: Any, postgres_template: str, tmp_path: Path) -> Any:
    with postgres_database(postgres_template) as url:
        made = open_test_hub(tmp_path / "home", url)
        yield made
        made.db.dispose()


@pytest.fixture(autouse=True)
def _never_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As between a ledger's first entries and the next time that the server, or the hub, counts them."""
    monkeypatch.setattr(postings, "has_outgrown", lambda *_: False)


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """By each posting until it has folded."""
    found: list[int] = []
    fold = postings.fold

    def folded(tx: Any, *arguments: Any) -> None:
        fold(tx, *arguments)
        read = "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
        found.append(int(tx.exec_driver_sql(read).scalar_one()))

    monkeypatch.setattr(postings, "fold", folded)
    return found


def tags(number: int) -> list[str]:
    return [f"NC-{at:05}" for at in range(number)]


@contextmanager
def looks(hub: Hub) -> Iterator[list[int]]:
    """How many rows the queries meanwhile look at, one by one or joined with others, as the server tells of each."""
    found: list[int] = []

    def ask(_connection: Any, cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.startswith(("SELECT", "WITH")):
            with cursor.connection.cursor() as beside:
                beside.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
                found.append(looked_at(beside.fetchone()[0][0]["Plan"]))

    event.listen(hub.db.engine, "before_cursor_execute", ask)
    try:
        yield found
    finally:
        event.remove(hub.db.engine, "before_cursor_execute", ask)


def looked_at(plan: dict[str, Any]) -> int:
    rows = sum(plan.get(name, 0) for name in ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter"))
    return int(rows * plan["Actual Loops"]) + sum(map(looked_at, plan.get("Plans", ())))


def fill(hub: Hub, *, turns: int) -> None:
    """A registry that PostgreSQL has counted, and ledgers of assets and stock that came after that."""
    make_registry(hub, tags(REGISTERED))
    postings.look_over_ledgers(hub.db)
    for turn in range(turns):
        sets = [message(f"s-{turn}-{at}", body_of(stock(f"Item {at}", 10 + turn))) for at in range(ITEMS)]
        given = [
            message(f"r-{turn}-{at}", body_of(moved(f"Item {at}", 1), kind=f"{STOCK}.received")) for at in range(ITEMS)
        ]
        take(hub, *sets, *given)
        settle(hub)
        send_assets(hub, "lab.csv", *(asset(tag, quantity=str(turn + 1)) for tag in tags(ITEMS)))
        process_all(hub)


def test_a_posting_reads_as_much_as_it_has_rows_though_statistics_know_another_ledger_alone(
    hub: Hub, rows_read: list[int]
) -> None:
    fill(hub, turns=3)
    assert len(rows_read) == 7
    assert max(rows_read) <= ROWS_FOR_EACH * 2 * ITEMS, rows_read


def test_nor_do_queries_look_at_more(hub: Hub) -> None:
    fill(hub, turns=2)
    keys = tags(ITEMS)
    asked: dict[str, Callable[[Transaction], Iterable[Any]]] = {
        "items_now": lambda tx: items.items_now(tx, NORTH_LEDGER),
        "items_as_of": lambda tx: items.items_as_of(tx, NORTH_LEDGER, 1),
        "placed_items": lambda tx: items.placed_items(tx, NORTH_LEDGER),
        "current_values": lambda tx: items.current_values(tx, NORTH_LEDGER, keys),
        "earlier": lambda tx: items.earlier(tx, NORTH_LEDGER, keys),
        "heads_of_lines": lambda tx: items.heads_of_lines(tx, NORTH_LEDGER, keys, 2),
        "keys_of_source": lambda tx: items.keys_of_source(tx, NORTH_LEDGER, "north", "inventory", "lab.csv"),
        "new_since": lambda tx: changes.new_since(tx, NORTH_LEDGER, 1),
        "later_changes": lambda tx: changes.later_changes(tx, NORTH_LEDGER, keys, after_version=1),
        "retention": lambda tx: retention.current_values(tx, NORTH_LEDGER),
        "registry": lambda _tx: LedgerRegistry(hub.db, "UTC").campuses(keys),
    }
    for name, ask in asked.items():
        with looks(hub) as found, hub.db.read() as tx:
            assert list(ask(tx)), name
        assert sum(found) <= ROWS_FOR_EACH * ITEMS, name
    with looks(hub) as found:
        assert len(list(items.current_rows(hub.db, NORTH_LEDGER))) == ITEMS
    assert sum(found) <= ROWS_FOR_EACH * ITEMS
