"""Decisions as activities: by the tables and the policy as they are now, written down once."""

from datetime import timedelta
from pathlib import Path

import pytest

import catalog
from activities.decisions import Decisions
from catalog import DecisionSources
from core.classification.taxonomy import Cause
from core.contracts import ClassifyInput, PlanInput, SegmentInput
from core.durations import TimeScale
from core.events import EventType
from core.payments import Card, CustomerView, Failure, FailureFacts
from core.recovery.reactions import opening_event
from core.segmentation.rules import Segment
from db.queries.customer_history import CustomerHistory
from providers.base import load_providers
from settings import SHIPPED_POLICY
from tests.activities.conftest import ChargeHarness
from tests.support.builders import a_failure_event
from tests.support.memory_log import MemoryLog
from tests.support.recovery_scenario import OPEN_INVOICE, RecoveryScenario, classification_of

DEFAULT = Segment(name="default", rule="", why="")


async def good_customer_history(_: str, __: str, ___: str) -> CustomerHistory:
    """Years of payments."""
    return CustomerHistory(successes=40, recovered_amounts={"EUR": 500_000})


@pytest.fixture(scope="session")
def decision_sources() -> DecisionSources:
    strategies = catalog.installed_strategies()
    codes = {name: provider.decline_codes for name, provider in load_providers({}).items()}
    policy = catalog.PolicyFile(Path(SHIPPED_POLICY), strategies)
    return DecisionSources(catalog.load_decline_tables(codes), policy, strategies, TimeScale(factor=1))


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def decisions(decision_sources: DecisionSources, log: MemoryLog) -> Decisions:
    return Decisions(decision_sources, good_customer_history, log)


def failed_scenario(log: MemoryLog) -> RecoveryScenario:
    """A failure that waits for its decision."""
    scenario = RecoveryScenario()
    scenario.append_events(opening_event(a_failure_event()))
    log.rows[scenario.recovery.recovery_id] = list(scenario.records)
    return scenario


async def test_the_network_of_the_card_counts_where_the_failure_names_none(
    harness: ChargeHarness, decisions: Decisions
) -> None:
    facts = FailureFacts(invoice=OPEN_INVOICE, failure=Failure(network_code="51"), card=Card(network="visa"))
    found = await harness.run_activity(
        decisions.classify_failure, ClassifyInput(recovery=harness.recovery, facts=facts)
    )
    assert found.cause is Cause.INSUFFICIENT_FUNDS


async def test_a_segment_is_decided_once(harness: ChargeHarness, decisions: Decisions, log: MemoryLog) -> None:
    facts = FailureFacts(invoice=OPEN_INVOICE, customer=CustomerView(customer_id="cus_1"))
    new = SegmentInput(now=harness.now, recovery=failed_scenario(log).recovery, facts=facts)
    assert (await harness.run_activity(decisions.segment_customer, new)).name == "high_value"
    assert (
        await harness.run_activity(decisions.segment_customer, new.model_copy(update={"recovery": harness.recovery}))
    ).name == ("default")


async def test_a_plan_is_written_once_and_a_repeat_plans_nothing_again(
    harness: ChargeHarness, decisions: Decisions, log: MemoryLog
) -> None:
    scenario = failed_scenario(log)
    given = PlanInput(
        now=scenario.now,
        recovery=scenario.recovery,
        facts=FailureFacts(invoice=OPEN_INVOICE),
        classification=classification_of(Cause.GENERIC),
        segment=DEFAULT,
    )
    first = await harness.run_activity(decisions.plan_retry, given)
    later = given.model_copy(
        update={"now": scenario.now + timedelta(days=1), "classification": classification_of(Cause.PERMANENT)}
    )
    assert await harness.run_activity(decisions.plan_retry, later) == first
    assert [row.type for row in first.records][-1] is EventType.RETRY_PLANNED
    assert {row.data["policy_version"] for row in first.records if "policy_version" in row.data} != {None}
