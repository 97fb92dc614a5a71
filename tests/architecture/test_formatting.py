"""Percentages and moments are written by `core/formatting.py`: two formatters are sooner or later of two minds."""

import ast
from collections.abc import Iterator
from itertools import pairwise

from tests.architecture import source

OWNER = "core.formatting"
EXCEPTIONS = {
    "api.admin.dashboard": "days on the axis of a chart",
    "api.admin.export": "the name of a file",
    "core.strategies.adaptive": "recorded, and compared word for word",
    "sandbox.braintree.xml": "Braintree's format; the sandbox shares no code with what it tests",
}


def iter_own_formats(module: ast.AST) -> Iterator[str]:
    """Every f-string that writes a percentage, a date or a time by itself, and every `strftime`."""
    for node in ast.walk(module):
        if _writes_percent_or_moment(node) or _is_strftime(node):
            yield ast.unparse(node)


def _writes_percent_or_moment(node: ast.AST) -> bool:
    parts = node.values if isinstance(node, ast.JoinedStr) else []
    specs = [one.format_spec for one in parts if isinstance(one, ast.FormattedValue) and one.format_spec]
    signs = [after for before, after in pairwise(parts) if isinstance(before, ast.FormattedValue)]
    return any("%" in ast.unparse(spec) for spec in specs) or any(
        isinstance(sign, ast.Constant) and str(sign.value).lstrip().startswith("%") for sign in signs
    )


def _is_strftime(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "strftime"


def find_own_formats() -> dict[str, list[str]]:
    """Them by the module that they are in."""
    found = {source.module_name(path): iter_own_formats(source.parse_file(path)) for path in source.source_files()}
    return {name: texts for name, formats in found.items() if (texts := list(formats))}


def test_it_sees_each_way() -> None:
    own = ['f"{share:.1%}"', 'f"{100 * share:.0f} %"', 'f"{whole}%, then"', 'f"{at:%H:%M} UTC"', 'at.strftime("%Y")']
    assert [len(list(iter_own_formats(ast.parse(one)))) for one in own] == [1] * len(own)
    assert list(iter_own_formats(ast.parse('f"{count % 2} of {share}" + "5 %"'))) == []


def test_only_the_owner_writes_percentages_and_moments() -> None:
    found = find_own_formats()
    assert found.keys() == {OWNER, *EXCEPTIONS}, found


def test_babel_writes_amounts_and_dates_for_customers_only() -> None:
    modules = ("babel.numbers", "babel.dates")
    users = {
        source.module_name(path)
        for path in source.source_files()
        if any(source.does_import(path, one) for one in modules)
    }
    assert users == {"notifications.locales"}
