"""What the address of the list says: filter, order and place; read kindly, since people write addresses, too."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from starlette.datastructures import QueryParams

from api.admin.words import label
from core.classifier.taxonomy import Cause
from core.errors import InvalidPolicy
from core.events import State
from core.money import currency_decimals
from core.retry.policy import Policy
from db.repositories.desk import Order, RecoveryFilters, Sort

LONGEST: Final = 255
WITHIN: Final[Mapping[str, tuple[str, timedelta]]] = {
    "1h": ("the next hour", timedelta(hours=1)),
    "6h": ("the next 6 hours", timedelta(hours=6)),
    "24h": ("the next 24 hours", timedelta(hours=24)),
    "3d": ("the next 3 days", timedelta(days=3)),
    "7d": ("the next 7 days", timedelta(days=7)),
}
"""Those that are overdue are in each of them."""
OPEN: Final = "open"
"""All states that are not the end."""
ORDERS: Final[Mapping[str, Order]] = {
    "opened": Order.OPENED, "next": Order.NEXT, "amount": Order.AMOUNT, "changed": Order.UPDATED,
}  # fmt: skip
NAMES: Final = (
    "q", "state", "cause", "segment", "provider", "strategy", "currency", "from", "to", "within", "sort", "way",
)  # fmt: skip
LARGEST: Final = 2**63 - 1
"""What the column holds."""


@dataclass(frozen=True)
class Narrowing:
    """The list that is wanted."""

    chosen: dict[str, str]
    """As it stands in the address; what is not there is empty."""
    filters: RecoveryFilters
    sort: Sort
    problems: tuple[str, ...]
    """What could not be understood, and was left out."""

    @property
    def narrowed(self) -> bool:
        """Whether anything is left out at all."""
        return any(self.chosen[name] for name in NAMES if name not in {"sort", "way"})


def narrowing(given: QueryParams | Mapping[str, str], now: datetime) -> Narrowing:
    """Never raises."""
    chosen = {name: _text(given.get(name, "")) for name in NAMES}
    problems: list[str] = []
    filters = RecoveryFilters(
        states=_states(chosen["state"], problems),
        cause=_one_of(Cause, chosen["cause"], "cause", problems),
        segment=chosen["segment"] or None,
        provider=chosen["provider"] or None,
        strategy=chosen["strategy"] or None,
        currency=chosen["currency"].upper() or None,
        amount_min=_minor(chosen, "from", problems),
        amount_max=_minor(chosen, "to", problems),
        next_attempt_to=now + WITHIN[chosen["within"]][1] if chosen["within"] in WITHIN else None,
        q=chosen["q"] or None,
    )
    return Narrowing(chosen, filters, _sort(chosen), tuple(problems))


def _text(given: str) -> str:
    return "".join(one for one in given if one.isprintable()).strip()[:LONGEST]


def _states(name: str, problems: list[str]) -> tuple[State, ...]:
    if name == OPEN:
        return tuple(state for state in State if not state.is_final)
    found = _one_of(State, name, "state", problems)
    return (found,) if found else ()


def _one_of(kind: Any, name: str, label: str, problems: list[str]) -> Any:
    if not name:
        return None
    try:
        return kind(name)
    except ValueError:
        problems.append(f"There is no {label} “{name}”.")
        return None


def _minor(chosen: Mapping[str, str], name: str, problems: list[str]) -> int | None:
    """Typed in major units. Without a currency, amounts are taken to have two decimals."""
    typed = chosen[name].replace(" ", "").replace("\N{NO-BREAK SPACE}", "")
    if not typed:
        return None
    try:
        minor = Decimal(_point(typed)).scaleb(currency_decimals(chosen["currency"] or "EUR"))
        if 0 <= minor <= LARGEST:
            return int(minor)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    problems.append(f"“{chosen[name]}” is no amount; write it like 49.00.")
    return None


def _point(typed: str) -> str:
    """`1,234.50`, `1.234,50` and `49,5` as people type them; a lone comma before three digits separates thousands."""
    last = max(typed.rfind(","), typed.rfind("."))
    if last == -1:
        return typed
    whole, fraction = typed[:last], typed[last + 1 :]
    thousands = typed[last] == "," and len(fraction) == 3 and "." not in whole
    whole = whole.replace(",", "").replace(".", "")
    return whole + fraction if thousands else f"{whole}.{fraction}"


def _sort(chosen: Mapping[str, str]) -> Sort:
    by = ORDERS.get(chosen["sort"], Order.OPENED)
    # Whoever asks for the next attempts wants the soonest first; of anything else the newest or the most.
    usual = by is not Order.NEXT
    return Sort(by=by, descending={"up": False, "down": True}.get(chosen["way"], usual))


def options(
    policy: Callable[[], Policy], providers: Iterable[str], chosen: Mapping[str, str]
) -> dict[str, list[tuple[str, str]]]:
    """What can be chosen: what the policy and the providers know, and whatever the address says."""
    try:
        rules = policy()
    except InvalidPolicy:  # the list must open all the same
        known: dict[str, list[str]] = {"segment": [], "strategy": []}
    else:
        known = {"segment": [one.name for one in rules.segments], "strategy": list(rules.strategies)}
    known["provider"] = list(providers)
    return {name: [(one, label(one)) for one in _with(found, chosen[name])] for name, found in known.items()}


def _with(known: Iterable[str], chosen: str) -> list[str]:
    return sorted({*known, *filter(None, (chosen,))})
