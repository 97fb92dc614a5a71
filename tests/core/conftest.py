"""Shared by the tests of decisions: the shipped tables and policy, read once."""

from collections.abc import Mapping
from pathlib import Path

import pytest

import catalog
from core.classification.tables import DeclineTables
from core.policy.policy import Policy, StrategyFactory, parse_policy
from core.strategies.exponential_backoff import ExponentialBackoff
from core.strategies.fixed_ladder import FixedLadder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def tables() -> DeclineTables:
    return catalog.load_decline_tables({"stripe": (ROOT / "providers/stripe/decline_codes.csv").read_text()})


@pytest.fixture(scope="session")
def strategies() -> Mapping[str, StrategyFactory]:
    return {"fixed_ladder": FixedLadder, "exponential_backoff": ExponentialBackoff}


@pytest.fixture(scope="session")
def shipped_text() -> str:
    return (ROOT / "core/policy/policies.toml").read_text()


@pytest.fixture(scope="session")
def shipped(shipped_text: str, strategies: Mapping[str, StrategyFactory]) -> Policy:
    return parse_policy(shipped_text, "policies.toml", strategies)
