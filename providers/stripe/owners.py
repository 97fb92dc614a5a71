"""Whose payment it is: disputes and fraud warnings name a payment, and neither invoice nor customer."""

import asyncio

from core.payments import ProviderEvent
from providers.fields import Fields
from providers.stripe.api import StripeApi, api_path, refusal_error

_CHARGE_PREFIXES = ("ch_", "py_")


async def resolve_event_owner(api: StripeApi, event: ProviderEvent) -> ProviderEvent:
    """The event with the invoice and customer that Stripe knows; as it is where there is nothing to find.

    Raises ProviderUnavailable, NotAllowed or Unfit: money that goes back must not be lost for want of a right.
    """
    if event.payment_id is None or (event.invoice_id and event.customer_id):
        return event
    charge = await _read_charge(api, event.payment_id)
    intent_id = charge.id("payment_intent") or (None if charge else event.payment_id)
    intent, invoice_id = await asyncio.gather(_read_intent(api, intent_id, charge), _find_invoice_id(api, intent_id))
    found = {
        "invoice_id": event.invoice_id or invoice_id or charge.id("invoice") or intent.id("invoice"),
        "customer_id": event.customer_id or charge.id("customer") or intent.id("customer"),
    }
    return event.model_copy(update=found)


async def _read_charge(api: StripeApi, payment_id: str) -> Fields:
    return await _read_object(api, "charges", payment_id) if payment_id.startswith(_CHARGE_PREFIXES) else Fields({})


async def _read_intent(api: StripeApi, intent_id: str | None, charge: Fields) -> Fields:
    """Not asked for where the charge already named the customer."""
    return await _read_object(api, "payment_intents", intent_id) if intent_id and not charge else Fields({})


async def _read_object(api: StripeApi, kind: str, object_id: str) -> Fields:
    answer = await api.get(api_path(kind, object_id))
    if answer.status in {401, 403}:
        raise refusal_error(answer, "whose payment it is")
    return answer.fields if answer.is_success else Fields({})


async def _find_invoice_id(api: StripeApi, intent_id: str | None) -> str | None:
    """The way back from a payment to its invoice since API version 2025-03-31."""
    if intent_id is None:
        return None
    payment = {"type": "payment_intent", "payment_intent": intent_id}
    answer = await api.get(api_path("invoice_payments"), payment=payment)
    if answer.status in {401, 403}:
        raise refusal_error(answer, "whose payment it is")
    found = answer.fields.items("data") if answer.is_success else ()
    return found[0].id("invoice") if found else None
