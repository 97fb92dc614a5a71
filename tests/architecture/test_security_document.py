"""SECURITY.md: every threat has an answer, limits and tests, and every test that it names exists."""

import ast
import re
from typing import Final

import pytest

from tests.architecture.source import ROOT, parse_file

TEXT: Final = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
THREATS: Final = [f"API{number}" for number in range(1, 11)] + [
    "CSRF", "Webhooks", "Supply chain", "Insider", "Log tampering", "Secrets",
]  # fmt: skip
POINTER: Final = re.compile(r"`(tests/[\w/]+(?:\.py)?)(?:::(\w+))?`")


def read_rows(text: str) -> list[list[str]]:
    """The cells of the threat model's rows: name, threat, answer, limits, tests."""
    section = text.partition("## Threat model")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [row for row in rows if row[0] and row[0] != "Threat"]


def find_dead_pointers(text: str) -> list[str]:
    """Tests that are named and don't exist."""
    return [f"{path}::{name}" for path, name in POINTER.findall(text) if not does_test_exist(path, name)]


def does_test_exist(path: str, name: str) -> bool:
    """Whether the file, or folder, exists and defines this test, or any one."""
    target = ROOT / path
    if target.is_dir() or not target.exists():
        return target.is_dir()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = {node.name for node in ast.walk(parse_file(target)) if isinstance(node, kinds)}
    return name in names if name else any(one.startswith("test_") for one in names)


@pytest.mark.parametrize("threat", THREATS)
def test_every_threat_has_answer_limits_and_tests(threat: str) -> None:
    (row,) = [row for row in read_rows(TEXT) if re.match(rf"{threat}\b", row[0])]
    assert len(row) == 5
    assert all(row)
    assert POINTER.search(row[4])


def test_no_threat_is_missing_here() -> None:
    assert len(read_rows(TEXT)) == len(THREATS)


def test_every_named_test_exists() -> None:
    assert len(POINTER.findall(TEXT)) > 40
    assert find_dead_pointers(TEXT) == []


def test_dead_pointers_are_noticed() -> None:
    alive = "`tests/architecture/test_security_document.py::test_dead_pointers_are_noticed`"
    dead = "`tests/api/test_gone.py` `tests/api/test_auth.py::test_gone`"
    assert find_dead_pointers(f"{alive} `tests/security` {dead}") == [
        "tests/api/test_gone.py::",
        "tests/api/test_auth.py::test_gone",
    ]


def test_how_to_report_is_said() -> None:
    assert "## Reporting" in TEXT
