"""The merchant's own invoice numbers, which customers know, beside the links of their invoices."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """A constant default, so that no row is written anew."""
    op.execute("ALTER TABLE contact ADD COLUMN invoice_numbers jsonb NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    """Messages name the provider's id of the invoice again."""
    op.execute("ALTER TABLE contact DROP COLUMN invoice_numbers")
