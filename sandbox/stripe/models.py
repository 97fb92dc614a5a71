"""What the control routes of the fake Stripe take and give."""

from pydantic import BaseModel, Field

from sandbox.models import Card, ControlModel, Decline, DeliveryResult, Document, ScriptedFailure


class FailedInvoice(Decline, ScriptedFailure):
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
    unguarded: bool = False


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
    deliveries: list[DeliveryResult] = Field(default_factory=list)


class KeyRights(ControlModel):
    """What became of an API key; unknown keys may do everything."""

    revoked: bool = False
    lacks: tuple[str, ...] = Field((), description="permissions such as customer_read")
