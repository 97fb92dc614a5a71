"""An event, its place in the log, and the codec between a row's JSON and its model."""

import builtins
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Self, TypeVar

from pydantic import Field, SerializeAsAny, ValidationError, ValidationInfo, field_validator

from core import money
from core.base import Value
from core.events.data import EventData, OperatorCommand, UnreadableData
from core.events.registry import MODELS
from core.events.types import EventType, State

D = TypeVar("D", bound=EventData)


def read_data(kind: EventType, stored: Mapping[str, Any]) -> EventData:
    """The typed `data` of a row of this type; `UnreadableData` for JSON that doesn't fit, never an exception."""
    try:
        return MODELS[kind].model_validate(stored)
    except (ValidationError, OverflowError):  # a year beyond 9999 overflows before pydantic can say so
        return UnreadableData.model_validate(stored)


class Event(Value):
    """Something that happened, before it has a sequence number in the log."""

    type: EventType
    occurred_at: datetime
    attempt: int | None = None
    """The charge attempt it belongs to, if any."""
    data: SerializeAsAny[EventData] = Field(default=EventData(), validate_default=True)

    @field_validator("data", mode="before")
    @classmethod
    def _read(cls, given: Any, info: ValidationInfo) -> Any:
        # `type` stands before `data`: without it the type itself was no event type, which is the error to report.
        kind = info.data.get("type")
        if kind is None or isinstance(given, (MODELS[kind], UnreadableData)):
            return given
        return read_data(kind, given.stored if isinstance(given, EventData) else given)

    @property
    def is_refused(self) -> bool:
        """Whether it is an operator command that had no effect."""
        return isinstance(self.data, OperatorCommand) and bool(self.data.refused)

    def read(self, model: builtins.type[D]) -> D:
        """`data` as this model. Raises ValueError for a row of another type, and for one that can't be read."""
        if isinstance(self.data, model):
            return self.data
        if isinstance(self.data, UnreadableData):
            return model.model_validate(self.data.stored)  # says which key, and what was expected of it
        raise ValueError(f"a row of {self.type} holds no {model.__name__}")

    def having(self, **changes: Any) -> Self:
        """The same event with these keys of `data` set as well."""
        return self.holding(self.type, {**self.data.stored, **changes})

    def holding(self, kind: EventType, stored: Mapping[str, Any]) -> Self:
        """The same event as one of another type, with this `data`."""
        return self.model_copy(update={"type": kind, "data": read_data(kind, stored)})


class Record(Event):
    """An event with its place in the log of one recovery."""

    sequence: int
    from_state: State | None = None
    to_state: State


AMOUNT_EVENT_TYPES: Final = frozenset({EventType.PAYMENT_FAILED, EventType.CHARGE_REQUESTED})
"""Types of rows whose `amount` releases before ISO minor units wrote in the provider's own units."""


def upgrade_record(record: Record, provider: str) -> Record:
    """The record with its amount in ISO minor units, as this release writes it; see `core.money.upgrade_amount`."""
    if record.type not in AMOUNT_EVENT_TYPES:
        return record
    stored = record.data.stored
    upgraded = money.upgrade_amount(stored, provider)
    return record if upgraded is stored else record.holding(record.type, upgraded)
