"""Whose payment it is: disputes and fraud warnings name a payment, and neither invoice nor customer."""

import asyncio

from core.payments import ProviderEvent
from providers.fields import Fields
from providers.stripe.api import StripeApi, path, refusal

_CHARGES = ("ch_", "py_")


async def resolve(api: StripeApi, event: ProviderEvent) -> ProviderEvent:
    """The event with the invoice and customer that Stripe knows; as it is where there is nothing to find.

    Raises ProviderUnavailable, NotAllowed or Unfit: money that goes back must not be lost for want of a right.
    """
    if event.payment_id is None or (event.invoice_id and event.customer_id):
        return event
    charge = await _charge(api, event.payment_id)
    intent_id = charge.id("payment_intent") or (None if charge else event.payment_id)
    intent, invoice_id = await asyncio.gather(_intent(api, intent_id, charge), _invoice_of(api, intent_id))
    found = {
        "invoice_id": event.invoice_id or invoice_id or charge.id("invoice") or intent.id("invoice"),
        "customer_id": event.customer_id or charge.id("customer") or intent.id("customer"),
    }
    return event.model_copy(update=found)


async def _charge(api: StripeApi, payment_id: str) -> Fields:
    return await _read(api, "charges", payment_id) if payment_id.startswith(_CHARGES) else Fields({})


async def _intent(api: StripeApi, intent_id: str | None, charge: Fields) -> Fields:
    """Not asked for where the charge already named the customer."""
    return await _read(api, "payment_intents", intent_id) if intent_id and not charge else Fields({})


async def _read(api: StripeApi, kind: str, object_id: str) -> Fields:
    answer = await api.get(path(kind, object_id))
    if answer.status in {401, 403}:
        raise refusal(answer, "whose payment it is")
    return answer.fields if answer.ok else Fields({})


async def _invoice_of(api: StripeApi, intent_id: str | None) -> str | None:
    """The way back from a payment to its invoice since API version 2025-03-31."""
    if intent_id is None:
        return None
    payment = {"type": "payment_intent", "payment_intent": intent_id}
    answer = await api.get(path("invoice_payments"), payment=payment)
    if answer.status in {401, 403}:
        raise refusal(answer, "whose payment it is")
    found = answer.fields.items("data") if answer.ok else ()
    return found[0].id("invoice") if found else None
