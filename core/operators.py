"""What operators may do on their own, and what needs two of them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from core.base import Value
from core.errors import CommandRefused
from core.events.types import ReviewDecision


class Action(StrEnum):
    """What an operator can ask of a recovery."""

    RETRY = "retry"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    REVIEW = "review"


class Command(Value):
    """One wish of an operator."""

    action: Action
    actor: str = "temporal"
    reason: str = ""
    decision: str | None = None
    """approve or reject, for a review."""
    request_id: str | None = None
    """The same command sent twice has the same id."""
    asked_by: str | None = None
    """Who asked for the same before, where it takes two people, and why."""
    asked_reason: str | None = None
    signal: str | None = None
    """Which signal of which run it came as; the workflow says so, nobody else."""


_COMMAND_TEXT_FIELDS = ("actor", "reason", "decision", "request_id", "asked_by", "asked_reason")


def parse_command(action: Action, given: Any) -> Command:
    """A command out of whatever somebody typed: an object's known fields, anything else kept as text in `reason`."""
    if not isinstance(given, dict):
        return Command(action=action, reason="" if given is None else str(given))
    texts = {key: str(given[key]) for key in _COMMAND_TEXT_FIELDS if given.get(key)}
    if "decision" in texts:
        texts["decision"] = texts["decision"].strip().lower()
    return Command(action=action, **texts)


APPROVAL_LIFETIME: Final = timedelta(hours=24)
"""How long the first person's request waits for a second one."""
SECOND_APPROVER: Final = "second_approver"
"""The code of what is refused to one person alone."""


class OperatorRules(Value):
    """The `[operators]` table of a policy."""

    second_approver_above: Mapping[str, int] = {}
    """By currency, in minor units; one that isn't named has no such limit."""
    retries_per_hour: int = 60
    """By one operator or key. Each may be a charge that the networks count."""


class ApprovalRequest(Value):
    """One person's wish that waits for a second one."""

    asked_by: str
    asked_at: datetime
    expires_at: datetime
    reason: str


class ApprovalStatus(StrEnum):
    """What becomes of an operator command that needs two people."""

    REQUESTED = "asks"
    """The first of them: it is kept."""
    PENDING = "waits"
    """The same person again: it still waits."""
    GRANTED = "granted"
    """The second of them: it is carried out."""


def needs_second_approver(
    rules: OperatorRules, action: Action, decision: str | None, amount: int, currency: str
) -> bool:
    """Whether this takes two people: what may lead to a charge above the limit, in minor units, of its currency.

    While the currency isn't known, so isn't the amount: any limit counts then.
    """
    if action is not Action.RETRY and (action, decision) != (Action.REVIEW, ReviewDecision.APPROVE):
        return False
    if not currency:
        return bool(rules.second_approver_above)
    limit = rules.second_approver_above.get(currency.upper())
    return limit is not None and amount > limit


def approval_status(ask: ApprovalRequest | None, actor: str, now: datetime) -> ApprovalStatus:
    """What becomes of this person's wish, beside the open one for the same."""
    if ask is None or ask.expires_at <= now:
        return ApprovalStatus.REQUESTED
    return ApprovalStatus.PENDING if ask.asked_by == actor else ApprovalStatus.GRANTED


def describe_approval_request(ask: ApprovalRequest) -> str:
    """What whoever asks first is told."""
    return (
        f"This amount takes two people: {ask.asked_by} asked for it; another operator must ask for the same "
        f"until {ask.expires_at:%Y-%m-%d %H:%M} UTC (24 hours)."
    )


def second_approver_refusal() -> CommandRefused:
    """What whoever asks for it past the approvals is told."""
    told = "This amount takes two people, who ask for it over the API or in the admin pages, where both are known."
    return CommandRefused(SECOND_APPROVER, told)


LOGIN_WINDOW: Final = timedelta(minutes=15)
MAX_FAILURES_PER_NAME: Final = 5
"""Wrong passwords for one name within the window."""
MAX_FAILURES_PER_ADDRESS: Final = 20
"""And from one address, whatever the names."""


def login_delay(count: int, first_at: datetime | None, most: int, now: datetime) -> timedelta:
    """How long until one more is allowed, after so many failures since the first in the window; zero: at once."""
    return max(timedelta(), first_at + LOGIN_WINDOW - now) if first_at and count >= most else timedelta()
