"""What the live decision says, asked once for every situation that is distinct.

A decision sees more than matters to it. What matters is small: how the failure is classified, how suspicious it is,
segment, arm, retries used. For each such combination `core.retry.decide` is asked once, about a made-up invoice with an
endless window; what its answer still depends on, times, the window and an invoice's own jitter, is left to the arrays.
"""

from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np

from core.classifier.taxonomy import Classification
from core.events import Event, EventType, moment
from core.fraud.assess import FraudAssessment, FraudLevel
from core.payments import FailureFacts, InvoiceStatus, InvoiceView
from core.retry.arms import armed
from core.retry.decide import Findings, Means, decide
from core.retry.experiments import Assignment
from core.retry.policy import Policy
from core.retry.recovery import Recovery
from core.retry.strategies.base import Proposal, Situation
from core.retry.strategies.fixed_ladder import FixedLadder
from core.retry.strategies.payday import Payday
from core.segmentation.segment import Segment
from simulator.cases import Integers
from simulator.memo import NONE, Memo
from simulator.mornings import Almanac
from simulator.places import Spot
from simulator.world import World

THEN: Final = datetime(2026, 1, 1, tzinfo=UTC)
ENDLESS: Final = timedelta(days=3_000)
LEVELS: Final = tuple(FraudLevel)


class Action(IntEnum):
    """What comes next, as far as arrays care."""

    RETRY = 0
    AWAIT = 1
    """A customer's deadline runs."""
    REVIEW = 2
    """An operator's deadline runs."""
    BLOCKED = 3
    GIVE_UP = 4
    """No retry is left: the window runs out."""


class Key(NamedTuple):
    """A distinct situation, as numbers."""

    level: Integers
    """Of suspicion: index into LEVELS."""
    kind: Integers
    """Of classification."""
    segment: Integers
    arm: Integers
    used: Integers
    """Scheduled retries so far."""


class Answer(NamedTuple):
    """What is decided there. Spans in seconds."""

    action: int
    reason: str = ""
    until: int = 0
    """How long a person may take; of no meaning where the window's end says it."""
    held: bool = False
    """For suspicion: an overdue review blocks."""
    keeps: int = 0
    """1: a retry that is planned already stays, if it isn't too early now."""
    steady: int = NONE
    jitter: int = 0
    late_ends: int = 1
    """0: beyond the window the fallback ladder is asked."""
    fallback: int = NONE
    fallback_jitter: int = 0
    cool_down: int = 0
    asked: int = 0
    """A wait that the network or the provider asked for."""
    strategy: int = NONE
    """Index of a strategy that is asked on arrays."""


