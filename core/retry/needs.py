"""What has to be looked up before a plan is made: only what the strategy at hand asks for."""

from collections.abc import Mapping

from core.classifier.taxonomy import Cause
from core.retry.policy import Policy, StrategyFactory
from core.retry.strategies.base import Need

NO_LOOKUPS: frozenset[Need] = frozenset()


def required_lookups(
    policy: Policy, strategies: Mapping[str, StrategyFactory], segment: str, cause: Cause
) -> frozenset[Need]:
    """What the strategy for such failures wants; nothing where none is installed or it says nonsense."""
    spec = policy.strategy_for(segment, cause)
    said = getattr(strategies.get(spec.use), "needs", NO_LOOKUPS) if spec else NO_LOOKUPS
    return frozenset(one for one in Need if isinstance(said, set | frozenset | tuple | list) and one in said)
