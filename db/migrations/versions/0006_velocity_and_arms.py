"""Indexes for counting failures by customer and by card; experiment and arm in the read model."""

from alembic import op

revision = "0006"
down_revision = "0005"

INDEXES = {
    "event_log_failures_of_customer": "(provider, customer_id, recorded_at)",
    "event_log_failures_of_card": "(provider, (data->'card'->>'fingerprint'), recorded_at)",
}
COLUMNS = ("experiment", "arm")


def upgrade() -> None:
    """Adds indexes and columns. Later partitions get the indexes too, since they are created LIKE the table."""
    for name, columns in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON event_log {columns} WHERE type = 'failure.classified'")
    for column in COLUMNS:
        op.execute(f"ALTER TABLE recovery ADD COLUMN {column} text")


def downgrade() -> None:
    """Drops columns and indexes. Nothing is lost: the columns can be rebuilt from the log."""
    for column in COLUMNS:
        op.execute(f"ALTER TABLE recovery DROP COLUMN {column}")
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
