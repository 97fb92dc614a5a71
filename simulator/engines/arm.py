"""What an arm decides with: the same tables, rules, strategies and policy as the live service."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import catalog
from core.card_networks.rules import NetworkRules
from core.classification.classify import classify
from core.classification.tables import DeclineTables
from core.classification.taxonomy import Cause, Classification
from core.payments import Card, Failure
from core.planning.decision_rows import DecisionConfig
from core.policy.policy import Policy, StrategyFactory, StrategySpec, parse_policy
from core.strategies.adaptive import Adaptive
from core.strategies.experience import RetryStatistics
from core.strategies.payday import Payday
from simulator.engines.results import MAX_CHARGES


@dataclass(frozen=True)
class World:
    """One policy with everything that carries it out."""

    name: str
    policy: Policy
    strategies: Mapping[str, StrategyFactory]
    codes: Mapping[str, str]
    """Each provider's decline table, CSV text."""
    rules: NetworkRules
    text: str = ""
    """Of the policy file."""
    statistics: RetryStatistics = field(default_factory=RetryStatistics)
    """What the adaptive strategy has learnt; nothing in a synthetic world."""

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process go the inputs; what is made of them is made again there."""
        return World, tuple(getattr(self, one.name) for one in fields(self))

    @cached_property
    def tables(self) -> DeclineTables:
        """The tables of providers, networks and advice codes."""
        return catalog.load_decline_tables(self.codes)

    @cached_property
    def decision_config(self) -> DecisionConfig:
        """At real speed."""
        return DecisionConfig(policy=self.policy, strategies=self.strategies)

    @cached_property
    def merchant_rules(self) -> NetworkRules:
        """The networks' rules with this merchant's own limits."""
        return self.rules.lower_limits(self.policy.network_limits)

    def classify_failure(self, provider: str, failure: Failure, card: Card) -> Classification:
        """As the live activity does it."""
        return classify(_with_card_network(failure, card), self.tables, self.policy.overrides, provider=provider)

    def true_cause(self, provider: str, failure: Failure, card: Card) -> Cause:
        """What is really the matter: no policy changes what a bank means by its words."""
        return classify(_with_card_network(failure, card), self.tables, provider=provider).cause


def build_world(name: str, text: str, file: str, codes: Mapping[str, str]) -> World:
    """Everything that this policy is carried out with. Raises InvalidPolicy naming the file."""
    strategies, rules = catalog.installed_strategies(), catalog.network_rules()
    return World(name, parse_policy(text, file, strategies, rules.limit_ceilings()), strategies, codes, rules, text)


def _with_card_network(failure: Failure, card: Card) -> Failure:
    """With the network that the card tells."""
    return failure.model_copy(update={"network": failure.network or card.network})


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
