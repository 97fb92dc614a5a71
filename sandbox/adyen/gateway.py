"""How calls to the fake Adyen are answered: authenticate, check, replay or run, keep, tell."""

import asyncio
import re
from typing import Final

from sandbox import faults, log
from sandbox.adyen import items, payments
from sandbox.adyen.keys import LONGEST, Keys
from sandbox.call import Answer, Call
from sandbox.courier import Courier, Letter
from sandbox.models import Delivery, Document
from sandbox.outcomes import Effect, Outcome, Reply
from sandbox.pay import take
from sandbox.running import Running
from sandbox.world import World

PAYMENTS: Final = re.compile(r"^/adyen/(?:checkout/)?v\d+/payments$")


class Refused(Exception):
    """An answer with Adyen's error body."""

    def __init__(self, status: int, code: str, message: str, kind: str = "validation") -> None:
        super().__init__(message)
        self.answer = Answer(
            status, {"status": status, "errorCode": code, "message": message, "errorType": kind}, keep=False
        )


class AdyenGateway:
    """The fake Adyen without HTTP."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._keys = Keys(world.store)
        self._running: Running[Answer] = Running()
        config = world.config
        letter = Letter(items.seal, items.named)
        self.courier = Courier(config, letter, config.adyen_webhook_url, config.adyen_hmac_key)

    async def handle(self, call: Call) -> Answer:
        """Answer a call. Once begun it runs to its end, whether or not the caller still listens."""
        return await self._running.shielded(self._logged(call))

    async def close(self) -> None:
        """End what still runs; unfinished requests have changed nothing."""
        await self._running.close()
        await self.courier.close()

    async def _logged(self, call: Call) -> Answer:
        sequence = log.noted(self._world, call, _invoice(call))
        try:
            answer = await self._answer(call)
        except Refused as refused:
            answer = refused.answer
        log.end(self._world, sequence, answer)
        if answer.after:
            await asyncio.sleep(answer.after)
        return answer

    async def _answer(self, call: Call) -> Answer:
        if not call.authorization:
            raise Refused(401, "000", "HTTP Status Response - Unauthorized", "security")
        if call.method != "POST" or not PAYMENTS.match(call.path):
            raise Refused(404, "000", "Not found", "internal")
        if scripted := await faults.strike(self._world, call):
            return scripted
        _check(call)
        if self._world.store.get("adyen_removed", call.params["paymentMethod"]["storedPaymentMethodId"]):
            raise Refused(422, "803", "PaymentDetail not found")
        return await self._keyed(call, call.key) if call.key else await self._run(call)

    async def _keyed(self, call: Call, key: str) -> Answer:
        try:
            kept = self._keys.begin(key, self._world.clock.now())
        except KeyError:
            raise Refused(422, "704", "request already processed or in progress") from None
        if kept:
            return Answer(200, kept, {"Idempotency-Key": key}, replayed=True, outcome="replayed")
        try:
            return await self._run(call)
        finally:
            self._keys.forget(key)

    async def _run(self, call: Call) -> Answer:
        call.outcome = outcome = take(self._world, payments.control_id(call.params["reference"]))
        await asyncio.sleep(outcome.before)
        if outcome.effect is Effect.NOTHING:
            return _replied(outcome, {})
        with self._world.store.transaction():
            body, told = payments.execute(self._world, call.params, outcome, call.key)
            if call.key:
                self._keys.finish(call.key, body)
        await self._tell(call.params["reference"], told)
        return _replied(outcome, body)

    async def _tell(self, invoice: str, told: list[Document]) -> None:
        control = self._world.control(payments.control_id(invoice))
        if self._world.config.echo and control["echo"]:
            delivery = Delivery.model_validate(control["echo_delivery"] | {"wait": False})
            await self.courier.send_bodies([items.body([one["item"]]) for one in told], delivery)


def _replied(outcome: Outcome, body: Document) -> Answer:
    text, after = outcome.text, outcome.after
    if outcome.reply is Reply.MALFORMED:
        return Answer(200, {"nonsense": True}, after=after, outcome=text)
    if outcome.reply is Reply.ERROR:
        headers = {"Retry-After": outcome.retry_after} if outcome.retry_after else {}
        error = {"status": outcome.status, "errorCode": "901", "message": "scripted", "errorType": "internal"}
        return Answer(outcome.status, error, headers, after=after, outcome=text)
    return Answer(200, body, drop=outcome.reply is Reply.DROP, after=after, outcome=text)


def _check(call: Call) -> None:
    """What Adyen insists on for a payment with a stored token."""
    order = call.params
    if call.key and len(call.key) > LONGEST:
        raise Refused(422, "702", "The idempotency key is longer than 64 characters")
    amount, method = order.get("amount"), order.get("paymentMethod")
    if not isinstance(amount, dict) or not isinstance(amount.get("value"), int) or not amount.get("currency"):
        raise Refused(422, "100", "No amount specified")
    for name, code in (("merchantAccount", "901"), ("reference", "130"), ("shopperReference", "702")):
        if not order.get(name) or not isinstance(order[name], str):
            raise Refused(422, code, f"Required field '{name}' is not provided.")
    if not isinstance(method, dict) or not method.get("storedPaymentMethodId"):
        raise Refused(422, "803", "PaymentDetail not found")
    if order.get("shopperInteraction") != "ContAuth" or not order.get("recurringProcessingModel"):
        raise Refused(422, "702", "A stored payment method is charged with ContAuth and a processing model")


def _invoice(call: Call) -> str | None:
    named = call.params.get("reference")
    return named if isinstance(named, str) else None
