"""The field types of `assumptions.toml`: bounded numbers, and shares that add up to 1."""

from math import fsum
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.classification.taxonomy import Cause

TOLERANCE: Final = 1e-9
"""How far the sum of shares may differ from 1."""

Chance = Annotated[float, Field(strict=True, ge=0, le=1)]
"""A probability or a share, 0 to 1."""
Factor = Annotated[float, Field(strict=True, ge=0, le=10)]
Name = Annotated[str, Field(min_length=1, max_length=80)]
Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]


class SchemaTable(BaseModel):
    """Base of all tables of the file. Frozen; refuses unknown keys, infinity and NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class WeightedPart(SchemaTable):
    """A part with its share of a whole."""

    share: Chance


def validate_shares(shares: tuple[float, ...]) -> tuple[float, ...]:
    """The shares. Raises ValueError unless they add up to 1."""
    total = fsum(shares)
    if abs(total - 1) > TOLERANCE:
        raise ValueError(f"the shares add up to {total:.10g}, not 1")
    return shares


def _validate_share_map(shares: dict[str, float]) -> dict[str, float]:
    validate_shares(tuple(shares.values()))
    return shares


WeightedPartT = TypeVar("WeightedPartT", bound=WeightedPart)


def _validate_parts(parts: tuple[WeightedPartT, ...]) -> tuple[WeightedPartT, ...]:
    validate_shares(tuple(one.share for one in parts))
    return parts


ValueT = TypeVar("ValueT")


def _require_every_cause(found: dict[Cause, ValueT]) -> dict[Cause, ValueT]:
    missing = [cause.value for cause in Cause if cause not in found]
    if missing:
        raise ValueError(f"nothing is said of {', '.join(missing)}")
    return found


ShareByName = Annotated[dict[Name, Chance], AfterValidator(_validate_share_map)]
CompleteParts = Annotated[tuple[WeightedPartT, ...], AfterValidator(_validate_parts)]
ByEveryCause = Annotated[dict[Cause, ValueT], AfterValidator(_require_every_cause)]
