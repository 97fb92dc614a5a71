"""Derives a recorded decision again from its own row, and compares the two."""

from collections.abc import Mapping
from typing import Any, Final

from core.base import Value
from core.classification.classify import classify_with_card
from core.classification.tables import DeclineTables
from core.classification.taxonomy import Cause, Classification
from core.events import EventType, Record, format_timestamp
from core.events.data import JsonObject
from core.events.decision_data import (
    Countries,
    CustomerSegmented,
    FailureClassified,
    FraudAssessed,
    PlanInputs,
    RetryPlanned,
    RetrySkipped,
    ShadowPlanned,
)
from core.fraud.assessment import assess_fraud
from core.messages.plans import is_reproducible
from core.payments import Card, CustomerView, Failure, FailureFacts, InvoiceStatus, InvoiceView, Risk
from core.planning.planner import Exhausted, Plan, plan_next_retry
from core.planning.planner_inputs import PlannerInputs, parse_planner_inputs
from core.policy.policy import Policy, StrategyFactory
from core.segmentation.rules import find_segment

PlanData = RetryPlanned | RetrySkipped | ShadowPlanned
PLAN_EVENTS: Final = frozenset({EventType.RETRY_PLANNED, EventType.RETRY_SKIPPED, EventType.SHADOW_PLANNED})
PLAN_FIELDS: Final = ("at", "delay_seconds", "strategy", "why", "rejected")
GIVE_UP_FIELDS: Final = ("reason", "strategy", "why", "rejected")
UNREADABLE_ERRORS: Final = (ValueError, KeyError, TypeError, ArithmeticError)
"""Raised by rows whose data or recorded inputs don't fit; ArithmeticError by times beyond the calendar."""
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
    try:
        if record.type is EventType.FAILURE_CLASSIFIED and tables:
            overrides = policy.overrides if policy else {}
            return _rederive_classification(record.read(FailureClassified), provider, tables, overrides)
        if record.type in PLAN_EVENTS:
            return _rederive_plan_row(_read_plan(record), strategies, policy)
    except UNREADABLE_ERRORS as error:
        return _unreadable(error)
    return NOT_REDERIVABLE


def _unreadable(error: Exception) -> Rederivation:
    return Rederivation(agrees=None, why=f"its inputs can't be read: {type(error).__name__} {error}")


def _read_plan(record: Record) -> PlanData:
    """The data of a row of `PLAN_EVENTS`. Raises ValueError or OverflowError where it doesn't fit its type."""
    match record.type:
        case EventType.RETRY_PLANNED:
            return record.read(RetryPlanned)
        case EventType.RETRY_SKIPPED:
            return record.read(RetrySkipped)
    return record.read(ShadowPlanned)


def _rederive_plan_row(
    data: PlanData, strategies: Mapping[str, StrategyFactory], policy: Policy | None
) -> Rederivation:
    found = _rederive_plan(data, data.inputs, strategies, policy) if data.inputs else NOT_REDERIVABLE
    messages = None if isinstance(data, ShadowPlanned) else data.messages
    return found if messages is None else _check_messages(found, messages)


def _check_messages(found: Rederivation, messages: JsonObject) -> Rederivation:
    """The comparison, extended to the row's planned messages."""
    if found.agrees is False:
        return found
    if is_reproducible(messages):
        same = {"agrees": True, "why": "its messages come out the same"}
        return found if found.agrees else found.model_copy(update=same)
    return found.model_copy(update={"agrees": False, "why": "differs in messages"})


def _rederive_plan(
    data: PlanData, inputs: PlanInputs, strategies: Mapping[str, StrategyFactory], policy: Policy | None
) -> Rederivation:
    planned = _before_network(data)
    if "kept_at" in inputs:
        return _check_kept_plan(planned, inputs)
    # The recorded inputs and the compared fields are the stored JSON: what was hashed is what must come out again.
    given = parse_planner_inputs(inputs.stored, data["policy_version"])
    answer = plan_next_retry(given.situation, given.policy, strategies, given.window_ends_at, given.time_scale)
    fields = PLAN_FIELDS if "at" in planned else GIVE_UP_FIELDS
    compared = _compare_fields(planned, _to_row_data(answer), fields)
    return compared.model_copy(update={"today": _plan_of_today(given, strategies, policy)})


