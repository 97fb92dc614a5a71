"""Every mutant still fits the code, and names checks that exist; `make mutants` runs them."""

import ast
from pathlib import Path

import pytest

from tests.mutants.catalogue.all import MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.report import format_markdown
from tests.mutants.tree import ROOT, planted

ISSUE_13 = {
    "charge-before-record", "random-key", "answer-before-insert", "no-lock-in-the-ledger", "no-lock-in-the-log",
    "unknown-read-as-not-charged", "unknown-recorded-as-declined", "retry-cap-unreserved", "scrubber-off",
}  # fmt: skip
"""The bugs that the issue names."""


def copy_files(mutant: Mutant, target: Path) -> None:
    for edit in mutant.edits:
        (target / edit.file).parent.mkdir(parents=True, exist_ok=True)
        (target / edit.file).write_text((ROOT / edit.file).read_text(encoding="utf-8"), encoding="utf-8")


def defined_checks(file: Path) -> set[str]:
    """The tests of a file, those of its classes with their class."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    tests = [(node.name, node) for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for outer in (node for node in body if isinstance(node, ast.ClassDef)):
        inner = (node for node in outer.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        tests += [(f"{outer.name}::{node.name}", node) for node in inner]
    return {name for name, node in tests if node.name.startswith("test_")}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_fits_the_code_and_is_python(mutant: Mutant, tmp_path: Path) -> None:
    copy_files(mutant, tmp_path)
    with planted(tmp_path, mutant.edits):
        for edit in mutant.edits:
            text = (tmp_path / edit.file).read_text(encoding="utf-8")
            assert ast.dump(ast.parse(text)) != ast.dump(ast.parse((ROOT / edit.file).read_text(encoding="utf-8")))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_checks_of_a_mutant_exist(mutant: Mutant) -> None:
    assert mutant.checks
    for check in mutant.checks:
        file, _, name = check.partition("::")
        assert name in defined_checks(ROOT / file)


def test_names_are_unique_and_every_promise_has_a_mutant() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)
    assert set(names) >= ISSUE_13
    assert {mutant.promise for mutant in MUTANTS} == {*(f"I{number}" for number in range(1, 9)), "security"}


def test_the_table_of_the_docs_is_the_catalogue() -> None:
    assert format_markdown(MUTANTS) in (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
