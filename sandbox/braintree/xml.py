"""XML as Braintree speaks it: dashes in names, types in attributes, lists as arrays."""

from datetime import UTC, date, datetime
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

Tree = Any
"""A dict of elements, a list of (name, tree), or a value."""


def dump_element(name: str, tree: Tree) -> str:
    """One element and all that is in it."""
    kind, inner = _type_attribute(tree), _inner_xml(tree)
    return f"<{name}{kind}>{inner}</{name}>" if inner else f"<{name}{kind}/>"


def dump_document(name: str, tree: Tree) -> str:
    """A whole document."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{dump_element(name, tree)}'


def _type_attribute(tree: Tree) -> str:
    if tree is None:
        return ' nil="true"'
    kinds = ((bool, "boolean"), (int, "integer"), (datetime, "datetime"), (date, "date"), (list, "array"))
    return next((f' type="{kind}"' for of, kind in kinds if isinstance(tree, of)), "")


def _inner_xml(tree: Tree) -> str:
    if isinstance(tree, dict):
        return "".join(dump_element(name, part) for name, part in tree.items())
    if isinstance(tree, list):
        return "".join(dump_element(name, part) for name, part in tree)
    if isinstance(tree, bool):
        return str(tree).lower()
    if isinstance(tree, datetime):
        return tree.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return "" if tree is None else escape(str(tree))


def parse_document(text: str) -> dict[str, Any]:
    """The elements inside the root; names with underscores. ValueError where it is no XML."""
    try:
        found = _parse_element(ElementTree.fromstring(text)) if text.strip() else {}
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None
    return found if isinstance(found, dict) else {}


def _parse_element(element: ElementTree.Element) -> Any:
    if element.get("type") == "array":
        return [_parse_element(child) for child in element]
    if len(element):
        return {child.tag.replace("-", "_"): _parse_element(child) for child in element}
    return element.text or ""
