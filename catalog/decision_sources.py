"""Provides the config of decisions: the installed tables and strategies, and the policy from its file."""

from catalog.policy_file import PolicyFile
from catalog.tables import network_rules
from core.classification.tables import DeclineTables
from core.durations import TimeScale
from core.planning.decision_input import DecisionConfig
from core.policy.policy import Policy, StrategyFactory


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
        self._config: DecisionConfig | None = None

    def decision_config(self) -> DecisionConfig:
        """The policy in force with what it is applied with. Raises InvalidPolicy if none was ever valid."""
        policy, kept = self.policy.current_policy(), self._config
        # One config as long as its parts are the same: it keeps what is found once per policy, such as arms and limits.
        if kept is None or not (
            kept.policy is policy and kept.tables is self.tables and kept.channels == self.channels
        ):
            kept = self._config = self._build_config(policy)
        return kept

    def _build_config(self, policy: Policy) -> DecisionConfig:
        return DecisionConfig(
            policy=policy,
            strategies=self.strategies,
            tables=self.tables,
            network_rules=network_rules(),
            channels=self.channels,
            time_scale=self.time_scale,
        )
