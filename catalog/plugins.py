"""What other packages may add: strategies, and scorers of fraud."""

from importlib.metadata import EntryPoint, entry_points
from typing import cast

from core.errors import InvalidPolicy
from core.fraud.signals import FraudScorer, ScorerFactory
from core.retry.policy import StrategyFactory
from core.retry.strategies.base import RetryStrategy

GROUP = "pri.strategies"
SCORERS = "pri.fraud_scorers"


def strategies() -> dict[str, StrategyFactory]:
    """Every installed strategy by name. One that can't be imported is there too and says so when it is made."""
    return {point.name: _load(point) for point in entry_points(group=GROUP)}


def _load(point: EntryPoint) -> StrategyFactory:
    try:
        return cast(StrategyFactory, point.load())
    except Exception as error:  # somebody else's package, which may fail in any way when imported
        return _broken(f"strategy {point.name!r} can't be loaded from {point.value}: {error}")


def _broken(sentence: str) -> StrategyFactory:
    def refuse(**_: object) -> RetryStrategy:
        raise InvalidPolicy(sentence)

    return refuse


def fraud_scorers() -> dict[str, ScorerFactory]:
    """Every installed scorer by name. One that can't be imported is there too and says so when it is made."""
    return {point.name: _scorer(point) for point in entry_points(group=SCORERS)}


def _scorer(point: EntryPoint) -> ScorerFactory:
    def make() -> FraudScorer:
        return cast(FraudScorer, point.load()())

    return make
