"""Outgoing webhooks, signed as Standard Webhooks specifies, so that any of its libraries can verify them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import httpx
from standardwebhooks import Webhook

from core.errors import InvalidInput, NotDelivered

CALL_SECONDS: Final = 15.0


class WebhookSender:
    """Sends outgoing webhooks to the configured addresses.

    Raises InvalidInput for an address that is no http(s) URL, or a secret that can't be used.
    """

    def __init__(self, addresses: Sequence[str], secret: str) -> None:
        self.addresses = tuple(addresses)
        if self.addresses and not all(one.startswith(("https://", "http://")) for one in self.addresses):
            raise InvalidInput("OUTGOING_WEBHOOK_URLS needs addresses that begin with https://.")
        self._signer = _create_signer(secret) if self.addresses else None

    async def send_webhook(self, target: int, name: str, body: Mapping[str, Any], now: datetime) -> None:
        """Posts `body` once to the address with index `target`; `name` is its webhook id, the same in every try.

        Raises NotDelivered unless the answer is a 2xx; permanent after 410, or if there is no such address.
        """
        if self._signer is None or target >= len(self.addresses):
            raise NotDelivered("no_such_address", permanent=True)
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        headers = {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(name, now, text),
        }
        try:
            async with httpx.AsyncClient(timeout=CALL_SECONDS, follow_redirects=False) as client:
                answer = await client.post(self.addresses[target], content=text.encode(), headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotDelivered(type(error).__name__) from None
        if not answer.is_success:
            # Standard Webhooks: 410 Gone means that the receiver no longer wants this webhook.
            raise NotDelivered(f"http_{answer.status_code}", permanent=answer.status_code == 410)


def _create_signer(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    except (ValueError, RuntimeError):
        raise InvalidInput("OUTGOING_WEBHOOK_SECRET is not whsec_ and base64.") from None
