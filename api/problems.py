"""Answers every error as `application/problem+json` (RFC 9457), also FastAPI's own, without internal details."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from core.errors import (
    CommandRefused,
    EngineUnavailable,
    InvalidInput,
    InvalidPolicy,
    NotFound,
    ProviderUnavailable,
    RecoveryError,
    RunClosed,
    StoreUnavailable,
    TooManyRequests,
)
from core.problem_list import MOST_PROBLEMS, shorten

MEDIA_TYPE: Final = "application/problem+json"
CONFLICT_CODES: Final = frozenset({"closed", "in_flight", "paused", "fraud_hold", "network_limit", "hard_decline"})
"""Codes of refusals that conflict with the recovery's state (409). Other refusals are 422, but for FORBIDDEN_CODE."""
FORBIDDEN_CODE: Final = "second_approver"
"""Code of a command that one person may not carry out alone (403)."""
RETRY_AFTER_HEADER: Final = {"Retry-After": "5"}


class ProblemCode(StrEnum):
    """All values of a problem's `code`."""

    BAD_REQUEST = "bad_request"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REQUEST_TIMEOUT = "request_timeout"
    TOO_LARGE = "request_entity_too_large"
    TOO_MANY = "too_many_requests"
    INTERNAL = "internal_error"
    INVALID_REQUEST = "invalid_request"
    INVALID_INPUT = "invalid_input"
    INVALID_WEBHOOK = "invalid_webhook"
    INVALID_CHALLENGE = "invalid_challenge"
    POLICY_INVALID = "policy_invalid"
    DATABASE_UNAVAILABLE = "database_unavailable"
    TEMPORAL_UNAVAILABLE = "temporal_unavailable"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    CLOSED = "closed"
    IN_FLIGHT = "in_flight"
    PAUSED = "paused"
    FRAUD_HOLD = "fraud_hold"
    NETWORK_LIMIT = "network_limit"
    HARD_DECLINE = "hard_decline"
    NOT_IN_REVIEW = "not_in_review"
    NO_DECISION = "no_decision"
    SECOND_APPROVER = "second_approver"
    EVENT_LOG = "event_log"
    ERASED = "erased"


_CODE_BY_STATUS: Final = {
    400: ProblemCode.BAD_REQUEST,
    401: ProblemCode.UNAUTHORIZED,
    403: ProblemCode.FORBIDDEN,
    404: ProblemCode.NOT_FOUND,
    405: ProblemCode.METHOD_NOT_ALLOWED,
    408: ProblemCode.REQUEST_TIMEOUT,
    413: ProblemCode.TOO_LARGE,
    422: ProblemCode.INVALID_REQUEST,
    429: ProblemCode.TOO_MANY,
}


class FieldProblem(BaseModel):
    """One invalid field of a request."""

    field: str
    message: str


class Problem(BaseModel):
    """An error as defined by RFC 9457."""

    type: str = Field("about:blank", description="always about:blank: `code` distinguishes errors")
    title: str = Field(description="the status in words")
    status: int = Field(description="HTTP status code")
    detail: str = Field(description="one sentence for a person")
    instance: str = Field(description="path of the request")
    code: ProblemCode = Field(description="a stable word for programs")
    errors: list[FieldProblem] | None = Field(
        None, description="for a request that does not match its schema: what is wrong, by field"
    )


def problem_response(
    request: Request,
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: list[FieldProblem] | None = None,
) -> JSONResponse:
    """The error as a response. `code` must be a ProblemCode; raises ValueError for any other text."""
    title = HTTPStatus(status).phrase
    problem = Problem(
        title=title,
        status=status,
        detail=detail,
        instance=_request_path(request),
        code=ProblemCode(code),
        errors=errors,
    )
    body = problem.model_dump(exclude_none=True)
    return JSONResponse(body, status, dict(headers or {}), media_type=MEDIA_TYPE)


