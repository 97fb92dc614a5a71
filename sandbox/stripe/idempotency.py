"""Stripe's idempotency keys (v1): the first answer is kept for 24 hours and returned unchanged to a repeat."""

import json
import time
from dataclasses import dataclass

from sandbox.models import Document
from sandbox.store import KeyTable, Store
from sandbox.stripe.errors import StripeError, invalid_request

MAX_KEY_LENGTH = 255
KEY_LIFETIME_SECONDS = 86_400
LIFETIME_KIND = "key_lifetime"
"""Kind and id of the document that holds another lifetime than Stripe's."""


@dataclass(frozen=True)
class KeptAnswer:
    """The first answer to a key."""

    status: int
    body: str
    request_id: str


class IdempotencyKeys:
    """A repeat with other parameters is refused, and so is one while the first is running."""

    def __init__(self, store: Store) -> None:
        self._store = store
        shortened = store.get(LIFETIME_KIND, LIFETIME_KIND) or {}
        self._table = KeyTable(store, shortened.get("seconds", KEY_LIFETIME_SECONDS))

    def set_lifetime(self, seconds: int) -> None:
        """Forget keys after this many seconds from now on; the store says so, with the wall clock's time."""
        self._table.lifetime_seconds = seconds
        self._store.put(LIFETIME_KIND, {"id": LIFETIME_KIND, "seconds": seconds, "since": time.time()})

    def claim(self, key: str, request: Document, now: int) -> KeptAnswer | None:
        """Claim a new key (None), or give its answer. Raises StripeError for a running key and another request."""
        if len(key) > MAX_KEY_LENGTH:
            raise invalid_request(f"Idempotency keys must be {MAX_KEY_LENGTH} characters or less.", status=400)
        printed = json.dumps(request, sort_keys=True)
        found = self._table.claim(key, printed, now)
        if found is None:
            return None
        _refuse_conflict(key, found, printed)
        return KeptAnswer(found["status"], found["body"], found["request_id"])

    def keep_answer(self, key: str, answer: KeptAnswer) -> None:
        """Keep the answer."""
        self._table.keep_answer(key, answer.status, answer.body, answer.request_id)

    def release(self, key: str) -> None:
        """The request had no lasting answer; the next one with this key is the first again."""
        self._table.release(key)


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
