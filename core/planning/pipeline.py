"""The decision pipeline: what is done about a failed payment. Seven stages, each pure, in this order:

1. classify: category and cause of the failure (`classify_failure`)
2. segment: the customer's segment with its budget and window (`segment_customer`)
3. experiment arm: the policy as this recovery's arm changes it (`resolve_arm`)
4. fraud: whether the payment may be charged, reviewed or neither (`assess_fraud`)
5. plan: when the next retry comes, or what is waited for (`build_decision_rows`)
6. network limits: a plan that a card network forbids is moved or given up (`apply_network_limits`)
7. messages: what the customer is sent, and when (`add_message_plan`)

Live, three activities call them, since each must look something up first: `classify_failure` the first,
`segment_customer` the second, `plan_retry` the others. The shadow policy plans with `decide` as `plan_retry` does. The
simulator's event engine calls `decide_on_failure` for every failure; its array engine calls the same stages once for
each distinct situation, and is held equal to the event engine by a test.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from core.calendar import Calendar
from core.card_networks.rules import Credential, LedgerEntry
from core.classification.classify import classify_with_card
from core.classification.taxonomy import Cause, Classification
from core.events import Event
from core.fraud.assessment import assess_fraud
from core.fraud.rules import FraudRules
from core.fraud.signals import FraudSignals
from core.payments import Card, Failure, FailureFacts
from core.planning.decision import build_decision_rows
from core.planning.decision_input import ArmConfig, DecisionConfig, DecisionInput
from core.planning.decision_messages import add_message_plan
from core.planning.experiment_arms import resolve_arm
from core.planning.network_limits import apply_network_limits, failed_credential
from core.planning.planner_inputs import required_lookups
from core.recovery.state import Recovery, customer_location
from core.segmentation.rules import CustomerProfile, Segment, find_segment
from core.strategies.base import Need
from core.strategies.experience import Experience


class DecisionLookups(Protocol):
    """Answers a stage's question about one failure. Each is asked only where its stage needs the answer."""

    def find_profile(self) -> CustomerProfile | None:
        """The customer's profile, for the segment; None where it isn't known."""

    def find_signals(self, rules: FraudRules) -> FraudSignals:
        """Velocity and the scorer's answer, for the fraud assessment."""

    def find_calendar(self, country: str | None, time_zone: str | None, since: datetime, until: datetime) -> Calendar:
        """Holidays and clock changes at that place, from `since` to `until` (UTC)."""

    def find_experience(self, cause: Cause) -> Experience:
        """Results of earlier retries after this cause, with the number of the one to plan."""

    def find_attempts(self, card: Credential) -> Sequence[LedgerEntry]:
        """Earlier attempts on the card that the networks count, in order of time."""


def classify_failure(provider: str, failure: Failure, card: Card, config: DecisionConfig) -> Classification:
    """Stage 1: the failure by the decline tables and the policy's overrides. Never raises."""
    return classify_with_card(failure, card, config.tables, config.policy.overrides, provider=provider)


def segment_customer(recovery: Recovery, profile: CustomerProfile | None, config: DecisionConfig) -> Segment:
    """Stage 2: the segment decided before, which stays for the whole recovery, else that of the profile."""
    if recovery.segment:
        return Segment(name=recovery.segment, rule="", why="decided before")
    return find_segment(profile, config.policy.segments)


def decide(decision_input: DecisionInput, config: ArmConfig) -> tuple[Event, ...]:
    """Stages 5 to 7: all rows of the decision in order. The same input and config give the same rows."""
    planned = build_decision_rows(decision_input, config)
    allowed = apply_network_limits(planned, decision_input, config.merchant_rules)
    return add_message_plan(allowed, decision_input, config)


def decide_on_failure(
    recovery: Recovery, facts: FailureFacts, now: datetime, config: DecisionConfig, lookups: DecisionLookups
) -> tuple[Event, ...]:
    """All seven stages: the rows that follow from this failure at `now` (UTC)."""
    classification = classify_failure(recovery.provider, facts.failure, facts.card, config)
    segment = segment_customer(recovery, None if recovery.segment else lookups.find_profile(), config)
    arm = resolve_arm(config, recovery, facts)
    wanted = required_lookups(arm.policy, arm.strategies, segment.name, classification.cause)
    failed_at = recovery.failed_at or now
    span = failed_at, failed_at + arm.policy.segment_named(segment.name).window
    decision_input = DecisionInput(
        recovery=recovery,
        facts=facts,
        classification=classification,
        segment=segment,
        assessment=assess_fraud(facts, classification, lookups.find_signals(arm.policy.fraud), arm.policy.fraud),
        now=now,
        calendar=lookups.find_calendar(*customer_location(recovery, facts), *span) if Need.CALENDAR in wanted else None,
        experience=lookups.find_experience(classification.cause) if Need.EXPERIENCE in wanted else None,
        attempts=tuple(lookups.find_attempts(failed_credential(recovery, facts))),
    )
    return decide(decision_input, arm)
