"""Takes out of a failing scenario what it doesn't need to fail."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.deterministic.scenario import Scenario

Fails = Callable[[Scenario], bool]


def shrink(scenario: Scenario, fails: Fails) -> Scenario:
    """The scenario with fewer faults, actions and odd webhooks that still fails, until nothing can be left out."""
    while smaller := next((one for one in _smaller_scenarios(scenario) if fails(one)), None):
        scenario = smaller
    return scenario


def _smaller_scenarios(scenario: Scenario) -> Iterator[Scenario]:
    for place in range(len(scenario.faults)):
        yield replace(scenario, faults=scenario.faults[:place] + scenario.faults[place + 1 :])
    for place in range(len(scenario.actions)):
        yield replace(scenario, actions=scenario.actions[:place] + scenario.actions[place + 1 :])
    for place in range(len(scenario.timings)):
        yield replace(scenario, timings=scenario.timings[:place] + scenario.timings[place + 1 :])
    if len(scenario.invoices) > 1 and not any(action.invoice for action in scenario.actions):
        yield replace(scenario, invoices=scenario.invoices[:1])
    for place, plan in enumerate(scenario.invoices):
        if plan.declines:
            shorter = replace(plan, declines=plan.declines[1:])
            yield replace(scenario, invoices=(*scenario.invoices[:place], shorter, *scenario.invoices[place + 1 :]))
