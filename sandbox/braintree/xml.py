"""XML as Braintree speaks it: dashes in names, types in attributes, lists as arrays."""

from datetime import UTC, date, datetime
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

Tree = Any
"""A dict of elements, a list of (name, tree), or a value."""


def dump(name: str, tree: Tree) -> str:
    """One element and all that is in it."""
    kind, inner = _kind(tree), _inner(tree)
    return f"<{name}{kind}>{inner}</{name}>" if inner else f"<{name}{kind}/>"


def document(name: str, tree: Tree) -> str:
    """A whole document."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{dump(name, tree)}'


def _kind(tree: Tree) -> str:
    if tree is None:
        return ' nil="true"'
    kinds = ((bool, "boolean"), (int, "integer"), (datetime, "datetime"), (date, "date"), (list, "array"))
    return next((f' type="{kind}"' for of, kind in kinds if isinstance(tree, of)), "")


def _inner(tree: Tree) -> str:
    if isinstance(tree, dict):
        return "".join(dump(name, part) for name, part in tree.items())
    if isinstance(tree, list):
        return "".join(dump(name, part) for name, part in tree)
    if isinstance(tree, bool):
        return str(tree).lower()
    if isinstance(tree, datetime):
        return tree.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return "" if tree is None else escape(str(tree))


def load(text: str) -> dict[str, Any]:
    """The elements inside the root; names with underscores. ValueError where it is no XML."""
    try:
        found = _loaded(ElementTree.fromstring(text)) if text.strip() else {}
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None
    return found if isinstance(found, dict) else {}


def _loaded(element: ElementTree.Element) -> Any:
    if element.get("type") == "array":
        return [_loaded(child) for child in element]
    if len(element):
        return {child.tag.replace("-", "_"): _loaded(child) for child in element}
    return element.text or ""
