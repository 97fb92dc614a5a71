"""What customers do after a failure: pay without a charge of ours, or give another card, and when.

Stored as hazards by cause and time step: the chance that it happens in the step if it hasn't happened before. So a
customer observed up to some moment can be continued from there by a random draw.
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
from simulator.model.success_chances import CAUSES

HOUR: Final = 3_600
ENDS: Final = (
    np.array([6, 12, 24, 48, 72, 120, 168, 240, 336, 480, 648, 840, 1_080], dtype=np.int64) * HOUR  # up to 45 days
)
"""Ends of the time steps, seconds after the failure; who hasn't acted by the last one never does."""
BEGINS: Final = np.concatenate((np.zeros(1, dtype=np.int64), ENDS[:-1]))
HARD: Final = np.array([cause.category is Category.HARD_DECLINE for cause in CAUSES])


@dataclass(frozen=True, eq=False)
class ActionHazard:
    """When customers take one kind of action."""

    chances: Floats
    """Hazards, shape (causes, steps)."""

    @property
    def cumulative_shares(self) -> Floats:
        """Share of customers who have acted by the end of each step, shape (causes, steps)."""
        return np.asarray(1.0 - np.cumprod(1.0 - self.chances, axis=1))

    def with_totals(self, totals: Floats) -> "ActionHazard":
        """The hazard scaled so that `totals`, by cause, ever act; stays 0 for a cause in which nobody acted before."""
        shares = self.cumulative_shares
        ever = shares[:, -1:]
        scaled = np.divide(shares * totals[:, None], ever, out=np.zeros_like(shares), where=ever > 0)
        return hazard_from_shares(scaled)

    def draw_times(self, draws: Floats, cause: Integers, since: Integers) -> Integers:
        """Seconds after the failure at which each customer acts, or NEVER, given no action up to `since` seconds.

        `draws` are uniform in [0, 1).
        """
        found = np.full(len(draws), NEVER, dtype=np.int64)
        left = np.concatenate((np.ones((len(CAUSES), 1)), 1.0 - self.cumulative_shares), axis=1)
        edges = np.concatenate((np.zeros(1, dtype=np.int64), ENDS)).astype(np.float64)
        for one in np.unique(cause).tolist():
            rows = np.flatnonzero(cause == one)
            # The survival at which each customer acts, spread evenly below that at `since`; under the last one: never.
            still = np.interp(since[rows], edges, left[one]) * (1.0 - draws[rows])
            does = rows[still > left[one, -1]]
            # Inverts the survival curve. np.interp needs rising x and survival falls, so both sides are negated.
            after = np.interp(-still[still > left[one, -1]], -left[one], edges)
            found[does] = np.maximum(np.ceil(after).astype(np.int64), since[does] + 1)
        return found


@dataclass(frozen=True, eq=False)
class Behaviour:
    """The hazards of both actions of customers."""

    paid: ActionHazard
    """Paying without a charge of ours: by themselves, by a link, or because somebody else charged them."""
    method: ActionHazard
    """Giving another card."""

    def with_baseline(self, soft: float, hard: float) -> "Behaviour":
        """The same with other shares of customers who ever pay by themselves, after soft and after hard declines."""
        return replace(self, paid=self.paid.with_totals(np.where(HARD, hard, soft)))


def hazard_from_shares(shares: Floats) -> ActionHazard:
    """The hazard under which these shares, shape (causes, steps), have acted by the end of each step."""
    before = np.concatenate((np.zeros((len(shares), 1)), shares[:, :-1]), axis=1)
    left = 1.0 - before
    return ActionHazard(np.divide(shares - before, left, out=np.zeros_like(shares), where=left > 0))


def behaviour_from_assumptions(assumptions: Assumptions) -> Behaviour:
    """The behaviour that the assumptions describe, as the prior of a fit."""
    own, answers = assumptions.self_recovery, assumptions.answers.causes
    alone = _completed_shares(assumptions.self_recovery_times)
    answered = _answered_shares(assumptions)
    by_self = np.where(HARD, own.hard, own.soft)
    answering = np.array([assumptions.answering_share(cause) for cause in CAUSES])
    card = np.array([answers[cause].another_card for cause in CAUSES])
    by_link = np.outer(answering * (1.0 - card), answered)
    # Paying alone and by a link are independent: who has paid is everybody who has done at least one of them.
    paid = 1.0 - (1.0 - np.outer(by_self, alone)) * (1.0 - by_link)
    return Behaviour(paid=hazard_from_shares(paid), method=hazard_from_shares(np.outer(answering * card, answered)))


def _completed_shares(steps: Steps, later: int = 0) -> Floats:
    """The share that is complete by each of ENDS, if it begins `later` seconds after the failure."""
    ends = [0.0, *(float(one.hours * HOUR + later) for one in steps.steps)]
    through = [0.0, *(fsum(one.share for one in steps.steps[: number + 1]) for number in range(len(steps.steps)))]
    ends[0] = float(later)
    return np.interp(ENDS.astype(np.float64), ends, through)


def _answered_shares(assumptions: Assumptions) -> Floats:
    """The share of all answers given by each of ENDS: the mean over messages, weighted by their rates."""
    messages = assumptions.messages
    whole = fsum(messages.rates) or 1.0
    parts = [
        rate / whole * _completed_shares(assumptions.answer_times, day * 24 * HOUR)
        for day, rate in zip(messages.days, messages.rates, strict=True)
    ]
    return np.asarray(np.sum(parts, axis=0))
