"""How every fake serves its API: a call is logged, runs to its end, and may end without an answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox import request_log
from sandbox.calls import Answer, Call
from sandbox.world import SandboxWorld

CUT_SCOPE_KEY: Final = "sandbox.cut"
CallT = TypeVar("CallT", bound=Call)


class ConnectionDroppedError(ConnectionError):
    """The scripted loss of a connection, where there is no socket to cut (in-process clients)."""


class CallRunner(Generic[CallT]):
    """Runs the calls of one fake; once begun a call runs to its end, whether or not its caller still listens."""

    def __init__(
        self,
        world: SandboxWorld,
        answer_call: Callable[[CallT], Awaitable[Answer]],
        find_invoice: Callable[[CallT], str | None],
    ) -> None:
        self._world = world
        self._answer_call = answer_call
        self._find_invoice = find_invoice
        self._tasks: set[asyncio.Task[Answer]] = set()

    async def run(self, call: CallT) -> Answer:
        """The answer, after as long a wait as it asks for; both are in the request log."""
        task = asyncio.create_task(self._run_logged(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End what still runs; unfinished requests have changed nothing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run_logged(self, call: CallT) -> Answer:
        sequence = request_log.log_call(self._world, call, self._find_invoice(call))
        answer = await self._answer_call(call)
        request_log.log_answer(self._world, sequence, answer)
        if answer.after:
            await asyncio.sleep(answer.after)
        return answer


class CuttableApp(FastAPI):
    """Gives handlers a way to cut the connection without an answer, as a broken network would."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the cut in the scope (outermost, where `send` is still the server's own)."""

        async def cut_connection() -> None:
            transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
            if transport is None:
                raise ConnectionDroppedError("the sandbox dropped the connection")
            transport.abort()
            while (await receive())["type"] != "http.disconnect":
                pass

        scope[CUT_SCOPE_KEY] = cut_connection
        await super().__call__(scope, receive, send)


def serve_api(
    app: FastAPI,
    path: str,
    methods: list[str],
    parse: Callable[[Request], Awaitable[CallT]],
    handle: Callable[[CallT], Awaitable[Answer]],
    render: Callable[[Answer], Response],
) -> None:
    """Answer every call below a path of this app, in the format of one provider."""

    async def answer_call(request: Request) -> Response:
        answer = await handle(await parse(request))
        if answer.drop:
            await request.scope[CUT_SCOPE_KEY]()
        return render(answer)

    app.add_api_route(f"{path}/{{path:path}}", answer_call, methods=methods, include_in_schema=False)
