"""Policy decisions. They run here and not in the workflow, so that tables, policy and plug-ins may change while
thousands of recoveries sleep: the answers are in the history.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from temporalio import activity

from activities.shadow import ShadowPlanner
from catalog import PolicyFile, network_rules
from catalog.calendars import clock_for
from core.classification.classify import classify
from core.classification.tables import DeclineTables
from core.classification.taxonomy import Classification
from core.contracts import ClassifyInput, PlanInput, SegmentInput, WrittenRecords
from core.durations import TimeScale
from core.errors import RecoveryError
from core.events import Event
from core.fraud.assessment import assess_fraud
from core.planning.decision import decide_on_failure
from core.planning.decision_messages import add_message_plan
from core.planning.decision_rows import DecisionConfig, DecisionInput
from core.planning.experiment_arms import apply_arm, find_assignment
from core.planning.network_limits import apply_network_rules, failed_credential
from core.planning.shadow import DecisionInForce
from core.policy.policy import Policy, StrategyFactory
from core.recovery.state import customer_location
from core.segmentation.profile import profile_of
from core.segmentation.rules import CustomerProfile, Segment, find_segment
from db.queries.customer_history import CustomerHistory, customer_history
from db.recovery_log import RecoveryLog
from db.session import Database
from lookups.fraud_signals import FraudSignalLookup
from lookups.planning import PlanLookups
from lookups.time_limits import await_within

PROFILE_SECONDS: Final = 1.2
"""Seconds to load a customer profile, below the two of a local activity; later, the default segment applies."""
log = structlog.get_logger(__name__)

HistoryLookup = Callable[[str, str, str], Awaitable[CustomerHistory]]
"""Loads a customer's payment history: takes provider, customer id, and the recovery id to leave out."""


def stored_history_lookup(database: Database) -> HistoryLookup:
    """The history as PostgreSQL holds it."""

    async def look_up(provider: str, customer_id: str, but_not: str) -> CustomerHistory:
        async with database.begin() as session:
            return await customer_history(session, provider, customer_id, but_not)

    return look_up


class DecisionSources:
    """Decline tables, policy file, strategies and time scale that decisions are made with."""

    def __init__(
        self, tables: DeclineTables, policy: PolicyFile, strategies: dict[str, StrategyFactory], time_scale: TimeScale
    ) -> None:
        self.tables = tables
        self.policy = policy
        self.strategies = strategies
        self.time_scale = time_scale

    def decision_config(self) -> DecisionConfig:
        """The policy in force with strategies and time scale. Raises InvalidPolicy if none was ever valid."""
        return DecisionConfig(
            policy=self.policy.current_policy(), strategies=self.strategies, time_scale=self.time_scale
        )


