"""The base of all models in the core: frozen values that ignore fields added by a newer release."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable value. Unknown fields are ignored, so that workers of two releases read each other's data."""

    model_config = ConfigDict(frozen=True, extra="ignore")
