"""Which strategies answer for many invoices at once."""

from core.retry.policy import StrategySpec
from core.retry.strategies.adaptive import Adaptive
from core.retry.strategies.experience import Statistics
from core.retry.strategies.payday import Payday
from simulator.journeys import MOST_CHARGES
from simulator.world import World

CALENDAR_DAYS = 60
"""A live plan sees no further ahead; beyond it only the exact engine knows what a payday strategy would do."""


def unshared(world: World) -> tuple[str, ...]:
    """The names of what keeps a policy from being simulated on arrays; empty: nothing does."""
    policy = world.policy
    used = {name for one in policy.segments for name in one.strategies.values()}
    used |= {
        name
        for experiment in policy.experiments
        for arm in experiment.arms
        for one in (arm, *arm.segments.values())
        for name in one.strategies.values()
    }
    names = sorted(name for name in used if not _shared(policy.strategies[name], world))
    budgets = [one.attempts_allowed for one in policy.segments]
    return (*names, *(["a budget of many retries"] if max(budgets) > MOST_CHARGES - 2 else []))


def _shared(spec: StrategySpec, world: World) -> bool:
    strategy = spec.build(world.strategies)
    if isinstance(strategy, Adaptive):
        return world.statistics.snapshot == Statistics().snapshot
    if isinstance(strategy, Payday):
        return all(one.window_days <= CALENDAR_DAYS for one in world.policy.segments)
    return getattr(strategy, "shared", False) is True
