"""Numbers of messages sent by day, so that the dashboard of a year doesn't count each message.

Triggers add a row for each change of `message`, in its transaction; writers only insert, so they don't wait for each
other. `db.queries.message_figures.merge_days` makes one row of those of a day.
"""

from alembic import op

revision = "0024"
down_revision = "0023"

TABLE = "CREATE TABLE message_figure (day date NOT NULL, sent bigint NOT NULL)"
INDEX = "CREATE INDEX message_figure_of_day ON message_figure (day) INCLUDE (sent)"
ADD = "INSERT INTO message_figure (day, sent)"


def _sent(rows: str, weight: int = 1) -> str:
    return f"""
        SELECT (ended_at AT TIME ZONE 'UTC')::date AS day, {weight} * count(*) AS sent
        FROM {rows} WHERE state = 'sent' AND ended_at IS NOT NULL GROUP BY 1"""


CHANGED = f"{_sent('old_rows', -1)} UNION ALL {_sent('new_rows')}"
BODIES = {
    "insert": f"{ADD} {_sent('new_rows')}",
    "update": f"{ADD} SELECT day, sum(sent) FROM ({CHANGED}) AS changed GROUP BY day HAVING sum(sent) <> 0",
    "delete": f"{ADD} {_sent('old_rows', -1)}",
    "truncate": "PERFORM pg_advisory_xact_lock(hashtextextended('recovery figures', 2)); DELETE FROM message_figure",
}
SEEN = {
    "insert": "REFERENCING NEW TABLE AS new_rows",
    "update": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "delete": "REFERENCING OLD TABLE AS old_rows",
    "truncate": "",
}


def upgrade() -> None:
    """Creates the table and its triggers, and counts the messages of every day once."""
    op.execute(TABLE)
    op.execute(INDEX)
    for change, body in BODIES.items():
        name = f"count_messages_of_{change}"
        op.execute(f"""
            CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                {body};
                RETURN NULL;
            END $$""")
        op.execute(f"""
            CREATE TRIGGER {name} AFTER {change} ON message {SEEN[change]}
            FOR EACH STATEMENT EXECUTE FUNCTION {name}()""")
    op.execute(f"{ADD} {_sent('message')}")


def downgrade() -> None:
    """Drops them. Nothing is lost: the numbers are derived from `message`."""
    for change in BODIES:
        op.execute(f"DROP TRIGGER count_messages_of_{change} ON message")
        op.execute(f"DROP FUNCTION count_messages_of_{change}()")
    op.execute("DROP TABLE message_figure")
