"""What another policy would have done with the same findings: written beside the decision, and never followed."""

from collections.abc import Sequence
from typing import Any, Final

from core.base import Value
from core.events import Event, EventType
from core.retry.decide import Findings, Means, decide
from core.retry.network_plan import within_network
from core.retry.network_rules import Credential, LedgerEntry, NetworkRules
from core.retry.recovery import Recovery

RETRY: Final = "retry"
"""The action of a row whose policy would charge again."""
KEPT: Final = (
    "at", "delay_seconds", "strategy", "policy_version", "why", "rejected", "reason", "network", "inputs", "experiment",
    "arm",
)  # fmt: skip
"""What of the decision goes into the row: what it is, why, and what it is derived from."""


class Beside(Value):
    """What the decision in force knew of the card, and what it came to."""

    decision: Event
    card: Credential
    rules: NetworkRules
    tries: Sequence[LedgerEntry]


def shadow(findings: Findings, means: Means, beside: Beside) -> Event | None:
    """The row of the other policy; None where the one in force decided nothing and let its schedule stand.

    Same findings and means, same row. Failure, segment and risk are taken as found; budget, window, strategy, network
    limits of the merchant's own and arms of experiments are the other policy's.
    """
    if "kept_at" in (beside.decision.data.get("inputs") or {}):
        return None
    own = findings.model_copy(update={"recovery": as_if_new(findings.recovery)})
    rules = beside.rules.lowered(means.policy.network_limits)
    made = within_network(own.recovery, decide(own, means), beside.card, rules, beside.tries)[-1]
    data = {key: made.data[key] for key in KEPT if key in made.data}
    verdict = {"action": _action(made), "agrees": _does(made) == _does(beside.decision)}
    return made.holding(EventType.SHADOW_PLANNED, data | verdict)


def as_if_new(recovery: Recovery) -> Recovery:
    """Without what the policy in force once gave it: arm, window and schedule are not the other policy's."""
    return recovery.having(segment=None, experiment=None, arm=None, window_ends_at=None, next_attempt_at=None)


def _action(decision: Event) -> str:
    return RETRY if decision.type is EventType.RETRY_PLANNED else str(decision.data["action"])


def _does(decision: Event) -> tuple[Any, ...]:
    """What comes of it: a charge at a moment, or something else."""
    return _action(decision), decision.data.get("at")
