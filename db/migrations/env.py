"""Alembic's entry: runs over the connection that `db.schema` opened and locked, never over one of its own."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
