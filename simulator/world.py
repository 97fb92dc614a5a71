"""What an arm decides with: the same tables, rules, strategies and policy as the live service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from core.classifier.classify import classify
from core.classifier.tables import Tables
from core.classifier.taxonomy import Classification
from core.payments import Card, Failure
from core.retry.decide import Means
from core.retry.network_rules import NetworkRules
from core.retry.policy import Policy, StrategyFactory
from core.retry.strategies.experience import Statistics


@dataclass(frozen=True)
class World:
    """One policy with everything that carries it out."""

    name: str
    policy: Policy
    strategies: Mapping[str, StrategyFactory]
    tables: Tables
    rules: NetworkRules
    text: str = ""
    """Of the policy file."""
    statistics: Statistics = field(default_factory=Statistics)
    """What the adaptive strategy has learnt; nothing in a synthetic world."""

    @cached_property
    def means(self) -> Means:
        """At real speed."""
        return Means(policy=self.policy, strategies=self.strategies)

    @cached_property
    def lowered(self) -> NetworkRules:
        """The networks' rules with this merchant's own limits."""
        return self.rules.lowered(self.policy.network_limits)

    def classified(self, provider: str, failure: Failure, card: Card) -> Classification:
        """As the live activity does it."""
        known = failure.model_copy(update={"network": failure.network or card.network})
        return classify(known, self.tables, self.policy.overrides, provider=provider)
