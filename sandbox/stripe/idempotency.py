"""Stripe's idempotency keys (v1): the first answer is kept for 24 hours and returned unchanged to a repeat."""

import json
from dataclasses import dataclass

from sandbox.models import Document
from sandbox.store import Store
from sandbox.stripe.errors import StripeError, invalid_request

MAX_KEY_LENGTH = 255
KEY_LIFETIME_SECONDS = 86_400


@dataclass(frozen=True)
class KeptAnswer:
    """The first answer to a key."""

    status: int
    body: str
    request_id: str


class IdempotencyKeys:
    """A key is new, running, or answered; a repeat with other parameters is refused."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(self, key: str, request: Document, now: int) -> KeptAnswer | None:
        """Claim a new key (None), or give its answer. Raises for a running key and for another request."""
        if len(key) > MAX_KEY_LENGTH:
            raise invalid_request(f"Idempotency keys must be {MAX_KEY_LENGTH} characters or less.", status=400)
        printed = json.dumps(request, sort_keys=True)
        self._store.execute("DELETE FROM idempotency WHERE key = ? AND created <= ?", key, now - KEY_LIFETIME_SECONDS)
        found = self._store.execute("SELECT * FROM idempotency WHERE key = ?", key)
        if not found:
            self._store.execute("INSERT INTO idempotency (key, request, created) VALUES (?, ?, ?)", key, printed, now)
            return None
        _refuse_conflict(key, found[0], printed)
        return KeptAnswer(found[0]["status"], found[0]["body"], found[0]["request_id"])

    def keep_answer(self, key: str, answer: KeptAnswer) -> None:
        """Keep the answer."""
        sql = "UPDATE idempotency SET status = ?, body = ?, request_id = ? WHERE key = ?"
        self._store.execute(sql, answer.status, answer.body, answer.request_id, key)

    def release(self, key: str) -> None:
        """The request had no lasting answer; the next one with this key is the first again."""
        self._store.execute("DELETE FROM idempotency WHERE key = ? AND status IS NULL", key)


def _refuse_conflict(key: str, found: Document, printed: str) -> None:
    if found["request"] != printed:
        raise StripeError(
            400,
            type="idempotency_error",
            message="Keys for idempotent requests can only be used with the same parameters they were first used"
            f" with. Try using a key other than '{key}' if you meant to execute a different request.",
        )
    if found["status"] is None:
        raise StripeError(
            409,
            type="idempotency_error",
            code="idempotency_key_in_use",
            message=f"There is currently another in-progress request using this idempotency key: '{key}'.",
        )
