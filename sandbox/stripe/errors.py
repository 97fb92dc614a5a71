"""Stripe's errors as exceptions."""

from typing import Any

from sandbox.models import Document


class StripeError(Exception):
    """An answer other than 2xx, with the body of Stripe's error object."""

    def __init__(self, status: int, *, headers: dict[str, str] | None = None, **error: Any) -> None:
        super().__init__(f"{status} {error.get('code') or error.get('type')}: {error.get('message')}")
        self.status = status
        self.headers = headers or {}
        self.error = {name: value for name, value in error.items() if value is not None}

    @property
    def body(self) -> Document:
        """What goes over the wire."""
        return {"error": self.error}


def invalid_request(message: str, param: str | None = None, code: str | None = None, status: int = 400) -> StripeError:
    """An `invalid_request_error`."""
    return StripeError(status, type="invalid_request_error", code=code, message=message, param=param)


def resource_missing(kind: str, document_id: str) -> StripeError:
    """404 `resource_missing`."""
    return invalid_request(f"No such {kind}: '{document_id}'", param="id", code="resource_missing", status=404)


def error_for_status(status: int, retry_after: str | None = None) -> StripeError:
    """The error Stripe gives for a status when nothing more is known."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    if status == 429:
        return StripeError(
            429, headers=headers, type="invalid_request_error", code="rate_limit", message="Too many requests."
        )
    if status == 409:
        return StripeError(
            409, headers=headers, type="idempotency_error", code="idempotency_key_in_use", message="Conflict."
        )
    return StripeError(status, headers=headers, type="api_error", message="An unknown error occurred")
