"""Handles calls to the fake Adyen: authenticate, validate, replay or run, store the answer, send webhooks."""

import asyncio
import json
import re
from typing import Final

from sandbox import request_log
from sandbox import world as faults
from sandbox.adyen import payments, webhooks
from sandbox.calls import Answer, Call, RunningCalls
from sandbox.models import Delivery, Document
from sandbox.outcomes import Effect, Outcome, Reply
from sandbox.store import Store
from sandbox.stripe.pay_endpoint import take_outcome
from sandbox.webhook_sender import WebhookFormat, WebhookSender
from sandbox.world import SandboxWorld

MAX_KEY_LENGTH = 64
KEY_LIFETIME_SECONDS = 7 * 86_400
KEY_PREFIX = "adyen:"


class AdyenIdempotencyKeys:
    """A key is new, running, or answered."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(self, key: str, now: int) -> Document | None:
        """Claim a new key (None) or give its first answer. KeyError while the first one is still running."""
        self._store.execute(
            "DELETE FROM idempotency WHERE key = ? AND created <= ?", KEY_PREFIX + key, now - KEY_LIFETIME_SECONDS
        )
        found = self._store.execute("SELECT * FROM idempotency WHERE key = ?", KEY_PREFIX + key)
        if not found:
            sql = "INSERT INTO idempotency (key, request, created) VALUES (?, '', ?)"
            self._store.execute(sql, KEY_PREFIX + key, now)
            return None
        if found[0]["status"] is None:
            raise KeyError(key)
        answer: Document = json.loads(found[0]["body"])
        return answer

    def keep_answer(self, key: str, answer: Document) -> None:
        """Keep the answer."""
        sql = "UPDATE idempotency SET status = 200, body = ?, request_id = '' WHERE key = ?"
        self._store.execute(sql, json.dumps(answer), KEY_PREFIX + key)

    def release(self, key: str) -> None:
        """It was not executed; the next request with this key is the first again."""
        self._store.execute("DELETE FROM idempotency WHERE key = ? AND status IS NULL", KEY_PREFIX + key)


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
        self._keys = AdyenIdempotencyKeys(world.store)
        self._running_calls: RunningCalls[Answer] = RunningCalls()
        config = world.config
        letter = WebhookFormat(webhooks.sign_adyen_webhook, webhooks.describe_adyen_webhook)
        self.webhook_sender = WebhookSender(config, letter, config.adyen_webhook_url, config.adyen_hmac_key)

    async def handle(self, call: Call) -> Answer:
        """Answer a call. Once begun it runs to its end, whether or not the caller still listens."""
        return await self._running_calls.run_to_end(self._handle_logged(call))

    async def close(self) -> None:
        """End what still runs; unfinished requests have changed nothing."""
        await self._running_calls.close()
        await self.webhook_sender.close()

    async def _handle_logged(self, call: Call) -> Answer:
        sequence = request_log.log_call(self._world, call, _invoice_of_call(call))
        try:
            answer = await self._answer_call(call)
        except AdyenError as refused:
            answer = refused.answer
        request_log.log_answer(self._world, sequence, answer)
        if answer.after:
            await asyncio.sleep(answer.after)
        return answer

    async def _answer_call(self, call: Call) -> Answer:
        if not call.authorization:
            raise AdyenError(401, "000", "HTTP Status Response - Unauthorized", "security")
        if call.method != "POST" or not PAYMENTS_PATH.match(call.path):
            raise AdyenError(404, "000", "Not found", "internal")
        if scripted := await faults.apply_fault(self._world, call):
            return scripted
        _check_payment(call)
        if self._world.store.get("adyen_removed", call.params["paymentMethod"]["storedPaymentMethodId"]):
            raise AdyenError(422, "803", "PaymentDetail not found")
        return await self._run_idempotently(call, call.key) if call.key else await self._run_payment(call)

    async def _run_idempotently(self, call: Call, key: str) -> Answer:
        try:
            kept = self._keys.claim(key, self._world.clock.now())
        except KeyError:
            raise AdyenError(422, "704", "request already processed or in progress") from None
        if kept:
            return Answer(200, kept, {"Idempotency-Key": key}, replayed=True, outcome="replayed")
        try:
            return await self._run_payment(call)
        finally:
            self._keys.release(key)

    async def _run_payment(self, call: Call) -> Answer:
        call.outcome = outcome = take_outcome(self._world, payments.adyen_script_id(call.params["reference"]))
        await asyncio.sleep(outcome.before)
        if outcome.effect is Effect.NOTHING:
            return _answer_as_scripted(outcome, {})
        with self._world.store.transaction():
            body, told = payments.execute_payment(self._world, call.params, outcome, call.key)
            if call.key:
                self._keys.keep_answer(call.key, body)
        await self._send_webhooks(call.params["reference"], told)
        return _answer_as_scripted(outcome, body)

    async def _send_webhooks(self, invoice: str, events: list[Document]) -> None:
        control = self._world.script_control(payments.adyen_script_id(invoice))
        if self._world.config.echo and control["echo"]:
            delivery = Delivery.model_validate(control["echo_delivery"] | {"wait": False})
            await self.webhook_sender.send_bodies([webhooks.webhook_body([one["item"]]) for one in events], delivery)


def _answer_as_scripted(outcome: Outcome, body: Document) -> Answer:
    text, after = outcome.text, outcome.after
    if outcome.reply is Reply.MALFORMED:
        return Answer(200, {"nonsense": True}, after=after, outcome=text)
    if outcome.reply is Reply.ERROR:
        headers = {"Retry-After": outcome.retry_after} if outcome.retry_after else {}
        error = {"status": outcome.status, "errorCode": "901", "message": "scripted", "errorType": "internal"}
        return Answer(outcome.status, error, headers, after=after, outcome=text)
    return Answer(200, body, drop=outcome.reply is Reply.DROP, after=after, outcome=text)


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
