"""How every request to the fake API is answered: authenticate, match, replay or run, keep, send events."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sandbox import models, request_log
from sandbox import world as faults
from sandbox.calls import Answer, Call, RunningCalls
from sandbox.stripe.api_keys import authenticate_call
from sandbox.stripe.endpoints import Endpoint, match_endpoint
from sandbox.stripe.errors import StripeError
from sandbox.stripe.idempotency import KeptAnswer
from sandbox.stripe.params import refuse_unknown
from sandbox.stripe.pay_endpoint import lock_timeout
from sandbox.world import SandboxWorld


class StripeGateway:
    """The fake API without HTTP."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._running_calls: RunningCalls[Answer] = RunningCalls()

    async def handle(self, call: Call) -> Answer:
        """Answer a call. Once begun it runs to its end, whether or not the caller still listens."""
        return await self._running_calls.run_to_end(self._handle_logged(call))

    async def close(self) -> None:
        """End what still runs; unfinished requests have changed nothing."""
        await self._running_calls.close()

    async def _handle_logged(self, call: Call) -> Answer:
        sequence = request_log.log_stripe_call(self._world, call)
        try:
            answer = await self._answer_call(call)
        except StripeError as error:
            name = str(error.error.get("code") or error.error.get("type"))
            scripted = call.outcome.text if call.outcome else f"error:{error.status}:{name}"
            answer = Answer(error.status, error.body, error.headers, keep=False, outcome=scripted)
        request_log.log_answer(self._world, sequence, answer)
        if answer.after:
            await asyncio.sleep(answer.after)
        return replace(answer, headers=self._answer_headers(call, answer))

    async def _answer_call(self, call: Call) -> Answer:
        authenticate_call(self._world.store, call)
        endpoint, call.names = match_endpoint(call.method, call.path)
        if scripted := await faults.apply_fault(self._world, call):
            return scripted
        refuse_unknown(call.params, endpoint.params)
        world = self._world_for(call)
        if call.key is None or call.method != "POST":
            return await self._run_endpoint(world, call, endpoint)
        return await self._run_idempotently(world, call, endpoint, call.key)

    def _world_for(self, call: Call) -> SandboxWorld:
        """The objects of the account that is acted for. Source: docs.stripe.com/connect/authentication."""
        if call.account and self._world.store.get("account", call.account) is None:
            message = f"The provided key does not have access to account '{call.account}'."
            raise StripeError(403, type="invalid_request_error", code="account_invalid", message=message)
        return self._world.for_account(call.account)

    async def _run_idempotently(self, world: SandboxWorld, call: Call, endpoint: Endpoint, key: str) -> Answer:
        request = {"method": call.method, "path": call.path, "params": call.params}
        request |= {"account": call.account} if call.account else {}
        kept = self._world.idempotency_keys.claim(key, request, self._world.clock.now())
        if kept:
            headers = {"Idempotent-Replayed": "true", "Original-Request": kept.request_id}
            return Answer(kept.status, kept.body, headers, replayed=True, outcome="replayed")
        try:
            return await self._run_endpoint(world, call, endpoint)
        finally:
            self._world.idempotency_keys.release(key)

    async def _run_endpoint(self, world: SandboxWorld, call: Call, endpoint: Endpoint) -> Answer:
        with self._hold_object(call, endpoint):
            if endpoint.prepare:
                await endpoint.prepare(world, call)
            with world.store.transaction():
                answer = endpoint.run(world, call)
                answer = self._keep_answer(call, answer)
        if answer.delivery:
            await self._world.webhooks.send_events(answer.events, answer.delivery)
        return answer

    def _keep_answer(self, call: Call, answer: Answer) -> Answer:
        """Store the answer under its key, in the same transaction as what it did."""
        request_id = models.new_object_id("req")
        if call.key and answer.keep and call.method == "POST":
            self._world.idempotency_keys.keep_answer(
                call.key, KeptAnswer(answer.status, json.dumps(answer.body), request_id)
            )
        return replace(answer, headers={"Request-Id": request_id, **answer.headers})

    @contextmanager
    def _hold_object(self, call: Call, endpoint: Endpoint) -> Iterator[None]:
        """One call at a time per object, as Stripe does it, except for invoices marked unguarded."""
        name = call.names[0] if endpoint.exclusive else None
        if name is None or self._world.script_control(name)["unguarded"]:
            yield
            return
        if name in self._world.locked_objects:
            raise lock_timeout(name)
        self._world.locked_objects.add(name)
        try:
            yield
        finally:
            self._world.locked_objects.discard(name)

    @staticmethod
    def _answer_headers(call: Call, answer: Answer) -> dict[str, str]:
        headers = {"Request-Id": models.new_object_id("req"), "Stripe-Version": call.version or "2026-10-28.endive"}
        if call.key and call.method == "POST":
            headers["Idempotency-Key"] = call.key
        if answer.status == 500:
            headers["Stripe-Should-Retry"] = "false"
        return headers | answer.headers
