"""How every request to the fake Stripe is answered: authenticate, match, replay or run, keep, send events."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sandbox import models
from sandbox.calls import Answer
from sandbox.gateway import CallRunner
from sandbox.outcomes import Outcome
from sandbox.stripe.api_keys import authenticate_call
from sandbox.stripe.calls import BASIL_VERSION, StripeCall, invoice_of_call
from sandbox.stripe.endpoints import Endpoint, match_endpoint
from sandbox.stripe.errors import StripeError, error_for_status
from sandbox.stripe.idempotency import IdempotencyKeys, KeptAnswer
from sandbox.stripe.params import refuse_unknown
from sandbox.stripe.pay_endpoint import lock_timeout
from sandbox.stripe.webhooks import StripeWebhooks
from sandbox.stripe.world import StripeWorld
from sandbox.world import SandboxWorld, apply_fault


class StripeGateway:
    """The fake Stripe without HTTP."""

    def __init__(self, shared: SandboxWorld) -> None:
        self.world = StripeWorld(shared)
        self.webhooks = StripeWebhooks(shared.config, self.world.events.mark_delivered)
        self.idempotency_keys = IdempotencyKeys(shared.store)
        self._locked_objects: set[str] = set()
        self._calls = CallRunner(shared, self._answer_call, lambda call: invoice_of_call(shared.store, call))

    async def handle(self, call: StripeCall) -> Answer:
        """Answer a call. Once begun it runs to its end, whether or not the caller still listens."""
        return await self._calls.run(call)

    async def close(self) -> None:
        """End what still runs and what is still on its way; unfinished requests have changed nothing."""
        await self._calls.close()
        await self.webhooks.close()

    async def _answer_call(self, call: StripeCall) -> Answer:
        try:
            answer = await self._answer_authenticated(call)
        except StripeError as error:
            name = str(error.error.get("code") or error.error.get("type"))
            scripted = call.outcome.text if call.outcome else f"error:{error.status}:{name}"
            answer = Answer(error.status, error.body, error.headers, keep=False, outcome=scripted)
        return replace(answer, headers=self._answer_headers(call, answer))

    async def _answer_authenticated(self, call: StripeCall) -> Answer:
        authenticate_call(self.world.store, call)
        endpoint, call.names = match_endpoint(call.method, call.path)
        if scripted := await apply_fault(self.world, call, _scripted_error):
            return scripted
        refuse_unknown(call.params, endpoint.params)
        world = self._world_for(call)
        if call.key is None or call.method != "POST":
            return await self._run_endpoint(world, call, endpoint)
        return await self._run_idempotently(world, call, endpoint, call.key)

    def _world_for(self, call: StripeCall) -> StripeWorld:
        """The objects of the account that is acted for. Source: docs.stripe.com/connect/authentication."""
        if call.account and self.world.store.get("account", call.account) is None:
            message = f"The provided key does not have access to account '{call.account}'."
            raise StripeError(403, type="invalid_request_error", code="account_invalid", message=message)
        return self.world.for_account(call.account)

    async def _run_idempotently(self, world: StripeWorld, call: StripeCall, endpoint: Endpoint, key: str) -> Answer:
        request = {"method": call.method, "path": call.path, "params": call.params}
        request |= {"account": call.account} if call.account else {}
        kept = self.idempotency_keys.claim(key, request, self.world.clock.now())
        if kept:
            headers = {"Idempotent-Replayed": "true", "Original-Request": kept.request_id}
            return Answer(kept.status, kept.body, headers, replayed=True, outcome="replayed")
        try:
            return await self._run_endpoint(world, call, endpoint)
        finally:
            self.idempotency_keys.release(key)

    async def _run_endpoint(self, world: StripeWorld, call: StripeCall, endpoint: Endpoint) -> Answer:
        with self._hold_object(call, endpoint):
            if endpoint.prepare:
                await endpoint.prepare(world, call)
            with world.store.transaction():
                answer = endpoint.run(world, call)
                answer = self._keep_answer(call, answer)
        if answer.delivery:
            await self.webhooks.send_events(answer.events, answer.delivery)
        return answer

    def _keep_answer(self, call: StripeCall, answer: Answer) -> Answer:
        """Store the answer under its key, in the same transaction as what it did."""
        request_id = models.new_object_id("req")
        if call.key and answer.keep and call.method == "POST":
            body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            self.idempotency_keys.keep_answer(call.key, KeptAnswer(answer.status, body, request_id))
        return replace(answer, headers={"Request-Id": request_id, **answer.headers})

    @contextmanager
    def _hold_object(self, call: StripeCall, endpoint: Endpoint) -> Iterator[None]:
        """One call at a time per object, as Stripe does it, except for invoices marked unguarded."""
        name = call.names[0] if endpoint.exclusive else None
        if name is None or self.world.script_control(name)["unguarded"]:
            yield
            return
        if name in self._locked_objects:
            raise lock_timeout(name)
        self._locked_objects.add(name)
        try:
            yield
        finally:
            self._locked_objects.discard(name)

    @staticmethod
    def _answer_headers(call: StripeCall, answer: Answer) -> dict[str, str]:
        headers = {"Request-Id": models.new_object_id("req"), "Stripe-Version": call.version or BASIL_VERSION}
        if call.key and call.method == "POST":
            headers["Idempotency-Key"] = call.key
        if answer.status == 500:
            headers["Stripe-Should-Retry"] = "false"
        return headers | answer.headers


def _scripted_error(outcome: Outcome) -> Answer:
    error = error_for_status(outcome.status, outcome.retry_after)
    return Answer(error.status, error.body, error.headers)
