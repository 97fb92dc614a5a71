"""Alembic's entry point: migrates over the connection that `db.schema` opened under its lock, never over its own."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
