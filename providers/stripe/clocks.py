"""Stripe's test clocks: objects on one live in a time of their own (docs.stripe.com/billing/testing/test-clocks)."""

from datetime import datetime, timedelta
from typing import Final

from core.payments import CustomerView, InvoiceView
from providers.fields import Fields
from providers.stripe.api import StripeApi, api_path
from providers.stripe.asides import read_optional
from providers.stripe.terms import due_since

NO_SHIFT: Final = timedelta(0)
"""The shift of what happens in real time."""


async def read_clock_shift(api: StripeApi, invoice: Fields, now: datetime) -> timedelta:
    """What to add to the invoice's times, so that its clock's present is ours.

    A clock that can't be read is taken to stand where the invoice became due.
    """
    clock_id = invoice.id("test_clock")
    if clock_id is None:
        return NO_SHIFT
    clock = invoice.expanded_object("test_clock") or await read_optional(
        api, api_path("test_helpers", "test_clocks", clock_id)
    )
    frozen = clock.unix_time("frozen_time") if clock else None
    present = frozen or due_since(invoice)
    return now - present if present else NO_SHIFT


def invoice_on_our_clock(view: InvoiceView, shift: timedelta) -> InvoiceView:
    """The invoice in our time."""
    if shift == NO_SHIFT:
        return view
    terms = view.terms.model_copy(update={"created_at": _shift_moment(view.terms.created_at, shift)})
    return view.model_copy(
        update={"terms": terms, "next_provider_attempt": _shift_moment(view.next_provider_attempt, shift)}
    )


def customer_on_our_clock(customer: CustomerView, shift: timedelta) -> CustomerView:
    """The customer in our time."""
    return customer.model_copy(update={"created_at": _shift_moment(customer.created_at, shift)})


def _shift_moment(moment: datetime | None, shift: timedelta) -> datetime | None:
    return moment + shift if moment else None
