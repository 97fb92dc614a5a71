"""Parses filter and order from the address of the list. Tolerant, since people edit addresses too."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from starlette.datastructures import QueryParams

from api.admin.formatting import to_label
from core.classification.taxonomy import Cause
from core.errors import InvalidPolicy
from core.events import State
from core.money import to_minor_units
from core.policy.policy import Policy
from db.queries.recovery_search import Order, RecoveryFilters, Sort
from db.repositories.customer_identities import find_customer_id
from db.session import Session

LONGEST_TEXT: Final = 255
ATTEMPT_WINDOWS: Final[Mapping[str, tuple[str, timedelta]]] = {
    "1h": ("the next hour", timedelta(hours=1)),
    "6h": ("the next 6 hours", timedelta(hours=6)),
    "24h": ("the next 24 hours", timedelta(hours=24)),
    "3d": ("the next 3 days", timedelta(days=3)),
    "7d": ("the next 7 days", timedelta(days=7)),
}
"""Labels and lengths of the filter on the next attempt. Overdue attempts match each of them."""
ALL_OPEN: Final = "open"
"""Value of the state filter for all open states."""
SORT_ORDERS: Final[Mapping[str, Order]] = {
    "opened": Order.OPENED, "next": Order.NEXT, "amount": Order.AMOUNT, "changed": Order.UPDATED,
}  # fmt: skip
QUERY_NAMES: Final = (
    "q", "state", "cause", "segment", "provider", "strategy", "currency", "from", "to", "within", "sort", "way",
)  # fmt: skip
LARGEST_AMOUNT: Final = 2**63 - 1
"""The largest value of the column (bigint)."""


@dataclass(frozen=True)
class ListQuery:
    """The parsed query of the list."""

    chosen: dict[str, str]
    """Each of QUERY_NAMES as in the address; empty if it is not there."""
    filters: RecoveryFilters
    sort: Sort
    problems: tuple[str, ...]
    """Sentences about values that could not be understood and were ignored."""

    @property
    def is_filtered(self) -> bool:
        """Whether any filter is set."""
        return any(self.chosen[name] for name in QUERY_NAMES if name not in {"sort", "way"})


def parse_list_query(given: QueryParams | Mapping[str, str], now: datetime) -> ListQuery:
    """The query of an address. Never raises: values that can't be understood are ignored and listed in `problems`."""
    chosen = {name: _clean_text(given.get(name, "")) for name in QUERY_NAMES}
    problems: list[str] = []
    filters = RecoveryFilters(
        states=_parse_states(chosen["state"], problems),
        cause=_parse_choice(Cause, chosen["cause"], "cause", problems),
        segment=chosen["segment"] or None,
        provider=chosen["provider"] or None,
        strategy=chosen["strategy"] or None,
        currency=chosen["currency"].upper() or None,
        amount_min=_parse_minor_units(chosen, "from", problems),
        amount_max=_parse_minor_units(chosen, "to", problems),
        next_attempt_to=now + ATTEMPT_WINDOWS[chosen["within"]][1] if chosen["within"] in ATTEMPT_WINDOWS else None,
        q=chosen["q"] or None,
    )
    return ListQuery(chosen, filters, _parse_sort(chosen), tuple(problems))


async def search_known_customer(session: Session, wanted: ListQuery, keys: Sequence[bytes]) -> ListQuery:
    """The query, searching for the hashed id where `q` is a customer's id that names a person."""
    if not wanted.filters.q:
        return wanted
    known = await find_customer_id(session, wanted.filters.q, keys)
    return replace(wanted, filters=wanted.filters.model_copy(update={"q": known}))


def _clean_text(given: str) -> str:
    return "".join(one for one in given if one.isprintable()).strip()[:LONGEST_TEXT]


def _parse_states(name: str, problems: list[str]) -> tuple[State, ...]:
    if name == ALL_OPEN:
        return tuple(state for state in State if not state.is_final)
    found = _parse_choice(State, name, "state", problems)
    return (found,) if found else ()


def _parse_choice(kind: Any, name: str, label: str, problems: list[str]) -> Any:
    if not name:
        return None
    try:
        return kind(name)
    except ValueError:
        problems.append(f"There is no {label} “{name}”.")
        return None


def _parse_minor_units(chosen: Mapping[str, str], name: str, problems: list[str]) -> int | None:
    """An amount typed in major units as minor units. Without a currency, two decimals are assumed."""
    typed = chosen[name].replace(" ", "").replace("\N{NO-BREAK SPACE}", "")
    if not typed:
        return None
    try:
        minor = to_minor_units(Decimal(_normalise_decimal(typed)), chosen["currency"] or "EUR")
        if 0 <= minor <= LARGEST_AMOUNT:
            return int(minor)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    problems.append(f"“{chosen[name]}” is no amount; write it like 49.00.")
    return None


def _normalise_decimal(typed: str) -> str:
    """A number as `Decimal` reads it, from `1,234.50`, `1.234,50` or `49,5`.

    A single comma before exactly three digits separates thousands.
    """
    last = max(typed.rfind(","), typed.rfind("."))
    if last == -1:
        return typed
    whole, fraction = typed[:last], typed[last + 1 :]
    thousands = typed[last] == "," and len(fraction) == 3 and "." not in whole
    whole = whole.replace(",", "").replace(".", "")
    return whole + fraction if thousands else f"{whole}.{fraction}"


def _parse_sort(chosen: Mapping[str, str]) -> Sort:
    by = SORT_ORDERS.get(chosen["sort"], Order.OPENED)
    # By default the next attempts are shown soonest first, everything else newest or largest first.
    usual = by is not Order.NEXT
    return Sort(by=by, descending={"up": False, "down": True}.get(chosen["way"], usual))


def filter_options(
    policy: Callable[[], Policy], providers: Iterable[str], chosen: Mapping[str, str]
) -> dict[str, list[tuple[str, str]]]:
    """The choices of each filter: values of the active policy and the providers, and the value in the address."""
    try:
        rules = policy()
    except InvalidPolicy:  # the list must open all the same
        known: dict[str, list[str]] = {"segment": [], "strategy": []}
    else:
        known = {"segment": [one.name for one in rules.segments], "strategy": list(rules.strategies)}
    known["provider"] = list(providers)
    return {name: [(one, to_label(one)) for one in _sorted_with(found, chosen[name])] for name, found in known.items()}


def _sorted_with(known: Iterable[str], chosen: str) -> list[str]:
    return sorted({*known, *filter(None, (chosen,))})
