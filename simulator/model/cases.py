"""What is simulated: failed invoices as columns of numbers, beside a book of what many of them share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.base import Value
from core.ids import spread_seed
from core.payments import Card, Failure, Risk
from core.segmentation.rules import CustomerProfile

NEVER: Final = int(np.iinfo(np.int64).max)
"""A moment that doesn't come."""

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


class FailureKind(Value):
    """What a provider says of a failure: the same for many invoices."""

    failure: Failure
    card: Card = Card()
    """Without a fingerprint: every case has a card of its own."""
    risk: Risk = Risk()


class Payer(Value):
    """What decides about a customer and an invoice: the same for many. Minor units."""

    amount: int
    currency: str
    country: str | None = None
    time_zone: str | None = None
    profile: CustomerProfile = CustomerProfile()


@dataclass(frozen=True)
class Codebook:
    """What the columns of `Cases` point at."""

    provider: str
    failures: tuple[FailureKind, ...]
    payers: tuple[Payer, ...]
    names: tuple[str, ...]
    """Invoice ids; jitter depends on them."""
    customers: tuple[str, ...]
    """Customer ids beside `names`; experiments deal by them."""

    @cached_property
    def spread_seeds(self) -> NDArray[np.uint32]:
        """What `core.ids.spread` mixes attempts into, by name."""
        return np.fromiter((spread_seed(name) for name in self.names), dtype=np.uint32, count=len(self.names))


class Case(NamedTuple):
    """One failed invoice. Times in seconds since 1970, UTC."""

    number: int
    """Names its luck."""
    invoice_id: str
    customer_id: str
    kind: FailureKind
    payer: Payer
    failed_at: int
    paid_at: int
    """When the customer pays without us, if the recovery is still open."""
    method_at: int
    """When the customer gives another card."""
    earlier: tuple[int, ...]
    """Tries of this card before the failure, of the same amount."""


@dataclass(frozen=True, eq=False)
class Cases:
    """A chunk of them, one row each."""

    book: Codebook
    number: NDArray[np.uint64]
    name: Integers
    failure: Integers
    payer: Integers
    failed_at: Integers
    paid_at: Integers
    method_at: Integers
    earlier: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """By row; most cards have none."""

    def __len__(self) -> int:
        return len(self.number)

    @cached_property
    def earlier_counts(self) -> Integers:
        """How many tries each card had before."""
        counts = np.zeros(len(self), dtype=np.int64)
        for row, times in self.earlier.items():
            counts[row] = len(times)
        return counts

    def case_at(self, row: int) -> Case:
        """The case in that row."""
        return Case(
            number=int(self.number[row]),
            invoice_id=self.book.names[self.name[row]],
            customer_id=self.book.customers[self.name[row]],
            kind=self.book.failures[self.failure[row]],
            payer=self.book.payers[self.payer[row]],
            failed_at=int(self.failed_at[row]),
            paid_at=int(self.paid_at[row]),
            method_at=int(self.method_at[row]),
            earlier=self.earlier.get(row, ()),
        )


NO_VALUE: Final = -1


class Memo:
    """A table from numbers below `size` to numbers, filled as they turn up."""

    def __init__(self, size: int, ask: Callable[[int], int]) -> None:
        self._known: Integers = np.full(size, NO_VALUE, dtype=np.int64)
        self._ask = ask

    def look_up(self, keys: Integers) -> Integers:
        """The answer to each."""
        found = self._known[keys]
        if (found == NO_VALUE).any():
            for key in np.unique(keys[found == NO_VALUE]).tolist():
                self._known[key] = self._ask(key)
            found = self._known[keys]
        return np.asarray(found)
