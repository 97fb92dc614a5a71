"""The payments of one invoice: all of them, the deciding one with its charge, and whether any is under way."""

import asyncio
from dataclasses import dataclass
from typing import Final

from core.errors import ProviderUnavailable
from core.payments import ProviderEvent
from providers.fields import Fields
from providers.stripe.actions import has_plainly_failed, is_under_way
from providers.stripe.api import StripeApi, api_path, refusal_error
from providers.stripe.invoices import Link, link_of, link_to

EMPTY: Final = Fields({})
_CLOSED_STATUSES: Final = frozenset({"paid", "canceled"})
"""Statuses of an invoice payment that is over; a payment without a status is read."""
_PAGE: Final = 100
_MAX_PAGES: Final = 20
"""Pages of payments that are read of one invoice: 2000 payments, so that a faulty server can't cause endless reads."""


@dataclass(frozen=True)
class Payment:
    """The payment of an invoice; intent and charge are empty if there is none or the key may not read it."""

    intent: Fields = EMPTY
    charge: Fields = EMPTY
    missing: tuple[str, ...] = ()

    @property
    def is_processing(self) -> bool:
        """Whether money may still come of it by itself, so that no charge may be made beside it."""
        return is_under_way(self.intent) or self.charge.code("status") == "pending"

    @property
    def charge_status(self) -> str | None:
        """The status of the latest charge, by itself or by its intent's error; None if it isn't known."""
        return self.charge.code("status") or ("failed" if has_plainly_failed(self.intent) else None)


async def read_payments(api: StripeApi, invoice: Fields) -> tuple[Fields, ...]:
    """Every payment of the invoice; those that its own list leaves out are read page by page.

    Raises ProviderUnavailable, NotAllowed if the key may not list payments, and InvalidField.
    """
    found = list(invoice.items("payments"))
    # Listed even if an invoice of the older shape names its intent: a second payment may be under way beside it.
    held = invoice.raw.get("payments")
    more = held is None or (isinstance(held, dict) and Fields(held, "payments.").flag("has_more"))
    last = found[-1].id("id") if found else None
    for _ in range(_MAX_PAGES):
        if not more:
            break
        after: dict[str, object] = {"starting_after": last, "limit": _PAGE} if last else {}
        answer = await _list_payments(api, invoice, after)
        listed = answer.items("data")
        # A compatible server may ignore the filter and list other invoices' payments.
        found += [one for one in listed if one.id("invoice") in {None, invoice.require_id("id")}]
        last = listed[-1].id("id") if listed else None
        more = bool(listed) and answer.flag("has_more")
    return tuple(found)


async def _list_payments(api: StripeApi, invoice: Fields, page: dict[str, object]) -> Fields:
    """One page of payments; empty from a server of the older shape, which doesn't have this list."""
    try:
        answer = await api.get(api_path("invoice_payments"), invoice=invoice.require_id("id"), **page)
    except ProviderUnavailable:
        if invoice.id("payment_intent") or invoice.id("charge"):
            return EMPTY
        raise
    if answer.status in {401, 403}:
        raise refusal_error(answer, "the payments of the invoice")
    return answer.fields if answer.is_success else EMPTY


async def read_payment(api: StripeApi, link: Link, *, needed: bool = False) -> Payment:
    """The intent and its latest charge; `missing` names what the key may not read.

    Raises ProviderUnavailable without an answer, since a payment may then be under way unseen, and NotAllowed for a
    refused key or, if `needed`, a refused read.
    """
    if not link:
        return Payment(missing=("payment",))
    if link.intent_id is None:
        return await _with_charge(api, EMPTY, link.charge_id)
    answer = await api.get(where := api_path("payment_intents", link.intent_id), expand=["latest_charge"])
    if answer.status == 400:  # a server that doesn't know how to expand
        answer = await api.get(where)
    if answer.status == 401 or (needed and answer.status == 403):
        raise refusal_error(answer, "the payment of the invoice")
    if answer.is_refused:
        return Payment(missing=("payment",))
    intent = answer.fields
    charge = intent.expanded_object("latest_charge")
    return Payment(intent, charge) if charge else await _with_charge(api, intent, intent.id("latest_charge"))


