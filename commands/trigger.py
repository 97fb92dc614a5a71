"""`pri trigger`: posts a signed sample webhook of a failed payment, as the provider would send it."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from core.errors import EngineUnavailable, InvalidInput
from devstack.secrets import DevSecrets, load_secrets
from sandbox.adyen.client import AdyenSandboxClient
from sandbox.adyen.models import FailedPayment
from sandbox.adyen.payments import sample_adyen_webhook
from sandbox.braintree import webhooks as braintree
from sandbox.braintree.client import BraintreeSandboxClient
from sandbox.braintree.models import FailedPayment as FailedAtBraintree
from sandbox.client import SandboxError
from sandbox.models import Delivery, DeliveryResult
from sandbox.stripe.client import StripeSandboxClient
from sandbox.stripe.models import FailedInvoice
from sandbox.stripe.webhooks import event_payload, failed_invoice_event, sign_stripe_payload
from settings import Settings


def send_sample(settings: Settings, data_dir: Path, url: str, provider: str, fields: dict[str, Any]) -> str:
    """Sends a sample webhook; returns a sentence with the API's answer.

    If `pri dev` runs with its sandbox, the invoice exists there and can be charged. Raises InvalidInput if no webhook
    secret is known or the sandbox refuses the payment, EngineUnavailable if the API does not answer.
    """
    known = load_secrets(data_dir / "dev.json") if (data_dir / "dev.json").exists() else None
    try:
        if known and _is_sandbox_running(known):
            return asyncio.run(_play_in_sandbox(known, provider, fields))
        secret = _webhook_secret(settings, known, provider)
        return SAMPLE_PROVIDERS[provider].post(url, secret, fields)
    except SandboxError as error:
        raise InvalidInput(f"The sandbox refuses it: {error}") from error
    except httpx.HTTPError as error:
        raise EngineUnavailable(f"No answer at {url}: start `pri dev` first ({type(error).__name__}).") from error


def _is_sandbox_running(known: DevSecrets) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{known.sandbox_port}/healthz", timeout=2).is_success
    except httpx.HTTPError:
        return False


async def _play_in_sandbox(known: DevSecrets, provider: str, fields: dict[str, Any]) -> str:
    address, now = f"http://127.0.0.1:{known.sandbox_port}", Delivery(wait=True)
    invoice, answers = await SAMPLE_PROVIDERS[provider].play(address, fields, now)
    return f"{invoice} failed in the sandbox; the webhook got {answers[0].status}: {answers[0].body}"


async def _play_stripe(address: str, fields: dict[str, Any], now: Delivery) -> tuple[str, list[DeliveryResult]]:
    spec = FailedInvoice(**fields, delivery=now)
    async with StripeSandboxClient(address) as sandbox:
        made = await sandbox.create_failed_invoice(spec)
    return made.invoice, made.deliveries


async def _play_adyen(address: str, fields: dict[str, Any], now: Delivery) -> tuple[str, list[DeliveryResult]]:
    spec = FailedPayment(**fields, delivery=now)
    async with AdyenSandboxClient(address) as sandbox:
        made = await sandbox.create_failed_payment(spec)
    return made.invoice, made.deliveries


async def _play_braintree(address: str, fields: dict[str, Any], now: Delivery) -> tuple[str, list[DeliveryResult]]:
    spec = _braintree_payment(fields | {"delivery": now})
    async with BraintreeSandboxClient(address) as sandbox:
        made = await sandbox.create_failed_payment(spec)
    return made.invoice, made.deliveries


def _braintree_payment(fields: dict[str, Any]) -> FailedAtBraintree:
    """The failed payment at Braintree; an invoice id without a date at its end is the order id of a single sale."""
    invoice = fields.get("invoice_id")
    subscription = invoice is None or re.fullmatch(r".+-\d{4}-\d{2}-\d{2}", invoice) is not None
    return FailedAtBraintree(subscription=subscription, **fields)


def _webhook_secret(settings: Settings, known: DevSecrets | None, provider: str) -> str:
    found = SAMPLE_PROVIDERS[provider]
    if given := found.configured_secret(settings):
        return given
    if known:
        return found.stored_secret(known)
    raise InvalidInput(f"No webhook secret is known: set {found.setting}, or start `pri dev` first.")


def _configured_stripe_secret(settings: Settings) -> str:
    return next((secret.get_secret_value() for secret in settings.stripe_webhook_secrets), "")


def _configured_adyen_key(settings: Settings) -> str:
    return next((key.get_secret_value() for key in settings.adyen_hmac_keys), "")


def _configured_braintree_keys(settings: Settings) -> str:
    public_key, private_key = settings.braintree_public_key, settings.braintree_private_key.get_secret_value()
    return f"{public_key}|{private_key}" if public_key and private_key else ""


def _post_stripe(url: str, secret: str, fields: dict[str, Any]) -> str:
    event = failed_invoice_event(FailedInvoice(**fields))
    body = event_payload(event)
    headers = {
        "Stripe-Signature": sign_stripe_payload(body, secret, int(time.time())),
        "Content-Type": "application/json",
    }
    return _post_webhook(event["data"]["object"]["id"], url, "stripe", body, headers)


def _post_adyen(url: str, key: str, fields: dict[str, Any]) -> str:
    invoice, body, headers = sample_adyen_webhook(FailedPayment(**fields), key)
    return _post_webhook(invoice, url, "adyen", body, headers)


def _post_braintree(url: str, keys: str, fields: dict[str, Any]) -> str:
    invoice, body, headers = braintree.sample_braintree_webhook(_braintree_payment(fields), keys)
    return _post_webhook(invoice, url, "braintree", body, headers)


def _post_webhook(invoice: str, url: str, provider: str, body: bytes, headers: dict[str, str]) -> str:
    answer = httpx.post(f"{url.rstrip('/')}/webhooks/{provider}", content=body, headers=headers, timeout=10)
    return f"{invoice}: the webhook got {answer.status_code}: {answer.text}"


@dataclass(frozen=True)
class SampleProvider:
    """How a sample webhook of one provider is made."""

    setting: str
    """The setting with the webhook secret, for messages."""
    configured_secret: Callable[[Settings], str]
    stored_secret: Callable[[DevSecrets], str]
    play: Callable[[str, dict[str, Any], Delivery], Awaitable[tuple[str, list[DeliveryResult]]]]
    """Lets a payment fail in a running sandbox, where it can be charged afterwards."""
    post: Callable[[str, str, dict[str, Any]], str]
    """Posts a signed webhook to the API without a sandbox."""


SAMPLE_PROVIDERS: Final = {
    "stripe": SampleProvider(
        "STRIPE_WEBHOOK_SECRETS",
        _configured_stripe_secret,
        lambda kept: kept.webhook_secret,
        _play_stripe,
        _post_stripe,
    ),
    "adyen": SampleProvider(
        "ADYEN_HMAC_KEYS", _configured_adyen_key, lambda kept: kept.adyen_hmac_key, _play_adyen, _post_adyen
    ),
    "braintree": SampleProvider(
        "BRAINTREE_PUBLIC_KEY and BRAINTREE_PRIVATE_KEY",
        _configured_braintree_keys,
        lambda kept: kept.braintree_keys,
        _play_braintree,
        _post_braintree,
    ),
}
