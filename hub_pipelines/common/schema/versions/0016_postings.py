"""What all journal entries of a posting have in common stands once; no index over all keys of the journal."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.schema import append_only
from hub_pipelines.common.store import UtcDateTime

revision = "0016"
down_revision = "0011"

_OF_POSTING = ("request_id", "revision", "campus", "ledger_date", "contract_version", "posted_at")


def upgrade() -> None:
    op.create_table(
        "posting",
        sa.Column("ledger", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("ledger_date", sa.Date(), nullable=False),
        sa.Column("contract_version", sa.Integer(), nullable=False),
        sa.Column("posted_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("ledger", "version"),
    )
    _refuse_a_changed_journal()
    common = ", ".join(_OF_POSTING)
    op.execute(
        f"INSERT INTO posting (ledger, version, {common}) SELECT DISTINCT ledger, version, {common} FROM journal"
    )
    op.create_index("posting_by_request", "posting", ["request_id", "revision"])
    op.create_index("posting_by_day", "posting", ["ledger", "campus", "ledger_date"])
    append_only("posting")
    for index in ("journal_by_key", "journal_by_request", "journal_by_day"):
        op.drop_index(index, table_name="journal")
    if op.get_context().dialect.name == "postgresql":
        for column in _OF_POSTING:
            op.drop_column("journal", column)
    else:
        _make_anew("journal", _journal)
        append_only("journal")
        _make_anew("ledger", _ledger)


def _refuse_a_changed_journal() -> None:
    """Entries of one posting that disagree were written by nobody that the hub knows: nothing is smoothed over."""
    postings = f"SELECT DISTINCT ledger, version, {', '.join(_OF_POSTING)} FROM journal"
    several = f"SELECT ledger, version FROM ({postings}) AS one GROUP BY ledger, version HAVING count(*) > 1"
    row = op.get_bind().execute(sa.text(several)).first()
    if row is not None:
        raise SettingsError(
            f"The journal's entries of {row.ledger}, version {row.version}, are not of one posting: somebody has "
            "changed them. Nothing was upgraded. Run `hub audit verify` with the release that worked here before."
        )


def _make_anew(table: str, create: Callable[[str], None]) -> None:
    """SQLite rewrites a table for each column that is dropped; so once, in the order of its key."""
    create(f"new_{table}")
    names = ", ".join(f'"{column["name"]}"' for column in sa.inspect(op.get_bind()).get_columns(f"new_{table}"))
    order = "ledger, version, row_no" if table == "journal" else "ledger, key"
    op.execute(f"INSERT INTO new_{table} ({names}) SELECT {names} FROM {table} ORDER BY {order}")
    op.drop_table(table)
    op.rename_table(f"new_{table}", table)


def _journal(name: str) -> None:
    op.create_table(
        name,
        sa.Column("ledger", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("row_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("values", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("previous_version", sa.Integer(), nullable=True),
        sa.Column("previous_row_no", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("ledger", "version", "row_no"),
    )


def _ledger(name: str) -> None:
    op.create_table(
        name,
        sa.Column("ledger", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("ledger", "key"),
        sqlite_with_rowid=False,
    )
