"""The attempt ledger: every attempt of a card that a network counts, and those that its rules forbade.

It is derived from the log and written in the same transaction. One row per attempt: `key` distinguishes the attempts of
one recovery and is the same in every repeat.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLE = """
CREATE TABLE network_attempt (
    recovery_id    text        NOT NULL,
    key            text        NOT NULL,
    provider       text        NOT NULL,
    fingerprint    text,
    network        text,
    amount         bigint      NOT NULL,
    currency       text        NOT NULL,
    at             timestamptz NOT NULL,
    attempt        int,
    trigger        text        NOT NULL,
    outcome        text        NOT NULL
        CHECK (outcome IN ('requested', 'declined', 'approved', 'not_sent', 'released', 'held')),
    code           text,
    network_code   text,
    network_advice text,
    fee_amount     bigint,
    fee_currency   text,
    PRIMARY KEY (recovery_id, key)
)
"""

INDEXES = (
    "CREATE INDEX network_attempt_by_card ON network_attempt (provider, fingerprint, at)",
    "CREATE INDEX network_attempt_fees ON network_attempt (at) WHERE fee_amount IS NOT NULL",
)


def upgrade() -> None:
    """Creates the table, an index for one card's attempts and a small one for fees."""
    for statement in (TABLE, *INDEXES):
        op.execute(statement)


def downgrade() -> None:
    """Drops the table. Nothing is lost: it can be rebuilt from the log."""
    op.execute("DROP TABLE network_attempt")
