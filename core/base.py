"""The base of all models in the core: frozen values that ignore fields added by a newer release."""

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict

_assign: Final = object.__setattr__  # past the values' own, which refuses every change


class Value(BaseModel):
    """An immutable value. Unknown fields are ignored, so that workers of two releases read each other's data."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def without_unknown(self) -> Self:
        """The same value, of which only the fields that aren't None count as set; parts keep what they have set."""
        fields = self._fields()
        return self._build({**fields}, {name for name, known in fields.items() if known is not None})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with these fields changed, unchecked. What was cached of the original is not taken over."""
        if deep:
            return super().model_copy(update=update, deep=True)
        changes = update or {}
        return self._build({**self._fields(), **changes}, {*self.__pydantic_fields_set__, *changes})

    def _fields(self) -> dict[str, Any]:
        known, names = self.__dict__, type(self).__pydantic_fields__
        return known if len(known) == len(names) else {name: known[name] for name in names}

    @classmethod
    def _build(cls, fields: dict[str, Any], given: set[str]) -> Self:
        # As `model_construct`, which looks each field's aliases and default up again for every value.
        made = cls.__new__(cls)
        _assign(made, "__dict__", fields)
        _assign(made, "__pydantic_fields_set__", given)
        _assign(made, "__pydantic_extra__", None)
        _assign(made, "__pydantic_private__", None)
        return made
