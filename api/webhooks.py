"""The webhook endpoint for providers. The body is read raw, since the signature is over its bytes."""

from collections.abc import Awaitable, Callable
from typing import Final, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from api import problems
from api.deps import Parts, PartsDep, ProviderName, decode_segment, get_parts
from api.problems import problem_responses
from api.webhook_ingest import WebhookReceipt, ingest_webhook
from core.errors import InvalidInput, NotFound, StoreUnavailable
from providers.base import AnswersChallenge, Webhooks

router: Final = APIRouter(tags=["webhooks"])
ROUTE: Final = "/webhooks/{provider}"

_PROVIDER_TEXT: Final = "name of the provider, e.g. `stripe`"
_PROVIDER_PARAMETER: Final = {
    "name": "provider",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "description": _PROVIDER_TEXT, "title": "Provider"},
    "description": _PROVIDER_TEXT,
}


class WebhookBatch(BaseModel):
    """The answer to a body with several events: one item per event, in their order."""

    status: Literal["accepted", "duplicate", "ignored"]
    """`accepted` if any item is, else `ignored` if any is, else `duplicate`."""
    items: list[WebhookReceipt]


@router.post(
    ROUTE,
    status_code=202,
    response_model=WebhookReceipt | WebhookBatch,
    responses=problem_responses(400, 404, 408, 413, 503),
    summary="Receive a provider's webhook",
    openapi_extra={
        "parameters": [_PROVIDER_PARAMETER],
        "requestBody": {
            "required": True,
            "description": "the body exactly as the provider signed it, up to 1 MiB",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
    },
)
async def receive_webhook(request: Request) -> Response:
    """A 202 means verified and stored. The event starts a recovery, signals a running one, or is ignored with a reason.

    Signed webhooks are never rate-limited. A provider without a webhook secret is off and answers 404.
    """
    # For names that are spelt otherwise, and those of nobody: the others are answered by `api.direct_webhooks`.
    parts, provider = get_parts(request), decode_segment(request.path_params["provider"])
    _enabled_webhooks(parts, provider)
    return await answer_webhook(parts, provider, request, request.body)


async def answer_webhook(
    parts: Parts, provider: str, request: Request, read_body: Callable[[], Awaitable[bytes]]
) -> Response:
    """The answer to a webhook for an enabled provider; it is counted. Raises what it can't be stored for."""
    try:
        receipts = await ingest_webhook(parts, provider, request.headers, await read_body())
    except InvalidInput as unfit:
        parts.metrics.webhooks.labels(provider, "invalid").inc()
        return problems.problem_response(request, 400, "invalid_webhook", str(unfit))
    except Exception as error:
        parts.metrics.webhooks.labels(provider, _failure_label(error)).inc()
        raise
    for receipt in receipts:
        parts.metrics.webhooks.labels(provider, receipt.status).inc()
    answer = receipts[0] if len(receipts) == 1 else WebhookBatch(status=_overall_status(receipts), items=receipts)
    # Serialised here: FastAPI would validate the answer against both models first.
    return Response(answer.model_dump_json(), 202, media_type="application/json")


@router.get(
    ROUTE,
    response_class=PlainTextResponse,
    responses=problem_responses(400, 404, 405),
    summary="Prove to a provider that this address is yours",
)
async def answer_webhook_challenge(provider: ProviderName, request: Request, parts: PartsDep) -> Response:
    """Braintree sends `bt_challenge` before it uses an address; nothing is stored. Other providers send none: 405."""
    webhooks = _enabled_webhooks(parts, provider)
    if not isinstance(webhooks, AnswersChallenge):
        raise HTTPException(405, headers={"Allow": "POST"})
    try:
        return PlainTextResponse(webhooks.answer_challenge(dict(request.query_params)))
    except InvalidInput as unfit:
        return problems.problem_response(request, 400, "invalid_challenge", str(unfit))


def _enabled_webhooks(parts: Parts, provider: str) -> Webhooks:
    if provider not in parts.webhooks:
        parts.metrics.webhooks.labels("unknown", "not_found").inc()
        raise NotFound("There is no such provider, or its webhooks are switched off.")
    return parts.webhooks[provider]


def _failure_label(error: Exception) -> str:
    if isinstance(error, HTTPException):
        return {408: "too_slow", 413: "too_large"}.get(error.status_code, "failed")
    return "unavailable" if isinstance(error, StoreUnavailable) else "failed"


def _overall_status(receipts: list[WebhookReceipt]) -> Literal["accepted", "duplicate", "ignored"]:
    found = {receipt.status for receipt in receipts}
    return "accepted" if "accepted" in found else "ignored" if "ignored" in found else "duplicate"
