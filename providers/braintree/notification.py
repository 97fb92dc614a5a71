"""One notification, verified, and the row of the table that takes it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from providers.fields import Fields, InvalidField

EventFields: TypeAlias = dict[str, Any]
"""Fields of a ProviderEvent."""


@dataclass(frozen=True)
class Notification:
    """One verified notification: when it was made, and its subject as the client reads XML."""

    kind: str
    at: datetime
    subject: Fields

    def subject_part(self, name: str) -> dict[str, Any]:
        """A part of the subject, as the client's classes want it. Raises Unfit."""
        found = self.subject.raw.get(name)
        if not isinstance(found, dict):
            raise InvalidField(f"subject.{name}")
        return dict(found)


@dataclass(frozen=True)
class Row:
    """A kind of webhook, and what is taken of it; without a reader it has no effect."""

    extract: Callable[[Notification], EventFields] | None = None
    detail: str | None = None
