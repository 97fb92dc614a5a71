"""One verified notification, and a row of the table of kinds."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from providers.fields import Fields, InvalidField

EventFields: TypeAlias = dict[str, Any]
"""Fields of a ProviderEvent."""


@dataclass(frozen=True)
class Notification:
    """One verified notification: its kind, its time in UTC, and its subject as the client parses XML."""

    kind: str
    at: datetime
    subject: Fields

    def subject_part(self, name: str) -> dict[str, Any]:
        """A part of the subject, as the client's classes expect it. Raises InvalidField if it isn't there."""
        found = self.subject.raw.get(name)
        if not isinstance(found, dict):
            raise InvalidField(f"subject.{name}")
        return dict(found)


@dataclass(frozen=True)
class Row:
    """One kind of webhook: its extractor, or the detail that says why it has no effect."""

    extract: Callable[[Notification], EventFields] | None = None
    detail: str | None = None