class Decisions:
    """Activities that decide on a failure: classify, segment and plan."""

    def __init__(
        self,
        knowledge: DecisionSources,
        history: HistoryLookup,
        log: RecoveryLog,
        lookups: PlanLookups | None = None,
        suspicion: FraudSignalLookup | None = None,
        shadow: ShadowPlanner | None = None,
        channels: frozenset[str] = frozenset(),
    ) -> None:
        self._channels = channels
        self._knowledge = knowledge
        self._shadow = shadow
        self._suspicion = suspicion or FraudSignalLookup()
        self._history = history
        self._log = log
        self._lookups = lookups

    @activity.defn
    async def classify_failure(self, given: ClassifyInput) -> Classification:
        """What the failure is, by the tables and the merchant's overrides."""
        failure = given.facts.failure
        network = failure.network or given.facts.card.network
        known = failure.model_copy(update={"network": network})
        overrides = self._knowledge.policy.current_policy().overrides
        return classify(known, self._knowledge.tables, overrides, provider=given.recovery.provider)

    @activity.defn
    async def segment_customer(self, given: SegmentInput) -> Segment:
        """The customer's segment; once decided it stays for the whole recovery."""
        if given.recovery.segment:
            return Segment(name=given.recovery.segment, rule="", why="decided before")
        rules = self._knowledge.policy.current_policy().segments
        return find_segment(await self._load_profile(given), rules)

    @activity.defn
    async def plan_retry(self, given: PlanInput) -> WrittenRecords:
        """Assess fraud, plan what comes next, and commit all rows of the decision at once."""
        means = self._knowledge.decision_config()
        looked_up = self._lookups and await self._lookups.look_up(
            given, _policy_of_arm(means, given), self._knowledge.strategies
        )
        calendar, experience = looked_up or (None, None)
        signals = await self._suspicion.look_up_signals(given, means.policy.fraud)
        findings = DecisionInput(
            recovery=given.recovery,
            facts=given.facts,
            classification=given.classification,
            segment=given.segment,
            assessment=assess_fraud(given.facts, given.classification, signals, means.policy.fraud),
            now=given.now,
            calendar=calendar,
            experience=experience,
        )
        events = await self._decide_events(given, findings, means)
        return WrittenRecords(records=await self._log.append_events(given.recovery, events, given.now))

    async def _decide_events(
        self, given: PlanInput, decision_input: DecisionInput, config: DecisionConfig
    ) -> tuple[Event, ...]:
        """The decision with its plan where the card networks allow it, as far as is known now, and the shadow's."""
        card, known = failed_credential(decision_input), network_rules()
        rules = known.lower_limits(config.policy.network_limits)
        tries = await self._log.load_attempts(card, rules, decision_input.now)
        events = apply_network_rules(
            decision_input.recovery, decide_on_failure(decision_input, config), card, rules, tries
        )
        events = self._plan_messages(decision_input, events, config)
        if self._shadow is None:
            return events
        found = DecisionInForce(decision=events[-1], card=card, rules=known, tries=tries)
        return (*events, *await self._shadow.plan_beside(given, decision_input, found))

    def _plan_messages(
        self, decision_input: DecisionInput, events: tuple[Event, ...], config: DecisionConfig
    ) -> tuple[Event, ...]:
        """The same rows, and in the last one what the customer is told when."""
        policy = apply_arm(config.policy, find_assignment(config.policy, decision_input.recovery, decision_input.facts))
        campaign = policy.campaigns.get(policy.segment_named(decision_input.segment.name).campaign)
        clock = clock_for(*customer_location(decision_input.recovery, decision_input.facts), decision_input.now)
        return add_message_plan(events, decision_input, config, campaign, self._channels, clock)

    async def _load_profile(self, given: SegmentInput) -> CustomerProfile | None:
        """The profile; None where it can't be loaded now: a recovery doesn't wait for statistics about its customer."""
        try:
            return await await_within(PROFILE_SECONDS, self._build_profile(given))
        except (RecoveryError, TimeoutError) as error:
            log.warning("a customer's profile could not be loaded", error=str(error))
            return None

    async def _build_profile(self, given: SegmentInput) -> CustomerProfile:
        """What the provider says of the customer, and what our own log adds."""
        facts, recovery = given.facts, given.recovery
        known = profile_of(facts, given.now)
        customer_id = facts.customer.customer_id if facts.customer else recovery.customer_id
        if customer_id is None:
            return known
        past = await self._history(recovery.provider, customer_id, recovery.recovery_id)
        currency = facts.invoice.currency or recovery.currency
        return known.model_copy(
            update={
                "successes": past.successes,
                "failures": past.failures,
                "by_cause": past.by_cause,
                "open_recoveries": past.open_recoveries,
                "lifetime_value": past.recovered_amounts.get(currency, 0),
            }
        )


def _policy_of_arm(config: DecisionConfig, given: PlanInput) -> Policy:
    """The policy as this recovery's arm of an experiment sees it."""
    return apply_arm(config.policy, find_assignment(config.policy, given.recovery, given.facts))
