"""What the control routes of the fake Braintree take and give."""

from pydantic import BaseModel, Field

from sandbox.braintree.instruments import Instrument
from sandbox.models import ControlAction, DeliveryResult, ScriptedFailure


class FailedPayment(ScriptedFailure):
    """A subscription's period, or a single order, whose transaction failed."""

    invoice_id: str | None = Field(None, description="SUBSCRIPTION-YYYY-MM-DD, or the order id of a single sale")
    subscription: bool = Field(True, description="false: a single sale, which Braintree itself has tried again")
    customer_id: str | None = None
    payment_method_id: str | None = Field(None, description="the token of the stored method")
    instrument: Instrument = Field(Instrument.CREDIT_CARD, description="what it was tried with")
    vaulted: bool = Field(True, description="false: nothing is stored that could be charged again")
    amount: int = Field(2000, gt=0, description="minor units")
    currency: str = Field("USD", pattern="^[A-Za-z]{3}$")
    decline_code: str = Field(
        "2001", description="a processor response code, a gateway rejection, or a word of `codes`"
    )
    network_code: str | None = None
    mac: str | None = Field(None, description="merchant_advice_code")
    card_type: str = "Visa"
    last4: str = Field("1111", pattern=r"^\d{4}$")
    fingerprint: str | None = Field(None, description="unique number identifier; left out: a card of its own")
    email: str | None = "jenny.rosen@example.com"
    name: str | None = "Jenny Rosen"
    phone: str | None = None
    country: str | None = Field("US", description="ISO 3166, of the billing address")
    custom_fields: dict[str, str] = Field(default_factory=dict, description="the merchant's own, of the customer")
    upcoming_retry_date: str | None = Field(None, description="YYYY-MM-DD: Braintree's own next try")
    created: int | None = Field(None, description="seconds since 1970; left out: now")
    unguarded: bool = False


class FailedTransactionIds(BaseModel):
    """The names of a failed payment, and of its (recorded) webhook."""

    invoice: str
    subscription: str | None
    customer: str
    payment_method: str
    transaction: str
    event: str
    deliveries: list[DeliveryResult] = Field(default_factory=list)


class TransactionEvent(ControlAction):
    """Something that Braintree tells about an invoice. Money is booked where a kind says that it came."""

    kind: str
    reason: str = "fraud"
    decline_code: str = Field("2001", description="of a settlement: 4001 …, or a return code of ACH: R01 …")
    amount: int | None = Field(None, gt=0, description="of a payment, a refund or a dispute; left out: all of it")
    dispute_kind: str = "chargeback"
    reads_settled: bool = Field(False, description="a debit comes back, and its transaction goes on reading `settled`")
