"""A request to the fake Stripe, and the API versions that decide the shape of its answer."""

import re
from dataclasses import dataclass
from typing import Final

from sandbox.calls import Call
from sandbox.models import Document, Shape
from sandbox.store import Store
from sandbox.stripe.views import invoice_of_intent

LEGACY_VERSION: Final = "2024-06-20"
BASIL_VERSION: Final = "2026-10-28.endive"
FIRST_BASIL_VERSION: Final = "2025-03-31"
INVOICE_PATH: Final = re.compile(r"^/v1/invoices/([^/]+)")
INTENT_PATH: Final = re.compile(r"^/v1/payment_intents/([^/]+)")


@dataclass
class StripeCall(Call):
    """A call, the account that it is made for, and the ids in its path."""

    account: str | None = None
    """The connected account that the caller acts for (header `Stripe-Account`)."""
    names: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """The object shape this caller wants."""
        return shape_for_version(self.version)


def api_version(shape: Shape) -> str:
    """The `api_version` that events of this shape carry."""
    return LEGACY_VERSION if shape is Shape.LEGACY else BASIL_VERSION


def shape_for_version(version: str | None) -> Shape:
    """The object shape a `Stripe-Version` header asks for; the newer one when there is none."""
    return Shape.LEGACY if version and version < FIRST_BASIL_VERSION else Shape.BASIL


def invoice_of_call(store: Store, call: Call) -> str | None:
    """The invoice that a call is about, by its path or its parameters; None where it is about none."""
    if of := INVOICE_PATH.match(call.path):
        return of[1]
    if of := INTENT_PATH.match(call.path):
        return invoice_of_intent(store, of[1])
    named = call.params.get("invoice")
    return named if isinstance(named, str) else invoice_of_intent(store, _intent_param(call.params))


def _intent_param(params: Document) -> str | None:
    payment = params.get("payment")
    named = params.get("payment_intent") or (payment.get("payment_intent") if isinstance(payment, dict) else None)
    return named if isinstance(named, str) else None
