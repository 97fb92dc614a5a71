"""Decisions as activities: by the tables and the policy as they are now, written down once."""

from datetime import timedelta
from pathlib import Path

import pytest

import catalog
from activities.decisions import Decisions, Knowledge
from core.classifier.taxonomy import Cause
from core.contracts import ClassifyInput, PlanInput, SegmentInput
from core.events import EventType
from core.payments import Card, CustomerView, Failure, FailureFacts
from core.retry.pace import Pace
from core.retry.reactions import opening
from core.segmentation.segment import Segment
from db.repositories.history import CustomerHistory
from providers.base import installed
from settings import SHIPPED_POLICY
from tests.activities.conftest import Bench
from tests.support.builders import a_failure_event
from tests.support.memory_log import MemoryLog
from tests.support.story import OPEN, Story, classified

DEFAULT = Segment(name="default", rule="", why="")


async def a_good_customer(_: str, __: str, ___: str) -> CustomerHistory:
    """Years of payments."""
    return CustomerHistory(successes=40, recovered_amounts={"EUR": 500_000})


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    strategies = catalog.strategies()
    codes = {name: provider.decline_codes for name, provider in installed({}).items()}
    policy = catalog.PolicyFile(Path(SHIPPED_POLICY), strategies)
    return Knowledge(catalog.tables(codes), policy, strategies, Pace(time_scale=1))


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def decisions(knowledge: Knowledge, log: MemoryLog) -> Decisions:
    return Decisions(knowledge, a_good_customer, log)


def failed(log: MemoryLog) -> Story:
    """A failure that waits for its decision."""
    story = Story()
    story.write(opening(a_failure_event()))
    log.rows[story.recovery.recovery_id] = list(story.records)
    return story


async def test_the_network_of_the_card_counts_where_the_failure_names_none(bench: Bench, decisions: Decisions) -> None:
    facts = FailureFacts(invoice=OPEN, failure=Failure(network_code="51"), card=Card(network="visa"))
    found = await bench.run(decisions.classify_failure, ClassifyInput(recovery=bench.recovery, facts=facts))
    assert found.cause is Cause.INSUFFICIENT_FUNDS


async def test_a_segment_is_decided_once(bench: Bench, decisions: Decisions, log: MemoryLog) -> None:
    facts = FailureFacts(invoice=OPEN, customer=CustomerView(customer_id="cus_1"))
    new = SegmentInput(now=bench.now, recovery=failed(log).recovery, facts=facts)
    assert (await bench.run(decisions.segment_customer, new)).name == "high_value"
    assert (await bench.run(decisions.segment_customer, new.model_copy(update={"recovery": bench.recovery}))).name == (
        "default"
    )


async def test_a_plan_is_written_once_and_a_repeat_plans_nothing_again(
    bench: Bench, decisions: Decisions, log: MemoryLog
) -> None:
    story = failed(log)
    given = PlanInput(
        now=story.now,
        recovery=story.recovery,
        facts=FailureFacts(invoice=OPEN),
        classification=classified(Cause.GENERIC),
        segment=DEFAULT,
    )
    first = await bench.run(decisions.plan_retry, given)
    later = given.model_copy(
        update={"now": story.now + timedelta(days=1), "classification": classified(Cause.PERMANENT)}
    )
    assert await bench.run(decisions.plan_retry, later) == first
    assert [row.type for row in first.records][-1] is EventType.RETRY_PLANNED
    assert {row.data["policy_version"] for row in first.records if "policy_version" in row.data} != {None}
