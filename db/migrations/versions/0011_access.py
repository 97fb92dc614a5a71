"""Operator commands that wait for a second person, and the audit log of what people did outside of recoveries."""

from alembic import op

revision = "0011"
down_revision = "0010"

APPROVAL = """
CREATE TABLE approval (
    id          uuid        PRIMARY KEY,
    recovery_id text        NOT NULL,
    action      text        NOT NULL,
    decision    text,
    reason      text        NOT NULL,
    asked_by    text        NOT NULL,
    asked_at    timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    ended_by    text,
    outcome     text CHECK (outcome IN ('granted', 'expired')),
    request_id  text,
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    CHECK ((outcome = 'granted') = (ended_by IS NOT NULL))
)
"""
# One open request per command at a time: whoever submits it next is the second person.
APPROVAL_OPEN = """
CREATE UNIQUE INDEX approval_open ON approval (recovery_id, action, coalesce(decision, '')) WHERE ended_at IS NULL
"""
# A request that is sent again under its id finds that it was granted.
APPROVAL_REQUEST = "CREATE INDEX approval_request ON approval (recovery_id, request_id) WHERE request_id IS NOT NULL"

ACTION = """
CREATE TABLE operator_action (
    id           uuid        PRIMARY KEY,
    at           timestamptz NOT NULL,
    actor        text        NOT NULL,
    role         text,
    action       text        NOT NULL,
    subject      text,
    detail       jsonb       NOT NULL,
    name_hash    bytea,
    address_hash bytea
)
"""
NEWEST = (
    "CREATE INDEX operator_action_newest ON operator_action (at DESC, (id::text) DESC)",
    "CREATE INDEX operator_action_of_actor ON operator_action (actor, at DESC, (id::text) DESC)",
    "CREATE INDEX operator_action_of_kind ON operator_action (action, at DESC, (id::text) DESC)",
)
# The login throttle counts failed logins before every login.
FAILED = tuple(
    f"CREATE INDEX operator_action_failed_{which} ON operator_action ({which}_hash, at) WHERE action = 'login_failed'"
    for which in ("name", "address")
)
REFUSE = """
CREATE FUNCTION refuse_operator_action_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'operator_action is append-only: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$
"""
GUARDS = """
CREATE TRIGGER operator_action_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_action
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_operator_action_change()
"""


def upgrade() -> None:
    """Creates both tables, and the triggers that keep the second append-only."""
    for statement in (APPROVAL, APPROVAL_OPEN, APPROVAL_REQUEST, ACTION, *NEWEST, *FAILED, REFUSE, GUARDS):
        op.execute(statement)


def downgrade() -> None:
    """Drops both tables, the audit log included."""
    op.execute("DROP TABLE operator_action")
    op.execute("DROP FUNCTION refuse_operator_action_change()")
    op.execute("DROP TABLE approval")
