"""One word for one thing: words that the glossary replaced don't return in names or headings of the docs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture import source
from tests.architecture.source import ROOT

REPLACED = {
    "wish": "operator command", "obey": "accept", "heed": "handle", "deed": "audit entry", "telling": "timeline entry",
    "chapter": "timeline entry", "findings": "decision input", "pace": "time scale", "taker": "extractor",
    "courier": "webhook sender", "reception": "ingest", "fate": "outcome model", "luck": "random draw",
    "lots": "categorical distribution", "beliefs": "assumptions", "march": "array engine", "desk": "admin console",
    "rooms": "packages", "letter": "message", "house": "harness", "theatre": "scenario", "till": "provider",
}  # fmt: skip
"""The word that is out, and what is said instead."""
ALLOWED = {"0009_desk", "dead_letter_notice", "_dead_letter_notice", "_dead_letter_notices", "dead_letters"}
"""Names that keep such a word: a migration that has run, and dead letters, which every queue has."""
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def words_of(name: str) -> set[str]:
    """The words of a name in snake or camel case, and each without a plural s."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
    return {*words, *(word.removesuffix("s") for word in words), *(word.removesuffix("es") for word in words)}


def public_names() -> Iterator[tuple[str, str]]:
    """Module and name of everything that is defined, tests included; modules themselves too."""
    for path in (*source.source_files(), *source.list_test_files()):
        module = source.module_name(path)
        yield module, module.rpartition(".")[2]
        yield from ((module, node.name) for node in ast.walk(source.parse_file(path)) if isinstance(node, DEFINITIONS))


def test_no_name_uses_a_replaced_word() -> None:
    violations = {
        f"{module}.{name}: {word} -> {REPLACED[word]}"
        for module, name in public_names()
        for word in words_of(name) & REPLACED.keys()
        if not name.startswith("test_") and name not in ALLOWED
    }
    assert not violations


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: page.name)
def test_no_heading_uses_a_replaced_word(page: Path) -> None:
    headings = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert [line for line in headings if words_of(line) & REPLACED.keys()] == []


def test_words_are_split_in_either_case_and_number() -> None:
    assert {"wish", "deed"} <= words_of("PendingWishes") | words_of("list_deeds")
    assert not words_of("allotment_pacemaker") & REPLACED.keys()
