"""What recoveries came to, in sums of the read model: per currency, and within one by cause, segment, strategy, arm."""

from datetime import datetime
from typing import Final

from core.base import Value
from db.queries import figures
from db.queries.figures import Dimension, Figure
from db.session import Session

LOST_STATES: Final = figures.LOST_STATES
SUMMARY_GROUPS: Final = ("cause", "segment", "strategy")
DIMENSIONS: Final = {
    ("currency",): Dimension.ALL,
    ("cause",): Dimension.CAUSE,
    ("segment",): Dimension.SEGMENT,
    ("strategy",): Dimension.STRATEGY,
    ("experiment", "arm"): Dimension.ARM,
}


class Sums(Value):
    """Some recoveries: how many, and their amounts in minor units."""

    at_risk: int = 0
    """Of those that go on."""
    recovered: int = 0
    """Gross: all that came before the end, parts of open and lost ones among it."""
    lost: int = 0
    """Closed without the money, canceled ones among them; not those out of scope."""
    paid_late: int = 0
    """What came after an end without it."""
    returned: int = 0
    """What went back after the end."""
    open_count: int = 0
    recovered_count: int = 0
    lost_count: int = 0

    @property
    def net(self) -> int:
        """What came and stayed, before the end and after it."""
        return self.recovered + self.paid_late - self.returned


class Group(Value):
    """The sums of the recoveries that share these values."""

    keys: tuple[str | None, ...]
    sums: Sums


async def load_sums(
    session: Session, columns: tuple[str, ...], since: datetime, until: datetime, currency: str | None = None
) -> list[Group]:
    """Recoveries that opened in [since, until), grouped by these columns (a key of DIMENSIONS).

    Currencies are compared without case; by anything but the currency, they are not told apart.
    """
    found = await figures.read_figures(session, since, until, (DIMENSIONS[columns],), currency=currency)
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
    """What isn't known comes last."""
    return tuple((key is None, key or "") for key in keys)
