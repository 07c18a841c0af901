"""How much of the ledgers PostgreSQL reads for a posting, whatever its statistics say: they know nothing of ledgers
that have come since, and never anything of the version that a posting makes.

Not here: what a posting does (test_postings). SQLite plans by its indexes alone.
"""

from pathlib import Path
from typing import Any

import pytest

from hub_pipelines.hub import Hub
from hub_pipelines.ledger.posting import store as postings
from hub_pipelines_tests.messages import STOCK, body_of, message, moved, settle, stock, take
from hub_pipelines_tests.support import asset, make_registry, open_test_hub, process_all, send_assets

REGISTERED, ITEMS = 4_000, 1_500
ROWS_READ_FOR_EACH = 60
"""A posting of n entries that is joined with itself, or with its ledger, reads n for each."""


@pytest.fixture
def hub(postgres_database: Any, postgres_template: str, tmp_path: Path) -> Any:
    with postgres_database(postgres_template) as url:
        made = open_test_hub(tmp_path / "home", url)
        yield made
        made.db.dispose()


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


def test_a_posting_reads_as_much_as_it_has_rows_though_statistics_know_another_ledger_alone(
    hub: Hub, rows_read: list[int]
) -> None:
    make_registry(hub, tags(REGISTERED))
    postings.look_over_ledgers(hub.db)
    rows_read.clear()
    for turn in range(3):
        sets = [message(f"s-{turn}-{at}", body_of(stock(f"Item {at}", 10 + turn))) for at in range(ITEMS)]
        given = [
            message(f"r-{turn}-{at}", body_of(moved(f"Item {at}", 1), kind=f"{STOCK}.received")) for at in range(ITEMS)
        ]
        take(hub, *sets, *given)
        settle(hub)
        lines = [asset(tag, quantity=str(turn + 1)) for tag in tags(ITEMS)]
        send_assets(hub, f"list-{turn}.csv", *lines)
        process_all(hub)
    assert len(rows_read) == 6
    assert max(rows_read) <= ROWS_READ_FOR_EACH * 2 * ITEMS, rows_read
