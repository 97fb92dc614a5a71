"""How every request to the fake API is answered: authenticate, match, replay or run, keep, send events."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sandbox import faults, ids, log
from sandbox.call import Answer, Call
from sandbox.endpoints import Endpoint, match
from sandbox.errors import StripeError
from sandbox.idempotency import Kept
from sandbox.params import refuse_unknown
from sandbox.pay import busy
from sandbox.rights import authenticate
from sandbox.running import Running
from sandbox.world import World


class Gateway:
    """The fake API without HTTP."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._running: Running[Answer] = Running()

    async def handle(self, call: Call) -> Answer:
        """Answer a call. Once begun it runs to its end, whether or not the caller still listens."""
        return await self._running.shielded(self._logged(call))

    async def close(self) -> None:
        """End what still runs; unfinished requests have changed nothing."""
        await self._running.close()

    async def _logged(self, call: Call) -> Answer:
        sequence = log.begin(self._world, call)
        try:
            answer = await self._answer(call)
        except StripeError as error:
            name = str(error.error.get("code") or error.error.get("type"))
            scripted = call.outcome.text if call.outcome else f"error:{error.status}:{name}"
            answer = Answer(error.status, error.body, error.headers, keep=False, outcome=scripted)
        log.end(self._world, sequence, answer)
        if answer.after:
            await asyncio.sleep(answer.after)
        return replace(answer, headers=self._headers(call, answer))

    async def _answer(self, call: Call) -> Answer:
        authenticate(self._world.store, call)
        endpoint, call.names = match(call.method, call.path)
        if scripted := await faults.strike(self._world, call):
            return scripted
        refuse_unknown(call.params, endpoint.params)
        world = self._seen_by(call)
        if call.key is None or call.method != "POST":
            return await self._run(world, call, endpoint)
        return await self._keyed(world, call, endpoint, call.key)

    def _seen_by(self, call: Call) -> World:
        """The objects of the account that is acted for. Source: docs.stripe.com/connect/authentication."""
        if call.account and self._world.store.get("account", call.account) is None:
            message = f"The provided key does not have access to account '{call.account}'."
            raise StripeError(403, type="invalid_request_error", code="account_invalid", message=message)
        return self._world.of(call.account)

    async def _keyed(self, world: World, call: Call, endpoint: Endpoint, key: str) -> Answer:
        request = {"method": call.method, "path": call.path, "params": call.params}
        request |= {"account": call.account} if call.account else {}
        kept = self._world.keys.begin(key, request, self._world.clock.now())
        if kept:
            headers = {"Idempotent-Replayed": "true", "Original-Request": kept.request_id}
            return Answer(kept.status, kept.body, headers, replayed=True, outcome="replayed")
        try:
            return await self._run(world, call, endpoint)
        finally:
            self._world.keys.forget(key)

    async def _run(self, world: World, call: Call, endpoint: Endpoint) -> Answer:
        with self._alone(call, endpoint):
            if endpoint.prepare:
                await endpoint.prepare(world, call)
            with world.store.transaction():
                answer = endpoint.run(world, call)
                answer = self._keep(call, answer)
        if answer.delivery:
            await self._world.webhooks.send(answer.events, answer.delivery)
        return answer

    def _keep(self, call: Call, answer: Answer) -> Answer:
        """Store the answer under its key, in the same transaction as what it did."""
        request_id = ids.new("req")
        if call.key and answer.keep and call.method == "POST":
            self._world.keys.finish(call.key, Kept(answer.status, json.dumps(answer.body), request_id))
        return replace(answer, headers={"Request-Id": request_id, **answer.headers})

    @contextmanager
    def _alone(self, call: Call, endpoint: Endpoint) -> Iterator[None]:
        """One call at a time per object, as Stripe does it, except for invoices marked unguarded."""
        name = call.names[0] if endpoint.exclusive else None
        if name is None or self._world.control(name)["unguarded"]:
            yield
            return
        if name in self._world.busy:
            raise busy(name)
        self._world.busy.add(name)
        try:
            yield
        finally:
            self._world.busy.discard(name)

    @staticmethod
    def _headers(call: Call, answer: Answer) -> dict[str, str]:
        headers = {"Request-Id": ids.new("req"), "Stripe-Version": call.version or "2026-10-28.endive"}
        if call.key and call.method == "POST":
            headers["Idempotency-Key"] = call.key
        if answer.status == 500:
            headers["Stripe-Should-Retry"] = "false"
        return headers | answer.headers
