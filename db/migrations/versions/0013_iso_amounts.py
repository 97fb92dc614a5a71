"""Amounts of Stripe's three special currencies in minor units of ISO 4217, as every amount is from now on.

Rows of `event_log` stay as they are: they are read as what they meant (`core.money.modern`). What is made of them is
put right here. Source of the decimals: docs.stripe.com/currencies.
"""

from alembic import op

revision = "0013"
down_revision = "0012"

# Rounded up, as it is where amounts come in.
TO_ISO = "CASE currency WHEN 'MGA' THEN amount * 100 ELSE (amount + 99) / 100 END"
BACK = "CASE currency WHEN 'MGA' THEN amount / 100 ELSE amount * 100 END"
SPECIAL = "provider = 'stripe' AND currency IN ('ISK', 'UGX', 'MGA')"
TABLES = ("recovery", "network_attempt")


def upgrade() -> None:
    """Both tables that are made of the log."""
    for table in TABLES:
        op.execute(f"UPDATE {table} SET amount = {TO_ISO} WHERE {SPECIAL}")


def downgrade() -> None:
    """As Stripe counts."""
    for table in TABLES:
        op.execute(f"UPDATE {table} SET amount = {BACK} WHERE {SPECIAL}")
