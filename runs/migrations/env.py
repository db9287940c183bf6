"""Alembic's entry: runs the migrations in the transaction that `runs.migrate` gives it."""

from alembic import context

from runs.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # SQLite's too: a killed upgrade leaves the old schema
)
with context.begin_transaction():
    context.run_migrations()
