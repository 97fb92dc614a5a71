"""A round is decided by its seed alone, and the table shows what is wrong."""

from dataclasses import replace

import pytest

from devstack.programs import PROJECT_ROOT
from tests.faults.rounds.checker import Finding, Violation
from tests.faults.rounds.plan import ACTIONS, SCRIPTS, RoundPlan, count_hands, plan_round
from tests.faults.rounds.registry import ALONE, FAULTS, KINDS, PAIRED
from tests.faults.rounds.report import format_report, is_clean
from tests.faults.rounds.round import Injection, RoundResult

WITHIN = 15.0


def a_plan(seed: int) -> RoundPlan:
    """A minute with two invoices a second."""
    return plan_round(seed, 60.0, 2.0, PAIRED, alone=ALONE)


def test_same_seed_gives_the_same_round_and_another_another() -> None:
    assert a_plan(7) == a_plan(7)
    assert a_plan(7).invoices != a_plan(8).invoices


def test_thirty_seeds_bring_every_fault_and_every_kind_of_invoice() -> None:
    plans = [a_plan(seed) for seed in range(1, 31)]
    assert {fault.name for plan in plans for fault in plan.faults} == set(FAULTS)
    for plan in plans:
        names = {fault.name for fault in plan.faults}
        assert len(names) == len(plan.faults) <= 2
        assert names <= set(PAIRED) or len(names) == 1
    assert all(0 < fault.at < 45 for plan in plans for fault in plan.faults)
    invoices = [invoice for plan in plans for invoice in plan.invoices]
    assert set(SCRIPTS) <= {invoice.script for invoice in invoices}
    assert set(ACTIONS) <= {invoice.action for invoice in invoices}
    assert len({invoice.invoice for invoice in invoices}) == len(invoices) == 30 * 120


def test_successive_seeds_bring_every_fault_once() -> None:
    rounds = count_hands(PAIRED, ALONE)
    names = [fault.name for seed in range(1 + rounds, 1 + 2 * rounds) for fault in a_plan(seed).faults]
    assert sorted(names) == sorted(FAULTS)


def test_docs_say_how_many_rounds_bring_every_fault_once() -> None:
    text = (PROJECT_ROOT / "docs" / "reliability.md").read_text()
    assert f"make faults ROUNDS={count_hands(PAIRED, ALONE)} " in text
    assert [name for name in FAULTS if f"`{name}`" not in text] == []


def test_odd_number_of_faults_and_those_alone_are_dealt_once() -> None:
    deck, alone = ("a", "b", "c", "d", "e"), ("x", "y")
    hands = [[fault.name for fault in plan_round(seed, 9.0, 1.0, deck, alone=alone).faults] for seed in range(1, 6)]
    assert sorted(name for hand in hands for name in hand) == sorted(deck + alone)
    assert sorted(map(len, hands)) == [1, 1, 1, 2, 2]
    assert all(len(hand) == 1 for hand in hands if set(hand) & set(alone))


def test_wanted_faults_replace_those_of_the_seed() -> None:
    plan = plan_round(1, 20.0, 1.0, list(FAULTS), ["api-killed"])
    assert [fault.name for fault in plan.faults] == ["api-killed"]


def test_names_of_faults_are_unique() -> None:
    assert len(FAULTS) == len(KINDS)


def a_result(**changes: object) -> RoundResult:
    """A clean round with two faults."""
    injections = (Injection("api-killed", 3.0, 12, 1.5), Injection("worker-killed", 30.0, 40, 2.5))
    clean = RoundResult(9, 120, 200, injections, {"I1": Finding(99, ())}, (), 20.0)
    return replace(clean, **changes)  # type: ignore[arg-type]


def test_table_of_a_clean_round() -> None:
    text = format_report([a_result(), a_result(seed=10)], WITHIN)
    assert is_clean([a_result()], WITHIN)
    assert [line.split() for line in text.splitlines() if line.startswith("api-killed")] == [
        ["api-killed", "2", "12", "1.5", "s", "I1", "0"]
    ]
    assert "looked at: I1 198" in text
    assert "2 rounds, 240 recoveries, 400 pay calls, 0 violations" in text


@pytest.mark.parametrize("seconds", [None, 15.1])
def test_fault_that_takes_too_long_is_reported(seconds: float | None) -> None:
    result = a_result(injections=(Injection("api-killed", 3.0, 12, seconds),))
    assert not is_clean([result], WITHIN)
    assert "seed 9: api-killed not healthy within 15 s" in format_report([result], WITHIN)


def test_violation_is_reported_with_its_seed() -> None:
    result = a_result(violations=(Violation("I1", "in_1", "2 charges"),))
    assert not is_clean([result], WITHIN)
    assert "seed 9: I1 in_1: 2 charges" in format_report([result], WITHIN)
