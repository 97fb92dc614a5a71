"""What an activity asks of its context, and the errors that it ends with, as Temporal's SDK makes them."""

from datetime import datetime
from typing import Any

from temporalio.exceptions import ActivityError, ApplicationError

from tests.deterministic.instance import ActivityOrder


class ActivityContext:
    """What `temporalio.activity` asks of its context."""

    def __init__(self, started: datetime) -> None:
        self._started = started

    def info(self) -> "ActivityContext":
        """Itself: it holds the one field that is read."""
        return self

    @property
    def started_time(self) -> datetime:
        """When this attempt was started."""
        return self._started

    def heartbeat(self, *_: Any) -> None:
        """The server looks at the process instead."""


def as_application_error(error: Exception) -> ApplicationError:
    """The error as a worker sends it to the server."""
    if isinstance(error, ApplicationError):
        return error
    return ApplicationError(str(error), type=type(error).__name__)


def activity_error(order: ActivityOrder, cause: BaseException | None) -> ActivityError:
    """The error that the workflow gets of an activity that failed for good."""
    error = ActivityError(
        "simulated: the activity failed",
        scheduled_event_id=0,
        started_event_id=0,
        identity="",
        activity_type=order.name,
        activity_id=str(order.number),
        retry_state=None,
    )
    error.__cause__ = cause
    return error
