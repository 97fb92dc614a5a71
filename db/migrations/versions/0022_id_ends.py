"""Indexes for the ends of invoice and customer ids: people search for the last characters, which they remember."""

from alembic import op

revision = "0022"
down_revision = "0021"

INDEXES = {
    "recovery_invoice_suffix": "recovery (reverse(lower(invoice_id)) text_pattern_ops)",
    "recovery_customer_suffix": "recovery (reverse(lower(customer_id)) text_pattern_ops)",
}


def upgrade() -> None:
    """Creates indexes only. On a large database this takes a minute, and writers wait meanwhile."""
    for name, what in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {what}")
    # The planner knows nothing of an expression before.
    op.execute("ANALYZE recovery")


def downgrade() -> None:
    """Drops the indexes: a search for an end reads the whole table."""
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
