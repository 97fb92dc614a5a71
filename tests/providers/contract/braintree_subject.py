"""Braintree in the contract suite."""

import base64
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlencode

from core.classification.taxonomy import Cause
from providers.base import Provider
from providers.braintree import BraintreeProvider
from providers.braintree.config import BraintreeConfig
from providers.braintree.gateway import BraintreeGateway
from sandbox.braintree import webhooks, xml_trees
from sandbox.braintree.client import BraintreeSandboxClient
from tests.providers.contract.sandbox_control import open_sandbox_control
from tests.providers.contract.subject import FailedPayment, Key, ProviderControl, SignedWebhook, WebhookKind

OUR_KEYS, OTHER_KEYS, FOREIGN = "our_public|our_private", "new_public|new_private", "our_public|stolen"
KEYS = {Key.NEWEST: OUR_KEYS, Key.OLDER: f"{OTHER_KEYS}&{OUR_KEYS}", Key.FOREIGN: FOREIGN}
"""Braintree signs with every key pair of the merchant at once: while keys are rolled over, ours is one of several."""
THEN = 1_780_000_000
CAUSES = {
    Cause.INSUFFICIENT_FUNDS: "2001",
    Cause.GENERIC: "2000",
    Cause.TECHNICAL: "3000",
    Cause.AUTHENTICATION_REQUIRED: "2099",
    Cause.CARD_DATA: "2004",
    Cause.PERMANENT: "2053",
    Cause.FRAUD: "2014",
    Cause.STOP_INSTRUCTION: "2017",
    Cause.VELOCITY: "2002",
    Cause.DUPLICATE: "2016",
    Cause.CONFIGURATION: "2025",
}
KINDS = {
    WebhookKind.FAILED: "transaction_retried",
    WebhookKind.FAILED_AGAIN: "transaction_retried",
    WebhookKind.PAID: "transaction_settled",
    WebhookKind.DISPUTED: "dispute_opened",
    WebhookKind.UNUSED: "transaction_disbursed",
}


class BraintreeSubject:
    """Braintree: readable, without idempotency keys."""

    name = "braintree"
    causes: Mapping[Cause, str] = MappingProxyType(CAUSES)

    def provider(self, address: str = "http://127.0.0.1:9") -> Provider:
        return BraintreeProvider(sandbox_config(address))

    def gateway(self, address: str, seconds: float) -> BraintreeGateway:
        return BraintreeGateway(sandbox_config(address), call_seconds=seconds)

    def signed_webhook(
        self, kind: WebhookKind, invoice: str, *, key: Key = Key.NEWEST, cause: Cause | None = None
    ) -> SignedWebhook:
        return sign_notification(a_notification(kind, invoice, cause), KEYS[key])

    def tamper_amount(self, webhook: SignedWebhook) -> SignedWebhook:
        form = form_fields(webhook)
        payload = base64.b64decode(form["bt_payload"]).replace(b"20.00", b"0.01")
        return SignedWebhook(
            webhook.headers, urlencode(form | {"bt_payload": base64.encodebytes(payload).decode()}).encode()
        )

    def strip_signature(self, webhook: SignedWebhook) -> SignedWebhook:
        return SignedWebhook(webhook.headers, urlencode({"bt_payload": form_fields(webhook)["bt_payload"]}).encode())

    def open_control(self, address: str) -> AbstractAsyncContextManager[ProviderControl]:
        return open_sandbox_control(BraintreeSandboxClient(address), self.causes, fail_payment)


async def fail_payment(box: BraintreeSandboxClient, **spec: Any) -> FailedPayment:
    """Makes a payment fail in the sandbox; `spec` are the fields of its ready-made failures."""
    failed_payment = await box.create_failed_payment(**spec)
    return FailedPayment(
        failed_payment.invoice,
        2000,
        "USD",
        failed_payment.customer,
        failed_payment.payment_method,
        failed_payment.transaction,
    )


def sandbox_config(address: str) -> BraintreeConfig:
    """Our configuration at the sandbox."""
    public_key, _, private_key = OUR_KEYS.partition("|")
    return BraintreeConfig("sandbox_merchant", public_key, private_key, f"{address}/braintree")


def sign_notification(xml: bytes, keys: str = OUR_KEYS) -> SignedWebhook:
    """A signed notification as it is sent."""
    body, headers = webhooks.sign_braintree_webhook(xml, keys, 0)
    return SignedWebhook({name.lower(): text for name, text in headers.items()}, body)


def form_fields(webhook: SignedWebhook) -> dict[str, str]:
    """The form fields of the body."""
    return {name: texts[0] for name, texts in parse_qs(webhook.body.decode()).items()}


def a_transaction(invoice: str = "inv_1", **fields: Any) -> dict[str, Any]:
    """A transaction of a single order as the sandbox stores it."""
    plain = {
        "id": f"tx{invoice.replace('_', '')}",
        "invoice": invoice,
        "order_id": invoice,
        "status": "processor_declined",
        "code": "2001",
        "amount": "20.00",
        "currency": "USD",
        "customer": "cus_contract",
        "token": "tok_contract",
        "card_type": "Visa",
        "last4": "1111",
        "fingerprint": "0123456789abcdef0123456789abcdef",
        "created": THEN,
    }
    return plain | fields


def a_notification(kind: WebhookKind, invoice: str, cause: Cause | None = None) -> bytes:
    """The XML of a notification."""
    again = kind is WebhookKind.FAILED_AGAIN
    transaction = a_transaction(invoice, code=CAUSES[cause or Cause.INSUFFICIENT_FUNDS], created=THEN + 60 * again)
    if again:
        transaction["id"] += "again"
    if kind is WebhookKind.PAID:
        transaction |= {"status": "settled", "code": "1000"}
    about = {"dispute": xml_trees.dispute_tree(transaction, "fraud")} if kind is WebhookKind.DISPUTED else None
    return webhooks.notification_xml(
        KINDS[kind], THEN + 60 * again, about or {"transaction": xml_trees.transaction_tree(transaction)}
    )
