"""What another policy would have done with the same findings: written beside the decision, and never followed."""

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
"""The action of a row whose policy would charge again."""
RECORDED_FIELDS: Final = (
    "at", "delay_seconds", "strategy", "policy_version", "why", "rejected", "reason", "network", "inputs", "experiment",
    "arm",
)  # fmt: skip
"""What of the decision goes into the row: what it is, why, and what it is derived from."""


class DecisionInForce(Value):
    """What the decision in force knew of the card, and what it came to."""

    decision: Event
    card: Credential
    rules: NetworkRules
    tries: Sequence[LedgerEntry]


def decide_shadow(decision_input: DecisionInput, config: DecisionConfig, beside: DecisionInForce) -> Event | None:
    """The row of the other policy; None where the one in force decided nothing and let its schedule stand.

    Same findings and means, same row. Failure, segment and risk are taken as found; budget, window, strategy, network
    limits of the merchant's own and arms of experiments are the other policy's.
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
    """Without what the policy in force once gave it: arm, window and schedule are not the other policy's."""
    return recovery.with_changes(segment=None, experiment=None, arm=None, window_ends_at=None, next_attempt_at=None)


def _action_of(decision: Event) -> str:
    return RETRY_ACTION if decision.type is EventType.RETRY_PLANNED else str(decision.data["action"])


def _effect_of(decision: Event) -> tuple[Any, ...]:
    """What comes of it: a charge at a moment, or something else."""
    return _action_of(decision), decision.data.get("at")
