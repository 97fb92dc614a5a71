"""Stripe's form encoding: `a[b][0]=x` is `{"a": {"b": ["x"]}}`."""

import re
from typing import Any
from urllib.parse import parse_qsl

from sandbox.models import Document
from sandbox.stripe.errors import StripeError, invalid_request

KEY_PART = re.compile(r"[^\[\]]+|(?<=\[)(?=\])")


def decode_form(encoded: str) -> Document:
    """Nested parameters; indexes become lists; values stay text."""
    tree: Document = {}
    for key, value in parse_qsl(encoded, keep_blank_values=True):
        _insert_value(tree, KEY_PART.findall(key), value)
    return {name: _indexes_to_lists(value) for name, value in tree.items()}


def _insert_value(tree: Document, parts: list[str], value: str) -> None:
    for part in parts[:-1]:
        branch = tree.setdefault(part, {})
        if not isinstance(branch, dict):
            raise invalid_request(f"Invalid object: {part}", param=part)
        tree = branch
    last = parts[-1] if parts else ""
    tree[last or str(len(tree))] = value


def _indexes_to_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(name.isdigit() for name in value):
        return [_indexes_to_lists(value[name]) for name in sorted(value, key=int)]
    return {name: _indexes_to_lists(item) for name, item in value.items()}


def refuse_unknown(params: Document, allowed: frozenset[str]) -> None:
    """400 `parameter_unknown` for the first name that the endpoint doesn't take."""
    for name in params:
        if name not in allowed:
            raise StripeError(
                400,
                type="invalid_request_error",
                code="parameter_unknown",
                message=f"Received unknown parameter: {name}",
                param=name,
            )


def read_boolean(params: Document, name: str, default: bool = False) -> bool:
    """`true` or `false`; anything else is a 400."""
    value = params.get(name, "true" if default else "false")
    if value not in ("true", "false"):
        raise invalid_request(f"Invalid boolean: {value}", param=name)
    return bool(value == "true")


def read_integer(params: Document, name: str, default: int) -> int:
    """A whole number; anything else is a 400 `parameter_invalid_integer`."""
    value = params.get(name, str(default))
    if not re.fullmatch(r"-?\d+", str(value)):
        raise invalid_request(f"Invalid integer: {value}", param=name, code="parameter_invalid_integer")
    return int(value)


def read_text(params: Document, name: str) -> str | None:
    """A text, or None when absent or empty; an object is a 400."""
    value = params.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid_request(f"Invalid string: {value}", param=name)
    return value or None
