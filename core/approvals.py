"""What operators may do on their own, and what needs two of them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from core.base import Value
from core.contracts import Action
from core.errors import Refused

HOLDS_FOR: Final = timedelta(hours=24)
"""How long the first person's wish waits for a second one."""
APPROVE: Final = "approve"
SECOND_APPROVER: Final = "second_approver"
"""The code of what is refused to one person alone."""


class OperatorRules(Value):
    """The `[operators]` table of a policy."""

    second_approver_above: Mapping[str, int] = {}
    """By currency, in minor units; one that isn't named has no such limit."""
    retries_per_hour: int = 60
    """By one operator or key. Each may be a charge that the networks count."""


class Ask(Value):
    """One person's wish that waits for a second one."""

    asked_by: str
    asked_at: datetime
    expires_at: datetime
    reason: str


class Verdict(StrEnum):
    """What becomes of a wish that needs two people."""

    ASKS = "asks"
    """The first of them: it is kept."""
    WAITS = "waits"
    """The same person again: it still waits."""
    GRANTED = "granted"
    """The second of them: it is carried out."""


def needs_second(rules: OperatorRules, action: Action, decision: str | None, amount: int, currency: str) -> bool:
    """Whether this takes two people: what may lead to a charge above the limit, in minor units, of its currency.

    While the currency isn't known, so isn't the amount: any limit counts then.
    """
    if action is not Action.RETRY and (action, decision) != (Action.REVIEW, APPROVE):
        return False
    if not currency:
        return bool(rules.second_approver_above)
    limit = rules.second_approver_above.get(currency.upper())
    return limit is not None and amount > limit


def judged(ask: Ask | None, actor: str, now: datetime) -> Verdict:
    """What becomes of this person's wish, beside the open one for the same."""
    if ask is None or ask.expires_at <= now:
        return Verdict.ASKS
    return Verdict.WAITS if ask.asked_by == actor else Verdict.GRANTED


def sentence(ask: Ask) -> str:
    """What whoever asks first is told."""
    return (
        f"This amount takes two people: {ask.asked_by} asked for it; another operator must ask for the same "
        f"until {ask.expires_at:%Y-%m-%d %H:%M} UTC (24 hours)."
    )


def unapproved() -> Refused:
    """What whoever asks for it past the approvals is told."""
    told = "This amount takes two people, who ask for it over the API or in the admin pages, where both are known."
    return Refused(SECOND_APPROVER, told)
