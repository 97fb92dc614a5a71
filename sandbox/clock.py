"""The sandbox's clock: real time plus an offset that control calls push forward and that survives restarts."""

import time

from sandbox.models import Document
from sandbox.store import Store


class SandboxClock:
    """Seconds since 1970; never goes back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._offset: int = (store.get("clock", "clock") or {"offset": 0})["offset"]

    def now(self) -> int:
        """The sandbox's present moment."""
        return int(time.time()) + self._offset

    def now_for(self, store: Store, document: Document) -> int:
        """The present of an object: that of its test clock where it has one.

        A payment has none of its own: its customer's counts.
        """
        owner = store.get("customer", document.get("customer")) or {}
        clock = store.get("test_clock", document.get("test_clock") or owner.get("test_clock"))
        return int(clock["frozen_time"]) if clock else self.now()

    def advance(self, seconds: int) -> int:
        """Go forward; gives the new present."""
        if seconds < 0:
            raise ValueError("the clock only goes forward")
        self._offset += seconds
        self._store.put("clock", {"id": "clock", "offset": self._offset})
        return self.now()
