"""Derives a recorded decision again from its own row, and compares the two."""

from collections.abc import Mapping
from typing import Any, Final

from core.base import Value
from core.classification.classify import classify_with_card
from core.classification.tables import DeclineTables
from core.classification.taxonomy import Cause, Classification
from core.events import EventType, Record, format_timestamp, parse_timestamp
from core.fraud.assessment import assess_fraud
from core.fraud.signals import FraudSignals
from core.messages.plans import is_reproducible
from core.payments import Card, CustomerView, Failure, FailureFacts, InvoiceStatus, InvoiceView, Risk
from core.planning.planner import Exhausted, Plan, plan_next_retry
from core.planning.planner_inputs import PlannerInputs, parse_planner_inputs
from core.policy.policy import Policy, StrategyFactory
from core.segmentation.rules import CustomerProfile, find_segment

PLAN_EVENTS: Final = frozenset({EventType.RETRY_PLANNED, EventType.RETRY_SKIPPED, EventType.SHADOW_PLANNED})
PLAN_FIELDS: Final = ("at", "delay_seconds", "strategy", "why", "rejected")
GIVE_UP_FIELDS: Final = ("reason", "strategy", "why", "rejected")
CLASSIFICATION_FIELDS: Final = ("category", "cause", "code", "decided_by", "wait_seconds")


class Rederivation(Value):
    """The comparison of a row with the decision derived again from it."""

    agrees: bool | None
    """None: the row holds no decision that could be derived again, or unreadable inputs."""
    why: str
    """The result as a short text for an operator."""
    recorded: Mapping[str, Any] = {}
    derived: Mapping[str, Any] = {}
    today: str | None = None
    """The plan of the policy in force from the same inputs, if its version differs."""


NOT_REDERIVABLE: Final = Rederivation(agrees=None, why="this row holds no decision that could be derived again")


def rederive_decision(
    record: Record,
    provider: str,
    strategies: Mapping[str, StrategyFactory],
    policy: Policy | None = None,
    tables: DeclineTables | None = None,
) -> Rederivation:
    """The row's plan or classification, derived again. Never raises for the content of a row.

    A plan needs only its row and the installed strategies; `policy` only gives the plan of today. A classification uses
    today's tables and today's overrides of the policy.
    """
    stored = record.data.stored
    if record.type is EventType.FAILURE_CLASSIFIED and tables:
        return _rederive_classification(stored, provider, tables, policy.overrides if policy else {})
    if record.type not in PLAN_EVENTS:
        return NOT_REDERIVABLE
    try:
        found = _rederive_plan(stored, strategies, policy) if "inputs" in stored else NOT_REDERIVABLE
        return _check_messages(found, stored)
    except (ValueError, KeyError, TypeError) as error:
        return Rederivation(agrees=None, why=f"its inputs can't be read: {type(error).__name__} {error}")


def _check_messages(found: Rederivation, data: Mapping[str, Any]) -> Rederivation:
    """The comparison, extended to the row's planned messages if it has any."""
    if "messages" not in data or found.agrees is False:
        return found
    if is_reproducible(data["messages"]):
        same = {"agrees": True, "why": "its messages come out the same"}
        return found if found.agrees else found.model_copy(update=same)
    return found.model_copy(update={"agrees": False, "why": "differs in messages"})


def _rederive_plan(
    data: Mapping[str, Any], strategies: Mapping[str, StrategyFactory], policy: Policy | None
) -> Rederivation:
    data = _before_network(data)
    inputs = data["inputs"]
    if "kept_at" in inputs:
        return _check_kept_plan(data, inputs)
    given = parse_planner_inputs(inputs, data["policy_version"])
    answer = plan_next_retry(given.situation, given.policy, strategies, given.window_ends_at, given.time_scale)
    fields = PLAN_FIELDS if "at" in data else GIVE_UP_FIELDS
    compared = _compare_fields(data, _to_row_data(answer), fields)
    return compared.model_copy(update={"today": _plan_of_today(given, strategies, policy)})


def _before_network(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row as planned before a card network's rule moved or ended the plan."""
    network = data.get("network") or {}
    if "planned_at" not in network:
        return data
    return {**data, "at": network["planned_at"], "why": network["planned_why"]}


def _check_kept_plan(data: Mapping[str, Any], inputs: Mapping[str, Any]) -> Rederivation:
    """Check a kept schedule: its time must lie after the requested waits and within the window."""
    earliest, at, ends = (parse_timestamp(inputs[key]) for key in ("earliest", "kept_at", "window_ends_at"))
    fits = bool(earliest and at and ends and earliest < at <= ends)
    return _compare_fields(data, {"at": inputs["kept_at"] if fits else None}, ("at",))


def _rederive_classification(
    data: Mapping[str, Any], provider: str, tables: DeclineTables, overrides: Mapping[str, Cause]
) -> Rederivation:
    failure, card = Failure.model_validate(data.get("failure") or {}), Card.model_validate(data.get("card") or {})
    found = classify_with_card(failure, card, tables, overrides, provider=provider)
    return _compare_fields(data, found.model_dump(mode="json"), CLASSIFICATION_FIELDS)


def _to_row_data(answer: Plan | Exhausted) -> dict[str, Any]:
    found = answer.model_dump() | {"rejected": list(answer.rejected)}
    return found | (
        {"at": format_timestamp(answer.at)} if isinstance(answer, Plan) else {"reason": answer.reason.value}
    )


def _compare_fields(data: Mapping[str, Any], derived: Mapping[str, Any], fields: tuple[str, ...]) -> Rederivation:
    before, again = ({key: one.get(key) for key in fields} for one in (data, derived))
    differing = [key for key in fields if before[key] != again[key]]
    why = f"differs in {', '.join(differing)}" if differing else "comes out the same"
    return Rederivation(agrees=not differing, why=why, recorded=before, derived=again)


def _plan_of_today(
    given: PlannerInputs, strategies: Mapping[str, StrategyFactory], policy: Policy | None
) -> str | None:
    if policy is None or policy.version == given.policy.version:
        return None
    answer = plan_next_retry(given.situation, policy, strategies, given.window_ends_at, given.time_scale)
    outcome = f"at {format_timestamp(answer.at)}" if isinstance(answer, Plan) else f"no retry ({answer.reason})"
    return f"policy {policy.version}: {outcome}, {answer.why}"


RECHECKED_EVENTS: Final = frozenset({EventType.CUSTOMER_SEGMENTED, EventType.FRAUD_ASSESSED})


def rederive_segment_or_fraud(record: Record, policy: Policy) -> Rederivation:
    """The row's segment or fraud level, derived again. Never raises for the content of a row of any release."""
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
