"""Partial payments, late payments and returned payments: columns of the read model and of the day sums.

Additive: a constant default needs no rewrite of the table (postgresql.org/docs/current/sql-altertable.html, Notes).
Existing rows keep 0, which is what their log says, since partial payments are recorded from this release on. The days
of recoveries that ended out of scope are summed anew, since these no longer count as lost.
"""

from alembic import op

revision = "0012"
down_revision = "0011"

RECOVERY = ("paid", "paid_late", "returned")
FIGURE = ("paid_late", "returned")
BEFORE = ("opened_at", "closed_at", "currency", "amount", "state", "category", "cause", "segment", "strategy",
          "provider", "attempt", "close_reason", "experiment", "arm")  # fmt: skip
"""Columns that the sums depended on before; see 0010."""


def _days(row: str, rows: str, condition: str) -> str:
    return f"""
        SELECT basis, (moment AT TIME ZONE 'UTC')::date
        FROM {rows}, LATERAL (VALUES ('opened', {row}.opened_at), ('closed', {row}.closed_at)) AS of_day (basis, moment)
        WHERE moment IS NOT NULL AND {condition}"""


def _watch(columns: tuple[str, ...]) -> str:
    """SQL for the trigger's function: a change of these columns marks the days of the recovery's opening and end."""
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("o", "n"))
    differ, both = f"({old}) IS DISTINCT FROM ({new})", "old_rows AS o JOIN new_rows AS n USING (recovery_id)"
    return f"""
        CREATE OR REPLACE FUNCTION mark_days_of_update() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO recovery_touched (basis, day) {_days("o", both, differ)} UNION {_days("n", both, differ)};
            RETURN NULL;
        END $$"""


def upgrade() -> None:
    """Adds the columns, and makes the trigger watch them too."""
    for column in RECOVERY:
        op.execute(f"ALTER TABLE recovery ADD COLUMN {column} bigint NOT NULL DEFAULT 0")
    for column in FIGURE:
        op.execute(f"ALTER TABLE recovery_figure ADD COLUMN {column} numeric NOT NULL DEFAULT 0")
    op.execute(_watch((*BEFORE, *RECOVERY)))
    _mark("n.close_reason = 'out_of_scope'")


def downgrade() -> None:
    """Drops the columns. The log still holds these payments; the sums no longer include them."""
    op.execute(_watch(BEFORE))
    _mark("(n.close_reason = 'out_of_scope' OR n.paid <> 0)")
    for column in FIGURE:
        op.execute(f"ALTER TABLE recovery_figure DROP COLUMN {column}")
    for column in RECOVERY:
        op.execute(f"ALTER TABLE recovery DROP COLUMN {column}")


def _mark(condition: str) -> None:
    op.execute(f"INSERT INTO recovery_touched (basis, day) {_days('n', 'recovery AS n', condition)} GROUP BY 1, 2")
