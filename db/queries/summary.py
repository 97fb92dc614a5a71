"""Sums of recoveries for `/v1/summary`: per currency, and within a currency by cause, segment, strategy or arm."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from core.base import Value
from db.queries import figures
from db.queries.figures import Dimension, Figure
from db.session import Session

LOST_STATES: Final = figures.LOST_STATES
SUMMARY_GROUPS: Final = ("cause", "segment", "strategy")
ARMS: Final = ("experiment", "arm")
DIMENSIONS: Final = {
    ("currency",): Dimension.ALL,
    ("cause",): Dimension.CAUSE,
    ("segment",): Dimension.SEGMENT,
    ("strategy",): Dimension.STRATEGY,
    ARMS: Dimension.ARM,
}


class Sums(Value):
    """Numbers of recoveries, and amounts in minor units of one currency; `db.queries.figures` defines each."""

    at_risk: int = 0
    """Open amount of open recoveries."""
    recovered: int = 0
    """Gross: all payments before the end, including partial payments of open and lost recoveries."""
    lost: int = 0
    """Open amount of recoveries that ended unpaid, canceled ones included; not of those out of scope."""
    paid_late: int = 0
    """Payments after an end as unpaid."""
    returned: int = 0
    """Payments returned after the end."""
    open_count: int = 0
    recovered_count: int = 0
    lost_count: int = 0

    @property
    def net(self) -> int:
        """Money received and kept: recovered + paid_late - returned, in minor units."""
        return self.recovered + self.paid_late - self.returned


class Group(Value):
    """Sums of the recoveries that share these values of the grouping columns; None is not known yet."""

    keys: tuple[str | None, ...]
    sums: Sums


async def load_sums_by_currency(
    session: Session,
    groupings: Sequence[tuple[str, ...]],
    since: datetime,
    until: datetime,
    currency: str | None = None,
) -> dict[str, dict[tuple[str, ...], list[Group]]]:
    """Sums of the recoveries that opened in [since, until), by one statement: by currency, then by grouping.

    Each grouping is a key of DIMENSIONS; in its list, what is unknown comes last. `currency` is compared without case.
    """
    dimensions = {DIMENSIONS[columns]: columns for columns in groupings}
    found = await figures.read_figures(session, since, until, tuple(dimensions), currency=currency)
    return {
        name: {
            columns: _group_figures([one for one in found if one.currency == name and one.dimension is by], columns)
            for by, columns in dimensions.items()
        }
        for name in sorted({one.currency for one in found})
    }


def _group_figures(found: Iterable[Figure], columns: tuple[str, ...]) -> list[Group]:
    groups: dict[tuple[str | None, ...], Sums] = {}
    for one in found:
        keys = _group_keys(one, columns)
        groups[keys] = _add_figure(groups.get(keys, Sums()), one)
    return [Group(keys=keys, sums=groups[keys]) for keys in sorted(groups, key=_key_order)]


def _group_keys(figure: Figure, columns: tuple[str, ...]) -> tuple[str | None, ...]:
    if columns == ("currency",):
        return (figure.currency,)
    return (figure.name, figure.part)[: len(columns)]


def _add_figure(known: Sums, figure: Figure) -> Sums:
    return Sums(**{name: getattr(known, name) + getattr(figure, name) for name in Sums.model_fields})


def _key_order(keys: tuple[str | None, ...]) -> tuple[tuple[bool, str], ...]:
    """Sorts None last."""
    return tuple((key is None, key or "") for key in keys)
