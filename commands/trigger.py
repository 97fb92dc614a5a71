"""`pri trigger`: a signed sample of a failed payment, as the provider would send it."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx

from core.errors import EngineUnavailable, InvalidInput
from devstack.secrets import DevSecrets, remembered
from sandbox.adyen.client import AdyenSandbox
from sandbox.adyen.models import FailedPayment
from sandbox.adyen.samples import failed_payment
from sandbox.client import SandboxClient, SandboxError
from sandbox.models import Delivered, Delivery, FailedInvoice
from sandbox.samples import failed_invoice_event, payload, sign
from settings import Settings


def trigger(settings: Settings, data_dir: Path, url: str, provider: str, fields: dict[str, Any]) -> str:
    """Send it; answers with what the API said.

    In a running `pri dev` with its sandbox the invoice exists there and can be charged. Raises InvalidInput,
    EngineUnavailable where nobody listens.
    """
    known = remembered(data_dir / "dev.json") if (data_dir / "dev.json").exists() else None
    try:
        if known and _sandbox_runs(known):
            return asyncio.run(_played(known, provider, fields))
        secret = _secret(settings, known, provider)
        return _post_adyen(url, secret, fields) if provider == "adyen" else _post_stripe(url, secret, fields)
    except SandboxError as error:
        raise InvalidInput(f"The sandbox refuses it: {error}") from error
    except httpx.HTTPError as error:
        raise EngineUnavailable(f"Nobody answers at {url}: start `pri dev` first ({type(error).__name__}).") from error


def _sandbox_runs(known: DevSecrets) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{known.sandbox_port}/healthz", timeout=2).is_success
    except httpx.HTTPError:
        return False


async def _played(known: DevSecrets, provider: str, fields: dict[str, Any]) -> str:
    address, now = f"http://127.0.0.1:{known.sandbox_port}", Delivery(wait=True)
    invoice, answers = await (_play_adyen if provider == "adyen" else _play_stripe)(address, fields, now)
    return f"{invoice} failed in the sandbox; the webhook got {answers[0].status}: {answers[0].body}"


async def _play_stripe(address: str, fields: dict[str, Any], now: Delivery) -> tuple[str, list[Delivered]]:
    spec = FailedInvoice(**fields, delivery=now)
    async with SandboxClient(address) as sandbox:
        made = await sandbox.create_failed_invoice(spec)
    return made.invoice, made.deliveries


async def _play_adyen(address: str, fields: dict[str, Any], now: Delivery) -> tuple[str, list[Delivered]]:
    spec = FailedPayment(**fields, delivery=now)
    async with AdyenSandbox(address) as sandbox:
        made = await sandbox.create_failed_payment(spec)
    return made.invoice, made.deliveries


def _secret(settings: Settings, known: DevSecrets | None, provider: str) -> str:
    adyen = provider == "adyen"
    given = [key.get_secret_value() for key in (settings.adyen_hmac_keys if adyen else settings.stripe_webhook_secrets)]
    if given:
        return given[0]
    if known:
        return known.adyen_hmac_key if adyen else known.webhook_secret
    name = "ADYEN_HMAC_KEYS" if adyen else "STRIPE_WEBHOOK_SECRETS"
    raise InvalidInput(f"No webhook secret is known: set {name}, or start `pri dev` first.")


def _post_stripe(url: str, secret: str, fields: dict[str, Any]) -> str:
    event = failed_invoice_event(FailedInvoice(**fields))
    body = payload(event)
    headers = {"Stripe-Signature": sign(body, secret, int(time.time())), "Content-Type": "application/json"}
    return _told(event["data"]["object"]["id"], url, "stripe", body, headers)


def _post_adyen(url: str, key: str, fields: dict[str, Any]) -> str:
    invoice, body, headers = failed_payment(FailedPayment(**fields), key)
    return _told(invoice, url, "adyen", body, headers)


def _told(invoice: str, url: str, provider: str, body: bytes, headers: dict[str, str]) -> str:
    answer = httpx.post(f"{url.rstrip('/')}/webhooks/{provider}", content=body, headers=headers, timeout=10)
    return f"{invoice}: the webhook got {answer.status_code}: {answer.text}"
