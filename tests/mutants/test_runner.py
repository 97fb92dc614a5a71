"""The runner tells a bug that was caught from one that survived, and from a check that merely broke."""

import shutil
from pathlib import Path

import pytest

from tests.mutants.checks import CheckState, run_checks
from tests.mutants.mutant import Edit, Mutant
from tests.mutants.outcomes import is_assertion
from tests.mutants.report import format_report, format_unfit
from tests.mutants.runner import Verdict, find_unfit_checks, try_mutants
from tests.mutants.tree import ROOT, EditError, apply_edit, copy_tree, planted

BANK = """
def fee(amount):
    return 2


def balance():
    return 40 + fee(1)
"""
TESTS = """
import pytest

import bank


@pytest.fixture
def opened():
    return bank.balance()


@pytest.mark.parametrize("amount", [1, 2])
def test_fee(amount):
    assert bank.fee(amount) == 2


def test_balance(opened):
    assert opened == 42


def test_nothing():
    bank.fee(1)
"""
SECONDS = 120.0


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a small tree, with bytecode, and the plug-in that writes outcomes."""
    source = tmp_path_factory.mktemp("source")
    (source / "bank.py").write_text(BANK)
    (source / "test_bank.py").write_text(TESTS)
    plugin = source / "tests" / "mutants" / "outcomes.py"
    plugin.parent.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "mutants" / "outcomes.py", plugin)
    target = tmp_path_factory.mktemp("copy") / "tree"
    copy_tree(target, source)
    return target


def a_mutant(old: str, new: str, *tests: str, error: str = "", file: str = "bank.py") -> Mutant:
    edits = (Edit(file=file, old=old, new=new),)
    checks = tuple(f"test_bank.py::{test}" for test in tests)
    return Mutant(name="wrong-fee", promise="I1", bug="the fee is wrong", edits=edits, checks=checks, error=error)


def try_one(tree: Path, mutant: Mutant) -> Verdict:
    """The verdict of one mutant; the tree is as before afterwards."""
    (verdict,) = try_mutants([tree], [mutant], SECONDS, lambda _: None)
    assert (tree / "bank.py").read_text() == BANK
    return verdict


def test_a_mutant_is_caught_by_failed_assertions(tree: Path) -> None:
    verdict = try_one(tree, a_mutant("return 2", "return 3", "test_fee", "test_balance"))
    assert verdict.is_caught
    assert [result.state for result in verdict.results] == [CheckState.CAUGHT] * 2
    assert "1 mutants, 1 caught, 0 not" in format_report([verdict])


def test_a_mutant_that_one_of_its_checks_misses_survives(tree: Path) -> None:
    verdict = try_one(tree, a_mutant("return 2", "return 3", "test_fee", "test_nothing"))
    assert not verdict.is_caught
    assert [result.state for result in verdict.results] == [CheckState.CAUGHT, CheckState.PASSED]
    assert "SURVIVED" in format_report([verdict])
    assert "1 mutants, 0 caught, 1 not" in format_report([verdict])


def test_an_error_catches_nothing_unless_the_mutant_names_it(tree: Path) -> None:
    verdict = try_one(tree, a_mutant("return 2", "raise KeyError(1)", "test_fee", "test_nothing", error="ValueError"))
    assert [(one.state, one.said) for one in verdict.results] == [(CheckState.BROKEN, "KeyError: 1")] * 2
    verdict = try_one(tree, a_mutant("return 2", "raise KeyError(1)", "test_fee", "test_balance", error="KeyError"))
    assert [result.state for result in verdict.results] == [CheckState.CAUGHT, CheckState.BROKEN]
    assert verdict.results[1].said == "not in the test itself: KeyError: 1", "in its fixture"


def test_a_mutant_that_can_not_be_imported_is_not_caught(tree: Path) -> None:
    verdict = try_one(tree, a_mutant("return 2", "return (", "test_fee"))
    assert [result.state for result in verdict.results] == [CheckState.BROKEN]
    assert verdict.results[0].said.startswith("ERROR")


def test_a_check_that_does_not_end_catches_nothing(tree: Path) -> None:
    endless = a_mutant("return 2", "__import__('time').sleep(60)", "test_fee")
    with planted(tree, endless.edits):
        (result,) = run_checks(tree, endless.checks, 3.0)
    assert (result.state, result.said) == (CheckState.BROKEN, "no end after 3 seconds")


@pytest.mark.parametrize(("old", "found"), [("return 4", 1), ("return", 2), ("nowhere", 0)])
def test_an_edit_fits_once_or_not_at_all(tree: Path, old: str, found: int) -> None:
    edit = Edit(file="bank.py", old=old, new="return 5")
    if found == 1:
        assert "return 50 + fee(1)" in apply_edit(tree, edit)
        return
    with pytest.raises(EditError, match=f"found {found} times"):
        apply_edit(tree, edit)
    verdict = try_one(tree, a_mutant(old, "return 5", "test_fee"))
    assert not verdict.is_caught
    assert "does not apply" in format_report([verdict])


def test_a_file_that_is_gone_does_not_fit(tree: Path) -> None:
    assert "found 0 times" in try_one(tree, a_mutant("return 2", "return 3", "test_fee", file="gone.py")).problem


def test_checks_that_fail_without_a_bug_are_reported(tree: Path) -> None:
    good = a_mutant("return 2", "return 3", "test_fee", "test_balance")
    assert find_unfit_checks(tree, [good], SECONDS) == []
    with planted(tree, [Edit(file="test_bank.py", old="assert opened == 42", new="assert opened == 43")]):
        unfit = find_unfit_checks(tree, [good], SECONDS)
    assert [result.check for result in unfit] == ["test_bank.py::test_balance"]
    assert "test_balance: caught without any bug" in format_unfit(unfit)


def test_what_counts_as_an_assertion() -> None:
    with pytest.raises(pytest.fail.Exception) as nothing_raised, pytest.raises(KeyError):
        pass
    assert is_assertion(nothing_raised.value)
    assert is_assertion(ExceptionGroup("two", [AssertionError("one"), AssertionError("other")]))
    assert not is_assertion(ExceptionGroup("two", [AssertionError("one"), NameError("other")]))
    assert not is_assertion(pytest.fail.Exception("Timeout (>300.0s) from pytest-timeout."))