def shown_intent(payments: tuple[Fields, ...], link: Link) -> Fields:
    """The intent behind this link as the invoice's payments show it expanded; empty if they don't."""
    shown = (_expanded_intent(one) for one in payments if link_to(one) == link)
    return next(filter(None, shown), EMPTY)


def _expanded_intent(payment: Fields) -> Fields:
    """The intent of one invoice payment as it shows it expanded; empty if it doesn't."""
    return payment.child("payment").expanded_object("payment_intent")


async def read_payment_state(api: StripeApi, payments: tuple[Fields, ...], link: Link) -> Payment:
    """The payment as a charge must know it: without its charge, and without a call, if the last try plainly failed.

    A failed charge moved no money, so it can be neither disputed nor returned. Raises as `read_payment` does if needed.
    """
    intent = shown_intent(payments, link)
    return Payment(intent) if has_plainly_failed(intent) else await read_payment(api, link, needed=True)


async def has_others_under_way(
    api: StripeApi, invoice: Fields, payments: tuple[Fields, ...], *, needed: bool = False
) -> bool:
    """Whether any payment beside the deciding one is under way; those that are over are not read.

    Raises ProviderUnavailable, and NotAllowed as `read_payment` does.
    """
    # No other invoice is charged, so nothing can be paid twice.
    if invoice.code("status") not in {"open", "uncollectible"}:
        return False
    chosen = link_of(invoice, payments)
    others = [one for one in payments if one.code("status") not in _CLOSED_STATUSES and link_to(one) != chosen]
    shown = [_expanded_intent(one) for one in others]
    if any(is_under_way(intent) for intent in shown):
        return True
    asked = [link_to(one) for one, intent in zip(others, shown, strict=True) if not intent]
    read = await asyncio.gather(*(read_payment(api, link, needed=needed) for link in asked))
    return any(payment.is_processing for payment in read)


async def _with_charge(api: StripeApi, intent: Fields, charge_id: str | None) -> Payment:
    if charge_id is None:
        return Payment(intent)
    answer = await api.get(api_path("charges", charge_id))
    return Payment(intent, answer.fields) if answer.is_success else Payment(intent, missing=("charge",))


_CHARGE_PREFIXES = ("ch_", "py_")


async def resolve_event_owner(api: StripeApi, event: ProviderEvent) -> ProviderEvent:
    """The event with the invoice and customer of its payment; unchanged if there is nothing to add.

    Raises ProviderUnavailable, InvalidField, and NotAllowed if the key lacks a permission: the event then waits until
    that is granted, so that no refund or dispute is lost.
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
    """The intent; not read if the charge was, which names the customer too."""
    return await _read_object(api, "payment_intents", intent_id) if intent_id and not charge else Fields({})


async def _read_object(api: StripeApi, kind: str, object_id: str) -> Fields:
    answer = await api.get(api_path(kind, object_id))
    if answer.status in {401, 403}:
        raise refusal_error(answer, "whose payment it is")
    return answer.fields if answer.is_success else Fields({})


async def _find_invoice_id(api: StripeApi, intent_id: str | None) -> str | None:
    """The invoice that an intent pays: since API version 2025-03-31 the intent itself doesn't name it."""
    if intent_id is None:
        return None
    payment = {"type": "payment_intent", "payment_intent": intent_id}
    answer = await api.get(api_path("invoice_payments"), payment=payment)
    if answer.status in {401, 403}:
        raise refusal_error(answer, "whose payment it is")
    found = answer.fields.items("data") if answer.is_success else ()
    return found[0].id("invoice") if found else None
