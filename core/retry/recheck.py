"""A recorded segment or fraud assessment derived again from its own row, by the policy as it is now."""

from typing import Any, Final

from core.classifier.taxonomy import Cause, Classification
from core.events import EventType, Record
from core.fraud.assess import assess_fraud
from core.fraud.signals import FraudSignals
from core.payments import Card, CustomerView, FailureFacts, InvoiceStatus, InvoiceView, Risk
from core.retry.policy import Policy
from core.retry.rederive import Rederivation
from core.segmentation.segment import CustomerProfile, find_segment

RECHECKED_EVENTS: Final = frozenset({EventType.CUSTOMER_SEGMENTED, EventType.FRAUD_ASSESSED})


def rederive_segment_or_fraud(record: Record, policy: Policy) -> Rederivation:
    """The decision again. Never raises for what a row holds; a row of an older release may hold too little."""
    data = record.data.stored
    if data.get("policy_version") != policy.version:
        why = f"made by policy {data.get('policy_version')}; the one in force is {policy.version}"
        return Rederivation(agrees=None, why=why, recorded=dict(data))
    try:
        again = (
            _rederive_segment(data, policy)
            if record.type is EventType.CUSTOMER_SEGMENTED
            else _rederive_assessment(data, policy)
        )
    except (ValueError, KeyError, TypeError) as error:
        return Rederivation(agrees=None, why=f"its inputs can't be read: {type(error).__name__} {error}")
    before = {key: data.get(key) for key in again}
    differing = [key for key in again if before[key] != again[key]]
    why = f"differs in {', '.join(differing)}" if differing else "comes out the same"
    return Rederivation(agrees=not differing, why=why, recorded=before, derived=again)


def _rederive_segment(data: Any, policy: Policy) -> dict[str, Any]:
    profile = CustomerProfile.model_validate(data["profile"]) if data["profile"] is not None else None
    found = find_segment(profile, policy.segments)
    return {"segment": found.name, "rule": found.rule, "why": found.why}


def _rederive_assessment(data: Any, policy: Policy) -> dict[str, Any]:
    cause, countries = Cause(data["cause"]), data["countries"]
    classification = Classification(category=cause.category, cause=cause, decided_by=data["decided_by"], source="")
    risk = Risk(
        level=data["radar_level"],
        score=data["radar_score"],
        early_warning=data["early_warning"],
        disputed=data["disputed"],
    )
    facts = FailureFacts(
        invoice=InvoiceView(invoice_id="", status=InvoiceStatus.OPEN),
        card=Card(country=countries["card"]),
        customer=CustomerView(customer_id="", country=countries["customer"]),
        risk=risk,
    )
    found = assess_fraud(facts, classification, FraudSignals.model_validate(data["signals"]), policy.fraud)
    return {"level": found.level.value, "score": found.score, "reasons": list(found.reasons)}
