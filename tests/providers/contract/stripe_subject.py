"""Stripe in the contract suite."""

import json
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Any

from core.classification.taxonomy import Cause
from providers.base import Provider
from providers.stripe import StripeProvider
from providers.stripe.config import StripeConfig
from providers.stripe.gateway import StripeGateway
from sandbox.stripe.client import StripeSandboxClient
from sandbox.stripe.models import FailedInvoice
from sandbox.stripe.webhooks import failed_invoice_event, sign_stripe_payload
from tests.providers.contract.sandbox_control import open_sandbox_control
from tests.providers.contract.subject import FailedPayment, Key, ProviderControl, SignedWebhook, WebhookKind

SECRETS = {Key.NEWEST: "whsec_newest", Key.OLDER: "whsec_older", Key.FOREIGN: "whsec_foreign"}
THEN = 1_780_000_000
TYPES = {
    WebhookKind.FAILED: "invoice.payment_failed",
    WebhookKind.FAILED_AGAIN: "invoice.payment_failed",
    WebhookKind.PAID: "invoice.paid",
    WebhookKind.DISPUTED: "charge.dispute.created",
    WebhookKind.UNUSED: "plan.created",
}


_CAUSES = {
    Cause.INSUFFICIENT_FUNDS: "insufficient_funds",
    Cause.GENERIC: "generic_decline",
    Cause.TECHNICAL: "processing_error",
    Cause.AUTHENTICATION_REQUIRED: "authentication_required",
    Cause.CARD_DATA: "expired_card",
    Cause.PERMANENT: "lost_card",
    Cause.FRAUD: "fraudulent",
    Cause.STOP_INSTRUCTION: "revocation_of_authorization",
    Cause.VELOCITY: "card_velocity_exceeded",
}


class StripeSubject:
    """Stripe: readable, with idempotency keys."""

    name = "stripe"
    causes: Mapping[Cause, str] = MappingProxyType(_CAUSES)

    def provider(self, address: str = "http://127.0.0.1:9") -> Provider:
        return StripeProvider(_config(address))

    def gateway(self, address: str, seconds: float) -> StripeGateway:
        return StripeGateway(_config(address), call_seconds=seconds)

    def signed_webhook(
        self, kind: WebhookKind, invoice: str, *, key: Key = Key.NEWEST, cause: Cause | None = None
    ) -> SignedWebhook:
        body = json.dumps(_event(kind, invoice, cause)).encode()
        return SignedWebhook({"stripe-signature": sign_stripe_payload(body, SECRETS[key], int(time.time()))}, body)

    def tamper_amount(self, webhook: SignedWebhook) -> SignedWebhook:
        return SignedWebhook(webhook.headers, webhook.body.replace(b"2000", b"1"))

    def strip_signature(self, webhook: SignedWebhook) -> SignedWebhook:
        return SignedWebhook({}, webhook.body)

    def open_control(self, address: str) -> AbstractAsyncContextManager[ProviderControl]:
        return open_sandbox_control(StripeSandboxClient(address), self.causes, fail_payment)


async def fail_payment(box: StripeSandboxClient, **spec: Any) -> FailedPayment:
    """Makes a payment fail in the sandbox; `spec` are the fields of its ready-made failures."""
    failed_invoice = await box.create_failed_invoice(**spec)
    return FailedPayment(
        failed_invoice.invoice,
        2000,
        "USD",
        failed_invoice.customer,
        failed_invoice.payment_method,
        failed_invoice.charge,
    )


def _config(address: str) -> StripeConfig:
    return StripeConfig("sk_test_contract", address, (SECRETS[Key.NEWEST], SECRETS[Key.OLDER]))


def _event(kind: WebhookKind, invoice: str, cause: Cause | None) -> dict[str, Any]:
    code = StripeSubject.causes[cause or Cause.INSUFFICIENT_FUNDS]
    again = kind is WebhookKind.FAILED_AGAIN
    spec = FailedInvoice(invoice_id=invoice, customer_id="cus_contract", decline_code=code, attempt_count=1 + again)
    event = failed_invoice_event(spec, event_type=TYPES[kind], event_id=f"evt_{kind}_{invoice}", now=THEN + 60 * again)
    if kind is WebhookKind.DISPUTED:
        event["data"]["object"] = {"object": "dispute", "id": "dp_1", "charge": "ch_1", "payment_intent": "pi_1"}
    return event
