"""Observes activities: log lines with the recovery id, a duration histogram (s), unexpected errors to Sentry."""

import time
from typing import Any

import sentry_sdk
import structlog
from prometheus_client import CollectorRegistry, Histogram
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from core.errors import RecoveryError
from observability.logging import recovery_log_context

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
    """Observes one execution. The SDK builds one per execution and calls `init` before it."""

    def __init__(self, following: ActivityInboundInterceptor, seconds: Histogram) -> None:
        super().__init__(following)
        self._seconds = seconds

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        self._info = outbound.info()
        super().init(outbound)

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        began = time.monotonic()
        recovery = getattr(input.args[0], "recovery", None) if input.args else None
        invoice, provider = getattr(recovery, "invoice_id", ""), getattr(recovery, "provider", "")
        with recovery_log_context(self._info.workflow_id or "", invoice=invoice, provider=provider):
            try:
                result = await super().execute_activity(input)
            except Exception as error:
                self._record_execution("failed", began, error)
                raise
            self._record_execution("done", began, None)
            return result

    def _record_execution(self, outcome: str, began: float, error: Exception | None) -> None:
        name, seconds = self._info.activity_type, time.monotonic() - began
        self._seconds.labels(name, outcome).observe(seconds)
        log = structlog.get_logger("activity")
        if error is None:
            log.info(name, milliseconds=round(seconds * 1000))
        else:
            log.warning(name, error=type(error).__name__, try_=self._info.attempt)
            if not isinstance(error, ApplicationError | RecoveryError):
                sentry_sdk.capture_exception(error)
