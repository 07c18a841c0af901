"""What Alembic runs for each upgrade: the steps, on the connection and in the transaction of the caller."""

from alembic import context

from hub_pipelines.common.store import SCHEMA_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=SCHEMA_TABLE)
context.run_migrations()
