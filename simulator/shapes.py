"""What sections of `assumptions.toml` are made of: numbers within bounds, shares that add up to 1."""

from math import fsum
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.classifier.taxonomy import Cause

TOLERANCE: Final = 1e-9
"""How far shares may be from adding up to 1."""

Chance = Annotated[float, Field(strict=True, ge=0, le=1)]
"""Also a share."""
Factor = Annotated[float, Field(strict=True, ge=0, le=10)]
Name = Annotated[str, Field(min_length=1, max_length=80)]
Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]


class Table(BaseModel):
    """Frozen; a key that isn't known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Part(Table):
    """One of several that make up a whole."""

    share: Chance


def whole(shares: tuple[float, ...]) -> tuple[float, ...]:
    """The shares. Raises ValueError unless they add up to 1."""
    total = fsum(shares)
    if abs(total - 1) > TOLERANCE:
        raise ValueError(f"the shares add up to {total:.10g}, not 1")
    return shares


def _shared(shares: dict[str, float]) -> dict[str, float]:
    whole(tuple(shares.values()))
    return shares


PartT = TypeVar("PartT", bound=Part)


def _parted(parts: tuple[PartT, ...]) -> tuple[PartT, ...]:
    whole(tuple(one.share for one in parts))
    return parts


SaidT = TypeVar("SaidT")


def _complete(found: dict[Cause, SaidT]) -> dict[Cause, SaidT]:
    missing = [cause.value for cause in Cause if cause not in found]
    if missing:
        raise ValueError(f"nothing is said of {', '.join(missing)}")
    return found


ShareByName = Annotated[dict[Name, Chance], AfterValidator(_shared)]
Whole = Annotated[tuple[PartT, ...], AfterValidator(_parted)]
ByEveryCause = Annotated[dict[Cause, SaidT], AfterValidator(_complete)]
