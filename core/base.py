"""The one model base of the core: frozen values that ignore what a newer release may add to a payload."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable value; unknown fields are ignored so that old and new workers can read each other."""

    model_config = ConfigDict(frozen=True, extra="ignore")
