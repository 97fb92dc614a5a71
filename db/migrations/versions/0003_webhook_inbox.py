"""The webhook inbox: every webhook that was answered with 2xx, and its outcome."""

from alembic import op

revision = "0003"
down_revision = "0002"

TABLE = """
CREATE TABLE webhook_inbox (
    provider     text        NOT NULL,
    event_id     text        NOT NULL,
    event_type   text        NOT NULL,
    received_at  timestamptz NOT NULL,
    body         bytea       NOT NULL,
    outcome      text        CHECK (outcome IN ('accepted', 'ignored', 'duplicate')),
    reason       text,
    recovery_id  text,
    customer_id  text,
    invoice_id   text,
    event        jsonb,
    delivered_at timestamptz,
    tries        int         NOT NULL DEFAULT 0,
    next_try_at  timestamptz NOT NULL,
    last_error   text,
    erased_at    timestamptz,
    UNIQUE (provider, event_id)
)
"""

INDEXES = (
    "CREATE INDEX webhook_inbox_undelivered ON webhook_inbox (next_try_at) WHERE delivered_at IS NULL",
    "CREATE INDEX webhook_inbox_by_invoice ON webhook_inbox (provider, invoice_id) WHERE invoice_id IS NOT NULL",
    "CREATE INDEX webhook_inbox_by_customer ON webhook_inbox (customer_id) WHERE customer_id IS NOT NULL",
    "CREATE INDEX webhook_inbox_by_recovery ON webhook_inbox (recovery_id) WHERE recovery_id IS NOT NULL",
    "CREATE INDEX webhook_inbox_newest ON webhook_inbox (received_at)",
)


def upgrade() -> None:
    """Creates the table and its indexes; the partial index of undelivered rows stays small."""
    for statement in (TABLE, *INDEXES):
        op.execute(statement)


def downgrade() -> None:
    """Drops the table with all stored webhooks."""
    op.execute("DROP TABLE webhook_inbox")
