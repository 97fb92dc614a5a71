"""The decision table: the live decision, computed once for every distinct situation.

A decision depends on the classification of the failure, its fraud level, the segment, the experiment arm and the
retries used. For each such combination `core.planning.decision` is called once, with a sample invoice whose window
is practically endless. What depends on times, the window or an invoice's jitter is computed on arrays afterwards.
"""

from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np

from core.classification.taxonomy import Classification
from core.events import Event
from core.events.decision_data import RetrySkipped
from core.events.types import SkipAction
from core.fraud.assessment import FraudAssessment, FraudLevel
from core.payments import FailureFacts, InvoiceStatus, InvoiceView
from core.planning.decision import build_decision_rows, build_situation
from core.planning.decision_input import DecisionInput
from core.planning.experiment_arms import config_of_arm
from core.policy.experiments import Assignment
from core.policy.policy import Policy
from core.recovery.state import Recovery
from core.segmentation.rules import Segment
from core.strategies.base import Proposal
from core.strategies.fixed_ladder import FixedLadder
from core.strategies.payday import Payday
from simulator.engines.arm import World
from simulator.engines.payday_mornings import PaydayCalendar
from simulator.model.cases import NO_VALUE, Integers, Memo
from simulator.model.local_clocks import Location

DECISION_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)
ENDLESS_WINDOW: Final = timedelta(days=3_000)
FRAUD_LEVELS: Final = tuple(FraudLevel)


class Action(IntEnum):
    """The kinds of next step that the array engine tells apart."""

    RETRY = 0
    AWAIT = 1
    """A customer's deadline runs."""
    REVIEW = 2
    """An operator's deadline runs."""
    BLOCKED = 3
    GIVE_UP = 4
    """No retry is left: the window runs out."""


class SituationKey(NamedTuple):
    """Distinct situations as index columns, a row per case."""

    level: Integers
    """Index into FRAUD_LEVELS."""
    kind: Integers
    """Index into the distinct classifications."""
    segment: Integers
    arm: Integers
    used: Integers
    """Scheduled retries used so far."""


class DecisionRow(NamedTuple):
    """The decision in one situation, as numbers. Durations in seconds."""

    action: int
    reason: str = ""
    until: int = 0
    """Time until the deadline of AWAIT or REVIEW; unused for other actions."""
    blocks_if_overdue: bool = False
    """A fraud review that is overdue ends as blocked instead of exhausted."""
    keeps_plan: int = 0
    """1: a retry that is planned already stays, unless it is too early now."""
    steady: int = NO_VALUE
    """The proposed delay without jitter; NO_VALUE: no further retry."""
    jitter: int = 0
    late_ends: int = 1
    """0: a proposal beyond the window is replaced by the fallback ladder's; 1: it ends the retries."""
    fallback: int = NO_VALUE
    fallback_jitter: int = 0
    cool_down: int = 0
    requested_wait: int = 0
    """A wait that the network or the provider asked for."""
    strategy: int = NO_VALUE
    """Index into `payday_strategies`, which are computed on arrays; NO_VALUE for all other strategies."""


