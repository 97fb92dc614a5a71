"""What the control routes take and give: the vocabulary shared by the server, its client and the samples."""

import hashlib
import secrets
import string
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Document = dict[str, Any]


class Shape(StrEnum):
    """The two families of invoice objects that Stripe has: before and since 2025-03-31."""

    LEGACY = "legacy"
    BASIL = "basil"


class ControlModel(BaseModel):
    """Frozen, and an unknown field is an error: a typo in a test must not pass silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Card(ControlModel):
    """The card behind a payment method; without a fingerprint each payment method is a card of its own."""

    brand: str = "visa"
    last4: str = Field("4242", pattern=r"^\d{4}$")
    exp_month: int = Field(12, ge=1, le=12)
    exp_year: int = 2030
    country: str = "US"
    funding: str = "credit"
    fingerprint: str | None = None


class Delivery(ControlModel):
    """How webhooks leave the sandbox; everything left out is as the sandbox was started."""

    shape: Shape | None = None
    copies: int = Field(1, ge=1, le=1000)
    concurrency: int = Field(1, ge=1, le=200)
    delay: float = Field(0.0, ge=0, description="seconds before the first try")
    reverse: bool = Field(False, description="several events of one action leave in reverse order")
    skew: int = Field(0, description="seconds added to the signed timestamp")
    secret: str | None = None
    url: str | None = None
    retry: bool = Field(True, description="try again on other answers than 2xx and on lost connections")
    wait: bool = Field(False, description="answer only when every delivery has ended")


class Decline(ControlModel):
    """Why a charge failed, in Stripe's own words; `code` follows from `decline_code` when left out."""

    decline_code: str = "insufficient_funds"
    code: str | None = None
    advice_code: str | None = None
    network_decline_code: str | None = None
    network_advice_code: str | None = None
    message: str | None = None
    outcome_type: str = "issuer_declined"
    reason: str | None = None
    network_status: str = "declined_by_network"
    risk_level: str = "normal"
    risk_score: int = 20


class FailedInvoice(Decline):
    """A customer, a card, and an invoice whose payment has failed, ready-made in one call."""

    account: str | None = Field(None, description="the connected account whose invoice it is")
    invoice_id: str | None = None
    customer_id: str | None = None
    payment_method_id: str | None = None
    method_type: str = Field("card", description="Stripe's type of the payment method")
    no_method: bool = Field(False, description="nothing is stored: no charge, no error on the intent")
    amount: int = Field(2000, gt=0)
    currency: str = Field("usd", pattern="^[a-z]{3}$")
    card: Card = Card()
    email: str | None = "jenny.rosen@example.com"
    name: str | None = "Jenny Rosen"
    country: str | None = "US"
    customer_metadata: dict[str, str] = Field(default_factory=dict)
    metadata: dict[str, str] = Field(default_factory=dict)
    subscription: str | bool = Field(True, description="an id, or whether there is a subscription at all")
    attempt_count: int = 1
    auto_advance: bool = False
    next_payment_attempt: int | None = None
    created: int | None = None
    customer_created: int | None = None
    livemode: bool = False
    requires_action: bool = Field(False, description="the payment waits for the customer instead of a decline")
    next_action: str = Field("use_stripe_sdk", description="for what it waits then")
    invoice_fields: Document = Field(default_factory=dict, description="Stripe's fields of the invoice, as they are")
    subscription_fields: Document = Field(default_factory=dict, description="the same of its subscription")
    test_clock: str | None = Field(None, description="the clock that the customer lives on")
    script: tuple[str, ...] = ()
    default: str = "succeed"
    echo: bool = True
    echo_delivery: Delivery = Delivery()
    unguarded: bool = False
    delivery: Delivery | None = Field(None, description="send the failure webhook at once; left out: not sent")


class FailedInvoiceIds(BaseModel):
    """The ids of a ready-made failed invoice, and of its (recorded) failure event."""

    invoice: str
    customer: str
    payment_method: str
    payment_intent: str
    charge: str | None
    invoice_payment: str
    subscription: str | None
    event: str
    deliveries: list["DeliveryResult"] = Field(default_factory=list)


class Script(ControlModel):
    """What the next pay calls of an invoice do; fields left out stay as they are."""

    outcomes: tuple[str, ...] | None = None
    append: bool = False
    default: str | None = None
    echo: bool | None = None
    echo_delivery: Delivery | None = None
    unguarded: bool | None = None


class KeyRights(ControlModel):
    """What became of an API key; unknown keys may do everything."""

    revoked: bool = False
    lacks: tuple[str, ...] = Field((), description="permissions such as customer_read")


class Fault(ControlModel):
    """A scripted fault of every call whose path fits the pattern, for a number of times."""

    path: str = Field(description="pattern with *, e.g. /v1/invoices/in_1")
    method: str = "GET"
    outcome: str = "error:500"
    times: int = Field(1, ge=1)


class DeliveryResult(BaseModel):
    """One webhook delivery: the last answer, and how many tries it took."""

    event: str
    type: str
    status: int | None = None
    body: Any = None
    error: str | None = None
    tries: int = 0


class ActionResult(BaseModel):
    """What an action caused: the recorded events, and their deliveries when one waited for them."""

    events: list[Document] = Field(default_factory=list)
    deliveries: list[DeliveryResult] = Field(default_factory=list)


class LedgerEntry(BaseModel):
    """One successful charge. Entries are never changed or removed."""

    sequence: int
    invoice: str
    charge: str
    payment_intent: str
    payment_method: str | None
    amount: int
    currency: str
    at: int
    origin: str
    idempotency_key: str | None


class LogEntry(BaseModel):
    """One request as the sandbox saw it; `status` is null while it runs, 0 when the connection was dropped."""

    sequence: int
    at: int
    wall: float
    method: str
    path: str
    params: Document
    idempotency_key: str | None
    stripe_version: str | None
    invoice: str | None
    status: int | None
    replayed: bool
    outcome: str | None


ID_ALPHABET = string.ascii_letters + string.digits


def new_object_id(prefix: str) -> str:
    """A fresh identifier such as `in_1Sb8…`: the prefix, `_1`, and 23 random letters and digits."""
    return f"{prefix}_1{''.join(secrets.choice(ID_ALPHABET) for _ in range(23))}"


def stable_fingerprint(*parts: object) -> str:
    """16 characters that are the same for the same card."""
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16]
