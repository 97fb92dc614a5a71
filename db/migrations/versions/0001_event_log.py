"""The event log: append-only, one partition per month of opening.

Partitions are created by a function that runs as the owner, since the writer owns nothing: ahead of time by
`pri migrate` and by maintenance, and on demand when a recovery opens in a month without one (an import may be years
old). There is no DEFAULT partition: rows in it could never be moved to a partition of their own, because nothing here
can be deleted.

A partition is created as a table and then attached, which lets others read and write meanwhile; CREATE TABLE ...
PARTITION OF would block them.
"""

from alembic import op

revision = "0001"
down_revision = None

TABLE = """
CREATE TABLE event_log (
    recovery_id   text        NOT NULL,
    sequence      int         NOT NULL CHECK (sequence > 0),
    event_id      uuid        NOT NULL,
    type          text        NOT NULL,
    occurred_at   timestamptz NOT NULL,
    recorded_at   timestamptz NOT NULL,
    provider      text        NOT NULL,
    invoice_id    text        NOT NULL,
    customer_id   text,
    attempt       int,
    from_state    text,
    to_state      text        NOT NULL,
    data          jsonb       NOT NULL,
    previous_hash bytea       NOT NULL CHECK (octet_length(previous_hash) = 32),
    hash          bytea       NOT NULL CHECK (octet_length(hash) = 32),
    opened_on     date        NOT NULL,
    UNIQUE (opened_on, recovery_id, sequence)
) PARTITION BY RANGE (opened_on)
"""

# One small entry per recovery: finds the day it opened, and with it the one partition to read.
OPENINGS = "CREATE INDEX event_log_openings ON event_log (recovery_id) WHERE sequence = 1"

# The hourly cap counts an operator's recent retries over all recoveries before each retry.
RETRIES_ASKED = """
CREATE INDEX event_log_retries_asked ON event_log (recorded_at) WHERE type = 'operator.retry_requested'
"""

REFUSE = """
CREATE FUNCTION refuse_event_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'event_log is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$
"""

# PostgreSQL copies row triggers to every partition, also to later ones. TRUNCATE fires statement triggers only.
REFUSE_ROWS = """
CREATE TRIGGER event_log_is_append_only BEFORE UPDATE OR DELETE ON event_log
    FOR EACH ROW EXECUTE FUNCTION refuse_event_log_change()
"""
REFUSE_STATEMENTS = """
CREATE TRIGGER event_log_refuses_statements BEFORE UPDATE OR DELETE OR TRUNCATE ON event_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_event_log_change()
"""

# The lock makes the second of two callers wait and then find what the first has created. It then looks into pg_class,
# since to_regclass may answer from a cache that there is none. Nobody gets privileges on a partition: the writer
# reaches it through event_log only.
ENSURE = """
CREATE FUNCTION ensure_event_log_partition(month date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first_day date := date_trunc('month', month::timestamp)::date;
    next_month date := (first_day + interval '1 month')::date;
    name text := 'event_log_' || to_char(first_day, 'YYYY_MM');
BEGIN
    IF to_regclass(format('%I.%I', '{schema}', name)) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('event_log partitions', 0));
    IF EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE c.relname = name AND n.nspname = '{schema}') THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I.%I (LIKE %I.event_log INCLUDING ALL)', '{schema}', name, '{schema}');
    EXECUTE format(
        'CREATE TRIGGER event_log_refuses_statements BEFORE UPDATE OR DELETE OR TRUNCATE ON %I.%I '
        'FOR EACH STATEMENT EXECUTE FUNCTION %I.refuse_event_log_change()', '{schema}', name, '{schema}');
    EXECUTE format('ALTER TABLE %I.event_log ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)',
                   '{schema}', '{schema}', name, first_day, next_month);
    RETURN true;
END $$
"""

# By default PostgreSQL lets PUBLIC execute a function, and everybody could create partitions.
ENSURE_FOR_FEW = "REVOKE ALL ON FUNCTION ensure_event_log_partition(date) FROM PUBLIC"

MONTHS = """
SELECT ensure_event_log_partition((date_trunc('month', now()) + n * interval '1 month')::date)
FROM generate_series(-1, 12) AS n
"""


def upgrade() -> None:
    """Creates the table, its triggers, and partitions from last month to twelve months ahead."""
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    ensure = ENSURE.replace("{schema}", schema.replace("'", "''"))
    guards = (REFUSE, REFUSE_ROWS, REFUSE_STATEMENTS)
    for statement in (TABLE, OPENINGS, RETRIES_ASKED, *guards, ensure, ENSURE_FOR_FEW, MONTHS):
        op.execute(statement)


def downgrade() -> None:
    """Drops the table with all its rows; `db.schema.downgrade_schema` refuses to come here without `discard`."""
    op.execute("DROP TABLE event_log")
    op.execute("DROP FUNCTION ensure_event_log_partition(date)")
    op.execute("DROP FUNCTION refuse_event_log_change()")
