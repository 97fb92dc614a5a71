"""What a round leaves behind, as plain data: the gateway's books, the event log, the inbox, mails, Temporal's runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
"""A row of `event_log` with all its columns, as a database driver returns it."""


@dataclass(frozen=True)
class PayCall:
    """A pay call in the gateway's log. `wall` in seconds since 1970; `status` 0 is a dropped connection, None unended.

    `card` is the fingerprint of the card behind it, `amount` in minor units.
    """

    sequence: int
    invoice: str
    key: str | None
    wall: float
    status: int | None
    replayed: bool
    card: str
    network: str
    amount: int


@dataclass(frozen=True)
class Charge:
    """A successful charge in the gateway's ledger. `origin` says who made it."""

    invoice: str
    charge: str
    origin: str


@dataclass(frozen=True)
class InboxRow:
    """A stored webhook and what became of it."""

    event_id: str
    outcome: str | None
    reason: str | None
    recovery_id: str | None


@dataclass(frozen=True)
class KeyLifetime:
    """How many seconds the gateway keeps idempotency keys, and since when that is so, in seconds since 1970."""

    seconds: float = 86_400.0
    since: float = 0.0


@dataclass(frozen=True)
class Evidence:
    """Everything that the checker looks at. `rows` in any order; `accepted` are ids of webhooks answered with 2xx."""

    pay_calls: tuple[PayCall, ...] = ()
    charges: tuple[Charge, ...] = ()
    rows: tuple[Row, ...] = ()
    inbox: tuple[InboxRow, ...] = ()
    accepted: tuple[str, ...] = ()
    mails: tuple[str, ...] = ()
    """The Message-ID of each mail that arrived."""
    running: frozenset[str] = frozenset()
    """Ids of the workflows that run."""
    failed: frozenset[str] = frozenset()
    """Ids of the workflows with a run that ended as failed or timed out."""
    key_lifetime: KeyLifetime = KeyLifetime()
    read_at: float = 0.0
    """When it was read, in seconds since 1970."""

    def rows_by_recovery(self) -> dict[str, list[Row]]:
        """The rows of each recovery in sequence order."""
        found: dict[str, list[Row]] = {}
        for row in sorted(self.rows, key=lambda row: int(row["sequence"])):
            found.setdefault(row["recovery_id"], []).append(row)
        return found

    def calls_by_invoice(self) -> dict[str, list[PayCall]]:
        """The pay calls of each invoice, in the order in which they reached the gateway."""
        found: dict[str, list[PayCall]] = {}
        for call in sorted(self.pay_calls, key=lambda call: call.sequence):
            found.setdefault(call.invoice, []).append(call)
        return found
