"""Audit entries as one list: operator rows of the event log, and the audit log of everything else."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from api.admin.formatting import recovery_address, to_label, webhook_address
from api.admin.masking import mask_tree
from core.base import Value
from core.errors import InvalidInput
from core.events import EventType
from core.events.data import OperatorCommand
from core.timeline.timeline import describe_record
from db import cursors
from db.queries import operator_events
from db.repositories import event_log, operator_actions
from db.repositories.operator_actions import AuditAction, StoredAuditEntry
from db.session import Session

RECOVERY_EVENT_TYPES: Final = tuple(one for one in EventType if one.value.startswith("operator."))
CURSOR_SEPARATOR: Final = "."
"""Separates the two halves of a cursor; does not occur in URL-safe base64."""


class AuditListEntry(Value):
    """One thing that a person did, as the page shows it."""

    at: datetime
    actor: str
    what: str
    why: str = ""
    subject: str = ""
    address: str | None = None
    """The page of the subject."""
    details: tuple[tuple[str, str], ...] = ()
    is_refused: bool = False
    is_in_event_log: bool
    """Whether it is a row of `event_log`; otherwise it is one of `operator_action`."""
    cursor: str
    """The cursor after it in its own table."""


class AuditList(Value):
    """One page of audit entries, newest first. `next_cursor` is None on the last page."""

    items: tuple[AuditListEntry, ...]
    next_cursor: str | None


async def find_audit_entries(
    session: Session, actor: str | None, action: str | None, limit: int, cursor: str | None
) -> AuditList:
    """One page from both tables; `action` is an event type of the log or an AuditAction.

    Raises InvalidInput for a cursor that this function did not return.
    """
    log_after, other_after = _split_cursor(cursor)
    found: list[AuditListEntry] = []
    if action not in set(AuditAction):
        kind = EventType(action) if action in set(RECOVERY_EVENT_TYPES) else None
        page = await operator_events.load_operator_events(session, actor, kind, limit=limit + 1, cursor=log_after)
        found += map(_from_log_row, page.items)
    if action not in set(RECOVERY_EVENT_TYPES):
        others = await operator_actions.load_entries(session, limit + 1, other_after, actor, action or None)
        found += map(_from_stored_entry, others.items)
    found.sort(key=lambda entry: entry.at, reverse=True)
    return AuditList(items=tuple(found[:limit]), next_cursor=_next_cursor(found, limit, log_after, other_after))


def _split_cursor(cursor: str | None) -> tuple[str | None, str | None]:
    """The cursors of both tables. Raises InvalidInput."""
    if cursor is None:
        return None, None
    if cursor.count(CURSOR_SEPARATOR) != 1:
        raise InvalidInput(cursors.FOREIGN_CURSOR)
    log_after, _, other_after = cursor.partition(CURSOR_SEPARATOR)
    return log_after or None, other_after or None


def _next_cursor(found: list[AuditListEntry], limit: int, log_after: str | None, other_after: str | None) -> str | None:
    """The cursor for the next page; None if everything is shown."""
    # Each table continues after its own last entry on the page, or where it was if none of its entries is shown.
    if len(found) <= limit:
        return None
    for entry in found[:limit]:
        log_after, other_after = (entry.cursor, other_after) if entry.is_in_event_log else (log_after, entry.cursor)
    return f"{log_after or ''}{CURSOR_SEPARATOR}{other_after or ''}"


def _from_log_row(row: dict[str, Any]) -> AuditListEntry:
    record = event_log.record_of(row)
    description = describe_record(record)
    actor = (record.data.actor if isinstance(record.data, OperatorCommand) else None) or "somebody"
    return AuditListEntry(
        at=row["recorded_at"],
        actor=actor,
        what=description.headline.removeprefix(actor).strip().capitalize(),
        why=description.why,
        subject=row["invoice_id"],
        address=recovery_address(row["provider"], row["invoice_id"]),
        details=tuple((fact.label, fact.value) for fact in description.facts if isinstance(fact.value, str)),
        is_refused=record.is_refused,
        is_in_event_log=True,
        cursor=cursors.encode_cursor(row["recorded_at"], row["recovery_id"], row["sequence"]),
    )


def _from_stored_entry(entry: StoredAuditEntry) -> AuditListEntry:
    reason = entry.detail.get("reason")
    return AuditListEntry(
        at=entry.at,
        actor=entry.actor,
        what=ACTION_LABELS.get(entry.action, to_label(entry.action)),
        why=f"“{reason}”" if isinstance(reason, str) and reason else "",
        subject=entry.subject or "",
        address=_subject_address(entry),
        details=_entry_details(entry.detail),
        is_refused=entry.action == AuditAction.LOGIN_FAILED,
        is_in_event_log=False,
        cursor=cursors.encode_cursor(entry.at, str(entry.id)),
    )


def _entry_details(detail: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The details as label and text, masked, so that no release shows persons or secrets by accident."""
    shown_details = {name: value for name, value in detail.items() if name != "reason"}
    return tuple(
        (to_label(name), str(shown_details[name] if name in _UNMASKED_KEYS else mask_tree(shown_details)[name]))
        for name in shown_details
    )


_UNMASKED_KEYS: Final = frozenset({"why", "how", "result", "action", "decision", "scopes", "verdict"})
"""Keys under which this service writes only its own sentences, which need no mask."""


def _subject_address(entry: StoredAuditEntry) -> str | None:
    """The page of a webhook or a recovery; None for other subjects."""
    if entry.action == AuditAction.WEBHOOK_REPLAYED:
        provider, _, event = (entry.subject or "").partition(" ")
        return webhook_address(provider, event) if event else None
    if not (entry.subject or "").startswith("recovery-"):
        return None
    provider, _, invoice = (entry.subject or "").removeprefix("recovery-").partition("-")
    return recovery_address(provider, invoice) if invoice else None


ACTION_LABELS: Final[Mapping[str, str]] = {
    AuditAction.LOGIN: "Signed in",
    AuditAction.LOGIN_FAILED: "Failed to sign in",
    AuditAction.LOGOUT: "Signed out",
    AuditAction.SESSION_ENDED: "Ended a session",
    AuditAction.PAYLOADS_DECODED: "Read encrypted payloads of Temporal",
    AuditAction.KEY_CREATED: "Created an API key",
    AuditAction.KEY_REVOKED: "Revoked an API key",
    AuditAction.SIMULATION_STARTED: "Started a dry run",
    AuditAction.SIMULATION_CANCELED: "Canceled a dry run",
    AuditAction.POLICY_UPLOADED: "Checked a candidate policy",
    AuditAction.WEBHOOK_REPLAYED: "Replayed a webhook",
    AuditAction.CHAIN_VERIFIED: "Verified a recovery's log",
    AuditAction.EXPORTED: "Exported recoveries",
    AuditAction.SECOND_ASKED: "Submitted a command that takes a second person",
    AuditAction.CUSTOMER_ERASED: "Erased a customer",
    AuditAction.RETRY_RESERVED: "Took a place under the cap on retries",
    AuditAction.RETRY_RELEASED: "Gave a place under the cap on retries back",
}
EVENT_LABELS: Final[Mapping[str, str]] = {
    EventType.RETRY_REQUESTED: "Asked for a retry",
    EventType.CANCEL_REQUESTED: "Canceled a recovery",
    EventType.PAUSED: "Paused a recovery",
    EventType.RESUMED: "Resumed a recovery",
    EventType.REVIEWED: "Reviewed a recovery",
}
