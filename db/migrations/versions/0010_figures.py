"""Day sums for the dashboard and `/v1/summary`.

Every change of a recovery marks the days (UTC) of its opening and its end, in the same transaction. A marked day is
summed from the recoveries themselves until `db.queries.figures.refresh_figures` sums it anew and deletes its marks.
Writers only ever insert marks, so that no two of them wait for each other. The marks are set by triggers, so day sums
are right also after a rebuild, an import or a manual correction.
"""

from alembic import op

revision = "0010"
down_revision = "0009"

TABLES = {
    "recovery_figure": """
        CREATE TABLE recovery_figure (
            basis           text    NOT NULL CHECK (basis IN ('opened', 'closed')),
            day             date    NOT NULL,
            currency        text    NOT NULL,
            dimension       text    NOT NULL,
            name            text,
            part            text,
            at_risk         numeric NOT NULL,
            recovered       numeric NOT NULL,
            lost            numeric NOT NULL,
            open_count      bigint  NOT NULL,
            recovered_count bigint  NOT NULL,
            lost_count      bigint  NOT NULL,
            seconds         numeric NOT NULL
        )""",
    "recovery_touched": "CREATE TABLE recovery_touched (basis text NOT NULL, day date NOT NULL)",
}
INDEXES = (
    "CREATE INDEX recovery_figure_of_day ON recovery_figure (basis, dimension, day)",
    "CREATE INDEX recovery_touched_day ON recovery_touched (basis, day)",
    "CREATE INDEX recovery_closed ON recovery (closed_at) WHERE closed_at IS NOT NULL",
)
COUNTED = ("opened_at", "closed_at", "currency", "amount", "state", "category", "cause", "segment", "strategy",
           "provider", "attempt", "close_reason", "experiment", "arm")  # fmt: skip
"""Columns that the sums depend on. `checked_at`, which the relay writes every few seconds, is not among them."""


def _days(row: str, rows: str, condition: str = "true") -> str:
    return f"""
        SELECT basis, (moment AT TIME ZONE 'UTC')::date
        FROM {rows}, LATERAL (VALUES ('opened', {row}.opened_at), ('closed', {row}.closed_at)) AS of_day (basis, moment)
        WHERE moment IS NOT NULL AND {condition}"""


OLD, NEW = (", ".join(f"{row}.{column}" for column in COUNTED) for row in ("o", "n"))
DIFFER = f"({OLD}) IS DISTINCT FROM ({NEW})"
BOTH = "old_rows AS o JOIN new_rows AS n USING (recovery_id)"
DAYS = {
    "insert": f"{_days('n', 'new_rows AS n')} GROUP BY 1, 2",
    "update": f"{_days('o', BOTH, DIFFER)} UNION {_days('n', BOTH, DIFFER)}",
    "delete": f"{_days('o', 'old_rows AS o')} GROUP BY 1, 2",
    "truncate": "SELECT DISTINCT basis, day FROM recovery_figure",
}
SEEN = {
    "insert": "REFERENCING NEW TABLE AS new_rows",
    "update": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "delete": "REFERENCING OLD TABLE AS old_rows",
    "truncate": "",
}


def upgrade() -> None:
    """Creates the tables and a trigger for each kind of change, and marks every day that has recoveries now."""
    for statement in (*TABLES.values(), *INDEXES):
        op.execute(statement)
    for change, days in DAYS.items():
        name = f"mark_days_of_{change}"
        op.execute(f"""
            CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                INSERT INTO recovery_touched (basis, day) {days};
                RETURN NULL;
            END $$""")
        op.execute(f"""
            CREATE TRIGGER {name} AFTER {change} ON recovery {SEEN[change]}
            FOR EACH STATEMENT EXECUTE FUNCTION {name}()""")
    op.execute(f"INSERT INTO recovery_touched (basis, day) {_days('n', 'recovery AS n')} GROUP BY 1, 2")


def downgrade() -> None:
    """Drops triggers and tables. Nothing is lost: the sums are derived from `recovery`."""
    for change in DAYS:
        op.execute(f"DROP TRIGGER mark_days_of_{change} ON recovery")
        op.execute(f"DROP FUNCTION mark_days_of_{change}()")
    op.execute("DROP INDEX recovery_closed")
    for name in TABLES:
        op.execute(f"DROP TABLE {name}")
