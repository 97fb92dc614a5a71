"""Policy decisions. They run here and not in the workflow, so that tables, policy and plug-ins may change while
thousands of recoveries sleep: the answers are in the history.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog
from temporalio import activity

from catalog import DecisionSources
from catalog.calendars import clock_for
from core.card_networks.rules import LedgerEntry
from core.classification.taxonomy import Classification
from core.contracts import ClassifyInput, PlanInput, SegmentInput, WrittenRecords
from core.errors import RecoveryError
from core.events import Event
from core.fraud.assessment import assess_fraud
from core.planning import pipeline
from core.planning.decision_input import ArmConfig, DecisionInput
from core.planning.experiment_arms import resolve_arm
from core.planning.network_limits import failed_credential
from core.planning.pipeline import decide
from core.recovery.state import customer_location
from core.segmentation.profile import profile_of
from core.segmentation.rules import CustomerProfile, Segment
from db.recovery_log import RecoveryLog
from lookups.customer_history import HistoryLookup
from lookups.fraud_signals import FraudSignalLookup
from lookups.planning import PlanLookups
from lookups.shadow_plan import ShadowPlanner
from lookups.time_limits import await_within

PROFILE_SECONDS: Final = 1.2
"""Seconds to load a customer profile, below the two of a local activity; later, the default segment applies."""
log = structlog.get_logger(__name__)


class Decisions:
    """Activities that decide on a failure. Each runs its stages of `core.planning.pipeline` on what it looked up."""

    def __init__(
        self,
        sources: DecisionSources,
        history: HistoryLookup,
        log: RecoveryLog,
        lookups: PlanLookups | None = None,
        fraud_signals: FraudSignalLookup | None = None,
        shadow: ShadowPlanner | None = None,
    ) -> None:
        self._sources = sources
        self._shadow = shadow
        self._fraud_signals = fraud_signals or FraudSignalLookup()
        self._history = history
        self._log = log
        self._lookups = lookups

    @activity.defn
    async def classify_failure(self, given: ClassifyInput) -> Classification:
        """What the failure is, by the tables and the merchant's overrides."""
        facts, config = given.facts, self._sources.decision_config()
        return pipeline.classify_failure(given.recovery.provider, facts.failure, facts.card, config)

    @activity.defn
    async def segment_customer(self, given: SegmentInput) -> Segment:
        """The customer's segment; once decided it stays for the whole recovery."""
        profile = None if given.recovery.segment else await self._load_profile(given)
        return pipeline.segment_customer(given.recovery, profile, self._sources.decision_config())

    @activity.defn
    async def plan_retry(self, given: PlanInput) -> WrittenRecords:
        """Assess fraud, plan what comes next, and commit all rows of the decision at once."""
        config = resolve_arm(self._sources.decision_config(), given.recovery, given.facts)
        # Looked up before the transaction: what is slow or fails there is left out, and holds no lock meanwhile.
        decision_input = await self._look_up_input(given, config)
        card = failed_credential(given.recovery, given.facts)
        records = await self._log.append_decision(
            given.recovery, card, config.merchant_rules, partial(self._decide, given, config, decision_input), given.now
        )
        return WrittenRecords(records=records)

    async def _decide(
        self, given: PlanInput, config: ArmConfig, looked_up: DecisionInput, attempts: Sequence[LedgerEntry]
    ) -> Sequence[Event]:
        """The decision with these attempts of the card, and the shadow policy's beside it."""
        decision_input = looked_up.model_copy(update={"attempts": tuple(attempts)})
        events = decide(decision_input, config)
        if self._shadow is not None:
            events += await self._shadow.plan_beside(given, decision_input, events[-1])
        return events

    async def _look_up_input(self, given: PlanInput, config: ArmConfig) -> DecisionInput:
        """What the stages from fraud on need to know, looked up now, but for the attempts of the card."""
        recovery, facts, policy = given.recovery, given.facts, config.policy
        looked_up = self._lookups and await self._lookups.look_up(given, config)
        calendar, experience = looked_up or (None, None)
        signals = await self._fraud_signals.look_up_signals(given, policy.fraud)
        return DecisionInput(
            recovery=recovery,
            facts=facts,
            classification=given.classification,
            segment=given.segment,
            assessment=assess_fraud(facts, given.classification, signals, policy.fraud),
            now=given.now,
            calendar=calendar,
            experience=experience,
            customer_clock=clock_for(*customer_location(recovery, facts), given.now),
        )

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