def _request_path(request: Request) -> str:
    """The path as requested, percent-encoded, up to 1000 characters; without the query, which may hold secrets."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return raw.partition(b"?")[0].decode("ascii", "replace")[:1000]


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of the problems with these statuses, by status."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def install_problem_handlers(app: FastAPI) -> None:
    """Makes the application answer every error with a problem."""
    app.add_exception_handler(RecoveryError, answer_recovery_error)
    app.add_exception_handler(RequestValidationError, _handle_invalid_request)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(Exception, answer_unexpected_error)


_STATUS_BY_ERROR: Final[tuple[tuple[type[RecoveryError], int, str], ...]] = (
    (NotFound, 404, "not_found"),
    (RunClosed, 409, "closed"),
    (StoreUnavailable, 503, "database_unavailable"),
    (EngineUnavailable, 503, "temporal_unavailable"),
    (ProviderUnavailable, 503, "provider_unavailable"),
    (InvalidPolicy, 503, "policy_invalid"),
    (InvalidInput, 422, "invalid_input"),
)


def refusal_status(error: CommandRefused) -> int:
    """The HTTP status of a refusal: 403, 409 or 422."""
    if error.code == FORBIDDEN_CODE:
        return 403
    return 409 if error.code in CONFLICT_CODES else 422


def retry_after_header(error: TooManyRequests) -> dict[str, str]:
    """The Retry-After header, in whole seconds, at least 1."""
    return {"Retry-After": str(max(1, math.ceil(error.retry_after.total_seconds())))}


def too_many_response(request: Request, error: TooManyRequests) -> JSONResponse:
    """429 with Retry-After."""
    return problem_response(request, 429, "too_many_requests", str(error), retry_after_header(error))


async def answer_recovery_error(request: Request, error: Exception) -> JSONResponse:
    """The answer to an error of ours."""
    if isinstance(error, CommandRefused):
        return problem_response(request, refusal_status(error), error.code, str(error))
    if isinstance(error, TooManyRequests):
        return too_many_response(request, error)
    for kind, status, code in _STATUS_BY_ERROR:
        if isinstance(error, kind):
            return problem_response(
                request, status, code, public_message(error), RETRY_AFTER_HEADER if status == 503 else None
            )
    return await answer_unexpected_error(request, error)


def public_message(error: Exception) -> str:
    """The error's text for the caller. A database's message is logged instead, since it names hosts and roles."""
    if isinstance(error, StoreUnavailable):
        structlog.get_logger("api").warning("the database can't be used", problem=str(error))
        return "The database cannot be used now."
    return str(error)


def error_status(error: Exception) -> int | None:
    """The HTTP status for an error of ours; None for one that no route should raise, which is answered with 500."""
    return next((status for kind, status, _ in _STATUS_BY_ERROR if isinstance(error, kind)), None)


async def _handle_invalid_request(request: Request, error: Exception) -> JSONResponse:
    """422 with each invalid field and the reason."""
    # Never the value itself: it may be a secret, or not even text.
    assert isinstance(error, RequestValidationError)
    errors = list_field_problems(error.errors())
    return problem_response(request, 422, "invalid_request", "The request does not match its schema.", errors=errors)


def list_field_problems(errors: Sequence[Any]) -> list[FieldProblem]:
    """The first 20 of pydantic's errors, shortened."""
    return [
        FieldProblem(field=shorten(".".join(map(str, one["loc"]))), message=shorten(str(one["msg"])))
        for one in errors[:MOST_PROBLEMS]
    ]


async def answer_http_error(request: Request, error: Exception) -> JSONResponse:
    """The answer to an HTTPException."""
    assert isinstance(error, HTTPException)
    code = _CODE_BY_STATUS.get(
        error.status_code, ProblemCode.BAD_REQUEST if error.status_code < 500 else ProblemCode.INTERNAL
    )
    return problem_response(request, error.status_code, code, str(error.detail), error.headers)


async def answer_unexpected_error(request: Request, error: Exception) -> JSONResponse:
    """The answer to any other error, which is logged."""
    structlog.get_logger("api").error("a request failed", path=_request_path(request), exc_info=error)
    # This response is sent outside of all middleware, so the security header that matters for any body is set here.
    headers = {"X-Content-Type-Options": "nosniff"}
    return problem_response(request, 500, "internal_error", "An unexpected error occurred; it was logged.", headers)
