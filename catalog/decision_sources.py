"""Provides the config of decisions: the installed tables and strategies, and the policy from its file."""

from catalog.policy_file import PolicyFile
from catalog.tables import network_rules
from core.classification.tables import DeclineTables
from core.durations import TimeScale
from core.planning.decision_input import DecisionConfig
from core.policy.policy import StrategyFactory


class DecisionSources:
    """Where decisions get their config from: decline tables, policy file, strategies, channels and time scale."""

    def __init__(
        self,
        tables: DeclineTables,
        policy: PolicyFile,
        strategies: dict[str, StrategyFactory],
        time_scale: TimeScale,
        channels: frozenset[str] = frozenset(),
    ) -> None:
        self.tables = tables
        self.policy = policy
        self.strategies = strategies
        self.channels = channels
        self.time_scale = time_scale

    def decision_config(self) -> DecisionConfig:
        """The policy in force with what it is applied with. Raises InvalidPolicy if none was ever valid."""
        return DecisionConfig(
            policy=self.policy.current_policy(),
            strategies=self.strategies,
            tables=self.tables,
            network_rules=network_rules(),
            channels=self.channels,
            time_scale=self.time_scale,
        )
