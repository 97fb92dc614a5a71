"""The sandbox's webhook sender: signs and posts webhooks, and retries for a while. Independent of the provider."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.config import SandboxConfig
from sandbox.models import Delivery, DeliveryResult


@dataclass(frozen=True)
class WebhookFormat:
    """How one provider's webhooks look."""

    sign: Callable[[bytes, str, int], tuple[bytes, dict[str, str]]]
    """Of a payload, a secret and the time of the try: body and headers as they go over the wire."""
    describe: Callable[[bytes], dict[str, str]]
    """Of a payload: `event` and `type`, for the report of its delivery."""


class WebhookSender:
    """One HTTP client for all deliveries of a provider; background ones end with the sandbox."""

    def __init__(self, config: SandboxConfig, webhook_format: WebhookFormat, url: str, secret: str) -> None:
        self._config = config
        self._webhook_format = webhook_format
        self.url = url
        self.secret = secret
        self._tasks: set[asyncio.Task[list[DeliveryResult]]] = set()
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Stop what is still on its way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client:
            await self._client.aclose()

    async def send_bodies(self, bodies: Sequence[bytes], delivery: Delivery) -> list[DeliveryResult]:
        """Seal and send payloads as they are: now and wait, or in the background (then the list is empty)."""
        if not (delivery.url or self.url) or not bodies:
            return []
        task = asyncio.create_task(self._deliver_all(bodies, delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task) if delivery.wait else []

    async def wait_until_idle(self) -> None:
        """Wait until no delivery is on its way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def mark_delivered(self, event_id: str) -> None:
        """An endpoint took the event."""

    async def _deliver_all(self, bodies: Sequence[bytes], delivery: Delivery) -> list[DeliveryResult]:
        await asyncio.sleep(delivery.delay)
        ordered = list(reversed(bodies)) if delivery.reverse else list(bodies)
        gate = asyncio.Semaphore(delivery.concurrency)
        jobs = [self._deliver_within_limit(gate, body, delivery) for body in ordered for _ in range(delivery.copies)]
        return list(await asyncio.gather(*jobs))

    async def _deliver_within_limit(self, gate: asyncio.Semaphore, body: bytes, delivery: Delivery) -> DeliveryResult:
        async with gate:
            return await self._deliver(body, delivery)

    async def _deliver(self, body: bytes, delivery: Delivery) -> DeliveryResult:
        result = await self._post_once(body, delivery, 1)
        for tries, pause in enumerate(self._config.retry_delays if delivery.retry else (), start=2):
            if result.status is not None and 200 <= result.status < 300:
                break
            await asyncio.sleep(pause)
            result = await self._post_once(body, delivery, tries)
        if result.status is not None and 200 <= result.status < 300:
            self.mark_delivered(result.event)
        return result

    async def _post_once(self, body: bytes, delivery: Delivery, tries: int) -> DeliveryResult:
        """One try, signed with the time of the try (and not of the sandbox's clock: receivers check it)."""
        content, headers = self._webhook_format.sign(
            body, delivery.secret or self.secret, int(time.time()) + delivery.skew
        )
        self._client = self._client or self._new_client()
        name = self._webhook_format.describe(body)
        try:
            answer = await self._client.post(delivery.url or self.url, content=content, headers=headers)
        except httpx.HTTPError as error:
            return DeliveryResult(**name, error=f"{type(error).__name__}: {error}", tries=tries)
        return DeliveryResult(**name, status=answer.status_code, body=_parse_answer_body(answer), tries=tries)

    def _new_client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=200)
        return httpx.AsyncClient(timeout=self._config.webhook_timeout, limits=limits, trust_env=False)


def _parse_answer_body(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text
