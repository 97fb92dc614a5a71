"""Activities hold activities only: one class of them in a file, and what only that class needs."""

import ast
from typing import Final

import pytest

from tests.architecture import source

NOT_ACTIVITIES: Final = {"activities.heartbeat"}
"""A helper of several, which must import `temporalio.activity`."""


def activity_classes(module: ast.Module) -> set[str]:
    """The classes with a method that is defined as an activity."""
    classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
    return {node.name for node in classes if any(is_activity(method) for method in node.body)}


def is_activity(node: ast.stmt) -> bool:
    """Whether it is a method under `@activity.defn`."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else []
    return any("activity.defn" in source.iter_names_used(decorator) for decorator in decorators)


def test_each_file_of_activities_holds_one_class_of_them() -> None:
    files = [path for path in source.source_files() if source.package_of(path) == "activities"]
    counts = {source.module_name(path): len(activity_classes(source.parse_file(path))) for path in files}
    assert {name for name, count in counts.items() if count != 1} - {"activities"} == NOT_ACTIVITIES


@pytest.mark.parametrize("decorator", ["@activity.defn", '@activity.defn(name="charge")'])
def test_activity_is_detected_with_and_without_a_name(decorator: str) -> None:
    planted = f"class Charging:\n    {decorator}\n    async def charge(self): ...\nclass Clock: ...\n"
    assert activity_classes(ast.parse(planted)) == {"Charging"}
