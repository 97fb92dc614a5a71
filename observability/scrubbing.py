"""Removes card numbers, e-mail addresses and secrets from log lines, error reports and traces."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from core.redaction.text import REDACTED, redact_identifier, redact_number, redact_text
from core.redaction.trees import IDENTIFIERS as OUR_IDENTIFIERS

DEEPEST: Final = 12
LARGEST: Final = 10**100
LONGEST: Final = 20_000
"""Characters of one text that are scrubbed and kept; the rest is cut off."""

IDENTIFIERS: Final = OUR_IDENTIFIERS | {"temporalWorkflowID", "temporalRunID", "temporalActivityID"}
"""Names of ids in log lines and spans: a number in them that looks like a card's is left."""
_SECRET_NAMES: Final = re.compile(
    r"authorization|cookie|password|passwd|secret|api[-_]?key|token|signature|dsn|encryption[-_]?keys?", re.IGNORECASE
)


def scrub_text(text: str) -> str:
    """The text with card numbers, e-mail addresses and secrets replaced, cut off at 20,000 characters."""
    return redact_text(text if len(text) <= LONGEST else text[:LONGEST] + "…")


def scrub_value(value: Any, depth: int = 0) -> Any:
    """The value, safe to be logged: values under names of secrets are replaced, texts are scrubbed.

    Containers become plain dicts and lists, at most 12 levels deep. Any other object becomes its scrubbed `repr`, since
    the renderer would call `repr` later, after the scrubbing.
    """
    if depth > DEEPEST:
        return "…"
    for kind, clean in _CLEANERS:
        if isinstance(value, kind):
            return clean(value, depth)
    return scrub_text(repr(value))


def _scrub_mapping(value: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
    return {_scrub_key(key): _scrub_field(key, item, depth) for key, item in value.items()}


def _scrub_key(key: Any) -> Any:
    return scrub_text(key) if isinstance(key, str) else redact_number(key) if type(key) is int else key


def _scrub_field(key: Any, item: Any, depth: int) -> Any:
    if isinstance(key, str) and _SECRET_NAMES.search(key) and isinstance(item, str | bytes | list | tuple):
        return REDACTED
    return (
        _scrub_identifier(item) if key in IDENTIFIERS and isinstance(item, str | int) else scrub_value(item, depth + 1)
    )


def _scrub_identifier(item: str | int) -> Any:
    if isinstance(item, str):
        return redact_identifier(item[:LONGEST])
    return item if abs(item) < LARGEST else "…"


def _scrub_sequence(value: Any, depth: int) -> list[Any]:
    return [scrub_value(item, depth + 1) for item in value]


def _scrub_number(value: int, _: int) -> Any:
    # Python refuses to write integers of thousands of digits, so that the renderer would fail.
    if abs(value) >= LARGEST:
        return "…"
    return redact_number(value)


_CLEANERS: Final[tuple[tuple[Any, Callable[[Any, int], Any]], ...]] = (
    ((bool, float, type(None)), lambda value, _: value),
    (str, lambda value, _: scrub_text(value)),
    (int, _scrub_number),
    (Mapping, _scrub_mapping),
    ((list, tuple, set, frozenset), _scrub_sequence),
)
