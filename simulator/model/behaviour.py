"""What customers do after a failure: pay without a charge of ours, or give another card, and how soon.

Kept as chances by cause and step of time: that it happens in the step, if it hasn't happened before. So what is known
up to some moment and what is drawn from there on fit together.
"""

from dataclasses import dataclass, replace
from math import fsum
from typing import Final

import numpy as np

from core.classification.taxonomy import Category
from simulator.model.assumption_schema import Steps
from simulator.model.assumptions import Assumptions
from simulator.model.cases import NEVER, Integers
from simulator.model.draws import Floats
from simulator.model.outcomes import CAUSES

HOUR: Final = 3_600
ENDS: Final = (
    np.array([6, 12, 24, 48, 72, 120, 168, 240, 336, 480, 648, 840, 1_080], dtype=np.int64) * HOUR  # up to 45 days
)
"""Where the steps end, seconds after the failure; whoever has done nothing by then never will."""
BEGINS: Final = np.concatenate((np.zeros(1, dtype=np.int64), ENDS[:-1]))
HARD: Final = np.array([cause.category is Category.HARD_DECLINE for cause in CAUSES])


@dataclass(frozen=True, eq=False)
class ActionHazard:
    """When customers do one thing."""

    chances: Floats
    """By cause and step."""

    @property
    def cumulative_shares(self) -> Floats:
        """By cause and step: who has done it by the end of the step."""
        return np.asarray(1.0 - np.cumprod(1.0 - self.chances, axis=1))

    def with_totals(self, totals: Floats) -> "ActionHazard":
        """The same times with other shares by cause of those who ever do it; none where nobody ever did it."""
        shares = self.cumulative_shares
        ever = shares[:, -1:]
        scaled = np.divide(shares * totals[:, None], ever, out=np.zeros_like(shares), where=ever > 0)
        return hazard_from_shares(scaled)

    def draw_times(self, draws: Floats, cause: Integers, since: Integers) -> Integers:
        """Seconds after the failure at which each does it, who hasn't done it `since` seconds after it; NEVER.

        `luck` is evenly spread over [0, 1).
        """
        found = np.full(len(draws), NEVER, dtype=np.int64)
        left = np.concatenate((np.ones((len(CAUSES), 1)), 1.0 - self.cumulative_shares), axis=1)
        edges = np.concatenate((np.zeros(1, dtype=np.int64), ENDS)).astype(np.float64)
        for one in np.unique(cause).tolist():
            rows = np.flatnonzero(cause == one)
            still = np.interp(since[rows], edges, left[one]) * (1.0 - draws[rows])
            does = rows[still > left[one, -1]]
            after = np.interp(-still[still > left[one, -1]], -left[one], edges)
            found[does] = np.maximum(np.ceil(after).astype(np.int64), since[does] + 1)
        return found


@dataclass(frozen=True, eq=False)
class Behaviour:
    """Both things that customers do."""

    paid: ActionHazard
    """Pay without a charge of ours: by themselves, by a link, or since somebody else charged them."""
    method: ActionHazard
    """Give another card."""

    def with_baseline(self, soft: float, hard: float) -> "Behaviour":
        """The same where so many pay without a charge of ours in the end, after soft and hard declines."""
        return replace(self, paid=self.paid.with_totals(np.where(HARD, hard, soft)))


def hazard_from_shares(shares: Floats) -> ActionHazard:
    """The habit in which these shares, by cause, have done it by the end of each step."""
    before = np.concatenate((np.zeros((len(shares), 1)), shares[:, :-1]), axis=1)
    left = 1.0 - before
    return ActionHazard(np.divide(shares - before, left, out=np.zeros_like(shares), where=left > 0))


def behaviour_from_assumptions(assumptions: Assumptions) -> Behaviour:
    """What the synthetic source believes."""
    own, answers = assumptions.self_recovery, assumptions.answers.causes
    alone = _completed_shares(assumptions.self_recovery_times)
    answered = _answered_shares(assumptions)
    by_self = np.where(HARD, own.hard, own.soft)
    answering = np.array([assumptions.answering_share(cause) for cause in CAUSES])
    card = np.array([answers[cause].another_card for cause in CAUSES])
    by_link = np.outer(answering * (1.0 - card), answered)
    paid = 1.0 - (1.0 - np.outer(by_self, alone)) * (1.0 - by_link)
    return Behaviour(paid=hazard_from_shares(paid), method=hazard_from_shares(np.outer(answering * card, answered)))


def _completed_shares(steps: Steps, later: int = 0) -> Floats:
    """The share that is through by the end of each of our steps, if it begins so many seconds later."""
    ends = [0.0, *(float(one.hours * HOUR + later) for one in steps.steps)]
    through = [0.0, *(fsum(one.share for one in steps.steps[: number + 1]) for number in range(len(steps.steps)))]
    ends[0] = float(later)
    return np.interp(ENDS.astype(np.float64), ends, through)


def _answered_shares(assumptions: Assumptions) -> Floats:
    """The same over all messages, in the shares in which they are answered."""
    messages = assumptions.messages
    whole = fsum(messages.rates) or 1.0
    parts = [
        rate / whole * _completed_shares(assumptions.answer_times, day * 24 * HOUR)
        for day, rate in zip(messages.days, messages.rates, strict=True)
    ]
    return np.asarray(np.sum(parts, axis=0))
