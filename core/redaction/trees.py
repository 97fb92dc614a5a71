"""Redacts JSON whose keys say what is an identifier: the last net before rows that can't be erased."""

from collections.abc import Mapping
from typing import Any, Final

from core.redaction.text import redact_text

IDENTIFIERS: Final = frozenset(
    {
        "actor", "application", "asked_by", "charge_before", "charge_id", "customer_id", "event_id", "fingerprint",
        "id", "idempotency_key", "invoice", "invoice_id", "last_method_id", "method_id", "method_version",
        "payment_id", "policy_version", "recovery_id", "refused_method", "request_id", "run_id", "signal",
        "subscription_id", "token", "workflow_id",
    }
)  # fmt: skip
"""Keys of our own objects whose text is an id, a hash of ours, or the name of somebody who works here."""


def redact_tree(value: Any, identifiers: frozenset[str] = IDENTIFIERS) -> Any:
    """The JSON with all text redacted, keys included, but for what stands under these keys.

    Numbers stay: in our own objects they are amounts, counts and seconds.
    """
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {
            redact_text(key): item if key in identifiers and isinstance(item, str) else redact_tree(item, identifiers)
            for key, item in value.items()
        }
    return [redact_tree(item, identifiers) for item in value] if isinstance(value, list | tuple) else value
