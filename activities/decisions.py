"""Policy decisions. They run here and not in the workflow, so that tables, policy and plug-ins may change while
thousands of recoveries sleep: the answers are in the history.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from temporalio import activity

from activities.log import Log
from activities.lookups import Lookups
from activities.shadow import Shadow
from activities.suspicion import Suspicion, within
from catalog import PolicyFile, network_rules
from catalog.calendars import clock_of
from core.classifier.classify import classify
from core.classifier.tables import Tables
from core.classifier.taxonomy import Classification
from core.contracts import ClassifyInput, PlanInput, SegmentInput, Written
from core.errors import RecoveryError
from core.events import Event
from core.fraud.assess import assess
from core.messages.decision import with_messages
from core.retry.arms import armed, assigned
from core.retry.decide import Findings, Means, decide
from core.retry.network_plan import found_card, within_network
from core.retry.pace import Pace
from core.retry.policy import Policy, StrategyFactory
from core.retry.shadow import Beside
from core.retry.whereabouts import whereabouts
from core.segmentation.profile import profile_of
from core.segmentation.segment import CustomerProfile, Segment, segment
from db.repositories.history import CustomerHistory, customer_history
from db.session import Database

PROFILE_SECONDS: Final = 1.2
"""A local activity has two; then the segment is the default one."""
log = structlog.get_logger(__name__)

History = Callable[[str, str, str], Awaitable[CustomerHistory]]
"""What our own log says of a customer: provider, customer id, and the recovery that doesn't count."""


def history_in(database: Database) -> History:
    """The history as PostgreSQL holds it."""

    async def look_up(provider: str, customer_id: str, but_not: str) -> CustomerHistory:
        async with database.begin() as session:
            return await customer_history(session, provider, customer_id, but_not)

    return look_up


class Knowledge:
    """What decisions are made with."""

    def __init__(self, tables: Tables, policy: PolicyFile, strategies: dict[str, StrategyFactory], pace: Pace) -> None:
        self.tables = tables
        self.policy = policy
        self.strategies = strategies
        self.pace = pace

    def means(self) -> Means:
        """The policy as it is now, with what carries it out."""
        return Means(policy=self.policy.current(), strategies=self.strategies, pace=self.pace)


class Decisions:
    """Classify, segment, plan."""

    def __init__(
        self,
        knowledge: Knowledge,
        history: History,
        log: Log,
        lookups: Lookups | None = None,
        suspicion: Suspicion | None = None,
        shadow: Shadow | None = None,
        channels: frozenset[str] = frozenset(),
    ) -> None:
        self._channels = channels
        self._knowledge = knowledge
        self._shadow = shadow
        self._suspicion = suspicion or Suspicion()
        self._history = history
        self._log = log
        self._lookups = lookups

    @activity.defn
    async def classify_failure(self, given: ClassifyInput) -> Classification:
        """What the failure is, by the tables and the merchant's overrides."""
        failure = given.facts.failure
        network = failure.network or given.facts.card.network
        known = failure.model_copy(update={"network": network})
        overrides = self._knowledge.policy.current().overrides
        return classify(known, self._knowledge.tables, overrides, provider=given.recovery.provider)

    @activity.defn
    async def segment_customer(self, given: SegmentInput) -> Segment:
        """The customer's segment; once decided it stays for the whole recovery."""
        if given.recovery.segment:
            return Segment(name=given.recovery.segment, rule="", why="decided before")
        rules = self._knowledge.policy.current().segments
        return segment(await self._loaded(given), rules)

    @activity.defn
    async def plan_retry(self, given: PlanInput) -> Written:
        """Assess fraud, plan what comes next, and commit all rows of the decision at once."""
        means = self._knowledge.means()
        looked_up = self._lookups and await self._lookups.of(given, _armed(means, given), self._knowledge.strategies)
        calendar, experience = looked_up or (None, None)
        signals = await self._suspicion.signals(given, means.policy.fraud)
        findings = Findings(
            recovery=given.recovery,
            facts=given.facts,
            classification=given.classification,
            segment=given.segment,
            assessment=assess(given.facts, given.classification, signals, means.policy.fraud),
            now=given.now,
            calendar=calendar,
            experience=experience,
        )
        events = await self._all_rows(given, findings, means)
        return Written(records=await self._log.append(given.recovery, events, given.now))

    async def _all_rows(self, given: PlanInput, findings: Findings, means: Means) -> tuple[Event, ...]:
        """The decision with its plan where the card networks allow it, as far as is known now, and the shadow's."""
        card, known = found_card(findings), network_rules()
        rules = known.lowered(means.policy.network_limits)
        tries = await self._log.tries(card, rules, findings.now)
        events = within_network(findings.recovery, decide(findings, means), card, rules, tries)
        events = self._with_messages(findings, events, means)
        if self._shadow is None:
            return events
        found = Beside(decision=events[-1], card=card, rules=known, tries=tries)
        return (*events, *await self._shadow.beside(given, findings, found))

    def _with_messages(self, findings: Findings, events: tuple[Event, ...], means: Means) -> tuple[Event, ...]:
        """The same rows, and in the last one what the customer is told when."""
        policy = armed(means.policy, assigned(means.policy, findings.recovery, findings.facts))
        campaign = policy.campaigns.get(policy.segment_named(findings.segment.name).campaign)
        clock = clock_of(*whereabouts(findings.recovery, findings.facts), findings.now)
        return with_messages(events, findings, means, campaign, self._channels, clock)

    async def _loaded(self, given: SegmentInput) -> CustomerProfile | None:
        """The profile; None where it can't be loaded now: a recovery doesn't wait for statistics about its customer."""
        try:
            return await within(PROFILE_SECONDS, self._profile(given))
        except (RecoveryError, TimeoutError) as error:
            log.warning("a customer's profile could not be loaded", error=str(error))
            return None

    async def _profile(self, given: SegmentInput) -> CustomerProfile:
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


def _armed(means: Means, given: PlanInput) -> Policy:
    """The policy as this recovery's arm of an experiment sees it."""
    return armed(means.policy, assigned(means.policy, given.recovery, given.facts))
