"""Two people above the policy's amount, by whichever way a command came: the API's own look may have another policy.

Over Temporal anybody may call themselves by any name. So only what the API has written into the table `approval`, where
it knows both people, counts as approved.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from core.approvals import OperatorRules, needs_second_approver, second_approver_refusal
from core.contracts import Action
from core.errors import CommandRefused
from core.events import Event, EventType
from core.retry.recovery import Recovery
from db.repositories import approvals
from db.session import Database

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
        if event is None or action is None or event.data.get("refused"):
            return None
        decision = event.data.get("decision")
        if not needs_second_approver(self._rules(), action, decision, recovery.amount, recovery.currency):
            return None
        granted = await self._is_granted(recovery.recovery_id, action, decision, event.data.get("request_id"))
        return None if granted else second_approver_refusal()


async def _never_granted(_: str, __: Action, ___: str | None, ____: str | None) -> bool:
    return False


NO_APPROVAL_NEEDED: Final = ApprovalCheck(OperatorRules, _never_granted)
"""By the shipped policy, which asks for no second person."""
