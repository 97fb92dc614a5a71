"""The rules of the card networks, as a merchant's policy file lowers them."""

from catalog.network_tables import network_rules
from catalog.policy_file import PolicyFile
from core.retry.network_rules import NetworkRules

__all__ = ["NetworkLimits", "network_rules"]


class NetworkLimits:
    """The limits that hold now. A changed policy file counts from the next try on."""

    def __init__(self, policy: PolicyFile) -> None:
        self._policy = policy

    def current_rules(self) -> NetworkRules:
        """The networks' rules with the merchant's own limits below them. Raises InvalidPolicy as the file does."""
        return network_rules().lower_limits(self._policy.current_policy().network_limits)
