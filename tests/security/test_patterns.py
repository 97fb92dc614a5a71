"""Each regular expression that meets outside text takes time that grows with the text, and none is unlisted."""

import ast
import re
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import import_module
from typing import Any, Final

import pytest

from tests.architecture import source
from tests.security.growth import MOST_GROWTH, GrowthCase, measure_growth
from tests.security.outside_patterns import OUTSIDE, OWN, USUAL_ATTACKS

LENGTH: Final = 4_000
QUICK_SECONDS: Final = 0.001
"""A text of 8,000 characters is never read in this time if each of them is compared with each."""
NOT_IN_PRODUCTION: Final = {"devstack", "sandbox"}
FUNCTIONS: Final = {"compile", "fullmatch", "match", "search", "sub", "subn", "split", "findall", "finditer"}


@cache
def find_patterns() -> frozenset[str]:
    """Every use of `re` in the product: `module:NAME` of a compiled constant, else `module:function` around it."""
    paths = (path for path in source.source_files() if source.package_of(path) not in NOT_IN_PRODUCTION)
    return frozenset(
        f"{source.module_name(path)}:{name}" for path in paths for name in _names(source.parse_file(path), "")
    )


def _names(node: ast.AST, around: str) -> Iterator[str]:
    if isinstance(node, ast.Call) and _uses_re(node.func):
        yield around
    for inner in ast.iter_child_nodes(node):
        yield from _names(inner, _name_of(inner) or around)


def _uses_re(called: ast.expr) -> bool:
    return (
        isinstance(called, ast.Attribute)
        and isinstance(called.value, ast.Name)
        and called.value.id == "re"
        and called.attr in FUNCTIONS
    )


def _name_of(node: ast.AST) -> str:
    match node:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]) if name.isupper():
            return name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
    return ""


def test_every_pattern_is_listed() -> None:
    listed = OUTSIDE.keys() | OWN.keys()
    assert find_patterns() - listed == set(), "list it in tests/security/outside_patterns.py"
    assert listed - find_patterns() == set(), "there is no such pattern any more"
    assert not OUTSIDE.keys() & OWN.keys()


def test_patterns_of_models_run_in_linear_time() -> None:
    # pydantic runs `pattern=` by Rust's engine, which is linear, unless a model asks for Python's.
    texts = (path.read_text(encoding="utf-8") for path in source.source_files())
    assert not [text for text in texts if "regex_engine" in text or "from re import" in text or "import re as" in text]


def pattern_call(name: str) -> Callable[[str], object]:
    """The call that the product makes of the pattern."""
    module, _, constant = name.partition(":")
    pattern: re.Pattern[str] = getattr(import_module(module), constant)
    method: Callable[..., object] = getattr(pattern, OUTSIDE[name].method)
    return partial(method, "x") if OUTSIDE[name].method == "sub" else method


@pytest.mark.parametrize("name", sorted(OUTSIDE))
def test_pattern_takes_linear_time(name: str) -> None:
    call = pattern_call(name)
    for attack in USUAL_ATTACKS + OUTSIDE[name].attacks:
        if _seconds(call, attack.text_of(2 * LENGTH)) > QUICK_SECONDS:
            growth = measure_growth(GrowthCase(name, call, attack.text_of, LENGTH))
            assert growth <= MOST_GROWTH, f"{attack} made it {growth:.1f} times slower"


def _seconds(call: Callable[[Any], object], given: Any) -> float:
    began = time.process_time()
    call(given)
    return time.process_time() - began


@pytest.mark.parametrize(
    ("pattern", "attack"),
    [(r"\S+@\S+", "a"), (r"\s*(\[{1,2})\s*([A-Za-z0-9_.\- ]+?)\s*\]{1,2}$", " ")],
)
def test_the_measure_catches_quadratic_patterns(pattern: str, attack: str) -> None:
    text = "[" if attack == " " else ""
    case = GrowthCase(pattern, re.compile(pattern).search, lambda length: text + attack * length, 120)
    assert measure_growth(case) > MOST_GROWTH
