"""Adyen in the contract suite."""

import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Any

from core.classification.taxonomy import Cause
from providers.adyen import AdyenProvider
from providers.adyen.config import AdyenConfig
from providers.adyen.gateway import AdyenGateway
from providers.base import Provider
from sandbox.adyen import webhooks
from sandbox.adyen.client import AdyenSandboxClient
from tests.providers.contract.sandbox_control import open_sandbox_control
from tests.providers.contract.subject import FailedPayment, Key, ProviderControl, SignedWebhook, WebhookKind

KEYS = {Key.NEWEST: "AB" * 32, Key.OLDER: "cd" * 32, Key.FOREIGN: "EF" * 32}
THEN = 1_780_000_000
ACCOUNT = webhooks.DEFAULT_MERCHANT_ACCOUNT
CAUSES = {
    Cause.INSUFFICIENT_FUNDS: "Not enough balance",
    Cause.GENERIC: "Refused",
    Cause.TECHNICAL: "Acquirer Error",
    Cause.AUTHENTICATION_REQUIRED: "Authentication required",
    Cause.CARD_DATA: "Expired Card",
    Cause.PERMANENT: "Blocked Card",
    Cause.FRAUD: "FRAUD",
    Cause.STOP_INSTRUCTION: "Revocation Of Auth",
    Cause.VELOCITY: "Withdrawal count exceeded",
    Cause.CONFIGURATION: "Invalid Amount",
}
CODES = {
    WebhookKind.FAILED: ("AUTHORISATION", False),
    WebhookKind.FAILED_AGAIN: ("AUTHORISATION", False),
    WebhookKind.PAID: ("AUTHORISATION", True),
    WebhookKind.DISPUTED: ("NOTIFICATION_OF_CHARGEBACK", True),
    WebhookKind.UNUSED: ("REPORT_AVAILABLE", True),
}


class AdyenSubject:
    """Adyen: with idempotency keys, unreadable."""

    name = "adyen"
    causes: Mapping[Cause, str] = MappingProxyType(CAUSES)

    def provider(self, address: str = "http://127.0.0.1:9") -> Provider:
        return AdyenProvider(_config(address))

    def gateway(self, address: str, seconds: float) -> AdyenGateway:
        return AdyenGateway(_config(address), call_seconds=seconds)

    def signed_webhook(
        self, kind: WebhookKind, invoice: str, *, key: Key = Key.NEWEST, cause: Cause | None = None
    ) -> SignedWebhook:
        body, headers = webhooks.sign_adyen_webhook(
            webhooks.webhook_body([an_item(kind, invoice, cause)]), KEYS[key], 0
        )
        return SignedWebhook({name.lower(): text for name, text in headers.items()}, body)

    def tamper_amount(self, webhook: SignedWebhook) -> SignedWebhook:
        return SignedWebhook(webhook.headers, webhook.body.replace(b"2000", b"1"))

    def strip_signature(self, webhook: SignedWebhook) -> SignedWebhook:
        document = json.loads(webhook.body)
        for item in document["notificationItems"]:
            del item["NotificationRequestItem"]["additionalData"]["hmacSignature"]
        return SignedWebhook(webhook.headers, json.dumps(document).encode())

    def open_control(self, address: str) -> AbstractAsyncContextManager[ProviderControl]:
        return open_sandbox_control(AdyenSandboxClient(address), self.causes, fail_payment)


async def fail_payment(box: AdyenSandboxClient, **spec: Any) -> FailedPayment:
    """Makes a payment fail in the sandbox; `spec` are the fields of its ready-made failures."""
    failed_payment = await box.create_failed_payment(**spec)
    return FailedPayment(failed_payment.invoice, 2000, "USD", failed_payment.customer, failed_payment.payment_method)


def _config(address: str) -> AdyenConfig:
    return AdyenConfig("AQEcontract", ACCOUNT, (KEYS[Key.NEWEST], KEYS[Key.OLDER]), f"{address}/adyen")


def a_payment(invoice: str, **fields: Any) -> dict[str, Any]:
    """A payment as the sandbox stores it."""
    plain = {
        "reference": invoice,
        "shopper": "shopper_contract",
        "token": "M5N7TQ4TG5PFWR50",
        "amount": 2000,
        "currency": "USD",
        "brand": "visa",
        "country": "DE",
        "funding": "CREDIT",
        "last4": "1111",
        "person": {"shopperEmail": "jenny.rosen@example.com", "cardHolderName": "Jenny Rosen"},
    }
    return plain | fields


def an_item(kind: WebhookKind, invoice: str, cause: Cause | None = None) -> dict[str, Any]:
    """One unsigned webhook item."""
    code, success = CODES[kind]
    timestamp, psp = THEN + 60 * (kind is WebhookKind.FAILED_AGAIN), f"PSP{kind}{invoice}".upper().replace("_", "")
    reason = "" if success else CAUSES[cause or Cause.INSUFFICIENT_FUNDS]
    return webhooks.build_item(a_payment(invoice), code, success, timestamp, psp=psp, reason=reason)
