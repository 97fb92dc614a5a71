"""What each table holds of customers: every column that can hold text is declared here, and a test fails for others."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Content(StrEnum):
    """What stands in a column, and with that what `pri erase` does to it."""

    ERASED = "personal data: blanked or deleted"
    IDS = "ids that name nobody, codes and words of our own: kept"
    REDACTED = "free text that is redacted before it is written: kept, since these rows are never changed"
    OURS = "what is the merchant's own: policies, results, keys and people who operate the service"


PERSONAL_DATA: Final[Mapping[str, Mapping[Content, str]]] = {
    "event_log": {
        Content.IDS: "recovery_id type provider invoice_id customer_id from_state to_state previous_hash hash",
        Content.REDACTED: "data",
    },
    "recovery": {
        Content.IDS: "recovery_id provider invoice_id customer_id subscription_id currency state category cause segment"
        " strategy policy_version charge_ids close_reason experiment arm",
    },
    "webhook_inbox": {
        Content.ERASED: "body event last_error",
        Content.IDS: "provider event_id event_type outcome reason recovery_id customer_id invoice_id",
    },
    "network_attempt": {
        Content.IDS: "recovery_id key provider fingerprint network currency trigger outcome code network_code"
        " network_advice fee_currency",
    },
    "operator_signal": {
        Content.ERASED: "command problem",
        Content.IDS: "recovery_id request_id provider invoice_id",
    },
    "api_key": {Content.OURS: "name prefix hash scopes"},
    "simulation": {Content.OURS: "state created_by source policy baseline assumptions problem result report"},
    "contact": {
        Content.ERASED: "email name phone language country time_zone links invoice_numbers",
        Content.IDS: "provider customer_id",
    },
    "customer_identity": {Content.ERASED: "original", Content.IDS: "customer_id"},
    "message": {Content.IDS: "recovery_id step channel kind state language reason"},
    "suppression": {Content.IDS: "provider customer_id channel purpose source"},
    "signing_key": {Content.OURS: "secret"},
    "notice": {Content.ERASED: "data", Content.IDS: "audience topic recovery_id outcome"},
    "approval": {
        Content.ERASED: "reason",
        Content.IDS: "recovery_id action decision outcome request_id",
        Content.OURS: "asked_by ended_by",
    },
    "admin_session": {Content.OURS: "hash name role how ended_by"},
    "operator_action": {
        Content.REDACTED: "subject detail",
        Content.OURS: "actor role action name_hash address_hash",
    },
    "recovery_figure": {Content.IDS: "span basis currency dimension name part"},
    "recovery_change": {Content.IDS: "currency state provider cause segment strategy close_reason experiment arm"},
}
"""By table and content, the columns, separated by blanks."""


def columns_with(content: Content) -> dict[str, tuple[str, ...]]:
    """The columns with this content, by table; tables without one are left out."""
    return {table: tuple(held[content].split()) for table, held in PERSONAL_DATA.items() if content in held}
