"""Observes activities: log lines with the recovery id, a duration histogram (s), unexpected errors to Sentry."""

import time
from typing import Any

import sentry_sdk
import structlog
from prometheus_client import CollectorRegistry, Histogram
from structlog.contextvars import bound_contextvars
from temporalio.activity import info
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from core.errors import RecoveryError

DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 90.0)


def activity_seconds(registry: CollectorRegistry) -> Histogram:
    """Histogram of activity durations in seconds, by activity and outcome (done, failed)."""
    labels = ("activity", "outcome")
    return Histogram(
        "pri_activity_seconds", "Time an activity took", labels, buckets=DURATION_BUCKETS, registry=registry
    )


class ActivityObserver(Interceptor):
    """Worker interceptor that observes every activity of the worker."""

    def __init__(self, seconds: Histogram) -> None:
        self._seconds = seconds

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap the activity's inbound interceptor; called by the SDK."""
        return _ObservedInbound(next, self._seconds)


class _ObservedInbound(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, seconds: Histogram) -> None:
        super().__init__(following)
        self._seconds = seconds

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        name, began = info().activity_type, time.monotonic()
        recovery = getattr(input.args[0], "recovery", None) if input.args else None
        workflow_id = info().workflow_id or ""
        invoice, provider = getattr(recovery, "invoice_id", ""), getattr(recovery, "provider", "")
        with bound_contextvars(recovery_id=workflow_id, invoice=invoice, provider=provider):
            try:
                result = await super().execute_activity(input)
            except Exception as error:
                self._record_execution(name, "failed", began, error)
                raise
            self._record_execution(name, "done", began, None)
            return result

    def _record_execution(self, name: str, outcome: str, began: float, error: Exception | None) -> None:
        seconds = time.monotonic() - began
        self._seconds.labels(name, outcome).observe(seconds)
        log = structlog.get_logger("activity")
        if error is None:
            log.info(name, milliseconds=round(seconds * 1000))
        else:
            log.warning(name, error=type(error).__name__, try_=info().attempt)
            if not isinstance(error, ApplicationError | RecoveryError):
                sentry_sdk.capture_exception(error)
