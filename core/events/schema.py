"""Documents the rows of the log: the JSON Schema of `data` by event type, and a Markdown table."""

from typing import Any, Final

from core.events.data import EventData
from core.events.registry import MODELS
from core.events.types import EventType

ON_EVERY_ROW: Final = frozenset(EventData.model_fields)
"""Keys that any row may hold, so that the table names them once."""


def event_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema (draft 2020-12) of `data`, by type of row."""
    return {kind.value: MODELS[kind].model_json_schema() for kind in EventType}


def event_table() -> str:
    """A Markdown table with one line per event type: type, docstring of its model, and keys of `data`."""
    return "\n".join(["| Type | Says | `data` |", "|---|---|---|", *map(_line, EventType)]) + "\n"


def _line(kind: EventType) -> str:
    model = MODELS[kind]
    says = " ".join((model.__doc__ or "").split()).removesuffix(".")
    keys = ", ".join(f"`{name}`" for name in model.model_fields if name not in ON_EVERY_ROW)
    return f"| `{kind.value}` | {says} | {keys} |"
