"""Loads what decisions are made with: tables from the packages, the policy from its file, strategies by entry point.

The core does no I/O; its callers (worker, command line, simulator, tests) load its inputs here.
"""

from catalog.decision_sources import DecisionSources
from catalog.plugins import installed_fraud_scorers, installed_strategies
from catalog.policy_file import NetworkLimits, PolicyFile, network_rules
from catalog.tables import load_decline_tables

__all__ = [
    "DecisionSources",
    "NetworkLimits",
    "PolicyFile",
    "installed_fraud_scorers",
    "installed_strategies",
    "load_decline_tables",
    "network_rules",
]
