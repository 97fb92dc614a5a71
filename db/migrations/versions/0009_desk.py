"""Indexes for the admin console: one per filter, followed by the list's usual order, and one per other order.

Lists of open recoveries have small partial indexes: nearly all recoveries have ended, so a scan of an index of all
could pass hundreds of thousands before it meets the first open one. Later partitions of the log get the same indexes,
since they are created LIKE the table.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

INDEXES = {
    "recovery_by_provider": "recovery (provider, opened_at, recovery_id)",
    "recovery_by_cause": "recovery (cause, opened_at, recovery_id)",
    "recovery_by_category": "recovery (category, opened_at, recovery_id)",
    "recovery_by_segment": "recovery (segment, opened_at, recovery_id)",
    "recovery_by_strategy": "recovery (strategy, opened_at, recovery_id)",
    "recovery_by_currency": "recovery (upper(currency), opened_at, recovery_id)",
    "recovery_by_arm": "recovery (experiment, arm, opened_at, recovery_id) WHERE experiment IS NOT NULL",
    "recovery_by_amount": "recovery (amount, recovery_id)",
    "recovery_by_update": "recovery (updated_at, recovery_id)",
    "recovery_by_next": "recovery (next_attempt_at, recovery_id) WHERE next_attempt_at IS NOT NULL",
    "recovery_open": "recovery (opened_at, recovery_id) WHERE closed_at IS NULL",
    "recovery_open_by_update": "recovery (updated_at, recovery_id) WHERE closed_at IS NULL",
    "recovery_open_by_amount": "recovery (amount, recovery_id) WHERE closed_at IS NULL",
    "recovery_reviews": "recovery (coalesce(until, '9999-12-31 00:00:00+00'::timestamptz), recovery_id)"
    " WHERE state = 'in_review'",
    "recovery_invoice_prefix": "recovery (lower(invoice_id) text_pattern_ops)",
    "recovery_customer_prefix": "recovery (lower(customer_id) text_pattern_ops)",
    "event_log_operators": "event_log (recorded_at, recovery_id, sequence) WHERE type LIKE 'operator.%'",
    "event_log_of_operator": "event_log ((data->>'actor'), recorded_at, recovery_id, sequence)"
    " WHERE type LIKE 'operator.%'",
    "event_log_answers": "event_log (recorded_at)"
    " WHERE type IN ('charge.succeeded', 'charge.declined', 'charge.unknown')",
    "event_log_shadows": "event_log (recorded_at) WHERE type = 'shadow.planned'",
    "webhook_inbox_page": "webhook_inbox (received_at, provider, event_id)",
    "webhook_inbox_by_outcome": "webhook_inbox (outcome, received_at, provider, event_id)",
    "webhook_inbox_by_type": "webhook_inbox (event_type, received_at, provider, event_id)",
    "webhook_inbox_by_provider": "webhook_inbox (provider, received_at, event_id)",
    "network_attempt_newest": "network_attempt (at, recovery_id, key) WHERE fingerprint IS NOT NULL",
    "network_attempt_card_prefix": "network_attempt (fingerprint text_pattern_ops, at) WHERE fingerprint IS NOT NULL",
    "message_sent": "message (ended_at) WHERE state = 'sent'",
}
REPLACED = "webhook_inbox_newest"
"""`webhook_inbox_page` begins with the same column."""


def upgrade() -> None:
    """Creates indexes only. On a large database this takes minutes, and writers wait meanwhile."""
    for name, what in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {what}")
    op.execute(f"DROP INDEX {REPLACED}")


def downgrade() -> None:
    """Drops the indexes: the lists get slower."""
    op.execute(f"CREATE INDEX {REPLACED} ON webhook_inbox (received_at)")
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
