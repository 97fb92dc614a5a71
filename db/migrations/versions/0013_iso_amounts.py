"""Amounts of Stripe's three special currencies in minor units of ISO 4217, as every amount is from now on.

Rows of `event_log` stay as they are and are converted when read (`core.money.upgrade_amount`). The tables derived from
them are converted here. Source of the decimals: docs.stripe.com/currencies.
"""

from alembic import op

revision = "0013"
down_revision = "0012"

# Rounded up, as `core.money.rescale_amount` does for incoming amounts.
TO_ISO = "CASE currency WHEN 'MGA' THEN amount * 100 ELSE (amount + 99) / 100 END"
BACK = "CASE currency WHEN 'MGA' THEN amount / 100 ELSE amount * 100 END"
SPECIAL = "provider = 'stripe' AND currency IN ('ISK', 'UGX', 'MGA')"
TABLES = ("recovery", "network_attempt")


def upgrade() -> None:
    """Converts the two tables that are derived from the log."""
    for table in TABLES:
        op.execute(f"UPDATE {table} SET amount = {TO_ISO} WHERE {SPECIAL}")


def downgrade() -> None:
    """Converts the amounts back to Stripe's own decimals."""
    for table in TABLES:
        op.execute(f"UPDATE {table} SET amount = {BACK} WHERE {SPECIAL}")
