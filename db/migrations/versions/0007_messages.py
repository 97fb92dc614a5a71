"""Messages to customers, their contacts, and notices for operators and other systems.

`contact` is the only table that holds personal data besides the bodies of webhooks; `pri erase` blanks both.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = {
    "contact": """
        CREATE TABLE contact (
            provider    text        NOT NULL,
            customer_id text        NOT NULL,
            email       text,
            name        text,
            phone       text,
            language    text,
            country     text,
            time_zone   text,
            links       jsonb       NOT NULL DEFAULT '{}',
            read_at     timestamptz NOT NULL,
            erased_at   timestamptz,
            PRIMARY KEY (provider, customer_id)
        )""",
    "message": """
        CREATE TABLE message (
            recovery_id text        NOT NULL,
            step        text        NOT NULL,
            channel     text        NOT NULL,
            kind        text        NOT NULL,
            state       text        NOT NULL CHECK (state IN ('sending', 'unsent', 'sent', 'failed')),
            language    text,
            tries       int         NOT NULL,
            claimed_at  timestamptz NOT NULL,
            ended_at    timestamptz,
            reason      text,
            PRIMARY KEY (recovery_id, step, channel)
        )""",
    "notice": """
        CREATE TABLE notice (
            id          uuid        PRIMARY KEY,
            audience    text        NOT NULL CHECK (audience IN ('operators', 'webhook')),
            topic       text        NOT NULL,
            recovery_id text,
            data        jsonb       NOT NULL,
            occurred_at timestamptz NOT NULL,
            handed_at   timestamptz,
            outcome     text
        )""",
}
INDEX = "CREATE INDEX notice_waiting ON notice (audience, occurred_at) WHERE handed_at IS NULL"


def upgrade() -> None:
    """Creates three tables, and an index for notices that are not handled yet."""
    for statement in (*TABLES.values(), INDEX):
        op.execute(statement)


def downgrade() -> None:
    """Drops the tables. The log still says what was sent; contacts are read from the provider again."""
    for name in TABLES:
        op.execute(f"DROP TABLE {name}")
