"""Adyen's idempotency: for seven days the answer of the first execution comes again; what failed may be tried again."""

import json

from sandbox.models import Document
from sandbox.store import Store

MAX_KEY_LENGTH = 64
KEY_LIFETIME_SECONDS = 7 * 86_400
KEY_PREFIX = "adyen:"


class AdyenIdempotencyKeys:
    """A key is new, running, or answered."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(self, key: str, now: int) -> Document | None:
        """Claim a new key (None) or give its first answer. KeyError while the first one is still running."""
        self._store.execute(
            "DELETE FROM idempotency WHERE key = ? AND created <= ?", KEY_PREFIX + key, now - KEY_LIFETIME_SECONDS
        )
        found = self._store.execute("SELECT * FROM idempotency WHERE key = ?", KEY_PREFIX + key)
        if not found:
            sql = "INSERT INTO idempotency (key, request, created) VALUES (?, '', ?)"
            self._store.execute(sql, KEY_PREFIX + key, now)
            return None
        if found[0]["status"] is None:
            raise KeyError(key)
        answer: Document = json.loads(found[0]["body"])
        return answer

    def keep_answer(self, key: str, answer: Document) -> None:
        """Keep the answer."""
        sql = "UPDATE idempotency SET status = 200, body = ?, request_id = '' WHERE key = ?"
        self._store.execute(sql, json.dumps(answer), KEY_PREFIX + key)

    def release(self, key: str) -> None:
        """It was not executed; the next request with this key is the first again."""
        self._store.execute("DELETE FROM idempotency WHERE key = ? AND status IS NULL", KEY_PREFIX + key)
