"""Plays seeds and says what was wrong with each."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import structlog

import catalog
from catalog import DecisionSources
from core.durations import TimeScale
from core.planning.decision_input import DecisionConfig
from providers.base import load_providers
from settings import SHIPPED_POLICY
from tests.deterministic.faults import Fault
from tests.deterministic.invariants import find_violations
from tests.deterministic.repositories import tables_in_memory
from tests.deterministic.scenario import Scenario
from tests.deterministic.world import World


@dataclass(frozen=True)
class Played:
    """What became of a scenario."""

    scenario: Scenario
    violations: tuple[str, ...]
    lines: tuple[str, ...]
    """The trace."""
    struck: tuple[Fault, ...]
    """The faults whose place was visited."""
    steps: int


@cache
def shipped_config() -> DecisionConfig:
    """The shipped policy, tables and strategies, loaded once."""
    strategies = catalog.installed_strategies()
    codes = {name: provider.decline_codes for name, provider in load_providers({}).items()}
    policy = catalog.PolicyFile(SHIPPED_POLICY, strategies)
    return DecisionSources(catalog.load_decline_tables(codes), policy, strategies, TimeScale()).decision_config()


@contextlib.contextmanager
def quiet_logs() -> Iterator[None]:
    """Within the block the service's log lines are dropped: a simulated outage writes thousands."""
    known = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**known)


def play(scenario: Scenario) -> Played:
    """Plays one scenario to its end and checks it."""
    with tables_in_memory(), quiet_logs():
        world = World(scenario, shipped_config())
        try:
            violations = find_violations(world, world.play())
        except Exception as bug:
            violations = [f"code: {bug!r}"]
        played = Played(scenario, tuple(violations), tuple(world.lines), tuple(world.faults.struck), world.loop.steps)
        world.close()
    return played
