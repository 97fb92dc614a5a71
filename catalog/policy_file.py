"""The policy file on disk: a change applies from the next decision on; an invalid file keeps the last valid one."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from catalog.tables import network_rules
from core.card_networks.rules import NetworkRules
from core.errors import InvalidPolicy
from core.policy.policy import Policy, StrategyFactory, parse_policy


class _Stamp(NamedTuple):
    """File metadata that changes with the content, so that an unchanged file isn't read again."""

    inode: int
    modified_ns: int
    size: int


class PolicyFile:
    """Reads a policy file and keeps the last valid version.

    With `strategies`, a version is invalid if one of its strategies can't be constructed.
    """

    def __init__(self, path: Path, strategies: Mapping[str, StrategyFactory] | None = None) -> None:
        self._path, self._strategies = path, strategies
        self._stamp: _Stamp | None = None
        self._policy: Policy | None = None
        self.problem: str | None = None
        """The error in the current file; None if it is valid."""

    def current_policy(self) -> Policy:
        """The policy of the file as it is now; if that is invalid or unreadable, the last valid one.

        Raises InvalidPolicy, naming file, key and reason, if no version was ever valid.
        """
        try:
            self._reload_if_changed()
        except (InvalidPolicy, OSError, UnicodeDecodeError) as error:
            self.problem = str(error) if isinstance(error, InvalidPolicy) else f"{self._path}: {error}"
        if self._policy is None:
            raise InvalidPolicy(self.problem or f"{self._path}: not read")
        return self._policy

    def _reload_if_changed(self) -> None:
        found = self._path.stat()
        stamp = _Stamp(found.st_ino, found.st_mtime_ns, found.st_size)
        if stamp == self._stamp:
            return
        # Remembered before parsing, so that a broken file is parsed once and not at every decision.
        self._stamp = stamp
        text, ceilings = self._path.read_text(encoding="utf-8"), network_rules().limit_ceilings()
        self._policy = parse_policy(text, str(self._path), self._strategies, ceilings)
        self.problem = None


__all__ = ["NetworkLimits", "network_rules"]


class NetworkLimits:
    """The network limits that apply now. A changed policy file applies from the next attempt on."""

    def __init__(self, policy: PolicyFile) -> None:
        self._policy = policy

    def current_rules(self) -> NetworkRules:
        """The networks' rules, lowered by the merchant's own limits. Raises InvalidPolicy as `current_policy` does."""
        return network_rules().lower_limits(self._policy.current_policy().network_limits)
