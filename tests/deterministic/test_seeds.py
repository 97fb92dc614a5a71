"""Ten thousand seeds of the deterministic simulation; more by `make seeds`."""

import dataclasses
import inspect
from pathlib import Path

import pytest

from tests.deterministic.bugs import BUGS, planted
from tests.deterministic.faults import Fault
from tests.deterministic.kept import keep, load_kept
from tests.deterministic.repositories import REPLACED
from tests.deterministic.scenario import Scenario, draw_scenario
from tests.deterministic.shrink import shrink
from tests.deterministic.simulation import play

SEEDS_IN_TESTS = 10_000
PART = 500
FOUND_BY = {
    "random-key": 0,
    "charge-before-record": 0,
    "unknown-as-declined": 29,
    "repeat-after-cancel": 735,
    "request-behind-command": 6,
    "second-request": 2,
    "no-relay": 2,
    "answer-before-insert": 2,
    "delivered-when-signalled": 89,
    "no-read-before-charge": 887,
    "cancel-not-heard": 948,
}
"""By planted bug, a seed that finds it."""


@pytest.mark.parametrize("first", range(0, SEEDS_IN_TESTS, PART))
def test_no_seed_breaks_an_invariant(first: int) -> None:
    failed = {seed: play(draw_scenario(seed)).violations for seed in range(first, first + PART)}
    assert not {seed: violations for seed, violations in failed.items() if violations}


def test_the_same_seed_gives_the_same_trace() -> None:
    for seed in (167, 181, 290):
        first, second = play(draw_scenario(seed)), play(draw_scenario(seed))
        assert first.lines == second.lines
        assert len(first.lines) > 10


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_a_planted_bug_is_found(bug: str) -> None:
    with planted(bug):
        assert play(draw_scenario(FOUND_BY[bug])).violations
    assert not play(draw_scenario(FOUND_BY[bug])).violations


def test_what_was_kept_stays_mended() -> None:
    assert not [violations for _, scenario in load_kept() if (violations := play(scenario).violations)]


def test_shrinking_leaves_what_the_failure_needs() -> None:
    needed = Fault("charge", 1, "drop")
    others = (Fault("commit", 3, "lost"), needed, Fault("task", 2, "kill"))
    scenario = dataclasses.replace(draw_scenario(181), faults=others)

    def fails(one: Scenario) -> bool:
        return needed in one.faults

    small = shrink(scenario, fails)
    assert (small.faults, small.actions, small.timings) == ((needed,), (), ())


def test_a_scenario_survives_the_file(tmp_path: Path) -> None:
    path, scenario = tmp_path / "kept.json", draw_scenario(290)
    keep(scenario, "I1 in_0: 2 charges", path)
    keep(scenario, "I1 in_0: 2 charges", path)
    assert load_kept(path) == [("I1 in_0: 2 charges", scenario)]


def test_each_function_over_the_tables_has_the_parameters_of_the_one_that_it_replaces() -> None:
    def parameters(function: object) -> list[tuple[str, object, object]]:
        signature = inspect.signature(function)  # type: ignore[arg-type]
        return [(one.name, one.kind, one.default) for one in signature.parameters.values()]

    wrong = [name for module, name, ours in REPLACED if parameters(getattr(module, name)) != parameters(ours)]
    assert not wrong
