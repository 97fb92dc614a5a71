"""The same recoveries on arrays: all cases of a chunk take their next step together.

What is decided comes from the live code, asked once per distinct situation (`answers`, `alike`, `limits`); here are
only moments and luck. `tests/simulator/test_engines.py` holds every single case against the exact engine.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from core.events import State
from simulator.alike import Alike
from simulator.answers import Action, Answers, Key
from simulator.cases import NEVER, Book, Booleans, Cases, Integers
from simulator.fate import Charges, Fate, Fates
from simulator.journeys import FINAL, Journeys
from simulator.planning import Planner, Plans
from simulator.spending import Spending
from simulator.world import World

WAITING, AWAITING, REVIEW, CLOSED = range(4)
RECOVERED, EXHAUSTED, BLOCKED = (FINAL.index(one) for one in (State.RECOVERED, State.EXHAUSTED, State.BLOCKED))
_STAGE: Final = np.array([WAITING, AWAITING, REVIEW, CLOSED, AWAITING], dtype=np.int64)
"""By Action."""
_OVERDUE: Final = ((Action.AWAIT, "customer_deadline"), (Action.REVIEW, "review_overdue"))
"""Why a recovery ends for which a person's time was up."""


class Fast:
    """An engine: simulates cases together."""

    def __init__(self, world: World, fates: Fates) -> None:
        self._world, self._fates = world, fates
        self._known: tuple[Book, Alike, Answers] | None = None

    def run(self, cases: Cases) -> Journeys:
        """What becomes of them."""
        fate = self._fates.of(cases)
        if self._known is None or self._known[0] is not cases.book:
            alike = Alike(self._world, cases.book, fate.outcomes.new_method_code)
            self._known = cases.book, alike, Answers(self._world, alike.classifications, alike.arms)
        _, alike, answers = self._known
        return March(self._world, alike, answers, fate, cases).finished()


