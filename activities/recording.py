"""Activities that write rows without a policy decision: the opening, provider events, operator commands."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

from temporalio import activity

from core.contracts import OpenedRecovery, OpenInput, RecordInput, WrittenRecords
from core.errors import CommandRefused
from core.events import Event, EventType
from core.events.data import OperatorCommand, OperatorReviewed
from core.operators import Action, OperatorRules, needs_second_approver, second_approver_refusal
from core.payments import EventKind, ProviderEvent
from core.policy.scope import SHIPPED_SCOPE, InvoiceScope
from core.recovery.machine import append_events
from core.recovery.reactions import opening_event, react_to_event
from core.recovery.state import Recovery
from db.recovery_log import RecoveryLog
from db.repositories import approvals
from db.session import Database
from intake.delivery import apply_write_off_rule

ApprovalLookup = Callable[[str, Action, str | None, str | None], Awaitable[bool]]
"""Whether two people asked for it: recovery, action, decision, request."""
_ACTIONS: Final[Mapping[EventType, Action]] = {
    EventType.RETRY_REQUESTED: Action.RETRY,
    EventType.REVIEWED: Action.REVIEW,
}


def stored_approval_lookup(database: Database) -> ApprovalLookup:
    """As the table `approval` says."""

    async def is_granted(recovery_id: str, action: Action, decision: str | None, request_id: str | None) -> bool:
        async with database.begin() as session:
            return await approvals.is_granted(session, recovery_id, action, decision, request_id)

    return is_granted


class ApprovalCheck:
    """Says of commands that are about to be written whether one person is enough for them."""

    def __init__(self, rules: Callable[[], OperatorRules], granted: ApprovalLookup) -> None:
        self._rules, self._is_granted = rules, granted

    async def find_refusal(self, recovery: Recovery, events: Sequence[Event]) -> CommandRefused | None:
        """Why the first of these may not be written; None where it may, and for all that is no command."""
        event = events[0] if events else None
        action = _ACTIONS.get(event.type) if event else None
        if event is None or action is None or event.is_refused:
            return None
        command = event.read(OperatorCommand)
        decision = str(command.decision) if isinstance(command, OperatorReviewed) and command.decision else None
        if not needs_second_approver(self._rules(), action, decision, recovery.amount, recovery.currency):
            return None
        granted = await self._is_granted(recovery.recovery_id, action, decision, command.request_id)
        return None if granted else second_approver_refusal()


async def _never_granted(_: str, __: Action, ___: str | None, ____: str | None) -> bool:
    return False


NO_APPROVAL_NEEDED: Final = ApprovalCheck(OperatorRules, _never_granted)
"""By the shipped policy, which asks for no second person."""


_KNOWN_BEFORE: Final = frozenset(
    {
        EventKind.INVOICE_PAID,
        EventKind.INVOICE_VOIDED,
        EventKind.INVOICE_UNCOLLECTIBLE,
        EventKind.DISPUTE_OPENED,
        EventKind.FRAUD_WARNING,
        EventKind.PAYMENT_REFUNDED,
    }
)
"""Kinds ignored without a recovery that count once one opens, if they occurred after the failure."""
_FOR_GOOD: Final = frozenset({EventKind.SUBSCRIPTION_ENDED, EventKind.CUSTOMER_DELETED})
"""Kinds that are final: they count even if they occurred before the failure."""


class Recording:
    """Writes rows. `searchable` tells which search attributes the namespace knows."""

    def __init__(
        self,
        log: RecoveryLog,
        searchable: Callable[[], Awaitable[tuple[str, ...]]],
        approvals: ApprovalCheck = NO_APPROVAL_NEEDED,
        scope: InvoiceScope = SHIPPED_SCOPE,
    ) -> None:
        self._log, self._searchable = log, searchable
        self._approvals, self._scope = approvals, scope

    @activity.defn
    async def open_recovery(self, known: OpenInput) -> OpenedRecovery:
        """Return the recovery's log; without one, open it with the failure in `known`, if there is one."""
        new = Recovery(provider=known.provider, invoice_id=known.invoice_id)
        opened = await self._log.open_log(new, known.event, partial(self._opening_events, new, known), known.now)
        return OpenedRecovery(
            records=opened.records,
            search_attributes=await self._searchable(),
            # A run that was lost may have taken a cancel with it: the new one must hear of it before it charges.
            commands=opened.commands,
            upserts_at_rest=True,
        )

    def _opening_events(self, new: Recovery, known: OpenInput, inbox: Sequence[ProviderEvent]) -> tuple[Event, ...]:
        """The opening event, and events of the inbox that arrived before the recovery existed but still count."""
        if known.event is None:
            return ()
        events = [opening_event(known.event)]
        recovery, _ = append_events(new, events, known.now)
        # Each as the policy takes it now.
        for earlier in (apply_write_off_rule(event, self._scope.rules) for event in inbox):
            since = earlier.kind in _KNOWN_BEFORE and earlier.occurred_at >= known.event.occurred_at
            if since or earlier.kind in _FOR_GOOD:
                said = react_to_event(recovery, earlier)
                recovery, _ = append_events(recovery, said, known.now)
                events += said
        return tuple(events)

    @activity.defn
    async def record_events(self, rows: RecordInput) -> WrittenRecords:
        """These events in the log, and the closing one behind them where they end the recovery.

        A command that one person may not give alone becomes a row without effect, or, where somebody waits for the
        answer, none.
        """
        refusal = await self._approvals.find_refusal(rows.recovery, rows.events)
        if refusal is None:
            return WrittenRecords(records=await self._log.append_events(rows.recovery, rows.events, rows.now))
        command = rows.events[0]
        if command.read(OperatorCommand).signal is not None:
            unheard = command.having(refused=refusal.code)
            return WrittenRecords(records=await self._log.append_events(rows.recovery, (unheard,), rows.now))
        written = await self._log.load_since(rows.recovery)
        return WrittenRecords(records=written) if written else WrittenRecords(refused=refusal.code, why=str(refusal))
