"""What the control routes of every fake take and give: shared by server, clients and samples."""

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


class ControlAction(ControlModel):
    """What every provoking call takes: how its events are sent (left out: once, at once)."""

    delivery: Delivery = Delivery()


class CardAction(ControlAction):
    """The new card, or method of another type, and whether it becomes the customer's default."""

    type: str = "card"
    card: Card = Card(last4="5556")
    set_default: bool = True


class RawWebhook(ControlAction):
    """Any JSON or text, signed and sent as it is."""

    event: Document | None = None
    payload: str | None = None


class EventBatch(ControlAction):
    """Recorded events to send again, in this order."""

    events: tuple[str, ...]


class WebhookEndpoint(ControlModel):
    """Where webhooks go from now on."""

    url: str
    secret: str


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


class Script(ControlModel):
    """What the next pay calls of an invoice do; fields left out stay as they are."""

    outcomes: tuple[str, ...] | None = None
    append: bool = False
    default: str | None = None
    echo: bool | None = None
    echo_delivery: Delivery | None = None
    unguarded: bool | None = None


class ScriptedFailure(ControlModel):
    """What every ready-made failed payment takes: the script of its next pay calls, and how its webhooks are sent."""

    script: tuple[str, ...] = ()
    default: str = "succeed"
    echo: bool = True
    echo_delivery: Delivery = Delivery()
    delivery: Delivery | None = Field(None, description="send the failure webhook at once; left out: not sent")

    def to_script(self) -> Script:
        """The script to store, `unguarded` with it where the fake knows that."""
        options = self.model_dump(include={"default", "echo", "echo_delivery", "unguarded"})
        return Script(outcomes=self.script, **options)


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
