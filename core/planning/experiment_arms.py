"""Assigns a recovery to an arm of an experiment, and applies the arm's changes to the policy."""

from typing import Any

from core.payments import FailureFacts
from core.planning.decision_input import ArmConfig, DecisionConfig
from core.policy.experiments import Arm, ArmChanges, Assignment, assign_arm
from core.policy.policy import Policy, SegmentPolicy
from core.recovery.state import Recovery


def resolve_arm(config: DecisionConfig, recovery: Recovery, facts: FailureFacts) -> ArmConfig:
    """The config as this recovery's arm of an experiment changes it."""
    return config_of_arm(config, find_assignment(config.policy, recovery, facts))


def config_of_arm(config: DecisionConfig, assignment: Assignment | None) -> ArmConfig:
    """The config with this arm's changes; None: outside of every experiment."""
    known = config.arm_configs
    if assignment not in known:
        parts = dict(config) | {"policy": apply_arm(config.policy, assignment), "assignment": assignment}
        # Every part of it was validated before, and a policy is large.
        known[assignment] = ArmConfig.model_construct(**parts)
    return known[assignment]


def find_assignment(policy: Policy, recovery: Recovery, facts: FailureFacts) -> Assignment | None:
    """The arm: assigned at the first decision, by customer id or else by invoice id; afterwards as recorded."""
    if recovery.segment:
        known = recovery.experiment and recovery.arm
        return Assignment(experiment=recovery.experiment or "", arm=recovery.arm or "") if known else None
    customer = facts.customer.customer_id if facts.customer else recovery.customer_id or facts.invoice.customer_id
    return assign_customer(policy, recovery.provider, customer or recovery.invoice_id)


def assign_customer(policy: Policy, provider: str, customer_id: str) -> Assignment | None:
    """The arm of a customer of this provider; None where the policy has no experiment for them."""
    return assign_arm(policy.experiments, f"{provider}\n{customer_id}") if policy.experiments else None


def apply_arm(policy: Policy, assignment: Assignment | None) -> Policy:
    """The policy with the arm's changes; unchanged for the holdout and for an arm that no longer exists."""
    arm = _find_arm(policy, assignment) if assignment else None
    if arm is None:
        return policy
    return policy.model_copy(update={"segments": tuple(_apply_changes(one, arm) for one in policy.segments)})


def _find_arm(policy: Policy, assignment: Assignment) -> Arm | None:
    found = next((one for one in policy.experiments if one.name == assignment.experiment), None)
    return found.arm_named(assignment.arm) if found else None


def _apply_changes(segment: SegmentPolicy, arm: Arm) -> SegmentPolicy:
    of_segment = arm.segments.get(segment.name, ArmChanges())
    update: dict[str, Any] = {}
    for changes in (arm, of_segment):
        numbers = ("attempts_allowed", "window_days", "campaign")
        update |= {name: value for name in numbers if (value := getattr(changes, name)) is not None}
    update["strategies"] = {**segment.strategies, **arm.strategies, **of_segment.strategies}
    return segment.model_copy(update=update)
