"""Sums by month beside those by day, kept by what changed instead of by summing the days again.

The triggers note each change of a recovery in `recovery_change`: the row before with weight -1, the row after with
weight 1. `db.queries.figure_refresh` moves what is noted to the sums; until then queries add it themselves.
Before, a changed day was summed from its recoveries until the next refresh, which took the longer the more there were.
The present recoveries are noted once, so dashboards are slow until the relay's passes have moved them.
"""

from alembic import op

revision = "0023"
down_revision = "0022"

CHANGES = """
    CREATE TABLE recovery_change (
        weight       smallint    NOT NULL CHECK (weight IN (-1, 1)),
        opened_at    timestamptz NOT NULL,
        closed_at    timestamptz,
        amount       bigint      NOT NULL,
        paid         bigint      NOT NULL,
        paid_late    bigint      NOT NULL,
        returned     bigint      NOT NULL,
        currency     text        NOT NULL,
        state        text        NOT NULL,
        provider     text        NOT NULL,
        attempt      integer     NOT NULL,
        cause        text,
        segment      text,
        strategy     text,
        close_reason text,
        experiment   text,
        arm          text
    )"""
COUNTED = ("opened_at", "closed_at", "amount", "paid", "paid_late", "returned", "currency", "state", "provider",
           "attempt", "cause", "segment", "strategy", "close_reason", "experiment", "arm")  # fmt: skip
"""Columns that the sums depend on. `checked_at`, which the relay writes every few seconds, is not among them."""
OLD, NEW = (", ".join(f"{row}.{column}" for column in COUNTED) for row in ("o", "n"))
DIFFERENT = f"old_rows AS o JOIN new_rows AS n USING (recovery_id) WHERE ({OLD}) IS DISTINCT FROM ({NEW})"
NOTE = f"INSERT INTO recovery_change (weight, {', '.join(COUNTED)})"
# A refresh that runs while the table is emptied has to be done before its sums are deleted.
FORGET = """
    PERFORM pg_advisory_xact_lock(hashtextextended('recovery figures', 2));
    DELETE FROM recovery_change;
    DELETE FROM recovery_figure"""
CHANGE_BODIES = {
    "insert": f"{NOTE} SELECT 1, {NEW} FROM new_rows AS n",
    "update": f"{NOTE} SELECT -1, {OLD} FROM {DIFFERENT} UNION ALL SELECT 1, {NEW} FROM {DIFFERENT}",
    "delete": f"{NOTE} SELECT -1, {OLD} FROM old_rows AS o",
    "truncate": FORGET,
}
SEEN = {
    "insert": "REFERENCING NEW TABLE AS new_rows",
    "update": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "delete": "REFERENCING OLD TABLE AS old_rows",
    "truncate": "",
}

TOUCHED = "CREATE TABLE recovery_touched (basis text NOT NULL, day date NOT NULL)"
MARK = "INSERT INTO recovery_touched (basis, day)"


def _days(row: str, rows: str, condition: str = "true") -> str:
    return f"""
        SELECT basis, (moment AT TIME ZONE 'UTC')::date
        FROM {rows}, LATERAL (VALUES ('opened', {row}.opened_at), ('closed', {row}.closed_at)) AS of_day (basis, moment)
        WHERE moment IS NOT NULL AND {condition}"""


BOTH, DIFFER = "old_rows AS o JOIN new_rows AS n USING (recovery_id)", f"({OLD}) IS DISTINCT FROM ({NEW})"
MARK_BODIES = {
    "insert": f"{MARK} {_days('n', 'new_rows AS n')} GROUP BY 1, 2",
    "update": f"{MARK} {_days('o', BOTH, DIFFER)} UNION {_days('n', BOTH, DIFFER)}",
    "delete": f"{MARK} {_days('o', 'old_rows AS o')} GROUP BY 1, 2",
    "truncate": f"{MARK} SELECT DISTINCT basis, day FROM recovery_figure",
}
"""As 0010 and 0012 made them."""


def upgrade() -> None:
    """Replaces the triggers and notes all recoveries anew."""
    op.execute("DELETE FROM recovery_figure")
    op.execute(
        "ALTER TABLE recovery_figure ADD COLUMN span text NOT NULL DEFAULT 'day' CHECK (span IN ('day', 'month'))"
    )
    op.execute("ALTER TABLE recovery_figure ADD COLUMN total_count bigint NOT NULL DEFAULT 0")
    op.execute("DROP INDEX recovery_figure_of_day")
    op.execute("CREATE INDEX recovery_figure_of_span ON recovery_figure (basis, dimension, span, day, currency)")
    op.execute(CHANGES)
    _replace_triggers("mark_days_of", "note_change_of", CHANGE_BODIES)
    op.execute("DROP TABLE recovery_touched")
    op.execute(f"{NOTE} SELECT 1, {NEW} FROM recovery AS n")


def downgrade() -> None:
    """Brings the marks back and marks every day. Nothing is lost: the sums are derived from `recovery`."""
    op.execute("DELETE FROM recovery_figure")
    op.execute("DROP INDEX recovery_figure_of_span")
    op.execute("ALTER TABLE recovery_figure DROP COLUMN span, DROP COLUMN total_count")
    op.execute("CREATE INDEX recovery_figure_of_day ON recovery_figure (basis, dimension, day)")
    op.execute(TOUCHED)
    op.execute("CREATE INDEX recovery_touched_day ON recovery_touched (basis, day)")
    _replace_triggers("note_change_of", "mark_days_of", MARK_BODIES)
    op.execute("DROP TABLE recovery_change")
    op.execute(f"{MARK} {_days('n', 'recovery AS n')} GROUP BY 1, 2")


def _replace_triggers(old: str, new: str, bodies: dict[str, str]) -> None:
    for change, body in bodies.items():
        op.execute(f"DROP TRIGGER {old}_{change} ON recovery")
        op.execute(f"DROP FUNCTION {old}_{change}()")
        op.execute(f"""
            CREATE FUNCTION {new}_{change}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                {body};
                RETURN NULL;
            END $$""")
        op.execute(f"""
            CREATE TRIGGER {new}_{change} AFTER {change} ON recovery {SEEN[change]}
            FOR EACH STATEMENT EXECUTE FUNCTION {new}_{change}()""")
