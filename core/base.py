"""The base of all models in the core: frozen values that ignore fields added by a newer release."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict

_assign: Final = object.__setattr__  # past the values' own, which refuses every change


class Value(BaseModel):
    """An immutable value. Unknown fields are ignored, so that workers of two releases read each other's data."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    _defaults: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Keeps the defaults of each class for `of_valid`."""
        fields = cls.model_fields.items()
        cls._defaults = {name: one.default for name, one in fields if not one.is_required()}

    @classmethod
    def of_valid(cls, **fields: Any) -> Self:
        """A value of fields that need no validation: each was computed here, or is a field of another value.

        Nothing is checked, converted or redacted, so never of anything from outside, such as a plug-in's answer.
        """
        return cls._build({**cls._defaults, **fields}, set(fields))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with these fields changed, unchecked. What was cached of the original is not taken over."""
        if deep:
            return super().model_copy(update=update, deep=True)
        known = self.__dict__
        names = type(self).__pydantic_fields__
        kept = known if len(known) == len(names) else {name: known[name] for name in names}
        changes = update or {}
        return self._build({**kept, **changes}, {*self.__pydantic_fields_set__, *changes})

    @classmethod
    def _build(cls, fields: dict[str, Any], given: set[str]) -> Self:
        # As `model_construct`, which looks each field's aliases and default up again for every value.
        made = cls.__new__(cls)
        _assign(made, "__dict__", fields)
        _assign(made, "__pydantic_fields_set__", given)
        _assign(made, "__pydantic_extra__", None)
        _assign(made, "__pydantic_private__", None)
        return made
