"""The shadow policy: what it would have decided from the same input. Recorded beside the decision, never executed."""

from collections.abc import Sequence
from typing import Any, Final

from core.base import Value
from core.card_networks.rules import Credential, LedgerEntry, NetworkRules
from core.events import Event, EventType
from core.planning.decision import decide_on_failure
from core.planning.decision_rows import DecisionConfig, DecisionInput
from core.planning.network_limits import apply_network_rules
from core.recovery.state import Recovery

RETRY_ACTION: Final = "retry"
"""`action` of a shadow row whose policy would charge again."""
RECORDED_FIELDS: Final = (
    "at", "delay_seconds", "strategy", "policy_version", "why", "rejected", "reason", "network", "inputs", "experiment",
    "arm",
)  # fmt: skip
"""Keys of the shadow decision that its row keeps: result, reasons and inputs."""


class DecisionInForce(Value):
    """The decision of the policy in force, with the card, rules and attempts it was based on."""

    decision: Event
    card: Credential
    rules: NetworkRules
    tries: Sequence[LedgerEntry]


def decide_shadow(decision_input: DecisionInput, config: DecisionConfig, beside: DecisionInForce) -> Event | None:
    """The row of the shadow policy; None where the policy in force only kept its schedule.

    Pure. Failure, segment and risk are those of the decision in force; budget, window, strategy, the merchant's network
    limits and experiment arms are the shadow policy's.
    """
    if "kept_at" in (beside.decision.data.get("inputs") or {}):
        return None
    own = decision_input.model_copy(update={"recovery": without_policy_state(decision_input.recovery)})
    rules = beside.rules.lower_limits(config.policy.network_limits)
    made = apply_network_rules(own.recovery, decide_on_failure(own, config), beside.card, rules, beside.tries)[-1]
    data = {key: made.data[key] for key in RECORDED_FIELDS if key in made.data}
    verdict = {"action": _action_of(made), "agrees": _effect_of(made) == _effect_of(beside.decision)}
    return made.holding(EventType.SHADOW_PLANNED, data | verdict)


def without_policy_state(recovery: Recovery) -> Recovery:
    """The recovery without segment, arm, window and schedule, which the policy in force set."""
    return recovery.with_changes(segment=None, experiment=None, arm=None, window_ends_at=None, next_attempt_at=None)


def _action_of(decision: Event) -> str:
    return RETRY_ACTION if decision.type is EventType.RETRY_PLANNED else str(decision.data["action"])


def _effect_of(decision: Event) -> tuple[Any, ...]:
    """Action and time of a decision, to compare two of them."""
    return _action_of(decision), decision.data.get("at")
