"""Loads plug-ins of other packages by entry point: retry strategies and fraud scorers."""

from importlib.metadata import EntryPoint, entry_points
from typing import cast

from core.errors import InvalidPolicy
from core.fraud.signals import FraudScorer, ScorerFactory
from core.policy.policy import StrategyFactory
from core.strategies.base import RetryStrategy

STRATEGY_GROUP = "pri.strategies"
SCORER_GROUP = "pri.fraud_scorers"


def installed_strategies() -> dict[str, StrategyFactory]:
    """The factory of every installed strategy by name.

    Never raises. The factory of one that can't be imported raises InvalidPolicy when called, so that a broken plug-in
    stops only the policies that use it.
    """
    return {point.name: _load_strategy(point) for point in entry_points(group=STRATEGY_GROUP)}


def _load_strategy(point: EntryPoint) -> StrategyFactory:
    try:
        return cast(StrategyFactory, point.load())
    except Exception as error:  # somebody else's package, which may fail in any way when imported
        return _broken_strategy(f"strategy {point.name!r} can't be loaded from {point.value}: {error}")


def _broken_strategy(sentence: str) -> StrategyFactory:
    def refuse(**_: object) -> RetryStrategy:
        raise InvalidPolicy(sentence)

    return refuse


def installed_fraud_scorers() -> dict[str, ScorerFactory]:
    """The factory of every installed fraud scorer by name.

    Never raises. A factory imports its scorer when called and raises whatever that import raises.
    """
    return {point.name: _scorer_factory(point) for point in entry_points(group=SCORER_GROUP)}


def _scorer_factory(point: EntryPoint) -> ScorerFactory:
    def make_scorer() -> FraudScorer:
        return cast(FraudScorer, point.load()())

    return make_scorer
