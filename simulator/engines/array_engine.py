"""The array engine: simulates a chunk of cases together, one step of all open cases at a time.

Every decision comes from the live code, asked once per distinct situation (`decision_table`, `situations`,
`network_limits`); only times and random draws are computed here. `tests/simulator/test_engines.py` compares every
single case with the event engine.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from core.events import State
from simulator.engines.arm import World
from simulator.engines.array_planning import ArrayPlanner, PlanRequests
from simulator.engines.decision_table import Action, DecisionTable, SituationKey
from simulator.engines.network_limits import ChargeLedger
from simulator.engines.results import FINAL_STATES, RecoveryResults
from simulator.engines.situations import CaseFeatures
from simulator.model.cases import NEVER, Booleans, Cases, Codebook, Integers
from simulator.model.outcome_model import ChargeBatch, OutcomeModel, OutcomeModels

WAITING, AWAITING, REVIEW, CLOSED = range(4)
RECOVERED, EXHAUSTED, BLOCKED = (FINAL_STATES.index(one) for one in (State.RECOVERED, State.EXHAUSTED, State.BLOCKED))
_STAGE: Final = np.array([WAITING, AWAITING, REVIEW, CLOSED, AWAITING], dtype=np.int64)
"""The stage that each `Action` leads to, indexed by the action."""
_OVERDUE: Final = ((Action.AWAIT, "customer_deadline"), (Action.REVIEW, "review_overdue"))
"""The close reason of a recovery whose customer or operator let the deadline pass."""


class ArrayEngine:
    """A `runner.Engine` that simulates cases on arrays. Keeps its decision table while chunks share one codebook."""

    def __init__(self, world: World, models: OutcomeModels) -> None:
        self._world, self._models = world, models
        self._known: tuple[Codebook, CaseFeatures, DecisionTable] | None = None

    def run(self, cases: Cases) -> RecoveryResults:
        """The result of each case, a row per case in the order of `cases`."""
        model = self._models.for_cases(cases)
        # Features and decisions depend on the codebook alone, so the next chunk of the same book finds them filled.
        if self._known is None or self._known[0] is not cases.book:
            features = CaseFeatures(self._world, cases.book, model.outcomes.new_method_code)
            self._known = cases.book, features, DecisionTable(self._world, features.classifications, features.arms)
        _, features, answers = self._known
        return ArraySimulation(self._world, features, answers, model, cases).run_to_end()


class ArraySimulation:
    """The state of one chunk: columns with a row per case. `rows` are the indices that a step is about."""

    def __init__(
        self, world: World, features: CaseFeatures, answers: DecisionTable, model: OutcomeModel, cases: Cases
    ) -> None:
        self._features, self._answers, self._model, self._cases = features, answers, model, cases
        count = len(cases)
        self._failure = cases.failure.copy()
        self._segment, self._arm = features.segment_index(cases.failure, cases.payer), features.arm[cases.name]
        self._ends = cases.failed_at + answers.window_seconds(self._segment, self._arm)
        self._failed_at, self._method_at = cases.failed_at.copy(), cases.method_at.copy()
        self._stage, self._due, self._used = (
            _filled_column(count, CLOSED),
            _filled_column(count, NEVER),
            _filled_column(count, 0),
        )
        self._overdue = _filled_column(count, 0)
        """Close reason if `_due` passes while it waits for a person or the window; index into `_reasons`."""
        self._blocks_if_overdue = np.zeros(count, dtype=np.bool_)
        self._state, self._reason, self._closed_at = (
            _filled_column(count, 0),
            _filled_column(count, 0),
            _filled_column(count, NEVER),
        )
        self._reasons: dict[str, int] = {}
        self._untried, self._won_untried = _filled_column(count, 0), np.zeros(count, dtype=np.bool_)
        self._ledger = ChargeLedger(world, features, cases)
        self._planner = ArrayPlanner(features, answers, cases)

    def run_to_end(self) -> RecoveryResults:
        """Advances the cases until all are closed, and returns their results."""
        every = np.arange(len(self._cases))
        self._ledger.add_opening_fees()
        level = self._features.fraud_levels(self._cases.failure, self._cases.payer)
        self._decide_rows(every, level, kept=np.zeros(len(every), dtype=np.bool_))
        while len(rows := np.flatnonzero(self._stage != CLOSED)):
            self._advance_rows(rows)
        return self._to_results()

    def _advance_rows(self, rows: Integers) -> None:
        """Moves each case to its next event: a payment from elsewhere, another card, or what is due."""
        due, paid, method = self._due[rows], self._cases.paid_at[rows], self._method_at[rows]
        # Ties go as in the event engine: events of one moment before the timer, and the payment before the card.
        is_paid = (paid <= due) & (paid <= method)
        is_method = (method <= due) & (method < paid)
        self._close_rows(rows[is_paid], RECOVERED, "paid_elsewhere", paid[is_paid])
        self._accept_method(rows[is_method], method[is_method])
        timer = ~(is_paid | is_method)
        self._handle_due(rows[timer], due[timer])

    def _accept_method(self, rows: Integers, at: Integers) -> None:
        """Charges another card at once; during a review the card is ignored."""
        self._method_at[rows] = NEVER
        able = self._stage[rows] != REVIEW
        rows, at = rows[able], at[able]
        self._ledger.switch_card(rows)
        self._charge_rows(rows, at, fresh=True)

    def _handle_due(self, rows: Integers, at: Integers) -> None:
        planned = self._stage[rows] == WAITING
        over = rows[~planned]
        state = np.where(self._blocks_if_overdue[over], BLOCKED, EXHAUSTED)
        self._end_rows(over, state, self._overdue[over], at[~planned])
        self._charge_rows(rows[planned], at[planned], fresh=False)

    def _charge_rows(self, rows: Integers, at: Integers, *, fresh: bool) -> None:
        """Charges these rows: closes those that succeed, decides on those that are declined."""
        # The batch reads the ledger's count, so it is built before the charges are recorded.
        charges = self._to_charge_batch(rows, at, fresh)
        won, untried = self._model.draw_successes(charges), self._model.is_extrapolated(charges)
        self._ledger.record_charges(rows, at)
        if untried.any():
            self._untried[rows] += untried
        self._won_untried[rows] = won & untried
        self._close_rows(rows[won], RECOVERED, "charged", at[won])
        lost = rows[~won]
        self._failed_at[lost] = at[~won]
        if fresh:
            self._failure[lost] = self._features.another_method_kind[self._failure[lost]]
        else:
            self._used[lost] += 1
        # A declined new card leaves the retry that was planned before it; a declined retry has used its plan up.
        kept = (self._stage[lost] == WAITING) & fresh
        self._decide_rows(lost, self._features.later_fraud_level[self._failure[lost]], kept)

    def _to_charge_batch(self, rows: Integers, at: Integers, fresh: bool) -> ChargeBatch:
        return ChargeBatch(
            case=self._cases.number[rows],
            payer=self._cases.payer[rows],
            cause=self._features.cause[self._failure[rows]],
            retry=self._used[rows] + 1,
            charge=self._ledger.charge_count[rows] + 1,
            waited=at - self._failed_at[rows],
            at=at,
            fresh=np.full(len(rows), fresh, dtype=np.bool_),
        )

    def _decide_rows(self, rows: Integers, level: Integers, kept: Booleans) -> None:
        """Applies the decision after the newest failure of each row; `kept`: a retry is planned already."""
        kind, used = self._features.classification_index[self._failure[rows]], self._used[rows]
        answer = self._answers.look_up_rows(SituationKey(level, kind, self._segment[rows], self._arm[rows], used))
        now, action = self._failed_at[rows], self._answers.column("action")[answer]
        if kept.any():
            kept = kept & self._can_keep_plan(rows, answer)
            action = np.where(kept, Action.RETRY, action)
        self._stage[rows] = _STAGE[action]
        waits = np.flatnonzero((action == Action.AWAIT) | (action == Action.REVIEW))
        self._wait_for_people(rows[waits], answer[waits], now[waits])
        for reason, mine in self._group_by_reason(rows, answer, action == Action.BLOCKED):
            self._close_rows(mine, BLOCKED, reason, self._failed_at[mine])
        for reason, mine in self._group_by_reason(rows, answer, action == Action.GIVE_UP):
            self._give_up(mine, reason)
        plans = (action == Action.RETRY) & ~kept
        self._plan_rows(rows[plans], answer[plans])
        self._apply_network_limits(rows[action == Action.RETRY])

    def _wait_for_people(self, rows: Integers, answer: Integers, now: Integers) -> None:
        """The deadlines of customers and operators, and what they end as."""
        # `rows` holds no index twice, so that |= on a fancy index loses nothing.
        self._blocks_if_overdue[rows] |= self._answers.column("blocks_if_overdue")[answer].astype(np.bool_)
        self._due[rows] = now + self._answers.column("until")[answer]
        action = self._answers.column("action")[answer]
        for person, reason in _OVERDUE:
            self._overdue[rows[action == person]] = self._reason_number(reason)

    def _can_keep_plan(self, rows: Integers, answer: Integers) -> Booleans:
        """Whether a retry planned before stays: not sooner than the waits allow, and within the window."""
        column, due, now = self._answers.column, self._due[rows], self._failed_at[rows]
        earliest = now + np.maximum(column("requested_wait")[answer], column("cool_down")[answer])
        return np.asarray((column("keeps_plan")[answer] == 1) & (earliest < due) & (due <= self._ends[rows]))

    def _plan_rows(self, rows: Integers, answer: Integers) -> None:
        plans = self._planner.plan_retries(
            PlanRequests(
                rows=rows,
                answer=answer,
                failed_at=self._failed_at[rows],
                ends=self._ends[rows],
                attempt=self._used[rows] + 1,
            )
        )
        self._due[rows] = plans
        # NEVER is the largest integer, so "no further retry" would also count as late.
        late = (plans != NEVER) & (plans > self._ends[rows])
        self._give_up(rows[plans == NEVER], "no_retry")
        self._give_up(rows[late], "window")

    def _apply_network_limits(self, rows: Integers) -> None:
        """Moves plans that a network's limit forbids; gives up where no allowed moment is left in the window."""
        # A plan that was given up before, for the window or for want of a retry, is no longer WAITING.
        rows = rows[self._stage[rows] == WAITING]
        moved, at = self._ledger.apply_limits(rows, self._failure[rows], self._due[rows], self._ends[rows])
        self._due[moved] = at
        self._give_up(moved[at == NEVER], "network_limit")

    def _give_up(self, rows: Integers, reason: str) -> None:
        """Ends retries: the case waits for a payment or another card until its window ends, at least until now."""
        self._stage[rows] = AWAITING
        self._due[rows] = np.maximum(self._ends[rows], self._failed_at[rows])
        self._overdue[rows] = self._reason_number(reason)

    def _group_by_reason(self, rows: Integers, answer: Integers, chosen: Booleans) -> Iterator[tuple[str, Integers]]:
        """The chosen rows grouped by decision row, each group with that decision's reason."""
        mine, answers = rows[chosen], answer[chosen]
        for one in np.unique(answers).tolist():
            yield self._answers.rows[one].reason, mine[answers == one]

    def _close_rows(self, rows: Integers, state: int, reason: str, at: Integers) -> None:
        self._end_rows(rows, state, self._reason_number(reason), at)

    def _end_rows(self, rows: Integers, state: int | Integers, reason: int | Integers, at: Integers) -> None:
        self._stage[rows], self._state[rows], self._closed_at[rows] = CLOSED, state, at
        self._reason[rows] = reason

    def _reason_number(self, reason: str) -> int:
        """The index of a reason in `_reasons`; a new reason is appended."""
        return self._reasons.setdefault(reason, len(self._reasons))

    def _to_results(self) -> RecoveryResults:
        spent = self._ledger
        return RecoveryResults(
            state=self._state,
            reason=self._reason,
            reasons=tuple(self._reasons),
            closed_at=self._closed_at,
            segment=self._segment,
            segments=self._answers.segments,
            cause=self._features.cause[self._cases.failure],
            charges=spent.charge_count,
            charged_at=spent.charged_at,
            blocked=spent.blocked,
            fees=spent.fees,
            fees_avoided=spent.fees_avoided,
            untried=self._untried,
            won_untried=self._won_untried,
        )


def _filled_column(count: int, value: int) -> Integers:
    return np.full(count, value, dtype=np.int64)
