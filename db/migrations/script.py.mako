"""${message}"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """What it adds."""
    op.execute("")


def downgrade() -> None:
    """Exactly what `upgrade` added, taken away."""
    op.execute("")
