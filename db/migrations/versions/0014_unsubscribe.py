"""Customers who unsubscribed, and the key that signs unsubscribe links."""

import secrets

from alembic import op
from sqlalchemy import text

revision = "0014"
down_revision = "0013"

SUPPRESSION = """
CREATE TABLE suppression (
    provider    text        NOT NULL,
    customer_id text        NOT NULL,
    channel     text        NOT NULL,
    purpose     text        NOT NULL,
    source      text        NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (provider, customer_id, channel, purpose)
)
"""
KEY = "CREATE TABLE signing_key (id smallint PRIMARY KEY, secret bytea NOT NULL, created_at timestamptz NOT NULL)"


def upgrade() -> None:
    """Creates both tables, and a random first key, so that links work before anybody configures a secret."""
    op.execute(SUPPRESSION)
    op.execute(KEY)
    first = text("INSERT INTO signing_key VALUES (1, :secret, now())").bindparams(secret=secrets.token_bytes(32))
    op.execute(first)


def downgrade() -> None:
    """Drops both tables. Unsubscribed customers get messages again, and links that were sent stop working."""
    op.execute("DROP TABLE signing_key")
    op.execute("DROP TABLE suppression")
