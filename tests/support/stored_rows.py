"""The rows of `event_log` in the histories that are kept for replay."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.events import EventType

HISTORIES = Path(__file__).parents[1] / "replay" / "histories"
Row = tuple[str, EventType, dict[str, Any]]


def rows_in(value: Any, release: str) -> Iterator[Row]:
    """The event rows within any JSON that crossed Temporal."""
    if isinstance(value, dict):
        if value.get("type") in set(EventType) and isinstance(value.get("data"), dict) and "occurred_at" in value:
            yield release, EventType(value["type"]), value["data"]
        if isinstance(value.get("data"), str) and "metadata" in value:
            yield from rows_in(json.loads(base64.b64decode(value["data"]) or b"null"), release)
        for inner in value.values():
            yield from rows_in(inner, release)
    if isinstance(value, list):
        for inner in value:
            yield from rows_in(inner, release)


STORED = [
    row
    for path in sorted(HISTORIES.glob("*.json"))
    for row in rows_in(json.loads(path.read_text()), path.name.split(".", 1)[1])
]
"""Release, type and `data` of each row, as that release stored it."""
