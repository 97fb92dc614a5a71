"""What the contract suite must know of a provider: its webhooks, and how its sandbox is controlled.

A provider joins with one class that has these attributes, listed in `subjects.py`.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from core.classification.taxonomy import Cause
from core.payments import ChargeOrder
from providers.base import Gateway, Provider


class Key(StrEnum):
    """Which secret signs a webhook."""

    NEWEST = "newest"
    OLDER = "older"
    FOREIGN = "foreign"


class WebhookKind(StrEnum):
    """What a webhook reports; every provider has each of these."""

    FAILED = "failed"
    FAILED_AGAIN = "failed_again"
    """A later try of the same invoice by the provider itself, or by the merchant's billing."""
    PAID = "paid"
    DISPUTED = "disputed"
    UNUSED = "unused"
    """An event of a type that means nothing to a recovery."""


@dataclass(frozen=True)
class SignedWebhook:
    """A webhook as it goes over the wire; header names are lower case."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class FailedPayment:
    """A payment that failed in the sandbox."""

    invoice_id: str
    amount: int
    currency: str
    customer_id: str | None = None
    method_id: str | None = None
    charge_before: str | None = None


class BookedCharge(Protocol):
    """A successful charge in the provider's books."""

    @property
    def amount(self) -> int: ...


class PayCall(Protocol):
    """A pay call as the sandbox received it."""

    @property
    def idempotency_key(self) -> str | None: ...


class ProviderControl(Protocol):
    """The control side of the sandbox: scripts the pay calls and reads the provider's books."""

    async def fail_payment(self, *script: str, cause: Cause = ..., deliver: bool = False) -> FailedPayment:
        """A failed payment of this cause; `script` holds the results of the next pay calls (sandbox/outcomes.py).

        `deliver`: its webhook is sent to the endpoint, and answered, before this returns. Echoes of pay calls are off
        unless it is delivered.
        """

    async def ledger(self, invoice: str | None = None) -> list[Any]:
        """The successful charges in order."""

    async def pay_calls(self, invoice: str) -> list[Any]:
        """The pay calls of an invoice in order, repeats included."""


class Subject(Protocol):
    """One provider under contract."""

    name: str
    causes: Mapping[Cause, str]
    """For each cause that it can tell, a code of its own table as `Failure.code`."""

    def provider(self, address: str = "http://127.0.0.1:9") -> Provider:
        """Configured with two webhook secrets, its API at the sandbox's base address."""

    def gateway(self, address: str, seconds: float) -> Gateway:
        """The provider's gateway at the sandbox, which times out after so many seconds."""

    def signed_webhook(
        self, kind: WebhookKind, invoice: str, *, key: Key = Key.NEWEST, cause: Cause | None = None
    ) -> SignedWebhook:
        """A signed webhook about this invoice. The same arguments give the same event."""

    def tamper_amount(self, webhook: SignedWebhook) -> SignedWebhook:
        """The same webhook with its amount changed behind the signature."""

    def strip_signature(self, webhook: SignedWebhook) -> SignedWebhook:
        """The same webhook without any signature."""

    def open_control(self, address: str) -> AbstractAsyncContextManager[ProviderControl]:
        """The control side of the fake gateway in the sandbox at this address."""


def order_for_failed(subject: Subject, failed: FailedPayment, **changes: Any) -> ChargeOrder:
    """The first charge order for a failed payment, made now."""
    plain: dict[str, Any] = {
        "provider": subject.name,
        "invoice_id": failed.invoice_id,
        "attempt": 1,
        "idempotency_key": f"pri-{subject.name}-{failed.invoice_id}-1",
        "amount": failed.amount,
        "currency": failed.currency,
        "customer_id": failed.customer_id,
        "last_method_id": failed.method_id,
        "charge_before": failed.charge_before,
        "requested_at": datetime.now(UTC),
    }
    return ChargeOrder.model_validate(plain | changes)
