"""Which strategies answer for many invoices at once."""

from core.retry.policy import Policy, StrategySpec
from core.retry.strategies.adaptive import Adaptive
from core.retry.strategies.experience import RetryStatistics
from core.retry.strategies.payday import Payday
from simulator.journeys import MAX_CHARGES
from simulator.world import World

CALENDAR_DAYS = 60
"""A live plan sees no further ahead; beyond it only the exact engine knows what a payday strategy would do."""


def event_only_features(world: World) -> tuple[str, ...]:
    """The names of what keeps a policy from being simulated on arrays; empty: nothing does."""
    policy = world.policy
    names = sorted(name for name in _used_strategies(policy) if not _is_shared(policy.strategies[name], world))
    budgets = [one.attempts_allowed for one in policy.segments]
    return (*names, *(["a budget of many retries"] if max(budgets) > MAX_CHARGES - 2 else []))


def has_learning_strategy(world: World) -> bool:
    """Whether a strategy of it would learn from what is recorded."""
    specs = (world.policy.strategies[name] for name in _used_strategies(world.policy))
    return any(isinstance(spec.build_strategy(world.strategies), Adaptive) for spec in specs)


def _used_strategies(policy: Policy) -> set[str]:
    """The strategies that any segment or arm chooses."""
    arms = [arm for experiment in policy.experiments for arm in experiment.arms]
    of_arms = [changes for arm in arms for changes in (arm, *arm.segments.values())]
    chosen = [one.strategies for one in policy.segments] + [one.strategies for one in of_arms]
    return {name for strategies in chosen for name in strategies.values()}


def _is_shared(spec: StrategySpec, world: World) -> bool:
    strategy = spec.build_strategy(world.strategies)
    if isinstance(strategy, Adaptive):
        return world.statistics.snapshot == RetryStatistics().snapshot
    if isinstance(strategy, Payday):
        return all(one.window_days <= CALENDAR_DAYS for one in world.policy.segments)
    return getattr(strategy, "shared", False) is True
