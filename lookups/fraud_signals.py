"""What is looked up before fraud is assessed. Nothing here holds up a recovery: what fails or is slow is left out."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final

import structlog

from core.contracts import PlanInput
from core.fraud.rules import FraudRules
from core.fraud.signals import FraudScorer, FraudSignals, ScorerAnswer, ScorerFactory, ScorerQuestion, Velocity
from db.queries import velocity
from db.session import Database
from lookups.time_limits import await_within

COUNT_SECONDS: Final = 0.5
"""For the counts. With the scorer's second it stays below the two that a decision may take."""
log = structlog.get_logger(__name__)

VelocityCount = Callable[[PlanInput, FraudRules], Awaitable[Velocity]]
"""Counts what surrounds this failure."""


def stored_velocity_count(database: Database) -> VelocityCount:
    """The counts as PostgreSQL holds them."""

    async def look_up(given: PlanInput, rules: FraudRules) -> Velocity:
        async with database.begin() as session:
            return await velocity.count_velocity(
                session,
                provider=given.recovery.provider,
                recovery_id=given.recovery.recovery_id,
                customer_id=_customer_id(given),
                fingerprint=given.facts.card.fingerprint,
                now=given.now,
                window=timedelta(seconds=rules.window_seconds),
                burst_window=timedelta(seconds=rules.burst_window_seconds),
            )

    return look_up


async def no_velocity(_: PlanInput, __: FraudRules) -> Velocity:
    """Where there is no log to count in."""
    return Velocity()


class FraudSignalLookup:
    """Looks up velocity and asks the scorer that the policy names."""

    def __init__(self, count: VelocityCount = no_velocity, scorers: Mapping[str, ScorerFactory] | None = None) -> None:
        self._count = count
        self._factories = dict(scorers or {})
        self._scorers: dict[str, FraudScorer] = {}

    async def look_up_signals(self, given: PlanInput, rules: FraudRules) -> FraudSignals:
        """What was found out, and what not and why. Never raises."""
        seen, missing = await self._count_velocity(given, rules)
        if rules.scorer is None:
            return FraudSignals(velocity=seen, missing=missing)
        answer, problem = await self._ask_scorer(rules.scorer, _build_question(given, seen), rules.scorer_timeout_ms)
        return FraudSignals(velocity=seen, scorer=rules.scorer, answer=answer, missing=(*missing, *problem))

    async def _count_velocity(self, given: PlanInput, rules: FraudRules) -> tuple[Velocity, tuple[str, ...]]:
        try:
            return await await_within(COUNT_SECONDS, self._count(given, rules)), ()
        except TimeoutError:
            return Velocity(), ("velocity: not counted in time",)
        except Exception as error:  # the counts are an extra; the row of the decision is not, and fails by itself
            log.warning("velocity could not be counted", error=str(error))
            return Velocity(), (f"velocity: {type(error).__name__}",)

    async def _ask_scorer(
        self, name: str, question: ScorerQuestion, milliseconds: int
    ) -> tuple[ScorerAnswer | None, tuple[str, ...]]:
        """The scorer's answer, or why there is none."""
        if name not in self._factories:
            return None, (f"scorer {name}: not installed",)
        try:
            return validate_answer(await await_within(milliseconds / 1000, self._run_scorer(name, question))), ()
        except TimeoutError:
            return None, (f"scorer {name}: no answer within {milliseconds} ms",)
        except Exception as error:  # somebody else's package, which may fail in any way
            log.warning("a fraud scorer failed", scorer=name, error=str(error))
            return None, (f"scorer {name}: {type(error).__name__}",)

    async def _run_scorer(self, name: str, question: ScorerQuestion) -> object:
        if name not in self._scorers:
            self._scorers[name] = self._factories[name]()
        score = self._scorers[name].score
        if inspect.iscoroutinefunction(score):
            return await score(question)
        answer = await asyncio.to_thread(score, question)
        return await answer if inspect.isawaitable(answer) else answer


def validate_answer(answer: object) -> ScorerAnswer:
    """A usable answer: a whole number from 0 to 100, words that a row can hold. Raises ValueError."""
    if not isinstance(answer, ScorerAnswer) or type(answer.score) is not int or not 0 <= answer.score <= 100:
        raise ValueError("a scorer answers with a ScorerAnswer from 0 to 100")
    return ScorerAnswer(score=answer.score, reasons=tuple(_printable_text(one) for one in answer.reasons[:10]))


def _printable_text(text: object) -> str:
    return "".join(one if one.isprintable() else " " for one in str(text))[:200]


def _build_question(given: PlanInput, seen: Velocity) -> ScorerQuestion:
    return ScorerQuestion(
        provider=given.recovery.provider,
        invoice_id=given.recovery.invoice_id,
        customer_id=_customer_id(given),
        cause=given.classification.cause,
        facts=given.facts,
        velocity=seen,
    )


def _customer_id(given: PlanInput) -> str | None:
    customer = given.facts.customer
    return customer.customer_id if customer else given.recovery.customer_id or given.facts.invoice.customer_id
