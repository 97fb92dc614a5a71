"""Sessions of the admin console, so that one can be ended before its time. The cookie's secret is stored as a hash."""

from alembic import op

revision = "0020"
down_revision = "0018"

TABLE = """
CREATE TABLE admin_session (
    id           uuid        PRIMARY KEY,
    hash         bytea       NOT NULL UNIQUE,
    name         text        NOT NULL,
    role         text        NOT NULL,
    how          text        NOT NULL,
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    ended_by     text
)
"""


def upgrade() -> None:
    """Creates the table; people who are signed in now sign in once more."""
    op.execute(TABLE)


def downgrade() -> None:
    """Drops the table: everybody is signed out."""
    op.execute("DROP TABLE admin_session")