class DecisionTable:
    """The decisions of one world, computed when a situation is first looked up."""

    def __init__(self, world: World, kinds: tuple[Classification, ...], arms: tuple[Assignment | None, ...]) -> None:
        self._world, self._kinds, self._arms = world, kinds, arms
        self._configs = tuple(config_of_arm(world.decision_config, arm) for arm in arms)
        self._policies = tuple(config.policy for config in self._configs)
        self.segments = tuple(one.name for one in world.policy.segments)
        most = max((one.attempts_allowed for policy in self._policies for one in policy.segments), default=0)
        self._shape = (len(FRAUD_LEVELS), len(kinds), len(self.segments), len(arms), most + 2)
        self._known = Memo(int(np.prod(self._shape)), self._add_row)
        self.rows: list[DecisionRow] = []
        self.payday_strategies: list[Payday] = []
        """The strategies that `DecisionRow.strategy` points at."""
        self._strategy_numbers: dict[str, int] = {}
        self._payday_calendars: dict[tuple[int, int, int], PaydayCalendar] = {}
        self._columns: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}

    def look_up_rows(self, key: SituationKey) -> Integers:
        """The index into `rows` of each situation's decision, computed where it is new."""
        # A situation becomes one flat number, so that the memo is a plain array instead of a dictionary of tuples.
        return self._known.look_up(np.ravel_multi_index(tuple(key), self._shape))

    def _add_row(self, flat: int) -> int:
        self.rows.append(self._decide_situation(*(int(part) for part in np.unravel_index(flat, self._shape))))
        self._columns.clear()  # they are one row short now
        return len(self.rows) - 1

    def column(self, name: str) -> Integers:
        """One field of all rows, indexed by what `look_up_rows` returns."""
        if name not in self._columns:
            self._columns[name] = np.array([getattr(one, name) for one in self.rows], dtype=np.int64)
        return self._columns[name]

    def window_seconds(self, segment: Integers, arm: Integers) -> Integers:
        """The recovery window of each segment and arm, seconds from the first failure."""
        spans = [[int(one.window.total_seconds()) for one in policy.segments] for policy in self._policies]
        return np.array(spans, dtype=np.int64)[arm, segment]

    def payday_calendar(self, strategy: int, spots: tuple[Location, ...], first: int, last: int) -> PaydayCalendar:
        """The calendar of a payday strategy from `first` to `last` (seconds since 1970), cached for later chunks."""
        key = strategy, first, last
        if key not in self._payday_calendars:
            self._payday_calendars[key] = PaydayCalendar(self.payday_strategies[strategy], spots, first, last)
        return self._payday_calendars[key]

    def _decide_situation(self, level: int, kind: int, segment: int, arm: int, used: int) -> DecisionRow:
        recovery = _sample_recovery(self.segments[segment], used, self._arms[arm])
        decision_input = DecisionInput(
            recovery=recovery,
            facts=_sample_facts(recovery),
            classification=self._kinds[kind],
            segment=Segment(name=self.segments[segment], rule="", why=""),
            assessment=FraudAssessment(level=FRAUD_LEVELS[level]),
            now=DECISION_TIME,
        )
        decided = build_decision_rows(decision_input, self._configs[arm])
        return self._to_decision_row(decided[-1], decision_input, self._policies[arm])

    def _to_decision_row(self, event: Event, decision_input: DecisionInput, policy: Policy) -> DecisionRow:
        skipped = event.data if isinstance(event.data, RetrySkipped) else None
        action = _ACTIONS.get(skipped.action, Action.GIVE_UP) if skipped else Action.RETRY
        if skipped is None or (action is Action.GIVE_UP and skipped.strategy):
            return self._propose_retry(decision_input, policy)
        span = int((skipped.until - DECISION_TIME).total_seconds()) if skipped.until else 0
        blocks_if_overdue, keeps = skipped.action is SkipAction.REVIEW, int(bool(skipped.strategy))
        cool_down = policy.cool_down_seconds.get(decision_input.classification.cause, 0)
        return DecisionRow(
            action,
            skipped.reason,
            until=span,
            blocks_if_overdue=blocks_if_overdue,
            keeps_plan=keeps,
            cool_down=cool_down,
            requested_wait=_requested_wait(decision_input),
        )

    def _propose_retry(self, decision_input: DecisionInput, policy: Policy) -> DecisionRow:
        """The strategy's proposal before the planner checks it against waits and window: arrays do that per case."""
        cause = decision_input.classification.cause
        spec = policy.strategy_for(decision_input.segment.name, cause)
        assert spec is not None, "a cause without a strategy is never planned"
        situation = build_situation(decision_input).model_copy(
            update={"window_seconds": int(ENDLESS_WINDOW.total_seconds())}
        )
        strategy = spec.build_strategy(self._world.strategies)
        proposal = strategy.ladder.propose(situation) if isinstance(strategy, Payday) else strategy.propose(situation)
        numbers: dict[str, Any] = _proposal_numbers(proposal) | _fallback_numbers(
            policy.fallback.build_strategy({"fixed_ladder": FixedLadder}).propose(situation)
        )
        if isinstance(strategy, Payday):
            numbers["strategy"] = self._strategy_number(strategy, repr(sorted(spec.options.items())))
        cool_down = policy.cool_down_seconds.get(cause, 0)
        return DecisionRow(
            Action.RETRY,
            "no_retry",
            keeps_plan=1,
            cool_down=cool_down,
            requested_wait=_requested_wait(decision_input),
            **numbers,
        )

    def _strategy_number(self, strategy: Payday, settings: str) -> int:
        """The index of a payday strategy with these settings in `payday_strategies`; a new one is appended."""
        if settings not in self._strategy_numbers:
            self._strategy_numbers[settings] = len(self.payday_strategies)
            self.payday_strategies.append(strategy)
        return self._strategy_numbers[settings]


_ACTIONS: Final = {
    SkipAction.ASK_CUSTOMER: Action.AWAIT,
    SkipAction.WAIT_FOR_METHOD: Action.AWAIT,
    SkipAction.REVIEW: Action.REVIEW,
    SkipAction.TELL_OPERATORS: Action.REVIEW,
    SkipAction.STOP: Action.BLOCKED,
}


def _proposal_numbers(proposal: Proposal | None) -> dict[str, int]:
    """A proposal as fields of a `DecisionRow`; empty where the strategy has no further retry."""
    if proposal is None:
        return {}
    assert proposal.steady_seconds is not None, "only strategies whose answers are shared are asked once"
    return {"steady": proposal.steady_seconds, "jitter": proposal.jitter_seconds, "late_ends": int(proposal.late_ends)}


def _fallback_numbers(proposal: Proposal | None) -> dict[str, int]:
    words = _proposal_numbers(proposal)
    return {"fallback": words["steady"], "fallback_jitter": words["jitter"]} if words else {}


def _requested_wait(decision_input: DecisionInput) -> int:
    return max(decision_input.classification.wait_seconds or 0, 0)


def _sample_recovery(segment: str, used: int, arm: Assignment | None) -> Recovery:
    """A recovery in that situation whose window doesn't bind; amount and currency decide nothing here."""
    return Recovery(
        provider="simulated",
        invoice_id="in_any",
        amount=100,
        currency="USD",
        sequence=1,
        opened_at=DECISION_TIME,
        failed_at=DECISION_TIME,
        attempts_used=used,
        window_ends_at=DECISION_TIME + ENDLESS_WINDOW,
        segment=segment,
        experiment=arm.experiment if arm else None,
        arm=arm.arm if arm else None,
    )


def _sample_facts(recovery: Recovery) -> FailureFacts:
    invoice = InvoiceView(invoice_id=recovery.invoice_id, status=InvoiceStatus.OPEN, amount_due=100, currency="USD")
    return FailureFacts(invoice=invoice)
