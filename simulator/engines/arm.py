"""The decision config of an arm: the same tables, rules, strategies and policy as the live service."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import catalog
from core.card_networks.rules import NetworkRules
from core.classification.classify import classify_with_card
from core.classification.tables import DeclineTables
from core.classification.taxonomy import Cause, Classification
from core.payments import Card, Failure
from core.planning.decision_input import DecisionConfig
from core.planning.pipeline import classify_failure
from core.policy.policy import Policy, StrategyFactory, StrategySpec, parse_policy
from core.strategies.adaptive import Adaptive
from core.strategies.experience import RetryStatistics
from core.strategies.payday import Payday
from simulator.engines.results import MAX_CHARGES


@dataclass(frozen=True)
class World:
    """One policy with the strategies, decline tables and network rules that it is simulated with."""

    name: str
    policy: Policy
    strategies: Mapping[str, StrategyFactory]
    codes: Mapping[str, str]
    """Each provider's decline table, CSV text."""
    rules: NetworkRules
    text: str = ""
    """The policy file's text."""
    statistics: RetryStatistics = field(default_factory=RetryStatistics)
    """The statistics of the adaptive strategy; empty in a synthetic world."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles only the fields: cached properties are computed again in the other process."""
        return World, tuple(getattr(self, one.name) for one in fields(self))

    @cached_property
    def tables(self) -> DeclineTables:
        """The tables of providers, networks and advice codes."""
        return catalog.load_decline_tables(self.codes)

    @cached_property
    def decision_config(self) -> DecisionConfig:
        """The decision config of this policy, without a time scale."""
        return DecisionConfig(
            policy=self.policy, strategies=self.strategies, tables=self.tables, network_rules=self.rules
        )

    @cached_property
    def merchant_rules(self) -> NetworkRules:
        """The networks' rules, lowered by this policy's own limits."""
        return self.decision_config.merchant_rules

    def classify_failure(self, provider: str, failure: Failure, card: Card) -> Classification:
        """The classification that the live activity would make: decline tables plus the policy's overrides."""
        return classify_failure(provider, failure, card, self.decision_config)

    def true_cause(self, provider: str, failure: Failure, card: Card) -> Cause:
        """The cause by the tables alone: a policy's overrides don't change why the bank declined."""
        return classify_with_card(failure, card, self.tables, provider=provider).cause


def build_world(name: str, text: str, file: str, codes: Mapping[str, str]) -> World:
    """The world of a policy file's text. Raises InvalidPolicy naming the file."""
    strategies, rules = catalog.installed_strategies(), catalog.network_rules()
    return World(name, parse_policy(text, file, strategies, rules.limit_ceilings()), strategies, codes, rules, text)


CALENDAR_DAYS = 60
"""Days that a live plan's calendar covers. Only the event engine applies this limit, so longer windows need it."""


def event_only_features(world: World) -> tuple[str, ...]:
    """What keeps a policy from being simulated on arrays: strategy names and reasons; empty where nothing does."""
    policy = world.policy
    names = sorted(name for name in _used_strategies(policy) if not _is_shared(policy.strategies[name], world))
    budgets = [one.attempts_allowed for one in policy.segments]
    return (*names, *(["a budget of many retries"] if max(budgets) > MAX_CHARGES - 2 else []))


def has_learning_strategy(world: World) -> bool:
    """Whether any strategy in use is adaptive, so that it would learn from recorded attempts."""
    specs = (world.policy.strategies[name] for name in _used_strategies(world.policy))
    return any(isinstance(spec.build_strategy(world.strategies), Adaptive) for spec in specs)


def _used_strategies(policy: Policy) -> set[str]:
    """The names of the strategies that any segment or experiment arm chooses."""
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
