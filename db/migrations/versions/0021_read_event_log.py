"""A function that reads one recovery's rows, by the day of its opening where the caller knows it.

A function that may write takes a new snapshot for each of its statements (at READ COMMITTED, which all of ours run at).
So one round trip can lock a recovery and then read what the previous holder of the lock committed.
"""

from alembic import op

revision = "0021"
down_revision = "0020"

# The likely day lets PostgreSQL open one partition. Whether rows exist is still for the log to say: where there are
# none under that day, the day is looked up in all partitions. A recovery without rows is about to be opened on that
# day; its month may be years ago (an import), and lack a partition.
# The caller passes the time at which it got its lock, so that PostgreSQL can't call the function before that.
READ = """
CREATE FUNCTION read_event_log(wanted text, first int, likely_day date, locked_at timestamptz)
    RETURNS SETOF event_log LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN QUERY
        SELECT * FROM event_log AS log
        WHERE log.opened_on = likely_day AND log.recovery_id = wanted AND log.sequence >= first
        ORDER BY log.sequence;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT * FROM event_log AS log
        WHERE log.recovery_id = wanted AND log.sequence >= first AND log.opened_on = (
            SELECT min(opening.day) FROM (
                SELECT event_log.opened_on AS day FROM event_log
                WHERE event_log.recovery_id = wanted AND event_log.sequence = 1 OFFSET 0
            ) AS opening
        )
        ORDER BY log.sequence;
    IF NOT FOUND AND likely_day IS NOT NULL THEN
        PERFORM ensure_event_log_partition(likely_day);
    END IF;
END $$
"""


def upgrade() -> None:
    """Creates the function. It runs with the rights of its caller."""
    op.execute(READ)


def downgrade() -> None:
    """Drops it; only workers of this release and later ones call it."""
    op.execute("DROP FUNCTION read_event_log(text, int, date, timestamptz)")