class Answers:
    """The table of one world, filled as situations turn up."""

    def __init__(self, world: World, kinds: tuple[Classification, ...], arms: tuple[Assignment | None, ...]) -> None:
        self._world, self._kinds, self._arms = world, kinds, arms
        self._policies = tuple(armed(world.policy, arm) for arm in arms)
        self.segments = tuple(one.name for one in world.policy.segments)
        most = max((one.attempts_allowed for policy in self._policies for one in policy.segments), default=0)
        self._shape = (len(LEVELS), len(kinds), len(self.segments), len(arms), most + 2)
        self._known = Memo(int(np.prod(self._shape)), self._ask)
        self.rows: list[Answer] = []
        self.mornings: list[Payday] = []
        """The strategies that `Answer.strategy` points at."""
        self._settings: dict[str, int] = {}
        self._almanacs: dict[tuple[int, int, int], Almanac] = {}
        self._columns: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}

    def of(self, key: Key) -> Integers:
        """The row of each situation."""
        return self._known.of(np.ravel_multi_index(tuple(key), self._shape))

    def _ask(self, flat: int) -> int:
        self.rows.append(self._asked(*(int(part) for part in np.unravel_index(flat, self._shape))))
        self._columns.clear()
        return len(self.rows) - 1

    def column(self, name: str) -> Integers:
        """One field of all rows."""
        if name not in self._columns:
            self._columns[name] = np.array([getattr(one, name) for one in self.rows], dtype=np.int64)
        return self._columns[name]

    def window(self, segment: Integers, arm: Integers) -> Integers:
        """Seconds from the first failure to the end of the window."""
        spans = [[int(one.window.total_seconds()) for one in policy.segments] for policy in self._policies]
        return np.array(spans, dtype=np.int64)[arm, segment]

    def almanac(self, strategy: int, spots: tuple[Spot, ...], first: int, last: int) -> Almanac:
        """The days of a payday strategy in these weeks, kept for the next chunk."""
        key = strategy, first, last
        if key not in self._almanacs:
            self._almanacs[key] = Almanac(self.mornings[strategy], spots, first, last)
        return self._almanacs[key]

    def _asked(self, level: int, kind: int, segment: int, arm: int, used: int) -> Answer:
        recovery = _made_up(self.segments[segment], used, self._arms[arm])
        findings = Findings(
            recovery=recovery,
            facts=_facts(recovery),
            classification=self._kinds[kind],
            segment=Segment(name=self.segments[segment], rule="", why=""),
            assessment=FraudAssessment(level=LEVELS[level]),
            now=THEN,
        )
        policy = self._policies[arm].model_copy(update={"experiments": ()})  # its arm is in it already
        decided = decide(findings, Means(policy=policy, strategies=self._world.strategies))
        return self._read(decided[-1], findings, self._policies[arm])

    def _read(self, event: Event, findings: Findings, policy: Policy) -> Answer:
        data = event.data
        action = _ACTIONS.get(data.get("action", ""), Action.GIVE_UP)
        if event.type is EventType.RETRY_PLANNED or (action is Action.GIVE_UP and data.get("strategy")):
            return self._retried(findings, policy)
        until = moment(data.get("until"))
        span = int((until - THEN).total_seconds()) if until else 0
        held, keeps = data["action"] == "review", int(bool(data.get("strategy")))
        cool_down = policy.cool_down_seconds.get(findings.classification.cause, 0)
        return Answer(
            action, data["reason"], until=span, held=held, keeps=keeps, cool_down=cool_down, asked=_asked_wait(findings)
        )

    def _retried(self, findings: Findings, policy: Policy) -> Answer:
        """The strategy's own words, before the planner holds them against times, which arrays know."""
        cause = findings.classification.cause
        spec = policy.strategy_for(findings.segment.name, cause)
        assert spec is not None, "a cause without a strategy is never planned"
        situation = _situation(findings)
        strategy = spec.build(self._world.strategies)
        told = strategy.ladder.propose(situation) if isinstance(strategy, Payday) else strategy.propose(situation)
        said: dict[str, Any] = _words(told) | _fallen_back(
            policy.fallback.build({"fixed_ladder": FixedLadder}).propose(situation)
        )
        if isinstance(strategy, Payday):
            said["strategy"] = self._morning(strategy, repr(sorted(spec.options.items())))
        cool_down = policy.cool_down_seconds.get(cause, 0)
        return Answer(Action.RETRY, "no_retry", keeps=1, cool_down=cool_down, asked=_asked_wait(findings), **said)

    def _morning(self, strategy: Payday, settings: str) -> int:
        """The number of a payday strategy with these settings."""
        if settings not in self._settings:
            self._settings[settings] = len(self.mornings)
            self.mornings.append(strategy)
        return self._settings[settings]


_ACTIONS: Final = {
    "ask_customer": Action.AWAIT,
    "wait_for_method": Action.AWAIT,
    "review": Action.REVIEW,
    "tell_operators": Action.REVIEW,
    "stop": Action.BLOCKED,
}


def _words(told: Proposal | None) -> dict[str, int]:
    """A proposal as numbers; NONE where the strategy has no further retry."""
    if told is None:
        return {}
    assert told.steady_seconds is not None, "only strategies whose answers are shared are asked once"
    return {"steady": told.steady_seconds, "jitter": told.jitter_seconds, "late_ends": int(told.late_ends)}


def _fallen_back(told: Proposal | None) -> dict[str, int]:
    words = _words(told)
    return {"fallback": words["steady"], "fallback_jitter": words["jitter"]} if words else {}


def _asked_wait(findings: Findings) -> int:
    return max(findings.classification.wait_seconds or 0, 0)


def _made_up(segment: str, used: int, arm: Assignment | None) -> Recovery:
    """A recovery in that situation, with all the time in the world."""
    return Recovery(
        provider="simulated",
        invoice_id="in_any",
        amount=100,
        currency="USD",
        sequence=1,
        opened_at=THEN,
        failed_at=THEN,
        attempts_used=used,
        window_ends_at=THEN + ENDLESS,
        segment=segment,
        experiment=arm.experiment if arm else None,
        arm=arm.arm if arm else None,
    )


def _facts(recovery: Recovery) -> FailureFacts:
    invoice = InvoiceView(invoice_id=recovery.invoice_id, status=InvoiceStatus.OPEN, amount_due=100, currency="USD")
    return FailureFacts(invoice=invoice)


def _situation(findings: Findings) -> Situation:
    recovery = findings.recovery
    return Situation(
        provider=recovery.provider,
        invoice_id=recovery.invoice_id,
        attempt=recovery.attempts_used + 1,
        cause=findings.classification.cause,
        segment=findings.segment.name,
        amount=recovery.amount,
        currency=recovery.currency,
        failed_at=THEN,
        now=THEN,
        asked_wait_seconds=findings.classification.wait_seconds,
        window_seconds=int(ENDLESS.total_seconds()),
    )
