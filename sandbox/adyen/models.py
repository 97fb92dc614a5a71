"""What the control routes of the fake Adyen take and give."""

from typing import Any

from pydantic import BaseModel, Field

from sandbox.models import ControlAction, DeliveryResult, ScriptedFailure


class FailedPayment(ScriptedFailure):
    """A recurring payment that was refused, with the token that was tried."""

    invoice_id: str | None = Field(None, description="the merchantReference")
    customer_id: str | None = Field(None, description="the shopperReference")
    payment_method_id: str | None = Field(None, description="the token (storedPaymentMethodId)")
    amount: int = Field(2000, gt=0)
    currency: str = Field("USD", pattern="^[A-Za-z]{3}$")
    decline_code: str = Field("Not enough balance", description="a refusal reason or its code")
    raw: str | None = Field(None, description="refusalReasonRaw")
    mac: str | None = Field(None, description="merchantAdviceCode")
    payment_method: str = "visa"
    country: str = "DE"
    funding: str = "CREDIT"
    last4: str = "1111"
    email: str | None = Field("jenny.rosen@example.com", description="shopperEmail; null: not told")
    name: str | None = Field("Jenny Rosen", description="cardHolderName")
    phone: str | None = Field(None, description="shopperTelephone")
    locale: str | None = Field(None, description="shopperLocale, e.g. de_DE")
    shopper_country: str | None = Field(None, description="shopperCountry")
    shopper_interaction: str | None = Field(None, description="shopperInteraction; null: that setting is off")
    processing_model: str | None = Field(None, description="recurringProcessingModel; null: not told")
    stored: bool = Field(True, description="whether the payment details were stored: without that no token is told")
    authorises: int | None = Field(None, gt=0, description="at most so much of a later charge, which is then a part")
    rescue_scheduled: bool = False
    event_date: int | None = Field(None, description="seconds since 1970; left out: now")
    live: bool = False


class FailedPaymentIds(BaseModel):
    """The names of a refused payment, and of its (recorded) webhook item."""

    invoice: str
    customer: str
    payment_method: str
    psp_reference: str
    event: str
    deliveries: list[DeliveryResult] = Field(default_factory=list)


class PaymentEvent(ControlAction):
    """Something that Adyen tells about a payment. Money is booked where an authorisation or a rescue succeeds.

    What follows a payment (a capture, a refund, a chargeback) names it as `originalReference`.
    """

    event_code: str
    success: bool = True
    reason: str = ""
    additional: dict[str, Any] = Field(default_factory=dict)
    amount: int | None = Field(None, gt=0, description="a part of the payment; left out: all of it")
    reference: str | None = Field(None, description="the step's own merchantReference; left out: the payment's")


class Rescue(ControlAction):
    """How Auto Rescue goes on and ends: tries that were refused, then AUTORESCUE."""

    tries: int = Field(1, ge=0, le=10, description="refused tries before the end")
    success: bool = Field(False, description="whether a last try brought the money")
    reason: str = Field("retryWindowHasElapsed", description="why it ended without the money")
    refusal: str = Field("Not enough balance", description="what the tries were refused with")
