"""Steps that bring an older home's database to the present schema, one file each in versions/, run by Alembic.

Belongs here: DDL as it was when a step was written, and what new tables have to be told from the ones that were there.
Not here: the tables themselves (each in its store.py), from which a new home is made at once. A test holds the two
against each other. Add a step: a file in versions/, its number in `SCHEMA_VERSION` (common/store.py).
"""

from pathlib import Path

from alembic import command, op
from alembic.config import Config
from sqlalchemy import Connection

from hub_pipelines.common.store import SCHEMA_VERSION, refusing_triggers


def upgrade(tx: Connection, *, upto: str = SCHEMA_VERSION) -> None:
    """Run the missing steps in the caller's transaction: all of them or, after a crash, none."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = tx
    command.upgrade(config, upto)


def append_only(table: str) -> None:
    """The triggers of `common.store.refuse_changes`, for a step."""
    for statement in refusing_triggers(table)[op.get_context().dialect.name]:
        op.execute(statement)
