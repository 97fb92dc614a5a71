"""Dry runs started over the API: order, progress and result."""

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
    """Creates the table. `result` is text, since jsonb would not keep its bytes: the same seed gives the same bytes."""
    op.execute(TABLE)
    op.execute("CREATE INDEX simulation_newest ON simulation (created_at DESC, (id::text) DESC)")


def downgrade() -> None:
    """Drops the table with all results; a dry run of the same seed and policy gives them again."""
    op.execute("DROP TABLE simulation")
