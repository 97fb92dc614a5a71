"""The shadow policy: what it would have decided from the same input. Recorded beside the decision, never executed."""

from datetime import datetime
from typing import Final

from core.events import Event, EventType
from core.events.decision_data import RetryPlanned, RetrySkipped
from core.planning.decision_input import ArmConfig, DecisionInput
from core.planning.pipeline import decide

RETRY_ACTION: Final = "retry"
"""`action` of a shadow row whose policy would charge again."""
RECORDED_FIELDS: Final = (
    "at", "delay_seconds", "strategy", "policy_version", "why", "rejected", "reason", "network", "inputs", "experiment",
    "arm",
)  # fmt: skip
"""Keys of the shadow decision that its row keeps: result, reasons and inputs."""


def decide_shadow(decision_input: DecisionInput, config: ArmConfig, in_force: Event) -> Event | None:
    """The row of the shadow policy, beside the last row of the policy in force; None where that kept its schedule.

    Pure. `decision_input` comes from `shadow_input`: failure, segment and risk are those of the decision in force;
    budget, window, strategy, the merchant's network limits and experiment arms are the shadow policy's.
    """
    if _keeps_schedule(in_force):
        return None
    made = decide(decision_input, config)[-1]
    data = {key: made.data[key] for key in RECORDED_FIELDS if key in made.data}
    comparison = {"action": _action_of(made), "agrees": _effect_of(made) == _effect_of(in_force)}
    return made.holding(EventType.SHADOW_PLANNED, data | comparison)


def shadow_input(decision_input: DecisionInput) -> DecisionInput:
    """The input without what the policy in force set: segment, arm, window, schedule, and its strategy's lookups."""
    recovery = decision_input.recovery.with_changes(
        segment=None, experiment=None, arm=None, window_ends_at=None, next_attempt_at=None
    )
    return decision_input.model_copy(update={"recovery": recovery, "calendar": None, "experience": None})


def _keeps_schedule(decision: Event) -> bool:
    inputs = decision.data.inputs if isinstance(decision.data, RetryPlanned) else None
    return inputs is not None and inputs.kept_at is not None


def _action_of(decision: Event) -> str:
    return RETRY_ACTION if decision.type is EventType.RETRY_PLANNED else decision.read(RetrySkipped).action.value


def _effect_of(decision: Event) -> tuple[str, datetime | None]:
    """Action and time of a decision, to compare two of them."""
    at = decision.data.at if isinstance(decision.data, RetryPlanned | RetrySkipped) else None
    return _action_of(decision), at
