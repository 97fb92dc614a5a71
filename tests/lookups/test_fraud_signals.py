"""No lookup for the fraud assessment can delay a recovery."""

import asyncio
import time
from collections.abc import Awaitable

import pytest

from core.classification.taxonomy import Cause
from core.contracts import PlanInput
from core.errors import StoreUnavailable
from core.fraud.rules import FraudRules
from core.fraud.signals import FraudSignals, ScorerAnswer, ScorerQuestion, Velocity
from core.payments import FailureFacts, InvoiceStatus, InvoiceView
from core.recovery.state import Recovery
from core.segmentation.rules import Segment
from lookups.fraud_signals import FraudSignalLookup
from tests.support.builders import THEN
from tests.support.recovery_scenario import classification_of

RULES = FraudRules(scorer="acme", scorer_timeout_ms=50)
PLAN_INPUT = PlanInput(
    now=THEN,
    recovery=Recovery(provider="stripe", invoice_id="in_1", customer_id="cus_1"),
    facts=FailureFacts(invoice=InvoiceView(invoice_id="in_1", status=InvoiceStatus.OPEN)),
    classification=classification_of(Cause.GENERIC),
    segment=Segment(name="default", rule="default", why="the test"),
)


class AsyncScorer:
    async def score(self, question: ScorerQuestion) -> ScorerAnswer:
        return ScorerAnswer(score=7, reasons=(f"{question.customer_id}\nis fine",))


class SyncScorer:
    def score(self, _: ScorerQuestion) -> ScorerAnswer:
        return ScorerAnswer(score=8)


class SlowScorer:
    async def score(self, _: ScorerQuestion) -> ScorerAnswer:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.2)  # it doesn't even stop when told to
        return ScorerAnswer(score=1)


class BlockingScorer:
    def score(self, _: ScorerQuestion) -> ScorerAnswer:
        time.sleep(0.3)
        return ScorerAnswer(score=1)


class FailingScorer:
    def score(self, _: ScorerQuestion) -> ScorerAnswer:
        raise RuntimeError("boom")


class MalformedScorer:
    async def score(self, _: ScorerQuestion) -> ScorerAnswer:
        return ScorerAnswer(score=900)


class UnconstructibleScorer:
    def __init__(self) -> None:
        raise RuntimeError("no settings")

    def score(self, _: ScorerQuestion) -> ScorerAnswer | Awaitable[ScorerAnswer]:
        raise AssertionError


async def signals_with_scorer(scorer: type | None) -> FraudSignals:
    lookup = FraudSignalLookup(scorers={"acme": scorer} if scorer else {})
    return await lookup.look_up_signals(PLAN_INPUT, RULES)


@pytest.mark.parametrize(("scorer", "score"), [(AsyncScorer, 7), (SyncScorer, 8)])
async def test_score_of_a_plugin_is_used(scorer: type, score: int) -> None:
    signals = await signals_with_scorer(scorer)
    assert signals.answer
    assert (signals.scorer, signals.answer.score, signals.missing) == ("acme", score, ())
    assert "\n" not in "".join(signals.answer.reasons)


@pytest.mark.parametrize(
    ("scorer", "reason"),
    [
        (None, "scorer acme: not installed"),
        (SlowScorer, "scorer acme: no answer within 50 ms"),
        (BlockingScorer, "scorer acme: no answer within 50 ms"),
        (FailingScorer, "scorer acme: RuntimeError"),
        (MalformedScorer, "scorer acme: ValueError"),
        (UnconstructibleScorer, "scorer acme: RuntimeError"),
    ],
)
@pytest.mark.quiet
async def test_missing_slow_or_broken_scorer_is_left_out_and_named(scorer: type | None, reason: str) -> None:
    began = time.monotonic()
    signals = await signals_with_scorer(scorer)
    assert time.monotonic() - began < 2
    assert (signals.answer, signals.missing) == (None, (reason,))


async def test_no_scorer_runs_without_one_in_the_policy() -> None:
    assert (
        await FraudSignalLookup(scorers={"acme": FailingScorer}).look_up_signals(PLAN_INPUT, FraudRules())
        == FraudSignals()
    )


async def test_counts_that_fail_or_hang_are_left_out_and_named() -> None:
    async def fail_count(_: PlanInput, __: FraudRules) -> Velocity:
        raise StoreUnavailable("away")

    async def hang_count(_: PlanInput, __: FraudRules) -> Velocity:
        await asyncio.sleep(60)
        return Velocity()

    failed = await FraudSignalLookup(fail_count).look_up_signals(PLAN_INPUT, FraudRules())
    assert failed == FraudSignals(missing=("velocity: StoreUnavailable",))
    hung = await FraudSignalLookup(hang_count).look_up_signals(PLAN_INPUT, FraudRules())
    assert hung == FraudSignals(missing=("velocity: not counted in time",))
