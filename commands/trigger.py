"""`pri trigger`: a signed sample of a failed payment, as the provider would send it."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx

from core.errors import EngineUnavailable, InvalidInput
from devstack.secrets import DevSecrets, remembered
from sandbox.client import SandboxClient, SandboxError
from sandbox.models import Delivery, FailedInvoice
from sandbox.samples import failed_invoice_event, payload, sign
from settings import Settings


def trigger(settings: Settings, data_dir: Path, url: str, fields: dict[str, Any]) -> str:
    """Send it; answers with what the API said.

    In a running `pri dev` with its sandbox the invoice exists there and can be charged. Raises InvalidInput,
    EngineUnavailable where nobody listens.
    """
    known = remembered(data_dir / "dev.json") if (data_dir / "dev.json").exists() else None
    spec = FailedInvoice(**fields)
    try:
        if known and _sandbox_runs(known):
            return asyncio.run(_played(known, spec))
        return _posted(url, _secret(settings, known), spec)
    except SandboxError as error:
        raise InvalidInput(f"The sandbox refuses it: {error}") from error
    except httpx.HTTPError as error:
        raise EngineUnavailable(f"Nobody answers at {url}: start `pri dev` first ({type(error).__name__}).") from error


def _sandbox_runs(known: DevSecrets) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{known.sandbox_port}/healthz", timeout=2).is_success
    except httpx.HTTPError:
        return False


async def _played(known: DevSecrets, spec: FailedInvoice) -> str:
    async with SandboxClient(f"http://127.0.0.1:{known.sandbox_port}") as sandbox:
        made = await sandbox.create_failed_invoice(spec.model_copy(update={"delivery": Delivery(wait=True)}))
    answer = made.deliveries[0]
    return f"{made.invoice} failed in the sandbox; the webhook got {answer.status}: {answer.body}"


def _secret(settings: Settings, known: DevSecrets | None) -> str:
    given = [secret.get_secret_value() for secret in settings.stripe_webhook_secrets]
    if given or known:
        return given[0] if given else known.webhook_secret if known else ""
    raise InvalidInput("No webhook secret is known: set STRIPE_WEBHOOK_SECRETS, or start `pri dev` first.")


def _posted(url: str, secret: str, spec: FailedInvoice) -> str:
    event = failed_invoice_event(spec)
    body = payload(event)
    headers = {"Stripe-Signature": sign(body, secret, int(time.time())), "Content-Type": "application/json"}
    answer = httpx.post(f"{url.rstrip('/')}/webhooks/stripe", content=body, headers=headers, timeout=10)
    return f"{event['data']['object']['id']}: the webhook got {answer.status_code}: {answer.text}"