def _before_network(data: PlanData) -> Mapping[str, Any]:
    """The row's stored JSON as planned before a card network's rule moved or ended the plan."""
    network = data.network
    if network is None or "planned_at" not in network:
        return data.stored
    return {**data.stored, "at": network["planned_at"], "why": network["planned_why"]}


def _check_kept_plan(planned: Mapping[str, Any], inputs: PlanInputs) -> Rederivation:
    """Check a kept schedule: its time must lie after the requested waits and within the window."""
    earliest, at, ends = inputs.earliest, inputs.kept_at, inputs.window_ends_at
    if not (earliest and at and ends):
        raise ValueError("a kept schedule needs its time, the end of the waits and the end of the window")
    return _compare_fields(planned, {"at": inputs["kept_at"] if earliest < at <= ends else None}, ("at",))


def _rederive_classification(
    data: FailureClassified, provider: str, tables: DeclineTables, overrides: Mapping[str, Cause]
) -> Rederivation:
    failure, card = data.failure or Failure(), data.card or Card()
    found = classify_with_card(failure, card, tables, overrides, provider=provider)
    return _compare_fields(data.stored, found.model_dump(mode="json"), CLASSIFICATION_FIELDS)


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
    made_by = record.data.policy_version
    if made_by != policy.version:
        why = f"made by policy {made_by}; the one in force is {policy.version}"
        return Rederivation(agrees=None, why=why, recorded=dict(record.data.stored))
    try:
        again = (
            _rederive_segment(record.read(CustomerSegmented), policy)
            if record.type is EventType.CUSTOMER_SEGMENTED
            else _rederive_assessment(record.read(FraudAssessed), policy)
        )
    except UNREADABLE_ERRORS as error:
        return _unreadable(error)
    return _compare_fields(record.data.stored, again, tuple(again))


def _rederive_segment(data: CustomerSegmented, policy: Policy) -> dict[str, Any]:
    if "profile" not in data:  # null is a customer of whom nothing is known; no key is an older release
        raise ValueError("the profile is not recorded")
    found = find_segment(data.profile, policy.segments)
    return {"segment": found.name, "rule": found.rule, "why": found.why}


_ASSESSMENT_INPUTS: Final = frozenset({"radar_level", "radar_score", "early_warning", "disputed"})
"""Keys that may hold null; without a key, the row's release recorded no inputs."""


def _rederive_assessment(data: FraudAssessed, policy: Policy) -> dict[str, Any]:
    cause, decided_by, countries, signals = data.cause, data.decided_by, data.countries, data.signals
    if not (cause and decided_by and countries and signals) or _ASSESSMENT_INPUTS - data.keys():
        raise ValueError("an input of the assessment is not recorded")
    classification = Classification(category=cause.category, cause=cause, decided_by=decided_by, source="")
    found = assess_fraud(_assessed_facts(data, countries), classification, signals, policy.fraud)
    return {"level": found.level.value, "score": found.score, "reasons": list(found.reasons)}


def _assessed_facts(data: FraudAssessed, countries: Countries) -> FailureFacts:
    """What an assessment reads of a failure, out of its row."""
    return FailureFacts(
        invoice=InvoiceView(invoice_id="", status=InvoiceStatus.OPEN),
        card=Card(country=countries.card),
        customer=CustomerView(customer_id="", country=countries.customer),
        risk=Risk(
            level=data.radar_level,
            score=data.radar_score,
            early_warning=data.early_warning,
            disputed=data.disputed,
        ),
    )
