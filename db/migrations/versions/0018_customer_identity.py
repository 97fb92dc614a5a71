"""Customer ids that name a person are replaced by a keyed hash; the originals stay here, for charging, until erased.

Bodies of webhooks are blanked when they are old enough; an index finds those that still have one.
"""

from alembic import op

revision = "0018"
down_revision = "0017"

TABLE = """
CREATE TABLE customer_identity (
    customer_id text        PRIMARY KEY,
    original    text,
    seen_at     timestamptz NOT NULL,
    erased_at   timestamptz
)
"""
INDEXES = (
    "CREATE UNIQUE INDEX customer_identity_original ON customer_identity (original) WHERE original IS NOT NULL",
    "CREATE INDEX webhook_inbox_with_body ON webhook_inbox (received_at) WHERE body <> ''",
)


def upgrade() -> None:
    """Creates table and indexes. Recoveries that are open keep their customer's id as it is."""
    for statement in (TABLE, *INDEXES):
        op.execute(statement)


def downgrade() -> None:
    """Drops the table: open recoveries of such customers can't be charged at a provider that needs their id (Adyen)."""
    op.execute("DROP INDEX webhook_inbox_with_body")
    op.execute("DROP TABLE customer_identity")
