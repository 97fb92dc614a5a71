"""Who did what: rows of the event log, and what was done besides recoveries, as one list."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from api.admin.masking import masked
from api.admin.words import label, recovery_address, webhook_address
from core.base import Value
from core.errors import InvalidInput
from core.events import EventType
from core.telling.tell import describe_record
from db import cursors
from db.repositories import event_log, operator_actions, operators
from db.repositories.operator_actions import AuditAction, StoredAuditEntry
from db.session import Session

ON_RECOVERIES: Final = tuple(one for one in EventType if one.value.startswith("operator."))
SEPARATOR: Final = "."
"""Between the two halves of a cursor; base64 for addresses has none."""


class Deed(Value):
    """Something that somebody did."""

    at: datetime
    actor: str
    what: str
    why: str = ""
    subject: str = ""
    address: str | None = None
    """The page of the subject."""
    known: tuple[tuple[str, str], ...] = ()
    refused: bool = False
    logged: bool
    """Whether it stands in the log of a recovery; if not, in the table beside it."""
    place: str
    """The cursor behind it, among its own kind."""


class Deeds(Value):
    """Some of them, newest first, and how to ask for the ones behind (None: there are none)."""

    items: tuple[Deed, ...]
    next_cursor: str | None


async def find(session: Session, actor: str | None, action: str | None, limit: int, cursor: str | None) -> Deeds:
    """One page out of both tables; `action` is a type of the log or a Kind. Raises InvalidInput."""
    log_after, other_after = _halves(cursor)
    found: list[Deed] = []
    if action not in set(AuditAction):
        kind = EventType(action) if action in set(ON_RECOVERIES) else None
        page = await operators.load_operator_events(session, actor, kind, limit=limit + 1, cursor=log_after)
        found += map(_logged, page.items)
    if action not in set(ON_RECOVERIES):
        others = await operator_actions.load_entries(session, limit + 1, other_after, actor, action or None)
        found += map(_other, others.items)
    found.sort(key=lambda deed: deed.at, reverse=True)
    return Deeds(items=tuple(found[:limit]), next_cursor=_behind(found, limit, log_after, other_after))


def _halves(cursor: str | None) -> tuple[str | None, str | None]:
    """How far each table was read. Raises InvalidInput."""
    if cursor is None:
        return None, None
    if cursor.count(SEPARATOR) != 1:
        raise InvalidInput(cursors.FOREIGN_CURSOR)
    log_after, _, other_after = cursor.partition(SEPARATOR)
    return log_after or None, other_after or None


def _behind(found: list[Deed], limit: int, log_after: str | None, other_after: str | None) -> str | None:
    """Each table goes on behind the last of it that is shown, or where it stood."""
    if len(found) <= limit:
        return None
    for deed in found[:limit]:
        log_after, other_after = (deed.place, other_after) if deed.logged else (log_after, deed.place)
    return f"{log_after or ''}{SEPARATOR}{other_after or ''}"


def _logged(row: dict[str, Any]) -> Deed:
    telling = describe_record(event_log.record_of(row))
    actor = str(row["data"].get("actor") or "somebody")
    return Deed(
        at=row["recorded_at"],
        actor=actor,
        what=telling.headline.removeprefix(actor).strip().capitalize(),
        why=telling.why,
        subject=row["invoice_id"],
        address=recovery_address(row["provider"], row["invoice_id"]),
        known=tuple((fact.label, fact.value) for fact in telling.facts if isinstance(fact.value, str)),
        refused=bool(row["data"].get("refused")),
        logged=True,
        place=cursors.encode_cursor(row["recorded_at"], row["recovery_id"], row["sequence"]),
    )


def _other(entry: StoredAuditEntry) -> Deed:
    reason = entry.detail.get("reason")
    return Deed(
        at=entry.at,
        actor=entry.actor,
        what=KINDS.get(entry.action, label(entry.action)),
        why=f"“{reason}”" if isinstance(reason, str) and reason else "",
        subject=entry.subject or "",
        address=_page_of(entry),
        known=_details(entry.detail),
        refused=entry.action == AuditAction.LOGIN_FAILED,
        logged=False,
        place=cursors.encode_cursor(entry.at, str(entry.id)),
    )


def _details(detail: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Without persons and secrets, whatever somebody puts into it one day."""
    told = {name: value for name, value in detail.items() if name != "reason"}
    return tuple((label(name), str(told[name] if name in _OURS else masked(told)[name])) for name in told)


_OURS: Final = frozenset({"why", "how", "result", "action", "decision", "scopes", "verdict"})
"""Keys under which this service writes sentences of its own."""


def _page_of(entry: StoredAuditEntry) -> str | None:
    """Of a webhook or a recovery, whose names begin with their provider."""
    if entry.action == AuditAction.WEBHOOK_REPLAYED:
        provider, _, event = (entry.subject or "").partition(" ")
        return webhook_address(provider, event) if event else None
    if not (entry.subject or "").startswith("recovery-"):
        return None
    provider, _, invoice = (entry.subject or "").removeprefix("recovery-").partition("-")
    return recovery_address(provider, invoice) if invoice else None


KINDS: Final[Mapping[str, str]] = {
    AuditAction.LOGIN: "Signed in",
    AuditAction.LOGIN_FAILED: "Failed to sign in",
    AuditAction.LOGOUT: "Signed out",
    AuditAction.KEY_CREATED: "Made an API key",
    AuditAction.KEY_REVOKED: "Revoked an API key",
    AuditAction.SIMULATION_STARTED: "Started a dry run",
    AuditAction.SIMULATION_CANCELED: "Canceled a dry run",
    AuditAction.POLICY_UPLOADED: "Checked a candidate policy",
    AuditAction.WEBHOOK_REPLAYED: "Had a webhook delivered again",
    AuditAction.CHAIN_VERIFIED: "Verified a recovery's log",
    AuditAction.EXPORTED: "Exported recoveries",
    AuditAction.SECOND_ASKED: "Asked for what takes a second person",
    AuditAction.CUSTOMER_ERASED: "Erased a customer",
}
LOGGED: Final[Mapping[str, str]] = {
    EventType.RETRY_REQUESTED: "Asked for a retry",
    EventType.CANCEL_REQUESTED: "Canceled a recovery",
    EventType.PAUSED: "Paused a recovery",
    EventType.RESUMED: "Resumed a recovery",
    EventType.REVIEWED: "Reviewed a recovery",
}