class March:
    """A chunk of cases under way. Columns have a row per case; `rows` are the ones that a step is about."""

    def __init__(self, world: World, alike: Alike, answers: Answers, fate: Fate, cases: Cases) -> None:
        self._alike, self._answers, self._fate, self._cases = alike, answers, fate, cases
        count = len(cases)
        self._failure = cases.failure.copy()
        self._segment, self._arm = alike.segments(cases.failure, cases.payer), alike.arm[cases.name]
        self._ends = cases.failed_at + answers.window(self._segment, self._arm)
        self._failed_at, self._method_at = cases.failed_at.copy(), cases.method_at.copy()
        self._stage, self._due, self._used = _column(count, CLOSED), _column(count, NEVER), _column(count, 0)
        self._overdue = _column(count, 0)
        """Why it ends when its time is up; index into the reasons."""
        self._held = np.zeros(count, dtype=np.bool_)
        self._state, self._reason, self._closed_at = _column(count, 0), _column(count, 0), _column(count, NEVER)
        self._reasons: dict[str, int] = {}
        self._untried, self._won_untried = _column(count, 0), np.zeros(count, dtype=np.bool_)
        self._spending = Spending(world, alike, cases)
        self._planner = Planner(alike, answers, cases)

    def finished(self) -> Journeys:
        """To the end of all of them."""
        every = np.arange(len(self._cases))
        self._spending.open()
        level = self._alike.levels(self._cases.failure, self._cases.payer)
        self._decide(every, level, kept=np.zeros(len(every), dtype=np.bool_))
        while len(rows := np.flatnonzero(self._stage != CLOSED)):
            self._step(rows)
        return self._told()

    def _step(self, rows: Integers) -> None:
        """Whatever comes first for each: the money, another card, or what is due."""
        due, paid, method = self._due[rows], self._cases.paid_at[rows], self._method_at[rows]
        is_paid = (paid <= due) & (paid <= method)
        is_method = (method <= due) & (method < paid)
        self._close(rows[is_paid], RECOVERED, "paid_elsewhere", paid[is_paid])
        self._method(rows[is_method], method[is_method])
        timer = ~(is_paid | is_method)
        self._fall_due(rows[timer], due[timer])

    def _method(self, rows: Integers, at: Integers) -> None:
        """Another card is charged at once, unless a person has to look first."""
        self._method_at[rows] = NEVER
        able = self._stage[rows] != REVIEW
        rows, at = rows[able], at[able]
        self._spending.another_card(rows)
        self._charge(rows, at, fresh=True)

    def _fall_due(self, rows: Integers, at: Integers) -> None:
        planned = self._stage[rows] == WAITING
        over = rows[~planned]
        state = np.where(self._held[over], BLOCKED, EXHAUSTED)
        self._end(over, state, self._overdue[over], at[~planned])
        self._charge(rows[planned], at[planned], fresh=False)

    def _charge(self, rows: Integers, at: Integers, *, fresh: bool) -> None:
        """Charge, close what is won, decide on what is declined."""
        charges = self._charges(rows, at, fresh)
        won, untried = self._fate.wins(charges), self._fate.untried(charges)
        self._spending.charged(rows, at)
        self._untried[rows] += untried
        self._won_untried[rows] = won & untried
        self._close(rows[won], RECOVERED, "charged", at[won])
        lost = rows[~won]
        self._failed_at[lost] = at[~won]
        self._used[lost] += not fresh
        if fresh:
            self._failure[lost] = self._alike.another[self._failure[lost]]
        kept = (self._stage[lost] == WAITING) & fresh
        self._decide(lost, self._alike.later_level[self._failure[lost]], kept)

    def _charges(self, rows: Integers, at: Integers, fresh: bool) -> Charges:
        return Charges(
            case=self._cases.number[rows],
            payer=self._cases.payer[rows],
            cause=self._alike.cause[self._failure[rows]],
            retry=self._used[rows] + 1,
            charge=self._spending.made[rows] + 1,
            waited=at - self._failed_at[rows],
            at=at,
            fresh=np.full(len(rows), fresh, dtype=np.bool_),
        )

    def _decide(self, rows: Integers, level: Integers, kept: Booleans) -> None:
        """What comes next after the newest failure of each; `kept`: a retry is planned already."""
        kind, used = self._alike.kind[self._failure[rows]], self._used[rows]
        answer = self._answers.of(Key(level, kind, self._segment[rows], self._arm[rows], used))
        now, action = self._failed_at[rows], self._answers.column("action")[answer]
        kept = kept & self._still_good(rows, answer)
        action = np.where(kept, Action.RETRY, action)
        self._stage[rows] = _STAGE[action]
        self._held[rows] |= self._answers.column("held")[answer].astype(np.bool_)
        waits = (action == Action.AWAIT) | (action == Action.REVIEW)
        self._due[rows[waits]] = now[waits] + self._answers.column("until")[answer][waits]
        for person, reason in _OVERDUE:
            self._overdue[rows[action == person]] = self._number(reason)
        for reason, mine in self._by_reason(rows, answer, action == Action.BLOCKED):
            self._close(mine, BLOCKED, reason, self._failed_at[mine])
        for reason, mine in self._by_reason(rows, answer, action == Action.GIVE_UP):
            self._give_up(mine, reason)
        plans = (action == Action.RETRY) & ~kept
        self._plan(rows[plans], answer[plans])
        self._within_limits(rows[action == Action.RETRY])

    def _still_good(self, rows: Integers, answer: Integers) -> Booleans:
        """Whether a retry that was planned before may stay where it is."""
        column, due, now = self._answers.column, self._due[rows], self._failed_at[rows]
        earliest = now + np.maximum(column("asked")[answer], column("cool_down")[answer])
        return np.asarray((column("keeps")[answer] == 1) & (earliest < due) & (due <= self._ends[rows]))

    def _plan(self, rows: Integers, answer: Integers) -> None:
        plans = self._planner.plan(
            Plans(
                rows=rows,
                answer=answer,
                failure=self._failure[rows],
                failed_at=self._failed_at[rows],
                ends=self._ends[rows],
                attempt=self._used[rows] + 1,
            )
        )
        self._due[rows] = plans
        late = (plans != NEVER) & (plans > self._ends[rows])
        self._give_up(rows[plans == NEVER], "no_retry")
        self._give_up(rows[late], "window")

    def _within_limits(self, rows: Integers) -> None:
        """What the card networks say to these plans."""
        rows = rows[self._stage[rows] == WAITING]
        moved, at = self._spending.judged(rows, self._failure[rows], self._due[rows], self._ends[rows])
        self._due[moved] = at
        self._give_up(moved[at == NEVER], "network_limit")

    def _give_up(self, rows: Integers, reason: str) -> None:
        """No retry is left. Who pays or gives a card before the window ends counts; where it is over, that is now."""
        self._stage[rows] = AWAITING
        self._due[rows] = np.maximum(self._ends[rows], self._failed_at[rows])
        self._overdue[rows] = self._number(reason)

    def _by_reason(self, rows: Integers, answer: Integers, chosen: Booleans) -> Iterator[tuple[str, Integers]]:
        """The chosen rows, those of one answer together, with the reason that it gives."""
        mine, of = rows[chosen], answer[chosen]
        for one in np.unique(of).tolist():
            yield self._answers.rows[one].reason, mine[of == one]

    def _close(self, rows: Integers, state: int, reason: str, at: Integers) -> None:
        self._end(rows, state, self._number(reason), at)

    def _end(self, rows: Integers, state: int | Integers, reason: int | Integers, at: Integers) -> None:
        self._stage[rows], self._state[rows], self._closed_at[rows] = CLOSED, state, at
        self._reason[rows] = reason

    def _number(self, reason: str) -> int:
        """The reason's place among those that came up."""
        return self._reasons.setdefault(reason, len(self._reasons))

    def _told(self) -> Journeys:
        spent = self._spending
        return Journeys(
            state=self._state,
            reason=self._reason,
            reasons=tuple(self._reasons),
            closed_at=self._closed_at,
            segment=self._segment,
            segments=self._answers.segments,
            cause=self._alike.cause[self._cases.failure],
            charges=spent.made,
            charged_at=spent.charged_at,
            blocked=spent.blocked,
            fees=spent.fees,
            fees_avoided=spent.fees_avoided,
            untried=self._untried,
            won_untried=self._won_untried,
        )


def _column(count: int, value: int) -> Integers:
    return np.full(count, value, dtype=np.int64)
