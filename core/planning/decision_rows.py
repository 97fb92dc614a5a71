"""The rows of the first three stages: classified, segmented, assessed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.classification.taxonomy import Chargeability
from core.durations import TimeScale
from core.events import EventType, format_timestamp
from core.payments import FailureFacts
from core.planning.decision_input import ArmConfig, DecisionInput
from core.policy.policy import SegmentPolicy
from core.recovery.chargeability import assess_ability
from core.segmentation.rules import CustomerProfile

RowDraft = tuple[EventType, Mapping[str, Any]]
"""Type and `data` of a row, before it gets its time and sequence number."""


def classification_row(decision_input: DecisionInput) -> RowDraft:
    """`failure.classified`: category and cause, the table row that decided, and whether a method can be charged."""
    found, failure = decision_input.classification, decision_input.facts.failure
    data = {
        "category": found.category.value,
        "cause": found.cause.value,
        "code": found.code,
        "source": found.source,
        "decided_by": found.decided_by,
        "wait_seconds": found.wait_seconds,
        # As values, not as JSON: they were validated and redacted when they were read.
        "failure": failure.without_unknown(),
        "card": decision_input.facts.card.without_unknown(),
        "missing": list(decision_input.facts.missing),
    }
    able, defaults = (
        assess_ability(decision_input.recovery, decision_input.facts),
        decision_input.facts.invoice.default_methods,
    )
    more = {"ability": able.value if able is not Chargeability.CHARGEABLE else None, "default_methods": list(defaults)}
    return EventType.FAILURE_CLASSIFIED, data | {key: value for key, value in more.items() if value}


def segmentation_row(decision_input: DecisionInput, segment_policy: SegmentPolicy, config: ArmConfig) -> RowDraft:
    """`customer.segmented`: the segment with the budget and window (UTC) that it grants; once per recovery."""
    segment, customer = decision_input.segment, decision_input.facts.customer
    data = {
        "segment": segment.name,
        "rule": segment.rule,
        "why": segment.why,
        "profile": _profile_data(segment.profile),
        "campaign": segment_policy.campaign,
        "attempts_allowed": segment_policy.attempts_allowed,
        "window_ends_at": format_timestamp(initial_window_end(decision_input, segment_policy, config.time_scale)),
        "customer_id": customer.customer_id if customer else decision_input.facts.invoice.customer_id,
        "policy_version": config.policy.version,
    } | ({"important": True} if segment_policy.important else {})
    return EventType.CUSTOMER_SEGMENTED, data


def assessment_row(decision_input: DecisionInput) -> RowDraft:
    """`fraud.assessed`: the level with all inputs of the assessment."""
    risk, assessment = decision_input.facts.risk, decision_input.assessment
    data = {
        "level": assessment.level.value,
        "score": assessment.score,
        "reasons": list(assessment.reasons),
        "radar_level": risk.level,
        "radar_score": risk.score,
        "early_warning": risk.early_warning,
        "disputed": risk.disputed,
        "signals": assessment.signals.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
        "countries": _country_data(decision_input.facts),
        "cause": decision_input.classification.cause.value,
        "decided_by": decision_input.classification.decided_by,
    }
    return EventType.FRAUD_ASSESSED, data


def _country_data(facts: FailureFacts) -> dict[str, str | None]:
    return {"customer": facts.customer.country if facts.customer else None, "card": facts.card.country}


def _profile_data(profile: CustomerProfile | None) -> dict[str, Any] | None:
    """The profile without its unknown fields; None without a profile."""
    return profile.model_dump(mode="json", exclude_none=True) if profile else None


def initial_window_end(decision_input: DecisionInput, segment_policy: SegmentPolicy, time_scale: TimeScale) -> datetime:
    """End of the retry window (UTC), counted from the opening and extended by the time a payment was processing."""
    opened_at, stopped = (
        decision_input.recovery.opened_at or decision_input.now,
        decision_input.recovery.clock_stopped_for(decision_input.now),
    )
    return opened_at + time_scale.shorten(segment_policy.window) + stopped
