"""Keys of the HTTP API, stored as hashes only."""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLE = """
CREATE TABLE api_key (
    id           uuid        PRIMARY KEY,
    name         text        NOT NULL,
    prefix       text        NOT NULL UNIQUE,
    hash         bytea       NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    scopes       text[]      NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
)
"""


def upgrade() -> None:
    """Creates the table."""
    op.execute(TABLE)


def downgrade() -> None:
    """Drops the table; every API key stops working."""
    op.execute("DROP TABLE api_key")
