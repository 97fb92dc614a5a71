"""Operator commands that were left as signals: kept until the log shows them, since Temporal may lose a signal."""

from alembic import op

revision = "0016"
down_revision = "0015"

TABLE = """
CREATE TABLE operator_signal (
    recovery_id  text        NOT NULL,
    request_id   text        NOT NULL,
    provider     text        NOT NULL,
    invoice_id   text        NOT NULL,
    command      jsonb       NOT NULL,
    stored_at    timestamptz NOT NULL,
    tries        int         NOT NULL DEFAULT 0,
    next_try_at  timestamptz NOT NULL,
    delivered_at timestamptz,
    problem      text,
    PRIMARY KEY (recovery_id, request_id)
)
"""
INDEX = "CREATE INDEX operator_signal_undelivered ON operator_signal (next_try_at) WHERE delivered_at IS NULL"


def upgrade() -> None:
    """Creates the table; the partial index of undelivered commands stays small."""
    op.execute(TABLE)
    op.execute(INDEX)


def downgrade() -> None:
    """Drops the table: a command that was left as a signal is then only in Temporal."""
    op.execute("DROP TABLE operator_signal")
