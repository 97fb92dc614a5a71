"""What time it is inside an activity, by the server's clock, which tests let run ahead of this machine's."""

import time
from datetime import datetime, timedelta

from temporalio import activity


class ActivityClock:
    """Starts where the workflow or this attempt of the activity did, whichever is later, and goes on from there."""

    def __init__(self, workflow_now: datetime) -> None:
        self._began = max(workflow_now, activity.info().started_time)
        self._monotonic = time.monotonic()

    def now(self) -> datetime:
        """The time, aware and in UTC."""
        return self._began + timedelta(seconds=time.monotonic() - self._monotonic)
