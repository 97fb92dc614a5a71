"""Dry runs asked for over the API: what was asked, how far it is, what came of it."""

from alembic import op

revision = "0008"
down_revision = "0007"

TABLE = """
CREATE TABLE simulation (
    id          uuid        PRIMARY KEY,
    state       text        NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'canceled')),
    created_at  timestamptz NOT NULL,
    created_by  text        NOT NULL,
    started_at  timestamptz,
    ended_at    timestamptz,
    source      text        NOT NULL,
    recoveries  bigint,
    seed        bigint      NOT NULL,
    policy      text        NOT NULL,
    baseline    text        NOT NULL,
    assumptions text,
    done        bigint      NOT NULL,
    total       bigint,
    problem     text,
    result      text,
    report      text,
    CHECK ((state IN ('done', 'failed', 'canceled')) = (ended_at IS NOT NULL)),
    CHECK ((state = 'done') = (result IS NOT NULL AND report IS NOT NULL))
)
"""


def upgrade() -> None:
    """The table. `result` is text and not jsonb: the same seed gives the same bytes, also here."""
    op.execute(TABLE)
    op.execute("CREATE INDEX simulation_newest ON simulation (created_at DESC, (id::text) DESC)")


def downgrade() -> None:
    """Results are gone; their seeds and policies make them again."""
    op.execute("DROP TABLE simulation")
