"""Handles calls to the fake Adyen: authenticate, validate, replay or run, store the answer, send webhooks."""

import asyncio
import json
import re
from dataclasses import replace
from typing import Final

from sandbox.adyen import payments, webhooks
from sandbox.calls import Answer, Call
from sandbox.gateway import CallRunner
from sandbox.models import Document
from sandbox.outcomes import Effect, Outcome, Reply
from sandbox.store import KeyTable
from sandbox.webhook_sender import WebhookFormat, WebhookSender
from sandbox.world import SandboxWorld, apply_fault

MAX_KEY_LENGTH = 64
KEY_LIFETIME_SECONDS = 7 * 86_400
KEY_PREFIX = "adyen:"
PAYMENTS_PATH: Final = re.compile(r"^/adyen/(?:checkout/)?v\d+/payments$")


class AdyenError(Exception):
    """An answer with Adyen's error body."""

    def __init__(self, status: int, code: str, message: str, kind: str = "validation") -> None:
        super().__init__(message)
        self.answer = Answer(
            status, {"status": status, "errorCode": code, "message": message, "errorType": kind}, keep=False
        )


class AdyenGateway:
    """The fake Adyen without HTTP."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._keys = KeyTable(world.store, KEY_LIFETIME_SECONDS, KEY_PREFIX)
        self._calls = CallRunner(world, self._answer_call, _invoice_of_call)
        config = world.config
        webhook_format = WebhookFormat(webhooks.sign_adyen_webhook, webhooks.describe_adyen_webhook)
        self.webhook_sender = WebhookSender(config, webhook_format, config.adyen_webhook_url, config.adyen_hmac_key)

    async def handle(self, call: Call) -> Answer:
        """Answer a call. Once begun it runs to its end, whether or not the caller still listens."""
        return await self._calls.run(call)

    async def close(self) -> None:
        """End what still runs and what is still on its way; unfinished requests have changed nothing."""
        await self._calls.close()
        await self.webhook_sender.close()

    async def _answer_call(self, call: Call) -> Answer:
        try:
            return await self._answer_checked(call)
        except AdyenError as refused:
            return refused.answer

    async def _answer_checked(self, call: Call) -> Answer:
        if not call.authorization:
            raise AdyenError(401, "000", "HTTP Status Response - Unauthorized", "security")
        if call.method != "POST" or not PAYMENTS_PATH.match(call.path):
            raise AdyenError(404, "000", "Not found", "internal")
        if scripted := await apply_fault(self._world, call, _scripted_error):
            return scripted
        _check_payment(call)
        if self._world.store.get("adyen_removed", call.params["paymentMethod"]["storedPaymentMethodId"]):
            raise AdyenError(422, "803", "PaymentDetail not found")
        return await self._run_idempotently(call, call.key) if call.key else await self._run_payment(call)

    async def _run_idempotently(self, call: Call, key: str) -> Answer:
        kept = self._keys.claim(key, "", self._world.clock.now())
        if kept and kept["status"] is None:
            raise AdyenError(422, "704", "request already processed or in progress")
        if kept:
            return Answer(200, json.loads(kept["body"]), {"Idempotency-Key": key}, replayed=True, outcome="replayed")
        try:
            return await self._run_payment(call)
        finally:
            self._keys.release(key)

    async def _run_payment(self, call: Call) -> Answer:
        call.outcome = outcome = self._world.take_outcome(payments.adyen_script_id(call.params["reference"]))
        await asyncio.sleep(outcome.before)
        if outcome.effect is Effect.NOTHING:
            return _answer_as_scripted(outcome, {})
        with self._world.store.transaction():
            body, told = payments.execute_payment(self._world, call.params, outcome, call.key)
            if call.key:
                self._keys.keep_answer(call.key, 200, json.dumps(body))
        await self._send_webhooks(call.params["reference"], told)
        return _answer_as_scripted(outcome, body)

    async def _send_webhooks(self, invoice: str, events: list[Document]) -> None:
        if delivery := self._world.echo_delivery(payments.adyen_script_id(invoice)):
            await self.webhook_sender.send_bodies([webhooks.event_body(event) for event in events], delivery)


def _answer_as_scripted(outcome: Outcome, body: Document) -> Answer:
    text, after = outcome.text, outcome.after
    if outcome.reply is Reply.MALFORMED:
        return Answer(200, {"nonsense": True}, after=after, outcome=text)
    if outcome.reply is Reply.GARBAGE:
        return Answer(outcome.status, outcome.body, after=after, outcome=text)
    if outcome.reply is Reply.ERROR:
        return replace(_scripted_error(outcome), after=after, outcome=text)
    return Answer(200, body, drop=outcome.reply is Reply.DROP, after=after, outcome=text)


def _scripted_error(outcome: Outcome) -> Answer:
    error = {"status": outcome.status, "errorCode": "901", "message": "scripted", "errorType": "internal"}
    return Answer(outcome.status, error, outcome.retry_headers)


def _check_payment(call: Call) -> None:
    """What Adyen insists on for a payment with a stored token."""
    order = call.params
    if call.key and len(call.key) > MAX_KEY_LENGTH:
        raise AdyenError(422, "702", "The idempotency key is longer than 64 characters")
    amount, method = order.get("amount"), order.get("paymentMethod")
    if not isinstance(amount, dict) or not isinstance(amount.get("value"), int) or not amount.get("currency"):
        raise AdyenError(422, "100", "No amount specified")
    for name, code in (("merchantAccount", "901"), ("reference", "130"), ("shopperReference", "702")):
        if not order.get(name) or not isinstance(order[name], str):
            raise AdyenError(422, code, f"Required field '{name}' is not provided.")
    if not isinstance(method, dict) or not method.get("storedPaymentMethodId"):
        raise AdyenError(422, "803", "PaymentDetail not found")
    if order.get("shopperInteraction") != "ContAuth" or not order.get("recurringProcessingModel"):
        raise AdyenError(422, "702", "A stored payment method is charged with ContAuth and a processing model")


def _invoice_of_call(call: Call) -> str | None:
    named = call.params.get("reference")
    return named if isinstance(named, str) else None
