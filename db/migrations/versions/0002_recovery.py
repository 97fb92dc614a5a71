"""The read model: one row per recovery with its current state, derived from its log."""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLE = """
CREATE TABLE recovery (
    recovery_id      text        PRIMARY KEY,
    provider         text        NOT NULL,
    invoice_id       text        NOT NULL,
    customer_id      text,
    subscription_id  text,
    amount           bigint      NOT NULL,
    currency         text        NOT NULL,
    state            text        NOT NULL,
    category         text,
    cause            text,
    segment          text,
    strategy         text,
    policy_version   text,
    attempt          int         NOT NULL,
    attempts_used    int         NOT NULL,
    attempts_allowed int,
    next_attempt_at  timestamptz,
    until            timestamptz,
    due_at           timestamptz,
    charge_ids       text[]      NOT NULL,
    opened_at        timestamptz NOT NULL,
    closed_at        timestamptz,
    close_reason     text,
    sequence         int         NOT NULL,
    opened_on        date        NOT NULL,
    updated_at       timestamptz NOT NULL,
    checked_at       timestamptz,
    UNIQUE (provider, invoice_id)
)
"""

INDEXES = (
    "CREATE INDEX recovery_newest ON recovery (opened_at, recovery_id)",
    "CREATE INDEX recovery_by_state ON recovery (state, opened_at, recovery_id)",
    "CREATE INDEX recovery_by_customer ON recovery (customer_id, opened_at) WHERE customer_id IS NOT NULL",
    "CREATE INDEX recovery_by_charge ON recovery USING gin (charge_ids)",
    "CREATE INDEX recovery_due ON recovery (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX recovery_unchecked ON recovery (checked_at NULLS FIRST) WHERE closed_at IS NULL",
)


def upgrade() -> None:
    """Creates the table, with an index for each frequent query."""
    for statement in (TABLE, *INDEXES):
        op.execute(statement)


def downgrade() -> None:
    """Drops the table. Nothing is lost: it can be rebuilt from the log."""
    op.execute("DROP TABLE recovery")
