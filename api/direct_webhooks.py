"""Answers webhooks before all other middleware and routing, which take longer than verifying and storing them.

The same limits, headers and metrics as every other response has. Whatever is not plainly a webhook of an enabled
provider goes the usual way.
"""

import time
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.deps import Parts
from api.middleware import BodyLimit, add_security_headers
from api.webhooks import ROUTE, answer_webhook
from core.errors import RecoveryError

_FOLDER: Final = ROUTE.partition("{")[0]


class DirectWebhooks:
    """Answers webhooks of enabled providers; passes everything else on."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app, self._parts, self._limit = app, parts, BodyLimit(app)
        self._providers = {f"{_FOLDER}{name}".encode(): name for name in parts.webhooks}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, and counts the answer. An unexpected error is answered with 500 and raised, as Starlette does."""
        provider = self._providers.get(scope["raw_path"] or b"") if _is_post(scope) else None
        if provider is None:
            return await self._app(scope, receive, send)
        started, status = time.perf_counter(), 500
        try:
            response = await self._answer(provider, scope, receive)
            status = response.status_code
        except Exception as error:
            await _send_response(await problems.answer_unexpected_error(Request(scope), error), send)
            raise
        else:
            await _send_response(response, send)
        finally:
            self._parts.metrics.latency.labels("POST", ROUTE, str(status)).observe(time.perf_counter() - started)

    async def _answer(self, provider: str, scope: Scope, receive: Receive) -> Response:
        request = Request(scope, receive)
        try:
            body = self._limit.guard_body(scope, receive)
            return await answer_webhook(self._parts, provider, request, body.read)
        except RecoveryError as error:
            return await problems.answer_recovery_error(request, error)
        except HTTPException as error:
            return await problems.answer_http_error(request, error)


def _is_post(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "POST" and "raw_path" in scope


async def _send_response(response: Response, send: Send) -> None:
    start: Message = {
        "type": "http.response.start",
        "status": response.status_code,
        "headers": response.raw_headers,
    }
    add_security_headers(start)
    await send(start)
    await send({"type": "http.response.body", "body": response.body})
