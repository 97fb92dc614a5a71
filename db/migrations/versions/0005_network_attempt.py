"""The attempt ledger: every try of a card that a network counts, and those that its rules held back.

Made of the log, in the same transaction. One row per try: `key` tells the tries of one recovery apart, the same in
every repeat.
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
    """The table, an index for one card's tries and a small one for fees."""
    for statement in (TABLE, *INDEXES):
        op.execute(statement)


def downgrade() -> None:
    """Tries are counted anew; the log still tells of them."""
    op.execute("DROP TABLE network_attempt")
